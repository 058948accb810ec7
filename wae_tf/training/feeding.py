"""How batches reach the step: as floats, or as indices of images that the device holds."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wae_tf.data import batches

#: Bytes of images that a GPU keeps: all of CelebA at 64x64 (2.2 GB), and little beside its memory.
MOST_ON_GPU = 3 << 30


def device_can_hold(images: np.ndarray, looped: bool) -> bool:
    """Whether the bytes can stay with the model, which then gathers batches itself.

    On GPUs; and on CPUs where all steps of an execution are one program, into which floats would be
    copied. Else a CPU's other threads may as well gather them.
    """
    if tf.config.list_physical_devices("GPU"):
        return images.nbytes <= MOST_ON_GPU
    return looped and batches.fits_in_memory(images)
