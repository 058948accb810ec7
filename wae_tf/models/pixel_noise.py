"""The noise on images: draws of a truncated normal, the same ones on every device and under XLA."""

from __future__ import annotations

import functools
import math
import statistics
from typing import Any

import numpy as np
import tensorflow as tf

#: official models.py:12, standard deviation of add_noise before it is truncated.
PIXEL_NOISE = 0.01
#: TensorFlow 1's `truncated_normal`, which the official code calls, keeps what is within so many deviations.
TRUNCATED_AT = 2.0
#: Bits of a draw. The official numbers are floats; of these, 2**16 equally likely ones, neighbours lie at
#: most 3e-6 apart, where grey values of a picture lie 4e-3 apart, and half as many random bits are drawn.
BITS = 16


@functools.cache
def quantiles() -> np.ndarray:
    """The values [2**BITS] that a pixel's noise takes, all of them equally likely, ascending."""
    normal = statistics.NormalDist()
    below, half = normal.cdf(-TRUNCATED_AT), 2 ** (BITS - 1)
    step = (0.5 - below) / half
    lower = np.array([normal.inv_cdf(below + (i + 0.5) * step) for i in range(half)])
    return PIXEL_NOISE * np.concatenate([lower, -lower[::-1]])


def pixel_noise(shape: list[Any], key: tf.Tensor, dtype: str) -> tf.Tensor:
    """Noise to add to images: a normal of deviation 0.01, truncated at two of them (official models.py:8-16).

    TensorFlow's own op draws until a number is in the range: four times the time, 8% of a training
    step of narrow convolutions for each pass of an encoder, and other numbers under XLA.

    Args:
        shape: (n, H, W, C), n a number or a scalar.
        key: int [2], which of all draws.
        dtype: float32 or float64.

    Returns:
        [n, H, W, C].
    """
    count = shape[0] * math.prod(shape[1:])
    words = tf.random.stateless_uniform(
        [(count + 1) // 2], key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    ranks = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count]
    drawn = tf.gather(tf.constant(quantiles(), dtype), tf.cast(ranks, tf.int32))
    return tf.reshape(drawn, shape)
