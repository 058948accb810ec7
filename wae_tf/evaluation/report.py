"""report.html: one self-contained page of a run, its numbers, figures, curves, flags and versions."""

from __future__ import annotations

import base64
import dataclasses
import html
import math
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import wae_tf
from wae_tf.config import Config
from wae_tf.evaluation.tables import Assessment, number
from wae_tf.files import write_atomically
from wae_tf.runs.folder import Run

_PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-gan",
    "tensorflow-probability",
    "numpy",
    "scikit-learn",
    "tensorflow-datasets",
)

_STYLE = """
:root { --ink: #1c2430; --soft: #5c6878; --line: #dfe4ea; --ground: #f6f7f9; --mark: #1f5fbf; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2.2rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
.lead { color: var(--soft); margin: 0 0 1.6rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1.2rem 1.4rem;
  margin: 0 0 1.2rem; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: .9rem;
  margin: 0 0 1.2rem; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; line-height: 1.3; display: block; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: .42rem .7rem .42rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .82rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.w, th.w { padding-left: 1.4rem; white-space: nowrap; color: var(--soft); }
.note, figcaption { color: var(--soft); font-size: .86rem; margin: .6rem 0 0; }
figure { margin: 0; }
img { max-width: 100%; display: block; border-radius: 4px; }
img.pixels { image-rendering: pixelated; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1.2rem; }
.two .card { margin: 0; }
.grid { margin: 0 0 1.2rem; }
code, .hash { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .84rem;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.2rem; margin: 0;
  font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.flags { columns: 3 260px; font-size: .86rem; margin: 0; padding: 0; list-style: none; }
.flags li { break-inside: avoid; overflow-wrap: anywhere; }
.flags .changed { font-weight: 600; color: var(--mark); }
.missing { border-left: 4px solid #e0a100; }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


def _escape(text: object) -> str:
    return html.escape(str(text))


def _picture(data: bytes, caption: str, title: str = "", pixels: bool = False) -> str:
    source = base64.b64encode(data).decode("ascii")
    size = Image.open(BytesIO(data)).size
    kind = ' class="pixels"' if pixels else ""
    heading = f"<h2>{_escape(title)}</h2>" if title else ""
    return (
        f'<section class="card">{heading}<figure><img{kind} width="{size[0]}" alt="{_escape(title)}" '
        f'src="data:image/png;base64,{source}"><figcaption>{_escape(caption)}</figcaption></figure>'
        "</section>"
    )


def _file(path: Path, title: str, caption: str, pixels: bool = True) -> str:
    return _picture(path.read_bytes(), caption, title, pixels) if path.is_file() else ""


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str | None]], numbers: Sequence[int]
) -> str:
    def cell(tag: str, i: int, text: str | None) -> str:
        kind = ' class="n"' if i in numbers else ' class="w"' if i else ""
        return f"<{tag}{kind}>{_escape('' if text is None else text)}</{tag}>"

    top = "".join(cell("th", i, text) for i, text in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.canvas.print_png(buffer)
    return buffer.getvalue()


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=100)
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    return figure


def _codes_figure(codes: tuple[Sequence[float], Sequence[float]]) -> bytes:
    means, stds = (np.asarray(values) for values in codes)
    figure = _new_figure(5.2, 3.2)
    ax = figure.add_subplot()
    places = np.arange(len(means))
    ax.axhspan(-1, 1, color="#eceff3", label="prior, ± 1 std")
    ax.errorbar(
        places,
        means,
        stds,
        fmt="o",
        color="#1f5fbf",
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
    return _png(figure)


def _bias_figure(bias: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> bytes:
    figure = _new_figure(5.2, 3.2)
    ax = figure.add_subplot()
    for title, points in bias:
        counts, values = zip(*points, strict=True)
        ax.plot(counts, values, marker="o", label=title)
    ax.set_xscale("log")
    counts = [n for _, points in bias for n, _ in points]
    ticks = [m * 10**k for k in range(9) for m in (1, 2, 5)]
    ticks = [t for t in ticks if min(counts) <= t <= max(counts)]
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
    return _png(figure)


def _tiles(assessment: Assessment) -> str:
    tiles = [
        (row.samples, row.quantity, f"data {row.data}")
        for row in assessment.rows
        if row.samples and ("Frechet" in row.quantity or "FID" in row.quantity)
    ]
    tiles += [
        (row.samples, "sharpness of samples, mean", f"data {row.data}")
        for row in assessment.rows
        if row.quantity.startswith("sharpness, mean")
    ]
    metrics = assessment.metrics
    tiles.append(
        (number(metrics["test_reconstruction"]), "reconstruction cost on the test set", "")
    )
    tiles.append(
        (
            number(metrics["mmd_test_sigmas"], 3),
            "MMD of codes to prior, in standard deviations of its null",
            "",
        )
    )
    cells = "".join(
        f'<div class="tile"><b>{_escape(value)}</b><span>{_escape(name)}</span>'
        f"<span>{_escape(note)}</span></div>"
        for value, name, note in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _versions() -> str:
    found = [("wae_tf", wae_tf.__version__), ("Python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    devices = [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in tf.config.list_physical_devices("GPU")
    ] or [f"CPU ({platform.machine()})"]
    found.append(("evaluated on", ", ".join(devices)))
    return _definitions(found)


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{_escape(a)}</dt><dd>{_escape(b)}</dd>" for a, b in pairs) + "</dl>"
    )


def _flags(config: Config) -> str:
    changed = config.changes()
    items = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        # Folders are of one machine and say nothing of the run.
        if value is None or field.name in ("work_dir", "cache_dir", "data_dir"):
            continue
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        kind = ' class="changed"' if field.name in changed else ""
        items.append(f"<li{kind}><code>--{_escape(field.name)}={_escape(value)}</code></li>")
    return f'<ul class="flags">{"".join(items)}</ul>'


def write(run: Run, config: Config, assessment: Assessment) -> Path:
    """Writes report.html into the run's folder and returns its path.

    Figures come from the run's folder as they are; one that is not there is left out.
    """
    figures = run.figures
    tail = "" if assessment.sampler == "prior" else f"_{assessment.sampler}"
    metrics = assessment.metrics
    steps = metrics.get("steps")
    parameters = metrics.get("parameters")
    epochs = metrics.get("epochs")
    epochs = f"{epochs:,} epoch{'s' if epochs != 1 else ''}, " if epochs else ""
    lead = [
        f"{config.dataset}, {epochs}{steps:,} steps" if steps else "",
        f"{parameters:,} parameters" if parameters else "",
        f"trained in {metrics['seconds'] / 60:.1f} min" if metrics.get("seconds") else "",
        f"seed {config.seed}",
    ]
    title = f"{config.model} on {config.dataset}"
    progress = sorted(figures.glob("progress_*.png"))
    parts = [
        f"<h1>{_escape(title)}</h1>",
        f'<p class="lead">{_escape(" · ".join(p for p in lead if p))}</p>',
        _tiles(assessment),
        '<div class="two grid">',
        _file(
            figures / f"samples{tail}.png",
            "Samples",
            f"The first samples, not picked (sampler {assessment.sampler}).",
        ),
        _file(figures / "data.png", "Data", "The first test images."),
        "</div>",
        '<section class="card"><h2>Pictures, measured</h2>',
        _table(
            ["quantity", "samples", "reconstructions", "data", "better"],
            [
                (row.quantity, row.samples, row.reconstructions, row.data, row.better)
                for row in assessment.rows
            ],
            (1, 2, 3),
        ),
        '<p class="note">A Frechet distance is biased by the number of pictures: compare columns '
        "and runs of equal counts only. The column of data is what real pictures, of the training "
        "set, get; how many is said below."
        "</p></section>",
        '<section class="card"><h2>Codes and objective</h2>',
        _table(["quantity", "measured", "ideal"], assessment.model_rows, (1, 2)),
        "</section>",
        '<div class="two grid">',
        _picture(
            _codes_figure(assessment.codes),
            "Test codes, coordinate by coordinate, against the prior.",
            "Q_Z against P_Z",
        ),
    ]
    if any(points for _, points in assessment.bias):
        shown = [(name, points) for name, points in assessment.bias if points]
        parts.append(
            _picture(
                _bias_figure(shown),
                "The same pictures, fewer of them, against the same test images.",
                "Bias of the distance with the count",
            )
        )
    parts += [
        "</div>",
        '<div class="two grid">',
        _file(
            figures / "reconstructions.png",
            "Reconstructions",
            "Random test images, each left of its reconstruction.",
        ),
        _file(
            figures / f"neighbours{tail}.png",
            "Nearest training images",
            "Samples, each followed by the five training images nearest in pixels: a model that "
            "copied would show its copies here.",
        ),
        "</div>",
        '<div class="two grid">',
        _file(
            figures / "interpolations.png",
            "Interpolations",
            "Straight lines between the codes of two test images, which stand at the ends.",
        ),
        _file(
            figures / "traversals.png",
            "Traversals",
            "One coordinate of a test image's code moved over the prior's range.",
        ),
        "</div>",
        _file(figures / "curves.png", "Training curves", "A point an epoch.", pixels=False),
    ]
    if progress:
        parts.append(
            _file(progress[-1], "The official code's figure", progress[-1].name, pixels=False)
        )
    parts += [
        '<section class="card"><h2>What the numbers are of</h2>',
        _definitions(assessment.facts),
        "</section>",
    ]
    if assessment.left_out:
        sentences = "".join(f"<p>{_escape(s)}</p>" for s in assessment.left_out)
        parts.append(f'<section class="card missing"><h2>Left out</h2>{sentences}</section>')
    rest = sorted((name, number(value, 6)) for name, value in metrics.items())
    half = -(-len(rest) // 2)
    pairs = [
        (*rest[i], *(rest[i + half] if i + half < len(rest) else ("", ""))) for i in range(half)
    ]
    parts += [
        '<section class="card"><h2>All of metrics.json</h2>',
        _table(["metric", "", "metric", ""], pairs, (1, 3)),
        "</section>",
        '<section class="card"><h2>Flags</h2>',
        _flags(config),
        '<p class="note">In colour: other than the default. flags.flags replays the run.</p></section>',
        f'<section class="card"><h2>Versions</h2>{_versions()}</section>',
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        + "\n".join(parts)
        + "</main></body></html>\n"
    )
    write_atomically(run.report, page)
    return run.report
