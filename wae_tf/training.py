"""From a Config to a trained model: data, pretraining, fit, and what a run leaves in its folder."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import (
    callbacks,
    checkpoints,
    data,
    distribution,
    evaluation,
    interruption,
    models,
    streams,
)
from wae_tf.config import Config
from wae_tf.errors import DataError, FlagError, RunError, printable
from wae_tf.official import weights
from wae_tf.runs import Run

#: wae.py:449, the pretraining loss below which it stops.
PRETRAINED_BELOW = 0.1

#: Bytes of images that a GPU keeps: all of CelebA at 64x64 (2.2 GB), and little beside its memory.
MOST_ON_GPU = 3 << 30

#: Floating-point operations of the steps that one call makes, where --steps_per_execution does not say:
#: a quarter of a second of two cores, or of a GPU at a tenth of an H100's TF32 peak. More than 20 steps
#: a call bring no more.
EXECUTION_ON_CPU, EXECUTION_ON_GPU, MOST_STEPS_PER_EXECUTION = 5e10, 1e13, 20

#: After so many rollbacks a run stops: its learning rates are a thousandth by then.
MOST_ROLLBACKS = 10


def say(line: str) -> None:
    """Prints a line of progress at once."""
    print(printable(line), flush=True)


def load_images(config: Config) -> data.ImageSet:
    """The config's images, with a line on where they come from.

    Raises:
        DataError: they cannot be had, or fewer than two are for testing.
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
    if len(images.test) < 2:
        raise DataError(
            f"{images.source} leave {len(images.test)} test image: at least 2 are needed, for the "
            "penalty and the figures; give more images, or a larger --test_size."
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


def _device_can_hold(images: np.ndarray, looped: bool) -> bool:
    """Whether the bytes can stay with the model, which then gathers batches itself.

    On GPUs; and on CPUs where all steps of an execution are one program, into which floats would be
    copied. Else a CPU's other threads may as well gather them.
    """
    if tf.config.list_physical_devices("GPU"):
        return images.nbytes <= MOST_ON_GPU
    return looped and data.fits_in_memory(images)


def _divisor(number: int, at_most: int) -> int:
    return max(d for d in range(1, min(number, at_most) + 1) if number % d == 0)


def _usual_steps_per_execution(model: models.Wae) -> int:
    """Steps that are over in about a quarter of a second: a signal and the screen wait no longer."""
    config = model.config
    if model.distribute_strategy.num_replicas_in_sync > 1:  # there each step is a call anyway
        return 1
    gpu = bool(tf.config.list_physical_devices("GPU"))
    most = EXECUTION_ON_GPU if gpu else EXECUTION_ON_CPU
    steps = int(most / models.operations(model, config.batch_size))
    return max(1, min(steps, MOST_STEPS_PER_EXECUTION))


def build(config: Config, images: data.ImageSet) -> models.Wae:
    """The config's model for these images, not yet compiled.

    Raises:
        FlagError: networks and images do not fit.
    """
    return models.from_config(config, images.image_shape, len(images.train))


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
        stack.enter_context(distribution.peers(strategy))
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
    stop: interruption.Stop,
    overwrite: bool,
) -> dict[str, float]:
    chief = distribution.is_chief(strategy)
    images = load_images(config)
    with strategy.scope():
        model = build(config, images)
    steps_per_epoch = len(images.train) // config.batch_size
    total = config.epochs * steps_per_epoch
    if config.steps is not None:
        total = min(total, config.steps)
    start = _begin(run, config, images, total, overwrite) if chief else 0
    start = distribution.from_chief(strategy, start)
    say(f"{config.model}: {models.parameter_count(model):,} parameters in encoder and decoder")
    if (replicas := strategy.num_replicas_in_sync) > 1:
        say(f"{replicas} replicas, {config.batch_size // replicas} images of a batch on each")

    # Keras runs whole executions only: one that does not divide what is left would overrun it.
    lengths = [steps for *_, steps in spans(max(start, 0), total, steps_per_epoch)] or [1]
    most = config.steps_per_execution
    if most is None:
        most = _usual_steps_per_execution(model)
        lengths.append(config.save_every_steps or 0)  # no save comes late
    per_execution = _divisor(math.gcd(*lengths), most)
    with strategy.scope():  # not around the rest: what the chief makes alone is its own
        model.compile(steps_per_execution=per_execution)

    state: dict[str, Any] = {}
    if start >= 0:
        state = checkpoints.restore(run.checkpoints, start, model)
        say(f"going on from step {start} of {total}")
    else:
        stop.what_now = "nothing of this run is saved yet; the same command begins it again."
        if config.init_from_official:
            read_official(model)
        elif config.pretrain and config.model != "vae":
            pretrain(model, images.train)
        if chief:
            checkpoints.save(run.checkpoints, model, {}, config.keep_checkpoints)
    stop.what_now = f"step {max(start, 0)} is saved; the same command goes on from there."
    looped = model.jit_compile and most > 1 and strategy.num_replicas_in_sync == 1
    if looped:
        model.take_executions(most)
    if _device_can_hold(images.train, looped):
        model.hold(images.train)
    metrics = fit(model, images, run, total, steps_per_epoch, stop, state)
    if skipped := metrics.get("skipped_steps"):
        say(f"{skipped} updates were left out: their gradients overflowed half precision")
    if not chief:
        say("done; the chief evaluates")
        return metrics
    stop.what_now = "all steps are done and saved; the same command evaluates them."
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


def _begin(run: Run, config: Config, images: data.ImageSet, total: int, overwrite: bool) -> int:
    """Makes the folder ready; returns the step of the checkpoint to go on from, or -1."""
    if overwrite or not run.begun(config):
        create(run, config, images, overwrite)
        return -1
    known = run.read_metrics()
    if known.get("train_images", len(images.train)) != len(images.train):
        raise DataError(
            f"--work_dir={run.folder} holds a run on {known['train_images']} training images, and "
            f"there are {len(images.train)} now; give the same data, or --overwrite to start anew."
        )
    facts = facts_of(images)
    if known.get("train_sum", facts["train_sum"]) != facts["train_sum"]:
        raise DataError(
            f"--work_dir={run.folder} holds a run on other images than {images.source} has now; give "
            "the same data, or --overwrite to start anew."
        )
    step = checkpoints.newest(run.checkpoints, say)
    if step is not None and step >= total and (step > total or known.get("steps") == total):
        raise RunError(
            f"--work_dir={run.folder} holds a run already, finished at step {step}; raise --epochs "
            "to go on, give another --work_dir, or --overwrite to remove it and start anew."
        )
    run.write_flags(config)
    for folder in (run.figures, run.checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    run.sweep()
    checkpoints.sweep(run.checkpoints)
    step = -1 if step is None else step
    checkpoints.drop_after(run.checkpoints, step)
    per_epoch = len(images.train) // config.batch_size
    # The row of an epoch that --steps had cut short goes too, where this epoch now goes on.
    run.cut_history(lambda at: at <= step and (at % per_epoch == 0 or at == total))
    run.update_metrics(facts, drop=("diverged_step", "steps"))
    return step


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
    checkpoints.save(run.checkpoints, model, {}, config.keep_checkpoints)


def create(run: Run, config: Config, images: data.ImageSet, overwrite: bool = False) -> None:
    """Makes the run's folder, and notes there what the model is built for."""
    run.create(config, overwrite)
    run.update_metrics(facts_of(images))


def facts_of(images: data.ImageSet) -> dict[str, int]:
    """What a run notes of its images: their shape and number, and a sum over a thousand of them."""
    sides = zip(("height", "width", "channels"), images.image_shape, strict=True)
    shape = {f"image_{side}": pixels for side, pixels in sides}
    # By position: touching a mapped file's pages would map much of it.
    read = data.row_reader(images.train)
    some = read(np.arange(0, len(images.train), max(1, len(images.train) // 1000)))
    return {
        **shape,
        "train_images": len(images.train),
        "train_sum": zlib.crc32(np.ascontiguousarray(some)),
    }


def spans(start: int, total: int, steps_per_epoch: int) -> list[tuple[int, int, int, int]]:
    """What is left from step `start` to `total`: the rest of an epoch, whole ones, a part of one.

    Returns:
        tuples (first step, first epoch, last epoch, steps an epoch), epochs counted from 0, the
        last one excluded.
    """
    found = []
    if start % steps_per_epoch and start < total:
        epoch = start // steps_per_epoch
        end = min((epoch + 1) * steps_per_epoch, total)
        found.append((start, epoch, epoch + 1, end - start))
        start = end
    first, last = start // steps_per_epoch, total // steps_per_epoch
    if last > first:
        found.append((start, first, last, steps_per_epoch))
        start = last * steps_per_epoch
    if start < total:
        found.append((start, last, last + 1, total - start))
    return found


def fit(
    model: models.Wae,
    images: data.ImageSet,
    run: Run,
    total: int,
    steps_per_epoch: int,
    stop: interruption.Stop,
    state: dict[str, Any],
) -> dict[str, float]:
    """Trains up to step `total`, a last epoch cut short if need be.

    Args:
        model: compiled, at the step to go on from.
        images: to train and test on.
        run: where to write.
        total: the last step.
        steps_per_epoch: training images // batch size.
        stop: notes signals.
        state: that of the checkpoint, {} at the beginning.

    Raises:
        RunError: a step went wrong (and could not be rolled back), or a file cannot be written.
        Interrupted: a signal came; all is saved.
    """
    config = model.config
    strategy = model.distribute_strategy
    chief = distribution.is_chief(strategy)
    speed, verbose = callbacks.Speed(config.batch_size), 0
    watchers: list[keras.callbacks.Callback] = [callbacks.Guard(), speed]
    curves = callbacks.Curves(total)
    curves.restore(state.get("curves", {}))
    began = time.perf_counter() - state.get("seconds", 0.0)
    if chief:  # the other workers compute the same and write nothing
        report = callbacks.Report(run, images, curves, speed)
        drawing = callbacks.Figures(run, images, report)
        saving = callbacks.Checkpoints(
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

    held = None if model.holds_images else data.in_memory(images.train)

    def go(start: int, first_epoch: int, last_epoch: int, steps: int) -> None:
        def part(rows: tuple[int, int]) -> tf.data.Dataset:
            common = {"batch_size": config.batch_size, "seed": config.seed, "rows": rows}
            together = model.steps_per_execution if model.takes_executions_whole else None
            if model.holds_images:
                count = len(images.train)
                return data.index_batches(count, start_step=start, steps=together, **common)
            found = data.batches(
                held,
                pixel_range=config.pixel_range_of_data,
                start_step=start,
                **common,
            )
            return found.batch(together, drop_remainder=True) if together else found

        within = start % steps_per_epoch
        means = [v.numpy() for v in checkpoints.means_of(model)] if within else []
        model.fit(
            distribution.shared(strategy, config.batch_size, part),
            initial_epoch=first_epoch,
            epochs=last_epoch,
            steps_per_epoch=steps,
            callbacks=[callbacks.Means(means), *watchers],
            verbose=verbose,
            shuffle=False,
        )

    while True:
        try:
            with stop.waits():
                for span in spans(int(model.step.numpy()), total, steps_per_epoch):
                    go(*span)
                if chief:
                    saving.save()
                    saving.leave()
                saved = distribution.from_chief(strategy, saving.saved if chief else 0)
                if saved < total:  # elsewhere the next step's loss shows it
                    raise callbacks.Trouble(total, "weights not finite")
            break
        except callbacks.Trouble as trouble:
            state = _roll_back(model, run, trouble)
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
        "parameters": models.parameter_count(model),
        "images_per_second": speed.images_per_second,
        "loss": row["loss"],
        "reconstruction": row["reconstruction"],
        "wae_lambda": float(model.wae_lambda.numpy()),
        "rollbacks": int(model.rollbacks.numpy()),
        "skipped_steps": model.skipped_steps(),
        "seconds": time.perf_counter() - began,
    }


def _roll_back(model: models.Wae, run: Run, trouble: callbacks.Trouble) -> dict[str, Any]:
    """Puts the last checkpoint back with half the learning rates; returns its state.

    Raises:
        RunError: --on_nonfinite=stop, no checkpoint, or rolled back too often.
    """
    config, strategy = model.config, model.distribute_strategy
    chief = distribution.is_chief(strategy)
    newest = checkpoints.newest(run.checkpoints, say) if chief else None
    step = distribution.from_chief(strategy, -1 if newest is None else newest)
    count = int(model.rollbacks.numpy()) + 1
    if config.on_nonfinite == "stop" or step < 0 or count > MOST_ROLLBACKS:
        if chief:
            run.update_metrics({"diverged_step": trouble.step})
        kept = f"the last good checkpoint is that of step {step}" if step >= 0 else "none is saved"
        raise RunError(
            f"the run stopped: {trouble}; {kept}; try a smaller --lr or --wae_lambda"
            + (", or --on_nonfinite=rollback." if config.on_nonfinite == "stop" else ".")
        ) from trouble
    factor = float(model.lr_factor.numpy()) / 2
    state = checkpoints.restore(run.checkpoints, step, model)
    model.lr_factor.assign(factor)
    model.rollbacks.assign(count)
    if chief:
        checkpoints.drop_after(run.checkpoints, step)  # damaged ones, in the way of new ones
        run.cut_history(lambda at: at <= step)
    say(f"{trouble}; going on from step {step} with {factor:g} of the learning rates")
    return state


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
    if not all(isinstance(known.get(name), int) and known[name] > 0 for name in names):
        return restore(config)[0]  # a run of before they were noted
    *shape, data_size = (known[name] for name in names)
    return _restored(models.from_config(config, tuple(shape), data_size))


def _restored(model: models.Wae) -> models.Wae:
    run = Run(model.config.folder)
    model.compile()
    step = checkpoints.newest(run.checkpoints, say)
    if step is None:
        raise RunError(f"--work_dir={run.folder} has no whole checkpoint; train first.")
    checkpoints.restore(run.checkpoints, step, model)
    say(f"restored step {step} of {run.folder}")
    return model
