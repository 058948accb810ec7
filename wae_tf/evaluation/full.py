"""--mode=evaluate: every number of a trained model, as a table, with what each of them is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wae_tf.config import Config
from wae_tf.console import progress as console_progress
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import (
    any_data,
    brief,
    codes,
    distances,
    feature_networks,
    off_prior,
    picture_measures,
    tables,
    tfgan,
)
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
    progress: Progress = console_progress,
) -> Assessment:
    """Measures everything, draws the pages of pictures and writes evaluation.json.

    Args:
        model: the trained model.
        config: of its run.
        images: its data.
        options: see Options.
        run: its folder; metrics.json is updated.
        progress: is called with a line before each part.

    Raises:
        UserError: a network that was named cannot be used.
    """
    networks, left_out = feature_networks.networks(options, config, images)
    if networks or images.test_labels is None:
        tfgan.require()
    for sentence in left_out:
        progress(sentence)
    numbers, test_codes, sample_codes = any_data.measured(model, config, images, options, progress)
    tail = options.tail
    if tail:
        some = passes.decoded(model, sample_codes[:1000])
        numbers |= brief.sharpness_of(some, f"samples{tail}")
    pictures = Pictures(
        test=images.test,
        samples=decoded_bytes(model, sample_codes, config.batch_size),
        reconstructions=decoded_bytes(
            model, passes.joined(model, test_codes, images.test_labels), config.batch_size
        ),
        data=images.train[: min(len(images.train), options.eval_samples)],
        tail=tail,
    )
    rows: list[Row] = []
    bias: list[tuple[str, list[tuple[int, float]]]] = []
    for network in networks:
        names = feature_networks.metric_names(network, options)
        titles = feature_networks.titles(network, options)
        progress(f"{network.title}: activations of test images, samples, reconstructions, data")
        found = picture_measures.features(network, pictures, config.cache_dir, progress)
        by_network = picture_measures.by_network(found, names, pictures, network, progress)
        numbers |= by_network
        rows += tables.network_rows(by_network, names, titles, tail)
        for part in ("samples", "data"):
            points = distances.count_bias(found[part].features, found["test"].features)
            bias.append((f"{titles['frechet']}, {part}", points))
    if images.test_labels is None:
        progress("sliced Wasserstein distances")
        sliced = picture_measures.sliced_wasserstein(pictures, config.seed)
        numbers |= sliced
        rows += tables.sliced_rows(sliced, tail)
    rows += tables.sharpness_rows(numbers, tail)
    progress(f"nearest of {len(images.train):,} training images")
    where, apart = picture_measures.nearest_training_images(pictures, images.train)
    numbers |= picture_measures.nearest_numbers(apart, pictures, images.train)
    rows.append(tables.nearest_row(numbers, tail))

    _draw(model, config, images, sample_codes, run, tail, progress)
    of_model.draw_neighbours(
        run.figures / f"neighbours{tail}.png", pictures.samples[:SHOWN], images.train, where[:SHOWN]
    )
    metrics = run.update_metrics(numbers)
    if off := off_prior.sentence(metrics, config):
        progress(off)
    return any_data.write(
        run,
        Assessment(
            metrics=metrics,
            rows=rows,
            model_rows=tables.model_rows(numbers),
            facts=_facts(config, images, options, pictures, networks, int(model.step.numpy())),
            bias=bias,
            left_out=left_out,
            sampler=options.sampler,
            codes=codes.by_coordinate(test_codes, passes.prior_std(model)),
        ),
    )


def _facts(
    config: Config,
    images: ImageSet,
    options: Options,
    pictures: Pictures,
    networks: Sequence[FeatureNetwork],
    step: int,
) -> list[tuple[str, str]]:
    """What the numbers are of, as (what, text)."""
    count = f"{len(images.test):,}"
    crop = f"; crop {config.crop}" if config.dataset == "celeba" else ""
    facts = [
        ("data", f"{images.name}, {images.split}{crop}; from {images.source}"),
        ("checkpoint", f"step {step:,}, {config.checkpoint}"),
        ("compared with", f"the {count} test images, as bytes"),
        (
            "columns",
            f"samples: {len(pictures.samples):,} by sampler {options.sampler}, seed {config.seed}; "
            f"reconstructions: of the {count} test images, so compared with their own originals; "
            f"data: the first {len(pictures.data):,} training images, what a model that gives real pictures "
            "would get",
        ),
        (
            "L2 distance",
            f"mean over {SEARCHED} pictures, pixels in [0, 1]; in the column of data, of test images",
        ),
        (
            "sharpness",
            f"of at most 1,000 pictures in each column, on the pixel range as trained; samples drawn "
            f"with seed {config.seed}",
        ),
    ]
    for network in networks:
        settings = "; ".join(f"{k.replace('_', ' ')} {v}" for k, v in network.settings.items())
        seen = "" if network.name == "inception" else "; trained on the training images"
        facts.append((network.title, f"sha256 {network.identity}; {settings}{seen}; by TF-GAN 2.1"))
    if images.test_labels is None:
        facts.append(
            (
                "sliced Wasserstein",
                f"TF-GAN's, of {min(len(images.test), len(pictures.samples), tfgan.SLICED_IMAGES):,} images, "
                "1,000 times the distance, a level of the Laplacian pyramid each; noise of one grey "
                "level added",
            )
        )
    return facts


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
    of_model.draw_samples(
        model,
        folder / "data.png",
        passes.in_batches(model.as_pixels, images.test[: config.pictures]),
        config.pictures,
        config.picture_columns,
    )
    of_model.draw_reconstructions(
        model, folder / "reconstructions.png", images.test, config.seed, labels
    )
    of_model.draw_interpolations(model, folder / "interpolations.png", images.test, labels)
    of_model.draw_traversals(model, folder / "traversals.png", images.test, labels)
    if model.settings.classes:
        of_model.draw_classes(model, folder / "classes.png", config.seed)
