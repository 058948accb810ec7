"""Are two samples of a quantity alike? Tests of mean, spread and distribution, Holm, equivalence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

#: A difference of means below this many standard deviations of one run is called none.
BOUND = 0.3
#: Of the interval of the difference: two one-sided tests at 5% each.
CONFIDENCE = 0.9
#: Of the corrected tests.
LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One quantity of both sides; p are before correction.

    Attributes:
        name: what is compared.
        first: mean and standard deviation (n - 1) of the first side.
        second: the same of the second side.
        t: Welch's t of second - first.
        t_p: its two-sided p.
        ks_p: two-sample Kolmogorov-Smirnov p, exact.
        spread_p: p of equal spreads, after Brown and Forsythe (1974): Levene's test about the medians.
        low: lower end of the 90% interval of the difference, in pooled standard deviations.
        high: its upper end.
    """

    name: str
    first: tuple[float, float]
    second: tuple[float, float]
    t: float
    t_p: float
    ks_p: float
    spread_p: float
    low: float
    high: float

    @property
    def equivalent(self) -> bool:
        """Whether the whole interval lies within `BOUND`."""
        return max(abs(self.low), abs(self.high)) <= BOUND


def compare(name: str, first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compares the means and distributions of two samples.

    Args:
        name: what they are of.
        first: a number a run, at least two.
        second: the same of the other side.

    Returns:
        The comparison; a sample without any spread gives t of 0 or infinity.
    """
    a, b = (np.asarray(side, np.float64) for side in (first, second))
    errors = [side.var(ddof=1) / len(side) for side in (a, b)]
    error = math.sqrt(sum(errors))
    difference = float(b.mean() - a.mean())
    pooled = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    if error == 0:
        same = difference == 0
        t, t_p = (0.0, 1.0) if same else (math.copysign(math.inf, difference), 0.0)
        low = high = 0.0 if same else t
    else:
        t = difference / error
        freedom = sum(errors) ** 2 / sum(
            e**2 / (len(side) - 1) for e, side in zip(errors, (a, b), strict=True)
        )
        t_p = float(2 * stats.t.sf(abs(t), freedom))
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
        low, high = (difference - reach) / pooled, (difference + reach) / pooled
    return Comparison(
        name,
        (float(a.mean()), float(a.std(ddof=1))),
        (float(b.mean()), float(b.std(ddof=1))),
        t,
        t_p,
        float(stats.ks_2samp(a, b, method="exact").pvalue),
        _spread_p(a, b),
        low,
        high,
    )


def _spread_p(a: np.ndarray, b: np.ndarray) -> float:
    far = [np.abs(side - np.median(side)) for side in (a, b)]
    if not any(side.std() for side in far):  # on both sides all are as far from the median
        return float(np.isclose(far[0][0], far[1][0]))
    return float(stats.levene(a, b, center="median").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Corrects p values for their number, after Holm (1979).

    Args:
        p: of all tests that were made.

    Returns:
        The corrected ones in the same order, at most 1.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest
    return corrected


def verdict(comparison: Comparison, *p: float) -> str:
    """A word for a comparison whose p values were corrected.

    Args:
        comparison: of one quantity.
        *p: of its tests, corrected.

    Returns:
        "different" where a corrected p is below `LEVEL`; "equal", where the interval of the
        difference lies within `BOUND`; "no difference found", where there are too few runs to say.
    """
    if min(p) < LEVEL:
        return "different"
    return "equal" if comparison.equivalent else "no difference found"
