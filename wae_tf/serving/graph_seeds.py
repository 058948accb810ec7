"""Keys of random draws from a request's seeds, inside the graph."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

# Seeds.


def sample_keys(seeds: tf.Tensor) -> tf.Tensor:
    """`streams.key(seed, "sample", 0)` of seeds that are tensors.

    Args:
        seeds: int64 [n], 0 up.

    Returns:
        int32 [n, 2].
    """
    text = tf.strings.join([tf.strings.as_string(seeds), "/sample"])
    word = _sha256_first_word(text)
    # The key's base is the digest's first four bytes, least significant first.
    swapped = tf.bitwise.bitwise_or(_rotated(word & 0x00FF00FF, 8), _rotated(word & 0xFF00FF00, 24))
    base = tf.bitcast(swapped, tf.int32)
    return tf.stack([base, tf.zeros_like(base)], axis=1)


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


def _rotated(x: tf.Tensor, right: int) -> tf.Tensor:
    """uint32 rotated to the right."""
    low = tf.bitwise.right_shift(x, tf.constant(right, tf.uint32))
    high = tf.bitwise.left_shift(x, tf.constant(32 - right, tf.uint32))
    return tf.bitwise.bitwise_or(low, high)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _fraction_of_cube_root(number: int) -> int:
    # The first 32 bits behind the point: the whole root of number * 2^96, its lower half.
    root = round((number << 96) ** (1 / 3))
    while root**3 > number << 96:
        root -= 1
    while (root + 1) ** 3 <= number << 96:
        root += 1
    return root & 0xFFFFFFFF


def _sha256_first_word(text: tf.Tensor) -> tf.Tensor:
    """First 32 bits of SHA-256 (FIPS 180-4, section 6.2): strings [n] below 56 bytes -> uint32 [n]."""
    xor, both = tf.bitwise.bitwise_xor, tf.bitwise.bitwise_and
    primes = _primes(64)
    start = [math.isqrt(prime << 64) & 0xFFFFFFFF for prime in primes[:8]]
    rounds = [_fraction_of_cube_root(prime) for prime in primes]

    def mixed(x: tf.Tensor, a: int, b: int, c: int, shift_last: bool = False) -> tf.Tensor:
        last = (
            tf.bitwise.right_shift(x, tf.constant(c, tf.uint32)) if shift_last else _rotated(x, c)
        )
        return xor(xor(_rotated(x, a), _rotated(x, b)), last)

    padded = tf.io.decode_raw(tf.strings.join([text, b"\x80"]), tf.uint8, fixed_length=56)
    places = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
    block = tf.reshape(tf.cast(padded, tf.int64), [-1, 14, 4]) * places
    words = tf.unstack(tf.cast(tf.reduce_sum(block, axis=2), tf.uint32), axis=1)
    bits = tf.cast(tf.strings.length(text) * 8, tf.uint32)
    words += [tf.zeros_like(bits), bits]
    constants = tf.constant(np.array(rounds, np.uint32).reshape(4, 16))

    def sixteen_rounds(turn: tf.Tensor, state: tuple, words: tuple) -> tuple:
        a, b, c, d, e, f, g, h = state
        words = list(words)
        for i, constant in enumerate(tf.unstack(constants[turn])):
            choice = xor(g, both(e, xor(f, g)))
            t = h + mixed(e, 6, 11, 25) + choice + constant + words[i]
            majority = xor(both(a, xor(b, c)), both(b, c))
            a, b, c, d, e, f, g, h = t + mixed(a, 2, 13, 22) + majority, a, b, c, d + t, e, f, g
            older = mixed(words[i + 1], 7, 18, 3, True)
            newer = mixed(words[i + 14], 17, 19, 10, True)
            words.append(words[i] + older + words[i + 9] + newer)
        return turn + 1, (a, b, c, d, e, f, g, h), tuple(words[16:])

    state = tuple(tf.fill(tf.shape(bits), tf.constant(np.uint32(value))) for value in start)
    # Four turns of a loop and not 64 rounds in a row: a graph a quarter of the size.
    _, state, _ = tf.while_loop(
        lambda turn, *_: turn < 4, sixteen_rounds, (tf.constant(0), state, tuple(words))
    )
    return state[0] + tf.constant(np.uint32(start[0]))
