"""Loops in the served graph that take some rows after the others, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

#: Rows that are taken at once, however many there are.
ROWS_AT_ONCE = 64


def concatenated(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    count: tf.Tensor,
    shapes: Sequence[tuple[int, ...]],
    dtype: tf.DType = tf.float32,
) -> list[tf.Tensor]:
    """The rows that `function` gives for 0, 1, ..., count - 1, one call after the other.

    Args:
        function: of an int32 scalar; gives tensors [any, *shape] of these shapes.
        count: int32 scalar; 0 gives tensors of no rows.
        shapes: of a row of each.
        dtype: of all of them.
    """
    arrays = [
        tf.TensorArray(dtype, count, infer_shape=False, element_shape=[None, *shape])
        for shape in shapes
    ]

    def step(index: tf.Tensor, arrays: list[tf.TensorArray]) -> tuple:
        made = function(index)
        return index + 1, [a.write(index, m) for a, m in zip(arrays, made, strict=True)]

    # One at a time: what it takes of memory is then that of one.
    _, arrays = tf.while_loop(
        lambda index, _: index < count, step, (tf.constant(0), arrays), parallel_iterations=1
    )
    return [
        tf.ensure_shape(array.concat(), [None, *shape])
        for array, shape in zip(arrays, shapes, strict=True)
    ]


def in_parts(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    rows: tf.Tensor,
    shapes: Sequence[tuple[int, ...]],
    dtype: tf.DType = tf.float32,
) -> list[tf.Tensor]:
    """`function` of rows [n, ...], ROWS_AT_ONCE at a time, so that memory does not grow with n."""
    count = tf.shape(rows)[0]
    return concatenated(
        lambda part: function(rows[part * ROWS_AT_ONCE : (part + 1) * ROWS_AT_ONCE]),
        (count + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE,
        shapes,
        dtype,
    )
