"""Bootstrap intervals: what a number of pictures would have been of other draws of as many pictures.

Resamples are weights: how often each row is drawn, 0 and up. Row 0 of a table of weights is all ones, the
rows as they are, so that a measure of weights gives its value and those of the resamples at once.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy as np
import tensorflow as tf

from wae_tf.evaluation import distances
from wae_tf.settings import memory

#: Half the width of a 95% interval in standard deviations of a normal one.
NORMAL_95 = 1.959964
#: Operations that the resamples of a Frechet distance may take together, and how few resamples that may
#: leave: 100 of 20,000 rows of 768 numbers, 11 of 2,048.
MOST_OPERATIONS, LEAST = 6e12, 10

#: How far resamples of distances go. In trials with 64 numbers a row, 300 to 1,500 rows, near a distance of
#: 0, the whole way gave 1.4 to 2.7 times the spread of independent draws, a fifth 1.0 to 1.6 times;
#: farther from 0 both gave 0.8 to 1.3 times. Near 0 it grows as numbers of a row near the rows: a fifth gave
#: a Frechet distance of 256 numbers and 500 rows 2.2 times, KID of 512 and 1,000 rows 1.9 times, CMMD 1.8
#: times; farther from 0 1.1 to 1.2 times.
PART = 0.2


@dataclasses.dataclass(frozen=True)
class Resampling:
    """How many resamples, and the seed that they follow from.

    Attributes:
        count: resamples; 0: none, and no intervals.
        seed: any.
    """

    count: int
    seed: int

    def weights(self, rows: int, name: str) -> np.ndarray:
        """float64 [1 + count, rows]: ones, then how often each row is drawn; NaN of one row alone.

        What other draws of one picture would have been, it does not tell: its intervals are NaN, and not 0.

        Args:
            rows: of the set.
            name: of the set; the same name and rows have the same draws, as pairs should.

        Raises:
            FlagError: they are more than the memory holds.
        """
        # Drawn, as floats and with the ones.
        memory.require(
            3 * 8 * self.count * rows,
            f"--bootstrap={self.count} of {rows:,} rows",
            "--bootstrap or --eval_samples",
        )
        rng = np.random.default_rng([self.seed % 2**63, zlib.crc32(name.encode())])
        drawn = rng.multinomial(rows, np.full(rows, 1 / rows), size=self.count).astype(np.float64)
        if rows == 1:
            drawn[:] = np.nan
        return np.concatenate([np.ones((1, rows)), drawn])


def part_of_the_way(weights: np.ndarray) -> np.ndarray:
    """Weights near 1: those of resamples a PART of the way.

    A resample's repeated rows make a distance larger and spread it more than other rows would. Near 1
    it changes in proportion to the weights, so that the spread can be scaled back: by `interval`.
    """
    return 1 + PART * (weights - 1)


def interval(values: np.ndarray) -> float:
    """`half_width` of values by weights `part_of_the_way`."""
    return half_width(values) / PART


def half_width(values: np.ndarray) -> float:
    """Half the width of the 95% interval of values [1 + resamples]; NaN without resamples.

    1.96 standard deviations of the resamples, to be taken around the value itself: repeated rows bias
    the resamples of most distances, so their percentiles would lie beside it.
    """
    resamples = np.asarray(values[1:], np.float64)
    return NORMAL_95 * float(resamples.std(ddof=1)) if len(resamples) > 1 else math.nan


def frechet_resamples(rows: int, features: int, asked: int) -> int:
    """How many resamples of a Frechet distance are affordable, at most those asked for.

    Args:
        rows: of both sets together.
        features: of a row.
        asked: resamples.
    """
    one = 2 * rows * features**2 + 40 * features**3  # two products, two decompositions
    return min(asked, max(LEAST, int(MOST_OPERATIONS / one)))


def frechet(a: np.ndarray, b: np.ndarray, weights_a: np.ndarray, weights_b: np.ndarray) -> float:
    """`half_width` of the Frechet distance of rows [n, d] and [m, d] (1706.08500).

    Args:
        a: rows.
        b: rows.
        weights_a: [1 + resamples, n], as `part_of_the_way` gives them.
        weights_b: [1 + resamples, m], likewise.
    """
    count = frechet_resamples(len(a) + len(b), a.shape[1], len(weights_a) - 1)
    centre = np.mean(a, axis=0, dtype=np.float64)  # of both: moments by weights lose no digits then
    rows_a, rows_b = tf.constant(a - centre), tf.constant(b - centre)
    values = [math.nan]
    for weigh_a, weigh_b in zip(weights_a[1 : count + 1], weights_b[1 : count + 1], strict=True):
        values.append(
            distances.frechet_of_moments(*_moments(rows_a, weigh_a), *_moments(rows_b, weigh_b))
        )
    return interval(np.asarray(values))


def sliced(
    a: np.ndarray, b: np.ndarray, weights_a: np.ndarray, weights_b: np.ndarray
) -> np.ndarray:
    """Wasserstein distances int |F_a - F_b| along directions, of rows by weights.

    Args:
        a: [directions, n, k]: projections of the k patches of each of n images.
        b: [directions, m, k], likewise.
        weights_a: [1 + resamples, n], of the images.
        weights_b: [1 + resamples, m], likewise.

    Returns:
        float64 [directions, 1 + resamples]; the first column, of equal weights and n = m, holds the mean
        differences of sorted projections, whose mean is the sliced distance (1710.10196).
    """
    patches = a.shape[2]
    signed = np.concatenate(
        [
            weights_a / weights_a.sum(axis=1, keepdims=True),
            -weights_b / weights_b.sum(axis=1, keepdims=True),
        ],
        axis=1,
    )
    signed /= patches
    values = np.empty((len(a), len(signed)))
    for of_a, of_b, along in zip(a, b, values, strict=True):
        both = np.concatenate([of_a.ravel(), of_b.ravel()])
        order = np.argsort(both)
        gaps, image = np.diff(both[order].astype(np.float64)), order // patches
        for row, weights in enumerate(signed):
            along[row] = np.abs(np.cumsum(weights[image])[:-1]) @ gaps
    return values


def sliced_interval(values: np.ndarray, directions: int) -> float:
    """`half_width` of the mean over more directions than the values are of.

    What a resample changes along all directions alike stays in a mean over any number of them, what it
    changes along each by itself falls with the number. In trials with 24 pairs of 128 faces each, alike
    and blurred, it was 1.0 to 1.5 times the spread of the pairs; a PART of the way 1.0 to 1.9 times.

    Args:
        values: [few directions, 1 + resamples], by weights.
        directions: that the distance is the mean over.
    """
    few, resamples = values.shape[0], values.shape[1] - 1
    if resamples < 2:
        return math.nan
    of_mean = np.var(values[:, 1:].mean(axis=0), ddof=1)
    own = (np.var(values[:, 1:], axis=1, ddof=1).mean() - of_mean) * few / (few - 1)
    common = max(of_mean - own / few, 0.0)
    return NORMAL_95 * math.sqrt(common + own / directions)


def _moments(rows: tf.Tensor, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] and unbiased covariance [d, d] of rows [n, d], each there as often as weights say."""
    weighted, count = rows * tf.constant(weights)[:, None], weights.sum()
    mean = tf.reduce_sum(weighted, 0).numpy() / count
    squares = tf.matmul(weighted, rows, transpose_a=True).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):  # one row has no covariance: NaN
        return mean, (squares - count * np.outer(mean, mean)) / (count - 1)


def score(logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """exp E KL(p(y|x) || p(y)) (1606.03498) of logits [n, classes] for each row of weights."""
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    total = weights.sum(axis=1)
    marginal = weights @ p / total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(marginal * np.log(marginal), axis=1)
    return np.exp(weights @ (p * log_p).sum(axis=1) / total + entropy)


def mean(values: np.ndarray, resampling: Resampling) -> tuple[float, float]:
    """The mean of values [n] and half the width of its interval."""
    weights = resampling.weights(len(values), "test")
    with np.errstate(invalid="ignore"):  # PSNR of a picture that is its original is inf
        means = weights @ np.asarray(values, np.float64) / len(values)
        return float(means[0]), half_width(means)
