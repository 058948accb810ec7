"""WAE-MMD: the penalty is the squared MMD between codes and prior sample."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.wae import Encoding, Noise, Wae
from wae_tf.objective import penalties, priors


@keras.saving.register_keras_serializable("wae_tf")
class WaeMmd(Wae):
    """WAE-MMD: the penalty is the squared MMD between codes and prior sample (1711.01558, alg. 2)."""

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.mmd`."""
        config = self.config
        found = penalties.mmd(
            encoding.codes,
            prior_sample,
            kernel=config.mmd_kernel,
            width=priors.kernel_width(config.prior, config.zdim, config.prior_scale),
            scales=config.mmd_scales,
            distances=config.mmd_distances,
            size=config.batch_size if config.batch_divisor == "batch_size" else None,
        )
        return penalties.clamped(found, config.mmd_clamp)
