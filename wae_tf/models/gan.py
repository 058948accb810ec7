"""WAE-GAN: an adversary tells codes from the prior sample."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models import arguments
from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.step import replicas
from wae_tf.models.step.guard import AdversaryWatch
from wae_tf.models.wae import Wae
from wae_tf.networks import official
from wae_tf.objective import penalties
from wae_tf.registry import register


@register(
    "model",
    "wae_gan",
    help="an adversary tells codes from the prior sample",
    options=("adversary_codes", "adversary_outputs", "adversary_weight"),
    # The stability study's rows with codes nearest to the prior (docs/advice.md).
    off_prior="a weaker penalty (--wae_lambda=0.1, or --recon_scale=1), pretraining, batches of 100 or "
    "more, more steps; or --model=wae_mmd, whose codes stayed near",
)
@keras.saving.register_keras_serializable("wae_tf")
class WaeGan(Wae):
    """WAE-GAN: an adversary tells codes from the prior sample (1711.01558, alg. 1).

    Arguments and methods are those of `Wae`; besides, `adversary` may be a network of your own, and
    `compile` takes a second optimizer, the adversary's. `fit` reports `adversary_loss` too.
    """

    defaults = {"model": "wae_gan"}  # noqa: RUF012
    terms = ("reconstruction", "penalty", "adversary_loss")
    adversary: keras.Model

    @arguments.as_of(Wae)
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.adversary is None:
            self.adversary = official.build_adversary(self.settings)
        self.adversary_watch = AdversaryWatch()

    def advice(self) -> tuple[int, str] | None:
        """Says that the adversary has won or died, since when."""
        return self.adversary_watch.advice()

    def adversary_logits(
        self, codes: tf.Tensor, parts: int = 1, training: bool = True
    ) -> list[tf.Tensor]:
        """Logits [n, 1] of each part [n, z] of the codes; [n, n] under the official Nowozin trick.

        codes: [parts * n, z].
        """
        logits = self.adversary(codes, training=training)
        if self.settings.adversary_outputs == 2:
            # A softmax over two classes is a sigmoid of the difference (replication wae.py:323-335).
            logits = logits[:, 1:] - logits[:, :1]
        logits = tf.split(logits, parts)
        if self.settings.gan_trick == "off":
            return logits
        scale, trick = self.settings.prior_scale, self.settings.gan_trick
        return [
            part + penalties.prior_log_density(those, scale, trick)
            for part, those in zip(logits, tf.split(codes, parts), strict=True)
        ]

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """See `penalties.gan`."""
        return penalties.gan(*self.adversary_logits(encoding.codes, training=encoding.training))

    def test_adversary(self, encoding: Encoding, prior_sample: tf.Tensor) -> dict[str, tf.Tensor]:
        """Of the codes that the penalty saw."""
        loss = self.adversary_loss_of(encoding.codes, prior_sample, encoding.training)
        return {"adversary_loss": loss}

    def adversary_loss(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise, training: bool = True
    ) -> tf.Tensor:
        """The adversary's loss on a batch, a scalar; see `penalties.adversary`."""
        codes = self.encoding(images, noise.of_own_rows(), training).codes
        return self.adversary_loss_of(replicas.gathered(codes), prior_sample, training)

    def adversary_loss_of(
        self, codes: tf.Tensor, prior_sample: tf.Tensor, training: bool = True
    ) -> tf.Tensor:
        """The adversary's loss on codes [n, z], a scalar; no gradient goes to the encoder."""
        codes = tf.stop_gradient(codes)
        # One pass over both: matrix products of twice the rows, a fifth faster on CPUs.
        both = tf.concat([prior_sample, codes], 0)
        prior, own = self.adversary_logits(both, parts=2, training=training)
        return penalties.adversary(prior, own, self._adversary_weight())

    def _adversary_weight(self) -> tf.Tensor | float:
        weight = self.settings.adversary_weight
        return tf.convert_to_tensor(self.wae_lambda) if weight is None else weight

    def update_adversary(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise | None,
        penalised: Encoding,
    ) -> dict[str, tf.Tensor]:
        """A second pass of the updated encoder, then the adversary's step (official wae.py:601-611).

        With adversary_codes=before_update, the step alone, on the codes that the penalty saw. An
        adversary of which nothing is trained stays as it is: its loss alone is made.
        """
        adversary = self.updates[1]
        with tf.GradientTape() as tape:
            if self.settings.adversary_codes == "before_update":
                loss = self.adversary_loss_of(penalised.codes, prior_sample)
            else:
                loss = self.adversary_loss(images, prior_sample, noise or Noise())
            scaled = adversary.scaled(self.with_added(loss, self.adversary.losses))
        gradients = tape.gradient(scaled, adversary.variables)
        known = [gradient for gradient in gradients if gradient is not None]
        if known:
            adversary.apply(gradients)
            step = tf.convert_to_tensor(self.step)
            self.adversary_watch.note(step, loss, known[0], self._adversary_weight())
        return {"adversary_loss": loss}
