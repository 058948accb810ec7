"""From a Config to a trained model: data, pretraining, fit, and what a run leaves in its folder."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import Any

import keras
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import say
from wae_tf.data import batches
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import RunError
from wae_tf.evaluation import brief
from wae_tf.models import operations
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints
from wae_tf.runs.folder import Run
from wae_tf.training import (
    distribution,
    feeding,
    interruption,
    pretraining,
    programs,
    resuming,
    setup,
)
from wae_tf.training.callbacks import (
    BadStep,
    Checkpoints,
    Curves,
    Figures,
    Guard,
    Means,
    Report,
    Speed,
)
from wae_tf.training.interruption import Stop


def train(config: Config, *, overwrite: bool = False) -> dict[str, float]:
    """A whole run into its folder, or the rest of one that was stopped there; returns its metrics.

    A run goes on from its newest whole checkpoint as if nothing had happened: data order, noise and
    schedules follow from (seed, step), the rest is in the checkpoint.

    Raises:
        UserError: bad data, a folder in use or with another run, a non-finite loss, a signal.
    """
    strategy = distribution.make_strategy(config)
    run = Run(config.folder)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(
            interruption.listening("training had not begun; the same command begins or goes on.")
        )
        stack.enter_context(distribution.lost_worker_as_run_error(strategy))
        if distribution.is_chief(strategy):
            stack.enter_context(run.locked())
        try:
            metrics = _train(config, strategy, run, stop, overwrite)
        except OSError as error:
            raise RunError(
                f"--work_dir={run.folder} cannot be written to: {error.strerror or error}; what was "
                "saved stands, and the same command goes on from there."
            ) from error
        distribution.barrier(strategy)
    return metrics


def _train(
    config: Config,
    strategy: tf.distribute.Strategy,
    run: Run,
    stop: Stop,
    overwrite: bool,
) -> dict[str, float]:
    chief = distribution.is_chief(strategy)
    images = setup.load_images(config)
    with strategy.scope():
        model = setup.build(config, images)
    steps_per_epoch = config.steps_an_epoch(len(images.train))
    total = config.epochs * steps_per_epoch
    if config.steps is not None:
        total = min(total, config.steps)
    start = resuming.begin(run, config, images, total, overwrite) if chief else 0
    start = distribution.from_chief(strategy, start)
    say(f"{config.model}: {operations.parameter_count(model):,} parameters in encoder and decoder")
    if (replicas := strategy.num_replicas_in_sync) > 1:
        say(f"{replicas} replicas, {config.batch_size // replicas} images of a batch on each")

    # Keras runs whole executions only: one that does not divide what is left would overrun it.
    lengths = [steps for *_, steps in programs.spans(max(start, 0), total, steps_per_epoch)] or [1]
    most = config.steps_per_execution
    if most is None:
        most = programs.usual_steps_per_execution(model)
        lengths.append(config.save_every_steps or 0)  # no save comes late
    per_execution = programs.largest_divisor(math.gcd(*lengths), most)
    with strategy.scope():  # not around the rest: what the chief makes alone is its own
        model.compile(steps_per_execution=per_execution)

    state: dict[str, Any] = {}
    if start >= 0:
        state = checkpoints.restore(run.checkpoints, start, model)
        say(f"going on from step {start} of {total}")
    else:
        stop.what_now = "nothing of this run is saved yet; the same command begins it again."
        if config.init_from_official:
            setup.read_official(model)
        elif config.pretrain and config.model != "vae":
            pretraining.pretrain(model, images.train)
        if chief:
            checkpoints.save(run.checkpoints, model, {}, config.keep_checkpoints)
    stop.what_now = f"step {max(start, 0)} is saved; the same command goes on from there."
    # A partial batch is of another shape, which the programs of whole executions do not take.
    alike = config.batch_order == "random"
    looped = model.jit_compile and most > 1 and strategy.num_replicas_in_sync == 1 and alike
    if looped:
        model.take_executions(most)
    if alike and feeding.device_can_hold(images.train, looped):
        model.hold(images.train)
    metrics = fit(model, images, run, total, steps_per_epoch, stop, state)
    if skipped := metrics.get("skipped_steps"):
        say(f"{skipped} updates were left out: their gradients overflowed half precision")
    if not chief:
        say("done; the chief evaluates")
        return metrics
    stop.what_now = "all steps are done and saved; the same command evaluates them."
    say("evaluating on all test images")
    metrics |= brief.evaluate(model, images.test, batch_size=config.batch_size)
    metrics = run.update_metrics(metrics)
    say(
        f"done in {metrics['seconds']:.0f} s: test reconstruction "
        f"{metrics['test_reconstruction']:.4f}, sharpness of samples "
        f"{metrics['sharpness_samples']:.5f} (data {metrics['sharpness_data']:.5f}); "
        f"look at {run.figures}"
    )
    return metrics


def fit(
    model: Wae,
    images: ImageSet,
    run: Run,
    total: int,
    steps_per_epoch: int,
    stop: Stop,
    state: dict[str, Any],
) -> dict[str, float]:
    """Trains up to step `total`, a last epoch cut short if need be.

    Args:
        model: compiled, at the step to go on from.
        images: to train and test on.
        run: where to write.
        total: the last step.
        steps_per_epoch: of `Config.steps_an_epoch`.
        stop: notes signals.
        state: that of the checkpoint, {} at the beginning.

    Raises:
        RunError: a step went wrong (and could not be rolled back), or a file cannot be written.
        Interrupted: a signal came; all is saved.
    """
    config = model.config
    strategy = model.distribute_strategy
    chief = distribution.is_chief(strategy)
    speed, verbose = Speed(config.batch_size), 0
    watchers: list[keras.callbacks.Callback] = [Guard(), speed]
    curves = Curves(total)
    curves.restore(state.get("curves", {}))
    began = time.perf_counter() - state.get("seconds", 0.0)
    if chief:  # the other workers compute the same and write nothing
        report = Report(run, images, curves, speed)
        drawing = Figures(run, images, report)
        saving = Checkpoints(
            run,
            model,
            ends=lambda step: step % steps_per_epoch == 0 or step == total,
            state=lambda: {"curves": curves.data, "seconds": time.perf_counter() - began},
            stop=stop,
        )
        # Keras's bar after the speed that it shows, before the line that the report prints below.
        bar = keras.callbacks.ProgbarLogger()
        watchers += [bar, curves, report, drawing, saving]
        for watcher in watchers:
            watcher.set_model(model)  # there may be no step left to fit, and still a figure to draw
        verbose = 1 if sys.stdout.isatty() else 2

    held = None if model.holds_images else batches.in_memory(images.train)

    def go(start: int, first_epoch: int, last_epoch: int, steps: int) -> None:
        def part(rows: tuple[int, int]) -> tf.data.Dataset:
            common = {"batch_size": config.batch_size, "seed": config.seed, "rows": rows}
            together = model.steps_per_execution if model.takes_executions_whole else None
            if model.holds_images:
                count = len(images.train)
                return batches.index_batches(count, start_step=start, steps=together, **common)
            found = batches.image_batches(
                held,
                pixel_range=config.pixel_range_of_data,
                start_step=start,
                order=config.batch_order,
                **common,
            )
            return found.batch(together, drop_remainder=True) if together else found

        within = start % steps_per_epoch
        means = [v.numpy() for v in checkpoints.means_of(model)] if within else []
        model.fit(
            distribution.distributed_dataset(strategy, config.batch_size, part),
            initial_epoch=first_epoch,
            epochs=last_epoch,
            steps_per_epoch=steps,
            callbacks=[Means(means), *watchers],
            verbose=verbose,
            shuffle=False,
        )

    while True:
        try:
            with stop.waits():
                for span in programs.spans(int(model.step.numpy()), total, steps_per_epoch):
                    go(*span)
                if chief:
                    saving.save()
                    saving.leave()
                saved = distribution.from_chief(strategy, saving.saved if chief else 0)
                if saved < total:  # elsewhere the next step's loss shows it
                    raise BadStep(total, "weights not finite")
            break
        except BadStep as trouble:
            state = resuming.roll_back(model, run, trouble)
            curves.restore(state.get("curves", {}))
    epochs = -(-total // steps_per_epoch)
    if not chief:
        return {"steps": total, "epochs": epochs}
    if config.figure_every and (total % steps_per_epoch or epochs % config.figure_every):
        drawing.draw(epochs)
    history = run.read_history()
    row = report.row or {name: [math.nan, *column][-1] for name, column in history.items()}
    return {
        "steps": total,
        "epochs": epochs,
        "parameters": operations.parameter_count(model),
        "images_per_second": speed.images_per_second,
        "loss": row["loss"],
        "reconstruction": row["reconstruction"],
        "wae_lambda": float(model.wae_lambda.numpy()),
        "rollbacks": int(model.rollbacks.numpy()),
        "skipped_steps": model.skipped_steps(),
        "seconds": time.perf_counter() - began,
    }
