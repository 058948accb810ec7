"""A setting as a field of a dataclass: its default, its help, and which values are accepted."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, Self

from wae_tf import registry
from wae_tf.errors import FlagError, UnknownKeywordError
from wae_tf.errors.suggestions import FLAGS, did_you_mean
from wae_tf.settings.checks import check_number, check_text, shown


class KnownKeywords:
    """A base of dataclasses of settings: a keyword that is none gets a sentence, not Python's words."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes it, once its keywords are known."""
        _, *taken = inspect.signature(cls.__init__).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken):
            known = [parameter.name for parameter in taken]
            for name in kwargs:
                if name not in known:
                    instead = did_you_mean(name, known, FLAGS)
                    raise UnknownKeywordError(
                        f"{cls.__name__} has no argument {shown(name)}{instead}"
                    )
        return super().__new__(cls)


def field(
    default: Any,
    help_text: str,
    *,
    choices: tuple[str, ...] | None = None,
    kind: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
) -> Any:
    """A setting: its default, its help, and what is accepted: `kind` says entries of the registry."""
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "choices": choices,
            "kind": kind,
            "minimum": minimum,
            "maximum": maximum,
            "above": above,
        },
    )


def check_field(setting: dataclasses.Field, value: Any) -> None:
    """Checks the value of a setting against what `field` says of it.

    Raises:
        FlagError: it is not accepted.
    """
    meta = setting.metadata
    if value is None:
        if setting.default is not None:
            raise FlagError(f"--{setting.name} needs a value: {meta['help']}.")
        return
    for text in value if isinstance(value, tuple) else (value,):
        if isinstance(text, str):
            check_text(setting.name, text)
    if meta["choices"] and value not in meta["choices"]:
        raise FlagError(
            f"--{setting.name}={shown(value)} is not known; accepted: {', '.join(meta['choices'])}"
            + did_you_mean(value, meta["choices"])
        )
    if meta["kind"]:
        registry.entry(meta["kind"], value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    check_number(setting.name, value, any_int=setting.name == "seed")
    if meta["minimum"] is not None and value < meta["minimum"]:
        raise FlagError(f"--{setting.name}={value} is too small; accepted: {meta['minimum']} up.")
    if meta["maximum"] is not None and value > meta["maximum"]:
        raise FlagError(
            f"--{setting.name}={value} is too large; accepted: {meta['maximum']} at most."
        )
    if meta["above"] is not None and value <= meta["above"]:
        raise FlagError(f"--{setting.name}={value} must be above {meta['above']}.")
