"""WAE-SWD: the penalty is the sliced Wasserstein distance between codes and prior sample."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import sliced
from wae_tf.registry import register


@register(
    "model", "wae_swd", help="sliced Wasserstein distance of codes and prior sample", options=()
)
@keras.saving.register_keras_serializable("wae_tf")
class WaeSwd(Wae):
    """WAE whose penalty is the squared sliced Wasserstein distance (arXiv 1804.01947).

    Each step draws `swd_projections` directions of its own. Arguments and methods are those of `Wae`.
    """

    defaults = {"model": "wae_swd"}  # noqa: RUF012

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `sliced.sliced_wasserstein`.

        Raises:
            ValueError: noise without a key for the directions.
        """
        settings = self.settings
        if noise.penalty is None:
            raise ValueError("the penalty of WaeSwd draws directions: noise.penalty is its key.")
        along = sliced.directions(settings.swd_projections, settings.zdim, noise.penalty)
        return sliced.sliced_wasserstein(
            encoding.codes, prior_sample, along, divisor=settings.batch_divisor
        )
