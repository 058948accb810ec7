"""Time and memory of the penalties, value and gradient, against batch size and dimensions of the code.

    python benchmarks/scaling.py [--batches=100,500,2000,8000] [--dimensions=2,64,512]

Each line is a process of its own, so that the peak of its memory is its own; what TensorFlow and the
inputs take is subtracted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import common

from wae_tf.config import Config
from wae_tf.networks import official
from wae_tf.objective import mmdpp, penalties
from wae_tf.settings import MMD_SCALES

PENALTIES = ("imq, 7 scales", "rbf", "gan", "mmdpp")


def measure(name: str, batch: int, zdim: int) -> dict[str, float]:
    """Seconds and additional peak MB of one penalty with its gradient."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    codes = tf.random.stateless_normal([batch, zdim], [1, 2])
    prior = tf.random.stateless_normal([batch, zdim], [3, 4])
    many = tf.random.stateless_normal([batch * 10, zdim], [5, 6]) if name == "mmdpp" else codes
    width = 2.0 * zdim
    adversary = official.build_adversary(Config(zdim=zdim)) if name == "gan" else None

    @tf.function
    def both(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            if name == "gan":
                value = penalties.gan(adversary(z))
            elif name == "mmdpp":
                value = mmdpp.mmdpp(z, prior, data_size=60_000, kernel="imq", width=width)
            else:
                kernel = "rbf" if name == "rbf" else "imq"
                value = penalties.mmd(z, prior, kernel=kernel, width=width, scales=MMD_SCALES)
        return value, tape.gradient(value, z)

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    both.get_concrete_function(many)
    before, times = peak(), []
    for _ in range(4):
        began = time.perf_counter()
        both(many)[0].numpy()
        times.append(time.perf_counter() - began)
    return {"seconds": statistics.median(times[1:]), "mb": peak() - before}


def main() -> None:
    """Prints a markdown table."""
    parser = common.parser(__doc__)
    parser.add_argument("--batches", type=common.numbers(), default="100,500,2000,8000")
    parser.add_argument("--dimensions", type=common.numbers(), default="2,64,512")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(*json.loads(options.only))))
        return
    batches = options.batches
    print(f"| penalty | z | {' | '.join(f'batch {b:,}' for b in batches)} |")
    print("| --- " * (2 + len(batches)) + "|")
    for name in PENALTIES:
        for zdim in options.dimensions:
            cells = []
            for batch in batches:
                if name == "mmdpp" and batch > 500:  # ten codes an image: a hundred times the pairs
                    cells.append("-")
                    continue
                only = json.dumps([name, batch, zdim])
                done = subprocess.run(
                    [sys.executable, __file__, f"--only={only}"], capture_output=True, text=True
                )
                if done.returncode:
                    cells.append("failed")
                    continue
                found = json.loads(done.stdout.strip().splitlines()[-1])
                cells.append(f"{1e3 * found['seconds']:.3g} ms, {found['mb']:,.0f} MB")
            print(f"| {name} | {zdim} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    common.program(main)
