"""Keys for TensorFlow's stateless random ops: every draw is a function of (seed, stream, step)."""

from __future__ import annotations

import hashlib

import tensorflow as tf


def key(seed: int, stream: str, step) -> tf.Tensor:
    """The key of one stream of randomness at one step.

    Args:
        seed: the run's seed, any int.
        stream: what the draw is for ("batches", "prior", "noise", ...): streams are independent.
        step: an int or an integer scalar tensor.

    Returns:
        int32 [2]: the first entry names the seed and stream, the second is the step.
    """
    # Hashed, not added: neighbouring seeds and streams must not share keys at shifted steps.
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    base = int.from_bytes(digest[:4], "little", signed=True)
    return tf.stack([base, tf.cast(step, tf.int32)])
