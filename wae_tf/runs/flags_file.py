"""The flags of a run as text, a flag a line, and read back by name."""

from __future__ import annotations

import dataclasses

from wae_tf.config import Config


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
