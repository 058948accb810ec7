"""Memory, open files and threads over a long training: what grows is a leak.

    python benchmarks/memory.py --data_dir=MNIST_DIR [--steps=10000]

Trains the official mnist_small (60,000 images of real MNIST) into a temporary run folder, with its
checkpoints and figures, and prints the process's resident memory after each epoch. The growth is
from the third epoch, when all has been compiled and drawn once, to the last.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import common

from wae_tf.cli.arguments import parse
from wae_tf.training import train
from wae_tf.training.callbacks import Checkpoints

PRESET = Path(__file__).parents[1] / "flags" / "official" / "mnist_small.flags"


def main() -> None:
    """Trains, prints."""
    parser = common.parser(__doc__)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--steps", type=common.number(), default=10_000)
    options = parser.parse_args()

    seen: list[tuple[int, float, int, int]] = []
    plain = Checkpoints.on_epoch_end

    def watched(self: Checkpoints, epoch: int, logs: dict | None = None) -> None:
        plain(self, epoch, logs)
        status = Path("/proc/self/status").read_text().splitlines()
        (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
        files = len(os.listdir("/proc/self/fd"))
        row = (int(self.model.step.numpy()), resident / 1024, files, threading.active_count())
        seen.append(row)
        print("step {:,}: {:,.0f} MB, {} open files, {} threads".format(*row), flush=True)

    Checkpoints.on_epoch_end = watched
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--flagfile={PRESET}", "--figure_every=2"]
        arguments += [f"--data_dir={options.data_dir}", f"--work_dir={folder}/run"]
        train.train(parse([*arguments, f"--steps={options.steps}"])[1])
    first, last = seen[min(2, len(seen) - 1)], seen[-1]
    print(
        f"from step {first[0]:,} to {last[0]:,}: memory {last[1] - first[1]:+,.1f} MB, open files "
        f"{last[2] - first[2]:+d}, threads {last[3] - first[3]:+d}"
    )


if __name__ == "__main__":
    common.program(main)
