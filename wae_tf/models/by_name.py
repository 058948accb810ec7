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
    """The model that the config names, for images of this shape."""
    return _CLASSES[config.model](image_shape, config, data_size=data_size)
