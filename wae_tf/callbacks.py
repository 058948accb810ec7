"""Keras callbacks of a run: stop on trouble, speed, a line and a row an epoch, figures, checkpoints."""

from __future__ import annotations

import time
from typing import Any

import keras
import tensorflow as tf

from wae_tf import evaluation, figures, gallery
from wae_tf.data import ImageSet, to_unit
from wae_tf.errors import RunError
from wae_tf.models import Wae
from wae_tf.runs import Run

#: Points of the step curves that a run keeps.
CURVE_POINTS = 2000


class Guard(keras.callbacks.Callback):
    """Stops training after a step whose loss is not finite, with a sentence for the user."""

    def __init__(self, run: Run, writes: bool = True):
        super().__init__()
        self.run = run
        self.writes = writes

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads the flag that the compiled step has set."""
        trouble = self.model.trouble()
        if trouble is None:
            return
        step, terms = trouble
        if self.writes:
            self.run.update_metrics({"diverged_step": step + 1})
        newest = tf.train.latest_checkpoint(str(self.run.checkpoints))
        kept = (
            f"the last good checkpoint is {newest}" if newest else "no checkpoint was written yet"
        )
        raise RunError(
            f"the run stopped: {' and '.join(terms)} not finite at step {step + 1}; {kept}; "
            "try a smaller --lr or --wae_lambda."
        )


class Speed(keras.callbacks.Callback):
    """Adds images/s to the progress bar, and adds up the time that training itself took."""

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size
        self.seconds = 0.0
        self.steps = 0
        self._epoch_start = self._epoch_steps = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch_start, self._epoch_steps = time.perf_counter(), 0
        self._compiling = self.steps == 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts; the very first step compiles and is left out of the clock."""
        if self._compiling:
            self._compiling = False
            self._epoch_start = time.perf_counter()
            self._first = batch + 1
            return
        self._epoch_steps = batch + 1 - getattr(self, "_first", 0)
        if logs is not None:
            elapsed = time.perf_counter() - self._epoch_start
            logs["images/s"] = self._epoch_steps * self.batch_size / max(elapsed, 1e-9)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the epoch to the total."""
        self.seconds += time.perf_counter() - self._epoch_start
        self.steps += int(self._epoch_steps)
        self._first = 0

    @property
    def images_per_second(self) -> float:
        """Over all steps after the first; NaN before any."""
        return self.steps * self.batch_size / self.seconds if self.steps else float("nan")


class Curves(keras.callbacks.Callback):
    """Keeps the objective's terms of single steps, as many as a figure can show."""

    def __init__(self, total_steps: int):
        super().__init__()
        self.every = max(1, total_steps // CURVE_POINTS)
        self.data: dict[str, list[float]] = {
            name: []
            for name in ("step", "reconstruction", "penalty", "sharpness_step", "sharpness")
        }

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads the last step's terms, every few steps."""
        step = int(self.model.step.numpy())
        if step % self.every == 0:
            latest = self.model.latest.numpy()
            self.data["step"].append(step)
            self.data["reconstruction"].append(float(latest[1]))
            self.data["penalty"].append(float(latest[2]))


class Report(keras.callbacks.Callback):
    """A line on the screen, a row in history.csv and TensorBoard scalars after each epoch."""

    def __init__(self, run: Run, images: ImageSet, curves: Curves, speed: Speed):
        super().__init__()
        self.run, self.images, self.curves, self.speed = run, images, curves, speed
        self.writer = tf.summary.create_file_writer(str(run.events))
        self.row: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock of the row."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tests on the first images of the test set and writes."""
        model: Wae = self.model
        config = model.config
        test = self.images.test[: config.epoch_test_size]
        measured = evaluation.terms_on(model, test, min(config.batch_size, len(test)))
        count = min(config.pictures, 100)
        samples = evaluation.samples(model, count, seed=config.seed)
        sharpness = float(evaluation.sharpness(samples).min())
        step = int(model.step.numpy())
        logs = logs or {}
        self.row = {
            "epoch": epoch + 1,
            "step": step,
            **{name: logs[name] for name in ("loss", *model.terms)},
            "test_reconstruction": measured["test_reconstruction"],
            "sharpness": sharpness,
            "seconds": time.perf_counter() - self._start,
        }
        self.run.append_history(self.row)
        self.curves.data["sharpness_step"].append(step)
        self.curves.data["sharpness"].append(sharpness)
        with self.writer.as_default(step=step):
            for name, value in self.row.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(name, value)
            tf.summary.scalar("wae_lambda", model.wae_lambda.numpy())
            tf.summary.scalar("learning_rate", float(model.optimizer.learning_rate.numpy()))
        print(
            f"epoch {epoch + 1}: step {step}, test reconstruction "
            f"{measured['test_reconstruction']:.4f}, test penalty {measured['penalty']:.4f}, "
            f"sharpness {sharpness:.5f}, {self.speed.images_per_second:.0f} images/s",
            flush=True,
        )

    def on_train_end(self, logs: dict | None = None) -> None:
        """Flushes the events."""
        self.writer.flush()


class Figures(keras.callbacks.Callback):
    """Draws the six-panel figure, curves, interpolations and traversals every N epochs."""

    def __init__(self, run: Run, images: ImageSet, report: Report):
        super().__init__()
        self.run, self.images, self.report = run, images, report

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Draws if it is this epoch's turn."""
        every = self.model.config.figure_every
        if every and (epoch + 1) % every == 0:
            self.draw(epoch + 1)

    def draw(self, epoch: int) -> None:
        """Draws everything, named by the epoch where it is worth keeping."""
        model: Wae = self.model
        folder = self.run.figures
        step = int(model.step.numpy())
        train, test = self.images.train, self.images.test
        title = f"{model.config.dataset} {model.config.model}, epoch {epoch}, step {step}"
        six_panel = folder / f"progress_{epoch:04d}.png"
        gallery.draw_progress(model, six_panel, train, test, self.report.curves.data, title)
        gallery.draw_interpolations(model, folder / "interpolations.png", test)
        gallery.draw_traversals(model, folder / "traversals.png", test)
        samples = evaluation.samples(model, model.config.pictures, seed=model.config.seed)
        gallery.draw_samples(model, folder / "samples.png", samples)
        count = min(len(test), 500)
        data = evaluation.sharpness(evaluation.in_batches(model.as_pixels, test[:count]))
        figures.training_curves(
            folder / "curves.png", self.run.read_history(), sharpness_data=float(data.min())
        )
        pixel_range = model.config.pixel_range_of_data
        reconstructed = evaluation.reconstructions(model, test[:8])
        with self.report.writer.as_default(step=step):
            for name, images in (("samples", samples[:8]), ("test reconstructions", reconstructed)):
                pictures = to_unit(images, pixel_range)
                if pictures.shape[-1] in (1, 3):
                    tf.summary.image(name, pictures, max_outputs=8)


class Checkpoints(keras.callbacks.Callback):
    """Saves the model with its optimizers every N epochs."""

    def __init__(self, run: Run, model: Wae):
        super().__init__()
        self.set_model(model)
        self.manager = manager(run, model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves if it is this epoch's turn; after a bad step training has stopped before this."""
        if (epoch + 1) % self.model.config.save_every == 0:
            self.save()

    def save(self) -> None:
        """Saves now, under the number of the step, unless that is saved already."""
        step = int(self.model.step.numpy())
        newest = self.manager.latest_checkpoint
        if newest is None or not newest.endswith(f"-{step}"):
            self.manager.save(checkpoint_number=step)


def manager(run: Run, model: Wae) -> tf.train.CheckpointManager:
    """The checkpoints of a run's folder, of the model and both optimizers."""
    return tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model),
        str(run.checkpoints),
        max_to_keep=model.config.keep_checkpoints,
        checkpoint_name="step",
    )
