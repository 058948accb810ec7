"""What each operation of a step costs a start under XLA: milliseconds of TensorFlow's lowering.

    python benchmarks/lowering.py

TensorFlow hands some operations to XLA at once, others by a pipeline of MLIR passes, made anew for each.
Prints Markdown, the dearest first; the least of three turns, of programs of 1 and of 21 such operations.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import common

#: Operations in a row.
COUNT = 20


def operations() -> dict[str, Callable]:
    """Operations of training steps, of float32 [8, 8] to float32 [8, 8], by TensorFlow's names."""
    import tensorflow as tf

    raw = tf.raw_ops

    def added(function: Callable) -> Callable:
        return lambda x: x + tf.cast(function(x), tf.float32)

    return {
        "Abs": tf.abs,
        "AddV2": lambda x: x + x,
        "BiasAdd": lambda x: tf.nn.bias_add(x, x[0]),
        "BiasAddGrad": added(lambda x: raw.BiasAddGrad(out_backprop=x)),
        "Exp": tf.exp,
        "GatherV2": lambda x: tf.gather(x, tf.range(8)),
        "IsFinite": added(tf.math.is_finite),
        "Log1p": tf.math.log1p,
        "MatMul": lambda x: x @ x,
        "Maximum": lambda x: tf.maximum(x, 0.0),
        "Mean": added(lambda x: tf.reduce_mean(x, 0)),
        "Reciprocal": tf.math.reciprocal,
        "Relu": tf.nn.relu,
        "ReluGrad": lambda x: raw.ReluGrad(gradients=x, features=x),
        "Rsqrt": tf.math.rsqrt,
        "Select": lambda x: raw.Select(condition=x > 0, x=x, y=-x),
        "SelectV2": lambda x: tf.where(x > 0, x, -x),
        "Sigmoid": tf.sigmoid,
        "Sqrt": tf.sqrt,
        "StatelessRandomNormalV2": added(lambda x: tf.random.stateless_normal([8], [1, 2])),
        "Sum": added(lambda x: tf.reduce_sum(x, 0)),
        "Tanh": tf.tanh,
    }


def seconds(operation: Callable, count: int) -> float:
    """Of lowering a program of so many operations, without XLA's own passes."""
    import tensorflow as tf

    def program(x: tf.Tensor) -> tf.Tensor:
        for _ in range(count):
            x = operation(x)
        return x

    x = tf.ones([8, 8])
    function = tf.function(program, autograph=False, jit_compile=True)
    function.get_concrete_function(x)
    start = time.perf_counter()
    function.experimental_get_compiler_ir(x)(stage="hlo")
    return time.perf_counter() - start


def main() -> None:
    """Lowers, prints."""
    common.parser(__doc__).parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    found = []
    for name, operation in operations().items():
        seconds(operation, 1)
        more, less = (min(seconds(operation, n) for _ in range(3)) for n in (COUNT + 1, 1))
        found.append(((more - less) / COUNT * 1e3, name))
    rows = [[name, f"{milliseconds:.2f}"] for milliseconds, name in sorted(found, reverse=True)]
    print(common.markdown(["operation", "ms"], rows))


if __name__ == "__main__":
    common.program(main)
