"""Reconstruction costs c(x, x_hat), and the sharpness of images."""

from __future__ import annotations

import tensorflow as tf


def reconstruction(
    cost: str, images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None, scale: float
) -> tf.Tensor:
    """The reconstruction term of the objective (official wae.py:329-349).

    Args:
        cost: `l2sq` sum of squares, `l2` its root (sqrt(1e-8 + sum)), `l1` sum of absolute values,
            `bce` sum of cross entropies, `mse` mean of squares; over the pixels of an image.
        images: float32 [n, H, W, C].
        reconstructions: float32 [n, H, W, C], in the images' range.
        logits: float32 [n, H, W, C], the reconstructions before the sigmoid; `bce` alone reads it.
        scale: factor; official 0.05 (l2sq), 0.2 (l2), 0.02 (l1).

    Returns:
        float32 scalar: scale times the mean over the batch.
    """
    if cost == "bce":
        pixels = tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits)
    elif cost == "l1":
        pixels = tf.abs(images - reconstructions)
    else:
        pixels = tf.square(images - reconstructions)
    reduce = tf.reduce_mean if cost == "mse" else tf.reduce_sum
    distances = reduce(pixels, axis=[1, 2, 3])
    if cost == "l2":
        distances = tf.sqrt(1e-8 + distances)
    return scale * tf.reduce_mean(distances)


def contrast_normalized(images: tf.Tensor) -> tf.Tensor:
    """Images [n, H, W, C] over each one's sqrt(var + 1e-8) (official improved_wae.py:129-132)."""
    _, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    return images / tf.sqrt(variance + 1e-8)


def sharpness(images: tf.Tensor) -> tf.Tensor:
    """Variance of the Laplacian of each grey image, larger is sharper (official wae.py:351-365).

    Args:
        images: float32 [n, H, W, 1 or 3], in the range the model was trained on: the official
            numbers are on that range, so they are four times larger on [-1, 1] than on [0, 1].

    Returns:
        float32 [n]. The official log prints the minimum, the paper the mean.
    """
    images = tf.convert_to_tensor(images)
    if images.shape[-1] == 3:
        images = tf.image.rgb_to_grayscale(images)
    laplace = tf.constant([[0, 1, 0], [1, -4, 1], [0, 1, 0]], images.dtype)
    edges = tf.nn.conv2d(images, laplace[:, :, None, None], strides=1, padding="VALID")
    return tf.math.reduce_variance(edges, axis=[1, 2, 3])
