"""The six panels of a run, laid out as the official code's: reconstructions, samples, codes, curves, data."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wae_tf.figures import drawing
from wae_tf.figures.drawing import BLUE, DPI, GREEN, LABEL, ORANGE, RED, TICK, TITLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Pixels between two images of a grid.
GAP = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class SixPanels:
    """What the figure shows: images float [n, H, W, C] in [0, 1], codes [n, 2] already projected.

    Pictures run down the columns of the grids, so an image stands above its reconstruction; of N
    images, the first N // 2 are shown with theirs.

    Attributes:
        train, train_reconstructions, test, test_reconstructions: the first two panels.
        samples, data: the third and the last.
        codes_train, codes_test, prior_codes: Pz against Qz.
        curves: 'step', 'reconstruction' and 'penalty', one value each time, and perhaps 'sharpness'
            (with 'sharpness_step', if not those steps).
        columns: of each grid.
        title: above the figure.
    """

    train: np.ndarray
    train_reconstructions: np.ndarray
    test: np.ndarray
    test_reconstructions: np.ndarray
    samples: np.ndarray
    data: np.ndarray
    codes_train: np.ndarray
    codes_test: np.ndarray
    prior_codes: np.ndarray
    curves: Mapping[str, Sequence[float]]
    columns: int
    title: str | None = None


def write(path: str | os.PathLike, shown: SixPanels) -> None:
    """Writes the figure of a run, laid out as the official code's.

        train reconstruction | test reconstruction | generated samples
        Pz vs Qz             | loss curves         | data points

    The file is 1500 x 1000 pixels, up to 3000 x 2000 where the grids have so much to show.
    """
    drawing.write_figure(path, figure_of(shown))


def figure_of(shown: SixPanels) -> Figure:
    """The figure that `write` writes.

    Raises:
        ValueError: arrays or curves that are not as SixPanels says.
    """
    columns, title = shown.columns, shown.title
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    grids = [
        _paired_grid(shown.train, shown.train_reconstructions, columns),
        _paired_grid(shown.test, shown.test_reconstructions, columns),
        *(
            drawing.image_grid(drawing.checked_images(images, name), columns, gap=GAP, order="down")
            for name, images in (("samples", shown.samples), ("data", shown.data))
        ),
    ]
    # A panel is about 450 x 425 pixels: where a grid has more, so has the figure, up to twice that.
    detail = max(max(grid.shape[1] / 450, grid.shape[0] / 425) for grid in grids)
    figure = drawing.new_figure(15, 10, dpi=math.ceil(DPI * min(2, max(1, detail))))
    axes = figure.subplots(2, 3)
    figure.subplots_adjust(
        left=0.065,  # for ticks such as -0.00125
        right=0.985,
        bottom=0.06,
        top=0.905 if title else 0.955,
        wspace=0.19,  # room for ticks such as -12.5 beside their axis's name
        hspace=0.17,
    )
    if title:
        figure.suptitle(title, fontsize=TITLE + 2, y=0.985)

    titles = ["train reconstruction", "test reconstruction", "generated samples", "data points"]
    for ax, grid, name in zip([*axes[0], axes[1, 2]], grids, titles, strict=True):
        ax.imshow(drawing.rgb(grid), interpolation="antialiased")
        ax.set_title(name, fontsize=TITLE)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_anchor("N")  # flat grids stay under one line of titles
    draw_codes(axes[1, 0], shown.prior_codes, shown.codes_train, shown.codes_test)
    draw_log_curves(axes[1, 1], shown.curves)
    return figure


def _paired_grid(images: np.ndarray, reconstructions: np.ndarray, columns: int) -> np.ndarray:
    """Returns the grid of pairs, going down columns of an even height so that none is split."""
    both = drawing.pairs(images, reconstructions, max(2, len(images)))
    rows = math.ceil(len(both) / columns)
    rows += rows % 2
    return drawing.image_grid(both, math.ceil(len(both) / rows), gap=GAP, order="down", group=2)


def draw_codes(
    ax: Axes, prior_codes: np.ndarray, codes_train: np.ndarray, codes_test: np.ndarray
) -> None:
    """Draws codes [n, 2] of the prior, of training and of test data as clouds of points."""
    prior = drawing.points(prior_codes, "prior_codes")
    train = drawing.points(codes_train, "codes_train")
    test = drawing.points(codes_test, "codes_test")
    for places, colour, size, marker, width, label in (
        (prior, RED, 70, "*", 0, "Pz"),
        (train, BLUE, 20, "x", 1, "Qz train"),
        (test, GREEN, 20, "+", 1, "Qz test"),
    ):
        x, y = places.T
        ax.scatter(x, y, c=colour, s=size, marker=marker, linewidths=width, label=label)
    # Of both: collapsed codes are a point beside the prior, and wide ones hide it in none.
    places = np.concatenate([prior, train, test])
    places = places[np.isfinite(places).all(axis=1)]
    if len(places):
        low, high = places.min(axis=0), places.max(axis=0)
        margin = 0.1 * (high - low)
        margin[margin == 0] = 1.0
        ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
        ax.set_ylim(low[1] - margin[1], high[1] + margin[1])
    ax.set_title("Pz vs Qz", fontsize=TITLE)
    ax.set_xlabel("code, first direction of the plane", fontsize=LABEL)
    ax.set_ylabel("second direction", fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
    drawing.legend_above(ax)


def draw_log_curves(ax: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    """Draws the logarithms of `SixPanels.curves` over the steps.

    Raises:
        ValueError: a curve is missing, or has another length than its steps.
    """
    from matplotlib.ticker import MaxNLocator

    for name in ("step", "reconstruction", "penalty"):
        if name not in curves:
            raise ValueError(
                f"curves must hold 'step', 'reconstruction' and 'penalty': {name!r} is missing."
            )
    steps = drawing.numbers(curves["step"])
    lines: list[tuple[str, str, Any, Any]] = [
        ("log(|rec loss|)", RED, steps, curves["reconstruction"]),
        ("log(|match loss|)", BLUE, steps, curves["penalty"]),
    ]
    if "sharpness" in curves:
        lines.append(
            ("log(sharpness)", ORANGE, curves.get("sharpness_step", steps), curves["sharpness"])
        )
    for (label, colour, x, y), style in zip(lines, ("-", "--", "-."), strict=False):
        x, y = drawing.numbers(x), np.abs(drawing.numbers(y))
        if len(x) != len(y):
            raise ValueError(f"the curve {label} has {len(y)} values at {len(x)} steps.")
        thin = max(len(x) // 100, 1)
        x, y = x[::thin], y[::thin]
        logs = np.log(y, where=y > 0, out=np.full_like(y, np.nan))
        if np.isfinite(logs).any():
            ax.plot(
                x, logs, style, color=colour, linewidth=2, label=label, marker=drawing.dot(logs)
            )
    ax.grid(axis="y", color="#cccccc")
    ax.set_axisbelow(True)
    ax.margins(y=0.06)
    ax.set_title("loss curves", fontsize=TITLE)
    ax.set_xlabel("step", fontsize=LABEL)
    ax.set_ylabel("natural logarithm", fontsize=LABEL)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.tick_params(labelsize=TICK)
    if ax.lines:
        drawing.legend_above(ax)
