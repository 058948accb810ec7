"""Precision and recall, density and coverage: whether made rows lie among real ones, and the reverse.

A set's manifold is the union of balls around its rows, each out to the row's k-th nearest neighbour.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wae_tf.evaluation.kernels import squared_distances

#: Neighbours: of precision and recall (1904.06991, section 2), of density and coverage (2002.09797, 4.1).
NEAREST, NEAREST_DENSITY = 3, 5
KINDS = ("precision", "recall", "density", "coverage")
_BLOCK = 500


def radii(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of rows [n, d] to their NEAREST-th and NEAREST_DENSITY-th other rows, [n] each."""
    whole = tf.constant(rows, tf.float64)
    found = []
    for start in range(0, len(rows), _BLOCK):
        part = squared_distances(whole[start : start + _BLOCK], whole).numpy()
        np.put_along_axis(part, np.arange(start, start + len(part))[:, None], np.inf, axis=1)
        kept = np.partition(part, NEAREST_DENSITY - 1, axis=1)[:, :NEAREST_DENSITY]
        found.append(np.sort(kept, axis=1)[:, [NEAREST - 1, NEAREST_DENSITY - 1]])
    first, second = np.concatenate(found).T
    return first, second


def scores(
    real: np.ndarray, made: np.ndarray, of_real: np.ndarray, of_made: np.ndarray
) -> dict[str, np.ndarray]:
    """Precision, recall, density and coverage for each row of weights.

    Precision: the share of made rows in a ball of a real row's; recall: that of real rows in a ball
    of a made row's; density: balls of real rows that a made row lies in, over k, on average;
    coverage: the share of real rows whose ball holds a made row. Borders are within for the first
    two, as in their authors' code, and without for the others, as in theirs. A resample draws rows
    and their balls; the balls keep their radii, which rows drawn twice would make zero. So
    intervals of these are rough: in trials 0.4 times (values near 0) to 3 times (near 1) as wide as
    other draws of both sets were apart, 0.9 to 1.3 times in between.

    Args:
        real: [n, d].
        made: [m, d].
        of_real: weights, [resamples, n].
        of_made: weights, [resamples, m].

    Returns:
        [resamples] of each kind; NaN where a set has not more than NEAREST_DENSITY rows.
    """
    if min(len(real), len(made)) <= NEAREST_DENSITY:
        return {kind: np.full(len(of_real), np.nan) for kind in KINDS}
    centre = np.asarray(real, np.float64).mean(axis=0)
    real, made = (np.asarray(rows, np.float64) - centre for rows in (real, made))
    (near_real, wide_real), (near_made, _) = radii(real), radii(made)
    columns = tf.constant(made)
    around_made = np.zeros((len(made), len(of_real)), np.float32)
    recall, density, coverage = (np.zeros(len(of_real)) for _ in range(3))
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        apart = squared_distances(tf.constant(real[rows]), columns).numpy()
        drawn = of_real[:, rows].T
        around_made += _counted((apart <= near_real[rows, None]).T, drawn)
        in_made = _counted(apart <= near_made[None, :], of_made.T)
        in_real = _counted(apart < wide_real[rows, None], of_made.T)
        recall += (drawn * (in_made > 0)).sum(axis=0)
        density += (drawn * in_real).sum(axis=0)
        coverage += (drawn * (in_real > 0)).sum(axis=0)
    total_real, total_made = of_real.sum(axis=1), of_made.sum(axis=1)
    return {
        "precision": (of_made.T * (around_made > 0)).sum(axis=0) / total_made,
        "recall": recall / total_real,
        "density": density / (NEAREST_DENSITY * total_made),
        "coverage": coverage / total_real,
    }


def _counted(within: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """within [n, m] times drawn [m, resamples]: counts, which are whole, so that float32 holds them."""
    return tf.matmul(tf.constant(within, tf.float32), tf.constant(drawn, tf.float32)).numpy()
