"""Keys of random draws from a request's seeds, inside the graph."""

from __future__ import annotations

import tensorflow as tf

from wae_tf import streams


def sample_keys(seeds: tf.Tensor) -> tf.Tensor:
    """`streams.key(seed, "sample", 0)` of seeds that are tensors.

    Args:
        seeds: int64 [n].

    Returns:
        int32 [n, 2].
    """
    spec = tf.TensorSpec([2], tf.int32)
    return tf.map_fn(lambda seed: streams.key(seed, "sample", 0), seeds, fn_output_signature=spec)


def fresh_keys(count: tf.Tensor) -> tf.Tensor:
    """int32 [count, 2], another draw in every process and call."""
    # tf.random would bake its seed in: two servers would give the same first sample.
    return tf.raw_ops.RandomUniformInt(
        shape=[count, 2],
        minval=tf.int32.min,
        maxval=tf.int32.max,
        seed=0,
        seed2=0,
    )
