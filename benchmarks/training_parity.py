"""Trains the official code and this one side by side on MNIST and tabulates where they end.

    python benchmarks/training_parity.py --official_dir=CLONE --official_python=PY --data_dir=MNIST

The official code runs untouched under Python 2.7 and TensorFlow 1.15; both train the official
mnist_small, WAE-MMD and WAE-GAN, with several seeds. Random numbers differ, so ends are compared as
means over seeds: a difference is called within the spread where it is below twice its standard
error, sqrt(s1^2/n + s2^2/n).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

QUANTITIES = {
    "training_cost": "training cost, mean of the last epoch",
    "training_penalty": "training penalty, mean of the last epoch",
    "test_reconstruction": "test reconstruction",
    "penalty": "test penalty",
    "sharpness_samples_mean": "sharpness of samples, mean",
    "sharpness_samples": "sharpness of samples, minimum",
}


def unzipped(data_dir: Path, folder: Path) -> Path:
    """A folder with the idx files unzipped, as the official code wants them."""
    folder.mkdir()
    for path in sorted(data_dir.glob("*-ubyte*")):
        target = folder / path.name.removesuffix(".gz")
        opened = (gzip.open if path.suffix == ".gz" else open)(path, "rb")
        with opened as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    return folder


def train_official(arguments: argparse.Namespace, z_test: str, seed: int, work: Path) -> dict:
    """One official run's numbers."""
    script = Path(__file__).with_name("official_training.py")
    command = [
        arguments.official_python,
        str(script),
        arguments.official_dir,
        "mnist_small",
        z_test,
    ]
    command += [str(work / "mnist"), str(work / f"official_{z_test}_{seed}")]
    command += [str(arguments.epochs), str(seed)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"the official code failed: {finished.stderr.strip().splitlines()[-1]}")
    return json.loads(finished.stdout.strip().splitlines()[-1])


def train_ours(arguments: argparse.Namespace, z_test: str, seed: int, work: Path) -> dict:
    """One run of ours, its metrics.json."""
    folder = work / f"ours_{z_test}_{seed}"
    command = [sys.executable, "-m", "wae_tf.main", "--flagfile=flags/official/mnist_small.flags"]
    command += [f"--model=wae_{z_test}", f"--data_dir={arguments.data_dir}", f"--work_dir={folder}"]
    command += [f"--epochs={arguments.epochs}", f"--seed={seed}", "--figure_every=0"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"this code failed: {finished.stderr.strip().splitlines()[-1]}")
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "history.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    metrics["training_cost"] = float(last["reconstruction"])
    metrics["training_penalty"] = float(last["penalty"])
    return metrics


def main() -> None:
    """Runs everything and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official_dir", required=True)
    parser.add_argument("--official_python", required=True)
    parser.add_argument("--data_dir", required=True, help="the four idx files, gzipped or not")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--penalties", default="mmd,gan", help="mmd, gan, or both")
    parser.add_argument("--json", help="write every run's numbers to this file")
    arguments = parser.parse_args()
    arguments.official_dir = os.path.abspath(arguments.official_dir)
    runs: dict[str, dict[str, list[dict]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        unzipped(Path(arguments.data_dir), work / "mnist")
        for z_test in arguments.penalties.split(","):
            runs[z_test] = {"official": [], "ours": []}
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                for side, train in (("official", train_official), ("ours", train_ours)):
                    result = train(arguments, z_test, seed, work)
                    runs[z_test][side].append(result)
                    shown = ", ".join(f"{name} {result[name]:.5g}" for name in QUANTITIES)
                    print(f"{z_test} seed {seed} {side}: {shown}", file=sys.stderr, flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(runs, indent=1) + "\n")
    print("| penalty | quantity | official | ours | difference | within the spread |")
    print("| --- | --- | --- | --- | --- | --- |")
    for z_test, sides in runs.items():
        for name in QUANTITIES:
            theirs, ours = (np.array([r[name] for r in sides[s]]) for s in ("official", "ours"))
            error = math.sqrt((theirs.var(ddof=1) + ours.var(ddof=1)) / len(ours))
            difference = ours.mean() - theirs.mean()
            cells = [f"{v.mean():.5f} ± {v.std(ddof=1):.5f}" for v in (theirs, ours)]
            verdict = "yes" if abs(difference) <= 2 * error else "no"
            print(
                f"| {z_test} | {name} | {cells[0]} | {cells[1]} | {difference:+.5f} | {verdict} |"
            )


if __name__ == "__main__":
    main()
