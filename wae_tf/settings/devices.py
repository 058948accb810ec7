"""Whether this machine has a GPU, and in what its products of float32 are computed."""

from __future__ import annotations

#: What TensorFlow was told here, and what it had before.
_told: list[bool] = []


def has_gpu() -> bool:
    """Whether TensorFlow has one; one that `tf.config.set_visible_devices` hides is none."""
    import tensorflow as tf  # settings are read without it

    return bool(tf.config.get_visible_devices("GPU"))


def take_tf32(wanted: bool | None) -> None:
    """Has TensorFlow compute in TF32 on GPUs or not, in all of the process.

    Args:
        wanted: None: as it was before this was called, unless somebody else has changed it since.
    """
    import tensorflow as tf

    now = tf.config.experimental.tensor_float_32_execution_enabled()
    if wanted is None:
        if not _told or _told[0] != now:
            return
        wanted = _told[1]
        _told.clear()
    else:
        _told[:] = [wanted, _told[1] if _told and _told[0] == now else now]
    tf.config.experimental.enable_tensor_float_32_execution(wanted)
