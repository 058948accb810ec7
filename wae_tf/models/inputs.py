"""What enters a model: the parts of a batch, and the images' type, shape and range.

`taken` is part of every step and looks at what a graph knows; `check` looks at the values too, of a
first batch. Both say in a sentence what is expected and what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models import labels
from wae_tf.models.step import together
from wae_tf.models.values import check_finite, check_unmasked
from wae_tf.pixels import black_and_white

#: How far beyond the ends of the pixel range floats may lie: more than any rounding.
TOLERANCE = 1e-4
#: The ends of the ranges; a model of any other has none, and its data may be any numbers.
ENDS = {"unit": (0.0, 1.0), "symmetric": (-1.0, 1.0), "stretched": (-1.0, 1.0)}
#: Names of the images in a dictionary: TFDS has the first, the exported signatures the second.
NAMES = ("image", "images")


class Aim(NamedTuple):
    """What the reconstructions of a batch are held against, and how much each cost weighs."""

    targets: tf.Tensor | None = None  # [n, H, W, C], in the model's range; None: the images
    weights: tf.Tensor | None = None  # [n]; None: alike
    labels: tf.Tensor | None = None  # [n, classes], one-hot, of a model that has classes


#: At the images themselves, alike.
TO_IMAGES = Aim()


def taken(model: Any, batch: Any, what: str | None = None) -> tuple[tf.Tensor, Aim]:
    """The parts of a batch (images), (images, y) or (images, y, sample_weight), as floats.

    Args:
        model: an autoencoder.
        batch: tensors or arrays; images alone or in a dictionary under "image", as TFDS has them.
        what: the method that they were given to, for the sentence.

    Returns:
        the images, [n, H, W, C] in the model's range, and what their reconstructions should be.

    Raises:
        ValueError: something that the model cannot take.
    """
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    of = f" of {what}" if what else ""
    x = image_of(x, f"x{of}")
    if model_gathers(model, x):
        own = (
            labels.one_hot(model, model.batch_to_labels(x), "y") if model.settings.classes else None
        )
        return _shaped(model, model.batch_to_images(x), f"x{of}"), Aim(labels=own)
    images = as_images(model, x, f"x{of}")
    if model.settings.classes:
        own = labels.one_hot(model, y, f"y{of}, the labels,")
        return images, Aim(None, None if weights is None else _weights(model, weights, of), own)
    targets = None if y is None else _targets(model, y, f"y{of}")
    return images, Aim(targets, None if weights is None else _weights(model, weights, of))


def check(model: Any, batch: Any, what: str) -> None:
    """Looks at the values of a batch: NaN, what lies outside the model's range, weights.

    Args:
        model: an autoencoder.
        batch: as for `taken`, of values that are known.
        what: the method that they were given to.

    Raises:
        ValueError: something that the model cannot take.
    """
    batch = together.as_given(batch)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    for part, name in ((y, "y"), (weights, "sample_weight")):
        check_unmasked(part, f"{name} of {what}")
    x = image_of(x, f"x of {what}")
    if model_gathers(model, x):
        return
    taken(model, batch, what)
    check_values(model, x, f"x of {what}")
    if model.settings.classes:
        labels.check(model, y, f"y of {what}, the labels,")
    elif is_target(model, y):
        check_values(model, y, f"y of {what}")
    if weights is not None:
        _check_weights(np.asarray(weights), what)


def model_gathers(model: Any, x: Any) -> bool:
    """Whether x are indices of images that the device holds (`training.feeding`)."""
    held = getattr(model, "batch_to_images", None) is not None
    return held and getattr(x, "dtype", None) == tf.int64


def image_of(x: Any, name: str) -> Any:
    """The images of a dictionary or of a list of one, a Keras variable's tensor; else what is given.

    Raises:
        ValueError: a dictionary without them, a list of several, or masked values.
    """
    images = _picked(x, name)
    check_unmasked(images, name)
    return images


def _picked(x: Any, name: str) -> Any:
    if isinstance(x, keras.Variable):
        return x.value
    if isinstance(x, Mapping):
        for key in NAMES:
            if key in x:
                return x[key]
        keys = ", ".join(map(repr, x)) or "nothing"
        raise ValueError(
            f"{name} is a dictionary of {keys}: images are taken from {NAMES[0]!r}, as in the data "
            "sets of TFDS."
        )
    if isinstance(x, (list, tuple)) and x and all(hasattr(part, "shape") for part in x):
        if len(x) == 1:
            return x[0]
        raise ValueError(
            f"{name} is a list of {len(x)} arrays, and a model takes one: np.stack makes one of images."
        )
    return x


def as_images(model: Any, x: Any, name: str) -> tf.Tensor:
    """Images as floats in the model's range, [n, H, W, C].

    Raises:
        ValueError: another shape, or a type that has no range.
    """
    if isinstance(x, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(f"{name} is a {type(x).__name__}: the images must be of one shape, dense.")
    if not tf.is_tensor(x):
        x = _tensor(x, name)
    x = black_and_white(x, model.settings.pixel_range_of_data)
    dtype, ranged = x.dtype, ends(model) is not None
    if not (dtype.is_floating or dtype == tf.uint8 or (not ranged and is_number(dtype))):
        raise ValueError(f"{name} is of type {dtype.name}, and {wanted(model)}.{_of_bytes(x)}")
    # The shape first: what makes floats of bytes may go by the image.
    return model.as_pixels(_shaped(model, x, name))


def check_values(model: Any, x: Any, name: str) -> None:
    """Looks for NaN and for floats outside the model's range.

    Raises:
        ValueError: there are some.
    """
    if not known(x):
        return
    values = np.asarray(x)
    if values.size == 0:
        raise ValueError(f"{name} is empty: of shape {values.shape}.")
    if values.dtype.kind in "bui":
        return
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    largest = float(tf.as_dtype(model.full_dtype).max)  # what is beyond, in float64, becomes inf
    if not (np.isfinite([low, high]).all() and max(-low, high) <= largest):
        with np.errstate(over="ignore"):
            check_finite(values.astype(model.full_dtype), name)
    bounds = ends(model)
    if bounds and (low < bounds[0] - TOLERANCE or high > bounds[1] + TOLERANCE):
        raise ValueError(
            f"{name} holds floats from {low:.4g} to {high:.4g}, and {wanted(model)}"
            f"{_way_out(low, high, bounds)}."
        )


def is_number(dtype: tf.DType) -> bool:
    """Whether it can be cast to a float without loss of meaning."""
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def whole(name: str, value: Any, least: int | None) -> int:
    """A whole number that a user gives.

    Raises:
        ValueError: it is none, or below the least, if there is one.
    """
    known = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not known or (least is not None and value < least):
        from_least = "" if least is None else f"{least} up, "
        raise ValueError(f"{name}={value!r} is not accepted: {from_least}a whole number.")
    return int(value)


def known(x: Any) -> bool:
    """Whether the values are there to be looked at, not a symbol of a graph."""
    if isinstance(x, keras.KerasTensor):
        return False
    return hasattr(x, "numpy") if tf.is_tensor(x) else True


def ends(model: Any) -> tuple[float, float] | None:
    """The least and the largest number that a float image of this model can have."""
    return ENDS.get(model.settings.pixel_range_of_data)


def wanted(model: Any) -> str:
    """What the model takes, as a clause."""
    bounds = ends(model)
    if bounds is None:
        return "this model takes numbers"
    low, high = bounds
    pixel_range = model.settings.pixel_range_of_data
    return f"this model takes uint8, or floats in [{low:g}, {high:g}] (pixel_range={pixel_range!r})"


def _way_out(low: float, high: float, bounds: tuple[float, float]) -> str:
    if low >= 0 and 1 < high <= 255:
        return ": give uint8, or divide by 255" + (" and stretch to that" if bounds[0] < 0 else "")
    if bounds[0] == 0 and low >= -1 - TOLERANCE and high <= 1 + TOLERANCE:
        return "; a model with pixel_range='symmetric' takes [-1, 1]"
    return ""


def _of_bytes(x: tf.Tensor) -> str:
    if x.dtype.is_integer and known(x) and tf.size(x):
        values = np.asarray(x)
        if values.min() >= 0 and values.max() <= 255:
            return " These are within 0 and 255: astype('uint8') makes them what it takes."
    return ""


def _tensor(x: Any, name: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(x)
    except (ValueError, TypeError) as error:
        raise no_array(x, name) from error


def no_array(x: Any, name: str) -> ValueError:
    """The error that x is no array of numbers, with a way out if it is a table of pandas or polars."""
    kind = getattr(x, "dtype", None) or type(x).__name__
    table = hasattr(x, "to_numpy")
    way_out = ": to_numpy('float32') makes one of a table of numbers" if table else ""
    return ValueError(f"{name}, of type {kind}, is no array of numbers of one shape{way_out}.")


def _shaped(model: Any, x: tf.Tensor, name: str) -> tf.Tensor:
    """The tensor, of the model's shape for all that a graph knows."""
    one = tuple(model.image_shape)
    if not x.shape.is_compatible_with([None, *one]):
        way_out = ""
        if x.shape == one:
            way_out = ": that is one image, not a batch; take x[None], or .batch(...) of a data set"
        elif one[-1] == 1 and x.shape.is_compatible_with([None, *one[:-1]]):
            way_out = ": x[..., None] adds the channel"
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}, and this model takes "
            f"[n, {', '.join(map(str, one))}]{way_out}."
        )
    if x.shape.rank is None or None in x.shape[1:]:
        x = tf.ensure_shape(x, [None, *one])
    return x


def is_target(model: Any, y: Any) -> bool:
    """Whether y has the images' shape, so that reconstructions are held against it."""
    shape = getattr(y, "shape", None)
    if model.settings.classes:  # y are labels
        return False
    if shape is None or isinstance(y, (tf.RaggedTensor, tf.SparseTensor)):
        return False
    shape = tf.TensorShape(shape)
    return shape.rank is not None and shape.is_compatible_with([None, *model.image_shape])


def _targets(model: Any, y: Any, name: str) -> tf.Tensor | None:
    """What the reconstructions are held against; None where y are labels."""
    if is_target(model, y):
        return as_images(model, y, name)
    rank = tf.TensorShape(y.shape).rank if hasattr(y, "shape") else None
    if rank in (1, 2) and not isinstance(y, (tf.RaggedTensor, tf.SparseTensor)):
        return None
    found = f"has shape {tuple(y.shape)}" if rank is not None else f"is a {type(y).__name__}"
    raise ValueError(
        f"{name} {found}: accepted are what the reconstructions should be, "
        f"[n, {', '.join(map(str, model.image_shape))}], and labels, [n] or [n, k], which are not used."
    )


def _weights(model: Any, weights: Any, of: str) -> tf.Tensor:
    shape = tf.TensorShape(getattr(weights, "shape", None))
    if not (shape.is_compatible_with([None]) or shape.is_compatible_with([None, 1])):
        raise ValueError(
            f"sample_weight{of} has shape {tuple(shape)}, and accepted is a number an image, [n]; "
            "class_weight needs y to be labels."
        )
    return tf.cast(tf.reshape(weights, [-1]), model.full_dtype)


def _check_weights(weights: np.ndarray, what: str) -> None:
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError(
            f"sample_weight of {what} holds numbers from {weights.min():.4g} to {weights.max():.4g}; "
            "accepted: 0 up."
        )


def check_compile(model: Any, adversary_optimizer: Any, kwargs: Mapping[str, Any]) -> None:
    """Refuses what `compile` of a model with an objective of its own would ignore.

    Raises:
        ValueError: a loss or metrics, an adversary's optimizer of a model that has none, or losses of
            half precision that are not to be scaled.
    """
    if not kwargs.get("auto_scale_loss", True) and model.settings.precision == "mixed_float16":
        raise ValueError(
            "compile(auto_scale_loss=False) does not go with precision=mixed_float16, whose gradients "
            "would vanish: leave it out, or make the model with precision='mixed_bfloat16'."
        )
    for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        if kwargs.get(name):
            raise ValueError(
                f"compile({name}=...) would have no effect: the loss is the cost of the "
                f"reconstructions and the penalty, which {type(model).__name__}(cost=..., "
                "recon_scale=..., wae_lambda=...) sets, and they are the metrics."
            )
    if adversary_optimizer is not None and model.adversary is None:
        raise ValueError(
            f"compile: {adversary_optimizer!r} is the adversary's optimizer, the second argument, and "
            f"{type(model).__name__} has no adversary."
        )


def shown_images(model: Any, images: Any, name: str) -> tf.Tensor:
    """Images that a user gives to a method at once, checked, as floats in the model's range.

    Raises:
        ValueError: something that the model cannot take.
    """
    images = image_of(images, name)
    floats = as_images(model, images, name)
    check_values(model, images, name)
    return floats
