"""MMD++ and MMD+++: ten codes an image, and a training set known to be finite."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models import arguments
from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import mmdpp, priors
from wae_tf.registry import register


@register("model", "wae_mmdpp", help="MMD++", needs={"encoder_noise": "gaussian"}, options=())
@keras.saving.register_keras_serializable("wae_tf")
class WaeMmdpp(Wae):
    """WAE with MMD++ (official improved_wae.py:237-354): ten codes an image, and N is known to be finite.

    Arguments and methods are those of `Wae`; `data_size`, N, must be given.
    """

    defaults = {"model": "wae_mmdpp", "encoder_noise": "gaussian"}  # noqa: RUF012
    codes_per_image = mmdpp.CODES_AN_IMAGE
    least_codes = 2
    coordinates = False
    data_size: int

    @arguments.as_of(Wae)
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not self.data_size:
            raise ValueError(
                f"{type(self).__name__} needs data_size=N, the number of training images."
            )

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `mmdpp.mmdpp`."""
        settings = self.settings
        return mmdpp.mmdpp(
            mmdpp.many_codes(encoding.mean, encoding.logvar, noise.codes_per_image),
            prior_sample,
            data_size=self.data_size,
            kernel=settings.mmd_kernel,
            width=priors.kernel_width(settings.prior, settings.zdim, settings.prior_scale),
            coordinates=self.coordinates,
        )


@register(
    "model",
    "wae_mmdppp",
    help="MMD++ of each coordinate",
    needs={"encoder_noise": "gaussian"},
    options=(),
)
@keras.saving.register_keras_serializable("wae_tf")
class WaeMmdppp(WaeMmdpp):
    """WAE with MMD++ of each coordinate of the code (official improved_wae.py:371-482).

    Arguments and methods are those of `WaeMmdpp`.
    """

    defaults = {"model": "wae_mmdppp", "encoder_noise": "gaussian"}  # noqa: RUF012
    coordinates = True
