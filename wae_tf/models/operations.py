"""What a model costs: its parameters, and a training step's floating-point operations."""

from __future__ import annotations

import math

import keras
import numpy as np

from wae_tf.models.wae import Wae


def operations(model: Wae, batch_size: int) -> float:
    """Floating-point operations of a training step's matrix products and convolutions.

    Forward 2 a multiply-add, backward twice that (input and weights), without the gradient of the
    images; the adversary once over the codes for the encoder (no gradient of its weights) and once
    over codes and prior sample; the encoder's second pass forward only.

    Args:
        model: of any kind.
        batch_size: images a step.
    """
    encoder, decoder = _of_layers(model.encoder), _of_layers(model.decoder)
    total = 3 * sum(encoder + decoder) - encoder[0]
    if model.adversary is not None:
        adversary = _of_layers(model.adversary)
        total += 2 * sum(adversary)  # the encoder's penalty: forward, input gradient
        total += 2 * (3 * sum(adversary) - adversary[0]) + sum(encoder)
    return batch_size * total


def parameter_count(model: Wae) -> int:
    """Trainable parameters of encoder and decoder, as the official log counts them (official wae.py:387)."""
    return int(sum(np.prod(v.shape) for v in model.autoencoder_variables))


def numbers_kept(network: keras.Model) -> int:
    """Numbers of one row's outputs of all layers with weights, which the gradient needs."""
    outputs = (layer.output for layer in network.layers if layer.weights)
    return sum(math.prod(output.shape[1:]) for output in outputs)


def _of_layers(network: keras.Model) -> list[float]:
    """Floating-point operations of each layer's product for one input, two a multiply-add.

    Padding counts as pixels; what is no matrix product or convolution is left out.
    """
    found = []
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        places = 1
        if len(kernel.shape) == 4:
            # A transposed convolution multiplies at every place of its input.
            transposed = isinstance(layer, keras.layers.Conv2DTranspose)
            places = math.prod((layer.input if transposed else layer.output).shape[1:3])
        found.append(2.0 * math.prod(kernel.shape) * places)
    return found
