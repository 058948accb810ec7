"""How batches reach the step: as floats, or as indices of images that the device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.data import batches
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_float, to_float_by_table
from wae_tf.settings import devices
from wae_tf.training import distribution

if TYPE_CHECKING:  # where it asks what a device can hold
    from wae_tf.training.programs import Calls

#: Bytes of images that a GPU keeps: all of CelebA at 64x64 (2.2 GB), and little beside its memory.
MOST_ON_GPU = 3 << 30


def device_can_hold(images: np.ndarray, one_program: bool) -> bool:
    """Whether the bytes can stay with the model, which then gathers batches itself.

    On GPUs; and on CPUs where all steps of a call are one program, into which floats would be
    copied. On a CPU without XLA, hold nothing: the input threads gather batches.
    """
    if devices.has_gpu():
        return images.nbytes <= MOST_ON_GPU
    return one_program and batches.fits_in_memory(images)


def on_many_devices(model: Wae) -> bool:
    """Whether there is another device than one CPU, whose memory is not the process's."""
    gpu = devices.has_gpu()
    return gpu or model.distribute_strategy.num_replicas_in_sync > 1


def as_tensor(images: np.ndarray) -> tf.Tensor:
    """Images of a run, which nobody changes: in the same memory where TensorFlow can take it.

    It aborts at a tensor that does not begin at 64 bytes, as `arrays.in_order` makes arrays begin.
    """
    usable = images.flags.c_contiguous and images.flags.writeable and images.dtype == np.uint8
    if usable and images.ctypes.data % 64 == 0:
        return tf.experimental.dlpack.from_dlpack(images.__dlpack__())
    return tf.constant(images)


def keep_on_device(model: Wae, images_uint8: np.ndarray, labels: np.ndarray | None = None) -> None:
    """Keeps images on the model's device, so that batches can be indices (`index_batches`).

    Args:
        model: whose `batch_to_images` is set; floats are taken as before.
        images_uint8: uint8 [N, H, W, C]; on many devices each gets them all.
        labels: int64 [N], of a model with classes.
    """
    with model.distribute_strategy.scope():
        held = images_uint8 if on_many_devices(model) else as_tensor(images_uint8)
        image_tensor = tf.Variable(held, trainable=False, name="images")
    pixel_range = model.settings.pixel_range_of_data
    # The same bits; a table is read byte by byte on a CPU, and float64 is slow on GPUs.
    floats = to_float_by_table if devices.has_gpu() else to_float

    def gather(batch: tf.Tensor) -> tf.Tensor:
        if batch.shape.rank != 1 or batch.dtype != tf.int64:
            return model.as_pixels(batch)
        return model.as_pixels(floats(tf.gather(image_tensor, batch), pixel_range))

    if labels is not None:
        with model.distribute_strategy.scope():
            label_tensor = tf.Variable(labels, trainable=False, name="labels")
        model.batch_to_labels = lambda batch: tf.gather(label_tensor, batch)
    model.batch_to_images = gather  # a function: checkpoints hold no variable of its


class Feed:
    """The training batches of a run, from any step on.

    Args:
        model: whose device may keep the images.
        images: uint8 [N, H, W, C].
        config: batch_size and seed.
        calls: of what is left of the run: where a call is one program, its batches are an element.
        labels: int64 [N], of a model with classes.
    """

    def __init__(
        self,
        model: Wae,
        images: np.ndarray,
        config: Config,
        calls: Calls,
        labels: np.ndarray | None = None,
    ):
        self.config, self.calls = config, calls
        self.strategy = model.distribute_strategy
        model.trusts_batches = True
        self.count = len(images)
        self.images, self.labels = None, labels
        if device_can_hold(images, calls.one_program):
            keep_on_device(model, images, labels)
        else:
            self.images = batches.in_memory(images)

    def from_step(self, start: int, epoch: int) -> Any:
        """What `fit` takes: endless, each element shared by the replicas.

        Args:
            start: the first step.
            epoch: steps of an epoch of this `fit`; no element has batches of two.
        """

        def part(rows: tuple[int, int]) -> tf.data.Dataset:
            common: dict[str, Any] = {
                "batch_size": self.config.batch_size,
                "seed": self.config.seed,
                "rows": rows,
                "start_step": start,
                "order": self.config.batch_order,
            }
            if self.images is None:
                found = batches.index_batches(self.count, **common)
            else:
                found = batches.image_batches(
                    self.images,
                    pixel_range=self.config.pixel_range_of_data,
                    labels=self.labels,
                    **common,
                )
            if not self.calls.one_program:
                return found
            found = batches.together(found, self.calls.each, epoch)
            return found.prefetch(1) if self.images is None else found  # floats take much memory

        return distribution.distributed_dataset(self.strategy, self.config.batch_size, part)
