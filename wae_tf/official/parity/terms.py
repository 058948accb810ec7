"""The size of the terms whose rounding stays where they cancel: MMD+++ of a record's codes."""

from __future__ import annotations

import numpy as np


def mmdppp(
    codes: np.ndarray, prior_sample: np.ndarray, data_size: int, kernel: str, width: float
) -> float:
    """What MMD+++ adds and takes away, all positive: kernel means over coordinates, one weighted by N.

    Args:
        codes: float [10 n, z], those of `objective.mmdpp.many_codes`.
        prior_sample: float [n, z].
        data_size: N.
        kernel: `imq` or `rbf`.
        width: of imq, as `objective.mmdpp` takes it.
    """
    if kernel == "rbf":  # which is 1 at most, and has no weights
        return 4.0 * codes.shape[1]
    # N C/N / (C/N + d) = C / (C/N + d), about sqrt(N) large in one dimension, beside the C / (C + d).
    offsets = (width, width / data_size)

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for one, other in zip(a.T.astype(np.float64), b.T.astype(np.float64), strict=True):
            distances = np.square(one[:, None] - other)
            distances[distances == 0.0] = np.inf  # a code and itself are no pair
            total += sum(float(np.mean(width / (offset + distances))) for offset in offsets)
        return total

    between = mean(codes, prior_sample)
    return mean(codes, codes) + 2.0 * between + mean(prior_sample, prior_sample)
