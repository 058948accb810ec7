"""MMD++ and MMD+++: ten codes an image, and a training set known to be finite."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models.wae import Encoding, Noise, Wae
from wae_tf.objective import penalties, priors
from wae_tf.registry import register


@register("model", "wae_mmdpp", help="MMD++", needs={"encoder_noise": "gaussian"})
@keras.saving.register_keras_serializable("wae_tf")
class WaeMmdpp(Wae):
    """WAE with MMD++ (official improved_wae.py:237-360): ten codes an image, and N is known to be finite."""

    defaults = {"model": "wae_mmdpp", "encoder_noise": "gaussian"}  # noqa: RUF012
    coordinates = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not self.data_size:
            raise ValueError(
                f"{type(self).__name__} needs data_size=N, the number of training images."
            )

    def _many_noise(self, count: Any, normal: Any) -> tf.Tensor:
        return normal("many", count * penalties.CODES_AN_IMAGE)

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.mmdpp`."""
        config = self.config
        return penalties.mmdpp(
            penalties.many_codes(encoding.mean, encoding.logvar, noise.many),
            prior_sample,
            data_size=self.data_size,
            kernel=config.mmd_kernel,
            width=priors.kernel_width(config.prior, config.zdim, config.prior_scale),
            coordinates=self.coordinates,
        )


@register(
    "model", "wae_mmdppp", help="MMD++ of each coordinate", needs={"encoder_noise": "gaussian"}
)
@keras.saving.register_keras_serializable("wae_tf")
class WaeMmdppp(WaeMmdpp):
    """WAE with MMD++ of each coordinate of the code (official improved_wae.py:379-482)."""

    defaults = {"model": "wae_mmdppp", "encoder_noise": "gaussian"}  # noqa: RUF012
    coordinates = True
