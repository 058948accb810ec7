"""--mode=evaluate of data that are no pictures: cost, codes, and samples against test rows as they are."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from wae_tf.config import Config
from wae_tf.console import progress as console_progress
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import FlagError
from wae_tf.evaluation import brief, codes, off_prior, samplers, tables
from wae_tf.evaluation.distances import Progress
from wae_tf.evaluation.options import Options
from wae_tf.evaluation.tables import Assessment, Row, number
from wae_tf.figures import of_vectors
from wae_tf.files import write_atomically
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import RunFolder

#: Rows whose nearest training row is looked for; training rows at once; numbers of a row whose
#: covariance is taken.
SEARCHED, AT_ONCE, WIDEST = 200, 10_000, 2048


def evaluate(
    model: Wae,
    config: Config,
    images: ImageSet,
    options: Options,
    run: RunFolder,
    *,
    progress: Progress = console_progress,
) -> Assessment:
    """Measures, draws and writes evaluation.json, as `full.evaluate` does for pictures.

    Args:
        model: the trained model.
        config: of its run.
        images: its data, float32 [n, ...].
        options: see Options.
        run: its folder; metrics.json is updated.
        progress: is called with a line before each part.

    Raises:
        FlagError: an option that is of pictures.
    """
    for flag in ("inception", "classifier"):
        if getattr(options, flag) is not None:
            raise FlagError(f"--{flag} is of pictures, and the data are vectors.")
    if options.sampler == "improved":
        raise FlagError("--sampler=improved is of pictures; accepted for vectors: prior, gmm.")
    test_codes = passes.codes(model, images.test, config.batch_size)
    numbers = brief.evaluate(
        model, images.test, batch_size=config.batch_size, test_codes=test_codes, progress=progress
    )
    progress(f"codes of {len(images.test):,} test vectors against the prior")
    numbers |= codes.statistics(model, test_codes)
    progress(f"{options.eval_samples:,} samples, sampler {options.sampler}")
    drawn = samplers.draw_codes(
        model, options.sampler, options.eval_samples, images.train, seed=config.seed
    )
    numbers["evaluated_step"] = int(model.step.numpy())
    tail = "" if options.sampler == "prior" else f"_{options.sampler}"
    parts = {
        tail: passes.decoded(model, drawn, config.batch_size),
        "_reconstructions": passes.decoded(model, test_codes, config.batch_size),
        "_data": np.asarray(images.train[: options.eval_samples]),
    }
    rows = []
    if images.test[0].size <= WIDEST:
        apart = {end: frechet(part, images.test) for end, part in parts.items()}
        numbers |= {f"frechet_rows{end}": value for end, value in apart.items()}
        samples, reconstructions, data = (number(value) for value in apart.values())
        what = "Frechet distance of the rows themselves"
        rows.append(Row(what, samples, reconstructions, data, "lower"))
    progress(f"nearest of {len(images.train):,} training vectors")
    numbers[f"nearest_train_samples{tail}"] = nearest(parts[tail], images.train)
    numbers["nearest_train_data"] = nearest(images.test, images.train)
    rows.append(
        dataclasses.replace(
            tables.nearest_row(numbers, tail), quantity="L2 distance to the nearest training vector"
        )
    )
    run.figures.mkdir(parents=True, exist_ok=True)
    of_vectors.draw_interpolations(model, run.figures / "interpolations.png", images.test)
    of_vectors.draw_traversals(model, run.figures / "traversals.png", images.test)
    metrics = run.update_metrics(numbers)
    if off := off_prior.sentence(metrics, config):
        progress(off)
    count = f"{len(images.test):,}"
    assessment = Assessment(
        metrics=metrics,
        rows=rows,
        model_rows=tables.model_rows(numbers),
        facts=[
            ("data", f"{images.name}, {images.split}; from {images.source}"),
            ("compared with", f"the {count} test vectors"),
            (
                "columns",
                f"samples: {len(drawn):,} by sampler {options.sampler}, seed {config.seed}; "
                f"reconstructions: of the {count} test vectors; data: the first "
                f"{len(parts['_data']):,} training vectors",
            ),
            (
                "Frechet distance",
                "of the Gaussians with the means and covariances of the rows, no network between",
            ),
            (
                "L2 distance",
                f"mean over {SEARCHED} vectors; in the column of data, of test vectors",
            ),
        ],
        bias=[],
        left_out=["Measures of pictures, sharpness among them: the data are vectors."],
        sampler=options.sampler,
        codes=codes.by_coordinate(test_codes, passes.prior_std(model)),
    )
    text = json.dumps(dataclasses.asdict(assessment), indent=2, allow_nan=True)
    write_atomically(run.evaluation_file, text + "\n")
    return assessment


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """|m - n|^2 + tr(A + B - 2 (A B)^(1/2)) of the means and covariances of rows [n, ...]."""
    means, covariances = [], []
    for rows in (first, second):
        rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
        means.append(rows.mean(axis=0))
        covariances.append(np.atleast_2d(np.cov(rows, rowvar=False)))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The trace of (A B)^(1/2) is that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric.
    shared = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = np.trace(covariances[0] + covariances[1]) - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return float(np.sum((means[0] - means[1]) ** 2) + trace)


def nearest(rows: np.ndarray, train: np.ndarray) -> float:
    """Mean L2 distance of the first SEARCHED rows to the nearest training row."""
    rows = np.asarray(rows[:SEARCHED], np.float64).reshape(min(len(rows), SEARCHED), -1)
    least = np.full(len(rows), np.inf)
    for start in range(0, len(train), AT_ONCE):
        part = np.asarray(train[start : start + AT_ONCE], np.float64)
        part = part.reshape(len(part), -1)
        squares = np.sum(rows**2, 1)[:, None] + np.sum(part**2, 1) - 2 * rows @ part.T
        least = np.minimum(least, squares.min(axis=1))
    return float(np.sqrt(np.maximum(least, 0)).mean())
