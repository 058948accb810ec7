"""Keras callbacks of a run: stop on trouble, speed, a line and a row an epoch, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.console.interruption import Stop
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import brief
from wae_tf.models import passes
from wae_tf.models.step.guard import finite
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints, measures, remote, test_line
from wae_tf.runs.folder import RunFolder
from wae_tf.training import hparams, lines
from wae_tf.training.best import Best
from wae_tf.training.programs import Length, steps_done

#: Points of the step curves that a run keeps.
CURVE_POINTS = 2000


class BadStep(Exception):
    """A step went wrong: its number (from 1), and what was wrong, as a clause."""

    def __init__(self, step: int, what: str):
        super().__init__(f"{what} at step {step}")
        self.step = step


class StopOnBadStep(keras.callbacks.Callback):
    """Ends training after a step whose loss is not finite or whose codes have exploded.

    Raises:
        BadStep: from `fit`, after the execution with that step.
    """

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads the flag that the compiled step has set."""
        bad = self.model.guard.first_bad_step()
        if bad is not None:
            raise BadStep(bad[0], " and ".join(bad[1]))


class Means(keras.callbacks.Callback):
    """Gives an epoch that a restored run goes on with the running means that it had."""

    def __init__(self, values: list[np.ndarray]):
        super().__init__()
        self.values = values

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Keras has just reset them."""
        for variable, value in zip(checkpoints.means_of(self.model), self.values, strict=False):
            variable.assign(value)
        self.values = []  # later epochs begin at zero


class Speed(keras.callbacks.Callback):
    """Adds images/s to the progress bar, and adds up the time that training itself took."""

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size
        self.seconds = 0.0
        self.steps = 0
        self._compiling = True  # the very first call, which is left out of the clock
        self._epoch_start = self._epoch_begin = 0.0
        self._epoch_steps = self._left_out = 0
        self.of_epoch = 0.0  # images/s

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch_start = self._epoch_begin = time.perf_counter()
        self._epoch_steps = self._left_out = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts, and shows the epoch's speed so far."""
        made = steps_done(batch, self.params)
        if self._compiling:
            self._compiling = False
            self._epoch_start = time.perf_counter()
            self._left_out = made
            return
        self._epoch_steps = made - self._left_out
        if logs is not None:
            elapsed = time.perf_counter() - self._epoch_start
            logs["images/s"] = self._epoch_steps * self.batch_size / max(elapsed, 1e-9)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the epoch to the total."""
        seconds = time.perf_counter() - self._epoch_start
        self.seconds += seconds
        self.steps += self._epoch_steps
        if self._epoch_steps:
            self.of_epoch = self._epoch_steps * self.batch_size / max(seconds, 1e-9)
        else:  # one call, which compiled
            whole = time.perf_counter() - self._epoch_begin
            self.of_epoch = self._left_out * self.batch_size / max(whole, 1e-9)

    @property
    def images_per_second(self) -> float:
        """Over all steps after the first; NaN before any."""
        return self.steps * self.batch_size / self.seconds if self.steps else float("nan")


class Curves(keras.callbacks.Callback):
    """Keeps the objective's terms of single steps, as many as a figure can show."""

    def __init__(self, length: Length):
        super().__init__()
        self.length, self.every = length, max(1, length.total // CURVE_POINTS)
        self.data: dict[str, list[float]] = {
            name: []
            for name in ("step", "reconstruction", "penalty", "sharpness_step", "sharpness")
        }

    def restore(self, data: dict[str, list[float]]) -> None:
        """Takes the points that a checkpoint holds, but that of an epoch which now goes on."""
        self.data = {name: list(data.get(name, [])) for name in self.data}
        steps, values = self.data["sharpness_step"], self.data["sharpness"]
        ends = [(s, v) for s, v in zip(steps, values, strict=False) if self.length.ends(int(s))]
        self.data |= {"sharpness_step": [s for s, _ in ends], "sharpness": [v for _, v in ends]}

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads the last step's terms, every few steps."""
        step = int(self.model.step.numpy())
        if step // self.every > (self.data["step"] or [0])[-1] // self.every:
            latest = self.model.running_means.latest.numpy()
            self.data["step"].append(step)
            self.data["reconstruction"].append(float(latest[1]))
            self.data["penalty"].append(float(latest[2]))


class Report(keras.callbacks.Callback):
    """A line on the screen, a row in history.csv and TensorBoard scalars after each epoch.

    A signal does not wait for the epoch's test, which may have to be compiled: what is known of the epoch
    is saved, and the run that goes on makes up for the rest.

    Args:
        config: of the run.
        run: its folder.
        images: to test on.
        curves: of single steps.
        speed: of the training.
        table: on the screen.
        checkpoints: where an epoch without its test is saved; None: the test is waited for.

    Attributes:
        row: that of the last epoch.
        owed: an epoch (from 0) and its numbers, where its test is still to do; else {}.
    """

    def __init__(
        self,
        config: Config,
        run: RunFolder,
        images: ImageSet,
        curves: Curves,
        speed: Speed,
        table: lines.Table,
        checkpoints: Checkpoints | None,
    ):
        super().__init__()
        self.table, self.checkpoints = table, checkpoints
        self.config, self.run, self.images = config, run, images
        self.curves, self.speed = curves, speed
        self.writer = tf.summary.create_file_writer(str(run.events))
        hparams.write(self.writer, config)
        self.row: dict[str, Any] = {}
        self.owed: dict[str, Any] = {}
        self.advised: tuple[int, str] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock of the row."""
        self._start = time.perf_counter()

    def make_up(self, owed: dict[str, Any], others: Sequence[keras.callbacks.Callback]) -> None:
        """Ends an epoch whose test a signal did not wait for; its checkpoint then has the test too.

        Args:
            owed: as the checkpoint has it.
            others: the callbacks between this one and the checkpoints.
        """
        epoch, logs = int(owed["epoch"]), dict(owed["logs"])
        self._start = time.perf_counter() - float(owed["seconds"])
        self.speed.of_epoch = float(owed["images_per_second"])
        step = int(self.model.step.numpy())
        self.run.cut_history(lambda at: at < step)  # a process may have been killed after its row
        for callback in (self, *others):
            callback.on_epoch_end(epoch, logs)
        if self.checkpoints is not None:
            self.checkpoints.save(anew=True)
            self.checkpoints.leave()

    def _leave(self, epoch: int, logs: dict[str, Any]) -> None:
        """Saves without the test and leaves, where a signal came."""
        if self.checkpoints is None or self.checkpoints.stop.number is None:
            return
        self.owed = {
            "epoch": epoch,
            "logs": {name: float(logs[name]) for name in ("loss", *self.model.terms)},
            "seconds": time.perf_counter() - self._start,
            "images_per_second": self.speed.of_epoch,
        }
        self.checkpoints.save()
        self.checkpoints.leave()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tests on the first images of the test set and writes."""
        model: Wae = self.model
        config = self.config
        step, logs = int(model.step.numpy()), {} if logs is None else logs
        test = self.images.test[: config.epoch_test_size]
        labels = passes.first(self.images.test_labels, len(test))
        batch_size = min(config.batch_size, len(test))
        self._leave(epoch, logs)
        measured = brief.test_terms(model, test, batch_size, labels)
        self._leave(epoch, logs)
        samples = passes.samples(model, min(config.pictures, 100), seed=config.seed)
        sharpness = brief.least_sharpness(model, samples)
        line = None
        if config.test_line:
            self._leave(epoch, logs)
            line = brief.test_line(model, test, batch_size, labels)
        self.owed = {}
        self.row = {
            "epoch": epoch + 1,
            "step": step,
            **{f"train_{name}": logs[name] for name in ("loss", *model.terms)},
            **measured,
            "sharpness": sharpness,
            "seconds": time.perf_counter() - self._start,
            "rollbacks": int(model.schedules.rollbacks.numpy()),
            "skipped_steps": model.skipped_steps(),
        }
        # For the callbacks after this one: the dict is the same for all.
        logs.update({f"val_{name.removeprefix('test_')}": measured[name] for name in measured})
        logs["images_per_second"] = self.speed.of_epoch
        self.run.append_history(self.row)
        if line is not None:
            test_line.append(self.run.test_line, epoch + 1, line)
        self.curves.data["sharpness_step"].append(step)
        self.curves.data["sharpness"].append(sharpness)
        with self.writer.as_default(step=step):
            for name, value in measures.one_split_each(self.row).items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("wae_lambda", model.wae_lambda.numpy())
            tf.summary.scalar("learning_rate", float(model.optimizer.learning_rate.numpy()))
        self.table.row(self.row, self.speed.images_per_second)
        advice = model.advice()
        if advice is not None and advice != self.advised:
            progress(f"since step {advice[0]} {advice[1]}")
        self.advised = advice

    def on_train_end(self, logs: dict | None = None) -> None:
        """Flushes the events."""
        self.writer.flush()


class Checkpoints(keras.callbacks.Callback):
    """Saves every N epochs, every N steps, and when a signal asks to stop.

    Weights that are not finite are not saved: a finite loss can have such a gradient, which the next
    step's loss shows.

    Args:
        config: how often to save, and how many to keep.
        run: the run's folder.
        model: the model.
        ends: whether an epoch ends at a step: its row of history must come before its checkpoint.
        state: gives what else to save, JSON values.
        stop: notes signals.
        best: whose epoch's checkpoint may have to stay.

    Raises:
        Interrupted: from `fit`, when a signal came and all is saved.
        RunError: a checkpoint cannot be written.
    """

    def __init__(
        self,
        config: Config,
        run: RunFolder,
        model: Wae,
        ends: Callable[[int], bool],
        state: Callable[[], dict[str, Any]],
        stop: Stop,
        best: Best,
    ):
        super().__init__()
        self.set_model(model)
        self.config, self.run, self.ends, self.state, self.stop = config, run, ends, state, stop
        self.best = best
        self.saved = int(model.step.numpy())

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves within an epoch, if it is time."""
        self.stop.patient = True  # from now on steps are worth waiting for; `fit` ends it
        every = self.config.save_every_steps
        if self.stop.number is None and every is None:
            return
        step = int(self.model.step.numpy())
        due = self.stop.number or (every and step - self.saved >= every)
        if due and not self.ends(step):
            self.save()
            self.leave()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves if it is this epoch's turn; after a bad step training has stopped before this."""
        every = self.config.save_every_steps
        due = every and int(self.model.step.numpy()) - self.saved >= every
        due = due or (self.config.keep_best and self.best.now)
        if due or (epoch + 1) % self.config.save_every == 0:
            self.save()
        self.leave()

    def save(self, anew: bool = False) -> None:
        """Saves now, under the number of the step; what is saved under it already stays, unless `anew`."""
        if not finite((self.model.encoder, self.model.decoder, self.model.adversary)):
            return
        checkpoints.save(self.run.checkpoints, self.model, self.state(), *self.kept(), anew)
        remote.push(self.run.folder)
        self.saved = int(self.model.step.numpy())
        self.stop.advice = f"step {self.saved} is saved; the same command goes on from there."

    def kept(self) -> tuple[int, list[int]]:
        """How many of the newest stay, and which steps' besides."""
        return self.config.keep_checkpoints, [self.best.step] if self.config.keep_best else []

    def leave(self) -> None:
        """Ends training if a signal asked for it, with the step saved.

        Raises:
            Interrupted: it did.
        """
        if self.stop.number is not None and int(self.model.step.numpy()) != self.saved:
            self.save()
        self.stop.check()
