"""Tables of an evaluation: their rows, and both as text for a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from wae_tf.evaluation import distances


@dataclasses.dataclass
class Row:
    """A line of the table of pictures; None is a cell that has no meaning."""

    quantity: str
    samples: str | None
    reconstructions: str | None
    data: str | None
    better: str = ""


@dataclasses.dataclass
class Assessment:
    """Everything measured.

    Attributes:
        metrics: flat numbers, for metrics.json.
        rows: the table of pictures.
        model_rows: (quantity, measured, what the ideal would give).
        facts: (what, text): counts, split, networks and their hashes, resize.
        bias: (title, [(n, Frechet distance of the first n pictures)]), of samples and data by each
            network.
        left_out: sentences on what could not be computed.
        sampler: where the samples' codes came from.
        codes: mean and standard deviation of each coordinate of the test codes.
    """

    metrics: dict[str, float | None]
    rows: list[Row]
    model_rows: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]
    bias: list[tuple[str, list[tuple[int, float]]]]
    left_out: list[str]
    sampler: str
    codes: tuple[Sequence[float], Sequence[float]]


def number(value: float | None, digits: int = 4) -> str:
    """A number for people."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}"


def _row(quantity: str, cells: Sequence[str], better: str) -> Row:
    samples, reconstructions, data = cells
    return Row(quantity, samples, reconstructions, data, better)


def sharpness_rows(metrics: dict[str, float], tail: str) -> list[Row]:
    """The rows of sharpness: minimum and mean of samples, reconstructions, data."""
    rows = []
    for title, end in (("minimum, as the official log", ""), ("mean, as the paper", "_mean")):
        cells = [
            number(metrics[f"sharpness_{part}{end}"])
            for part in (f"samples{tail}", "reconstructions", "data")
        ]
        rows.append(_row(f"sharpness, {title}", cells, "near data"))
    return rows


def network_rows(
    metrics: Mapping[str, float], names: Mapping[str, str], titles: Mapping[str, str], tail: str
) -> list[Row]:
    """The rows of a network's distances, the kernel distance with its error.

    Args:
        metrics: numbers by key.
        names: keys by kind (frechet, kernel, score).
        titles: the rows' titles by kind.
        tail: what the samples' keys end in.
    """
    better = {"frechet": "lower", "kernel": "lower", "score": "higher"}

    def cell(kind: str, end: str) -> str:
        text = number(metrics[f"{names[kind]}{end}"])
        error = metrics[f"{names['kernel']}_error{end}"]
        return f"{text} ± {number(error, 2)}" if kind == "kernel" and math.isfinite(error) else text

    ends = (tail, "_reconstructions", "_data")
    return [_row(titles[kind], [cell(kind, end) for end in ends], better[kind]) for kind in names]


def sliced_rows(metrics: Mapping[str, float], tail: str) -> list[Row]:
    """The rows of `picture_measures.sliced_wasserstein`, a level each."""
    sides = [name.split("_")[2] for name in metrics if name.endswith("_data")]
    return [
        _row(
            f"sliced Wasserstein x 1000, {side} px",
            [
                number(1000 * metrics[f"sliced_wasserstein_{side}{end}"])
                for end in (tail, "_reconstructions", "_data")
            ],
            "lower",
        )
        for side in sides
    ]


def nearest_row(metrics: Mapping[str, float], tail: str, what: str = "image") -> Row:
    """The row of the distance to the nearest training image, or whatever the data are."""
    samples = number(metrics[f"nearest_train_samples{tail}"])
    data = number(metrics["nearest_train_data"])
    return Row(f"L2 distance to the nearest training {what}", samples, None, data)


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


def text_table(assessment: Assessment) -> str:
    """Both tables, what they are of, and what was left out, for a terminal."""
    lines = _aligned(
        ["quantity", "samples", "reconstructions", "data", "better"],
        [
            [row.quantity, row.samples, row.reconstructions, row.data, row.better]
            for row in assessment.rows
        ],
    )
    lines += ["", *_aligned(["codes and objective", "measured", "ideal"], assessment.model_rows)]
    lines.append("")
    lines += [f"{what}: {text}" for what, text in assessment.facts]
    lines += [
        f"bias of {title} with the count: {distances.bias_text(points)}"
        for title, points in assessment.bias
    ]
    lines += [f"left out: {sentence}" for sentence in assessment.left_out]
    return "\n".join(lines)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [list(head), *([cell or "" for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *rest = row
        parts = [first.ljust(widths[0])]
        parts += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        return "  ".join(parts).rstrip()

    return [line(cells[0]), "  ".join("-" * width for width in widths), *map(line, cells[1:])]
