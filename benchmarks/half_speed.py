"""Seconds of computing a step in float32 and in half precision, on CPUs.

    python benchmarks/half_speed.py --data_dir=MNIST_DIR [--precisions=float32,mixed_bfloat16] \
        [--work=mnist_small,mnist_small_without_xla,filters_64,filters_256,mnist]

Trains official experiments on real MNIST as `wae_tf.main` does, all precisions of a piece of work in one
process, and prints Markdown: seconds of both cores together and by the clock, the medians of the calls
after the first. Seconds of computing say something beside other programs too.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

import common

from wae_tf.console import lean

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
lean.import_keras()

import keras  # noqa: E402

from wae_tf.cli.arguments import parse  # noqa: E402
from wae_tf.settings import processor  # noqa: E402
from wae_tf.training import train  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
#: Flags of each piece of work, and its steps.
WORK = {
    "mnist_small": (["--flagfile=mnist_small", "--jit"], 200),
    "mnist_small_without_xla": (["--flagfile=mnist_small", "--nojit"], 100),
    "filters_64": (["--flagfile=mnist", "--encoder_filters=64", "--decoder_filters=64"], 30),
    "filters_256": (["--flagfile=mnist", "--encoder_filters=256", "--decoder_filters=256"], 10),
    "mnist": (["--flagfile=mnist"], 4),
}
#: Of `--precision`.
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "float64")


class _Note(keras.callbacks.Callback):
    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.seen = steps, []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = int(self.model.step.numpy())
        self.seen.append((step, time.process_time(), time.perf_counter()))
        if step >= self.steps:
            raise common.Enough


def measured(work: str, precision: str, data_dir: str) -> tuple[float, float]:
    """Seconds a step: of computing, and by the clock."""
    flags, steps = WORK[work]
    flags = [flag.replace("flagfile=", f"flagfile={ROOT}/flags/official/") for flag in flags]
    flags[0] += ".flags"
    note = _Note(steps)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(common.Enough):
        flags += [f"--data_dir={data_dir}", f"--precision={precision}", f"--work_dir={folder}/run"]
        more = ["--nopretrain", "--figure_every=0", f"--steps_per_execution={max(1, steps // 10)}"]
        train.train(parse([*flags, *more])[1], [note])
    pairs = list(itertools.pairwise(note.seen))[1:]
    cpu, wall = (statistics.median((b[i] - a[i]) / (b[0] - a[0]) for a, b in pairs) for i in (1, 2))
    return cpu, wall


def main() -> None:
    """Measures, prints."""
    parser = common.parser(__doc__)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--work", type=common.names(WORK), default=",".join(WORK))
    parser.add_argument(
        "--precisions",
        type=common.names(PRECISIONS),
        default="float32,mixed_bfloat16,mixed_float16",
    )
    options = parser.parse_args()
    precisions = options.precisions
    print(*filter(None, map(processor.on_half, precisions)), "", sep="\n", flush=True)
    rows = []
    for work in options.work:
        found = [measured(work, precision, options.data_dir) for precision in precisions]
        cells = [
            f"{1e3 * cpu:.3g} ms, {1e3 * wall:.3g} ms ({cpu / found[0][0]:.2f}x)"
            for cpu, wall in found
        ]
        rows.append([work, *cells])
        print(common.markdown(["work", *precisions], rows), flush=True)


if __name__ == "__main__":
    common.program(main)
