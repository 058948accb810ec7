"""Q_Z against P_Z on a whole test set: moments of the codes, and the MMD with its null spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import MMD_SCALES
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties, priors

#: Rows and repetitions of the prior against itself, from which the null spread follows.
NULL_ROWS, NULL_REPEATS = 1000, 40
#: Codes at most for the MMD, whose time grows with their square.
MMD_CODES = 10_000


@tf.function(reduce_retracing=True)
def _kernel_sum(a: tf.Tensor, b: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
    distances = tf.maximum(penalties.squared_distances(a, b), 0.0)
    return tf.add_n([tf.reduce_sum(c / (c + distances)) for c in tf.unstack(widths)])


def mmd(codes: np.ndarray, prior_sample: np.ndarray, width: float, block: int = 1000) -> float:
    """`penalties.mmd` with the IMQ kernels at any n: [n, z] and [n, z], block by block, in float64.

    The sum of the paper's seven scales whatever the model was trained with, so that runs compare.
    """
    n = len(codes)
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
    config = model.config
    width = priors.kernel_width(config.prior, config.zdim, priors.unit(config.prior_scale))
    rows = min(count, rows)

    def sample(stream: str, index: int) -> np.ndarray:
        return model.sample_prior(rows, streams.key(config.seed, stream, index)).numpy()

    values = [mmd(sample("null/a", i), sample("null/b", i), width) for i in range(repeats)]
    return float(np.std(values, ddof=1)) * rows / count


def statistics(model: Wae, codes: np.ndarray, *, most: int = MMD_CODES) -> dict[str, float]:
    """Numbers of codes [n, z], a sample of Q_Z, against the prior.

    Returns:
        code_mean_max, code_std_min, code_std_max: largest absolute mean, smallest and largest
        deviation of a coordinate, in the prior's standard deviations; code_correlation_max: largest
        absolute correlation of two coordinates; code_kurtosis_min and _max: of a coordinate, 3 for
        a normal one; mmd_test, its null's standard deviation mmd_test_null_std, mmd_test_sigmas (the
        first over the second) and mmd_test_codes, how many codes it is of.
    """
    config = model.config
    scaled = np.asarray(codes, np.float64) / passes.prior_std(model)
    mean, std = scaled.mean(axis=0), scaled.std(axis=0)
    centred = (scaled - mean) / np.maximum(std, 1e-12)
    correlation = centred.T @ centred / len(scaled) - np.diag((centred**2).mean(axis=0))
    kurtosis = (centred**4).mean(axis=0)
    some = codes[:most]
    prior_sample = model.sample_prior(len(some), streams.key(config.seed, "mmd/prior", 0)).numpy()
    width = priors.kernel_width(config.prior, config.zdim, priors.unit(config.prior_scale))
    value, spread = mmd(some, prior_sample, width), null_std(model, len(some))
    return {
        "code_mean_max": float(np.abs(mean).max()),
        "code_std_min": float(std.min()),
        "code_std_max": float(std.max()),
        "code_correlation_max": float(np.abs(correlation).max()),
        "code_kurtosis_min": float(kurtosis.min()),
        "code_kurtosis_max": float(kurtosis.max()),
        "mmd_test": value,
        "mmd_test_null_std": spread,
        "mmd_test_sigmas": value / spread if spread > 0 else math.nan,
        "mmd_test_codes": len(some),
    }


def by_coordinate(codes: np.ndarray, prior_std: float) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of each coordinate over the prior's standard deviation."""
    scaled = np.asarray(codes, np.float64) / prior_std
    return scaled.mean(axis=0).tolist(), scaled.std(axis=0).tolist()
