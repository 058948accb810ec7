"""Requests a second and latency of an exported model: SavedModel, XLA, the Keras model, all in one process.

    python benchmarks/serving.py [--work_dir=RUN] [--seconds=0.8] [--json=FILE]

Without --work_dir a network of mnist_small's size (64 filters, 28x28x1, zdim 8) with its initial
weights is measured: the time of a pass does not depend on the weights. One client, one request at a
time; what a server's queue, its protocol and the network add is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import common

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from wae_tf.cli.arguments import parse
from wae_tf.config import Config
from wae_tf.models import by_name
from wae_tf.models.wae import Wae
from wae_tf.serving import export, signatures
from wae_tf.training import resuming

BATCHES = (1, 8, 64)


def measure(call: Callable[[], object], seconds: float) -> dict[str, float]:
    """Calls for so many seconds, after three calls that are not counted."""
    for _ in range(3):
        call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {
        "requests_per_second": len(times) / sum(times),
        "p50_ms": 1e3 * statistics.median(times),
        "p99_ms": 1e3 * float(np.percentile(times, 99)),
        "requests": len(times),
    }


def model_of(work_dir: str | None) -> Wae:
    """A run's model, or one of mnist_small's size."""
    if work_dir is not None:
        config = parse(["--mode=export", f"--work_dir={work_dir}"])[1]
        return resuming.restore_model(config)
    return by_name.from_config(Config(init_std=0.05), (28, 28, 1), 1000)


def callers(model: Wae, loaded: dict[str, object], name: str) -> dict[str, Callable]:
    """The ways to ask for one signature, each a function of one tensor that gives NumPy arrays."""

    def served(kind: str) -> Callable:
        function = loaded[kind].signatures[name]
        key = "codes" if name == "decode" else "images"
        return lambda rows: {k: v.numpy() for k, v in function(**{key: rows}).items()}

    method = getattr(model, name)
    compiled = tf.function(method)
    return {
        "SavedModel": served("plain"),
        "SavedModel, XLA": served("xla"),
        "Keras model, tf.function": lambda rows: compiled(rows).numpy(),
        "Keras model, eager": lambda rows: method(rows).numpy(),
    }


def run(arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Measures every signature, way and batch."""
    model = signatures.served_model(model_of(arguments.work_dir))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        loaded = {}
        for kind in ("plain", "xla"):
            export.save(model, Path(folder) / kind, jit_compile=kind == "xla")
            loaded[kind] = tf.saved_model.load(str(Path(folder) / kind))
        images = model.sample(max(BATCHES), seed=0)
        inputs = {"encode": images, "decode": model.encode(images), "reconstruct": images}
        for name, tensor in inputs.items():
            for batch in BATCHES:
                answers = []
                for way, call in callers(model, loaded, name).items():
                    part = tensor[:batch]
                    answers.append(tf.nest.flatten(call(part))[0])
                    found = measure(lambda call=call, part=part: call(part), arguments.seconds)
                    rows.append({"signature": name, "batch": batch, "way": way, **found})
                for answer in answers[1:]:  # a fast wrong answer is worth nothing
                    assert export.relative_error(answer, answers[0]) <= 1e-4
        rows += other_signatures(loaded["plain"], model, arguments.seconds)
    return rows


def other_signatures(loaded, model: Wae, seconds: float) -> list[dict[str, object]]:
    """The signatures that have no method of the Keras model beside them."""
    rows = []
    pixels = tf.cast(tf.round(255 * model.sample(1, seed=0)[0]), tf.uint8)
    files = {"PNG": tf.io.encode_png(pixels), "JPEG": tf.io.encode_jpeg(pixels)}
    requests = {
        f"encode_bytes, {kind}": ("encode_bytes", lambda n, data=data: {"image_bytes": [data] * n})
        for kind, data in files.items()
        if model.image_shape[2] in (1, 3)
    }
    requests["sample, an image a row"] = (
        "sample",
        lambda n: {"count": np.ones(n, np.int64), "seed": np.arange(n)},
    )
    for label, (name, inputs) in requests.items():
        for batch in BATCHES:
            given = {key: tf.convert_to_tensor(value) for key, value in inputs(batch).items()}
            function = loaded.signatures[name]
            found = measure(lambda f=function, g=given: tf.nest.flatten(f(**g))[0].numpy(), seconds)
            rows.append({"signature": label, "batch": batch, "way": "SavedModel", **found})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """As Markdown."""
    lines = [
        "| signature | batch | way | requests/s | images/s | p50 ms | p99 ms |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        images = row["batch"] * row["requests_per_second"]
        lines.append(
            f"| {row['signature']} | {row['batch']} | {row['way']} "
            f"| {row['requests_per_second']:.0f} | {images:.0f} "
            f"| {row['p50_ms']:.2f} | {row['p99_ms']:.2f} |"
        )
    return "\n".join(lines)


def _main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--work_dir", help="a run to measure")
    parser.add_argument("--seconds", type=float, default=0.8, help="of measuring, each row")
    parser.add_argument(
        "--json", type=common.file_to_write, help="also write the numbers to this file"
    )
    arguments = parser.parse_args()
    start = time.perf_counter()
    rows = run(arguments)
    devices = "GPU" if tf.config.list_physical_devices("GPU") else f"{os.cpu_count()} CPU cores"
    print(table(rows))
    print(
        f"\nTensorFlow {tf.__version__}, {devices}, load {os.getloadavg()[0]:.1f} at the end, "
        f"{time.perf_counter() - start:.0f} s in all"
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    common.program(_main)
