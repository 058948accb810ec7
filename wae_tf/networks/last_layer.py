"""The activation at the end of a network, by which its outputs are known to be squashed or not."""

from __future__ import annotations

from typing import Any

import keras

#: Layers that move numbers and leave their values, or the range that they lie in.
_MOVERS = tuple(
    getattr(keras.layers, name)
    for name in (
        "Reshape", "Flatten", "Permute", "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D",
        "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Resizing",
        "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
    )
)  # fmt: skip

#: Whose numbers have no bounds.
_UNBOUNDED = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.InputLayer,
)

#: Of which `activation` is what is done last.
_CONVOLUTIONS = tuple(
    getattr(keras.layers, kind)
    for kind in ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
                 "SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D", "EinsumDense")
)  # fmt: skip


def activation(network: Any) -> str | None:
    """The name of the last layer's activation, such as `sigmoid` or `linear`; None: not known.

    Args:
        network: a Keras model or layer. Of a subclassed one nothing is known.
    """
    layer: Any = _last(network)
    if isinstance(layer, keras.layers.LeakyReLU):
        return "leaky_relu"
    if isinstance(layer, _UNBOUNDED):
        return "linear"
    ended = isinstance(layer, (keras.layers.Activation, keras.layers.Dense, *_CONVOLUTIONS))
    return getattr(layer.activation, "__name__", None) if ended else None


def described(network: Any) -> str:
    """The last layer's activation, or its kind where that is not known, for an error."""
    layer = _last(network)
    return activation(network) or type(network if layer is None else layer).__name__


def _last(network: Any) -> Any:
    """The layer, or operation, that makes a network's numbers; None: not known."""
    layer = network
    while layer is not None:
        if isinstance(layer, keras.Sequential | keras.Model):
            outputs = getattr(layer, "outputs", None)
            if not outputs or len(outputs) != 1:
                return None
            layer = _maker(outputs[0])
        elif isinstance(layer, _MOVERS) or _is_linear(layer):
            layer = _maker(layer.input) if len(getattr(layer, "_inbound_nodes", ())) == 1 else None
        elif isinstance(layer, keras.layers.TimeDistributed):
            layer = layer.layer
        else:
            return layer
    return None


def _is_linear(layer: Any) -> bool:
    """Whether it is an `Activation("linear")`, as mixed precision has it at the end to change the type."""
    linear = keras.activations.linear
    return isinstance(layer, keras.layers.Activation) and layer.activation is linear


def _maker(tensor: Any) -> Any:
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation
