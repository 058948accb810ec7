"""A run's training curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wae_tf.figures import drawing
from wae_tf.figures.drawing import BLUE, GREEN, ORANGE, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_curves(
    path: str | os.PathLike,
    history: Mapping[str, Sequence[float]],
    *,
    sharpness_data: float | None = None,
) -> None:
    """Writes a run's curves from the columns of its history.csv, lists of one value an epoch.

    Panels: reconstruction of train and test, penalty, and, where they hold a finite value, the
    adversary's loss and the sharpness, with that of the data (`sharpness_data`) as a line. Columns
    may be missing; None, "" and NaN are gaps.
    """
    drawing.write_figure(path, _training_curves_figure(history, sharpness_data))


def _training_curves_figure(
    history: Mapping[str, Sequence[float]], sharpness_data: float | None
) -> Figure:
    columns = {name: drawing.numbers(values) for name, values in history.items()}
    longest = max((len(values) for values in columns.values()), default=0)
    for name, values in columns.items():
        if len(values) != longest:
            raise ValueError(
                f"the columns of history must have one length: {name!r} has {len(values)} values, "
                f"another {longest}."
            )
    x_name = next((name for name in ("epoch", "step") if name in columns), "row")
    x = columns.get(x_name, np.arange(longest, dtype=float))

    def line(name: str, label: str, colour: str) -> list[tuple[str, str, np.ndarray]]:
        values = columns.get(name, np.empty(0))
        return [(label, colour, values)] if np.isfinite(values).any() else []

    panels = [
        (
            "reconstruction",
            line("reconstruction", "train", RED) + line("test_reconstruction", "test", GREEN),
        ),
        ("penalty", line("penalty", "penalty", BLUE)),
    ]
    if adversary := line("adversary_loss", "adversary", RED):
        panels.append(("adversary loss", adversary))
    if sharp := line("sharpness", "samples", ORANGE):
        panels.append(("sharpness", sharp))

    rows = 2 if len(panels) == 4 else 1
    across = len(panels) // rows
    figure = drawing.new_figure(5 * across + 0.5, 4 * rows)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    grid = figure.subplots(rows, across, squeeze=False)
    for ax, (title, lines) in zip(grid.flat, panels, strict=True):
        for (label, colour, values), style in zip(lines, ("-", "--"), strict=False):
            ax.plot(
                x, values, style, color=colour, linewidth=2, label=label, marker=drawing.dot(values)
            )
        if title == "sharpness" and sharpness_data is not None and np.isfinite(sharpness_data):
            ax.axhline(sharpness_data, color="black", linewidth=1.5, linestyle="--", label="data")
        if longest == 1:
            ax.set_xlim(x[0] - 1, x[0] + 1)
        drawing.dress(ax, title, x_name, np.concatenate([v for *_, v in lines] or [np.empty(0)]))
    return figure
