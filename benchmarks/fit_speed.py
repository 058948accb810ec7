"""Milliseconds a step of `fit` in a program of your own, by what `compile` is told.

    python benchmarks/fit_speed.py [--repeats=3]

Fits mnist_small's networks to random bytes, 600 steps an epoch, each way in turn in one process, and prints
Markdown: the least and the median of the epochs after each way's first, which compiles.
"""

from __future__ import annotations

import os
import statistics
import time

import common
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import wae_tf

#: What `compile` is told.
WAYS = (
    {},
    {"jit_compile": True},
    {"steps_per_execution": 20},
    {"jit_compile": True, "steps_per_execution": 20},
)
STEPS, BATCH = 600, 100


class _Epochs(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="epochs of each way")
    repeats = parser.parse_args().repeats
    if repeats < 1:
        parser.error(f"--repeats={repeats} is not accepted: 1 up")
    images = np.random.default_rng(0).integers(0, 256, (STEPS * BATCH, 28, 28, 1), np.uint8)
    both = {f"{side}_arch": "mlp" for side in ("encoder", "decoder")}
    both |= {f"{side}_filters": 256 for side in ("encoder", "decoder")}
    both |= {f"{side}_layers": 3 for side in ("encoder", "decoder")}
    models = []
    for way in WAYS:
        model = wae_tf.WaeMmd((28, 28, 1), zdim=4, encoder_noise="gaussian", **both)
        model.compile(**way)
        models.append((model, way, _Epochs()))
    for _ in range(1 + repeats):
        for model, _, epochs in models:
            model.fit(images, batch_size=BATCH, verbose=0, callbacks=[epochs])
    print("| compile | ms a step, least | median |")
    print("| --- | --- | --- |")
    for _, way, epochs in models:
        told = ", ".join(f"{name}={value}" for name, value in way.items())
        taken = [1e3 * seconds / STEPS for seconds in epochs.seconds[1:]]
        print(f"| `compile({told})` | {min(taken):.1f} | {statistics.median(taken):.1f} |")


if __name__ == "__main__":
    main()
