"""Trains the official code and this one side by side on MNIST and tells whether they end alike.

    python benchmarks/training_parity.py --out=OUT --official_dir=CLONE --official_python=PY --data_dir=MNIST

The official code runs untouched under Python 2.7 and TensorFlow 1.15. Both sides train the official
mnist_small, or its mnist narrowed to 32 filters (--settings=mnist_32), as WAE-MMD and WAE-GAN, with
several seeds, a run of one side after a run of the other. Random numbers differ between the two, so ends
are compared as samples: means, Welch's t, Kolmogorov-Smirnov, Brown and Forsythe's test of the spreads,
all corrected for their number after Holm, and the 90% interval of the difference in standard deviations
of a run. "equal" means that this interval lies within 0.3, which takes some 60 runs a side; "no difference
found" that there are too few runs for that.

Each run's numbers are OUT/SETTING_PENALTY_SEED_SIDE.json; those that are there are not trained again, so
that the same command goes on where it was stopped, and several can share the work: each takes runs that
no other has begun, and its table is of those that are there at its end. Writes OUT/table.md and
OUT/curves.png besides.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common
import numpy as np
import two_sides

SIDES = ("official", "ours")
QUANTITIES = {
    "training_cost": "training cost, mean of the last epoch",
    "training_penalty": "training penalty, mean of the last epoch",
    "test_reconstruction": "test reconstruction",
    "penalty": "test penalty",
    "sharpness_samples_mean": "sharpness of samples, mean",
    "sharpness_samples": "sharpness of samples, minimum",
}
CURVES = {"costs": "training cost", "penalties": "training penalty"}
#: Of each setting: the official experiment, and what is narrowed of it, by both sides' names.
SETTINGS: dict[str, tuple[str, dict[str, tuple[str, int]]]] = {
    "mnist_small": ("mnist_small", {}),
    "mnist_32": (
        "mnist",
        {
            "encoder_filters": ("e_num_filters", 32),
            "decoder_filters": ("g_num_filters", 32),
            "adversary_filters": ("d_num_filters", 64),
        },
    ),
}


def unzipped(data_dir: Path, folder: Path) -> Path:
    """A folder with the idx files unzipped, as the official code wants them."""
    folder.mkdir()
    if not any(data_dir.glob("*-ubyte*")):
        sys.exit(f"--data_dir={data_dir} holds none of MNIST's idx files.")
    for path in sorted(data_dir.glob("*-ubyte*")):
        target = folder / path.name.removesuffix(".gz")
        opened = (gzip.open if path.suffix == ".gz" else open)(path, "rb")
        with opened as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    return folder


def finished(command: list[str], whose: str) -> str:
    """What a training printed; ends this program with a sentence where it failed."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{whose} code failed: {(result.stderr.strip() or '?').splitlines()[-1]}")
    return result.stdout


def train_official(
    arguments: argparse.Namespace, setting: str, z_test: str, seed: int, work: Path
) -> dict[str, Any]:
    """One official run's numbers."""
    experiment, narrowed = SETTINGS[setting]
    folder = work / f"official_{setting}_{z_test}_{seed}"
    command = [arguments.official_python, str(Path(__file__).with_name("official_training.py"))]
    command += [os.path.abspath(arguments.official_dir), experiment, z_test, str(work / "mnist")]
    command += [str(folder), str(arguments.epochs), str(seed)]
    command += [f"{name}={value}" for name, value in narrowed.values()]
    return json.loads(finished(command, "the official").strip().splitlines()[-1])


def train_ours(
    arguments: argparse.Namespace, setting: str, z_test: str, seed: int, work: Path
) -> dict[str, Any]:
    """One run of ours, its metrics.json and the curves of its history.csv."""
    experiment, narrowed = SETTINGS[setting]
    folder = work / f"ours_{setting}_{z_test}_{seed}"
    preset = Path(__file__).parents[1] / "flags" / "official" / f"{experiment}.flags"
    command = [sys.executable, "-m", "wae_tf.main", f"--flagfile={preset}"]
    command += [f"--model=wae_{z_test}", f"--data_dir={arguments.data_dir}", f"--work_dir={folder}"]
    command += [f"--epochs={arguments.epochs}", f"--seed={seed}", "--figure_every=0"]
    command += [
        f"--{name}={value}"
        for name, (_, value) in narrowed.items()
        if z_test == "gan" or name != "adversary_filters"
    ]
    finished(command, "this")
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    curves = {
        "costs": [float(row["train_reconstruction"]) for row in rows],
        "penalties": [float(row["train_penalty"]) for row in rows],
    }
    ends = {"training_cost": curves["costs"][-1], "training_penalty": curves["penalties"][-1]}
    return {**{name: metrics[name] for name in QUANTITIES if name in metrics}, **ends, **curves}


def train_into(
    path: Path, train: Callable[[], dict[str, Any]], arguments: argparse.Namespace
) -> None:
    """Writes a run's numbers, unless they are there or another command trains it."""
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if path.is_file():
            return
        result = {"epochs": arguments.epochs} | train()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result) + "\n")
        part.replace(path)
        shown = ", ".join(f"{name} {result[name]:.5g}" for name in QUANTITIES)
        print(f"{path.stem}: {shown}", file=sys.stderr)


def runs_of(
    arguments: argparse.Namespace, setting: str, z_test: str, work: Path
) -> dict[str, list[dict[str, Any]]]:
    """Both sides' runs of all seeds, those trained that are not there yet."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for seed in range(arguments.seeds):
        for side, train in zip(SIDES, (train_official, train_ours), strict=True):
            path = Path(arguments.out) / f"{setting}_{z_test}_{seed}_{side}.json"
            if not arguments.table_only:
                train_into(path, partial(train, arguments, setting, z_test, seed, work), arguments)
            if not path.is_file():
                continue
            result = json.loads(path.read_text())
            if result["epochs"] != arguments.epochs:
                sys.exit(f"{path} is of {result['epochs']} epochs, not of {arguments.epochs}")
            runs[side].append(result)
    return runs


def table(all_runs: dict[tuple[str, str], dict[str, list[dict[str, Any]]]]) -> str:
    """Every quantity of every setting beside each other, in Markdown."""
    found = []
    for (setting, z_test), runs in all_runs.items():
        for name, title in QUANTITIES.items():
            sides = [[run[name] for run in runs[side]] for side in SIDES]
            count = " and ".join(str(len(side)) for side in sides)
            found.append(([setting, z_test, title, count], two_sides.compare(name, *sides)))
    p = two_sides.holm([p for _, one in found for p in (one.t_p, one.ks_p, one.spread_p)])
    rows = []
    for index, (cells, one) in enumerate(found):
        of_one = p[3 * index : 3 * index + 3]
        rows.append(
            [
                *cells,
                *(f"{mean:.5g} ± {spread:.2g}" for mean, spread in (one.first, one.second)),
                f"{one.t:+.1f}",
                *(f"{value:.2g}" for value in of_one),
                f"{one.low:+.2f} to {one.high:+.2f}",
                two_sides.verdict(one, *of_one),
            ]
        )
    head = [
        "setting",
        "penalty",
        "quantity",
        "runs",
        *SIDES,
        "t",
        "p of t",
        "p of KS",
        "p of spread",
    ]
    return common.markdown([*head, "difference in sd, 90%", "verdict"], rows)


def draw(path: Path, all_runs: dict[tuple[str, str], dict[str, list[dict[str, Any]]]]) -> None:
    """Mean and standard deviation of both sides' training cost and penalty by epoch."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(all_runs), len(CURVES), figsize=(10, 3.2 * len(all_runs)), squeeze=False
    )
    for row, ((setting, z_test), runs) in zip(axes, all_runs.items(), strict=True):
        for axis, (name, title) in zip(row, CURVES.items(), strict=True):
            for side, color, line in zip(SIDES, ("#d55e00", "#0072b2"), ("-", "--"), strict=True):
                curves = np.array([run[name] for run in runs[side]])
                epochs = np.arange(1, curves.shape[1] + 1)
                mean, spread = curves.mean(0), curves.std(0, ddof=1)
                axis.plot(epochs, mean, line, color=color, label=f"{side}, {len(curves)} runs")
                axis.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.2)
            axis.set(title=f"{setting} {z_test}", xlabel="epoch", ylabel=title)
            axis.set_xticks(epochs)
            axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Runs everything and prints a Markdown table."""
    parser = common.parser(__doc__)
    parser.add_argument("--out", required=True, help="folder of the runs' numbers")
    parser.add_argument("--official_dir", required=True)
    parser.add_argument("--official_python", required=True)
    parser.add_argument("--data_dir", required=True, help="the four idx files, gzipped or not")
    parser.add_argument("--epochs", type=common.number(), default=5)
    parser.add_argument("--seeds", type=common.number(least=2), default=24)
    of_settings = "of " + ", ".join(SETTINGS)
    parser.add_argument(
        "--settings", type=common.names(SETTINGS), default="mnist_small", help=of_settings
    )
    parser.add_argument(
        "--penalties",
        type=common.names(("mmd", "gan")),
        default="mmd,gan",
        help="mmd, gan, or both",
    )
    parser.add_argument("--table_only", action="store_true", help="of the runs that are there")
    arguments = parser.parse_args()
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    all_runs = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        unzipped(Path(arguments.data_dir), work / "mnist")
        for setting in arguments.settings:
            for z_test in arguments.penalties:
                runs = runs_of(arguments, setting, z_test, work)
                if min(len(side) for side in runs.values()) > 1:
                    all_runs[setting, z_test] = runs
    if not all_runs:
        sys.exit("a comparison takes two runs of each side; --seeds=2 or more")
    text = table(all_runs)
    (Path(arguments.out) / "table.md").write_text(text + "\n")
    draw(Path(arguments.out) / "curves.png", all_runs)
    print(text)


if __name__ == "__main__":
    common.program(main)
