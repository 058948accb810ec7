"""WAE-MMD: the penalty is the squared MMD between codes and prior sample."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties, priors
from wae_tf.registry import register


@register(
    "model",
    "wae_mmd",
    help="squared MMD between codes and prior sample",
    options=("mmd_distances", "mmd_clamp"),
    # The stability study's (docs/advice.md).
    off_prior="more steps, --lr from 1e-3 to 3e-2, batch norm, a larger --batch_size",
)
@keras.saving.register_keras_serializable("wae_tf")
class WaeMmd(Wae):
    """WAE-MMD: the penalty is the squared MMD between codes and prior sample (1711.01558, alg. 2).

    `mmd_kernel` is its kernel: `imq`, summed over `mmd_scales`, or `rbf`; `wae_lambda` its weight.
    Arguments and methods are those of `Wae`:

        model = wae_tf.WaeMmd((28, 28, 1), zdim=8)
        model.compile()
        model.fit(images, epochs=20, batch_size=100)
    """

    @property
    def least_codes(self) -> int:
        """A pair, or a single one where `batch_divisor` says whose pairs they are."""
        settings = self.settings
        return 1 if settings.batch_divisor and settings.mmd_kernel == "imq" else 2

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.mmd`."""
        settings = self.settings
        found = penalties.mmd(
            encoding.codes,
            prior_sample,
            kernel=settings.mmd_kernel,
            width=priors.kernel_width(settings.prior, settings.zdim, settings.prior_scale),
            scales=settings.mmd_scales,
            distances=settings.mmd_distances,
            divisor=settings.batch_divisor,
        )
        return penalties.clamped(found, settings.mmd_clamp)
