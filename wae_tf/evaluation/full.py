"""--mode=evaluate: every number of a trained model, as a table, with what each of them is of."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import FlagError
from wae_tf.evaluation import brief, classifier, distances, inception, samplers, tables, tfgan
from wae_tf.evaluation.codes import by_coordinate, statistics
from wae_tf.evaluation.distances import FeatureNetwork, Progress
from wae_tf.evaluation.tables import Assessment, Row
from wae_tf.figures import of_model
from wae_tf.files import write_atomically
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit
from wae_tf.runs.folder import Run

#: Samples whose nearest training images are shown, neighbours of each, and images whose distance
#: to the nearest training image is averaged.
SHOWN, NEIGHBOURS, SEARCHED = 20, 5, 200
SLICED_SIDE = 8  # of the smallest images that TF-GAN's 7x7 patches fit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to evaluate by; field names are the flags' names (eval_samples, inception, ...)."""

    inception: str | None = None
    inception_resize: str = "tf1_bilinear"
    classifier: str | None = None
    sampler: str = "prior"
    sphere_axis: str = "code"
    eval_samples: int = 10_000

    def __post_init__(self) -> None:
        if self.eval_samples < 2:
            raise FlagError(f"--eval_samples={self.eval_samples} is too small; accepted: 2 up.")
        if self.sampler not in samplers.SAMPLERS:
            raise FlagError(
                f"--sampler={self.sampler} is not known; accepted: {', '.join(samplers.SAMPLERS)}."
            )
        if self.inception_resize not in inception.RESIZES:
            raise FlagError(
                f"--inception_resize={self.inception_resize} is not known; accepted: "
                f"{', '.join(inception.RESIZES)}."
            )
        if self.sphere_axis not in ("code", "batch"):
            raise FlagError(
                f"--sphere_axis={self.sphere_axis} is not known; accepted: code, batch."
            )


def networks(
    options: Options, config: Config, images: ImageSet
) -> tuple[list[FeatureNetwork], list[str]]:
    """The networks that can be had, and a sentence for each that cannot.

    Raises:
        DataError: one that was named is not there or does not fit.
    """
    found: list[FeatureNetwork] = []
    missing: list[str] = []
    if options.inception:
        try:
            found.append(inception.load(options.inception, options.inception_resize))
        except inception.Unreachable as error:
            missing.append(str(error))
    else:
        missing.append(inception.HOW)
    folder = options.classifier
    if folder is None and images.test_labels is not None:
        folder = classifier.default_folder(images.name)
        if not (Path(folder) / classifier.FACTS_FILE).is_file():
            missing.append(classifier.how(images.name))
            folder = None
    if folder:
        found.append(classifier.load(folder, config, images.image_shape))
    return found, missing


def decoded_bytes(model: Wae, codes: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """uint8 [n, H, W, C] of codes [n, z]: pictures as a file would hold them, batch by batch."""
    made = np.empty((len(codes), *model.image_shape), np.uint8)
    for start in range(0, len(codes), batch_size):
        part = passes.decoded(model, codes[start : start + batch_size], batch_size)
        pixels = to_unit(part, model.settings.pixel_range_of_data)
        made[start : start + len(part)] = np.rint(pixels * 255).astype(np.uint8)
    return made


def _metric_names(network: FeatureNetwork, options: Options) -> dict[str, str]:
    if network.name != "inception":
        return {kind: f"{kind}_{network.name}" for kind in ("frechet", "kernel", "score")}
    # A resize other than the reference graph's is another score, and has another name.
    resize = options.inception_resize
    tail = "" if resize == inception.RESIZES[0] else f"_{resize}"
    names = {"frechet": "fid", "kernel": "kid", "score": "inception_score"}
    return {kind: name + tail for kind, name in names.items()}


def _titles(network: FeatureNetwork, options: Options) -> dict[str, str]:
    if network.name != "inception":
        return {
            "frechet": f"Frechet distance, {network.title}",
            "kernel": f"kernel distance, {network.title}",
            "score": f"classifier score, {network.title}",
        }
    resize = options.inception_resize
    tail = "" if resize == inception.RESIZES[0] else f" ({resize})"
    return {"frechet": f"FID{tail}", "kernel": f"KID{tail}", "score": f"Inception Score{tail}"}


def assess(
    model: Wae,
    config: Config,
    images: ImageSet,
    options: Options,
    run: Run,
    *,
    progress: Progress = print,
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
    nets, left_out = networks(options, config, images)
    for sentence in left_out:
        progress(sentence)
    metrics = brief.evaluate(model, images.test, batch_size=config.batch_size, progress=progress)
    progress(f"codes of {len(images.test):,} test images against the prior")
    test_codes = passes.codes(model, images.test, config.batch_size)
    metrics |= statistics(model, test_codes)

    tail = "" if options.sampler == "prior" else f"_{options.sampler}"
    progress(f"{options.eval_samples:,} samples, sampler {options.sampler}")
    codes = samplers.draw_codes(
        model,
        options.sampler,
        options.eval_samples,
        images.train,
        seed=config.seed,
        sphere_axis=options.sphere_axis,
        progress=progress,
    )
    if tail:
        sharp = brief.sharpness(passes.decoded(model, codes[:1000]))
        metrics[f"sharpness_samples{tail}"] = float(sharp.min())
        metrics[f"sharpness_samples{tail}_mean"] = float(sharp.mean())
    sampled = decoded_bytes(model, codes, config.batch_size)
    reconstructed = decoded_bytes(model, test_codes, config.batch_size)
    train = images.train[: min(len(images.train), options.eval_samples)]

    rows: list[Row] = []
    bias: list[tuple[str, list[tuple[int, float]]]] = []
    for network in nets:
        rows += _by_network(
            network, images, sampled, reconstructed, train, options, tail, metrics, bias,
            config.cache_dir, progress,
        )  # fmt: skip
    if images.test_labels is None:
        rows += _sliced(images, sampled, reconstructed, train, tail, metrics, config.seed, progress)
    rows += tables.sharpness_rows(metrics, tail)
    rows.append(_neighbours(model, images, sampled, tail, metrics, run, progress))

    count = f"{len(images.test):,}"
    crop = f"; crop {config.crop}" if config.dataset == "celeba" else ""
    facts = [
        ("data", f"{images.name}, {images.split}{crop}; from {images.source}"),
        ("compared with", f"the {count} test images, as bytes"),
        (
            "columns",
            f"samples: {len(sampled):,} by sampler {options.sampler}, seed {config.seed}; "
            f"reconstructions: of the {count} test images, so compared with their own originals; "
            f"data: the first {len(train):,} training images, what a model that gives real pictures "
            "would get",
        ),
        (
            "L2 distance",
            f"mean over {SEARCHED} pictures, pixels in [0, 1]; in the column of data, of test images",
        ),
        ("sharpness", "of at most 1,000 pictures in each column, on the pixel range as trained"),
    ]
    for network in nets:
        settings = "; ".join(f"{k.replace('_', ' ')} {v}" for k, v in network.settings.items())
        seen = "" if network.name == "inception" else "; trained on the training images"
        facts.append((network.title, f"sha256 {network.identity}; {settings}{seen}; by TF-GAN 2.1"))
    if images.test_labels is None:
        facts.append(
            (
                "sliced Wasserstein",
                f"TF-GAN's, of {min(len(images.test), len(sampled), tfgan.SLICED_IMAGES):,} images, "
                "1,000 times the distance, a level of the Laplacian pyramid each; noise of one grey "
                "level added",
            )
        )
    assessment = Assessment(
        metrics=metrics,
        rows=rows,
        model_rows=tables.model_rows(metrics),
        facts=facts,
        bias=bias,
        left_out=left_out,
        sampler=options.sampler,
        codes=by_coordinate(test_codes, passes.prior_std(model)),
    )
    _draw(model, config, images, codes, run, tail, progress)
    assessment.metrics = run.update_metrics(metrics)
    text = json.dumps(dataclasses.asdict(assessment), indent=2, allow_nan=True)
    write_atomically(run.evaluation, text + "\n")
    return assessment


def _by_network(
    network: FeatureNetwork,
    images: ImageSet,
    sampled: np.ndarray,
    reconstructed: np.ndarray,
    train: np.ndarray,
    options: Options,
    tail: str,
    metrics: dict[str, float],
    bias: list,
    cache_dir: str | None,
    progress: Progress,
) -> list[Row]:
    progress(f"{network.title}: activations of test images, samples, reconstructions, data")
    made = {"progress": progress}
    real = distances.cached_features(network, images.test, cache_dir, what="test images", **made)
    sets = {
        "samples": distances.features(network, sampled, what="samples", **made),
        "reconstructions": distances.features(network, reconstructed, what="images", **made),
        "data": distances.cached_features(network, train, cache_dir, what="images", **made),
    }
    names, titles = _metric_names(network, options), _titles(network, options)
    cells: dict[str, dict[str, str]] = {kind: {} for kind in names}
    for part, activations in sets.items():
        progress(f"{network.title}: distances of {part}")
        found = distances.scores(network, activations, real)
        column = tail if part == "samples" else f"_{part}"
        for kind, name in names.items():
            metrics[f"{name}{column}"] = found[kind]
            cells[kind][part] = tables.number(found[kind])
        metrics[f"{names['kernel']}_error{column}"] = found["kernel_error"]
        if math.isfinite(found["kernel_error"]):
            cells["kernel"][part] += f" ± {tables.number(found['kernel_error'], 2)}"
    for part in ("samples", "data"):
        points = distances.count_bias(sets[part].features, real.features)
        bias.append((f"{titles['frechet']}, {part}", points))
    better = {"frechet": "lower", "kernel": "lower", "score": "higher"}
    return [Row(titles[kind], **cells[kind], better=better[kind]) for kind in names]


def _sliced(
    images: ImageSet,
    sampled: np.ndarray,
    reconstructed: np.ndarray,
    train: np.ndarray,
    tail: str,
    metrics: dict[str, float],
    seed: int,
    progress: Progress,
) -> list[Row]:
    if min(images.image_shape[:2]) < SLICED_SIDE:
        return []
    progress("sliced Wasserstein distances")
    real = images.test
    # Reconstructions are compared with other test images, or a copy would have an edge.
    half = len(real) // 2
    columns = {
        "samples": (real, sampled),
        "reconstructions": (real[:half], reconstructed[half:]),
        "data": (real, train),
    }
    levels: dict[int, dict[str, str]] = {}
    for part, (first, second) in columns.items():
        column = tail if part == "samples" else f"_{part}"
        for level, (_, apart) in enumerate(tfgan.sliced_wasserstein(first, second, seed)):
            side = min(images.image_shape[:2]) // 2**level
            metrics[f"sliced_wasserstein_{side}{column}"] = apart
            levels.setdefault(side, {})[part] = tables.number(1000 * apart)
    return [
        Row(f"sliced Wasserstein x 1000, {side} px", **cells, better="lower")
        for side, cells in levels.items()
    ]


def _neighbours(
    model: Wae,
    images: ImageSet,
    sampled: np.ndarray,
    tail: str,
    metrics: dict[str, float],
    run: Run,
    progress: Progress,
) -> Row:
    progress(f"nearest of {len(images.train):,} training images")
    some = sampled[:SEARCHED]
    where, apart = distances.nearest(some, images.train, NEIGHBOURS)
    test_apart = distances.nearest(np.asarray(images.test[:SEARCHED]), images.train, 1)[1]
    metrics[f"nearest_train_samples{tail}"] = float(apart[:, 0].mean())
    metrics["nearest_train_data"] = float(test_apart.mean())
    of_model.draw_neighbours(
        run.figures / f"neighbours{tail}.png", some[:SHOWN], images.train, where[:SHOWN]
    )
    return Row(
        "L2 distance to the nearest training image",
        tables.number(metrics[f"nearest_train_samples{tail}"]),
        None,
        tables.number(metrics["nearest_train_data"]),
    )


def _draw(
    model: Wae,
    config: Config,
    images: ImageSet,
    codes: np.ndarray,
    run: Run,
    tail: str,
    progress: Progress,
) -> None:
    progress("pages of pictures")
    folder = run.figures
    folder.mkdir(parents=True, exist_ok=True)
    decoded = passes.decoded(model, codes[: config.pictures])
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
    of_model.draw_reconstructions(model, folder / "reconstructions.png", images.test, config.seed)
    of_model.draw_interpolations(model, folder / "interpolations.png", images.test)
    of_model.draw_traversals(model, folder / "traversals.png", images.test)
