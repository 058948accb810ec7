"""A run told once, from start to end: what goes on, what is saved, what it leaves in its folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import console
from wae_tf.config import Config, check_is_config
from wae_tf.console import interruption, progress
from wae_tf.console.interruption import Stop
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import FlagError, KeywordError, RunError, of_a_file
from wae_tf.evaluation import brief, off_prior
from wae_tf.models import operations
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints, integrity
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import devices, shapes
from wae_tf.settings.checks import OF_PAIRS
from wae_tf.training import (
    distribution,
    drawing,
    expectation,
    feeding,
    fitting,
    own_callbacks,
    pretraining,
    programs,
    reading,
    resuming,
    setup,
    workers,
)
from wae_tf.training.programs import Length


def train(
    config: Config,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    overwrite: bool = False,
) -> dict[str, float | None]:
    """A whole run into its folder, or the rest of one that was stopped there; returns its metrics.

    A run goes on from its newest whole checkpoint as if nothing had happened: data order, noise and
    schedules follow from (seed, step), the rest is in the checkpoint.

    Args:
        config: of the run.
        callbacks: any of Keras's, or your own. The logs at an epoch's end have val_loss,
            val_reconstruction, val_penalty (of the first --epoch_test_size test images) and
            images_per_second besides the training terms. What callbacks remember of earlier epochs
            is theirs to keep: a run that goes on begins them anew. With several workers the chief's
            are called.
        overwrite: remove the run that the folder holds.

    Raises:
        UserError: no Config, callbacks that are none, bad data, a folder in use or with another run, a
            non-finite loss, a signal.
    """
    check_is_config(config)
    callbacks = own_callbacks.listed(callbacks)
    if not isinstance(overwrite, (bool, np.bool_)):
        raise KeywordError(f"overwrite={overwrite!r} is not accepted: True or False.")
    if config.checkpoint != "newest":
        raise FlagError(
            f"--checkpoint={config.checkpoint} is for what works on a run; training goes on from the "
            "newest."
        )
    if config.epoch_test_size < 2 and config.model in OF_PAIRS:
        raise FlagError(
            f"--epoch_test_size={config.epoch_test_size} is too small for --model={config.model}, whose "
            "penalty is of pairs; accepted: 2 up."
        )
    if keras.config.max_epochs() or keras.config.max_steps_per_epoch():
        raise FlagError(
            "KERAS_MAX_EPOCHS and KERAS_MAX_STEPS_PER_EPOCH, or keras.config, cut short what Keras trains, "
            "and a run would count as ended; take them away, and give --steps or --epochs."
        )
    strategy = distribution.make_strategy(config)
    run = RunFolder(config.folder)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(
            interruption.listening("training had not begun; the same command begins or goes on.")
        )
        stack.enter_context(distribution.lost_worker_as_run_error(strategy, stop))
        if distribution.is_chief(strategy):
            stack.enter_context(run.locked())
        try:
            metrics = _train(config, strategy, run, stop, overwrite, callbacks)
        except BrokenPipeError:  # of stdout
            raise
        except (OSError, tf.errors.OpError, RunError) as error:
            if distribution.is_chief(strategy) and not run.folder.is_dir():
                raise RunError(
                    f"--work_dir={run.folder} was moved or removed while its run trained; give the folder's "
                    "new place as --work_dir to go on with what was saved."
                ) from error
            found = of_a_file(error)
            if isinstance(error, RunError) or (found is None and not isinstance(error, OSError)):
                raise
            reason = ": ".join(filter(None, found)) if found else error
            raise RunError(
                f"--work_dir={run.folder} cannot be written to: {reason}; what was "
                "saved stands, and the same command goes on from there."
            ) from error
        workers.wait_for_chief(strategy)
    return metrics


def _train(
    config: Config,
    strategy: tf.distribute.Strategy,
    run: RunFolder,
    stop: Stop,
    overwrite: bool,
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, float | None]:
    chief = distribution.is_chief(strategy)
    began = console.began()
    workers.check_flags(strategy, config)
    images = reading.load_images(config, trains=True)
    config = setup.with_classes(config, images)
    stop.check()
    length = Length.of(config, len(images.train))
    with strategy.scope():
        model = setup.build(config, images)
    if config.steps is not None and config.steps > length.total:
        progress(
            f"--steps={config.steps} is more than --epochs={config.epochs} has: training ends at step "
            f"{length.total}"
        )
    adopted = False
    if chief and config.init_from_official and (overwrite or not run.flags.is_file()):
        setup.read_official(model, config.init_from_official)  # before a folder is made for it
        adopted = True
    workers.check_images(strategy, lambda: setup.facts_of(config, images))
    start = workers.start_of_chief(
        strategy, lambda: resuming.begin(run, config, images, length, overwrite)
    )
    if start == resuming.FINISHED:
        return run.read_metrics()
    workers.check_folder(strategy, run, start)
    _introduce(model, config, strategy)
    if chief and console.shown():
        for line in expectation.lines(model, config, length, max(start, 0)):
            progress(line)

    if chief and start < 0:
        drawing.draw_data(model, config, run, images.train)

    calls = programs.Calls.of(model, config, length, max(start, 0), images.train)
    with strategy.scope():  # not around the rest: what the chief makes alone is its own
        model.compile()
    programs.take(model, calls)
    if start >= 0:
        state = checkpoints.restore(run.checkpoints, start, model)
        progress(f"going on from step {start} of {length.total}")
    else:
        state = {}
        stop.advice = "nothing of this run is saved yet; the same command begins it again."
        with stop.deferring(patient=False):  # `check` asks before each step
            if not adopted:
                _first_weights(model, config, images, stop)
        stop.check()
        if chief:
            checkpoints.save(
                run.checkpoints, model, integrity.kept(run, config), config.keep_checkpoints
            )
    stop.advice = f"step {max(start, 0)} is saved; the same command goes on from there."

    labels = images.train_labels if config.classes else None
    feed = feeding.Feed(model, images.train, config, calls, labels)
    metrics = fitting.fit(model, config, images, feed, run, length, stop, state, callbacks)
    if not chief:
        progress("done; the chief evaluates")
        return metrics
    stop.advice = "all steps are done and saved; the same command evaluates them."
    with workers.alone_to_the_end(strategy):
        return _evaluate(model, config, images, run, metrics, began)


def _introduce(model: Wae, config: Config, strategy: tf.distribute.Strategy) -> None:
    progress(
        f"{config.model}: {operations.parameter_count(model):,} parameters in encoder and decoder"
    )
    if config.tf32 is not None and not devices.has_gpu():
        progress("--tf32 does nothing here: there is no GPU")
    if (replicas := strategy.num_replicas_in_sync) > 1:
        progress(f"{replicas} replicas, {config.batch_size // replicas} images of a batch on each")


def _first_weights(model: Wae, config: Config, images: ImageSet, stop: Stop) -> None:
    if config.init_from_official:
        setup.read_official(model, config.init_from_official)
    elif config.pretrains:
        pretraining.pretrain(
            model,
            images.train,
            steps=config.pretrain_steps,
            size=config.pretrain_size,
            check=stop.check,
        )


def _evaluate(
    model: Wae,
    config: Config,
    images: ImageSet,
    run: RunFolder,
    metrics: dict[str, Any],
    began: float,
) -> dict[str, float | None]:
    if skipped := metrics.get("skipped_steps"):
        progress(
            f"{skipped} updates in {metrics['steps']} steps were left out: their gradients overflowed "
            "half precision"
        )
    progress(f"evaluating on all test {shapes.kind_of(model.image_shape).many}")
    metrics |= brief.evaluate(
        model, images.test, batch_size=config.batch_size, labels=images.test_labels
    )
    metrics = run.update_metrics(metrics)
    sharp = ""
    if model.of_pictures:
        sharp = (
            f", sharpness of samples {metrics['sharpness_samples']:.5f} (data "
            f"{metrics['sharpness_data']:.5f})"
        )
    progress(
        f"done in {console.duration(time.monotonic() - began)}: test reconstruction "
        f"{metrics['test_reconstruction']:.4f}{sharp}; look at {run.figures}"
    )
    if off := off_prior.sentence(metrics, config):
        progress(off)
    return metrics
