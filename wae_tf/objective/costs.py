"""Reconstruction costs c(x, x_hat), and the sharpness of images."""

from __future__ import annotations

import tensorflow as tf


def reconstruction(
    cost: str,
    images: tf.Tensor,
    reconstructions: tf.Tensor,
    logits: tf.Tensor | None,
    scale: float,
    epsilon: float | None = None,
) -> tf.Tensor:
    """The reconstruction term of the objective (official wae.py:329-349).

    Args:
        cost: `l2sq` sum of squares, `l2` its root (sqrt(1e-8 + sum)), `l1` sum of absolute values,
            `bce` sum of cross entropies, `mse` mean of squares; over the pixels of an image.
        images: float32 [n, H, W, C].
        reconstructions: float32 [n, H, W, C], in the images' range.
        logits: float32 [n, H, W, C], the reconstructions before the sigmoid; `bce` alone reads it.
        scale: factor; official 0.05 (l2sq), 0.2 (l2), 0.02 (l1).
        epsilon: bce of the reconstructions instead of the logits, with this for zeros.

    Returns:
        float32 scalar: scale times the mean over the batch.
    """
    if cost == "bce" and epsilon is not None:
        pixels = _probability_cross_entropy(images, reconstructions, epsilon)
    elif cost == "bce":
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


def _probability_cross_entropy(
    images: tf.Tensor, probabilities: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Cross entropies of pixels as torch 1.0's BCELoss has them; images may lie outside [0, 1].

    log(0) is log(epsilon), and epsilon is in the denominators of the gradient.
    """

    def log(p: tf.Tensor) -> tf.Tensor:
        slope = tf.math.log(p + epsilon)
        value = tf.math.log(tf.where(p == 0, tf.cast(epsilon, p.dtype), p))
        return slope + tf.stop_gradient(value - slope)

    return -images * log(probabilities) - (1.0 - images) * log(1.0 - probabilities)


def contrast_normalized(images: tf.Tensor) -> tf.Tensor:
    """Images [n, H, W, C] over each one's sqrt(var + 1e-8) (official improved_wae.py:129-132)."""
    _, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    return images / tf.sqrt(variance + 1e-8)


def laplacians(images: tf.Tensor) -> tf.Tensor:
    """The Laplacian [n, H - 2, W - 2, 1] of grey images [n, H, W, 1]."""
    laplace = tf.constant([[0, 1, 0], [1, -4, 1], [0, 1, 0]], images.dtype)
    return tf.nn.conv2d(images, laplace[:, :, None, None], strides=1, padding="VALID")


def whole_batch_sharpness(images: tf.Tensor) -> tf.Tensor:
    """The replication report's blur, a scalar (replication wae.py:281-302).

    One unbiased variance over the Laplacians of all images [n, H, W, C]; grey is the channels' mean.
    """
    edges = laplacians(tf.reduce_mean(images, axis=-1, keepdims=True))
    count = tf.cast(tf.size(edges), edges.dtype)
    return tf.math.reduce_variance(edges) * count / (count - 1.0)


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
    return tf.math.reduce_variance(laplacians(images), axis=[1, 2, 3])
