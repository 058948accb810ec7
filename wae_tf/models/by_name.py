"""The model that a Config names."""

from __future__ import annotations

from wae_tf.config import Config
from wae_tf.models.gan import WaeGan
from wae_tf.models.mmd import WaeMmd
from wae_tf.models.mmdpp import WaeMmdpp, WaeMmdppp
from wae_tf.models.vae import Vae
from wae_tf.models.wae import Wae

_CLASSES = {
    "wae_mmd": WaeMmd,
    "wae_gan": WaeGan,
    "wae_mmdpp": WaeMmdpp,
    "wae_mmdppp": WaeMmdppp,
    "vae": Vae,
}


def from_config(config: Config, image_shape: tuple[int, int, int], data_size: int) -> Wae:
    """The model that the config names, for images of this shape and its training's length.

    Args:
        config: of a run.
        image_shape: (H, W, C).
        data_size: number of training images.
    """
    return _CLASSES[config.model](
        image_shape,
        config.settings,
        data_size=data_size,
        schedule_length=(data_size // config.batch_size, config.epochs),
    )
