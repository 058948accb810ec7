"""From a Config to a trained model: data, pretraining, fit, and what a run leaves in its folder."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import callbacks, data, distribution, evaluation, models, streams
from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError
from wae_tf.official import weights
from wae_tf.runs import Run

#: wae.py:449, the pretraining loss below which it stops.
PRETRAINED_BELOW = 0.1


def say(line: str) -> None:
    """Prints a line of progress at once."""
    print(line, flush=True)


def load_images(config: Config) -> data.ImageSet:
    """The config's images, with a line on where they come from.

    Raises:
        DataError: they cannot be had.
        FlagError: fewer training images than a batch takes.
    """
    images = data.load(
        config.dataset,
        data_dir=config.data_dir,
        cache_dir=config.cache_dir,
        crop=config.crop,
        image_size=config.image_size,
        train_size=config.train_size,
        test_size=config.test_size,
        skip_bad_images=config.skip_bad_images,
    )
    if len(images.train) < config.batch_size:
        raise FlagError(
            f"--batch_size={config.batch_size} is larger than the {len(images.train)} training "
            f"images of {config.dataset}; accepted: 2 to {len(images.train)}."
        )
    shape = "x".join(map(str, images.image_shape))
    say(
        f"{images.name}: {len(images.train)} training and {len(images.test)} test images of {shape}"
        f"; {images.split}; from {images.source}"
    )
    if images.skipped:
        say(f"skipped {len(images.skipped)} unreadable images, the first {images.skipped[0]}")
    return images


def pretrain(model: models.Wae, images: np.ndarray, report: Callable[[str], None] = say) -> float:
    """Brings the codes' moments near the prior's: encoder alone, an optimizer of its own.

    As the official code (wae.py:428-452): at most `pretrain_steps` steps, until the loss is below
    0.1; the learning rate does not decay. The model's step counter does not move.

    Args:
        model: the model, changed in place.
        images: uint8 [n, H, W, C].
        report: is called with a line at the end.

    Returns:
        the last loss.

    Raises:
        RunError: the loss is not finite.
    """
    config = model.config
    strategy = model.distribute_strategy
    with strategy.scope():
        optimizer = model.make_optimizer(config.lr)
        if config.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.encoder.trainable_variables)
    size = min(len(images), config.pretrain_size)
    size -= size % strategy.num_replicas_in_sync

    def replica_step(batch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        key = streams.key(config.seed, "pretrain/prior", index)
        prior_sample = model.sample_prior(config.pretrain_size, key)
        noise = model.draw_noise(size, index, "pretrain")
        return model.pretrain_step(optimizer, tf.cast(batch, model.full), prior_sample, noise)

    @tf.function
    def step(batch: Any, index: tf.Tensor) -> tf.Tensor:
        loss = strategy.run(replica_step, args=(batch, index))
        return strategy.experimental_local_results(loss)[0]

    def part(rows: tuple[int, int]) -> tf.data.Dataset:
        return data.batches(
            images,
            batch_size=size,
            seed=f"{config.seed}/pretrain",
            pixel_range=config.pixel_range_of_data,
            rows=rows,
        )

    batches = iter(distribution.shared(strategy, size, part))
    loss = math.nan
    for index in range(config.pretrain_steps):
        loss = float(step(next(batches), tf.constant(index, tf.int64)))
        if not math.isfinite(loss):
            raise RunError(
                f"the run stopped: the pretraining loss is not finite at step {index + 1}; try a "
                "smaller --lr, or --nopretrain."
            )
        if index and index % 50 == 0:
            report(f"pretraining the encoder: step {index}, loss {loss:.4f}")
        if loss < PRETRAINED_BELOW:
            break
    report(f"pretrained the encoder for {index + 1} steps, loss {loss:.4f}")
    return loss


def _divisor(number: int, at_most: int) -> int:
    # Keras runs whole executions only: one that does not divide the epoch would overrun it.
    return max(d for d in range(1, min(number, at_most) + 1) if number % d == 0)


def build(config: Config, images: data.ImageSet) -> models.Wae:
    """The config's model for these images, not yet compiled.

    Raises:
        FlagError: networks and images do not fit.
    """
    return models.from_config(config, images.image_shape, len(images.train))


def train(config: Config, *, overwrite: bool = False) -> dict[str, float]:
    """A whole run into its folder; returns its metrics.

    Raises:
        UserError: bad data, a folder in use, a non-finite loss.
    """
    strategy = distribution.make_strategy(config)
    with distribution.peers(strategy):
        metrics = _train(config, strategy, overwrite)
        distribution.barrier(strategy)
    return metrics


def _train(
    config: Config, strategy: tf.distribute.Strategy, overwrite: bool = False
) -> dict[str, float]:
    chief = distribution.is_chief(strategy)
    run = Run(config.folder)
    images = load_images(config)
    with strategy.scope():
        model = build(config, images)
    if chief:
        create(run, config, images, overwrite)
    say(f"{config.model}: {models.parameter_count(model):,} parameters in encoder and decoder")
    if (replicas := strategy.num_replicas_in_sync) > 1:
        say(f"{replicas} replicas, {config.batch_size // replicas} images of a batch on each")

    steps_per_epoch = len(images.train) // config.batch_size
    total = config.epochs * steps_per_epoch
    if config.steps is not None:
        total = min(total, config.steps)
    per_execution = _divisor(min(steps_per_epoch, total), config.steps_per_execution)
    with strategy.scope():  # not around the rest: what the chief makes alone is its own
        model.compile(steps_per_execution=per_execution)

    started = time.perf_counter()
    if config.init_from_official:
        read_official(model)
    elif config.pretrain and config.model != "vae":
        pretrain(model, images.train)
    metrics = fit(model, images, run, total, steps_per_epoch)
    metrics["seconds"] = time.perf_counter() - started
    if not chief:
        say("done; the chief evaluates")
        return metrics
    say("evaluating on all test images")
    metrics |= evaluation.evaluate(model, images.test, batch_size=config.batch_size)
    metrics = run.update_metrics(metrics)
    say(
        f"done in {metrics['seconds']:.0f} s: test reconstruction "
        f"{metrics['test_reconstruction']:.4f}, sharpness of samples "
        f"{metrics['sharpness_samples']:.5f} (data {metrics['sharpness_data']:.5f}); "
        f"look at {run.figures}"
    )
    return metrics


def read_official(model: models.Wae) -> None:
    """Takes the weights of the official checkpoint that the config names.

    Raises:
        DataError: no such checkpoint, or one of other networks.
    """
    prefix = model.config.init_from_official
    weights.read_checkpoint(model, prefix)
    say(f"took the weights of the official checkpoint {prefix}")


def adopt(config: Config) -> None:
    """Makes a run folder of an official checkpoint, so that every mode can work on it.

    Raises:
        UserError: bad data, a folder in use, no such checkpoint.
    """
    run = Run(config.folder)
    images = load_images(config)
    model = build(config, images)
    read_official(model)
    create(run, config, images)
    model.compile()
    callbacks.Checkpoints(run, model).save()


def create(run: Run, config: Config, images: data.ImageSet, overwrite: bool = False) -> None:
    """Makes the run's folder, and notes there what the model is built for."""
    run.create(config, overwrite)
    sides = zip(("height", "width", "channels"), images.image_shape, strict=True)
    shape = {f"image_{side}": pixels for side, pixels in sides}
    run.update_metrics({**shape, "train_images": len(images.train)})


def fit(
    model: models.Wae, images: data.ImageSet, run: Run, total: int, steps_per_epoch: int
) -> dict[str, float]:
    """Trains up to step `total`, a last epoch cut short if need be."""
    config = model.config
    strategy = model.distribute_strategy
    speed, verbose = callbacks.Speed(config.batch_size), 0
    chief = distribution.is_chief(strategy)
    watchers: list[keras.callbacks.Callback] = [callbacks.Guard(run, writes=chief), speed]
    if chief:  # the other workers compute the same and write nothing
        curves = callbacks.Curves(total)
        report = callbacks.Report(run, images, curves, speed)
        drawing = callbacks.Figures(run, images, report)
        checkpoints = callbacks.Checkpoints(run, model)
        # Keras's bar after the speed that it shows, before the line that the report prints below.
        bar = keras.callbacks.ProgbarLogger()
        watchers += [bar, curves, report, drawing, checkpoints]
        verbose = 1 if sys.stdout.isatty() else 2

    def go(start: int, first_epoch: int, last_epoch: int, steps: int) -> None:
        def part(rows: tuple[int, int]) -> tf.data.Dataset:
            return data.batches(
                images.train,
                batch_size=config.batch_size,
                seed=config.seed,
                pixel_range=config.pixel_range_of_data,
                start_step=start,
                rows=rows,
            )

        model.fit(
            distribution.shared(strategy, config.batch_size, part),
            initial_epoch=first_epoch,
            epochs=last_epoch,
            steps_per_epoch=steps,
            callbacks=watchers,
            verbose=verbose,
            shuffle=False,
        )

    whole, rest = divmod(total, steps_per_epoch)
    if whole:
        go(0, 0, whole, steps_per_epoch)
    if rest:
        go(whole * steps_per_epoch, whole, whole + 1, rest)
    epochs = whole + bool(rest)
    if not chief:
        return {"steps": total, "epochs": epochs}
    checkpoints.save()
    if config.figure_every and (rest or epochs % config.figure_every):
        drawing.draw(epochs)
    return {
        "steps": total,
        "epochs": epochs,
        "parameters": models.parameter_count(model),
        "images_per_second": speed.images_per_second,
        "loss": report.row["loss"],
        "reconstruction": report.row["reconstruction"],
        "wae_lambda": float(model.wae_lambda.numpy()),
    }


def restore(
    config: Config, images: data.ImageSet | None = None
) -> tuple[models.Wae, data.ImageSet]:
    """The model of a finished or stopped run from its newest checkpoint, with its images.

    Raises:
        RunError: no run or no checkpoint in the folder.
    """
    Run(config.folder).require()
    images = images or load_images(config)
    return _restored(build(config, images)), images


def restore_model(config: Config) -> models.Wae:
    """As `restore`, without the images: the run has noted their shape and number.

    Raises:
        RunError: no run or no checkpoint in the folder.
    """
    run = Run(config.folder)
    run.require()
    known = run.read_metrics()
    names = ("image_height", "image_width", "image_channels", "train_images")
    if not all(isinstance(known.get(name), int) for name in names):
        return restore(config)[0]  # a run of before they were noted
    *shape, data_size = (known[name] for name in names)
    return _restored(models.from_config(config, tuple(shape), data_size))


def _restored(model: models.Wae) -> models.Wae:
    run = Run(model.config.folder)
    model.compile()
    newest = tf.train.latest_checkpoint(str(run.checkpoints))
    if newest is None:
        raise RunError(f"--work_dir={run.folder} has no checkpoint; train first.")
    tf.train.Checkpoint(model=model).restore(newest).assert_existing_objects_matched()
    say(f"restored {newest}, step {int(model.step.numpy())}")
    return model
