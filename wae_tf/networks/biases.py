"""Biases, added by operations whose gradients are sums in float32, in half precision on a CPU too."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.networks.wide_rows import WideRows
from wae_tf.settings import devices

#: Of which `BiasAddGrad` on a CPU adds up row by row in the type itself: a sum stands still at 256 times its
#: terms. The gradient of a plain sum is added up in float32.
SUMS_IN_HALF = "bfloat16"
#: Of which it is the other way round: a plain sum's gradient stands still, at 2,048 times a part's terms.
PLAIN_SUMS_IN_HALF = "float16"


def added(outputs: tf.Tensor, bias: Any, channels_first: bool = False) -> tf.Tensor:
    """Outputs [n, ..., d] (or [n, d, h, w]) with a bias [d] of their type.

    By a plain sum, which XLA is handed at once (`dense`) and TensorFlow makes part of a convolution, but
    where that is the wrong one.
    """
    bias = tf.convert_to_tensor(bias)
    if outputs.dtype == PLAIN_SUMS_IN_HALF:
        return tf.nn.bias_add(outputs, bias, "NCHW" if channels_first else "NHWC")
    return outputs + (tf.reshape(bias, [-1, 1, 1]) if channels_first else bias)


def added_in_rows(outputs: tf.Tensor, bias: Any, by_kernel: bool = False) -> tf.Tensor:
    """The same of [n, H, W, d], which no convolution takes with it, in wide rows where those are faster.

    Args:
        outputs: of the transpose of a convolution.
        bias: [d] of their type.
        by_kernel: whether it is done by `BiasAdd`, as Keras's layers do it, with its gradient, not a sum's.
    """
    rows = WideRows(outputs)
    if rows.places == 1 or outputs.dtype != "float32" or devices.has_gpu():
        if by_kernel:  # of one channel it is a sum
            return keras.ops.add(outputs, keras.ops.reshape(bias, (1, 1, 1, -1)))
        return added(outputs, bias)

    @tf.custom_gradient
    def sums(outputs: tf.Tensor, bias: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if by_kernel:
                return upstream, tf.raw_ops.BiasAddGrad(out_backprop=upstream)
            return upstream, tf.reduce_sum(upstream, [0, 1, 2])

        return rows.back(rows.of(outputs) + rows.each(bias)), gradient

    return sums(outputs, tf.convert_to_tensor(bias))
