"""Figures of the report alone: the codes by coordinate, and a distance's bias with the count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wae_tf.figures import drawing


def codes_figure(codes: tuple[Sequence[float], Sequence[float]]) -> bytes:
    """PNG of each coordinate's mean and standard deviation, in the prior's."""
    means, stds = (np.asarray(values) for values in codes)
    figure = drawing.new_figure(5.2, 3.2, layout="constrained")
    ax = figure.add_subplot()
    places = np.arange(len(means))
    ax.axhspan(-1, 1, color="#eceff3", label="prior, ± 1 std")
    ax.errorbar(
        places,
        means,
        stds,
        fmt="o",
        color=drawing.BLUE,
        markersize=4,
        capsize=3,
        label="codes, ± 1 std",
    )
    ax.set_xlabel("coordinate of the code")
    ax.set_ylabel("in the prior's std")
    bound = max(1.6, float(np.nanmax(np.abs(means) + stds)) * 1.1) if len(means) else 1.6
    if math.isfinite(bound):
        ax.set_ylim(-bound, bound * 1.25)
    ax.legend(loc="upper right", ncols=2, fontsize=9, frameon=False)
    return drawing.png(figure)


def bias_figure(bias: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> bytes:
    """PNG of (title, [(n, Frechet distance of the first n pictures)])."""
    figure = drawing.new_figure(5.2, 3.2, layout="constrained")
    ax = figure.add_subplot()
    for title, points in bias:
        counts, values = zip(*points, strict=True)
        ax.plot(counts, values, marker="o", label=title)
    ax.set_xscale("log")
    all_counts = [n for _, points in bias for n, _ in points]
    ticks = [m * 10**k for k in range(9) for m in (1, 2, 5)]
    ticks = [t for t in ticks if min(all_counts) <= t <= max(all_counts)]
    ax.set_xticks(ticks, [f"{t:,}" for t in ticks])
    ax.minorticks_off()
    # Logarithmic: the data's own distance is nearly all bias, that of samples hardly any.
    if all(value > 0 for _, points in bias for _, value in points):
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        ax.set_ylim(low / 1.5, high * 4)  # room for the legend
    ax.set_xlabel("pictures")
    ax.set_ylabel("Frechet distance")
    ax.grid(color="#dddddd")
    ax.legend(fontsize=8, frameon=False, loc="upper right")
    return drawing.png(figure)
