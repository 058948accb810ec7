"""The rows of an evaluation's tables, made of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wae_tf.evaluation.network_measures import PAIRED
from wae_tf.evaluation.picture_measures import Pictures
from wae_tf.evaluation.tables import Row, number

#: Which way each kind of a network's numbers is better.
BETTER = {
    **dict.fromkeys(("frechet", "kernel", "gaussian_mmd"), "lower"),
    **dict.fromkeys(("precision", "recall", "density", "coverage", "score"), "higher"),
}
#: Kinds that are of PAIRED rows of a set at most.
_OF_PAIRS = ("gaussian_mmd", "precision", "recall", "density", "coverage")


def measured(metrics: Mapping[str, float], name: str, scale: float = 1) -> str:
    """A number for people, with half the width of its interval where that is known."""
    text, interval = number(scale * metrics[name]), metrics.get(f"{name}_ci95", math.nan)
    return f"{text} ± {number(scale * interval, 2)}" if math.isfinite(interval) else text


def counts(*of_cells: int | None) -> str:
    """How many pictures each cell is of, as one text."""
    return " / ".join("–" if count is None else f"{count:,}" for count in of_cells)


def _row(quantity: str, cells: Sequence[str], better: str, count: str) -> Row:
    samples, reconstructions, data = cells
    return Row(quantity, samples, reconstructions, data, better, count)


def sharpness_rows(metrics: dict[str, float], tail: str, samples: int, test: int) -> list[Row]:
    """The rows of sharpness: minimum and mean of samples, reconstructions, data."""
    rows = []
    for title, end in (("minimum, as the official log", ""), ("mean, as the paper", "_mean")):
        cells = [
            number(metrics[f"sharpness_{part}{end}"])
            for part in (f"samples{tail}", "reconstructions", "data")
        ]
        count = counts(samples, test, test)
        rows.append(_row(f"sharpness, {title}", cells, "near data", count))
    return rows


def network_rows(
    metrics: Mapping[str, float],
    names: Mapping[str, str],
    titles: Mapping[str, str],
    pictures: Pictures,
) -> list[Row]:
    """The rows of what a network measures; samples and data are as many.

    Args:
        metrics: numbers by key.
        names: keys by kind (frechet, kernel, ..., score).
        titles: the rows' titles by kind.
        pictures: that they are of. Where there are more samples than data, the Frechet distance of
            all of them has a row of its own, with nothing beside it.
    """
    equal, ends = pictures.equal_count, [f"{pictures.tail}_equal", "_reconstructions", "_data"]
    of_cells = (equal, len(pictures.reconstructions), len(pictures.data))
    used = {kind: counts(*(min(n, PAIRED) for n in of_cells)) for kind in _OF_PAIRS}
    rows = [
        _row(
            titles[kind],
            [measured(metrics, name + end) for end in ends],
            BETTER[kind],
            used.get(kind, counts(*of_cells)),
        )
        for kind, name in names.items()
        if name + ends[0] in metrics
    ]
    if equal < len(pictures.samples):
        value = measured(metrics, f"{names['frechet']}{pictures.tail}")
        title = f"{titles['frechet']}, all samples"
        rows.insert(1, Row(title, value, None, None, "lower", counts(len(pictures.samples))))
    return rows


def quality_rows(metrics: Mapping[str, float], count: int) -> list[Row]:
    """The rows of `reconstruction_quality.numbers`, of so many test images."""
    titles = {
        "psnr": ("PSNR, dB", "higher"),
        "ssim": ("SSIM", "higher"),
        "lpips": ("LPIPS", "lower"),
    }
    return [
        Row(title, None, measured(metrics, f"test_{kind}"), None, better, counts(None, count, None))
        for kind, (title, better) in titles.items()
        if f"test_{kind}" in metrics
    ]


def sliced_rows(
    metrics: Mapping[str, float], tail: str, samples: int, reconstructions: int
) -> list[Row]:
    """The rows of `picture_measures.sliced_wasserstein`, a level each."""
    sides = [name.split("_")[2] for name in metrics if name.endswith("_data")]
    ends = (tail, "_reconstructions", "_data")
    return [
        _row(
            f"sliced Wasserstein x 1000, {side} px",
            [measured(metrics, f"sliced_wasserstein_{side}{end}", 1000) for end in ends],
            "lower",
            counts(samples, reconstructions, samples),
        )
        for side in sides
    ]


def nearest_row(
    metrics: Mapping[str, float], tail: str, counted: tuple[int, int], what: str = "image"
) -> Row:
    """The row of the distance to the nearest training image, or whatever the data are.

    `counted`: how many samples, and how many test images in the column of data.
    """
    samples_count, data_count = counted
    samples = number(metrics[f"nearest_train_samples{tail}"])
    data = number(metrics["nearest_train_data"])
    title = f"L2 distance to the nearest training {what}"
    return Row(title, samples, None, data, count=counts(samples_count, None, data_count))


def model_rows(metrics: dict[str, float]) -> list[tuple[str, str, str]]:
    """The rows on codes and objective: (quantity, measured, what the ideal would give)."""
    m = metrics
    null = f"0 ± {number(m['mmd_test_null_std'], 2)}"
    return [
        ("reconstruction cost on the test set", number(m["test_reconstruction"]), "0"),
        ("penalty on the test set, mean over batches", number(m["test_penalty"]), ""),
        (f"MMD of {m['mmd_test_codes']:,} test codes", number(m["mmd_test"]), null),
        ("the same in standard deviations of its null", number(m["mmd_test_sigmas"]), "0 ± 1"),
        ("largest |mean| of a coordinate, over the prior's std", number(m["code_mean_max"]), "0"),
        (
            "smallest and largest std of a coordinate, over the prior's",
            f"{number(m['code_std_min'])} to {number(m['code_std_max'])}",
            "1",
        ),
        ("largest |correlation| of two coordinates", number(m["code_correlation_max"]), "0"),
    ]
