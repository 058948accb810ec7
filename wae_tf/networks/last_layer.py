"""The activation at the end of a network, by which its outputs are known to be squashed or not."""

from __future__ import annotations

from typing import Any

import keras

#: Layers that move numbers and leave their values.
_MOVERS = tuple(
    getattr(keras.layers, name)
    for name in (
        "Reshape", "Flatten", "Permute", "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D",
    )
)  # fmt: skip


def activation(network: Any) -> str | None:
    """The name of the last layer's activation, such as `sigmoid` or `linear`; None: not known.

    Args:
        network: a Keras model or layer. Of a subclassed one nothing is known.
    """
    layer = network
    while layer is not None:
        if isinstance(layer, (keras.Sequential, keras.Model)):
            outputs = getattr(layer, "outputs", None)
            if not outputs or len(outputs) != 1:
                return None
            layer = _maker(outputs[0])
        elif isinstance(layer, _MOVERS):
            layer = _maker(layer.input) if len(getattr(layer, "_inbound_nodes", ())) == 1 else None
        else:
            break
    if isinstance(layer, keras.layers.LeakyReLU):
        return "leaky_relu"
    found = getattr(layer, "activation", None)
    return getattr(found, "__name__", None)


def _maker(tensor: Any) -> Any:
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation
