"""What each --mode does; TensorFlow and all that needs it are imported by the mode that runs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from absl import flags

from wae_tf import registry
from wae_tf.cli import mode_flags
from wae_tf.config import Config
from wae_tf.console import lean, progress
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.files import replacing
from wae_tf.registry import register
from wae_tf.runs import compiled, integrity, measures
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import memory


def _evaluation_options(values: flags.FlagValues) -> Any:
    from wae_tf.evaluation.options import Options

    given = {field.name: getattr(values, field.name) for field in dataclasses.fields(Options)}
    return Options(**given | {"features_input": tuple(values.features_input)})


@register("mode", "evaluate", help="measures a finished run and writes its report", images=True)
def _evaluate(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.evaluation import full, of_vectors, report, tables
    from wae_tf.training import resuming

    options = _evaluation_options(values)
    model, images, facts = resuming.restore_with_facts(config)
    run = RunFolder(config.folder)
    evaluation = full if model.of_pictures else of_vectors
    sums = resuming.evaluated_sums(facts)
    assessment = evaluation.evaluate(
        model, config, images, options, run, noted=sums, progress=progress
    )
    page = report.write(run, config, assessment)
    print(f"\n{tables.text_table(assessment)}\n\nwrote {page} and {run.metrics}")
    if said := resuming.of_other_images(run, facts, images):  # once more, where it is read
        print(said)


@register(
    "mode",
    "classifier",
    help="trains a classifier for evaluate's distances",
    of_run=False,
    images=True,
    of_model=False,
)
def _classifier(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.evaluation import classifier
    from wae_tf.training import reading

    folder = config.folder if values.work_dir else classifier.default_folder(config.dataset)
    integrity.require_writable(Path(folder))
    images = reading.load_images(config, of_model=False)
    facts = classifier.train(
        images, Path(folder), steps=values.classifier_steps, seed=config.seed, progress=progress
    )
    print(
        f"wrote {folder}: test accuracy {facts.test_accuracy:.4f} on {facts.test_images:,} images; "
        f"use it by --mode=evaluate --classifier={folder}"
    )


def _check_labels(config: Config, asked: list[str]) -> None:
    """Checks --labels.

    Raises:
        FlagError: labels of a run that has none, or others.
    """
    if not asked:
        return
    if not config.classes:
        raise FlagError("--labels is of a run that was trained with --conditional.")
    if not all(label.isdecimal() and int(label) < config.classes for label in asked):
        raise FlagError(
            f"--labels={','.join(asked)} is not accepted: whole numbers from 0 to {config.classes - 1}, "
            "separated by commas."
        )


@register(
    "mode",
    "sample",
    help="makes images of a run's model",
    images=True,
    flags={
        "labels": (
            [],
            "of a conditional run: the classes that samples are of, in turn (default: drawn, as frequent "
            "as in the data)",
        )
    },
)
def _sample(config: Config, values: flags.FlagValues) -> None:
    import numpy as np

    from wae_tf.evaluation import samplers
    from wae_tf.figures import of_model
    from wae_tf.models import passes
    from wae_tf.pixels import to_unit
    from wae_tf.training import resuming

    images = None
    if mode_flags.samples_need_images(config, values):
        model, images = resuming.restore(config)
    else:
        model = resuming.restore_model(config)
    # Codes, images as floats, in the unit range and as bytes.
    numbers = 4 * config.zdim + 13 * math.prod(model.image_shape)
    memory.require(
        numbers * values.num_samples, f"--num_samples={values.num_samples}", "--num_samples"
    )
    run = RunFolder(config.folder)
    labels = None
    if values.labels:  # in turn
        labels = np.resize(np.array(values.labels, np.int64), values.num_samples)
    elif images:
        labels = samplers.draw_labels(model, images.train_labels, values.num_samples, config.seed)
    codes = samplers.draw_codes(
        model,
        values.sampler,
        values.num_samples,
        images.train if images else np.empty((0, *model.image_shape), np.uint8),
        labels=labels,
        seed=config.seed,
        sphere_axis=values.sphere_axis,
        progress=progress,
    )
    samples = passes.decoded(model, codes)
    if labels is not None:
        with replacing(run.samples_labels) as file:
            np.save(file, labels)
    if not model.of_pictures:
        with replacing(run.samples) as file:
            np.save(file, samples)
        print(f"wrote {run.samples} (float32 {list(samples.shape)})")
        return
    pixels = to_unit(samples, config.pixel_range_of_data)
    with replacing(run.samples) as file:
        np.save(file, np.round(pixels * 255).astype(np.uint8))
    # Beside the numbers that it shows; that of the figures is of the run's end.
    of_model.draw_samples(
        model, run.samples_drawn, samples, config.pictures, config.picture_columns
    )
    print(f"wrote {run.samples} (uint8 {list(samples.shape)}) and {run.samples_drawn}")


@register(
    "mode", "interpolate", help="draws interpolations and traversals of the codes", images=True
)
def _interpolate(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.figures import of_model, of_vectors
    from wae_tf.training import resuming

    model, images = resuming.restore(config)
    folder = RunFolder(config.folder).figures
    figures = of_model if model.of_pictures else of_vectors
    test, labels = images.test, images.test_labels
    figures.draw_interpolations(model, folder / "interpolations.png", test, labels)
    figures.draw_traversals(model, folder / "traversals.png", test, labels)
    print(f"wrote {folder / 'interpolations.png'} and {folder / 'traversals.png'}")


@register(
    "mode",
    "explore",
    help="opens a page on which codes are moved by hand, on this machine alone",
    instead_of_run="keras_file",
    flags={
        "keras_file": (
            "",
            "a saved model to explore instead of a run; neighbours are of --dataset",
        ),
        "port": (7860, "of the page on 127.0.0.1; 0: any that is free"),
        "explore_rows": (
            1000,
            "training data, at most, among which neighbours are sought; 0: none",
        ),
    },
)
def _explore(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.explore import opening

    opening.check(values.port, values.explore_rows)
    from wae_tf.training import loading, reading, resuming

    file = values.keras_file
    model = loading.load(file) if file else resuming.restore_model(config)
    data = labels = None
    of_ones = not file and measures.ones_are_white(RunFolder(config.folder).read_metrics())
    if values.explore_rows:
        try:
            images = reading.load_images(config, of_model=False)
            if images.image_shape == model.image_shape:
                data, labels = images.train, images.train_labels
                of_ones = of_ones or images.zero_and_one
            why = (
                f"{config.dataset} has rows of {images.image_shape}, the model {model.image_shape}"
            )
        except DataError as error:  # a model whose data are elsewhere can be looked at all the same
            why = str(error)
        if data is None:
            progress(f"without neighbours: {why}")
    title = f"explore {file or config.folder}"
    opening.explore(model, title, data, values.port, values.explore_rows, labels, of_ones)


@register("mode", "export", help="writes a SavedModel for TF Serving")
def _export(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.serving import export
    from wae_tf.training import resuming

    model = resuming.restore_model(config)
    run = RunFolder(config.folder)
    export.export_run(
        run, model, config, values.export_dir, formats=values.export_formats, progress=progress
    )


@register(
    "mode",
    "train",
    help="trains a model; goes on with a run that was stopped",
    of_run=False,
    images=True,
)
def _train(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.training import train

    train.train(config, overwrite=values.overwrite)
    if values.evaluate_at_end:
        _evaluate(config, values)


def _adopt(config: Config, prefix: str) -> None:
    """Makes a run of an official checkpoint, unless that was done before."""
    from wae_tf.training import setup

    if not RunFolder(config.folder).flags.is_file():
        setup.adopt(config, prefix)


@register("mode", "export_official", help="writes a checkpoint that the official code reads")
def _export_official(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.official import weights
    from wae_tf.training import resuming

    model = resuming.restore_model(config)
    folder = RunFolder(config.folder).folder / "official"
    folder.mkdir(exist_ok=True)
    prefix = folder / f"trained-wae-{int(model.step.numpy())}"
    weights.write_checkpoint(model, str(prefix), pretrained=config.pretrain)
    print(f"wrote {prefix}.index and its data, which the official code's Saver restores")


#: The modes on a run that write into its folder.
_WRITE_BESIDE = ("evaluate", "sample", "interpolate", "export_official")


def _check_ahead(config: Config, values: flags.FlagValues) -> None:
    """Refuses what can be told before data are read and TensorFlow is imported, which takes long.

    Raises:
        UserError: flags that cannot be used, or not on this run.
    """
    mode = values.mode
    if mode in ("evaluate", "sample") or (mode == "train" and values.evaluate_at_end):
        from wae_tf.evaluation.options import check_sampler

        sampler = _evaluation_options(values).sampler
        of_pictures = config.pixel_range_of_data != "any"
        check_sampler(sampler, of_pictures, conditional=config.conditional, cost=config.cost)
    if mode == "sample":
        _check_labels(config, values.labels)
    if mode == "export":
        _check_export(config, values)
    if mode_flags.of_run(values) and (run := RunFolder(config.folder)).flags.is_file():
        integrity.require_checkpoint(run, config.checkpoint)
        if mode in _WRITE_BESIDE:
            integrity.require_writable(run.folder)
    # How many classes there are the data say; workers of others wait for the chief.
    alone = not config.conditional and config.distribute == "none"
    if mode == "train" and alone and not values.overwrite:
        _check_run(config)


def _check_run(config: Config) -> None:
    """Refuses to go on with a run of other flags, and to begin one among a stranger's files."""
    run = RunFolder(config.folder)
    try:
        begun = run.begun(config)
    except (FlagError, RunError):  # as it may be of flags that are damaged
        integrity.mend(run, progress)
        begun = run.begun(config)
    if not begun and not run.checkpoints.is_dir():  # which may know flags that are gone
        run.check_free()


def _check_export(config: Config, values: flags.FlagValues) -> None:
    from wae_tf.serving import formats

    formats.check(values.export_formats, config.classes)
    if "://" in (values.export_dir or ""):
        raise FlagError(
            f"--export_dir={values.export_dir} is an address; give a folder, and copy it there."
        )


def _read_images(config: Config, mode: str) -> None:
    """Says what is wrong with the images before TensorFlow is imported, which takes seconds."""
    from wae_tf.training import reading

    of_model = registry.fact("mode", mode, "of_model", True)
    reading.ahead(config, of_model=of_model, trains=mode == "train")


def run(config: Config, values: flags.FlagValues) -> None:
    """Does what --mode says.

    Raises:
        UserError: whatever the mode cannot do, as a sentence.
    """
    of_run = mode_flags.of_run(values)
    adopts = config.init_from_official if of_run else None
    _check_ahead(config, values)
    images = registry.fact("mode", values.mode, "images", False)
    if values.mode == "sample":
        images = mode_flags.samples_need_images(config, values)
    if adopts or images:
        _read_images(config, values.mode)
        if config.jit and values.mode == "train":
            compiled.start(config.cache_dir)
        lean.import_keras()
    if adopts:
        _adopt(config, adopts)
    registry.get("mode", values.mode)(config, values)
