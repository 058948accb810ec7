"""What the served graph checks of a request before it computes: shapes and sums.

TF Serving reaches the graph without Python's checks of a signature, so shapes are asserted here too.
"""

from __future__ import annotations

import math

import tensorflow as tf

#: Images that one row of `sample` or `interpolate` may ask for.
MOST_IMAGES = 1000
#: Numbers of all images that a request sends or asks for: 64 MB as float32.
MOST_NUMBERS = 16_000_000
#: Bytes of a request's picture files.
MOST_BYTES = 64_000_000
#: Pixels of a request's picture files, as their headers say.
MOST_PIXELS = 25_000_000


def check(condition: tf.Tensor, message: str, *values: tf.Tensor) -> tf.Operation | None:
    """An assertion in the graph: the client reads the message and the values."""
    return tf.debugging.Assert(condition, [message, *values], summarize=8)


def most_rows(row: int) -> int:
    """Rows of a request, if each stands for `row` numbers."""
    return max(1, MOST_NUMBERS // row)


def sized(tensor: tf.Tensor, name: str, shape: tuple[int, ...], most: int) -> tf.Tensor:
    """The tensor, once its shape is seen to be [n, *shape] with n up to `most`.

    Args:
        tensor: an input of a signature.
        name: of it, for the sentence.
        shape: of a row.
        most: rows that are accepted.
    """
    # Without its static shape, from which Grappler would conclude that there is nothing to check.
    tensor = tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None))
    found, rank = tf.shape(tensor), 1 + len(shape)
    padded = tf.concat([found, tf.fill([rank], -1)], axis=0)
    wanted = ", ".join(map(str, ("n", *shape)))
    fits = check(
        (tf.size(found) == rank) & tf.reduce_all(padded[1:rank] == tf.constant(shape, tf.int32)),
        f"{name}: the shape [{wanted}] is expected, not",
        found,
    )
    with tf.control_dependencies([fits]):
        few = check(
            padded[0] <= most, f"{name}: at most {most} rows a request are accepted, not", padded[0]
        )
    with tf.control_dependencies([few]):
        return tf.ensure_shape(tf.identity(tensor), [None, *shape])


def numbers_of(image_shape: tuple[int, ...], zdim: int) -> int:
    """Numbers that an image or its code stands for, whichever has more."""
    return max(math.prod(image_shape), zdim)
