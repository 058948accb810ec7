"""The flags of a run as text, a flag a line, and read back by name."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from wae_tf.config import Config
from wae_tf.errors import RunError


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
    """The flags in a text of `flags_text`, by name."""
    lines = [line[2:].partition("=") for line in text.splitlines() if line.startswith("--")]
    return {name: value for name, _, value in lines}


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
