"""comparison.html: one self-contained page of runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wae_tf.evaluation import (
    comparison,
    comparison_figures,
    comparison_limits,
    comparison_rows,
    page_parts,
)
from wae_tf.evaluation.comparison import ComparedRun
from wae_tf.evaluation.comparison_rows import ComparedRow
from wae_tf.evaluation.page_parts import escape
from wae_tf.files import write_atomically

#: Figures of a run's folder, and their titles; those that a run has not are said to be missing.
_FIGURES = {
    "samples.png": "Samples",
    "reconstructions.png": "Reconstructions",
    "interpolations.png": "Interpolations",
    "traversals.png": "Traversals",
}
_STYLE = """
main.wide { max-width: none; }
.columns { display: grid; gap: 1rem; align-items: start; overflow-x: auto; }
.columns h3 { font-size: .9rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
.columns p { color: var(--soft); font-size: .86rem; margin: 0; }
td.best { font-weight: 600; color: var(--mark); }
td.unlike { text-align: right; white-space: nowrap; }
summary { cursor: pointer; color: var(--soft); }
"""


def write(runs: Sequence[ComparedRun], folder: Path) -> Path:
    """Writes comparison.html into a folder, which is made, and returns its path."""
    told, others = comparison_rows.rows(runs)
    curves, differing = comparison_figures.curves(runs), comparison.differing_flags(runs)
    title = f"{len(runs)} runs side by side"
    warnings = "".join(
        f"<p>{escape(sentence)}</p>" for sentence in comparison_limits.sentences(runs)
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(", ".join(run.name for run in runs))}</p>',
        page_parts.card("What does not compare", warnings, missing=True) if warnings else "",
        page_parts.card("Numbers", _numbers(runs, told), _NOTE),
        page_parts.picture(curves, "A point an epoch, over training steps.", "Training curves")
        if curves
        else "",
        *(_pictures(runs, name, heading) for name, heading in _FIGURES.items()),
        page_parts.card("Flags that differ", _flags(runs, differing)),
        page_parts.card(
            "", f"<details><summary>All other numbers</summary>{_numbers(runs, others)}</details>"
        ),
    ]
    page = page_parts.document(title, parts, _STYLE, "wide" if len(runs) > 3 else "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "comparison.html"
    write_atomically(path, page)
    return path


_NOTE = (
    '<p class="note">± is half a 95% interval over bootstrap resamples of pictures, where the evaluation '
    "made one: it tells other draws of pictures apart, not other seeds of training. In colour: better than "
    "every other run by more than both intervals.</p>"
)


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    top = "".join(
        f'<th class="{"n" if i else ""}">{escape(text)}</th>' for i, text in enumerate(head)
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _numbers(runs: Sequence[ComparedRun], rows: Sequence[ComparedRow]) -> str:
    lines = []
    for row in rows:
        cells = "".join(
            f'<td class="n{" best" if i == row.best else ""}">{escape(text)}</td>'
            for i, text in enumerate(row.cells)
        )
        lines.append(
            f'<tr><td><code>{escape(row.name)}</code></td>{cells}<td class="n">{row.better}</td></tr>'
        )
    return _table(["", *(run.name for run in runs), "better"], lines)


def _flags(runs: Sequence[ComparedRun], differing: dict[str, list[str]]) -> str:
    if not differing:
        return "<p>None.</p>"
    lines = [
        f"<tr><td><code>--{escape(name)}</code></td>"
        + "".join(f'<td class="unlike">{escape(value) or "–"}</td>' for value in values)
        + "</tr>"
        for name, values in differing.items()
    ]
    return _table(["", *(run.name for run in runs)], lines)


def _pictures(runs: Sequence[ComparedRun], name: str, heading: str) -> str:
    """A card with a figure of each run in a column; "" where no run has it."""
    files = [run.folder.figures / name for run in runs]
    if not any(file.is_file() for file in files):
        return ""
    cells = [
        f"<div><h3>{escape(run.name)}</h3>{_picture(file, heading)}</div>"
        for run, file in zip(runs, files, strict=True)
    ]
    columns = f"grid-template-columns: repeat({len(runs)}, minmax(220px, 1fr))"
    return page_parts.card(
        heading, f'<div class="columns" style="{columns}">{"".join(cells)}</div>'
    )


def _picture(file: Path, heading: str) -> str:
    return page_parts.image_of_file(file, heading) or "<p>not drawn in this run</p>"
