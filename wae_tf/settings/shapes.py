"""What a row of data is, by its number of axes: a vector, a series, a picture, a volume."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What rows of a number of axes are called.

    Attributes:
        one: a row.
        many: several.
        sizes: what a run notes of its data's shape, an axis each.
    """

    one: str
    many: str
    sizes: tuple[str, ...]


#: By the axes of a row. Pictures are images [H, W, C]; the other rows are numbers as they are.
KINDS = {
    1: Kind("vector", "vectors", ("vector_size",)),
    2: Kind("series", "series", ("series_length", "series_channels")),
    3: Kind("image", "images", ("image_height", "image_width", "image_channels")),
    4: Kind(
        "volume", "volumes", ("volume_depth", "volume_height", "volume_width", "volume_channels")
    ),
}


def kind_of(shape: tuple[int, ...]) -> Kind:
    """What a row of this shape is; rows of more axes have no name of their own."""
    axes = len(shape)
    return KINDS.get(axes) or Kind("row", "rows", tuple(f"axis_{i}" for i in range(axes)))
