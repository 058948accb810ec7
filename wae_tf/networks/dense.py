"""Dense layers and relu that train by operations which TensorFlow hands to XLA at once.

It lowers `BiasAddGrad`, `Relu` and `ReluGrad` by a pipeline of MLIR passes that is made anew for each, 6 to 8
ms of a start (benchmarks/lowering.py), but sums, maxima and choices directly, to the same program.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.networks import biases


@tf.custom_gradient
def _relu(x: tf.Tensor) -> Any:
    zero = tf.zeros([], x.dtype)
    y = tf.maximum(x, zero)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.where(y > zero, upstream, zero)

    return y, gradient


@keras.saving.register_keras_serializable("wae_tf")
class Activation(keras.layers.Activation):
    """`keras.layers.Activation`; relu trains by a maximum. Inference is Keras's own, as exports need it."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Any shape, which stays."""
        if training and self.activation is keras.activations.relu:
            return _relu(inputs)
        return super().call(inputs)


@keras.saving.register_keras_serializable("wae_tf")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` whose bias trains by a sum. Inference is Keras's own, as exports need it."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[n, d] to [n, units]."""
        if not (training and self.adds_plainly(len(inputs.shape))):
            return super().call(inputs)
        return biases.added(tf.matmul(inputs, tf.convert_to_tensor(self.kernel)), self.bias)

    def adds_plainly(self, rank: int) -> bool:
        """Whether a training adds the bias to images of a rank by `biases.added`."""
        return self.use_bias and self.activation is keras.activations.linear and rank == 2

    def quantize(self, mode: Any = None, type_check: bool = True, **kwargs: Any) -> None:
        """As Keras's own, which leaves subclasses as they are, since those may compute something else."""
        super().quantize(mode, type_check=False, **kwargs)
