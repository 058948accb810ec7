"""Keras's own layers in a network that TensorFlow on a CPU may compute wrong, or end the process by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras

from wae_tf.networks import biases, convolution, dense
from wae_tf.settings import devices

#: Keras's layers of which `convolution.is_wrong` may hold, by where their smaller side is.
_OF_OUTPUTS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
_OF_INPUTS = (keras.layers.Conv2DTranspose,)
#: oneDNN's gradient of filters of 1x1 that leave places out ends the process where the larger side has fewer
#: channels: up to 12 it did, from 16 to 64 it did not.
FEWEST_OF_SKIPPED = 16
#: A sum of so many equal terms in bfloat16 is a thirtieth off or less; of twice as many it is half.
MOST_TERMS = 256


def _all_layers(network: Any) -> Iterator[Any]:
    """A network's layers, and those of networks in it."""
    for layer in getattr(network, "layers", ()):
        yield from _all_layers(layer)
        yield layer


def _keras_own(network: Any) -> Iterator[tuple[Any, bool]]:
    """Keras's own convolutions in a network, nested ones too, and whether each is a transposed one."""
    for layer in _all_layers(network):
        transposed = isinstance(layer, _OF_INPUTS)
        own = isinstance(layer, convolution.Conv2D | convolution.Conv2DTranspose)
        if not own and (transposed or isinstance(layer, _OF_OUTPUTS)):
            yield layer, transposed


def _shape(layer: Any, side: str) -> tuple[int | None, ...] | None:
    """Of a layer's input or output; layers that are called in code of one's own have none."""
    return getattr(getattr(layer, side, None), "shape", None)


def wrong_layers(network: Any) -> list[str]:
    """Names of those that TensorFlow may compute wrong (`convolution.is_wrong`).

    In three dimensions that was seen with longer rows too: there all in half precision are named.
    """
    found = []
    for layer, transposed in _keras_own(network):
        shape = _shape(layer, "input" if transposed else "output")
        places = shape[-1 if layer.data_format == "channels_first" else -2] if shape else None
        if convolution.is_wrong(layer, 1 if isinstance(layer, keras.layers.Conv3D) else places):
            found.append(layer.name)
    return found


def coarse_layers(network: Any, batch_size: int) -> list[str]:
    """Names of those whose biases' gradients are sums in half precision (`biases.SUMS_IN_HALF`).

    Of a convolution's there are many terms; of a dense layer's one a row and place; ours may add up in
    float32.
    """
    if devices.has_gpu():
        return []
    convolutions = {id(layer) for layer, _ in _keras_own(network)}
    return [
        layer.name
        for layer in _all_layers(network)
        if (id(layer) in convolutions or _terms(layer, batch_size) > MOST_TERMS)
        and layer.use_bias
        and layer.compute_dtype == biases.SUMS_IN_HALF
    ]


def _terms(layer: Any, batch_size: int) -> int:
    """Of how many terms a dense layer's sum in half is; 0 of others, and where its shape is not known."""
    shape = _shape(layer, "output") if isinstance(layer, keras.layers.Dense) else None
    if not shape or (isinstance(layer, dense.Dense) and layer.adds_plainly(len(shape))):
        return 0
    return batch_size * math.prod(size or 1 for size in shape[1:-1])


def fatal_layers(network: Any) -> list[str]:
    """Names of those whose gradient may end the process, in any precision."""
    found = []
    for layer, transposed in _keras_own(network):
        if not isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            continue
        shape = _shape(layer, "output" if transposed else "input")
        if convolution.skips(layer) and shape and (shape[-1] or 0) < FEWEST_OF_SKIPPED:
            found.append(layer.name)
    return found
