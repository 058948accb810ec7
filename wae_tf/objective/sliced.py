"""The sliced Wasserstein distance between codes and prior sample: sorting along random directions."""

from __future__ import annotations

import tensorflow as tf


def directions(count: int, zdim: int, key: tf.Tensor) -> tf.Tensor:
    """Directions uniform on the unit sphere.

    Args:
        count: number of directions.
        zdim: dimensions of a code.
        key: int32 [2]; the same key gives the same directions.

    Returns:
        float32 [count, zdim], rows of length 1.
    """
    drawn = tf.random.stateless_normal([count, zdim], key, alg="philox")
    return drawn / tf.norm(drawn, axis=1, keepdims=True)


def sliced_wasserstein(
    codes: tf.Tensor, prior_sample: tf.Tensor, along: tf.Tensor, *, divisor: int | None = None
) -> tf.Tensor:
    """The squared sliced 2-Wasserstein distance (Kolouri et al. 2018, arXiv 1804.01947, eq. 13).

    In one dimension the optimal transport of equally many points pairs them in order, so a
    direction's distance is the mean square between sorted projections.

    Args:
        codes: float [n, z], a sample of Q_Z.
        prior_sample: float [n, z], a sample of P_Z.
        along: float [L, z], unit vectors.
        divisor: the squares are summed over the codes and divided by so many; None: by n.

    Returns:
        scalar of the codes' type, the mean over directions, 0 or more.
    """
    along = tf.cast(along, codes.dtype)
    own, prior = (
        tf.sort(tf.matmul(along, sample, transpose_b=True), axis=1)  # [L, n]
        for sample in (codes, prior_sample)
    )
    squares = tf.square(own - prior)
    if divisor is None:
        return tf.reduce_mean(squares)
    return tf.reduce_mean(tf.reduce_sum(squares, axis=1)) / divisor
