"""The numbers of runs side by side: which are told, which way each is better, and which is best."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

from wae_tf.evaluation import comparison
from wae_tf.evaluation.comparison import ComparedRun

#: Not of reconstructions, nor a distance's other error; of data, the Frechet distance alone.
_BY_NETWORK = r"(?!.*_(error|reconstructions)(_|$))(?!(?!frechet|fid).*_data$)"
#: What the first table tells, in this order: a pattern of names, and which way they are better.
_TOLD: tuple[tuple[str, str], ...] = (
    (r"(test|train)_reconstruction", "lower"),
    (r"(test|train)_(loss|penalty)", ""),
    (r"test_lpips", "lower"),
    (r"test_(psnr|ssim)", "higher"),
    (rf"{_BY_NETWORK}(fid|kid|frechet|kernel|gaussian_mmd|sliced_wasserstein)(_.*)?", "lower"),
    (rf"{_BY_NETWORK}(precision|recall|density|coverage|score|inception_score)(_.*)?", "higher"),
    (r"sharpness_(samples|reconstructions|data)_mean|nearest_train_(samples|data)", ""),
    (r"mmd_test_sigmas|code_(mean_max|std_min|std_max)|codes_off_prior", ""),
    (r"epochs|steps|parameters|seconds|images_per_second", ""),
    (r"evaluated_(step|test)|count_.*", ""),
)


@dataclasses.dataclass(frozen=True)
class ComparedRow:
    """A number of each run.

    Attributes:
        name: its key in metrics.json.
        cells: as people read it, with half the width of its interval; "" where a run has none.
        better: "lower", "higher", or "".
        best: the index of the run that is better than every other by more than both intervals.
    """

    name: str
    cells: list[str]
    better: str
    best: int | None


def rows(runs: Sequence[ComparedRun]) -> tuple[list[ComparedRow], list[ComparedRow]]:
    """The numbers that are told first, and all the others, by name."""
    names = {name for run in runs for name in run.metrics}
    names = {name for name in names if not name.endswith("_ci95")}
    twice = {name for name in names if name.endswith("_equal") and _is_twice(runs, name)}
    names -= twice
    told: list[ComparedRow] = []
    for pattern, better in _TOLD:
        found = sorted(name for name in names if re.fullmatch(pattern, name))
        told += [_row(runs, name, better) for name in found]
        names -= set(found)
    return told, [_row(runs, name, "") for name in sorted(names | twice)]


def _count(name: str) -> str:
    """The key of how many samples a number by a network, or a sliced Wasserstein distance, is of."""
    name = re.sub(r"^sliced_wasserstein_\d+", "frechet_sliced_wasserstein", name)
    name = re.sub(r"^(fid|kid|inception_score)", "count_inception", name)
    return re.sub("^(gaussian_mmd|[a-z]+)_", "count_", name, count=1)


def _is_twice(runs: Sequence[ComparedRun], name: str) -> bool:
    """Whether a number of as many samples as data is that of all samples, in every run."""
    counts = [_count(name), _count(name.removesuffix("_equal"))]
    return all(len({run.metrics.get(count) for count in counts}) == 1 for run in runs)


def _compares(runs: Sequence[ComparedRun], name: str) -> bool:
    """Whether a number is of the same images and network in all runs, and of as many samples."""
    if name.endswith("_data") or set(comparison.differing_flags(runs)) & set(comparison.OF_DATA):
        return False
    if comparison.of_other_images(runs) or comparison.evaluated_on_others(runs):
        return False
    if comparison.of_stretched_pictures(runs):
        return False
    if any(comparison.of_network(name, title) for title in comparison.other_networks(runs)):
        return False
    # A count that one run has and another has not, of an older evaluation, may be any.
    having = [run.metrics for run in runs if name in run.metrics]
    return all(
        len({found.get(one) for found in having}) < 2 for one in ("evaluated_test", _count(name))
    )


def _row(runs: Sequence[ComparedRun], name: str, better: str) -> ComparedRow:
    values = [run.metrics.get(name) for run in runs]
    intervals = [run.metrics.get(f"{name}_ci95") for run in runs]
    cells = [
        "" if name not in run.metrics else cell(value, interval)
        for run, value, interval in zip(runs, values, intervals, strict=True)
    ]
    best = _best(values, intervals, better) if _compares(runs, name) else None
    return ComparedRow(name, cells, better, best)


def cell(value: float | None, interval: float | None) -> str:
    """A number for people, and half the width of its interval."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return text if interval is None else f"{text} ± {interval:.2g}"


def _best(
    values: Sequence[float | None], intervals: Sequence[float | None], better: str
) -> int | None:
    known = [
        (value if better == "lower" else -value, interval, i)
        for i, (value, interval) in enumerate(zip(values, intervals, strict=True))
        if value is not None and interval is not None
    ]
    if not better or len(known) < max(2, sum(value is not None for value in values)):
        return None
    (first, width, index), *others = sorted(known)
    apart = all(value - other > first + width for value, other, _ in others)
    return index if apart else None
