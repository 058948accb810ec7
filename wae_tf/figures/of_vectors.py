"""Figures of a model of data that are no pictures: reconstructions against the truth, codes, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wae_tf.figures import drawing, of_model, six_panel
from wae_tf.figures.curves import training_curves
from wae_tf.figures.drawing import BLUE, LABEL, RED, TICK, TITLE
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.settings import shapes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    labels: np.ndarray | None = None,
) -> None:
    """Writes curves.png, interpolations.png, traversals.png, and progress_EPOCH.png last.

    Args:
        model: the model.
        folder: of the figures.
        train: float32 [n, ...].
        test: float32 [m, ...].
        curves: as `six_panel.SixPanels` has them.
        history: the columns of history.csv.
        title: above the figure.
        epoch: its number, from 1.
        labels: int64 [m], of test, which a model with classes needs.
    """
    name = f"progress_{epoch:04d}.png"
    training_curves(folder / "curves.png", history)
    draw_interpolations(model, folder / "interpolations.png", test, labels)
    draw_traversals(model, folder / "traversals.png", test, labels)
    draw_progress(model, folder / name, train, test, curves, title, labels)


def draw_progress(
    model: Wae,
    path: Path,
    train: np.ndarray,
    test: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    title: str,
    labels: np.ndarray | None = None,
) -> None:
    """Four panels: reconstruction against truth, single rows, codes against the prior, loss curves."""
    train, test = np.asarray(train[:ROWS]), np.asarray(test[:ROWS])
    own = passes.first(labels, ROWS)
    made = passes.reconstructions(model, test, labels=own)
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
    _draw_rows(axes[0, 1], test[:LINES], made)
    six_panel.draw_codes(axes[1, 0], *of_model.codes_in_plane(model, train, test))
    without = {name: values for name, values in curves.items() if not name.startswith("sharpness")}
    six_panel.draw_log_curves(axes[1, 1], without)
    drawing.write_figure(path, figure)


def _draw_rows(ax: Axes, rows: np.ndarray, made: np.ndarray) -> None:
    """The first rows of test data and their reconstructions: as lines, or as slices of volumes."""
    named = f"the first {len(rows)} test {shapes.kind_of(rows.shape[1:]).many}"
    if rows.ndim == 5:
        both = np.concatenate([_slices(rows), _slices(made[: len(rows)])], axis=1)
        ax.imshow(np.concatenate(list(both), axis=1), cmap="gray")
        ax.set_xticks([])
        ax.set_yticks([])
        _named(ax, named, "middle slices, first channel; below: reconstructions", "")
        return
    apart = 1.2 * (np.ptp(rows) or 1.0)
    for place, (row, again) in enumerate(zip(_in_line(rows), _in_line(made), strict=False)):
        marker = "" if len(row) > 1 else "o"  # a line of one number is not seen
        ax.plot(row - place * apart, color=BLUE, marker=marker, label=None if place else "row")
        ax.plot(
            again - place * apart, "--", color=RED, marker=marker,
            label=None if place else "reconstruction",
        )  # fmt: skip
    ax.set_yticks([])
    _named(ax, named, _along(rows.shape[1:]), "each row below the last")
    drawing.legend_above(ax)


def _in_line(rows: np.ndarray) -> np.ndarray:
    """Rows [n, ...] as [n, numbers]: of series, a channel's course behind that of the other."""
    if rows.ndim == 3:
        rows = np.moveaxis(rows, 2, 1)
    return rows.reshape(len(rows), -1)


def _along(shape: tuple[int, ...]) -> str:
    """What `_in_line` runs along."""
    if len(shape) == 2:
        return f"time, {shape[1]} channels in turns" if shape[1] > 1 else "time"
    return "column"


def _slices(volumes: np.ndarray) -> np.ndarray:
    """The middle slice [n, h, w] of the first channel of volumes [n, d, h, w, c]."""
    return volumes[:, volumes.shape[1] // 2, :, :, 0]


def draw_interpolations(
    model: Wae, path: Path, test: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """Rows of numbers on the way between pairs of test rows, as `model.interpolate` has it."""
    pairs = min(of_model.INTERPOLATION_ROWS, len(test) // 2)
    rows = np.asarray(test[: 2 * pairs])
    own = None
    if labels is not None and model.settings.classes:
        own = labels[: 2 * pairs : 2]
    steps = of_model.INTERPOLATION_STEPS
    way = model.interpolate(rows[0::2], rows[1::2], steps, labels=own).numpy()
    _blocks(path, way, "from a test row (top of a block) to another (bottom)")


def draw_traversals(
    model: Wae, path: Path, test: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """The first test row's code with one coordinate at a time moved over the prior's range."""
    grid = of_model.traversed(model, model.encode(np.asarray(test[:1])).numpy()[0])
    flat = grid.reshape(-1, grid.shape[-1])
    own = None if labels is None else np.repeat(labels[:1], len(flat))
    made = passes.decoded(model, passes.joined(model, flat, own))
    values = "-2 to 2 standard deviations of the prior, downwards"
    made = made.reshape(*grid.shape[:2], *made.shape[1:])
    _blocks(path, made, f"a block is a coordinate of the code, {values}")


def _blocks(path: Path, blocks: np.ndarray, title: str) -> None:
    """Writes numbers [blocks, rows, ...] as colours, a thin gap between blocks.

    A block's rows lie below each other; of volumes their middle slices, and blocks beside each other.
    """
    shape = blocks.shape[2:]
    if len(shape) == 4:
        of_rows = _slices(blocks.reshape(-1, *shape)).reshape(len(blocks), -1, shape[2])
        gap = np.full((len(blocks), of_rows.shape[1], 1), np.nan)
        picture = np.concatenate(list(np.concatenate([of_rows, gap], axis=2)), axis=1)[:, :-1]
    else:
        of_rows = _in_line(blocks.reshape(-1, *shape)).reshape(*blocks.shape[:2], -1)
        gap = np.full((len(blocks), 1, of_rows.shape[2]), np.nan)
        picture = np.concatenate([of_rows, gap], axis=1).reshape(-1, of_rows.shape[2])[:-1]
    figure = drawing.new_figure(9, 9)
    figure.set_layout_engine("constrained")
    ax = figure.subplots()
    most = np.nanmax(np.abs(picture)) or 1.0
    shown = ax.imshow(picture, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(shown, ax=ax)
    ax.set_yticks([])
    _named(ax, title, "middle slices, first channel" if len(shape) == 4 else _along(shape), "")
    drawing.write_figure(path, figure)


def _named(ax: Axes, title: str, x_name: str, y_name: str) -> None:
    ax.set_title(title, fontsize=TITLE - 1)
    ax.set_xlabel(x_name, fontsize=LABEL)
    ax.set_ylabel(y_name, fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
