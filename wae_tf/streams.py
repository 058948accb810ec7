"""Keys for TensorFlow's stateless random ops: every draw is a function of (seed, stream, step)."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

#: What draws are for. A stream's number is part of what a seed gives: add new ones at the end, with
#: numbers of their own, and change none.
STREAMS = {
    # training
    "batches": 0,
    "prior": 1,
    "autoencoder/pixels": 2,
    "autoencoder/code": 3,
    "autoencoder/many": 4,
    "adversary/pixels": 5,
    "adversary/code": 6,
    "adversary/many": 7,
    # pretraining
    "pretrain/batches": 8,
    "pretrain/prior": 9,
    "pretrain/pixels": 10,
    "pretrain/code": 11,
    "pretrain/many": 12,
    # initial weights; the step is the layer's place in its network
    "encoder/weights": 13,
    "decoder/weights": 14,
    "adversary/weights": 15,
    # a trained model
    "sample": 16,
    "figure": 17,
    "test/prior": 18,
    "test/code": 19,
    "test/many": 20,
    "improved/start": 21,
    "improved/code": 22,
    "improved/many": 23,
    "mmd/prior": 24,
    "null/a": 25,
    "null/b": 26,
    "classifier/batches": 27,
    # the encoder's second pass of penalty_codes=fresh
    "autoencoder/again": 28,
    "test/again": 29,
    # what a penalty draws for itself
    "autoencoder/penalty": 30,
    "test/penalty": 31,
    # layers that draw, such as dropout; folded with the layer's place in its network
    "encoder/layers": 32,
    "decoder/layers": 33,
    "adversary/layers": 34,
}


#: Whether what follows from a seed is an input of the graph that is being made.
_seed_is_input = contextvars.ContextVar("seed_is_input", default=False)


def key(seed: int | tf.Tensor, stream: str, step: Any) -> tf.Tensor:
    """The key of one stream of randomness at one step.

    It is `tf.random.fold_in(tf.random.fold_in([low, high], number), step)` with Philox, where low and
    high are the seed's 32-bit halves and number the stream's: any TensorFlow program can compute it.
    Neighbouring seeds and streams therefore share no keys at shifted steps.

    Args:
        seed: the run's seed, any int, or an int64 scalar tensor. Ints equal modulo 2^64 are one seed.
        stream: what the draw is for, a name of STREAMS.
        step: an int or an integer scalar tensor; steps equal modulo 2^32 are one.

    Returns:
        int32 [2]: the first entry follows from seed and stream, the second is the step.

    Raises:
        ValueError: the stream has no number.
    """
    if stream not in STREAMS:
        raise ValueError(f"{stream} is no stream of random numbers; known: {', '.join(STREAMS)}.")
    if tf.is_tensor(seed):
        halves = tf.bitcast(tf.cast(seed, tf.int64), tf.int32)  # the lower half first
        return _fold(_fold(halves, STREAMS[stream]), step)
    first: Any = _first_entry(int(seed) % 2**64, STREAMS[stream])
    if _seed_is_input.get():
        with tf.init_scope():  # a tensor from outside of a graph is one of its inputs
            first = tf.constant(first, tf.int32)
    return tf.stack([first, _int32(step)])


@contextlib.contextmanager
def seed_as_input() -> Iterator[None]:
    """While a graph is made, its keys' first entries are inputs of it.

    So it holds nothing of the seed, and a program that was compiled of it serves every seed.
    """
    before = _seed_is_input.set(True)
    try:
        yield
    finally:
        _seed_is_input.reset(before)


def fresh_key() -> tf.Tensor:
    """A key of no seed, int32 [2]: another at each call.

    It comes from TensorFlow's global generator, so that keras.utils.set_random_seed fixes it.
    """
    return tf.random.uniform([2], tf.int32.min, tf.int32.max, tf.int32)


def number(seed: int, stream: str, index: int) -> int:
    """An int in [0, 2^31) that follows from seed, stream and index, for what takes a number as a seed."""
    with tf.init_scope():
        return int(_fold(key(seed, stream, index), 0)[0]) & 0x7FFFFFFF


def _int32(value: Any) -> tf.Tensor:
    if not tf.is_tensor(value):
        value = int(value)
        value = (value + 2**31) % 2**32 - 2**31  # as the cast of a tensor wraps
    return tf.cast(value, tf.int32)


def _fold(folded: Any, data: Any) -> tf.Tensor:
    # Named, since "auto_select" takes another algorithm under XLA.
    return tf.random.fold_in(folded, _int32(data), alg="philox")


@functools.lru_cache(maxsize=4096)
def _first_entry(seed: int, stream: int) -> int:
    """The key's first entry as a constant: graphs then hold no op for it."""
    halves = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32).view(np.int32)
    with tf.init_scope(), tf.device("/cpu:0"):
        return int(_fold(_fold(halves, stream), 0)[0])
