"""Weights by the names of the report's state dicts (PyTorch), into and out of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from wae_tf.models.wae import Wae

#: What PyTorch calls the variables of Keras's layers.
_TORCH = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def variables(model: Wae) -> dict[str, tuple[keras.Variable, tuple[int, ...]]]:
    """The model's variables by PyTorch names such as `vae/d2.0.weight`.

    Each comes with the (H, W, C) that a dense layer's side flattens, () where it flattens nothing:
    features of the encoder under the heads, of the decoder above its linear layer.
    """
    side = model.decoder.get_layer("h0_deconv").input.shape[1:]
    found: dict[str, tuple[keras.Variable, tuple[int, ...]]] = {}

    def take(name: str, layer: keras.layers.Layer, flattens: tuple[int, ...] = ()) -> None:
        for variable in layer.weights:
            found[f"{name}.{_TORCH[variable.name]}"] = (variable, flattens)

    for i in range(4):
        take(f"vae/e{i + 1}.0", model.encoder.get_layer(f"h{i}_conv"))
        take(f"vae/e{i + 1}.1", model.encoder.get_layer(f"h{i}_bn"))
    features = model.encoder.get_layer("mean_lin").input.shape[1]
    height = 3 if model.image_shape[0] == 28 else model.image_shape[0] // 16
    width = 3 if model.image_shape[0] == 28 else model.image_shape[1] // 16
    encoded = (height, width, features // (height * width))
    take("vae/fc1", model.encoder.get_layer("mean_lin"), encoded)
    take("vae/fc2", model.encoder.get_layer("log_sigmas_lin"), encoded)
    take("vae/d1", model.decoder.get_layer("h0_lin"), tuple(side))
    for i in range(3):
        take(f"vae/d{i + 2}.0", model.decoder.get_layer(f"h{i}_deconv"))
        take(f"vae/d{i + 2}.1", model.decoder.get_layer(f"h{i}_bn"))
    take("vae/d5.0", model.decoder.get_layer("hfinal_deconv"))
    if model.adversary is not None:
        dense = [layer for layer in model.adversary.layers if layer.weights]
        for i, layer in enumerate(dense):
            take(f"dis/linear.{2 * i}", layer)
    return found


def from_torch(name: str, value: np.ndarray, flattens: tuple[int, ...]) -> np.ndarray:
    """A PyTorch array in our order.

    Kernels of both kinds [o, i, k, k] become [k, k, i, o] (transposed ones [k, k, o, i] alike);
    matrices are transposed, and rows or columns that flatten C, H, W become H, W, C.
    """
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if flattens and name.startswith("vae/d1"):
        height, width, channels = flattens
        value = value.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        value = value.reshape(height * width * channels, -1)
        return value.T if name.endswith("weight") else value[:, 0]
    if flattens and name.endswith("weight"):
        height, width, channels = flattens
        value = value.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
        return value.reshape(height * width * channels, -1)
    return value.T if value.ndim == 2 else value


def to_torch(name: str, value: np.ndarray, flattens: tuple[int, ...]) -> np.ndarray:
    """The inverse of `from_torch`."""
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if flattens and name.startswith("vae/d1"):
        height, width, channels = flattens
        value = value.T if name.endswith("weight") else value[:, None]
        value = value.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
        value = value.reshape(height * width * channels, -1)
        return value if name.endswith("weight") else value[:, 0]
    if flattens and name.endswith("weight"):
        height, width, channels = flattens
        value = value.reshape(height, width, channels, -1).transpose(3, 2, 0, 1)
        return value.reshape(-1, height * width * channels)
    return value.T if value.ndim == 2 else value


def assign(model: Wae, arrays: Mapping[str, np.ndarray]) -> None:
    """Sets all of the model's weights; an adversary that it has not is ignored.

    Raises:
        KeyError: one is missing.
    """
    for name, (variable, flattens) in variables(model).items():
        variable.assign(from_torch(name, arrays[name], flattens))


def read(model: Wae) -> dict[str, np.ndarray]:
    """The model's weights under PyTorch's names, in its order."""
    return {
        name: to_torch(name, np.asarray(variable), flattens)
        for name, (variable, flattens) in variables(model).items()
    }


def in_torch_order(model: Wae, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by PyTorch names, of our variables' shapes, such as gradients, in PyTorch's order."""
    flattens = {name: sides for name, (_, sides) in variables(model).items()}
    return {name: to_torch(name, np.asarray(v), flattens[name]) for name, v in values.items()}
