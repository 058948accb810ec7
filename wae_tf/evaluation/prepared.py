"""Pictures as a network wants them: TensorFlow's side of `preprocessing`."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.evaluation.preprocessing import Preprocessing
from wae_tf.evaluation.preprocessing_values import RANGES


def prepared(images: tf.Tensor, wanted: Preprocessing) -> tf.Tensor:
    """Bytes as floats of the size, range and layout that a network wants.

    Args:
        images: uint8 [n, H, W, C].
        wanted: with a size and channels.

    Returns:
        float32 [n, *size, channels], or [n, channels, *size] for nchw.
    """
    assert wanted.size and wanted.channels
    pictures = with_channels(tf.cast(images, tf.float32) / 255.0, wanted.channels)
    if tuple(pictures.shape[1:3]) != wanted.size:
        pictures = resized(pictures, wanted.size, wanted.resize)
    mean, std = RANGES[wanted.range]
    pictures = (pictures - tf.constant(wanted.mean or mean)) / tf.constant(wanted.std or std)
    return tf.transpose(pictures, [0, 3, 1, 2]) if wanted.layout == "nchw" else pictures


def with_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """[n, H, W, C] with 1 or 3 channels: grey is repeated, colour weighed, what is beyond 3 left out."""
    if images.shape[-1] < 3:
        return tf.repeat(images[..., :1], channels, axis=-1)
    return images[..., :3] if channels == 3 else tf.image.rgb_to_grayscale(images[..., :3])


def resized(images: tf.Tensor, size: tuple[int, int], method: str) -> tf.Tensor:
    """Floats [n, H, W, C] at another size, by one of RESIZES; other shapes are stretched."""
    if method == "tf1_bilinear":
        return tf.raw_ops.ResizeBilinear(
            images=images, size=size, align_corners=False, half_pixel_centers=False
        )
    plain = method.removesuffix("_antialias")
    return tf.image.resize(images, size, plain, antialias=method != "bilinear")
