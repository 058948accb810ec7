"""Reconstruction costs c(x, x_hat), and the sharpness of images."""

from __future__ import annotations

import tensorflow as tf

from wae_tf import registry
from wae_tf.objective.cross_entropy import cross_entropy
from wae_tf.registry import register


def _flat(rows: tf.Tensor) -> tf.Tensor:
    """Rows [n, ...] as [n, d]: of pictures, whose last axis may be 1 long, XLA makes slow loops on CPUs."""
    rows = tf.convert_to_tensor(rows)
    numbers = rows.shape[1:].num_elements()
    count = -1 if numbers else tf.shape(rows)[0]
    return tf.reshape(rows, [count, -1 if numbers is None else numbers])


def _apart(images: tf.Tensor, reconstructions: tf.Tensor) -> tf.Tensor:
    return _flat(images) - _flat(reconstructions)


@register("cost", "l2sq", help="sum of squares", scale=0.05)  # official wae.py:342
def l2sq(images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None) -> tf.Tensor:
    """Sum of squares over the pixels of an image, [n]."""
    return tf.reduce_sum(tf.square(_apart(images, reconstructions)), axis=1)


@register("cost", "l2", help="root of the sum of squares", scale=0.2)  # official wae.py:338
def l2(images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None) -> tf.Tensor:
    """Root of 1e-8 + the sum of squares, [n]."""
    return tf.sqrt(1e-8 + l2sq(images, reconstructions, logits))


@register("cost", "l1", help="sum of absolute values", scale=0.02)  # official wae.py:346
def l1(images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None) -> tf.Tensor:
    """Sum of absolute values over the pixels of an image, [n]."""
    return tf.reduce_sum(tf.abs(_apart(images, reconstructions)), axis=1)


@register("cost", "mse", help="mean of squares")
def mse(images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None) -> tf.Tensor:
    """Mean of squares over the pixels of an image, [n]."""
    return tf.reduce_mean(tf.square(_apart(images, reconstructions)), axis=1)


@register(
    "cost",
    "bce",
    help="sum of cross entropies",
    logits=True,
    needs={"pixel_range": "unit"},
    because="it compares pixels in [0, 1]",
)
def bce(images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None) -> tf.Tensor:
    """Sum of cross entropies over the pixels of an image, [n]; without logits, of probabilities."""
    if logits is None:  # kept from 0 and 1 as keras.losses.BinaryCrossentropy does
        inside = tf.clip_by_value(reconstructions, 1e-7, 1.0 - 1e-7)
        logits = tf.math.log(inside) - tf.math.log1p(-inside)
    return tf.reduce_sum(cross_entropy(_flat(images), _flat(logits)), axis=1)


#: What torch 1.0's BCELoss takes for a probability of zero, and adds in its gradient's denominators.
PROBABILITY_EPSILON = 1e-12


@register(
    "cost",
    "bce_probabilities",
    help="sum of cross entropies of the probabilities, as PyTorch's BCELoss (replication wae.py:47)",
    needs={"decoder_output": "sigmoid"},
    because="it takes pixels for probabilities",
)
def bce_probabilities(
    images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None
) -> tf.Tensor:
    """Sum of cross entropies over the pixels of an image, [n], as torch 1.0's BCELoss has them.

    Images may lie outside [0, 1], where it has no lower bound, as the replication report's CelebA. (Before
    1.0 torch took log(p + 1e-12), also in the report's time: its losses end there, its gradient is this.)
    """

    def log(p: tf.Tensor) -> tf.Tensor:
        slope = tf.math.log(p + PROBABILITY_EPSILON)
        value = tf.math.log(tf.where(p == 0, tf.cast(PROBABILITY_EPSILON, p.dtype), p))
        return slope + tf.stop_gradient(value - slope)

    images, made = _flat(images), _flat(reconstructions)
    pixels = -images * log(made) - (1.0 - images) * log(1.0 - made)
    return tf.reduce_sum(pixels, axis=1)


def _of_rows(cost: str, *parts: tf.Tensor | None) -> tf.Tensor:
    """What a registered cost makes of images, reconstructions and logits, [n]."""
    made = registry.get("cost", cost)(*parts)
    shape = getattr(made, "shape", None)
    if shape is None or not shape.is_compatible_with([None]):
        found = f"a {type(made).__name__}" if shape is None else f"of shape {list(shape)}"
        raise ValueError(f"cost={cost} gives {found}; accepted: a number an image, [n].")
    return made


def reconstruction(
    cost: str,
    images: tf.Tensor,
    reconstructions: tf.Tensor,
    logits: tf.Tensor | None,
    scale: float,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """The reconstruction term of the objective (official wae.py:331-349): scale times the mean cost.

    Args:
        cost: the name of a registered cost; those of this file sum or average over a row's numbers.
        images: float32 [n, ...].
        reconstructions: float32 [n, ...], in the images' range.
        logits: float32 [n, ...], the reconstructions before the squashing; `bce` alone reads it.
        scale: factor; official 0.05 (l2sq), 0.2 (l2), 0.02 (l1).
        weights: [n], of each image's cost; None: 1.

    Returns:
        float32 scalar: scale times the mean over the batch, which weights do not divide (as Keras
        has it).

    Raises:
        ValueError: a cost of one's own gives anything else than [n].
    """
    distances = _of_rows(cost, images, reconstructions, logits)
    if weights is not None:
        distances *= weights
    return scale * tf.reduce_mean(distances)


def each(
    cost: str, images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None, scale: float
) -> tf.Tensor:
    """The terms of `reconstruction`'s mean, float32 [n]."""
    return scale * _of_rows(cost, images, reconstructions, logits)


def contrast_normalized(images: tf.Tensor) -> tf.Tensor:
    """Images [n, H, W, C] over each one's sqrt(var + 1e-8) (official improved_wae.py:130-133)."""
    _, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    return images / tf.sqrt(variance + 1e-8)


def _laplacians(images: tf.Tensor) -> tf.Tensor:
    """The Laplacian [n, H - 2, W - 2, 1] of grey images [n, H, W, 1]."""
    laplace = tf.constant([[0, 1, 0], [1, -4, 1], [0, 1, 0]], images.dtype)
    return tf.nn.conv2d(images, laplace[:, :, None, None], strides=1, padding="VALID")


def whole_batch_sharpness(images: tf.Tensor) -> tf.Tensor:
    """The replication report's blur, a scalar (replication wae.py:277-299).

    One unbiased variance over the Laplacians of all images [n, H, W, C]; grey is the channels' mean.
    """
    edges = _laplacians(tf.reduce_mean(images, axis=-1, keepdims=True))
    count = tf.cast(tf.size(edges), edges.dtype)
    return tf.math.reduce_variance(edges) * count / (count - 1.0)


def sharpness(images: tf.Tensor) -> tf.Tensor:
    """Variance of the Laplacian of each grey image, larger is sharper (official wae.py:351-364).

    Args:
        images: float32 [n, H, W, 1 or 3], in the range the model was trained on: the official
            numbers are on that range, so they are four times larger on [-1, 1] than on [0, 1].

    Returns:
        float32 [n]. The official log prints the minimum, the paper the mean.
    """
    images = tf.convert_to_tensor(images)
    if images.shape[-1] == 3:
        images = tf.image.rgb_to_grayscale(images)
    return tf.math.reduce_variance(_laplacians(images), axis=[1, 2, 3])
