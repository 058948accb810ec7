"""Pictures as a network wants them: TensorFlow's side of `preprocessing`."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.evaluation.preprocessing import Preprocessing
from wae_tf.evaluation.preprocessing_values import OF_PILLOW


def prepared(images: tf.Tensor, wanted: Preprocessing) -> tf.Tensor:
    """Bytes as floats of the size, range and layout that a network wants.

    Args:
        images: uint8 [n, H, W, C].
        wanted: with a size and channels.

    Returns:
        float32 [n, *size, channels], or [n, channels, *size] for nchw.
    """
    assert wanted.size and wanted.channels
    pictures = with_channels(tf.cast(images, tf.float32), wanted.channels)
    if tuple(pictures.shape[1:3]) != wanted.size:
        pictures = resized(pictures, wanted.size, wanted.resize)
    mean, std = map(tf.constant, wanted.mean_and_std)
    pictures = (pictures / 255.0 - mean) / std
    return tf.transpose(pictures, [0, 3, 1, 2]) if wanted.layout == "nchw" else pictures


def with_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """[n, H, W, C] with 1 or 3 channels: grey is repeated, colour weighed, what is beyond 3 left out."""
    if images.shape[-1] < 3:
        return tf.repeat(images[..., :1], channels, axis=-1)
    return images[..., :3] if channels == 3 else tf.image.rgb_to_grayscale(images[..., :3])


def resized(
    images: tf.Tensor, size: tuple[int, int], method: str, to_bytes: bool = True
) -> tf.Tensor:
    """Floats of 0 to 255 [n, H, W, C] at another size; other shapes are stretched.

    Args:
        images: of 0 to 255, and so is what is made of them.
        size: (height, width).
        method: one of preprocessing_values.RESIZES.
        to_bytes: whether OF_PILLOW make bytes, as Pillow does, but for one grey level, since it rounds its
            weights. (Pillow 13 takes rows before columns where the height shrinks by far more than the
            width.) False: floats, as Pillow makes of floats, clipped to 0 and 255.
    """
    if method == "tf1_bilinear":
        return tf.raw_ops.ResizeBilinear(
            images=images, size=size, align_corners=False, half_pixel_centers=False
        )
    if method not in OF_PILLOW:
        return tf.image.resize(images, size, method)
    # As bytes: columns, then rows, each rounded. Filters overshoot, and are clipped.
    ways = ((images.shape[1] or tf.shape(images)[1], size[1]), size) if to_bytes else (size,)
    for sides in ways:
        images = tf.image.resize(images, sides, method.removesuffix("_antialias"), antialias=True)
        images = tf.floor(images + 0.5) if to_bytes else images
        images = tf.clip_by_value(images, 0.0, 255.0)
    return images
