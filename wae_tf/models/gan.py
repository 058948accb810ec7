"""WAE-GAN: an adversary tells codes from the prior sample."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.step import replicas
from wae_tf.models.step.guard import AdversaryWatch
from wae_tf.models.wae import Wae
from wae_tf.networks import official
from wae_tf.objective import penalties


@keras.saving.register_keras_serializable("wae_tf")
class WaeGan(Wae):
    """WAE-GAN: an adversary tells codes from the prior sample (1711.01558, alg. 1)."""

    defaults = {"model": "wae_gan"}  # noqa: RUF012
    terms = ("reconstruction", "penalty", "adversary_loss")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.adversary is None:
            self.adversary = official.build_adversary(self.settings)
        self.adversary_watch = AdversaryWatch()

    def advice(self) -> tuple[int, str] | None:
        """Says that the adversary has won or died, since when."""
        return self.adversary_watch.advice()

    def adversary_logits(self, codes: tf.Tensor, parts: int = 1) -> list[tf.Tensor]:
        """Logits [n, 1] of each part [n, z] of the codes; [n, n] under the official Nowozin trick.

        codes: [parts * n, z].
        """
        logits = tf.split(self.adversary(codes, training=True), parts)
        if self.settings.gan_trick == "off":
            return logits
        scale, trick = self.settings.prior_scale, self.settings.gan_trick
        return [
            part + penalties.prior_log_density(those, scale, trick)
            for part, those in zip(logits, tf.split(codes, parts), strict=True)
        ]

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.gan`."""
        return penalties.gan(*self.adversary_logits(encoding.codes))

    def adversary_loss(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise, training: bool = True
    ) -> tf.Tensor:
        """The adversary's loss on a batch, a scalar; see `penalties.adversary`."""
        codes = self.encoding(images, noise.of_own_rows(), training).codes
        codes = tf.stop_gradient(replicas.gathered(codes))
        # One pass over both: matrix products of twice the rows, a fifth faster on CPUs.
        both = self.adversary_logits(tf.concat([prior_sample, codes], 0), parts=2)
        return penalties.adversary(*both, tf.convert_to_tensor(self.wae_lambda))

    def update_adversary(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise | None
    ) -> dict[str, tf.Tensor]:
        """A second pass of the updated encoder, then the adversary's step (official wae.py:600-612)."""
        adversary = self.updates[1]
        with tf.GradientTape() as tape:
            loss = self.adversary_loss(images, prior_sample, noise or Noise())
            scaled = adversary.scaled(loss)
        gradients = tape.gradient(scaled, adversary.variables)
        adversary.apply(gradients)
        weight = tf.convert_to_tensor(self.wae_lambda)
        self.adversary_watch.note(tf.convert_to_tensor(self.step), loss, gradients[0], weight)
        return {"adversary_loss": loss}
