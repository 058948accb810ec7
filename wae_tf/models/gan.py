"""WAE-GAN: an adversary tells codes from the prior sample."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from wae_tf.models.step import replicas
from wae_tf.models.wae import ADVERSARY_WON, Encoding, Noise, Wae
from wae_tf.networks import official
from wae_tf.objective import penalties


@keras.saving.register_keras_serializable("wae_tf")
class WaeGan(Wae):
    """WAE-GAN: an adversary tells codes from the prior sample (1711.01558, alg. 1)."""

    defaults = {"model": "wae_gan"}  # noqa: RUF012
    terms = ("reconstruction", "penalty", "adversary_loss")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.adversary = official.build_adversary(self.config)
        # Since when the adversary's loss (1) or gradient (2) has been next to nothing; -1: it is not.
        self.adversary_since = self._state("adversary_since", (), -1, "int64")
        self.adversary_fault = self._state("adversary_fault", (), 0, "int32")

    def warning(self) -> tuple[int, str] | None:
        """Says that the adversary has won or died, since when."""
        since, fault = int(self.adversary_since.numpy()), int(self.adversary_fault.numpy())
        if since < 0:
            return None
        return since, (
            "the adversary tells codes from the prior at once, and they learn little from it: try a "
            "smaller --lr_adv."
            if fault == 1
            else "the adversary says the same of every code and learns no more: its units are dead, "
            "try a smaller --lr_adv or another --seed."
        )

    def _note_adversary(self, loss: tf.Tensor, gradient: tf.Tensor) -> None:
        weight = self.config.adversary_weight
        balance = tf.convert_to_tensor(self.wae_lambda) if weight is None else weight
        balance *= 2 * math.log(2)
        won = loss < ADVERSARY_WON * balance
        dead = (balance > 0) & tf.reduce_all(tf.equal(gradient, 0))
        fault = tf.where(won, 1, tf.where(dead, 2, 0))
        same = tf.equal(fault, tf.convert_to_tensor(self.adversary_fault))
        since = tf.where(fault > 0, self.step, tf.constant(-1, tf.int64))
        self.adversary_since.assign(tf.where(same, self.adversary_since, since))
        self.adversary_fault.assign(fault)

    def adversary_logits(self, codes: tf.Tensor, parts: int = 1) -> list[tf.Tensor]:
        """Logits [n, 1] of each part [n, z] of the codes; [n, n] under the official Nowozin trick.

        codes: [parts * n, z].
        """
        logits = self.adversary(codes, training=True)
        if self.config.adversary_outputs == 2:
            # A softmax over two classes is a sigmoid of the difference (replication wae.py:311-321).
            logits = logits[:, 1:] - logits[:, :1]
        logits = tf.split(logits, parts)
        if self.config.gan_trick == "off":
            return logits
        scale, trick = self.config.prior_scale, self.config.gan_trick
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
        codes = self._encoding_of_own(images, noise, training).codes
        return self._adversary_loss_of_codes(replicas.gathered(codes), prior_sample)

    def _adversary_loss_of_codes(self, codes: tf.Tensor, prior_sample: tf.Tensor) -> tf.Tensor:
        codes = tf.stop_gradient(codes)
        # One pass over both: matrix products of twice the rows, a fifth faster on CPUs.
        both = self.adversary_logits(tf.concat([prior_sample, codes], 0), parts=2)
        weight = self.config.adversary_weight
        if weight is None:
            weight = tf.convert_to_tensor(self.wae_lambda)
        return penalties.adversary(*both, weight)

    def update_adversary(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise | None,
        penalty_codes: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """A second pass of the updated encoder, then the adversary's step (official wae.py:600-612).

        With adversary_codes=before_update, the step alone, on the codes that the penalty saw.
        """
        variables = self.adversary.trainable_variables
        with tf.GradientTape() as tape:
            if self.config.adversary_codes == "before_update":
                loss = self._adversary_loss_of_codes(penalty_codes, prior_sample)
            else:
                loss = self.adversary_loss(images, prior_sample, noise or Noise())
            scaled = self._scaled_loss(self.adversary_optimizer, loss)
        gradients = tape.gradient(scaled, variables)
        self._apply(self.adversary_optimizer, gradients, variables)
        self._note_adversary(loss, gradients[0])
        return {"adversary_loss": loss}
