"""What the constructor of a model was given, checked, in the words of who calls it: keywords."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Set
from numbers import Integral
from typing import Any

import keras

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.errors import FlagError, KeywordError, UnknownKeywordError, suggestions
from wae_tf.settings import Settings
from wae_tf.settings.checks import plain, shown

#: Keras's policies that are a `precision` too.
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16", "float64")
#: What other libraries call the keywords.
ELSEWHERE = {**suggestions.FLAGS, "input_shape": "image_shape"}
#: Of a run, and a Keras user's calls that take them.
OF_CALLS = {"batch_size": "fit", "epochs": "fit", "steps_per_execution": "compile"}


def checked(constructor: Callable[..., None]) -> Callable[..., None]:
    """A constructor whose mistakes of a user are one sentence that names the keyword.

    Of a run's Config it names the flags, as everywhere.
    """
    signature = inspect.signature(constructor)
    parameters = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
    own = {parameter.name for parameter in parameters}

    @functools.wraps(constructor)
    def checking(self: Any, /, *args: Any, **kwargs: Any) -> None:
        _check_names(type(self), kwargs, own - {"self"})
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        if given.get("image_shape") is not None:
            given["image_shape"] = as_image_shape(given["image_shape"])
        settings = given.get("settings")
        if not isinstance(settings, Settings | None):
            raise KeywordError(
                f"settings={shown(settings)} is a {type(settings).__name__}; accepted: a wae_tf.Config, "
                "or single settings as keywords, such as zdim=16."
            )
        try:
            if given.get("data_size") is not None:
                given["data_size"] = plain("data_size", given["data_size"], "int")
                if given["data_size"] < 1:
                    raise KeywordError(
                        f"data_size={given['data_size']} is too small; accepted: 1 up, the number of "
                        "training images."
                    )
            constructor(*bound.args, **bound.kwargs)
        except FlagError as error:
            if isinstance(error, KeywordError) or isinstance(settings, Config):
                raise
            raise KeywordError(_in_keywords(str(error), given.get("image_shape"))) from error

    return _telling(checking, parameters + _of_settings())


def as_of(parent: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a constructor of *args and **kwargs tell its parent's arguments, to `help` and notebooks."""

    def told(constructor: Callable[..., None]) -> Callable[..., None]:
        known = dict(inspect.signature(parent.__init__).parameters)  # type: ignore[misc]
        for name, given in inspect.signature(constructor).parameters.items():
            if given.kind not in (given.VAR_POSITIONAL, given.VAR_KEYWORD):
                known[name] = given
        return _telling(constructor, list(known.values()))

    return told


def _telling(
    constructor: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    constructor.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return constructor


def _of_settings() -> list[inspect.Parameter]:
    """The settings as keywords, but for the one that the class says."""
    return [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=setting.default,
            annotation=setting.type,
        )
        for setting in dataclasses.fields(Settings)
        if setting.name != "model"
    ]


def _check_names(model: type, given: dict[str, Any], own: set[str]) -> None:
    """Checks that all keywords are known, and of this model.

    Raises:
        UnknownKeywordError: one is not; the sentence says which is like it.
        KeywordError: `model` is another's.
    """
    known = own | {field.name for field in dataclasses.fields(Settings)}
    of_runs = {field.name for field in dataclasses.fields(Config)} - known
    for name in given.keys() - known:
        instead = suggestions.did_you_mean(name, sorted(known), ELSEWHERE)
        if name in OF_CALLS:
            instead = f": give it to {OF_CALLS[name]}."
        elif name in of_runs:
            instead = ": it is of a run, wae_tf.Config."
        raise UnknownKeywordError(f"{model.__name__} has no argument {shown(name)}{instead}")
    kind = given.get("model")
    if kind in registry.names("model") and kind != getattr(model, "defaults", {}).get("model"):
        named = registry.get("model", kind)
        if not issubclass(model, named):
            raise KeywordError(
                f"model={kind} is not a {model.__name__}: use {named.__name__}, or leave model out."
            )


def as_image_shape(shape: Any) -> tuple[int, ...]:
    """The shape of a row of data, as ints: of an image, a vector, a series, a volume.

    Raises:
        KeywordError: it cannot be one.
    """
    example = "accepted: (height, width, channels), such as (28, 28, 1), or (d,) of vectors"
    if getattr(shape, "ndim", 0) > 1:
        raise KeywordError(f"image_shape is an array of data; {example}: x.shape[1:].")
    listed = isinstance(shape, Iterable) and not isinstance(shape, (str, bytes, Set))
    sizes = list(shape) if listed and getattr(shape, "ndim", 1) != 0 else []
    whole = [isinstance(size, Integral) and not isinstance(size, bool) for size in sizes]
    if not sizes or not all(whole) or min(sizes) < 1:
        raise KeywordError(f"image_shape={shown(shape)} is no shape of data; {example}.")
    return tuple(map(int, sizes))


def _in_keywords(sentence: str, shape: tuple[int, ...] | None) -> str:
    """A sentence about flags as one about keywords; one about the images' size names theirs."""
    sentence = re.sub(r"--(?=\w)", "", sentence)
    if shape and len(shape) == 3 and f"{shape[0]}x{shape[1]}" in sentence:
        sentence = f"image_shape={shape}: {sentence}"
    return sentence


def precision_of_policy() -> str:
    """The precision that keras.mixed_precision.set_global_policy asks for.

    Raises:
        KeywordError: one that keeps weights in half, or quantises.
    """
    policy = keras.mixed_precision.dtype_policy().name
    if policy not in POLICIES:
        raise KeywordError(
            f"Keras's global policy is {policy}, whose weights would be too coarse to train; accepted: "
            f"{', '.join(POLICIES)}, by keras.mixed_precision.set_global_policy or by precision=."
        )
    return policy
