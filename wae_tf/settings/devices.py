"""Whether this machine has a GPU."""

from __future__ import annotations


def has_gpu() -> bool:
    """Whether TensorFlow has one; one that `tf.config.set_visible_devices` hides is none."""
    import tensorflow as tf  # settings are read without it

    return bool(tf.config.get_visible_devices("GPU"))
