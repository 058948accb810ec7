"""The variational auto-encoder on the same networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties


@keras.saving.register_keras_serializable("wae_tf")
class Vae(Wae):
    """The variational auto-encoder on the same networks: cost + lambda * KL (Kingma, Welling 2014)."""

    defaults = {"model": "vae", "encoder_noise": "gaussian", "wae_lambda": 1.0}  # noqa: RUF012

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.kl`."""
        return penalties.kl(encoding.mean, encoding.logvar, self.settings.prior_scale)
