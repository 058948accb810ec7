"""Builder: the layers of a network with the settings' initialisers, batch norm and precision."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

from wae_tf import streams
from wae_tf.networks import biases, convolution, dense
from wae_tf.networks.batch_norm import FusedBatchNormalization
from wae_tf.settings import Settings, devices


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Layers made inside take [n, H, W, C], whatever `keras.json` or a program has set for others."""
    others = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(others)


_lock = threading.Lock()
#: What `floatx` was before, once for each thread that is in `float32_by_default`.
_within: list[str] = []


@contextlib.contextmanager
def float32_by_default() -> Iterator[None]:
    """Within, what has no dtype of its own, as learning rates, is of float32, whatever keras.json says.

    In float16 a rate of 1e-8 is 0, and a checkpoint would be of that keras.json alone.
    """
    with _lock:  # it is of all threads: the first notes what it was, the last puts it back
        _within.append(_within[0] if _within else keras.config.floatx())
        keras.config.set_floatx("float32")
    try:
        yield
    finally:
        with _lock:
            before = _within.pop()
            if not _within:
                keras.config.set_floatx(before)


@contextlib.contextmanager
def network(name: str) -> Iterator[None]:
    """What `channels_last` does, and paths of weights that begin with the network's name.

    Networks have layers of the same names, and TensorBoard and optimizers know weights by their paths.
    """
    with channels_last(), keras.name_scope(name):
        yield


class Builder:
    """Makes the layers of one network with the settings' initialisers, batch norm and precision."""

    def __init__(self, settings: Settings, scope: str, synchronized: bool = False):
        self.settings = settings
        self.scope = scope
        self.synchronized = synchronized
        self.policy = settings.precision
        # Heads and the decoder's last layer stay full under mixed precision.
        self.full_dtype = settings.full_precision
        # Several replicas compute without XLA, whatever `jit` says.
        self.by_xla_on_cpu = settings.jit and not (synchronized or devices.has_gpu())
        in_half = self.policy == f"mixed_{biases.SUMS_IN_HALF}"
        self.dense = dense if settings.jit or in_half else layers
        self._drawn = itertools.count()

    def _seed(self) -> int:
        # By the layer's place: the first with random weights is 0.
        return streams.number(self.settings.seed, f"{self.scope}/weights", next(self._drawn))

    def _normal(self) -> keras.initializers.Initializer:
        # Linear and transposed convolution: plain normal (official ops.py:72, :136).
        return keras.initializers.RandomNormal(stddev=self.settings.init_std, seed=self._seed())

    def _bias(self) -> keras.initializers.Initializer:
        return keras.initializers.Constant(self.settings.init_bias)

    def _initial(
        self, fan_in: int, kernel: keras.initializers.Initializer, bias: Any
    ) -> dict[str, Any]:
        """The initialisers of a layer: those given, or PyTorch's.

        PyTorch's are uniform within 1 / sqrt(fan_in), weights and biases, from 1.0 to today; a
        transposed convolution's fan_in counts its outputs. An adversary's stay normal, as the
        replication report makes them (replication wae.py:236-240).
        """
        if self.settings.init != "normal" and self.scope != "adversary":
            bound = fan_in**-0.5
            kernel, bias = (
                keras.initializers.RandomUniform(-bound, bound, seed=self._seed()) for _ in range(2)
            )
        return {"kernel_initializer": kernel, "bias_initializer": bias}

    def _convolutions(self, dtype: str) -> Any:
        """Where Conv2D and Conv2DTranspose are; those of half precision serve what is not by XLA too."""
        return layers if self.by_xla_on_cpu and dtype == self.full_dtype else convolution

    def linear(self, x, units: int, name: str, last: bool = False):
        """A linear layer on the flattened input; the last of a network stays float32."""
        if len(x.shape) > 2:
            x = layers.Flatten(dtype=self.policy)(x)
        return self.dense.Dense(
            units,
            **self._initial(x.shape[-1], self._normal(), self._bias()),
            name=name,
            dtype=self.full_dtype if last else self.policy,
        )(x)

    def conv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """A convolution; its initial filters are truncated normal (official ops.py:107)."""
        size = size or self.settings.filter_size
        kernel = keras.initializers.TruncatedNormal(
            stddev=self.settings.init_std, seed=self._seed()
        )
        dtype = self.full_dtype if last else self.policy
        return self._convolutions(dtype).Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            **self._initial(size * size * x.shape[-1], kernel, self._bias()),
            name=name,
            dtype=dtype,
        )(x)

    def deconv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """A transposed convolution; its bias starts at 0 whatever init_bias says (official ops.py:142)."""
        size = size or self.settings.filter_size
        dtype = self.full_dtype if last else self.policy
        return self._convolutions(dtype).Conv2DTranspose(
            filters,
            size,
            strides=stride,
            padding=padding,
            **self._initial(size * size * filters, self._normal(), "zeros"),
            name=name,
            dtype=dtype,
        )(x)

    def norm(self, x, name: str, unbiased: bool = False, epsilon: float | None = None):
        """Batch normalisation, biased variance (official ops.py:16-24) or PyTorch's unbiased."""
        if not self.settings.batch_norm:
            return x
        gamma: Any = "ones"
        if self.settings.init == "torch_1.0":
            gamma = keras.initializers.RandomUniform(0.0, 1.0, seed=self._seed())
        return FusedBatchNormalization(
            unbiased=unbiased,
            gamma_initializer=gamma,
            momentum=self.settings.batch_norm_decay,
            epsilon=epsilon or self.settings.batch_norm_eps,
            synchronized=self.synchronized,
            name=name,
            dtype=self.policy,
        )(x)

    def activation(self, x, kind: str):
        """relu, elu, tanh, or lrelu with slope 0.1 (official models.py:153)."""
        if kind == "lrelu":
            return layers.LeakyReLU(negative_slope=0.1, dtype=self.policy)(x)
        return self.dense.Activation(kind, dtype=self.policy)(x)
