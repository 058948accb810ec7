"""The variational auto-encoder on the same networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.wae import Encoding, Noise, Wae
from wae_tf.objective import penalties


@keras.saving.register_keras_serializable("wae_tf")
class Vae(Wae):
    """The variational auto-encoder on the same networks: cost + lambda * KL (Kingma, Welling 2014)."""

    defaults = {"model": "vae", "encoder_noise": "gaussian", "wae_lambda": 1.0, "pretrain": False}  # noqa: RUF012

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.kl`."""
        kl = penalties.kl(encoding.mean, encoding.logvar, self.config.prior_scale)
        return kl * self._share_of_batch(encoding.mean)
