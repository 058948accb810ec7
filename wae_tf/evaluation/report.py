"""report.html: one self-contained page of a run, its numbers, figures, curves, flags and versions."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import tensorflow as tf

import wae_tf
from wae_tf.config import Config
from wae_tf.evaluation import off_prior, page_parts, report_figures
from wae_tf.evaluation.options import tail_of
from wae_tf.evaluation.tables import HEAD, Assessment, number
from wae_tf.files import write_atomically
from wae_tf.runs.folder import RunFolder

_PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-gan",
    "tensorflow-probability",
    "numpy",
    "scikit-learn",
    "tensorflow-datasets",
)


def _tiles(assessment: Assessment) -> str:
    tiles: list[tuple[str | None, str, str]] = [
        (row.samples, row.quantity, f"data {row.data}; {row.count.partition(' /')[0]} each")
        for row in assessment.rows
        if row.samples and row.data and ("Frechet" in row.quantity or "FID" in row.quantity)
    ]
    tiles += [
        (row.samples, "sharpness of samples, mean", f"data {row.data}; pictures: {row.count}")
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
        f'<div class="tile"><b>{page_parts.escape(value)}</b><span>{page_parts.escape(name)}</span>'
        f"<span>{page_parts.escape(note)}</span></div>"
        for value, name, note in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _warning(sentence: str) -> str:
    if not sentence:
        return ""
    text = page_parts.escape(sentence[0].upper() + sentence[1:])
    return page_parts.card("Codes off the prior", f"<p>{text}</p>", missing=True)


def _versions() -> str:
    found = [("wae_tf", wae_tf.__version__), ("Python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    devices = [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in tf.config.get_visible_devices("GPU")
    ] or [f"CPU ({platform.machine()})"]
    found.append(("evaluated on", ", ".join(devices)))
    return page_parts.definitions(found)


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
        items.append(
            f"<li{kind}><code>--{page_parts.escape(field.name)}={page_parts.escape(value)}</code></li>"
        )
    return f'<ul class="flags">{"".join(items)}</ul>'


def write(run: RunFolder, config: Config, assessment: Assessment) -> Path:
    """Writes report.html into the run's folder and returns its path.

    Figures come from the run's folder as they are; one that is not there is left out.
    """
    title = f"{config.model} on {config.dataset}"
    metrics = assessment.metrics
    parts = [
        f"<h1>{page_parts.escape(title)}</h1>",
        _lead(config, metrics),
        _tiles(assessment),
        _warning(off_prior.sentence(metrics, config)),
        _samples_and_data(run.figures, assessment.sampler),
        _measured(assessment),
        _codes_and_bias(assessment),
        _pictures(run.figures, tail_of(assessment.sampler)),
        _training(run.figures),
        page_parts.card("What the numbers are of", page_parts.definitions(assessment.facts)),
        _left_out(assessment.left_out),
        page_parts.card("All of metrics.json", _all_metrics(metrics)),
        page_parts.card(
            "Flags",
            _flags(config),
            '<p class="note">In colour: other than the default. flags.flags replays the run.</p>',
        ),
        page_parts.card("Versions", _versions()),
    ]
    write_atomically(run.report_file, page_parts.document(title, parts))
    return run.report_file


def _side_by_side(*parts: str) -> str:
    return "\n".join(('<div class="two grid">', *parts, "</div>"))


def _lead(config: Config, metrics: Mapping[str, Any]) -> str:
    steps, parameters = metrics.get("steps"), metrics.get("parameters")
    count, seconds = metrics.get("epochs"), metrics.get("seconds")
    epochs = f"{count:,} epoch{'s' if count != 1 else ''}, " if count else ""
    said = [
        f"{config.dataset}, {epochs}{steps:,} steps" if steps else "",
        f"{parameters:,} parameters" if parameters else "",
        f"trained in {seconds / 60:.1f} min" if seconds else "",
        f"seed {config.seed}",
    ]
    return f'<p class="lead">{page_parts.escape(" · ".join(part for part in said if part))}</p>'


def _samples_and_data(figures: Path, sampler: str) -> str:
    return _side_by_side(
        page_parts.picture_of_file(
            figures / f"samples{tail_of(sampler)}.png",
            "Samples",
            f"The first samples, not picked (sampler {sampler}).",
        ),
        page_parts.picture_of_file(figures / "data.png", "Test images", "The first of them."),
    )


def _measured(assessment: Assessment) -> str:
    pictures = page_parts.card(
        "Pictures, measured",
        page_parts.table(
            HEAD,
            [dataclasses.astuple(row) for row in assessment.rows],
            (1, 2, 3),
        ),
        '<p class="note">A Frechet distance is biased by the number of pictures: compare runs of equal '
        "counts only. Pictures: how many each column is of. The column of data is what as many real "
        "pictures, of the training set, get; its sharpness and L2 distance are of test images. ± is half a "
        "95% interval.</p>",
    )
    rows = page_parts.table(["quantity", "measured", "ideal"], assessment.model_rows, (1, 2))
    return f"{pictures}\n{page_parts.card('Codes and objective', rows)}"


def _codes_and_bias(assessment: Assessment) -> str:
    parts = [
        page_parts.picture(
            report_figures.codes_figure(assessment.codes),
            "Test codes, coordinate by coordinate, against the prior.",
            "Q_Z against P_Z",
        )
    ]
    shown = [(name, points) for name, points in assessment.bias if points]
    if shown:
        parts.append(
            page_parts.picture(
                report_figures.bias_figure(shown),
                "The same pictures, fewer of them, against the same test images.",
                "Bias of the distance with the count",
            )
        )
    return _side_by_side(*parts)


def _pictures(figures: Path, tail: str) -> str:
    first = _side_by_side(
        page_parts.picture_of_file(
            figures / "reconstructions.png",
            "Reconstructions",
            "Random test images, each left of its reconstruction.",
        ),
        page_parts.picture_of_file(
            figures / f"neighbours{tail}.png",
            "Nearest training images",
            "Samples, each followed by the five training images nearest in pixels: a model that "
            "copied would show its copies here.",
        ),
    )
    second = _side_by_side(
        page_parts.picture_of_file(
            figures / "interpolations.png",
            "Interpolations",
            "Straight lines between the codes of two test images, which stand at the ends.",
        ),
        page_parts.picture_of_file(
            figures / "traversals.png",
            "Traversals",
            "One coordinate of a test image's code moved over the prior's range.",
        ),
    )
    return f"{first}\n{second}"


def _training(figures: Path) -> str:
    curves = page_parts.picture_of_file(
        figures / "curves.png", "Training curves", "A point an epoch.", pixels=False
    )
    progress = sorted(figures.glob("progress_*.png"))
    if not progress:
        return curves
    last = page_parts.picture_of_file(
        progress[-1],
        "The last figure of training",
        f"{progress[-1].name}, laid out as the official code's.",
        pixels=False,
    )
    return f"{curves}\n{last}"


def _left_out(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    parts = [f"<p>{page_parts.escape(sentence)}</p>" for sentence in sentences]
    return page_parts.card("Left out", *parts, missing=True)


def _all_metrics(metrics: Mapping[str, Any]) -> str:
    rest = sorted((name, number(value, 6)) for name, value in metrics.items())
    half = -(-len(rest) // 2)
    pairs = [
        (*rest[i], *(rest[i + half] if i + half < len(rest) else ("", ""))) for i in range(half)
    ]
    return page_parts.table(["metric", "", "metric", ""], pairs, (1, 3))
