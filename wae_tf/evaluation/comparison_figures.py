"""The training curves of several runs in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wae_tf.evaluation.comparison import ComparedRun
from wae_tf.figures import drawing

#: Told apart by the colour-blind too: Okabe and Ito's, without the yellow, which is faint on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#000000")
_STYLES = ("-", "--")
#: Columns of history.csv, the title of each panel, and the title whose scale it has in `drawing`.
_PANELS = (
    ("test_reconstruction", "reconstruction, test", "reconstruction"),
    ("train_reconstruction", "reconstruction, train", "reconstruction"),
    ("test_penalty", "penalty, test", "penalty"),
    ("train_penalty", "penalty, train", "penalty"),
    ("train_adversary_loss", "adversary loss", "adversary loss"),
    ("sharpness", "sharpness of samples, minimum", "sharpness"),
)


def curves(runs: Sequence[ComparedRun]) -> bytes | None:
    """PNG of the columns of history.csv that hold values, a panel each, over steps; None: there are none."""
    panels = [panel for panel in _PANELS if any(_has(run, panel[0]) for run in runs)]
    if not panels:
        return None
    across = 2 if len(panels) > 1 else 1
    down = -(-len(panels) // across)
    figure = drawing.new_figure(5.4 * across, 3.4 * down + 0.5, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).flat
    lines = {}
    for ax, (column, title, scale) in zip(grid, panels, strict=False):
        shown = []
        for i, run in enumerate(runs):
            if not _has(run, column):
                continue
            values = np.asarray(run.history[column], float)
            (lines[run.name],) = ax.plot(
                run.history["step"],
                values,
                _STYLES[i // len(_COLOURS) % 2],
                color=_COLOURS[i % len(_COLOURS)],
                linewidth=1.8,
                marker=drawing.dot(values),
                label=run.name,
            )
            shown.append(values)
        drawing.dress(ax, scale, "step", np.concatenate(shown))
        if legend := ax.get_legend():
            legend.remove()
        ax.set_title(title, fontsize=drawing.TITLE)
    for ax in list(grid):  # what is left: a panel without a column
        ax.set_axis_off()
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside upper center",
        ncols=min(len(lines), 4),
        frameon=False,
    )
    return drawing.png(figure)


def _has(run: ComparedRun, column: str) -> bool:
    return bool(np.isfinite(np.asarray(run.history.get(column, []), float)).any())
