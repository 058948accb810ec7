"""Tables of an evaluation: their rows, and both as text for a terminal; no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

#: Of the columns of `Row`.
HEAD = ("quantity", "samples", "reconstructions", "data", "better", "pictures")


@dataclasses.dataclass
class Row:
    """A line of the table of pictures; None is a cell that has no meaning.

    `count` is how many pictures the cells are of, from left to right.
    """

    quantity: str
    samples: str | None
    reconstructions: str | None
    data: str | None
    better: str = ""
    count: str = ""


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
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}g}"


def text_table(assessment: Assessment) -> str:
    """Both tables, what they are of, and what was left out, for a terminal."""
    lines = aligned(HEAD, [dataclasses.astuple(row) for row in assessment.rows])
    lines += ["", *aligned(["codes and objective", "measured", "ideal"], assessment.model_rows)]
    lines.append("")
    lines += [f"{what}: {text}" for what, text in assessment.facts]
    lines += [
        f"bias of {title} with the count: {', '.join(f'{value:.4g} at {n:,}' for n, value in points)}"
        for title, points in assessment.bias
        if points
    ]
    lines += [f"left out: {sentence}" for sentence in assessment.left_out]
    return "\n".join(lines)


def aligned(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of a table for a terminal: the first column to the left, the others to the right."""
    cells = [list(head), *([cell or "" for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *rest = row
        parts = [first.ljust(widths[0])]
        parts += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        return "  ".join(parts).rstrip()

    return [line(cells[0]), "  ".join("-" * width for width in widths), *map(line, cells[1:])]
