"""What a call of Keras's `fit`, `evaluate` or `predict` was given, made such as Keras takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models import inputs


def bound(
    method: Callable, model: keras.Model, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What a call of one of Keras's methods gives each of its arguments, defaults included."""
    call = inspect.signature(method).bind(model, *args, **kwargs)
    call.apply_defaults()
    return {name: value for name, value in call.arguments.items() if name != "self"}


def make_usable(asked: dict[str, Any], what: str) -> None:
    """Changes x, y and sample_weight where Keras would refuse or drop them.

    Keras's generators give tuples, its labels are arrays of numbers, and without y it drops the weights.

    Args:
        asked: what the method was given, by name.
        what: the method, for the sentences.

    Raises:
        ValueError: no images, or rows of Python's numbers.
    """
    name = f"x of {what}"
    x = asked["x"] = _in_tuples(asked["x"])
    images = inputs.image_of(x, name)
    if images is None:
        raise ValueError(f"{name} is None: a model needs images.")
    if isinstance(images, (list, tuple)):
        raise ValueError(f"{name} is a {type(images).__name__}: np.asarray makes an array of rows.")
    if not hasattr(images, "shape"):
        return
    if images.shape[0] == 0:
        raise ValueError(f"{name} is empty: of shape {tuple(images.shape)}.")
    for part in ("y", "sample_weight"):
        if part in asked and _is_row(asked[part]):
            asked[part] = np.asarray(asked[part])
    words = _of_words(asked.get("y"))
    if words or (asked.get("sample_weight") is not None and asked["y"] is None):
        rows = len(asked["y"]) if words else images.shape[0]
        asked["y"] = np.zeros(rows, np.uint8)


def usable_validation(data: Any) -> Any:
    """`validation_data`, of which the same holds."""
    if isinstance(data, list | tuple) and len(data) in (2, 3):
        parts = dict(zip(("x", "y", "sample_weight"), (*data, None), strict=False))
        make_usable(parts, "validation_data")
        return tuple(parts.values())
    return _in_tuples(data)


def check_class_weight(model: Any, asked: dict[str, Any]) -> None:
    """Looks whether there are labels that a class_weight can be of.

    Raises:
        ValueError: there are none.
    """
    if asked["class_weight"] is None:
        return
    x, y = asked["x"], asked["y"]
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        y = spec[1] if isinstance(spec, tuple) and len(spec) > 1 else None
    elif isinstance(x, keras.utils.PyDataset) or not hasattr(inputs.image_of(x, "x"), "shape"):
        return  # known when the batches come
    if y is None or inputs.is_target(model, y) or _of_words(y):
        found = (
            "has none" if y is None else "has words" if _of_words(y) else "has the images' shape"
        )
        raise ValueError(f"class_weight needs labels, [n] or one-hot [n, k], as y, which {found}.")


def _in_tuples(x: Any) -> Any:
    """An iterator as Keras takes it: a generator of tuples. Anything else as it is."""
    if not isinstance(x, Iterator) or isinstance(x, tf.data.Iterator):
        return x
    return (batch if isinstance(batch, tuple) else (batch,) for batch in x)


def _is_row(part: Any) -> bool:
    plain = (bool, int, float, str, np.generic)
    return isinstance(part, list | tuple) and all(isinstance(value, plain) for value in part)


def _of_words(y: Any) -> bool:
    dtype = getattr(y, "dtype", None)
    return isinstance(dtype, np.dtype) and dtype.kind in "OUS"
