"""docs/flags.md, made of the settings: `python -m wae_tf.cli.flags_page > docs/flags.md`."""

from __future__ import annotations

import dataclasses

from absl import flags

from wae_tf import registry
from wae_tf.cli import arguments, help, mode_flags
from wae_tf.config import Config

_HEAD = """# Flags

Made of the settings by `python -m wae_tf.cli.flags_page`. `python -m wae_tf.main --help` has the values
of a preset, which stand above these defaults: `flags/<dataset>_<model>.flags`. Switches are set by
`--name` and `--noname`. As keywords of models and of `wae_tf.Config` the names are the same.
"""


def markdown() -> str:
    """The page."""
    values = flags.FlagValues()
    arguments.define(values)
    parts = [
        _HEAD,
        "## Modes\n",
        "| `--mode` | what it does | what it uses |",
        "| --- | --- | --- |",
    ]
    for mode in help.modes_in_order():
        parts.append(f"| `{mode}` | {registry.entry('mode', mode).help} | {_used(mode, values)} |")
    for title, names in help.groups(values):
        parts += [f"\n## {title}\n", "| flag | default | |", "| --- | --- | --- |"]
        parts += [_row(values[name]) for name in names if name != "mode"]
    return "\n".join(parts) + "\n"


def _used(mode: str, values: flags.FlagValues) -> str:
    fields = [field.name for field in dataclasses.fields(Config)]
    used = [name for name in fields if mode_flags.uses(mode, name)]
    own = [f"`--{name}`" for name in values if mode in mode_flags.modes_of(name)]
    if len(used) == len(fields):
        return ", ".join(["all settings", *own])
    return ", ".join([*(f"`--{name}`" for name in used), *own])


def _row(flag: flags.Flag) -> str:
    value = flag.default
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if flag.boolean and value is not None:
        value = "yes" if value else "no"
    if flag.name == "verbosity":  # the environment's, where it says so
        value = -2
    shown = "" if value is None or value == "" else f"`{value}`"
    text = " ".join(str(flag.help).split()).replace("|", "\\|").replace("<", "&lt;")
    return f"| `{help.name_of(flag)}` | {shown} | {text} |"


if __name__ == "__main__":
    print(markdown(), end="")
