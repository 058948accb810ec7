"""Why the replication report's WAE-MMD was unstable: its distances isolated, and trained.

    python benchmarks/why_unstable.py --out=OUT [--data_dir=MNIST_DIR] [--steps=200] [--filters=32]

1. Codes and prior sample both N(0, 4 I), as after perfect training: the MMD, its gradient with respect
   to the codes, and the share of negative "distances", exact and as the report's wae.py:361 has them,
   against the dimensions of the code, the width of the codes, the batch, the directions in which codes of
   64 dimensions vary at all, how far apart their norms are, and of one kernel at a time of the seven that
   are summed.
2. The report's MNIST networks, narrowed, at several learning rates and seeds: as written, as written with
   its clamp to +-5, and with the one line corrected (with the clamp, which then never acts). 'as written'
   without the clamp is what its commit messages were about; with it is what made its CSV. At 1e-3 also
   with the cost scaled by 0.05, as the official code has it and the report's WAE-MMD has not. All but
   that also with codes of 64 numbers, as its CelebA runs have. How many swapped "distances" of test codes
   are negative, beside normal codes of the same mean and covariance.

Writes OUT/isolated.csv, OUT/training.csv, OUT/tables.md (both, a row of all seeds) and
OUT/why_unstable.png. What is in the two CSVs is not run again.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import os
from pathlib import Path
from typing import Any

import common

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from wae_tf.cli import arguments
from wae_tf.config import Config
from wae_tf.data import batches, load
from wae_tf.models import by_name, passes
from wae_tf.objective import penalties
from wae_tf.settings import MMD_SCALES

SIGMA = 2.0  # of the report's prior
SWEEPS = {
    "zdim": [2, 4, 8, 16, 32, 64],
    "width": [0.25, 0.5, 1.0, 2.0, 4.0],  # of the codes, over the prior's
    "batch": [25, 50, 100, 200, 400],
    "directions": [1, 2, 4, 8, 16, 64],  # in which codes of OTHER_ZDIM vary
    "spread": [0.0, 0.25, 0.5, 1.0, 1.5],  # of the logarithms of factors of codes of OTHER_ZDIM
    "scale": list(MMD_SCALES),  # of the one kernel
}
ZDIM, OTHER_ZDIM = 8, 64  # the report's of MNIST and of CelebA
USUAL: dict[str, Any] = {"zdim": ZDIM, "width": 1.0, "batch": 100, "scale": None}
VARIANTS: dict[str, dict[str, Any]] = {
    "as written": {"mmd_distances": "replication", "mmd_clamp": None},
    "as written, clamped": {"mmd_distances": "replication", "mmd_clamp": 5.0},
    "corrected": {"mmd_distances": "exact", "mmd_clamp": 5.0},
}
#: The same with the factor of the official cost (official wae.py:342), at SCALED_AT alone.
SCALED: dict[str, dict[str, Any]] = {
    f"{name}, x 0.05": VARIANTS[name] | {"recon_scale": 0.05}
    for name in ("as written, clamped", "corrected")
}
SCALED_AT = 1e-3
TESTED = 1000  # test images
#: No MMD of right distances is larger: two sets, seven kernels of at most 1.
EXPLODED = 14.0
#: Codes whose width is beyond these, over the prior's, are not held by the penalty.
HELD = (0.5, 2.0)


def isolated(draws: int, done: set[tuple[str, float]]) -> list[dict[str, Any]]:
    """MMD, gradient norm and negative share over `draws` draws, by what is swept and not yet done."""

    @tf.function(reduce_retracing=True)
    def measure(
        q: tf.Tensor, p: tf.Tensor, width: tf.Tensor, scales: tuple, distances: str
    ) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(q)
            value = penalties.mmd(q, p, width=width, scales=scales, distances=distances)
        negative = tf.reduce_mean(tf.cast(penalties.swapped_distances(q, p) < 0, tf.float64))
        return value, tf.norm(tape.gradient(value, q)), negative

    rows = []
    for sweep, values in SWEEPS.items():
        for value in values:
            if (sweep, value) in done:
                continue
            at = USUAL | {sweep: value}
            if sweep in ("directions", "spread"):
                at["zdim"] = OTHER_ZDIM
            varied = int(at.get("directions", at["zdim"]))
            stretch = np.sqrt(at["zdim"] / varied)  # the mean square stays
            scales = MMD_SCALES if at["scale"] is None else (at["scale"],)
            random = np.random.RandomState(0)
            found: dict[str, list[np.ndarray]] = {"exact": [], "replication": []}
            for _ in range(draws):
                shape = (at["batch"], at["zdim"])
                q = at["width"] * SIGMA * random.standard_normal(shape)
                q[:, varied:] = 0.0
                if spread := at.get("spread"):  # log-normal; the mean square stays
                    factors = np.exp(spread * random.standard_normal((at["batch"], 1)))
                    q *= factors / np.exp(spread**2)
                q = tf.constant(stretch * q)
                p = tf.constant(SIGMA * random.standard_normal(shape))
                width = tf.constant(2.0 * at["zdim"] * SIGMA**2, tf.float64)
                for distances, so_far in found.items():
                    so_far.append(np.array(measure(q, p, width, scales, distances)))
            for distances, measured in found.items():
                mmd, gradient, negative = np.stack(measured).T
                rows.append(
                    {
                        "sweep": sweep,
                        "value": value,
                        "distances": distances,
                        "negative": negative.mean() if distances == "replication" else 0.0,
                        "mmd_min": mmd.min(),
                        "mmd_max": mmd.max(),
                        "beyond_5": np.mean(np.abs(mmd) > 5.0),
                        "gradient_median": np.median(gradient),
                        "gradient_max": gradient.max(),
                    }
                )
    return rows


def trained(
    variant: str, lr: float, zdim: int, seed: int, images: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """One training: how far its MMD went, how much of it the clamp cut, what it reconstructs."""
    _, config = arguments.parse(
        [
            "--flagfile=flags/replication/mnist_wae_mmd.flags",
            f"--lr={lr}",
            f"--zdim={zdim}",
            f"--seed={seed}",
            f"--encoder_filters={options.filters}",
            f"--decoder_filters={options.filters}",
            "--lr_schedule=constant",
        ]
    )
    config: Config = dataclasses.replace(config, **(VARIANTS | SCALED)[variant])
    model = by_name.from_config(config, images.image_shape, len(images.train))
    model.compile()
    step = tf.function(model.train_step, reduce_retracing=True)
    feed = batches.image_batches(
        images.train,
        batch_size=config.batch_size,
        seed=seed,
        pixel_range="unit",
        order="in_order",
    )
    seen = []
    for batch in feed.take(options.steps):
        step(batch)
        seen.append(model.running_means.latest.numpy())
    reconstruction, penalty = np.array(seen)[:, 1], np.array(seen)[:, 2]
    test = np.asarray(images.test[:TESTED])
    pixels = passes.in_batches(model.as_pixels, test)
    error = np.square(passes.reconstructions(model, test) - pixels).sum(axis=(1, 2, 3)).mean()
    codes = passes.codes(model, test)
    prior = model.sample_prior(TESTED, tf.constant([1, 2]))
    exact = penalties.mmd(tf.constant(codes), prior, width=2.0 * zdim * SIGMA**2)
    return {
        "variant": variant,
        "lr": lr,
        "zdim": zdim,
        "seed": seed,
        "squared_error": error,
        "training_error": reconstruction[-20:].mean(),
        "mmd_min": penalty.min(),
        "mmd_max": penalty.max(),
        "at_the_clamp": np.mean(np.abs(penalty) >= 5.0),
        "exact_mmd": float(exact),
        "code_width": float(np.sqrt(np.mean(np.square(codes))) / SIGMA),
        "directions": directions(codes),
        "spread": float(np.std(np.log(np.linalg.norm(codes, axis=1)))),
        "negative": negative(codes, prior.numpy()),
        "negative_of_normals": negative(normals_like(codes), prior.numpy()),
        "finite": bool(np.isfinite(error) and np.isfinite(penalty).all()),
    }


def directions(codes: np.ndarray) -> float:
    """In how many directions codes [n, z] vary: (sum of variances)^2 / sum of their squares."""
    if not np.isfinite(codes).all():
        return np.nan
    variances = np.linalg.eigvalsh(np.cov(codes.T.astype("float64")))
    return float(variances.sum() ** 2 / np.square(variances).sum())


def normals_like(codes: np.ndarray) -> np.ndarray:
    """As many normal codes [n, z] of the same mean and covariance, drawn alike at each call."""
    if not np.isfinite(codes).all():
        return np.full_like(codes, np.nan)
    wide = codes.astype("float64")
    draw = np.random.RandomState(0).multivariate_normal
    covariance = np.cov(wide.T)  # singular where a coordinate is dead: no fault
    return draw(wide.mean(axis=0), covariance, len(wide), "ignore").astype(codes.dtype)


def negative(codes: np.ndarray, prior: np.ndarray) -> float:
    """The share of swapped "distances" of codes and prior sample that are negative."""
    swapped = penalties.swapped_distances(tf.constant(codes), tf.constant(prior)).numpy()
    return float(np.mean(swapped < 0)) if np.isfinite(swapped).all() else np.nan


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, numbers as numbers; none where there is no file."""
    if not path.is_file():
        return []

    def value(text: str) -> Any:
        try:
            return float(text)
        except ValueError:
            return text

    with path.open(newline="") as file:
        return [{name: value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def span(values: list[float], form: str = ".4g") -> str:
    """The smallest and the largest of those of some numbers that are finite, for people."""
    if not (finite := [value for value in values if math.isfinite(value)]):
        return "none finite"
    low, high = (format(f(finite), form) for f in (min, max))
    return low if low == high else f"{low} to {high}"


def tables(alone: list[dict[str, Any]], training: list[dict[str, Any]]) -> str:
    """Both parts as Markdown; a row of training is of all seeds."""
    lines = [
        "| | negative | right MMD | swapped | gradient norm, right: median; maximum | swapped | beyond +-5 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    right = [row for row in alone if row["distances"] == "exact"]
    wrong = [row for row in alone if row["distances"] == "replication"]
    for a, b in zip(right, wrong, strict=True):
        norms = [f"{r['gradient_median']:.3g}; {r['gradient_max']:.3g}" for r in (a, b)]
        spans = [f"{r['mmd_min']:.3g} to {r['mmd_max']:.3g}" for r in (a, b)]
        cells = [f"{a['sweep']} {a['value']:g}", f"{b['negative']:.2%}", *spans, *norms]
        lines.append(f"| {' | '.join(cells)} | {b['beyond_5']:.2%} |")
    lines += [
        "",
        "| z | rate | | seeds | squared error | MMD in training | steps at or beyond +-5 | right MMD of "
        "test codes | width of codes / prior's | directions | spread of norms | negative | of normals | "
        "exploded | not held |",
        "| --- " * 15 + "|",
    ]
    for zdim, lr in sorted({(row["zdim"], row["lr"]) for row in training}):
        for variant in VARIANTS | SCALED:
            key = (zdim, lr, variant)
            rows = [row for row in training if (row["zdim"], row["lr"], row["variant"]) == key]
            if not rows:
                continue
            mmd = span([r[key] for r in rows for key in ("mmd_min", "mmd_max")], ".3g")
            exploded = sum(max(-r["mmd_min"], r["mmd_max"]) > EXPLODED for r in rows)
            loose = sum(not HELD[0] <= r["code_width"] <= HELD[1] for r in rows)
            cells = [
                f"{zdim:g}",
                f"{lr:g}",
                variant,
                str(len(rows)),
                span([r["squared_error"] for r in rows]),
                mmd,
                f"{np.mean([r['at_the_clamp'] for r in rows]):.1%}",
                span([r["exact_mmd"] for r in rows], ".3g"),
                span([r["code_width"] for r in rows], ".3g"),
                span([r["directions"] for r in rows], ".2g"),
                span([r["spread"] for r in rows], ".2g"),
                span([r["negative"] for r in rows], ".1%"),
                span([r["negative_of_normals"] for r in rows], ".1%"),
                f"{exploded} of {len(rows)}",
                f"{loose} of {len(rows)}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(path: Path, alone: list[dict[str, Any]], training: list[dict[str, Any]]) -> None:
    """Gradient norms against each sweep, and the error after training against the learning rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 5, figsize=(19, 4), constrained_layout=True)
    names = {
        "zdim": "dimensions of the code",
        "width": "width of the codes / prior's",
        "batch": "batch",
    }
    for axis, (sweep, title) in zip(axes, names.items(), strict=False):
        for distances, colour in (("replication", "tab:red"), ("exact", "tab:blue")):
            rows = [r for r in alone if r["sweep"] == sweep and r["distances"] == distances]
            x = [r["value"] for r in rows]
            label = "norms swapped" if distances == "replication" else "right distances"
            axis.plot(x, [r["gradient_median"] for r in rows], "o-", color=colour, label=label)
            axis.plot(x, [r["gradient_max"] for r in rows], ":", color=colour)
        axis.set(xscale="log", yscale="log", xlabel=title)
        axis.set_xticks(x, [f"{v:g}" for v in x])
        axis.minorticks_off()
    axes[0].set_ylabel("gradient norm: median, maximum dotted")
    axes[0].legend()
    colours = ("tab:red", "tab:orange", "tab:blue")
    for place, (variant, colour) in enumerate(zip(VARIANTS, colours, strict=True)):
        for zdim, mark in ((ZDIM, "o"), (OTHER_ZDIM, "x")):
            rows = [r for r in training if (r["variant"], r["zdim"]) == (variant, zdim)]
            x = [r["lr"] * 1.25 ** (place - 1) for r in rows]  # beside each other
            label = f"{variant}, z {zdim}"
            for axis, key in ((axes[3], "squared_error"), (axes[4], "code_width")):
                y = [min(r[key], 1e3) for r in rows]
                axis.plot(x, y, mark, fillstyle="none", color=colour, label=label)
    axes[3].set(xscale="log", yscale="log", title="squared error of test images")
    axes[4].set(xscale="log", yscale="log", title="width of their codes / prior's")
    for axis in axes[3:]:
        axis.set_xlabel("learning rate")
    if training:
        axes[4].axhspan(*HELD, color="0.9", zorder=0)
        axes[4].legend(loc="upper left", fontsize="x-small")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Runs both parts and draws them."""
    parser = common.parser(__doc__)
    parser.add_argument("--out", required=True, help="folder of the tables and the figure")
    parser.add_argument(
        "--data_dir", help="folder of MNIST's four idx files; without: part 1 alone"
    )
    parser.add_argument("--draws", type=common.number(), default=400)
    parser.add_argument("--steps", type=common.number(), default=200)
    parser.add_argument(
        "--filters", type=common.number(), default=32, help="widest; the report's are 1024"
    )
    parser.add_argument("--lrs", type=float, nargs="+", default=[1e-5, 1e-4, 1e-3, 1e-2])
    parser.add_argument("--seeds", type=common.number(), default=3)
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    common.hold_to(out / "isolated.json", {"draws": options.draws})
    alone = read(out / "isolated.csv")
    if more := isolated(options.draws, {(row["sweep"], row["value"]) for row in alone}):
        alone += more
        common.write_rows(out / "isolated.csv", alone)
    training = read(out / "training.csv")
    done = {(row["variant"], row["lr"], int(row["zdim"]), int(row["seed"])) for row in training}
    if options.data_dir:
        common.hold_to(out / "training.json", {"steps": options.steps, "filters": options.filters})
        images = load.load("mnist", data_dir=options.data_dir, split="own")
        wanted = [
            (variant, lr, zdim, seed)
            for seed in range(options.seeds)
            for zdim in (ZDIM, OTHER_ZDIM)
            for lr in options.lrs
            for variant in (VARIANTS | SCALED if (zdim, lr) == (ZDIM, SCALED_AT) else VARIANTS)
        ]
        for each in wanted:
            if each not in done:
                training.append(trained(*each, images, options))
                print(training[-1], flush=True)
                common.write_rows(out / "training.csv", training)
    text = tables(alone, training)
    (out / "tables.md").write_text(text)
    print(text)
    draw(out / "why_unstable.png", alone, training)


if __name__ == "__main__":
    common.program(main)
