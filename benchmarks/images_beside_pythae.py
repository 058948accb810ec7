"""A finished WAE-MMD run of pictures beside pythae's WAE_MMD: the same network, images and seconds.

    python benchmarks/images_beside_pythae.py --run=runs/celeba_small_wae_mmd --out=OUT \
        --pythae_python=PY [--threads=2] [--data_dir=...]

Takes the run's training images, network, prior, penalty, rates and batches; trains pythae's WAE_MMD by its
own trainer on them for as many epochs as fit in the seconds that the run's training took (or --seconds), its
rate falling at the same parts of them; and measures both alike on the run's test images. pythae's prior is
N(0, 1) always, so that its kernels have that width; codes are judged each against their own prior. Run
both on the same machine with the same --threads beside the same work, or the seconds mean nothing.

Writes OUT/measures.json, OUT/table.md and OUT/pythae.npz (its test codes, reconstructions, samples), from
which the same command makes the table again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import against_pythae
import common
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from wae_tf.config import Config
from wae_tf.evaluation import brief, codes, tfgan
from wae_tf.files import read_text
from wae_tf.models import passes
from wae_tf.pixels import to_unit
from wae_tf.runs import flags_file
from wae_tf.runs.folder import RunFolder
from wae_tf.settings.lr_schedules import milestones
from wae_tf.training import resuming

WORKER = Path(__file__).with_name("pythae_images.py")
SAMPLES = 2_000
#: What torch_speed.py's networks are made of.
FIELDS = (
    "encoder_arch", "decoder_arch", "encoder_layers", "decoder_layers", "zdim", "lr", "batch_size",
    "wae_lambda", "recon_scale", "init_std", "adam_beta1", "adam_beta2", "adam_epsilon", "seed",
)  # fmt: skip
COLUMNS = {
    "epochs": "epochs",
    "seconds": "seconds of training",
    "squared_error": "test squared error",
    "mmd_sigmas": "MMD of test codes, in std of its null",
    "sharpness": "sharpness of samples, mean",
    "sharpness_data": "of test images",
    "sliced_64": "sliced Wasserstein, 64 pixels",
    "sliced_32": "32",
    "sliced_16": "16",
}


def drops(config: Config) -> list[tuple[float, float]]:
    """(part of the run, factor) of a schedule of milestones; none of a constant one."""
    found = milestones(config.lr_schedule)
    if found is None and config.lr_schedule != "constant":
        sys.exit(
            f"--lr_schedule={config.lr_schedule} of the run is not constant and no milestones."
        )
    return [(epoch / config.epochs, factor) for epoch, factor in found or ()]


def settings_of(config: Config, shape: tuple[int, ...], options: argparse.Namespace) -> dict:
    """What the worker is told."""
    if (
        config.encoder_noise != "add_noise"
        or config.model != "wae_mmd"
        or config.mmd_kernel != "imq"
    ):
        sys.exit("--run must be a WAE-MMD of IMQ kernels whose encoder is deterministic.")
    return {name: getattr(config, name) for name in FIELDS} | {
        "filters": config.encoder_filters,
        "kernel": config.filter_size,
        "noise": config.encoder_noise,
        "shape": shape,
        "symmetric": config.pixel_range_of_data == "symmetric",
        "epochs": config.epochs,
        "drops": drops(config),
        "seconds": options.seconds,
        "threads": options.threads,
        "samples": SAMPLES,
    }


def measures(
    test: np.ndarray,
    made: np.ndarray,
    found: np.ndarray,
    samples: np.ndarray,
    std: float,
    seed: int,
) -> dict[str, float]:
    """Numbers that both are told by.

    Args:
        test: uint8 test images [n, H, W, C].
        made: float reconstructions of them in [0, 1].
        found: codes of them [n, z].
        samples: float samples in [0, 1].
        std: of a coordinate of the prior.
        seed: of prior samples and of directions.
    """
    drawn = np.rint(samples * 255).astype(np.uint8)
    sliced = tfgan.sliced_wasserstein(test[:SAMPLES], drawn, seed)
    sharpness = brief.sharpness(samples.astype(np.float32) * 2 - 1)
    return {
        "squared_error": float(np.square(made - test / 255.0).sum(axis=(1, 2, 3)).mean()),
        **against_pythae.off_prior(found[: codes.MMD_CODES] / std, seed),
        "sharpness": float(sharpness.mean()),
        "sharpness_data": float(
            brief.sharpness(test[:SAMPLES].astype(np.float32) / 127.5 - 1).mean()
        ),
        **{f"sliced_{test.shape[1] >> level}": apart for level, (_, apart) in enumerate(sliced)},
    }


def train_pythae(config: Config, train: Any, test: np.ndarray, options: argparse.Namespace) -> None:
    """OUT/pythae.npz, unless it is there."""
    out = Path(options.out)
    if (out / "pythae.npz").is_file():
        return
    np.save(out / "train.npy", np.asarray(train))
    np.save(out / "test.npy", test)
    shape = tuple(test.shape[1:])
    (out / "settings.json").write_text(json.dumps(settings_of(config, shape, options)))
    try:
        done = subprocess.run([options.pythae_python, WORKER, str(out)], check=False)
    except OSError as error:
        sys.exit(f"--pythae_python={options.pythae_python}: {error.strerror}.")
    for name in ("train.npy", "test.npy"):
        (out / name).unlink()
    if done.returncode:
        sys.exit("pythae's training failed.")


def main() -> None:
    """Trains, measures and prints the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--run", required=True, help="folder of a finished run")
    parser.add_argument("--data_dir", help="where the run's images lie now")
    parser.add_argument("--out", required=True)
    parser.add_argument("--pythae_python", required=True)
    parser.add_argument("--threads", type=common.number(), default=2)
    parser.add_argument("--seconds", type=float, help="of training, if not the run's own")
    options = parser.parse_args()
    Path(options.out).mkdir(parents=True, exist_ok=True)
    run = RunFolder(options.run)
    run.require()
    places = {"work_dir": options.run} | (
        {"data_dir": options.data_dir} if options.data_dir else {}
    )
    config = dataclasses.replace(flags_file.config_of(read_text(run.flags)), **places)
    model, images = resuming.restore(config)
    history = run.read_history()
    seconds = float(np.sum(history["seconds"]))
    options.seconds = options.seconds or seconds
    settings = {"run": str(Path(options.run).resolve()), "threads": options.threads}
    common.hold_to(Path(options.out) / "of.json", settings | {"seconds": options.seconds})
    test = np.asarray(images.test)
    train_pythae(config, images.train, test, options)
    range_ = config.pixel_range_of_data
    found = {
        "wae_tf": {
            "epochs": int(history["epoch"][-1]),
            "seconds": seconds,
            **measures(
                test,
                to_unit(passes.reconstructions(model, test), range_),
                passes.codes(model, test),
                to_unit(passes.samples(model, SAMPLES, seed=config.seed), range_),
                passes.prior_std(model),
                config.seed,
            ),
        }
    }
    with np.load(Path(options.out) / "pythae.npz") as theirs:
        found["pythae"] = {
            "epochs": int(theirs["epochs"]),
            "seconds": float(theirs["seconds"]),
            **measures(test, theirs["made"], theirs["codes"], theirs["drawn"], 1.0, config.seed),
        }
    (Path(options.out) / "measures.json").write_text(json.dumps(found, indent=1) + "\n")
    names = [name for name in COLUMNS if name in found["wae_tf"]]
    rows = [[who, *(f"{numbers[name]:.4g}" for name in names)] for who, numbers in found.items()]
    table = common.markdown(["", *(COLUMNS[name] for name in names)], rows)
    (Path(options.out) / "table.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    common.program(main)
