"""Figures of a model of data that are no pictures: reconstructions against the truth, codes, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wae_tf.figures import drawing, of_model, six_panel
from wae_tf.figures.curves import training_curves
from wae_tf.figures.drawing import BLUE, LABEL, RED, TICK, TITLE
from wae_tf.models import passes
from wae_tf.models.wae import Wae

#: Rows of test data in a panel, rows drawn one by one, and points of the truth's panel at most.
ROWS, LINES, POINTS = 500, 4, 5000


def draw(
    model: Wae,
    folder: Path,
    train: np.ndarray,
    test: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    history: Mapping[str, Sequence[float]],
    title: str,
    epoch: int,
) -> None:
    """Writes progress_EPOCH.png, curves.png, interpolations.png and traversals.png.

    Args:
        model: the model.
        folder: of the figures.
        train: float32 [n, ...].
        test: float32 [m, ...].
        curves: as `six_panel.SixPanels` has them.
        history: the columns of history.csv.
        title: above the figure.
        epoch: its number, from 1.
    """
    draw_progress(model, folder / f"progress_{epoch:04d}.png", train, test, curves, title)
    training_curves(folder / "curves.png", history)
    draw_interpolations(model, folder / "interpolations.png", test)
    draw_traversals(model, folder / "traversals.png", test)


def draw_progress(
    model: Wae,
    path: Path,
    train: np.ndarray,
    test: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    title: str,
) -> None:
    """Four panels: reconstruction against truth, single rows, codes against the prior, loss curves."""
    train, test = np.asarray(train[:ROWS]), np.asarray(test[:ROWS])
    made = passes.reconstructions(model, test)
    figure = drawing.new_figure(12, 10)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    axes = figure.subplots(2, 2)
    figure.suptitle(title, fontsize=TITLE + 2)
    truth, found = test.reshape(-1), made.reshape(-1)
    thin = max(1, len(truth) // POINTS)
    ax = axes[0, 0]
    ax.scatter(truth[::thin], found[::thin], s=6, c=BLUE, alpha=0.4, linewidths=0)
    ends = [min(truth.min(), found.min()), max(truth.max(), found.max())]
    ax.plot(ends, ends, color="black", linewidth=1)
    _named(ax, "test reconstruction against truth", "number of a test row", "its reconstruction")
    ax = axes[0, 1]
    apart = 1.2 * (np.ptp(test[:LINES]) or 1.0)
    for place, (row, again) in enumerate(zip(test[:LINES], made, strict=False)):
        ax.plot(row.reshape(-1) - place * apart, color=BLUE, label=None if place else "row")
        ax.plot(
            again.reshape(-1) - place * apart, "--", color=RED,
            label=None if place else "reconstruction",
        )  # fmt: skip
    ax.set_yticks([])
    _named(ax, f"the first {min(LINES, len(test))} test rows", "column", "each row below the last")
    drawing.legend_above(ax)
    six_panel.draw_codes(axes[1, 0], *of_model.codes_in_plane(model, train, test))
    without = {name: values for name, values in curves.items() if not name.startswith("sharpness")}
    six_panel.draw_log_curves(axes[1, 1], without)
    drawing.write_figure(path, figure)


def draw_interpolations(model: Wae, path: Path, test: np.ndarray) -> None:
    """Rows of numbers on the way between pairs of test rows, as `model.interpolate` has it."""
    pairs = min(of_model.INTERPOLATION_ROWS, len(test) // 2)
    rows = np.asarray(test[: 2 * pairs])
    way = model.interpolate(rows[0::2], rows[1::2], of_model.INTERPOLATION_STEPS).numpy()
    _blocks(path, way, "from a test row (top of a block) to another (bottom)")


def draw_traversals(model: Wae, path: Path, test: np.ndarray) -> None:
    """The first test row's code with one coordinate at a time moved over the prior's range."""
    grid = of_model.traversed(model, model.encode(np.asarray(test[:1])).numpy()[0])
    made = passes.decoded(model, grid.reshape(-1, grid.shape[-1]))
    values = "-2 to 2 standard deviations of the prior, downwards"
    _blocks(
        path, made.reshape(*grid.shape[:2], -1), f"a block is a coordinate of the code, {values}"
    )


def _blocks(path: Path, blocks: np.ndarray, title: str) -> None:
    """Writes numbers [blocks, rows, ...] as colours, a thin gap between blocks."""
    blocks = blocks.reshape(*blocks.shape[:2], -1)
    gap = np.full((len(blocks), 1, blocks.shape[2]), np.nan)
    picture = np.concatenate([blocks, gap], axis=1).reshape(-1, blocks.shape[2])[:-1]
    figure = drawing.new_figure(9, 9)
    figure.set_layout_engine("constrained")
    ax = figure.subplots()
    most = np.nanmax(np.abs(picture)) or 1.0
    shown = ax.imshow(picture, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(shown, ax=ax)
    ax.set_yticks([])
    _named(ax, title, "column", "")
    drawing.write_figure(path, figure)


def _named(ax: drawing.Axes, title: str, x_name: str, y_name: str) -> None:
    ax.set_title(title, fontsize=TITLE - 1)
    ax.set_xlabel(x_name, fontsize=LABEL)
    ax.set_ylabel(y_name, fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
