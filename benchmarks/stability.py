"""Where training collapses: one setting at a time moved away from the official ones, several seeds.

    python benchmarks/stability.py --out=OUT --data_dir=MNIST_DIR --steps=400 --seeds=2

WAE-MMD and WAE-GAN on MNIST with small dense networks (--filters, --arch). Writes OUT/stability.csv
(a row a run), OUT/stability.png and OUT/table.md. A run counts as failed when

- not finite: its loss was not,
- codes off: a coordinate of the test codes has a mean beyond 0.5 or a deviation outside [0.5, 2] of
  the prior's, or their MMD to the prior is beyond 100 standard deviations of its null,
- not learned: its reconstructions are no better than the mean image,
- blurred: the mean sharpness of its samples is below half of the same model's with official settings.
"""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
import small_mnist
import tensorflow as tf
from matplotlib.ticker import LogLocator

from wae_tf.config import Config
from wae_tf.data import load
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import RunError
from wae_tf.evaluation import brief, off_prior
from wae_tf.evaluation.codes import statistics
from wae_tf.figures import drawing
from wae_tf.models import passes
from wae_tf.pixels import to_float

#: What is moved, one at a time; the base is the preset of the paper for MNIST.
SWEEPS: dict[str, list[Any]] = {
    "wae_lambda": [0.1, 1.0, 10.0, 100.0, 1000.0],
    "recon_scale": [0.005, 0.05, 1.0],
    "lr": [1e-5, 1e-4, 1e-3, 1e-2, 3e-2],
    "batch_size": [20, 100, 500],
}
#: The official details, each left out.
DETAILS: dict[str, dict[str, Any]] = {
    "official": {},
    "no pretraining": {"pretrain": False},
    "1 scale, not 7": {"mmd_scales": (1.0,)},
    "recon_scale 1": {"recon_scale": 1.0},
    "gaussian, log-variance clipped": {"encoder_noise": "gaussian"},
    "gaussian, std at most 50": {"encoder_noise": "gaussian", "encoder_clip": "std_at_most"},
    "replication: all of these": {
        "pretrain": False,
        "mmd_scales": (1.0,),
        "recon_scale": 1.0,
        "encoder_noise": "gaussian",
        "encoder_clip": "std_at_most",
    },
    "no batch norm": {"batch_norm": False},
    "no batch norm, lr 1e-2": {"batch_norm": False, "lr": 1e-2},
}
FIELDS = (
    "model", "sweep", "value", "seed", "collapsed", "why", "squared_error", "code_mean_max",
    "code_std_min", "code_std_max", "mmd_sigmas", "sharpness_ratio", "seconds",
)  # fmt: skip
TESTED = 2000


def settings(model: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(sweep, value, fields) of every run of a model; the base is run once for each sweep's line."""
    found = [
        (sweep, f"{value:g}", {sweep: value})
        for sweep, values in SWEEPS.items()
        for value in values
    ]
    for name, fields in DETAILS.items():
        if model == "wae_gan" and fields.keys() == {"mmd_scales"}:
            continue
        found.append(("detail", name, fields))
    return found


def run(config: Config, images: ImageSet, steps: int, sharpness: float) -> dict[str, Any]:
    """Trains one setting and measures it."""
    began = time.monotonic()
    finite, model = True, None
    try:
        model, batches = small_mnist.ready(config, images, 50 if steps % 50 == 0 else 1)
        model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    except RunError:
        finite = False
    found: dict[str, Any] = {}
    if finite and model is not None and model.guard.first_bad_step() is None:
        test = images.test[:TESTED]
        codes = passes.codes(model, test)
        scaled = codes / passes.prior_std(model)
        made = passes.decoded(model, codes)
        real = passes.in_batches(model.as_pixels, test)
        ratio = (
            float(brief.sharpness(passes.samples(model, TESTED, seed=model.settings.seed)).mean())
            / sharpness
        )
        found = {
            "squared_error": float(np.square(made - real).mean()),
            "code_mean_max": float(np.abs(scaled.mean(axis=0)).max()),
            "code_std_min": float(scaled.std(axis=0).min()),
            "code_std_max": float(scaled.std(axis=0).max()),
            "mmd_sigmas": statistics(model, codes)["mmd_test_sigmas"],
            "sharpness_ratio": ratio,
        }
    tf.keras.backend.clear_session()
    return {**found, "seconds": round(time.monotonic() - began, 1)}


def judge(rows: list[dict[str, Any]], mean_image: float) -> None:
    """Says of every row whether the run failed, and why.

    Args:
        rows: of all runs, changed in place.
        mean_image: squared error of the mean image, a pixel.
    """

    def number(row: dict[str, Any], name: str) -> float:
        value = row.get(name)
        return math.nan if value in (None, "") else float(value)

    for row in rows:
        official = [
            number(r, "sharpness_ratio")
            for r in rows
            if r["model"] == row["model"] and (r["sweep"], r["value"]) == ("detail", "official")
        ]
        measured = [number(row, name) for name in FIELDS[FIELDS.index("squared_error") : -1]]
        error, mean, least, most, sigmas, sharpness = measured
        why = []
        if not all(map(math.isfinite, measured)):
            why.append("not finite")
        else:
            off = mean > off_prior.MEAN or least < off_prior.STD_LEAST or most > off_prior.STD_MOST
            if off or sigmas > 100:
                why.append("codes off")
            if error > mean_image:
                why.append("not learned")
            if official and sharpness < np.nanmean(official) / 2:
                why.append("blurred")
        row |= {"collapsed": int(bool(why)), "why": ", ".join(why)}


def draw(rows: list[dict[str, Any]], path: Path, title: str) -> None:
    """A panel for each sweep: share of collapsed runs, and squared error of those that held."""
    names = list(dict.fromkeys(row["sweep"] for row in rows))
    figure = drawing.new_figure(3.4 * len(names), 7, layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False, sharey="row")
    colours = {"wae_mmd": "#1f5fbf", "wae_gan": "#d62728"}
    for column, name in enumerate(names):
        values = list(dict.fromkeys(row["value"] for row in rows if row["sweep"] == name))
        for offset, (model, colour) in zip((-0.18, 0.18), colours.items(), strict=True):
            for place, value in enumerate(values):
                some = [
                    r for r in rows if (r["model"], r["sweep"], r["value"]) == (model, name, value)
                ]
                if not some:
                    continue
                share = np.mean([int(r["collapsed"]) for r in some])
                label = model if place == 0 else None
                axes[0, column].bar(
                    place + offset, max(share, 0.015), 0.34, color=colour, label=label
                )
                for row in some:
                    if row.get("squared_error") not in (None, ""):
                        axes[1, column].plot(
                            place + offset,
                            float(row["squared_error"]),
                            "x" if int(row["collapsed"]) else "o",
                            color=colour,
                        )
        axes[0, column].set_ylim(0, 1.05)
        axes[0, column].set_title(name)
        axes[1, column].set_yscale("log")
        axes[1, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes[1, column].yaxis.set_major_formatter("{x:g}")
        axes[1, column].minorticks_off()
        for ax in axes[:, column]:
            ax.set_xticks(range(len(values)), [""] * len(values))
            ax.grid(axis="y", color="#dddddd")
            ax.set_axisbelow(True)
        turn = 60 if name == "detail" else 0
        labels = [value.replace("replication: all of these", "all of these") for value in values]
        labels = [label.replace("log-variance clipped", "log-var.") for label in labels]
        axes[1, column].set_xticks(
            range(len(values)), labels, rotation=turn, ha="right" if turn else "center"
        )
    axes[0, 0].set_ylabel("share of runs that failed")
    axes[1, 0].set_ylabel("squared error a pixel (x: failed)")
    axes[0, 0].legend()
    figure.suptitle(title)
    figure.savefig(path)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line a setting, means over the seeds that are finite."""
    head = ["model", "setting", "failed", "why", "squared error"]
    head += ["largest mean", "std", "MMD / null std", "sharpness / data"]
    lines = []
    keys = list(dict.fromkeys((r["model"], r["sweep"], r["value"]) for r in rows))
    for key in keys:
        some = [r for r in rows if (r["model"], r["sweep"], r["value"]) == key]

        def mean(name: str, some: list[dict[str, Any]] = some) -> str:
            values = [float(r[name]) for r in some if r.get(name) not in (None, "")]
            return f"{np.mean(values):.3g}" if values else "-"

        why = ", ".join(dict.fromkeys(w for r in some if r["why"] for w in r["why"].split(", ")))
        collapsed = sum(int(r["collapsed"]) for r in some)
        spread = f"{mean('code_std_min')} to {mean('code_std_max')}"
        name = key[2] if key[1] == "detail" else f"{key[1]} {key[2]}"
        lines.append(
            [key[0], name, f"{collapsed} of {len(some)}", why, mean("squared_error"),
             mean("code_mean_max"), spread, mean("mmd_sigmas"), mean("sharpness_ratio")]
        )  # fmt: skip
    return common.markdown(head, lines)


def main() -> None:
    """Runs what is not in the CSV yet, then draws."""
    parser = common.parser(__doc__)
    small_mnist.add_arguments(parser, seeds=2, filters=128)
    parser.add_argument("--minutes", type=float, help="stop after so many, and draw what is there")
    options = parser.parse_args()

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    images = load.load("mnist", data_dir=options.data_dir)
    real = to_float(images.test[:TESTED], "unit")
    sharpness = float(brief.sharpness(real).mean())
    common.hold_to(
        out / "settings.json",
        {name: getattr(options, name) for name in ("steps", "arch", "filters")},
    )
    file = out / "stability.csv"
    rows: list[dict[str, Any]] = []
    if file.is_file():
        with file.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
    done = {(r["model"], r["sweep"], r["value"], str(r["seed"])) for r in rows}
    base = {
        **small_mnist.networks(options.arch, options.filters),
        "encoder_noise": "deterministic",
        "encoder_layers": 2 if options.arch == "mlp" else 4,
        "decoder_layers": 2 if options.arch == "mlp" else 3,
        "adversary_filters": 128,
    }
    began = time.monotonic()
    jobs = [
        (model, *setting, seed)
        for seed in range(options.seeds)
        for model in ("wae_mmd", "wae_gan")
        for setting in settings(model)
    ]
    for number, (model, sweep, value, fields, seed) in enumerate(jobs):
        if (model, sweep, value, str(seed)) in done:
            continue
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            print(f"stopped after {options.minutes:g} minutes: {number} of {len(jobs)} runs")
            break
        config = Config(**{**base, "model": model, "seed": seed, **fields})
        row = run(config, images, options.steps, sharpness)
        row |= {"model": model, "sweep": sweep, "value": value, "seed": seed}
        rows.append(row)
        common.write_rows(file, rows, FIELDS)
        print(f"{model} {sweep} {value} seed {seed}: {row['seconds']} s", flush=True)
    judge(rows, float(np.square(real - real.mean(axis=0)).mean()))
    common.write_rows(file, rows, FIELDS)
    title = (
        f"MNIST, {options.steps} steps, {options.arch} of {options.filters}, {options.seeds} seeds"
    )
    draw(rows, out / "stability.png", title)
    (out / "table.md").write_text(table(rows) + "\n")
    print(table(rows))


if __name__ == "__main__":
    common.program(main)
