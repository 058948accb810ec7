"""The official code's figure of a run: reconstructions, samples, codes, curves, data."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wae_tf.figures import drawing
from wae_tf.figures.drawing import BLUE, DPI, GREEN, LABEL, ORANGE, RED, TICK, TITLE


def six_panel(
    path: str | os.PathLike,
    *,
    train: np.ndarray,
    train_reconstructions: np.ndarray,
    test: np.ndarray,
    test_reconstructions: np.ndarray,
    samples: np.ndarray,
    data: np.ndarray,
    codes_train: np.ndarray,
    codes_test: np.ndarray,
    prior_codes: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    columns: int,
    title: str | None = None,
) -> None:
    """Writes the official code's figure of a run.

        train reconstruction | test reconstruction | generated samples
        Pz vs Qz             | loss curves         | data points

    Pictures run down the columns of the grids, so an image stands above its reconstruction; of N
    images, the first N // 2 are shown with theirs. `codes_*` and `prior_codes` [n, 2] are already
    projected. `curves` holds 'step', 'reconstruction' and 'penalty', one value each time, and may
    hold 'sharpness' (with 'sharpness_step', if not those steps). The file is 1500 x 1000 pixels, up to
    3000 x 2000 where the grids have so much to show.
    """
    figure = _six_panel_figure(
        train=train,
        train_reconstructions=train_reconstructions,
        test=test,
        test_reconstructions=test_reconstructions,
        samples=samples,
        data=data,
        codes_train=codes_train,
        codes_test=codes_test,
        prior_codes=prior_codes,
        curves=curves,
        columns=columns,
        title=title,
    )
    drawing.write_figure(path, figure)


# The six panels


def _six_panel_figure(
    *,
    train: np.ndarray,
    train_reconstructions: np.ndarray,
    test: np.ndarray,
    test_reconstructions: np.ndarray,
    samples: np.ndarray,
    data: np.ndarray,
    codes_train: np.ndarray,
    codes_test: np.ndarray,
    prior_codes: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    columns: int,
    title: str | None = None,
) -> Figure:
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    grids = [
        _paired_grid(train, train_reconstructions, columns),
        _paired_grid(test, test_reconstructions, columns),
        drawing.image_grid(drawing.checked_images(samples, "samples"), columns, order="down"),
        drawing.image_grid(drawing.checked_images(data, "data"), columns, order="down"),
    ]
    # A panel is about 450 x 425 pixels: where a grid has more, so has the figure, up to twice that.
    detail = max(max(grid.shape[1] / 450, grid.shape[0] / 425) for grid in grids)
    figure = Figure(figsize=(15, 10), dpi=math.ceil(DPI * min(2, max(1, detail))))
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    figure.subplots_adjust(
        left=0.035,
        right=0.985,
        bottom=0.045,
        top=0.905 if title else 0.955,
        wspace=0.12,
        hspace=0.13,
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
    _draw_codes(axes[1, 0], codes_train, codes_test, prior_codes)
    _draw_log_curves(axes[1, 1], curves)
    return figure


def _paired_grid(images: np.ndarray, reconstructions: np.ndarray, columns: int) -> np.ndarray:
    """Returns the grid of pairs, going down columns of an even height so that none is split."""
    shown = drawing.pairs(images, reconstructions, max(2, len(images)))
    rows = math.ceil(len(shown) / columns)
    rows += rows % 2
    return drawing.image_grid(shown, math.ceil(len(shown) / rows), order="down")


def _draw_codes(ax: Axes, train: np.ndarray, test: np.ndarray, prior: np.ndarray) -> None:
    prior = drawing.points(prior, "prior_codes")
    train = drawing.points(train, "codes_train")
    test = drawing.points(test, "codes_test")
    ax.scatter(*prior.T, c=RED, s=70, marker="*", linewidths=0, label="Pz")
    ax.scatter(*train.T, c=BLUE, s=20, marker="x", linewidths=1, label="Qz train")
    ax.scatter(*test.T, c=GREEN, s=20, marker="x", linewidths=1, label="Qz test")
    codes = np.concatenate([train, test])
    codes = codes[np.isfinite(codes).all(axis=1)]
    if len(codes):
        low, high = codes.min(axis=0), codes.max(axis=0)
        margin = 0.3 * (high - low)
        margin[margin == 0] = 1.0
        ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
        ax.set_ylim(low[1] - margin[1], high[1] + margin[1])
    ax.set_title("Pz vs Qz plot", fontsize=TITLE)
    ax.tick_params(labelsize=TICK)
    ax.legend(loc="upper left", fontsize=LABEL, framealpha=0.9)


def _draw_log_curves(ax: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    for name in ("step", "reconstruction", "penalty"):
        if name not in curves:
            raise ValueError(
                f"curves must hold 'step', 'reconstruction' and 'penalty': {name!r} is missing."
            )
    steps = drawing.numbers(curves["step"])
    lines = [
        ("log(|rec loss|)", RED, steps, curves["reconstruction"]),
        ("log(|match loss|)", BLUE, steps, curves["penalty"]),
    ]
    if "sharpness" in curves:
        lines.append(
            ("log(sharpness)", ORANGE, curves.get("sharpness_step", steps), curves["sharpness"])
        )
    for label, colour, x, y in lines:
        x, y = drawing.numbers(x), np.abs(drawing.numbers(y))
        if len(x) != len(y):
            raise ValueError(f"the curve {label} has {len(y)} values at {len(x)} steps.")
        thin = max(len(x) // 100, 1)
        x, y = x[::thin], y[::thin]
        logs = np.log(y, where=y > 0, out=np.full_like(y, np.nan))
        if np.isfinite(logs).any():
            ax.plot(x, logs, color=colour, linewidth=2, label=label, marker=drawing.dot(logs))
    ax.grid(axis="y", color="#cccccc")
    ax.set_axisbelow(True)
    ax.margins(y=0.12)
    ax.set_title("loss curves", fontsize=TITLE)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.tick_params(labelsize=TICK)
    if ax.lines:
        ax.legend(loc="upper right", fontsize=LABEL, framealpha=0.9)
