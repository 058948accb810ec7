"""Q_Z against P_Z on a whole test set: moments of the codes, and the MMD with the spread of its null."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties, priors
from wae_tf.settings import MMD_SCALES

#: Rows and repetitions of the prior against itself, from which the null spread follows.
NULL_ROWS, NULL_REPEATS = 1000, 40
#: Codes at most for the MMD, whose time grows with their square.
MMD_CODES = 10_000


@tf.function(reduce_retracing=True, autograph=False)
def _kernel_sum(a: tf.Tensor, b: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
    distances = tf.maximum(penalties.squared_distances(a, b), 0.0)
    return tf.add_n([tf.reduce_sum(c / (c + distances)) for c in tf.unstack(widths)])


def mmd(codes: np.ndarray, prior_sample: np.ndarray, width: float, block: int = 1000) -> float:
    """`penalties.mmd` with the IMQ kernels at any n: [n, z] and [n, z], block by block, in float64.

    The sum of the paper's seven scales whatever the model was trained with, so that runs compare.
    Fewer than two codes have no pair, and NaN stands for their estimate.
    """
    n = len(codes)
    if n < 2:
        return math.nan
    widths = tf.constant([width * scale for scale in MMD_SCALES], tf.float64)

    def total(a: np.ndarray, b: np.ndarray) -> float:
        same = a is b
        value = 0.0
        for i in range(0, n, block):
            for j in range(i if same else 0, n, block):
                rows = tf.constant(a[i : i + block], tf.float64)
                columns = tf.constant(b[j : j + block], tf.float64)
                part = float(_kernel_sum(rows, columns, widths))
                value += 2 * part if same and j > i else part
        return value

    own = len(MMD_SCALES) * n  # k(x, x) = 1 for each scale
    within = total(codes, codes) + total(prior_sample, prior_sample) - 2 * own
    return within / (n * n - n) - 2 * total(codes, prior_sample) / (n * n)


def null_std(model: Wae, count: int, repeats: int = NULL_REPEATS, rows: int = NULL_ROWS) -> float:
    """Standard deviation of the MMD of two prior samples of `count` codes each.

    Taken over repetitions with min(count, rows) codes and scaled by rows / count: under the null the
    estimate is a degenerate U-statistic, whose spread falls as 1 / n.
    """
    settings = model.settings
    width = priors.kernel_width(settings.prior, settings.zdim, priors.unit(settings.prior_scale))
    rows = min(count, rows)

    def sample(stream: str, index: int) -> np.ndarray:
        return model.sample_prior(rows, streams.key(settings.seed, stream, index)).numpy()

    values = [mmd(sample("null/a", i), sample("null/b", i), width) for i in range(repeats)]
    return float(np.std(values, ddof=1)) * rows / count


def moments(codes: np.ndarray, prior_std: float) -> dict[str, float]:
    """Of codes [n, z], over the prior's standard deviation.

    Returns:
        code_mean_max: the largest absolute mean of a coordinate; code_std_min and code_std_max: the
        smallest and largest standard deviation of one.
    """
    scaled = np.asarray(codes, np.float64) / prior_std
    std = scaled.std(axis=0)
    return {
        "code_mean_max": float(np.abs(scaled.mean(axis=0)).max()),
        "code_std_min": float(std.min()),
        "code_std_max": float(std.max()),
    }


def statistics(model: Wae, codes: np.ndarray) -> dict[str, float]:
    """Numbers of codes [n, z], a sample of Q_Z, against the prior.

    Returns:
        What `moments` gives; code_correlation_max: largest absolute correlation of two coordinates;
        code_kurtosis_min and _max: of a coordinate, 3 for a normal one; mmd_test, its null's standard
        deviation mmd_test_null_std, mmd_test_sigmas (the first over the second) and mmd_test_codes, how
        many codes it is of.
    """
    settings = model.settings
    scaled = np.asarray(codes, np.float64) / passes.prior_std(model)
    mean, std = scaled.mean(axis=0), scaled.std(axis=0)
    centred = (scaled - mean) / np.maximum(std, 1e-12)
    correlation = centred.T @ centred / len(scaled) - np.diag((centred**2).mean(axis=0))
    kurtosis = (centred**4).mean(axis=0)
    some = codes[:MMD_CODES]
    prior_sample = model.sample_prior(len(some), streams.key(settings.seed, "mmd/prior", 0)).numpy()
    width = priors.kernel_width(settings.prior, settings.zdim, priors.unit(settings.prior_scale))
    value, deviation = mmd(some, prior_sample, width), null_std(model, len(some))
    return {
        **moments(codes, passes.prior_std(model)),
        "code_correlation_max": float(np.abs(correlation).max()),
        "code_kurtosis_min": float(kurtosis.min()),
        "code_kurtosis_max": float(kurtosis.max()),
        "mmd_test": value,
        "mmd_test_null_std": deviation,
        "mmd_test_sigmas": value / deviation if deviation > 0 else math.nan,
        "mmd_test_codes": len(some),
    }


def by_coordinate(codes: np.ndarray, prior_std: float) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of each coordinate over the prior's standard deviation."""
    scaled = np.asarray(codes, np.float64) / prior_std
    return scaled.mean(axis=0).tolist(), scaled.std(axis=0).tolist()
