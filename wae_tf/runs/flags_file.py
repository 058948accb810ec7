"""The flags of a run as text, a flag a line, and read back by name."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from wae_tf.config import Config
from wae_tf.errors import RunError

#: Flags that one sentence names.
_NAMED = 5


def flags_text(config: Config, header: str = "") -> str:
    """The flags that give this config, one a line; flags left at None are not named."""
    lines = [f"# {line}" for line in header.splitlines()]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None or value == ():
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, tuple):
            value = ",".join(map(str, value))
        lines.append(f"--{field.name}={value}")
    return "\n".join(lines) + "\n"


def flags_by_name(text: str) -> dict[str, str]:
    """The flags in a text of `flags_text`, by name; of numbers, 10 and 10.0 are the same text."""
    # At "\n" alone, as flagfiles are read: a path may have what else ends a line to splitlines.
    lines = text.replace("\r\n", "\n").split("\n")
    parts = [line[2:].partition("=") for line in lines if line.startswith("--")]
    return {name: _usual(name, value) for name, _, value in parts}


def _usual(name: str, value: str) -> str:
    """A value as `flags_text` writes it now; runs of before have whole numbers where floats are."""
    if name not in _floats():
        return value
    try:
        return ",".join(str(float(number)) for number in value.split(","))
    except ValueError:  # damaged
        return value


@functools.cache
def _floats() -> set[str]:
    types = typing.get_type_hints(Config).items()
    return {name for name, kind in types if float in (kind, *typing.get_args(kind))}


def config_of(text: str) -> Config:
    """The Config of a text of `flags_text`.

    Raises:
        RunError: a line is no flag of today's.
    """
    types = typing.get_type_hints(Config)
    fields: dict[str, Any] = {}
    for name, value in flags_by_name(text).items():
        kinds = {types.get(name), *typing.get_args(types.get(name))}
        try:
            if bool in kinds:
                fields[name] = {"true": True, "false": False}[value]
            elif typing.get_origin(types[name]) is tuple:
                fields[name] = tuple(map(typing.get_args(types[name])[0], value.split(",")))
            elif int in kinds:
                fields[name] = int(value)
            else:
                fields[name] = float(value) if float in kinds else value
        except (KeyError, ValueError) as error:
            raise RunError(
                f"--{name}={value} is no flag of this version; it cannot be read."
            ) from error
    return Config(**fields)


def apart(differing: Sequence[str], there: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How the flags of a run and of now differ, such as "--lr=0.1, --zdim=4, not --lr=0.2, --zdim=8".

    Another data set or model brings flags with it that nobody gave: it is named alone.
    """
    of_preset = [name for name in ("dataset", "model") if name in differing]
    names = of_preset or differing[:_NAMED]
    both = [[(name, of.get(name, "(none)")) for name in names] for of in (there, now)]
    first, other = (", ".join(f"--{name}={value}" for name, value in flags) for flags in both)
    more = (
        f" (and {len(differing) - _NAMED} more)"
        if len(differing) > _NAMED and not of_preset
        else ""
    )
    return f"{first}, not {other if len(names) > 1 else both[1][0][1]}{more}"
