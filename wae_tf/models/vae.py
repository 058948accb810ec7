"""The variational auto-encoder on the same networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties
from wae_tf.registry import register


@register(
    "model",
    "vae",
    help="KL divergence of each code",
    needs={"encoder_noise": "gaussian"},
    options=(),
)
@keras.saving.register_keras_serializable("wae_tf")
class Vae(Wae):
    """The variational auto-encoder on the same networks: cost + lambda * KL (Kingma, Welling 2014).

    Arguments and methods are those of `Wae`; `wae_lambda` is 1 where it is not given.
    """

    defaults = {"model": "vae", "encoder_noise": "gaussian", "wae_lambda": 1.0}  # noqa: RUF012

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.kl`."""
        kl = penalties.kl(encoding.mean, encoding.logvar, self.settings.prior_scale)
        divisor = self.settings.batch_divisor
        if divisor is None:
            return kl
        return kl * tf.cast(tf.shape(encoding.mean)[0], kl.dtype) / divisor
