"""Codes that a user gives to be decoded: what is accepted of them, and the way between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.models import inputs
from wae_tf.models.values import check_finite
from wae_tf.objective import priors


def shown(model: Any, codes: Any, name: str, joined: bool) -> tf.Tensor:
    """Codes as the decoder takes them, of the model's floats; a graph's as far as it knows them.

    Args:
        model: an autoencoder.
        codes: of any numbers, [n, z].
        name: what they are called in a sentence.
        joined: whether labels may stand behind them already, one-hot, of a model with classes.

    Raises:
        ValueError: no numbers, another shape, or some that are not finite.
    """
    found = _tensor(codes, name)
    widths = [model.settings.zdim]
    if joined and model.settings.classes:
        widths.append(model.settings.zdim + model.settings.classes)
    if not any(found.shape.is_compatible_with([None, width]) for width in widths):
        one = found.shape.rank == 1 and found.shape[0] in widths
        way_out = ": that is one code, not a batch; take codes[None]" if one else ""
        raise ValueError(
            f"{name} has shape {tuple(found.shape)}, and this model takes [n, {widths[0]}]{way_out}."
        )
    if inputs.known(found):
        check_finite(np.asarray(tf.cast(found, tf.float64)), name)
    return tf.cast(found, model.full_dtype)


def whole(name: str, value: Any, least: int | None = None) -> Any:
    """A whole number, such as how many samples are asked for; a graph's, which nobody knows yet, as it is.

    Raises:
        ValueError: it is none, or below the least.
    """
    of_array = tf.is_tensor(value) or isinstance(value, np.ndarray)
    if of_array and len(value.shape) == 0 and tf.as_dtype(value.dtype).is_integer:
        if not inputs.known(value):
            return value
        value = np.asarray(value)[()]
    return inputs.whole(name, value, least)


def way(prior: str, first: tf.Tensor, last: tf.Tensor, steps: int) -> tf.Tensor:
    """Codes [n * steps, z] from each first [n, z] to each last, both included, as the prior goes."""
    share = tf.linspace(tf.zeros([], first.dtype), tf.ones([], first.dtype), steps)
    share = tf.tile(share, tf.shape(first)[:1])[:, None]
    first, last = (tf.repeat(end, steps, axis=0) for end in (first, last))
    return priors.between(prior, first, last, share)


def _tensor(codes: Any, name: str) -> tf.Tensor:
    try:
        found = tf.convert_to_tensor(codes)
    except (ValueError, TypeError):
        found = None
    if found is None or not inputs.is_number(found.dtype):
        kind = type(codes).__name__ if found is None else found.dtype.name
        raise ValueError(f"{name}, of type {kind}, is no array of numbers of one shape.")
    return found
