"""Kernel distances (squared MMD) of activations: KID's polynomial kernel, and CMMD's Gaussian one.

Each takes weights of rows, see `bootstrap`, and gives a value for each row of weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: CMMD (2401.09603, its code's distance.py): the kernel's width, and what the distance is multiplied by.
SIGMA, SCALE = 10.0, 1000.0
_BLOCK = 1000  # rows whose kernel is held at once

Kernel = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cubic(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """(x . y / d + 1)^3 (1801.01401) of [n, d] and [m, d]: [n, m]."""
    return (tf.matmul(x, y, transpose_b=True) / x.shape[1] + 1.0) ** 3


def gaussian(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """exp(-|x - y|^2 / (2 SIGMA^2)) of [n, d] and [m, d]: [n, m]."""
    return tf.exp(-squared_distances(x, y) / (2 * SIGMA**2))


def squared_distances(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """|x - y|^2, [n, m], of [n, d] and [m, d]."""
    norms = tf.reduce_sum(tf.square(x), 1)[:, None] + tf.reduce_sum(tf.square(y), 1)[None, :]
    return tf.maximum(norms - 2 * tf.matmul(x, y, transpose_b=True), 0.0)


def _sums(kernel: Kernel, x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """sum_ij u_ri v_rj k(x_i, y_j) for each r, block by block of x."""
    total = np.zeros(len(u))
    columns, right = tf.constant(y, tf.float64), tf.constant(v.T, tf.float64)
    for start in range(0, len(x), _BLOCK):
        rows = tf.constant(x[start : start + _BLOCK], tf.float64)
        weighted = tf.matmul(kernel(rows, columns), right)  # [block, r]
        total += (weighted.numpy() * u[:, start : start + _BLOCK].T).sum(axis=0)
    return total


def _unbiased(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The U-statistic of the squared MMD by `cubic`, [resamples]: no row meets itself."""

    def within(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        own = (np.square(rows, dtype=np.float64).mean(axis=1) + 1) ** 3
        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        pairs = np.where(pairs > 0, pairs, np.nan)  # one row has none
        return (_sums(cubic, rows, rows, weights, weights) - weights**2 @ own) / pairs

    between = _sums(cubic, x, y, u, v) / (u.sum(axis=1) * v.sum(axis=1))
    return within(x, u) + within(y, v) - 2 * between


def kid(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, most: int = 1024) -> np.ndarray:
    """The kernel distance as TF-GAN has it: the mean over blocks of at most `most` rows in order.

    Args:
        x: [n, d].
        y: [m, d].
        u: weights of x, [resamples, n].
        v: weights of y, [resamples, m].
        most: rows of a block.

    Returns:
        [resamples]; `tfgan.kernel_distance` where all weights are 1.
    """
    blocks = -(-max(len(x), len(y)) // most)

    def cuts(count: int) -> np.ndarray:
        sizes = np.full(blocks, count // blocks)
        sizes[blocks - count % blocks :] += 1  # the last ones are the larger, as TF-GAN's
        return np.concatenate([[0], np.cumsum(sizes)])

    at_x, at_y = cuts(len(x)), cuts(len(y))
    parts = []
    for i in range(blocks):
        of_x, of_y = slice(*at_x[i : i + 2]), slice(*at_y[i : i + 2])
        with np.errstate(divide="ignore", invalid="ignore"):  # a block without rows: NaN
            parts.append(_unbiased(x[of_x], y[of_y], u[:, of_x], v[:, of_y]))
    return np.mean(parts, axis=0)


def cmmd(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """SCALE times the squared MMD by the Gaussian kernel, as CMMD's code: each row meets itself too.

    Args:
        x: [n, d].
        y: [m, d].
        u: weights of x, [resamples, n].
        v: weights of y, [resamples, m].
    """
    total_u, total_v = u.sum(axis=1), v.sum(axis=1)
    within_x = _sums(gaussian, x, x, u, u) / total_u**2
    within_y = _sums(gaussian, y, y, v, v) / total_v**2
    return SCALE * (within_x + within_y - 2 * _sums(gaussian, x, y, u, v) / (total_u * total_v))
