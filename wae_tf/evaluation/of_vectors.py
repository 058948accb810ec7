"""--mode=evaluate of data that are no pictures: cost, codes, and samples against test rows as they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import progress as console_progress
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import FlagError
from wae_tf.evaluation import any_data, bootstrap, distances, rows
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.distances import Progress
from wae_tf.evaluation.options import Options, check_sampler
from wae_tf.evaluation.picture_measures import SEARCHED
from wae_tf.evaluation.tables import Assessment, Row
from wae_tf.figures import of_vectors
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import shapes

#: Numbers of a row, at most, whose covariance is taken.
WIDEST = 2048


def evaluate(
    model: Wae,
    config: Config,
    images: ImageSet,
    options: Options,
    run: RunFolder,
    *,
    noted: Mapping[str, float] = MappingProxyType({}),
    progress: Progress = console_progress,
) -> Assessment:
    """Measures, draws and writes evaluation.json, as `full.evaluate` does for pictures.

    Args:
        model: the trained model.
        config: of its run.
        images: its data, float32 [n, ...].
        options: see Options.
        run: its folder; metrics.json is updated.
        noted: more for metrics.json: what is known of the data.
        progress: is called with a line before each part.

    Raises:
        FlagError: an option that is of pictures.
    """
    kind = shapes.kind_of(images.image_shape)
    for flag in ("inception", "features", "lpips", "classifier"):
        if getattr(options, flag) is not None:
            raise FlagError(f"--{flag} is of pictures, and the data are {kind.many}.")
    check_sampler(options.sampler, False, kind.many)
    numbers, test_codes, drawn = any_data.measured(model, config, images, options, progress)
    tail = options.tail
    parts = {
        tail: passes.decoded(model, drawn, config.batch_size),
        "_reconstructions": passes.decoded(
            model, passes.joined(model, test_codes, images.test_labels), config.batch_size
        ),
        "_data": np.asarray(images.train[: options.eval_samples]),
    }
    equal = min(len(parts[tail]), len(parts["_data"]))
    numbers |= {**_counts(parts, tail, equal, len(images.test)), **noted}
    made = []
    left_out = [f"Measures of pictures, sharpness among them: the data are {kind.many}."]
    numbers_of_row = images.test[0].size
    too_wide = numbers_of_row > WIDEST
    if too_wide:
        left_out.append(
            f"The Frechet distance of the rows: they have {numbers_of_row:,} numbers each, and a covariance "
            f"is taken of {WIDEST:,} at most."
        )
    else:
        resampling = Resampling(options.bootstrap, config.seed)
        for end, part in {**parts, f"{tail}_equal": parts[tail][:equal]}.items():
            progress(f"Frechet distance of {len(part):,} {kind.many}{end.replace('_', ' ')}")
            drawn_with = {"_reconstructions": "test", "_data": "data"}.get(end, "samples")
            wide = interval(part, images.test, resampling, drawn_with)
            numbers[f"frechet_rows{end}"] = frechet(part, images.test)
            numbers[f"frechet_rows{end}_ci95"] = wide
        made.append(
            Row(
                "Frechet distance of the rows themselves",
                rows.measured(numbers, f"frechet_rows{tail}_equal"),
                rows.measured(numbers, "frechet_rows_reconstructions"),
                rows.measured(numbers, "frechet_rows_data"),
                "lower",
                rows.counts(equal, len(images.test), len(parts["_data"])),
            )
        )
    progress(f"nearest of {len(images.train):,} training {kind.many}")
    numbers[f"nearest_train_samples{tail}"] = nearest(parts[tail], images.train)
    numbers["nearest_train_data"] = nearest(images.test, images.train)
    searched = (min(SEARCHED, len(drawn)), min(SEARCHED, len(images.test)))
    made.append(rows.nearest_row(numbers, tail, searched, kind.one))
    labels = images.test_labels
    run.figures.mkdir(parents=True, exist_ok=True)
    of_vectors.draw_interpolations(model, run.figures / "interpolations.png", images.test, labels)
    of_vectors.draw_traversals(model, run.figures / "traversals.png", images.test, labels)
    count = f"{len(images.test):,}"
    said = [
        ("data", f"{images.name}, {images.split}; from {images.source}"),
        ("checkpoint", f"step {int(model.step.numpy()):,}, {config.checkpoint}"),
        ("compared with", f"the {count} test {kind.many}"),
        (
            "columns",
            f"samples: {len(drawn):,} by sampler {options.sampler}, seed {config.seed}; "
            f"reconstructions: of the {count} test {kind.many}; data: the first "
            f"{len(parts['_data']):,} training {kind.many}",
        ),
        *(() if too_wide else _of_frechet(equal, options)),
        (
            "L2 distance",
            f"mean over {searched[0]:,} samples; in the column of data, over {searched[1]:,} "
            f"test {kind.many}",
        ),
    ]
    return any_data.finished(
        model,
        config,
        run,
        options,
        test_codes,
        numbers=numbers,
        facts=said,
        made=made,
        model_rows=rows.model_rows(numbers),
        bias=[],
        left_out=left_out,
        progress=progress,
    )


def _of_frechet(equal: int, options: Options) -> list[tuple[str, str]]:
    """The facts on the Frechet distance and, where there are resamples, on its interval."""
    facts = [
        (
            "Frechet distance",
            "of the Gaussians with the means and covariances of the rows, no network between; "
            f"samples and data: {equal:,} each, for it falls as the number grows",
        )
    ]
    if options.bootstrap:
        text = f"half a 95% interval over {options.bootstrap:,} bootstrap resamples of rows"
        facts.append(("±", text))
    return facts


def _counts(
    parts: Mapping[str, np.ndarray], tail: str, equal: int, tested: int
) -> dict[str, float]:
    """How many rows the numbers are of, under the names that `comparison_rows` looks for."""
    return {
        f"count_rows{tail}": len(parts[tail]),
        f"count_rows{tail}_equal": equal,
        f"evaluated_samples{tail}": len(parts[tail]),
        f"evaluated_samples{tail}_equal": equal,
        "evaluated_test": tested,
        "evaluated_data": len(parts["_data"]),
    }


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The Frechet distance of the Gaussians with the means and covariances of rows [n, ...]."""
    return distances.frechet_of_rows(_flat(first), _flat(second))


def interval(first: np.ndarray, test: np.ndarray, resampling: Resampling, name: str) -> float:
    """Half the width of `frechet`'s interval; `name` is of the first rows' draws, as of `weights`."""
    drawn = (resampling.weights(len(first), name), resampling.weights(len(test), "test"))
    near = map(bootstrap.part_of_the_way, drawn)
    return bootstrap.frechet(_flat(first), _flat(test), *near)


def _flat(rows: np.ndarray) -> np.ndarray:
    return np.reshape(rows, (len(rows), -1))


def nearest(rows: np.ndarray, train: np.ndarray) -> float:
    """Mean L2 distance of the first SEARCHED rows to the nearest training row."""
    # In float64: vectors may lie far from 0 and near each other.
    found = distances.nearest(np.asarray(rows[:SEARCHED]), train, 1, unit=1, dtype=tf.float64)
    return float(found[1].mean())
