"""What a run draws: its data before the first step, and the Keras callback that draws its figures."""

from __future__ import annotations

import gc
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import brief
from wae_tf.figures import of_model, of_vectors
from wae_tf.figures.curves import training_curves
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit
from wae_tf.runs import remote
from wae_tf.runs.folder import RunFolder
from wae_tf.training.callbacks import Checkpoints, Report


def draw_data(model: Wae, config: Config, run: RunFolder, train: np.ndarray) -> None:
    """Draws training images as the networks see them: whether the data are read right.

    There is something to look at then, seconds after the start.

    Args:
        model: the model, its weights no matter.
        config: of the run; without figures, or of data that are no pictures, nothing is drawn.
        run: its folder.
        train: the training data, [n, H, W, C].
    """
    if not (config.figure_every and model.of_pictures):
        return
    file = run.figures / "data.png"
    of_model.draw_data(model, file, train, config.pictures, config.picture_columns)
    progress(f"{file} shows training images as the networks see them")


class Figures(keras.callbacks.Callback):
    """Draws the six-panel figure, curves, interpolations and traversals after the first epoch and every N.

    A signal does not wait for them, and no step for a disk that is full: the run that goes on draws them
    first.
    """

    def __init__(
        self,
        config: Config,
        run: RunFolder,
        images: ImageSet,
        report: Report,
        checkpoints: Checkpoints,
    ):
        super().__init__()
        self.config, self.run, self.images, self.report = config, run, images, report
        self.checkpoints = checkpoints
        self.drawn = 0  # the last epoch that was

    def due(self, epoch: int) -> bool:
        """Whether it is an epoch's turn, counted from 1."""
        every = self.config.figure_every
        return bool(every) and (epoch == 1 or epoch % every == 0)  # the first: something to look at

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """A figure of this epoch is of one that --steps cut short or that was rolled back."""
        self._six_panel(epoch + 1).unlink(missing_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Draws if it is this epoch's turn; after its checkpoint, which has left if a signal came."""
        if self.due(epoch + 1):
            self.draw(epoch + 1)
            remote.push(self.run.folder)
            self.checkpoints.leave()

    def catch_up(self, epoch: int) -> None:
        """Draws those of the epoch that a run goes on from, if it ended before the last of them."""
        if epoch and self.due(epoch) and not self._six_panel(epoch).exists():
            self.draw(epoch)

    def _six_panel(self, epoch: int) -> Path:
        return self.run.figures / f"progress_{epoch:04d}.png"

    def draw(self, epoch: int) -> None:
        """Draws everything, named by the epoch where it is worth keeping."""
        self.drawn = epoch
        model: Wae = self.model
        config, folder = self.config, self.run.figures
        step = int(model.step.numpy())
        train, test, labels = self.images.train, self.images.test, self.images.test_labels
        title = f"{config.dataset} {config.model}, epoch {epoch}, step {step}"
        if not model.of_pictures:
            curves, history = self.report.curves.data, self.run.read_history()
            of_vectors.draw(model, folder, train, test, curves, history, title, epoch, labels)
            gc.collect()
            return
        of_model.draw_interpolations(model, folder / "interpolations.png", test, labels)
        of_model.draw_traversals(model, folder / "traversals.png", test, labels)
        if model.settings.classes:
            of_model.draw_classes(model, folder / "classes.png", config.seed)
        samples = passes.samples(model, config.pictures, seed=config.seed)
        of_model.draw_samples(
            model, folder / "samples.png", samples, config.pictures, config.picture_columns
        )
        count = min(len(test), 500)
        data = brief.sharpness(passes.in_batches(model.as_pixels, test[:count]))
        training_curves(
            folder / "curves.png", self.run.read_history(), sharpness_data=float(data.min())
        )
        pixel_range = config.pixel_range_of_data
        reconstructed = passes.reconstructions(model, test[:8], labels=passes.first(labels, 8))
        with self.report.writer.as_default(step=step):
            for name, images in (("samples", samples[:8]), ("test reconstructions", reconstructed)):
                pictures = to_unit(images, pixel_range)
                if pictures.shape[-1] in (1, 3):
                    tf.summary.image(name, pictures, max_outputs=8)
        # Last: where it is, the others are.
        of_model.draw_progress(
            model,
            self._six_panel(epoch),
            train,
            test,
            self.report.curves.data,
            title,
            pictures=config.pictures,
            columns=config.picture_columns,
            train_labels=self.images.train_labels,
            test_labels=labels,
        )
        gc.collect()  # figures hold each other in cycles, some 20 MB a drawing
