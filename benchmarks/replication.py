"""The replication report's settings and the paper's beside each other, on one budget.

    python benchmarks/replication.py --out=OUT --data_dir=MNIST_DIR --classifier=FOLDER \
        --steps=1000 --filters=32 [--celeba_dir=CELEBA --celeba_train_size=4000 --celeba_test_size=1000]

Trains each preset for --steps steps with --filters widest filters in encoder and decoder, evaluates
it (`--mode=evaluate`), and writes OUT/table.csv and OUT/table.md. A run that is there is not run
again. Without --steps and --filters the presets run as they are: for a GPU.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import common

from wae_tf.cli.presets import preset_folder

PRESETS = {
    "mnist": [
        "replication/mnist_vae",
        "replication/mnist_wae_gan",
        "replication/mnist_wae_mmd",
        "mnist_vae",
        "mnist_wae_gan",
        "mnist_wae_mmd",
    ],
    "celeba": [
        "replication/celeba_vae",
        "replication/celeba_wae_gan",
        "replication/celeba_wae_mmd",
        "celeba_vae",
        "celeba_wae_gan",
        "celeba_wae_mmd",
    ],
}

#: Distances by key of metrics.json, best known first, and their names for the table.
DISTANCES = {
    "fid": "FID",
    "frechet_mnist_classifier": "Frechet, mnist classifier",
    "sliced_wasserstein_64": "sliced Wasserstein, 64 px",
}

#: Column: keys of metrics.json, of which the first that is there counts.
COLUMNS = {
    "steps": ("steps",),
    "test cost": ("test_reconstruction",),
    "penalty": ("penalty",),
    "MMD / null std": ("mmd_test_sigmas",),
    "sharpness, samples": ("sharpness_samples_mean",),
    "sharpness, data": ("sharpness_data_mean",),
    "distance by": (),
    "samples": tuple(DISTANCES),
    "reconstructions": tuple(f"{key}_reconstructions" for key in DISTANCES),
    "data": tuple(f"{key}_data" for key in DISTANCES),
    "images/s": ("images_per_second",),
}
#: What the runs of a folder have in common, and of CelebA's besides.
SETTINGS = ("steps", "filters", "eval_samples", "seed")
CELEBA_SIZES = ("celeba_train_size", "celeba_test_size")


def command(preset: str, folder: Path, options: argparse.Namespace) -> list[str]:
    """The command of one run."""
    dataset = preset.rpartition("/")[2].partition("_")[0]
    line = [
        sys.executable,
        "-m",
        "wae_tf.main",
        f"--flagfile={preset_folder() / preset}.flags",
        f"--data_dir={options.celeba_dir if dataset == 'celeba' else options.data_dir}",
        f"--work_dir={folder}",
        f"--seed={options.seed}",
        "--evaluate_at_end",
        f"--eval_samples={options.eval_samples}",
    ]
    if options.steps:
        line += [f"--steps={options.steps}"]
    if options.filters:
        line += [f"--encoder_filters={options.filters}", f"--decoder_filters={options.filters}"]
    if dataset == "celeba":
        for name in ("train_size", "test_size"):
            if value := getattr(options, f"celeba_{name}"):
                line += [f"--{name}={value}"]
    elif options.classifier:
        line += [f"--classifier={options.classifier}"]
    if options.inception:
        line += [f"--inception={options.inception}"]
    return line


def measure(preset: str, options: argparse.Namespace) -> dict[str, float]:
    """Runs a preset, unless that was done, and returns its metrics; {} where it failed."""
    folder = Path(options.out) / preset.replace("/", "_")
    done = folder / "evaluation.json"
    if not done.is_file():
        print(f"{preset} ...", flush=True)
        began = time.monotonic()
        folder.parent.mkdir(parents=True, exist_ok=True)
        log = Path(options.out) / f"{folder.name}.log"
        with log.open("w") as file:
            line = [*command(preset, folder, options), "--overwrite"]
            status = subprocess.run(line, stdout=file, stderr=subprocess.STDOUT, check=False)
        if status.returncode:
            print(f"{preset} failed, see {log}: {log.read_text().strip().splitlines()[-1]}")
            return {}
        print(f"{preset}: {time.monotonic() - began:.0f} s", flush=True)
    return json.loads((folder / "metrics.json").read_text())


def cell(metrics: dict[str, float], keys: tuple[str, ...]) -> str:
    """The first of the keys that is there, for people."""
    for key in keys:
        value = metrics.get(key)
        if value is not None:
            return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return "-"


def distance_of(metrics: dict[str, float]) -> str:
    """The name of the distance whose numbers stand in the row."""
    return next((name for key, name in DISTANCES.items() if metrics.get(key) is not None), "-")


def main() -> int:
    """Runs all and writes the tables; 1 if a run failed."""
    parser = common.parser(__doc__)
    parser.add_argument("--out", required=True, help="folder of the runs and tables")
    parser.add_argument("--data_dir", help="folder of MNIST's four idx files")
    parser.add_argument("--celeba_dir", help="CelebA's pictures, a folder or the zip")
    parser.add_argument("--celeba_train_size", type=common.number())
    parser.add_argument("--celeba_test_size", type=common.number())
    parser.add_argument("--classifier", help="folder of an MNIST classifier (--mode=classifier)")
    parser.add_argument("--inception", help="Inception network, where there is one")
    parser.add_argument("--steps", type=common.number(), help="training steps of each run")
    parser.add_argument(
        "--filters", type=common.number(), help="widest filters of encoder and decoder"
    )
    parser.add_argument("--eval_samples", type=common.number(), default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    places = {"mnist": ("data_dir", ()), "celeba": ("celeba_dir", CELEBA_SIZES)}
    if not (options.data_dir or options.celeba_dir):
        parser.error("--data_dir, --celeba_dir or both are needed")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    presets = []
    for dataset, (place, sizes) in places.items():
        if not getattr(options, place):
            print(f"{dataset} is skipped: no --{place}.")
            continue
        settings = {name: getattr(options, name) for name in (*SETTINGS, *sizes)}
        common.hold_to(out / f"{dataset}.json", settings)
        presets += PRESETS[dataset]
    rows, failed = [], False
    for preset in presets:
        metrics = measure(preset, options)
        failed |= not metrics
        cells = [cell(metrics, keys) for keys in COLUMNS.values()]
        cells[list(COLUMNS).index("distance by")] = distance_of(metrics)
        rows.append([preset, *cells])
    head = ["preset", *COLUMNS]
    with (out / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    (out / "table.md").write_text(text + "\n")
    print(text)
    return int(failed)


if __name__ == "__main__":
    common.program(main)
