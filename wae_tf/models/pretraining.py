"""The step that brings the codes' moments near the prior's, the encoder alone."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.models.encoding import Noise
from wae_tf.models.step import layer_seeds, replicas, updates
from wae_tf.models.wae import Wae
from wae_tf.objective import penalties


def make_update(model: Wae) -> updates.Update:
    """The update of the encoder alone, of an optimizer of its own without a schedule."""
    settings = model.settings
    optimizer = updates.make_optimizer(settings, settings.lr)
    return updates.Update(
        updates.loss_scaled(optimizer, settings), model.encoder.trainable_variables, settings.lr
    )


def step(
    model: Wae,
    update: updates.Update,
    images: tf.Tensor,
    prior_sample: tf.Tensor,
    noise: Noise,
) -> tf.Tensor:
    """One step of the encoder towards the prior's moments (official wae.py:429-452).

    Args:
        model: its encoder is moved.
        update: from `make_update`.
        images: float [n, H, W, C] in the model's pixel range; in a replica, its rows of them.
        prior_sample: [m, z]; m scales the covariance of both (official wae.py:137-142).
        noise: of this pass.

    Returns:
        the loss, a scalar.
    """
    # Layers that draw follow from the seed here too; below 0 are the steps that no training has.
    made = tf.cast(tf.convert_to_tensor(update.optimizer.iterations), tf.int64)
    layer_seeds.set_to(model.settings.seed, -1 - made, {"encoder": model.encoder})
    with tf.GradientTape() as tape:
        codes = model.encoding(images, noise.of_own_rows(), training=True).codes
        codes = replicas.gathered(codes)
        loss = penalties.moment_matching(codes, prior_sample)
        scaled = update.scaled(loss)
    # The tensors behind Keras's variables: of others TensorFlow makes no zeros.
    sources = [variable.value for variable in update.variables]
    update.apply(tape.gradient(scaled, sources, unconnected_gradients="zero"))
    return loss
