"""The images of a user's .npy or .npz file, as bytes in the cache, in shuffled order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wae_tf.data import archives, arrays, cache, headers, picture_files, ranges, splits
from wae_tf.data.arrays import Npy, NpzMember
from wae_tf.data.ranges import Scale
from wae_tf.data.writer import Accept, Writer

_PIECE = 16 << 20  # pixels


def open_array(path: Path) -> Npy | NpzMember:
    """The images of an .npy file, or of an .npz file that has one array of them.

    Raises:
        DataError: it is neither, or the array is not of images.
    """
    zipped = headers.kind_of(path)[0] == "a zip"
    return arrays.image_array(path) if zipped else Npy(path)


def read(
    path: Path,
    cache_dir: str | None,
    image_size: int | None,
    channels: int | None,
    accept: Accept,
) -> tuple[np.ndarray, list[str], bool]:
    """Images as bytes, shuffled; what was done to them, in words; whether they were of 0 and 1.

    Args:
        path: the file.
        cache_dir: the cache's folder.
        image_size: crop to the centre square and resize to this side.
        channels: 1 or 3; None: as they are.
        accept: see `Writer.start`.

    Raises:
        DataError: no images, or values that are no pixels.
    """
    source = open_array(path)
    count, height, width = source.shape[:3]
    depth = source.shape[3] if len(source.shape) == 4 else 1
    rows = max(1, _PIECE // (height * width * depth))

    def fill(writer: Writer) -> dict[str, Any]:
        sides = (height, width) if image_size is None else (image_size, image_size)
        writer.start(count, (*sides, channels or depth), accept)
        scale = _scale(source, rows, path)
        place_of_row = np.argsort(splits.numpy_order(count))
        done = 0
        for piece in source.pieces(rows):
            images = scale.to_bytes(piece).reshape(-1, height, width, depth)
            for image, place in zip(images, place_of_row[done:], strict=False):
                writer.put(_fitted(image, image_size, channels), int(place))
            done += len(images)
        return {"words": [scale.words] if scale.words else []}

    key = {**archives.mark(path), "image_size": image_size, "channels": channels}
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    of_ones = any(ranges.of_zero_and_one(source.dtype, words) for words in facts["words"])
    return images, facts["words"], of_ones


def _scale(source: Npy | NpzMember, rows: int, path: Path) -> Scale:
    """By the smallest and the largest value of all."""
    ends = [(piece.min(), piece.max()) for piece in source.pieces(rows)]
    low, high = np.min([e[0] for e in ends]), np.max([e[1] for e in ends])
    return ranges.scale_of(source.dtype, float(low), float(high), path)


def _fitted(image: np.ndarray, image_size: int | None, channels: int | None) -> np.ndarray:
    depth = image.shape[-1]
    if image_size is None and channels in (None, depth):
        return image
    picture = Image.fromarray(image.squeeze(-1) if depth == 1 else image)
    picture = picture.convert("L" if (channels or depth) == 1 else "RGB")
    if image_size is not None:
        picture = picture_files.centre_square(picture, image_size)
    return np.asarray(picture).reshape(picture.height, picture.width, -1)
