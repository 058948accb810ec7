"""What all figures are made of: grids of images, colours, axes, files written whole.

Matplotlib is imported by what draws axes: a run that has drawn none yet does without its half second and
22 MB.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from wae_tf.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
TITLE, LABEL, TICK = 14, 11, 10  # font sizes in points, whatever the pictures' size
#: What the numbers of a panel are, by its title.
_UNITS = {
    "reconstruction": "cost, scaled, mean of an image",
    "penalty": "before lambda",
    "adversary loss": "cross-entropy, nats",
    "sharpness": "variance of the Laplacian, least",
}
_BAND = 24  # points between an axis and its title, for a legend
_CELL = 64  # small images are enlarged, by a whole factor, towards this many pixels
#: Told apart by the colour-blind too: Okabe and Ito's vermilion, blue, bluish green and orange.
RED, BLUE, GREEN, ORANGE = "#d55e00", "#0072b2", "#009e73", "#e69f00"


# Arrays


def image_grid(
    images: np.ndarray,
    columns: int,
    *,
    gap: int = 0,
    order: str = "across",
    fill: float = 1.0,
    group: int = 0,
) -> np.ndarray:
    """Lays images [n, H, W, C] out as one picture [rows*H, columns*W, C], `gap` pixels apart.

    `order` is "across" (row after row, as one reads) or "down" (column after column, as in the
    official figure). Cells without an image, and gaps, have the value `fill`. After every `group`
    rows the gap is three times as wide; 0: never.

    Raises:
        ValueError: no images, no columns, a negative gap, or another order.
    """
    images = checked_images(images, "images")
    if columns < 1 or gap < 0:
        raise ValueError(f"columns must be at least 1 and gap at least 0, got {columns} and {gap}.")
    if order not in ("across", "down"):
        raise ValueError(f"order must be 'across' or 'down', got {order!r}.")
    n, height, width, channels = images.shape
    rows = max(1, math.ceil(n / columns))
    tops = [
        row * (height + gap) + (2 * gap * (row // group) if group else 0) for row in range(rows)
    ]
    grid = np.full((tops[-1] + height, columns * (width + gap) - gap, channels), fill, np.float32)
    for i, image in enumerate(images):
        row, column = divmod(i, columns) if order == "across" else (i % rows, i // rows)
        top, left = tops[row], column * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def pairs(images: np.ndarray, reconstructions: np.ndarray, count: int) -> np.ndarray:
    """Returns `count` pictures: image 0, its reconstruction, image 1, its reconstruction, ...

    That is the first `count // 2` of both; an odd count loses one.

    Raises:
        ValueError: images and reconstructions of different shapes, or too few.
    """
    images = checked_images(images, "images")
    reconstructions = checked_images(reconstructions, "reconstructions")
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


def dress(ax: Axes, title: str, x_name: str, values: np.ndarray) -> None:
    """Chooses the scale of a panel's y axis from what it shows, and labels it."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

    values = values[np.isfinite(values)]
    if title in ("reconstruction", "sharpness") and len(values) and values.min() > 0:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        if high / low < 300:  # powers of ten would be one or two ticks, or none
            short = high / low < 10
            ax.yaxis.set_major_locator(
                MaxNLocator(5, steps=[1, 2, 5, 10]) if short else LogLocator(subs=(1.0, 2.0, 5.0))
            )
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
        ax.text(0.5, 0.5, "no values", fontsize=LABEL, ha="center", transform=ax.transAxes)
    ax.set_title(title, fontsize=TITLE, pad=_BAND)  # all titles of a row at one height
    ax.set_xlabel(x_name, fontsize=LABEL)
    ax.set_ylabel(_UNITS.get(title, ""), fontsize=LABEL)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.tick_params(labelsize=TICK)
    ax.grid(color="#dddddd")
    ax.set_axisbelow(True)
    if len(ax.lines) > 1:
        legend_above(ax)


def legend_above(ax: Axes) -> None:
    """Puts the legend into a band of its own, between the title and what is drawn."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, fontsize=TICK, frameon=False,
        borderaxespad=0.1, handletextpad=0.4, columnspacing=1.0, handlelength=1.4,
    )  # fmt: skip
    ax.set_title(ax.get_title(), fontsize=TITLE, pad=_BAND)


# Checks and conversions


def checked_images(
    images: np.ndarray, name: str, ndim: int = 4, shape: str = "[n, H, W, C]"
) -> np.ndarray:
    """Returns the images as float32, of the dimensions that `shape` says, or raises ValueError."""
    images = np.asarray(images)
    if images.ndim != ndim or 0 in images.shape:
        raise ValueError(f"{name} must have shape {shape}, none of it 0, got {list(images.shape)}.")
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"{name} must be floats in [0, 1], got {images.dtype}.")
    return images.astype(np.float32, copy=False)


def grid_of_images(images: np.ndarray, name: str) -> np.ndarray:
    """Returns images [rows, k, H, W, C] as float32, or raises ValueError."""
    return checked_images(images, name, 5, "[rows, k, H, W, C]")


def points(points: np.ndarray, name: str) -> np.ndarray:
    """Returns points [n, 2] as float64, or raises ValueError."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must have shape [n, 2], got {list(points.shape)}.")
    return points


def numbers(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns a column as float64, what is absent as NaN, and infinities too."""
    column = np.array([np.nan if v is None or v == "" else float(v) for v in values], np.float64)
    column[~np.isfinite(column)] = np.nan
    return column


def dot(values: np.ndarray) -> str:
    """Returns the marker of a line: a dot where a lone value between gaps would not be seen."""
    seen = np.isfinite(values)
    beside = np.convolve(seen, [1, 0, 1])[1:-1] > 0
    return "o" if (seen & ~beside).any() else ""


def rgb(picture: np.ndarray) -> np.ndarray:
    """Returns a picture [H, W, C] of floats as uint8 [H, W, 3]."""
    channels = picture.shape[-1]
    if channels == 1:
        picture = np.repeat(picture, 3, axis=-1)
    elif channels == 2:
        picture = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=-1)
    picture = np.nan_to_num(np.clip(picture[..., :3], 0.0, 1.0), nan=0.0)
    return np.rint(picture * 255).astype(np.uint8)


def zoom_of(size: tuple[int, int]) -> int:
    """Returns the whole factor by which images of this size are enlarged."""
    return max(1, _CELL // max(size))


def enlarge(images: np.ndarray, zoom: int) -> np.ndarray:
    """Returns images [n, H, W, C] with each pixel `zoom` by `zoom` times."""
    return images.repeat(zoom, axis=1).repeat(zoom, axis=2)


# Files


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """A figure of so many inches, drawn by Agg: no window, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **{"dpi": DPI, **options})
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def write_figure(path: str | os.PathLike, figure: Figure) -> None:
    """Writes a figure as PNG, whole or not at all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=False) as file:
        file.write(png(figure))


def write_pixels(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture [H, W, C] of floats as PNG, whole or not at all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=False) as file:
        Image.fromarray(rgb(picture)).save(file, format="PNG")
