"""What a model costs: its parameters, and a training step's floating-point operations."""

from __future__ import annotations

import numpy as np

from wae_tf.models.wae import Wae
from wae_tf.networks import official


def operations(model: Wae, batch_size: int) -> float:
    """Floating-point operations of a training step's matrix products and convolutions.

    Forward 2 a multiply-add, backward twice that (input and weights), without the gradient of the
    images; the adversary once over the codes for the encoder (no gradient of its weights) and once
    over codes and prior sample; the encoder's second pass forward only.

    Args:
        model: of any kind.
        batch_size: images a step.
    """
    encoder, decoder = official.operations(model.encoder), official.operations(model.decoder)
    total = 3 * sum(encoder + decoder) - encoder[0]
    if model.adversary is not None:
        adversary = official.operations(model.adversary)
        total += 2 * sum(adversary)  # the encoder's penalty: forward, input gradient
        total += 2 * (3 * sum(adversary) - adversary[0]) + sum(encoder)
    return batch_size * total


def parameter_count(model: Wae) -> int:
    """Trainable parameters of encoder and decoder, as the official log counts them (official wae.py:387)."""
    return int(sum(np.prod(v.shape) for v in model.autoencoder_variables))
