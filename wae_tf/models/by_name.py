"""The model that a Config names."""

from __future__ import annotations

from wae_tf import registry
from wae_tf.config import Config, check_is_config
from wae_tf.models.wae import Wae
from wae_tf.settings import devices

# All of them, so that Keras knows them when it opens a saved one.
for _name in registry.names("model"):
    registry.load("model", _name)


def from_config(config: Config, image_shape: tuple[int, ...], data_size: int) -> Wae:
    """The model that the config names, for data of this shape.

    A learning rate that is not constant follows each `fit`'s epochs and batches. Where the config has a
    `tf32`, TensorFlow is told: it has one such setting for the whole process, the last model's.

    Args:
        config: of a run.
        image_shape: (H, W, C), or (d,) of vectors.
        data_size: number of training images.

    Raises:
        KeywordError: no Config, no shape of data, or a data_size below 1.
        FlagError: settings that do not fit the data.
    """
    check_is_config(config)
    devices.take_tf32(config.tf32)
    model = registry.get("model", config.model)(image_shape, config, data_size=data_size)
    # Of a loop of one's own; `fit` follows its own epochs.
    model.schedules.set_length(config.steps_an_epoch(data_size), config.epochs, given=False)
    return model
