"""Priors P_Z: their samples, and how codes are brought into their support."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def sample(
    prior: str, count: int | tf.Tensor, zdim: int, scale: float, key: tf.Tensor
) -> tf.Tensor:
    """Draws codes from the prior (official wae.py:412-427).

    Args:
        prior: `normal`, `sphere` (uniform on the unit sphere) or `uniform` (on [-1, 1]^zdim).
        count: number of codes.
        zdim: dimensions of a code.
        scale: factor of every sample (pz_scale).
        key: int32 [2]; the same key gives the same sample.

    Returns:
        float32 [count, zdim].
    """
    shape = [count, zdim]
    if prior == "uniform":
        return scale * tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")
    codes = tf.random.stateless_normal(shape, key, alg="philox")
    if prior == "sphere":
        codes /= tf.norm(codes, axis=1, keepdims=True)
    return scale * codes


def into_support(prior: str, codes: tf.Tensor) -> tf.Tensor:
    """Brings an encoder's output [n, zdim] into the prior's support (official models.py:63-68).

    The official code does not scale it: with prior_scale other than 1, sphere and uniform codes
    and prior samples live on different sets there, and so here.
    """
    if prior == "sphere":
        return tf.math.l2_normalize(codes, axis=1)
    if prior == "uniform":
        return tf.tanh(codes)
    return codes


def between(prior: str, first: Any, last: Any, share: Any) -> Any:
    """Codes [n, zdim] on the straight lines from `first` (share 0) to `last` (1), on the prior's support.

    Args:
        prior: see `sample`; the line leaves the sphere alone.
        first: [n, zdim].
        last: [n, zdim].
        share: [n, 1].
    """
    codes = first * (1 - share) + last * share
    return into_support(prior, codes) if prior == "sphere" else codes


def unit(scale: float) -> float:
    """What sizes of codes are measured in: the prior's scale without its sign; 1 where it is 0.

    The prior is a point then, and nothing else gives a size.
    """
    return abs(scale) or 1.0


def kernel_width(prior: str, zdim: int, scale: float) -> float:
    """The base C of the IMQ kernel C / (C + |x - y|^2), about E|x - y|^2 (official wae.py:291-299)."""
    return {"normal": 2.0 * zdim * scale**2, "sphere": 2.0, "uniform": float(zdim)}[prior]
