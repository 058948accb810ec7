"""What a call of Keras's `fit`, `evaluate` or `predict` was given, made such as Keras takes it."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models import inputs
from wae_tf.models.step import schedules
from wae_tf.models.values import check_unmasked

#: Arguments that are whole numbers, and the least of each. Keras takes 0 for none, or fails at others late.
_WHOLE = {
    "batch_size": 1,
    "validation_batch_size": 1,
    "epochs": 0,
    "initial_epoch": 0,
    "steps_per_epoch": 1,
    "validation_steps": 1,
    "steps": 1,
}

#: What Keras says where it makes tensors' types of a DataLoader's batch that is a tensor, or a dict.
_OF_NO_TUPLES = ("'TensorSpec' object is not iterable", "`output_signature` must contain")


def as_keras(method: Callable) -> Callable[[Callable], Callable]:
    """Makes a method of *args and **kwargs tell the arguments of one of Keras's, to `help` and notebooks."""

    def told(own: Callable) -> Callable:
        own.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
        return own

    return told


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
        ValueError: no images, rows of Python's numbers, a data set that would never end, or sizes and
            counts that are none.
    """
    name = f"x of {what}"
    _check_numbers(asked)
    x = asked["x"] = _of_images(_in_tuples(asked["x"]), name)
    steps = "steps_per_epoch" if "steps_per_epoch" in asked else "steps"
    _check_end(x, name, steps, asked.get(steps))
    images = inputs.image_of(x, name)
    if images is None:
        raise ValueError(f"{name} is None: a model needs images.")
    if isinstance(images, (list, tuple)):
        raise ValueError(f"{name} is a {type(images).__name__}: np.asarray makes an array of rows.")
    if not hasattr(images, "shape"):
        return
    if _of_words(images):
        raise inputs.no_array(images, name)
    if images.shape[0] == 0:
        raise ValueError(f"{name} is empty: of shape {tuple(images.shape)}.")
    for part in ("y", "sample_weight"):
        check_unmasked(asked.get(part), f"{part} of {what}")
        if part in asked and _is_row(asked[part]):
            asked[part] = np.asarray(asked[part])
    if _of_words(asked.get("sample_weight")):
        raise ValueError(f"sample_weight of {what} has words; accepted: a number an image, [n].")
    words = _of_words(asked.get("y"))
    if words or (asked.get("sample_weight") is not None and asked["y"] is None):
        rows = len(asked["y"]) if words else images.shape[0]
        asked["y"] = np.zeros(rows, np.uint8)


def usable_validation(data: Any, steps: int | None) -> Any:
    """`validation_data`, of which the same holds; steps is `validation_steps`.

    Raises:
        ValueError: as `make_usable`; other parts than x, y and sample_weight.
    """
    if data is None:
        return None
    _check_end(data, "validation_data", "validation_steps", steps)
    given = data if isinstance(data, list | tuple) else (data,)
    if not 1 <= len(given) <= 3:
        raise ValueError(
            f"validation_data is a {type(data).__name__} of {len(given)} parts; accepted: x, (x, y) or "
            "(x, y, sample_weight), or a data set."
        )
    if len(given) == 1:
        alone = {"x": given[0], "steps": steps}
        make_usable(alone, "validation_data")
        return alone["x"]
    parts = dict(zip(("x", "y", "sample_weight"), (*given, None), strict=False))
    make_usable(parts, "validation_data")
    return tuple(parts.values())


def usable_class_weight(model: Any, asked: dict[str, Any]) -> dict[int, float] | None:
    """What was given as `class_weight`; of a model with classes, those left out weigh 1, as of arrays.

    Raises:
        ValueError: there are no labels that it can be of, or it is no dictionary.
    """
    if asked["class_weight"] is None:
        return None
    if not isinstance(asked["class_weight"], Mapping):
        raise ValueError(
            f"class_weight is a {type(asked['class_weight']).__name__}; accepted: a dictionary of class and "
            "weight, such as {0: 1.0, 1: 2.0}."
        )
    if isinstance(asked["x"], tf.distribute.DistributedDataset):
        raise ValueError(
            "class_weight does not go with a distributed data set: give weights as its sample_weight."
        )
    weights = dict.fromkeys(range(model.settings.classes), 1.0) | dict(asked["class_weight"])
    x, y = asked["x"], asked["y"]
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        y = spec[1] if isinstance(spec, tuple) and len(spec) > 1 else None
    elif isinstance(x, keras.utils.PyDataset) or not hasattr(inputs.image_of(x, "x"), "shape"):
        return weights  # known when the batches come: `Looking` asks `check_classes` of the first
    check_classes(model, y)
    return weights


def check_classes(model: Any, y: Any) -> None:
    """Looks whether y are labels that a class_weight can be of.

    Raises:
        ValueError: they are not.
    """
    if y is None or inputs.is_target(model, y) or _of_words(y):
        found = (
            "has none" if y is None else "has words" if _of_words(y) else "has the images' shape"
        )
        raise ValueError(f"class_weight needs labels, [n] or one-hot [n, k], as y, which {found}.")


def check_whole_calls(model: Any, asked: Mapping[str, Any], name: str, of: str) -> None:
    """Looks whether a number of steps is made of whole calls: Keras makes whole ones alone, so more steps.

    Args:
        model: compiled.
        asked: what the method was given, by name.
        name: of the number.
        of: the name of its data, which may end there by themselves.

    Raises:
        ValueError: it is not.
    """
    steps, each = asked[name], model.steps_per_execution
    if steps is None or not steps % each or model.program is not None:  # it takes what it is given
        return
    there = _batches(asked, of)
    if there is not None and there <= steps:
        return
    raise ValueError(
        f"{name}={steps} is no multiple of the steps_per_execution={each} that the model was compiled "
        f"with, of which Keras would make {-(-steps // each)}, {-(-steps // each) * each} steps: give a "
        f"multiple of {each}, or compile it with a divisor of {steps}."
    )


def _batches(asked: Mapping[str, Any], of: str) -> int | None:
    """How many batches are there before data end; None where they do not say."""
    size, split = asked["batch_size"], asked.get("validation_split") or 0.0
    if of == "x":
        return schedules.batches(asked["x"], size, split)
    data, size = asked[of], asked["validation_batch_size"] or size
    if data is None:  # those that `fit` splits off, or none, which it makes no step of
        rows = len(inputs.image_of(asked["x"], "x of fit")) if split else 0
        return schedules.batches(np.empty(rows - int(rows * (1 - split))), size)
    return schedules.batches(data[0] if isinstance(data, list | tuple) else data, size)


def _check_numbers(asked: Mapping[str, Any]) -> None:
    for name, least in _WHOLE.items():
        if asked.get(name) is not None:
            inputs.whole(name, asked[name], least)
    split = asked.get("validation_split") or 0
    if not (isinstance(split, (int, float)) and 0 <= split < 1):
        raise ValueError(f"validation_split={split!r} is not accepted: 0 up, below 1.")


def _check_end(data: Any, name: str, keyword: str, steps: int | None) -> None:
    # Keras would wait for it without a word.
    of_batches = isinstance(data, tf.data.Dataset) and steps is None
    if of_batches and data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            f"{name} has no end: give {keyword}=, take(n) of it, or leave repeat() out."
        )


def _in_tuples(x: Any) -> Any:
    """An iterator as Keras takes it: a generator of tuples. Anything else as it is."""
    if not isinstance(x, Iterator) or isinstance(x, tf.data.Iterator):
        return x
    return (tuple(batch) if isinstance(batch, list | tuple) else (batch,) for batch in x)


_plainly = tf.autograph.experimental.do_not_convert


def _of_images(x: Any, name: str) -> Any:
    """A data set of dictionaries as one of images: XLA takes no words, which may be beside them.

    Raises:
        ValueError: dictionaries without images.
    """
    if not isinstance(x, tf.data.Dataset):
        return x
    spec = x.element_spec
    first = spec[0] if isinstance(spec, tuple) and spec else spec
    if not isinstance(first, Mapping):
        return x
    inputs.image_of(first, name)
    if first is spec:
        return x.map(_plainly(lambda part: inputs.image_of(part, name)))

    def of_images(*parts: Any) -> tuple[Any, ...]:
        named = isinstance(parts[0], tuple)  # which is not unpacked
        part, *others = parts[0] if named else parts
        return inputs.image_of(part, name), *others

    return x.map(_plainly(of_images))


@contextlib.contextmanager
def naming_loaders(asked: Mapping[str, Any]) -> Iterator[None]:
    """Makes sentences of Keras's errors where batches of a DataLoader of PyTorch are no tuples.

    Nothing is asked of its data set before: a row may be drawn at random, or know other keys than 0.
    """
    try:
        yield
    except TypeError as error:
        torch = sys.modules.get("torch.utils.data")
        loaders = [
            name
            for name in ("x", "validation_data")
            if torch is not None and isinstance(asked.get(name), torch.DataLoader)
        ]
        if not (loaders and any(text in str(error) for text in _OF_NO_TUPLES)):
            raise
        raise ValueError(
            f"{' or '.join(loaders)} is a DataLoader whose batches are no tuples; accepted: of tuples, as "
            "torch.utils.data.TensorDataset(images) makes them."
        ) from error


def _is_row(part: Any) -> bool:
    plain = (bool, int, float, str, np.generic)
    return isinstance(part, list | tuple) and all(isinstance(value, plain) for value in part)


def _of_words(part: Any) -> bool:
    """Whether an array, or a table of pandas or polars, has words, dates or else what is no number."""
    dtype = getattr(part.to_numpy() if hasattr(part, "to_numpy") else part, "dtype", None)
    if isinstance(dtype, tf.DType):
        return dtype == tf.string
    return isinstance(dtype, np.dtype) and dtype.kind in "OUSVMm"
