"""Which numbers are pixels: bytes as they are, smaller ranges stretched where that is certain."""

from __future__ import annotations

import dataclasses

import numpy as np

from wae_tf.errors import DataError

#: What was done to numbers that are no bytes, in words.
BOOLS, UNIT = "False and True read as 0 and 255", "0 to 1 read as 0 to 255"
ZERO_AND_ONE = "pixels of 0 and 1 read as 0 and 255"
#: Images none of whose pixels reaches this, an eighth of a byte's range, are nearly black.
DARK = 32


@dataclasses.dataclass(frozen=True)
class Scale:
    """How numbers become bytes.

    Attributes:
        factor: what they are multiplied by, before rounding.
        words: what was done, for a message; empty where they are bytes.
    """

    factor: float = 1.0
    words: str = ""

    def to_bytes(self, images: np.ndarray) -> np.ndarray:
        """uint8 of the same shape."""
        if self.factor == 1 and images.dtype == np.uint8:
            return images
        wide = np.multiply(images, self.factor, dtype=np.float64)
        return np.rint(np.minimum(wide, 255.0)).astype(np.uint8)


def scale_of(dtype: np.dtype, low: float, high: float, where: object) -> Scale:
    """How images of this type, whose values go from `low` to `high`, become bytes.

    Args:
        dtype: their type.
        low: of all images, the smallest value; NaN where there is one.
        high: the largest.
        where: the file, for messages.

    Raises:
        DataError: values outside of 0 to 255, or so few of them that all would be nearly black.
    """
    if dtype.kind == "b" and high:
        return Scale(255.0, BOOLS)
    said = f"{where} has values from {low:g} to {high:g}"
    if -1.0001 <= low < 0 and high <= 1.0001:
        raise DataError(
            f"{said}: pixels lie within 0 to 255, or 0 to 1; give (x + 1) / 2, if -1 is black."
        )
    if not (low >= 0 and np.isfinite(high)):  # NaN fails too
        raise DataError(f"{said}: pixels lie within 0 to 255.")
    if high == 0:
        raise DataError(f"{where} has no values but 0: all images are black.")
    if high <= (1.0001 if dtype.kind == "f" else 1):
        if high * 255 < DARK:
            raise DataError(
                f"{said}, which is nearly black where 1 is white: multiply by {1 / high:.4g}, if "
                f"{high:g} is white."
            )
        return Scale(255.0, UNIT)
    if high > 255:
        if (dtype.kind, dtype.itemsize) == ("u", 2) and high >= 1 << 15:  # of either byte order
            return Scale(1 / 257, "16 bits divided by 257")
        raise DataError(f"{said}: pixels lie within 0 to 255; multiply by {255 / high:.4g}.")
    if high < DARK:
        raise DataError(
            f"{said}, which is nearly black: pixels lie within 0 to 255; multiply by "
            f"{255 / high:.4g}, if {high:g} is white."
        )
    return Scale()


def of_zero_and_one(dtype: np.dtype, words: str) -> bool:
    """Whether images of this type, to which was done what `scale_of` says, have no pixels but 0 and 1."""
    return words == BOOLS or (words == UNIT and dtype.kind != "f")


def as_bytes(images: np.ndarray, where: object) -> tuple[np.ndarray, str]:
    """An array of images as bytes, and what was done to them, in words.

    Raises:
        DataError: as `scale_of`.
    """
    if images.dtype.kind not in "buif" or not images.size:
        raise DataError(f"{where} holds {images.dtype} {list(images.shape)}: no images.")
    scale = scale_of(images.dtype, float(images.min()), float(images.max()), where)
    return scale.to_bytes(images), scale.words
