"""Arrays as PNG files: grids of samples, blocks side by side, interpolations, traversals.

Images are floats in [0, 1] of shape [n, H, W, C]; values outside are clipped. One channel is shown
as grey, zero black and one white (the official figure plots 1 - x with a colour map from white to
black: white on black as well); two channels as red and green; of more than three, the first three.

Nothing here touches pyplot or any other global state, so pictures may be drawn from any thread. A
file is written beside its target and moved over it: a reader sees the old picture or the new one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wae_tf.figures import drawing
from wae_tf.figures.drawing import DPI, LABEL, TICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Files of pictures


def samples(path: str | os.PathLike, images: np.ndarray, columns: int) -> None:
    """Writes images [n, H, W, C] as a grid, pixel for pixel; small ones are enlarged."""
    images = drawing.checked_images(images, "images")
    zoom = drawing.zoom_of(images.shape[1:3])
    drawing.write_pixels(path, drawing.image_grid(drawing.enlarge(images, zoom), columns, gap=2))


def side_by_side(path: str | os.PathLike, blocks: Sequence[np.ndarray]) -> None:
    """Writes blocks of images [r, k, H, W, C], all of r rows, beside each other, set apart.

    Raises:
        ValueError: blocks of different numbers of rows.
    """
    blocks = [drawing.grid_of_images(block, "blocks") for block in blocks]
    if len({block.shape[0] for block in blocks}) != 1:
        raise ValueError(f"blocks must have one number of rows: {[len(b) for b in blocks]}.")
    parts: list[np.ndarray] = []
    for block in blocks:
        flat = block.reshape(-1, *block.shape[2:])
        grid = drawing.image_grid(
            drawing.enlarge(flat, drawing.zoom_of(flat.shape[1:3])), block.shape[1], gap=2
        )
        if parts:
            parts.append(np.ones((grid.shape[0], 10, grid.shape[2]), np.float32))
        parts.append(grid)
    drawing.write_pixels(path, np.concatenate(parts, axis=1))


def interpolations(
    path: str | os.PathLike, rows: np.ndarray, *, ends: np.ndarray | None = None
) -> None:
    """Writes decoded paths between two codes: rows [r, k, H, W, C], one path a row.

    With `ends` [r, 2, H, W, C], the images that the two codes stand for, each row begins with the
    first and ends with the second, set apart by a wider gap.

    Raises:
        ValueError: ends that do not go with the rows.
    """
    rows = drawing.grid_of_images(rows, "rows")
    r, _, height, width, channels = rows.shape
    if ends is not None:
        ends = drawing.grid_of_images(ends, "ends")
        if ends.shape != (r, 2, height, width, channels):
            raise ValueError(
                f"ends must have shape {[r, 2, height, width, channels]} to go with rows, "
                f"got {list(ends.shape)}."
            )
    blocks = [rows] if ends is None else [ends[:, :1], rows, ends[:, 1:]]
    steps = [[f"{share:.2g}" for share in np.linspace(0, 1, rows.shape[1])]]
    heads = steps if ends is None else [["image"], *steps, ["image"]]
    sides = [str(i + 1) for i in range(r)]
    title = "share of the second code; the images themselves at the ends"
    drawing.write_figure(path, _labelled(blocks, heads, sides, title))


def traversals(
    path: str | os.PathLike,
    grid: np.ndarray,
    values: Sequence[float],
    *,
    unmoved: np.ndarray | None = None,
) -> None:
    """Writes what each latent coordinate does: grid [zdims, k, H, W, C], one coordinate a row.

    `values` [k] are what the coordinate was set to, in standard deviations of the prior: they stand
    along the top, and z0, z1, ... down the side. `unmoved` [2, H, W, C], an image and its
    reconstruction, stands at the left of each row.
    """
    drawing.write_figure(path, _traversals_figure(grid, values, unmoved))


def classes(path: str | os.PathLike, grid: np.ndarray) -> None:
    """Writes samples by class: grid [classes, k, H, W, C], a class a row, a code a column."""
    grid = drawing.grid_of_images(grid, "grid")
    count, k = grid.shape[:2]
    heads = [[str(i + 1) for i in range(k)]]
    title = "samples, a class a row, the same code in each column"
    drawing.write_figure(path, _labelled([grid], heads, [str(i) for i in range(count)], title))


# Blocks of pictures with words beside them


def _traversals_figure(
    grid: np.ndarray, values: Sequence[float], unmoved: np.ndarray | None = None
) -> Figure:
    grid = drawing.grid_of_images(grid, "grid")
    zdims, k = grid.shape[:2]
    if len(values) != k:
        raise ValueError(f"grid has {k} pictures a row and values {len(values)} numbers.")
    blocks = [grid]
    heads = [[f"{v + 0.0:.3g}".replace("-", "\N{MINUS SIGN}") for v in drawing.numbers(values)]]
    if unmoved is not None:
        unmoved = drawing.checked_images(unmoved, "unmoved")
        blocks.insert(0, np.broadcast_to(unmoved[None], (zdims, *unmoved.shape)))
        heads.insert(0, ["image", "again"])
    title = "one coordinate at a time, in standard deviations of the prior"
    return _labelled(blocks, heads, [f"z{i}" for i in range(zdims)], title)


def _labelled(
    blocks: Sequence[np.ndarray], heads: Sequence[Sequence[str]], sides: Sequence[str], title: str
) -> Figure:
    """Blocks of images [r, k, H, W, C] beside each other, words above columns and left of rows."""
    height, width, channels = blocks[0].shape[2:]
    gap, between = 2, 10
    zoom = drawing.zoom_of((height, width))
    cell_height, cell_width = height * zoom, width * zoom
    parts: list[np.ndarray] = []
    centres: list[float] = []
    right = 0
    for block in blocks:
        flat = drawing.enlarge(block.reshape(-1, height, width, channels), zoom)
        grid = drawing.image_grid(flat, block.shape[1], gap=gap)
        if parts:
            parts.append(np.ones((grid.shape[0], between, channels), np.float32))
            right += between
        centres += [
            right + i * (cell_width + gap) + (cell_width - 1) / 2 for i in range(block.shape[1])
        ]
        right += grid.shape[1]
        parts.append(grid)
    picture = np.concatenate(parts, axis=1)
    # The figure is sized so that a pixel of the picture is a pixel of the file.
    left, top, edge = 44, 50, 12
    total_width = max(left + picture.shape[1] + edge, 360)
    total_height = top + picture.shape[0] + edge
    figure = drawing.new_figure(total_width / DPI, total_height / DPI)
    ax = figure.add_axes(
        (
            left / total_width,
            edge / total_height,
            picture.shape[1] / total_width,
            picture.shape[0] / total_height,
        )
    )
    ax.imshow(drawing.rgb(picture), interpolation="nearest", aspect="auto")
    ax.set_frame_on(False)
    ax.set_xticks(centres, [head for of_block in heads for head in of_block])
    ax.set_yticks(np.arange(len(sides)) * (cell_height + gap) + (cell_height - 1) / 2, list(sides))
    ax.tick_params(length=0, labelsize=TICK, top=True, labeltop=True, labelbottom=False)
    figure.text(
        left / total_width,
        1 - 8 / total_height,
        title,
        fontsize=LABEL,
        ha="left",
        va="top",
    )
    return figure
