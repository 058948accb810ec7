"""What the evaluation of any data begins and ends with: the objective, codes, sampled codes; the file."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import RunError
from wae_tf.evaluation import (
    brief,
    codes,
    comparison,
    network_measures,
    off_prior,
    picture_measures,
    samplers,
)
from wae_tf.evaluation.distances import Progress
from wae_tf.evaluation.options import SAMPLERS, Options, tail_of
from wae_tf.evaluation.tables import Assessment, Row
from wae_tf.files import write_atomically
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import memory, shapes

#: What no other part of a run writes; numbers of other samplers and networks are not made anew each time.
_BEGINNINGS = (
    *network_measures.BEGINNINGS,
    *picture_measures.BEGINNINGS,
    "test_lpips",
    *(f"sharpness_samples{tail_of(sampler)}" for sampler in SAMPLERS if tail_of(sampler)),
)
OF_EVALUATION = re.compile(f"({'|'.join(_BEGINNINGS)})(_.*)?")
#: What the facts say of a network whose numbers stay.
_EARLIER = "; of an earlier evaluation"


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

    Raises:
        FlagError: more samples than the memory holds.
    """
    numbers_of_code, count = 3 * config.zdim, options.eval_samples  # drawn, moved and joined
    row = math.prod(model.image_shape) * (1 if model.of_pictures else 4)
    memory.require(count * (4 * numbers_of_code + row), f"--eval_samples={count}", "--eval_samples")
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


def merged(
    run: RunFolder,
    numbers: Mapping[str, float],
    facts: Sequence[tuple[str, str]],
    progress: Progress,
) -> tuple[dict[str, float | None], list[tuple[str, str]]]:
    """Puts an evaluation's numbers into metrics.json, and takes out those that would pass for its own.

    Such are numbers of another checkpoint, of other images, or by another network of the same name.

    Args:
        run: whose evaluation.json is still that of the evaluation before.
        numbers: of this one.
        facts: what they are of.
        progress: is called with a line on what is taken out.

    Returns:
        all of metrics.json, and the facts with those of networks whose numbers stay.
    """
    known, here = run.read_metrics(), dict(facts)
    try:
        before = comparison.facts_of(run)
    except RunError:  # damaged: nothing is known of them
        before = {}
    networks = {title: text for title, text in before.items() if comparison.sum_in(text)}
    others = [name for name in known if name not in numbers and OF_EVALUATION.fullmatch(name)]
    if known.get("evaluated_step") != numbers["evaluated_step"]:
        why = f"of step {known.get('evaluated_step') or 'unknown'}"
        networks = {}
    elif before.get("data") != here["data"]:
        why, networks = "of other data, or of these elsewhere", {}
    else:
        anew = {
            title
            for title, text in networks.items()
            if title in here and comparison.sum_in(text) != comparison.sum_in(here[title])
        }
        others = [n for n in others if any(comparison.of_network(n, title) for title in anew)]
        why = f"by another network called {', '.join(sorted(anew))}"
    if others:
        several = f"{len(others):,} numbers" if len(others) > 1 else "1 number"
        progress(
            f"{run.metrics} no longer has {several} of an earlier evaluation, {why}: {others[0]}"
            + (" and so on" if len(others) > 1 else "")
        )
    metrics = run.update_metrics(numbers, drop=others)
    kept = [
        (title, text.removesuffix(_EARLIER) + _EARLIER)
        for title, text in networks.items()
        if title not in here and any(comparison.of_network(name, title) for name in metrics)
    ]
    return metrics, [*facts, *kept]


def finished(
    model: Wae,
    config: Config,
    run: RunFolder,
    options: Options,
    test_codes: np.ndarray,
    *,
    numbers: Mapping[str, float],
    facts: Sequence[tuple[str, str]],
    made: list[Row],
    model_rows: list[tuple[str, str, str]],
    bias: list[tuple[str, list[tuple[int, float]]]],
    left_out: list[str],
    progress: Progress,
) -> Assessment:
    """Puts an evaluation into metrics.json and evaluation.json, says what is off, and gives it back.

    Args:
        model: the trained model.
        config: of its run.
        run: its folder.
        options: of the evaluation.
        test_codes: [n, z].
        numbers: all that were measured.
        facts: what they are of.
        made: rows of the table of what was compared.
        model_rows: of the table of codes and objective.
        bias: points of distances by their count.
        left_out: what was not measured, as sentences.
        progress: is called with a line on each thing to be said.
    """
    with run.changing_metrics():  # and what says what they are of
        metrics, said = merged(run, numbers, facts, progress)
        if off := off_prior.sentence(metrics, config):
            progress(off)
        assessment = Assessment(
            metrics=metrics,
            rows=made,
            model_rows=model_rows,
            facts=said,
            bias=bias,
            left_out=left_out,
            sampler=options.sampler,
            codes=codes.by_coordinate(test_codes, passes.prior_std(model)),
        )
        text = json.dumps(dataclasses.asdict(assessment), indent=2, allow_nan=True)
        write_atomically(run.evaluation_file, text + "\n")
    return assessment
