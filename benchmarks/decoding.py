"""CelebA from JPEGs to 64x64 bytes: this project's cache, the official loader, a plain tf.data pipeline.

    python benchmarks/decoding.py --celeba_dir=FOLDER_OF_JPEGS --official_dir=CLONE \
        --official_python=PY27 [--images=5000] [--repeats=3]

Images a second from opening the files to having them, each in a process of its own, in turns; ratios
are of the same repetition. Ours writes its cache to the disk meanwhile, once for all runs to come; the
official loader (official datahandler.py:188-208, its own Data object, untouched) decodes anew in every
run, with the Pillow of its interpreter; the tf.data pipeline decodes, crops and resizes with TensorFlow's
ops as its guides show, in parallel, and does not give the official pixels. Files are read once before, so
that the disk is out of the matter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common

from wae_tf.data import load

OFFICIAL = """
from __future__ import print_function
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.dont_write_bytecode = True
clone, folder, names = json.loads(sys.stdin.read())
folder, names = str(folder), [str(name) for name in names]
sys.path.insert(0, clone)
import datahandler
opts = {"data_dir": folder, "input_normalize_sym": False, "celebA_crop": "closecrop",
        "dataset": "celebA"}
data = datahandler.Data(opts, None, names)
began = time.time()
for start in range(0, len(names), 100):
    data[list(range(start, min(start + 100, len(names))))]
print(time.time() - began)
"""


def own(folder: Path, names: list[str]) -> float:
    """Seconds of our decoding, the cache written and synced."""
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as links:
        for name in names:
            os.symlink(folder / name, Path(links) / name)
        began = time.perf_counter()
        images = load.load("celeba", data_dir=links, cache_dir=cache)
        assert len(images.train) + len(images.test) == len(names)
        return time.perf_counter() - began


def plain(folder: Path, names: list[str]) -> float:
    """Seconds of a pipeline of TensorFlow's own ops."""
    import tensorflow as tf

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.crop_to_bounding_box(image, 39, 19, 140, 140)
        image = tf.image.resize(image, [64, 64], method="lanczos3", antialias=True)
        return tf.saturate_cast(tf.round(image), tf.uint8)

    paths = [str(folder / name) for name in names]
    began = time.perf_counter()
    pipeline = tf.data.Dataset.from_tensor_slices(paths)
    pipeline = pipeline.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(100)
    count = sum(len(batch) for batch in pipeline.prefetch(tf.data.AUTOTUNE))
    assert count == len(names)
    return time.perf_counter() - began


def main() -> None:
    """Prints a markdown table."""
    parser = common.parser(__doc__)
    parser.add_argument("--celeba_dir", required=True)
    parser.add_argument("--official_dir")
    parser.add_argument("--official_python", help="Python 2.7 with TensorFlow 1.15")
    parser.add_argument("--images", type=common.number(), default=5000)
    parser.add_argument("--repeats", type=common.number(), default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if bool(options.official_dir) != bool(options.official_python):
        parser.error("--official_dir and --official_python go together")
    folder = Path(options.celeba_dir).resolve()
    names = sorted(path.name for path in folder.glob("*.jpg"))[: options.images]
    if not names:
        sys.exit(f"--celeba_dir={options.celeba_dir} holds no *.jpg.")
    if options.only:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        print({"wae_tf": own, "tf.data": plain}[options.only](folder, names))
        return
    for name in names:
        with (folder / name).open("rb") as file, open(os.devnull, "wb") as nowhere:
            shutil.copyfileobj(file, nowhere)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    commands = {
        name: ([sys.executable, str(Path(__file__).resolve()), f"--only={name}",
                f"--celeba_dir={folder}", f"--images={options.images}"], None, environment)
        for name in ("wae_tf", "tf.data")
    }  # fmt: skip
    if options.official_python:
        given = json.dumps([os.path.abspath(options.official_dir), str(folder), names])
        commands["official"] = ([options.official_python, "-c", OFFICIAL], given, None)
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.repeats):
        for name, (command, given, env) in commands.items():
            done = subprocess.run(command, input=given, capture_output=True, text=True, env=env)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
            seconds[name].append(float(done.stdout.strip().splitlines()[-1]))
    print(f"{len(names):,} JPEGs, {options.repeats} repetitions, medians")
    print("| decoder | images/s | wae_tf is faster by |\n| --- | --- | --- |")
    for name, times in seconds.items():
        ratio = statistics.median(t / o for t, o in zip(times, seconds["wae_tf"], strict=True))
        rate = len(names) / statistics.median(times)
        print(f"| {name} | {rate:,.0f} | {'' if name == 'wae_tf' else f'{ratio:.2f}x'} |")


if __name__ == "__main__":
    common.program(main)
