"""What the evaluation of any data begins and ends with: the objective, codes, sampled codes; the file."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import brief, codes, samplers
from wae_tf.evaluation.distances import Progress
from wae_tf.evaluation.options import Options
from wae_tf.evaluation.tables import Assessment
from wae_tf.files import write_atomically
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import shapes


def measured(
    model: Wae, config: Config, images: ImageSet, options: Options, progress: Progress
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """The numbers of the objective and of codes, the test data's codes, and codes to sample from.

    Args:
        model: the trained model.
        config: of its run.
        images: its data.
        options: sampler, and how many samples.
        progress: is called with a line before each part.
    """
    test_codes = passes.codes(model, images.test, config.batch_size)
    numbers = brief.evaluate(
        model,
        images.test,
        batch_size=config.batch_size,
        test_codes=test_codes,
        labels=images.test_labels,
        progress=progress,
    )
    what = shapes.kind_of(images.image_shape).many
    progress(f"codes of {len(images.test):,} test {what} against the prior")
    numbers |= codes.statistics(model, test_codes)
    progress(f"{options.eval_samples:,} samples, sampler {options.sampler}")
    sample_codes = samplers.draw_codes(
        model,
        options.sampler,
        options.eval_samples,
        images.train,
        labels=samplers.draw_labels(model, images.train_labels, options.eval_samples, config.seed),
        seed=config.seed,
        sphere_axis=options.sphere_axis,
        progress=progress,
    )
    numbers["evaluated_step"] = int(model.step.numpy())
    return numbers, test_codes, sample_codes


def write(run: RunFolder, assessment: Assessment) -> Assessment:
    """Writes evaluation.json, and gives the assessment back."""
    text = json.dumps(dataclasses.asdict(assessment), indent=2, allow_nan=True)
    write_atomically(run.evaluation_file, text + "\n")
    return assessment
