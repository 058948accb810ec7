"""Bytes of images to the floats that networks see, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import FlagError


def to_float_by_table(images_uint8: tf.Tensor, pixel_range: str) -> tf.Tensor:
    """As to_float of a tensor, by a table: on GPUs, where float64 is slow.

    Args:
        images_uint8: uint8 of any shape.
        pixel_range: `symmetric` or `unit`.
    """
    check_range(pixel_range)
    if pixel_range in ("stretched", "any"):
        return to_float(images_uint8, pixel_range)
    return tf.gather(tf.constant(_TABLES[pixel_range]), tf.cast(images_uint8, tf.int32))


def black_and_white(images: Any, pixel_range: str) -> Any:
    """Bools as the bytes 0 and 255, of the same shape and kind.

    Images of another type are returned as they are, and so are those of `any` numbers.
    """
    if pixel_range == "any":
        return images
    if not tf.is_tensor(images):
        return images.astype(np.uint8) * np.uint8(255) if images.dtype == bool else images
    if images.dtype != tf.bool:
        return images
    return tf.cast(images, tf.uint8) * tf.constant(255, tf.uint8)


def to_float(images_uint8: Any, pixel_range: str) -> Any:
    """Bytes to the floats that networks see (official datahandler.py:176, :272, :439), the same bits.

    Args:
        images_uint8: uint8 of any shape, NumPy array or tensor.
        pixel_range: `symmetric` for [-1, 1], `unit` for [0, 1]; `stretched`: each image [H, W, C] from
            its own smallest value at -1 to its largest at 1 (replication utils.py:27-29); one of a
            single value, for which that divides by zero, is -1; `any`: numbers of any type, as they are.

    Returns:
        float32 of the same shape: the official float64 `x / 255` or `(x / 255 - 0.5) * 2`, rounded.

    Raises:
        FlagError: another range.
        TypeError: not uint8, of a range but `any`.
    """
    check_range(pixel_range)
    if pixel_range == "any":
        whole = tf.is_tensor(images_uint8)
        return tf.cast(images_uint8, tf.float32) if whole else np.asarray(images_uint8, np.float32)
    if not tf.is_tensor(images_uint8):
        images = np.asarray(images_uint8)
        if images.dtype != np.uint8:
            raise TypeError(f"to_float takes uint8 images, not {images.dtype}")
        if pixel_range == "stretched":
            whole = images.astype(np.float64)
            low, high = (f(whole, axis=(-3, -2, -1), keepdims=True) for f in (np.min, np.max))
            return ((whole - low) / np.maximum(high - low, 1.0) * 2 - 1).astype(np.float32)
        return _TABLES[pixel_range][images]
    if images_uint8.dtype != tf.uint8:
        raise TypeError(f"to_float takes uint8 images, not {images_uint8.dtype.name}")
    # float64 on purpose: TensorFlow's optimizer turns a float32 division by a constant into a
    # product that differs for 126 of the 256 bytes.
    if pixel_range == "stretched":
        whole = tf.cast(images_uint8, tf.float64)
        low, high = (
            reduce(whole, axis=[-3, -2, -1], keepdims=True)
            for reduce in (tf.reduce_min, tf.reduce_max)
        )
        return tf.cast((whole - low) / tf.maximum(high - low, 1.0) * 2.0 - 1.0, tf.float32)
    images = tf.cast(images_uint8, tf.float64) / 255.0
    return tf.cast((images - 0.5) * 2.0 if pixel_range == "symmetric" else images, tf.float32)


def to_unit(images_float: Any, pixel_range: str) -> Any:
    """Floats of networks to [0, 1], for pictures; what lies outside is clipped.

    Args:
        images_float: floats of any shape, NumPy array or tensor, in `pixel_range`.
        pixel_range: `symmetric`, `stretched` or `unit`.

    Returns:
        float32 of the same shape and kind.
    """
    check_range(pixel_range)
    tensor = tf.is_tensor(images_float)
    images = tf.cast(images_float, tf.float32) if tensor else np.asarray(images_float, np.float32)
    if pixel_range != "unit":
        images = (images + 1.0) * 0.5
    return tf.clip_by_value(images, 0.0, 1.0) if tensor else np.clip(images, 0.0, 1.0)


def _tables() -> dict[str, np.ndarray]:
    unit = np.arange(256) / 255.0
    return {"unit": unit.astype(np.float32), "symmetric": ((unit - 0.5) * 2).astype(np.float32)}


_TABLES = _tables()


def check_range(pixel_range: str) -> None:
    """Raises FlagError unless the range is one of symmetric, unit, stretched, any."""
    if pixel_range not in (*_TABLES, "stretched", "any"):
        raise FlagError(
            f"--pixel_range={pixel_range} is not one of symmetric, unit, stretched, any."
        )
