"""MMD++ and MMD+++: ten codes an image, and a training set known to be finite."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.objective.penalties import (
    kth_largest,
    not_negative,
    of_pairs,
    off_diagonal,
    squared_distances,
)

#: Codes drawn for each image by MMD++ (official improved_wae.py:258, :378).
CODES_AN_IMAGE = 10


def many_codes(mean: tf.Tensor, logvar: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Ten codes an image, in a row: [10 n, z] from mean and logvar [n, z], noise [10 n, z]."""
    repeated_std = tf.repeat(tf.sqrt(1e-8 + tf.exp(logvar)), CODES_AN_IMAGE, axis=0)
    return tf.repeat(mean, CODES_AN_IMAGE, axis=0) + noise * repeated_std


def mmdpp(
    codes: tf.Tensor,
    prior_sample: tf.Tensor,
    *,
    data_size: int,
    kernel: str,
    width: float,
    coordinates: bool = False,
) -> tf.Tensor:
    """MMD++, which knows that the training set is finite (official improved_wae.py:237-354, :371-482).

    Pairs of codes of one image are weighted as often as they occur among all pairs of codes of
    `data_size` images.

    Args:
        codes: float [10 n, z] from `many_codes`.
        prior_sample: float [n, z].
        data_size: N, the number of training images.
        kernel: `imq` at scales 1 and 1/N with weights 1, 1 (coordinates: 1, N); or `rbf`.
        width: from `priors.kernel_width`.
        coordinates: sum over coordinates of one-dimensional statistics (MMD+++).

    Returns:
        scalar of the codes' type; 0 of fewer than two images.
    """
    return of_pairs(
        prior_sample, lambda: _mmdpp(codes, prior_sample, data_size, kernel, width, coordinates)
    )


def _mmdpp(
    codes: tf.Tensor,
    prior_sample: tf.Tensor,
    data_size: int,
    kernel: str,
    width: float,
    coordinates: bool,
) -> tf.Tensor:
    dtype = codes.dtype
    m = CODES_AN_IMAGE
    n = tf.shape(prior_sample)[0]
    nf, big_n = tf.cast(n, dtype), tf.cast(data_size, dtype)
    if coordinates:

        def pairwise(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            # [n, z, m], the official order: the sums below then round alike.
            a, b = a[:, :, None], tf.transpose(b)[None, :, :]
            return not_negative(a * a + b * b - 2.0 * (a * b))
    else:
        pairwise = squared_distances
    distances_p = pairwise(prior_sample, prior_sample)
    distances_q = pairwise(codes, codes)
    distances_pq = pairwise(prior_sample, codes)

    unequal = off_diagonal(n, dtype)
    image = tf.range(n * m) // m
    same_image = tf.cast(image[:, None] == image[None, :], dtype)
    same_code = tf.eye(n * m, dtype=dtype)
    if coordinates:
        unequal, same_image, same_code = (
            mask[:, None, :] for mask in (unequal, same_image, same_code)
        )

    def statistic(k) -> tf.Tensor:
        prior = tf.reduce_sum(k(distances_p) * unequal) / tf.maximum(nf * nf - nf, 1.0)
        cross = tf.reduce_sum(k(distances_pq)) / (nf * nf) / m
        kernel_q = k(distances_q)
        other_images = tf.reduce_sum(kernel_q * (1.0 - same_image))
        other_images *= (big_n - 1.0) / big_n / nf / tf.maximum(nf - 1.0, 1.0) / m**2
        one_image = tf.reduce_sum(kernel_q * (same_image - same_code))
        one_image *= 1.0 / nf / m / (m - 1.0) / big_n
        return prior - 2.0 * cross + other_images + one_image

    if kernel == "rbf":
        half = tf.maximum(n // 2, 1)
        variance = kth_largest(distances_pq, half) + kth_largest(distances_q, half)
        variance = tf.where(n >= 2, variance, tf.ones([], dtype))
        return statistic(lambda d: tf.exp(-d / 2.0 / variance))
    weights = (1.0, big_n) if coordinates else (1.0, 1.0)
    total = tf.zeros([], dtype)
    for scale, weight in zip((1.0, 1.0 / data_size), weights, strict=True):
        c = width * scale
        total += weight * statistic(lambda d, c=c: c / (c + d))
    return total
