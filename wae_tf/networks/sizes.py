"""Sizes: a Builder that makes no layer and adds up what the layers would hold, before they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from wae_tf.networks.builder import Builder
from wae_tf.settings import devices, memory


class Sizes(Builder):
    """Walks an architecture; each layer of the builder's is stood for by the shape of its output."""

    weights = 0

    def linear(self, x, units: int, name: str, last: bool = False):
        """Counts the weights of a linear layer."""
        return self._counted(math.prod(x.shape[1:]) * units, (units,))

    def conv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """Counts the weights of a convolution."""
        size = size or self.settings.filter_size
        lost = 0 if padding == "same" else size - 1
        sides = (max(1, -(-(side - lost) // stride)) for side in x.shape[1:3])
        return self._counted(size**2 * x.shape[3] * filters, (*sides, filters))

    def deconv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """Counts the weights of a transposed convolution."""
        size = size or self.settings.filter_size
        more = 0 if padding == "same" else max(size - stride, 0)
        sides = (side * stride + more for side in x.shape[1:3])
        return self._counted(size**2 * x.shape[3] * filters, (*sides, filters))

    def norm(self, x, name: str, unbiased: bool = False, epsilon: float | None = None):
        """Nothing: four numbers a channel."""
        return x

    def activation(self, x, kind: str):
        """Nothing."""
        return x

    def _counted(self, weights: int, shape: tuple[int, ...]):
        self.weights += weights
        return keras.Input(shape, dtype=self.full_dtype)


def check(net: Builder, walk: Callable[[Builder], Any]) -> None:
    """Stops before a network is made whose weights cannot fit; a GPU's memory is not looked at.

    Args:
        net: of the network to be made.
        walk: makes its layers with a builder.

    Raises:
        FlagError: its weights, their gradients and Adam's moments are more than is free.
    """
    if devices.has_gpu():
        return
    sizes = Sizes(net.settings, net.scope)
    walk(sizes)
    needed = memory.BYTES_OF_A_WEIGHT * sizes.weights
    memory.require(
        needed,
        f"the {net.scope}, {sizes.weights:,} weights with their gradients and Adam's moments,",
        "--zdim, --filter_size, or filters or layers of the network",
    )
