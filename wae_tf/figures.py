"""Pictures of a run, as PNG files made from arrays.

Images are floats in [0, 1] of shape [n, H, W, C]; values outside are clipped. One channel is shown
as grey, zero black and one white (the official figure plots 1 - x with a colour map from white to
black: white on black as well); two channels as red and green; of more than three, the first three.

Nothing here touches pyplot or any other global state, so pictures may be drawn from any thread. A
file is written beside its target and moved over it: a reader sees the old picture or the new one.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator
from PIL import Image

_DPI = 100
_TITLE, _LABEL, _TICK = 14, 11, 10  # font sizes in points, whatever the pictures' size
_CELL = 64  # small images are enlarged, by a whole factor, towards this many pixels
_RED, _BLUE, _GREEN, _ORANGE = "#d62728", "#1f5fbf", "#2ca02c", "#ff8c00"


# Arrays


def image_grid(
    images: np.ndarray, columns: int, *, gap: int = 0, order: str = "across", fill: float = 1.0
) -> np.ndarray:
    """Lay images [n, H, W, C] out as one picture [rows*H, columns*W, C], `gap` pixels apart.

    `order` is "across" (row after row, as one reads) or "down" (column after column, as in the
    official figure). Cells without an image, and gaps, have the value `fill`.
    """
    images = _images(images, "images")
    if columns < 1 or gap < 0:
        raise ValueError(f"columns must be at least 1 and gap at least 0, got {columns} and {gap}.")
    if order not in ("across", "down"):
        raise ValueError(f"order must be 'across' or 'down', got {order!r}.")
    n, height, width, channels = images.shape
    rows = max(1, math.ceil(n / columns))
    grid = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), fill, np.float32
    )
    for i, image in enumerate(images):
        row, column = divmod(i, columns) if order == "across" else (i % rows, i // rows)
        top, left = row * (height + gap), column * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def pairs(images: np.ndarray, reconstructions: np.ndarray, count: int) -> np.ndarray:
    """Return `count` pictures: image 0, its reconstruction, image 1, its reconstruction, ...

    That is the first `count // 2` of both; an odd count loses one.
    """
    images = _images(images, "images")
    reconstructions = _images(reconstructions, "reconstructions")
    if images.shape[1:] != reconstructions.shape[1:]:
        raise ValueError(
            f"images and reconstructions must have one shape, got {list(images.shape[1:])} "
            f"and {list(reconstructions.shape[1:])}."
        )
    half = count // 2
    if half < 1 or half > min(len(images), len(reconstructions)):
        raise ValueError(
            f"{count} pictures need {max(half, 1)} images and as many reconstructions, "
            f"got {len(images)} and {len(reconstructions)}."
        )
    both = np.stack([images[:half], reconstructions[:half]], axis=1)
    return both.reshape(2 * half, *images.shape[1:])


# Files of pictures


def samples(path: str | os.PathLike, images: np.ndarray, columns: int) -> None:
    """Write images [n, H, W, C] as a grid, pixel for pixel; small ones are enlarged."""
    images = _images(images, "images")
    zoom = _zoom(images.shape[1:3])
    _write_pixels(path, image_grid(_enlarge(images, zoom), columns, gap=2))


def side_by_side(path: str | os.PathLike, blocks: Sequence[np.ndarray]) -> None:
    """Write blocks of images [r, k, H, W, C], all of r rows, beside each other, set apart."""
    blocks = [_grid_of_images(block, "blocks") for block in blocks]
    if len({block.shape[0] for block in blocks}) != 1:
        raise ValueError(f"blocks must have one number of rows: {[len(b) for b in blocks]}.")
    parts: list[np.ndarray] = []
    for block in blocks:
        flat = block.reshape(-1, *block.shape[2:])
        grid = image_grid(_enlarge(flat, _zoom(flat.shape[1:3])), block.shape[1], gap=2)
        if parts:
            parts.append(np.ones((grid.shape[0], 10, grid.shape[2]), np.float32))
        parts.append(grid)
    _write_pixels(path, np.concatenate(parts, axis=1))


def interpolations(
    path: str | os.PathLike, rows: np.ndarray, *, ends: np.ndarray | None = None
) -> None:
    """Write decoded paths between two codes: rows [r, k, H, W, C], one path a row.

    With `ends` [r, 2, H, W, C], the images that the two codes stand for, each row begins with the
    first and ends with the second, set apart by a wider gap.
    """
    rows = _grid_of_images(rows, "rows")
    r, _, height, width, channels = rows.shape
    if ends is not None:
        ends = _grid_of_images(ends, "ends")
        if ends.shape != (r, 2, height, width, channels):
            raise ValueError(
                f"ends must have shape {[r, 2, height, width, channels]} to go with rows, "
                f"got {list(ends.shape)}."
            )
    zoom = _zoom((height, width))

    def block(images: np.ndarray) -> np.ndarray:
        flat = images.reshape(-1, height, width, channels)
        return image_grid(_enlarge(flat, zoom), images.shape[1], gap=2)

    picture = block(rows)
    if ends is not None:
        space = np.ones((picture.shape[0], 10, channels), np.float32)
        picture = np.concatenate(
            [block(ends[:, :1]), space, picture, space, block(ends[:, 1:])], axis=1
        )
    _write_pixels(path, picture)


def traversals(path: str | os.PathLike, grid: np.ndarray, values: Sequence[float]) -> None:
    """Write what each latent coordinate does: grid [zdims, k, H, W, C], one coordinate a row.

    `values` [k] are what the coordinate was set to, in standard deviations of the prior: they stand
    along the top, and z0, z1, ... down the side.
    """
    _write_figure(path, _traversals_figure(grid, values))


def training_curves(
    path: str | os.PathLike,
    history: Mapping[str, Sequence[float]],
    *,
    sharpness_data: float | None = None,
) -> None:
    """Write a run's curves from the columns of its history.csv, lists of one value an epoch.

    Panels: reconstruction of train and test, penalty, and, where they hold a finite value, the
    adversary's loss and the sharpness, with that of the data (`sharpness_data`) as a line. Columns
    may be missing; None, "" and NaN are gaps.
    """
    _write_figure(path, _training_curves_figure(history, sharpness_data))


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
    """Write the official code's figure of a run.

        train reconstruction | test reconstruction | generated samples
        Pz vs Qz             | loss curves         | data points

    Pictures run down the columns of the grids, so an image stands above its reconstruction; of N
    images, the first N // 2 are shown with theirs. `codes_*` and `prior_codes` [n, 2] are already
    projected. `curves` holds 'step', 'reconstruction' and 'penalty', one value each time, and may
    hold 'sharpness' (with 'sharpness_step', if not those steps) and 'encoding_changes' (spread
    evenly). The file is 1500 x 1000 pixels, up to 3000 x 2000 where the grids have so much to show.
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
    _write_figure(path, figure)


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
        image_grid(_images(samples, "samples"), columns, order="down"),
        image_grid(_images(data, "data"), columns, order="down"),
    ]
    # A panel is about 450 x 425 pixels: where a grid has more, so has the figure, up to twice that.
    detail = max(max(grid.shape[1] / 450, grid.shape[0] / 425) for grid in grids)
    figure = Figure(figsize=(15, 10), dpi=math.ceil(_DPI * min(2, max(1, detail))))
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
        figure.suptitle(title, fontsize=_TITLE + 2, y=0.985)

    titles = ["train reconstruction", "test reconstruction", "generated samples", "data points"]
    for ax, grid, name in zip([*axes[0], axes[1, 2]], grids, titles, strict=True):
        ax.imshow(_rgb(grid), interpolation="antialiased")
        ax.set_title(name, fontsize=_TITLE)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_anchor("N")  # flat grids stay under one line of titles
    _draw_codes(axes[1, 0], codes_train, codes_test, prior_codes)
    _draw_log_curves(axes[1, 1], curves)
    return figure


def _paired_grid(images: np.ndarray, reconstructions: np.ndarray, columns: int) -> np.ndarray:
    """Return the grid of pairs, going down columns of an even height so that none is split."""
    shown = pairs(images, reconstructions, max(2, len(images)))
    rows = math.ceil(len(shown) / columns)
    rows += rows % 2
    return image_grid(shown, math.ceil(len(shown) / rows), order="down")


def _draw_codes(ax: Axes, train: np.ndarray, test: np.ndarray, prior: np.ndarray) -> None:
    prior = _points(prior, "prior_codes")
    train = _points(train, "codes_train")
    test = _points(test, "codes_test")
    ax.scatter(*prior.T, c=_RED, s=70, marker="*", linewidths=0, label="Pz")
    ax.scatter(*train.T, c=_BLUE, s=20, marker="x", linewidths=1, label="Qz train")
    ax.scatter(*test.T, c=_GREEN, s=20, marker="x", linewidths=1, label="Qz test")
    codes = np.concatenate([train, test])
    codes = codes[np.isfinite(codes).all(axis=1)]
    if len(codes):
        low, high = codes.min(axis=0), codes.max(axis=0)
        margin = 0.3 * (high - low)
        margin[margin == 0] = 1.0
        ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
        ax.set_ylim(low[1] - margin[1], high[1] + margin[1])
    ax.set_title("Pz vs Qz plot", fontsize=_TITLE)
    ax.tick_params(labelsize=_TICK)
    ax.legend(loc="upper left", fontsize=_LABEL, framealpha=0.9)


def _draw_log_curves(ax: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    for name in ("step", "reconstruction", "penalty"):
        if name not in curves:
            raise ValueError(
                f"curves must hold 'step', 'reconstruction' and 'penalty': {name!r} is missing."
            )
    steps = _numbers(curves["step"])
    lines = [
        ("log(|rec loss|)", _RED, steps, curves["reconstruction"]),
        ("log(|match loss|)", _BLUE, steps, curves["penalty"]),
    ]
    if "sharpness" in curves:
        lines.append(
            ("log(sharpness)", _ORANGE, curves.get("sharpness_step", steps), curves["sharpness"])
        )
    if "encoding_changes" in curves:
        changes = curves["encoding_changes"]
        spread = np.linspace(steps[0], steps[-1], len(changes)) if len(steps) else []
        lines.append(("log(encoding changes)", _GREEN, spread, changes))
    for label, colour, x, y in lines:
        x, y = _numbers(x), np.abs(_numbers(y))
        if len(x) != len(y):
            raise ValueError(f"the curve {label} has {len(y)} values at {len(x)} steps.")
        thin = max(len(x) // 100, 1)
        x, y = x[::thin], y[::thin]
        logs = np.log(y, where=y > 0, out=np.full_like(y, np.nan))
        if np.isfinite(logs).any():
            ax.plot(x, logs, color=colour, linewidth=2, label=label, marker=_dot(logs))
    ax.grid(axis="y", color="#cccccc")
    ax.set_axisbelow(True)
    ax.margins(y=0.12)
    ax.set_title("loss curves", fontsize=_TITLE)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.tick_params(labelsize=_TICK)
    if ax.lines:
        ax.legend(loc="upper right", fontsize=_LABEL, framealpha=0.9)


# Training curves


def _training_curves_figure(
    history: Mapping[str, Sequence[float]], sharpness_data: float | None
) -> Figure:
    columns = {name: _numbers(values) for name, values in history.items()}
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
            line("reconstruction", "train", _RED) + line("test_reconstruction", "test", _GREEN),
        ),
        ("penalty", line("penalty", "penalty", _BLUE)),
    ]
    if adversary := line("adversary_loss", "adversary", _RED):
        panels.append(("adversary loss", adversary))
    if sharp := line("sharpness", "samples", _ORANGE):
        panels.append(("sharpness", sharp))

    rows = 2 if len(panels) == 4 else 1
    across = len(panels) // rows
    figure = Figure(figsize=(5 * across + 0.5, 4 * rows), dpi=_DPI)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, across, squeeze=False)
    for ax, (title, lines) in zip(grid.flat, panels, strict=True):
        for label, colour, values in lines:
            ax.plot(x, values, color=colour, linewidth=2, label=label, marker=_dot(values))
        if title == "sharpness" and sharpness_data is not None and np.isfinite(sharpness_data):
            ax.axhline(sharpness_data, color="black", linewidth=1.5, linestyle="--", label="data")
        if longest == 1:
            ax.set_xlim(x[0] - 1, x[0] + 1)
        _dress(ax, title, x_name, np.concatenate([v for *_, v in lines] or [np.empty(0)]))
    return figure


def _dress(ax: Axes, title: str, x_name: str, values: np.ndarray) -> None:
    """Choose the scale of a panel's y axis from what it shows, and label it."""
    values = values[np.isfinite(values)]
    if title in ("reconstruction", "sharpness") and len(values) and values.min() > 0:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        if high / low < 30:  # the ticks of so short a log axis would be one or none
            ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_formatter(NullFormatter())
    elif title == "penalty" and values.any():
        # An MMD can be negative: logarithmic on both sides, linear near zero.
        sizes = np.abs(values)
        if values.min() * values.max() <= 0 or sizes.max() > 30 * sizes.min():
            decade = 10.0 ** math.floor(math.log10(sizes.max()) - 2)
            ax.set_yscale("symlog", linthresh=decade)
    if not len(values):
        ax.text(0.5, 0.5, "no values", fontsize=_LABEL, ha="center", transform=ax.transAxes)
    ax.set_title(title, fontsize=_TITLE)
    ax.set_xlabel(x_name, fontsize=_LABEL)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.tick_params(labelsize=_TICK)
    ax.grid(color="#dddddd")
    ax.set_axisbelow(True)
    if len(ax.lines) > 1:
        ax.legend(loc="best", fontsize=_LABEL, framealpha=0.9)


# Traversals


def _traversals_figure(grid: np.ndarray, values: Sequence[float]) -> Figure:
    grid = _grid_of_images(grid, "grid")
    zdims, k, height, width, channels = grid.shape
    values = _numbers(values)
    if len(values) != k:
        raise ValueError(f"grid has {k} pictures a row and values {len(values)} numbers.")
    gap = 2
    zoom = _zoom((height, width))
    flat = _enlarge(grid.reshape(-1, height, width, channels), zoom)
    picture = image_grid(flat, k, gap=gap)
    # The figure is sized so that a pixel of the picture is a pixel of the file.
    left, top, edge = 44, 50, 12
    total_width = max(left + picture.shape[1] + edge, 360)
    total_height = top + picture.shape[0] + edge
    figure = Figure(figsize=(total_width / _DPI, total_height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    ax = figure.add_axes(
        (
            left / total_width,
            edge / total_height,
            picture.shape[1] / total_width,
            picture.shape[0] / total_height,
        )
    )
    ax.imshow(_rgb(picture), interpolation="nearest", aspect="auto")
    ax.set_frame_on(False)
    cell_height, cell_width = height * zoom, width * zoom
    ax.set_xticks(
        np.arange(k) * (cell_width + gap) + (cell_width - 1) / 2,
        [f"{v + 0.0:.3g}".replace("-", "\N{MINUS SIGN}") for v in values],
    )
    ax.set_yticks(
        np.arange(zdims) * (cell_height + gap) + (cell_height - 1) / 2,
        [f"z{i}" for i in range(zdims)],
    )
    ax.tick_params(length=0, labelsize=_TICK, top=True, labeltop=True, labelbottom=False)
    figure.text(
        left / total_width,
        1 - 8 / total_height,
        "standard deviations of the prior",
        fontsize=_LABEL,
        ha="left",
        va="top",
    )
    return figure


# Checks and conversions


def _images(
    images: np.ndarray, name: str, ndim: int = 4, shape: str = "[n, H, W, C]"
) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != ndim or 0 in images.shape:
        raise ValueError(f"{name} must have shape {shape}, none of it 0, got {list(images.shape)}.")
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"{name} must be floats in [0, 1], got {images.dtype}.")
    return images.astype(np.float32, copy=False)


def _grid_of_images(images: np.ndarray, name: str) -> np.ndarray:
    return _images(images, name, 5, "[rows, k, H, W, C]")


def _points(points: np.ndarray, name: str) -> np.ndarray:
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must have shape [n, 2], got {list(points.shape)}.")
    return points


def _numbers(values: Sequence[float]) -> np.ndarray:
    """Return a column as float64, what is absent as NaN, and infinities too."""
    column = np.array([np.nan if v is None or v == "" else float(v) for v in values], np.float64)
    column[~np.isfinite(column)] = np.nan
    return column


def _dot(values: np.ndarray) -> str:
    """Return the marker of a line: a dot where a lone value between gaps would not be seen."""
    seen = np.isfinite(values)
    beside = np.convolve(seen, [1, 0, 1])[1:-1] > 0
    return "o" if (seen & ~beside).any() else ""


def _rgb(picture: np.ndarray) -> np.ndarray:
    """Return a picture [H, W, C] of floats as uint8 [H, W, 3]."""
    channels = picture.shape[-1]
    if channels == 1:
        picture = np.repeat(picture, 3, axis=-1)
    elif channels == 2:
        picture = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=-1)
    picture = np.nan_to_num(np.clip(picture[..., :3], 0.0, 1.0), nan=0.0)
    return np.rint(picture * 255).astype(np.uint8)


def _zoom(size: tuple[int, int]) -> int:
    return max(1, _CELL // max(size))


def _enlarge(images: np.ndarray, zoom: int) -> np.ndarray:
    return images.repeat(zoom, axis=1).repeat(zoom, axis=2)


# Files


@contextlib.contextmanager
def _replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place on success and leaves no trace on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(beside, "wb") as file:
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write_figure(path: str | os.PathLike, figure: Figure) -> None:
    with _replacing(path) as file:
        figure.canvas.print_png(file)


def _write_pixels(path: str | os.PathLike, picture: np.ndarray) -> None:
    with _replacing(path) as file:
        Image.fromarray(_rgb(picture)).save(file, format="PNG")
