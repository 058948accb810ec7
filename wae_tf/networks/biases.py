"""Biases, added by operations whose gradients are sums in float32, in half precision on a CPU too."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

#: Of which `BiasAddGrad` on a CPU adds up row by row in the type itself: a sum stands still at 256 times its
#: terms. The gradient of a plain sum is added up in float32.
SUMS_IN_HALF = "bfloat16"
#: Of which it is the other way round: a plain sum's gradient stands still, at 2,048 times a part's terms.
PLAIN_SUMS_IN_HALF = "float16"


def added(outputs: tf.Tensor, bias: Any, channels_first: bool = False) -> tf.Tensor:
    """Outputs [n, ..., d] (or [n, d, h, w]) with a bias [d] of their type.

    By a plain sum, which XLA is handed at once (`dense`), but where that is the wrong one.
    """
    bias = tf.convert_to_tensor(bias)
    if outputs.dtype == PLAIN_SUMS_IN_HALF:
        return tf.nn.bias_add(outputs, bias, "NCHW" if channels_first else "NHWC")
    return outputs + (tf.reshape(bias, [-1, 1, 1]) if channels_first else bias)
