"""--mode=evaluate: every number of a trained model, as a table, with what each of them is of."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from wae_tf.config import Config
from wae_tf.console import progress as console_progress
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import (
    any_data,
    brief,
    distances,
    facts,
    feature_networks,
    lpips,
    network_measures,
    picture_measures,
    reconstruction_quality,
    rows,
    tfgan,
)
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.distances import FeatureNetwork, Progress
from wae_tf.evaluation.options import Options
from wae_tf.evaluation.picture_measures import SEARCHED, Pictures, decoded_bytes
from wae_tf.evaluation.tables import Assessment, Row
from wae_tf.figures import of_model
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import RunFolder

#: Samples whose nearest training images are shown.
SHOWN = 20


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
    """Measures everything, draws the pages of pictures and writes evaluation.json.

    Args:
        model: the trained model.
        config: of its run.
        images: its data.
        options: see Options.
        run: its folder; metrics.json is updated.
        noted: more for metrics.json: what is known of the data.
        progress: is called with a line before each part.

    Raises:
        UserError: a network that was named cannot be used.
    """
    networks, left_out = feature_networks.networks(options, config, images)
    perceptual = lpips.load(options.lpips, images.image_shape) if options.lpips else None
    if networks or images.test_labels is None:
        tfgan.require()
    for sentence in left_out:
        progress(sentence)
    numbers, test_codes, sample_codes = any_data.measured(model, config, images, options, progress)
    tail = options.tail
    if tail:
        some = passes.decoded(model, sample_codes[: brief.SHARPNESS_OF])
        numbers |= brief.sharpness_of(some, f"samples{tail}")
    seen = functools.partial(reconstruction_quality.originals, model)
    pictures = Pictures(
        test=seen(images.test),
        samples=decoded_bytes(model, sample_codes, config.batch_size),
        reconstructions=decoded_bytes(
            model, passes.joined(model, test_codes, images.test_labels), config.batch_size
        ),
        data=seen(images.train[: options.eval_samples]),
        tail=tail,
    )
    resampling = Resampling(options.bootstrap, config.seed)
    made: list[Row] = []
    used: list[tuple[FeatureNetwork, int]] = []
    bias: list[tuple[str, list[tuple[int, float]]]] = []
    for network in networks:
        names = feature_networks.metric_names(network, options)
        titles = feature_networks.titles(network, options)
        progress(f"{network.title}: activations of test images, samples, reconstructions, data")
        found = network_measures.features(network, pictures, config.cache_dir, progress)
        measured = network_measures.by_network(
            found, names, pictures, network, resampling, progress
        )
        numbers |= measured
        used.append((network, found["test"].features.shape[1]))
        made += rows.network_rows(measured, names, titles, pictures)
        for part in ("samples", "data"):
            points = distances.count_bias(found[part].features, found["test"].features)
            bias.append((f"{titles['frechet']}, {part}", points))
    if images.test_labels is None:
        progress("sliced Wasserstein distances")
        sliced = picture_measures.sliced_wasserstein(pictures, resampling)
        numbers |= sliced
        made += rows.sliced_rows(
            sliced,
            tail,
            picture_measures.sliced_count(pictures),
            picture_measures.sliced_reconstructions(pictures),
        )
    progress(f"quality of {len(images.test):,} reconstructions")
    numbers |= reconstruction_quality.numbers(
        pictures.test,
        pictures.reconstructions,
        perceptual.distances if perceptual else None,
        resampling,
    )
    made += rows.quality_rows(numbers, len(images.test))
    sharp = [min(brief.SHARPNESS_OF, len(part)) for part in (pictures.samples, images.test)]
    made += rows.sharpness_rows(numbers, tail, sharp[0] if tail else brief.SHARPNESS_OF, sharp[1])
    progress(f"nearest of {len(images.train):,} training images")
    where, apart = picture_measures.nearest_training_images(pictures, images.train, seen)
    numbers |= picture_measures.nearest_numbers(apart, pictures, images.train, seen)
    searched = (min(SEARCHED, len(pictures.samples)), min(SEARCHED, len(images.test)))
    made.append(rows.nearest_row(numbers, tail, searched))
    numbers |= {**pictures.counts(), **noted}

    _draw(model, config, images, sample_codes, run, tail, progress)
    near = where[:SHOWN]
    of_model.draw_neighbours(
        run.figures / f"neighbours{tail}.png",
        pictures.samples[:SHOWN],
        seen(images.train[near.reshape(-1)]),
        np.arange(near.size).reshape(near.shape),
    )
    said = facts.of_pictures(
        config, images, options, pictures, used, perceptual, int(model.step.numpy())
    )
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
        bias=bias,
        left_out=left_out,
        progress=progress,
    )


def _draw(
    model: Wae,
    config: Config,
    images: ImageSet,
    codes: np.ndarray,
    run: RunFolder,
    tail: str,
    progress: Progress,
) -> None:
    progress("pages of pictures")
    folder = run.figures
    folder.mkdir(parents=True, exist_ok=True)
    decoded, labels = passes.decoded(model, codes[: config.pictures]), images.test_labels
    of_model.draw_samples(
        model, folder / f"samples{tail}.png", decoded, config.pictures, config.picture_columns
    )
    of_model.draw_data(
        model, folder / "data.png", images.test, config.pictures, config.picture_columns
    )
    of_model.draw_reconstructions(
        model, folder / "reconstructions.png", images.test, config.seed, labels
    )
    of_model.draw_interpolations(model, folder / "interpolations.png", images.test, labels)
    of_model.draw_traversals(model, folder / "traversals.png", images.test, labels)
    if model.settings.classes:
        of_model.draw_classes(model, folder / "classes.png", config.seed)
