"""Labels: which are accepted, and how a decoder gets them: one-hot, behind the code."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.models.values import check_unmasked

#: What an assertion of a graph says, by which it is known.
_OTHERS = "found some below 0 or above"


def one_hot(model: Any, labels: Any, name: str, count: Any = None) -> tf.Tensor:
    """Labels as the decoder takes them, [n, classes] of the model's floats.

    Args:
        model: an autoencoder with classes.
        labels: integers [n] or [n, 1], each a row's class; one for all of `count` rows; or [n, classes],
            one-hot.
        name: what they are called in a sentence.
        count: how many rows they are for, where that is known.

    Raises:
        ValueError: none, others, or not as many as rows. Of a graph what it knows: its values are
            looked at while it runs.
    """
    classes = model.settings.classes
    if labels is None:
        raise ValueError(f"{name} is missing: {wanted(model)}.")
    check_unmasked(labels, name)
    if not tf.is_tensor(labels):
        labels = np.asarray(labels)
    if hasattr(labels, "numpy"):
        labels = labels.numpy()
    if isinstance(labels, np.ndarray) and labels.ndim == 0 and count is not None:
        labels = np.full(int(count), labels)
    shape = tf.TensorShape(labels.shape)
    hot = shape.rank == 2 and shape[1] == classes and classes > 1
    if not (hot or shape.is_compatible_with([None]) or shape.is_compatible_with([None, 1])):
        raise ValueError(f"{name} has shape {tuple(shape)}, and {wanted(model)}.")
    if isinstance(labels, np.ndarray):
        if count is not None and len(labels) != int(count):
            raise ValueError(
                f"{name} has {len(labels)} rows, and there are {int(count)} to go with."
            )
        check(model, labels, name)
        labels = tf.constant(labels)
    if hot:
        return tf.cast(labels, model.full_dtype)
    if not labels.dtype.is_integer:
        raise ValueError(f"{name} is of type {labels.dtype.name}, and {wanted(model)}.")
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
    sentence = f"{name}: {wanted(model)}; {_OTHERS} {classes - 1}"
    inside = [
        tf.debugging.assert_non_negative(labels, sentence),
        tf.debugging.assert_less(labels, tf.constant(classes, tf.int64), sentence),
    ]
    with tf.control_dependencies([op for op in inside if op is not None]):
        return tf.one_hot(labels, classes, dtype=model.full_dtype)


def check(model: Any, labels: Any, name: str) -> None:
    """Looks at the values of labels, [n], [n, 1] or one-hot.

    Raises:
        ValueError: no integers, or others than the model's classes.
    """
    values, classes = np.asarray(labels), model.settings.classes
    if values.ndim == 2 and values.shape[1] == classes > 1:
        if not (np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()):
            raise ValueError(f"{name} is not one-hot: a 1 and else 0 in each row are accepted.")
        return
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} is of type {values.dtype}, and {wanted(model)}.")
    if values.size and (values.min() < 0 or values.max() >= classes):
        raise ValueError(f"{name} goes from {values.min()} to {values.max()}, and {wanted(model)}.")


def check_error(model: Any, error: Exception, name: str) -> None:
    """Says in a sentence that it was labels of a later batch over which a graph has failed.

    Raises:
        ValueError: it was.
    """
    if _OTHERS in str(error):
        raise ValueError(
            f"{name} of a later batch has some that are no class, and {wanted(model)}."
        ) from error


def wanted(model: Any) -> str:
    """What the model takes, as a clause."""
    classes = model.settings.classes
    return f"this model has classes={classes} and takes integers from 0 to {classes - 1}, one a row"


def refused(model: Any, labels: Any, name: str) -> None:
    """Refuses labels given to a model that has no use for them.

    Raises:
        ValueError: it has none.
    """
    if labels is not None and not model.settings.classes:
        raise ValueError(
            f"{name}: this {type(model).__name__} was made without classes; {type(model).__name__}(..., "
            "classes=10) takes labels."
        )


def in_turn(model: Any, count: int | tf.Tensor) -> Any:
    """Every class in turn, [count] of integers; None of a model without classes."""
    classes = model.settings.classes
    rows = tf.range(count) if tf.is_tensor(count) else np.arange(count)
    return rows % classes if classes else None


def joined(model: Any, codes: Any, labels: Any, name: str = "labels") -> Any:
    """What the decoder takes: codes [n, z] and their labels, [n, z + classes]; of no classes the codes.

    Codes that are joined already are taken as they are.

    Raises:
        ValueError: labels are missing, or cannot be used.
    """
    refused(model, labels, name)
    settings = model.settings
    if not settings.classes:
        return codes
    if labels is None and codes.shape[-1] == settings.zdim + settings.classes:
        return codes
    count = codes.shape[0] if tf.executing_eagerly() else None
    hot = one_hot(model, labels, name, count)
    return tf.concat([tf.cast(codes, model.full_dtype), hot], axis=-1)
