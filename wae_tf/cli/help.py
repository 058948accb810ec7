"""`--help`: the modes, and the flags by purpose with the values of the preset; no TensorFlow."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from absl import flags

from wae_tf import registry
from wae_tf.cli import mode_flags
from wae_tf.config import Config
from wae_tf.errors import FlagError, suggestions

#: What `--help` asks for: a summary, one mode, or everything.
SUMMARY, EVERYTHING = "", "full"
#: How a command line asks for it.
_ASKS, _ASKS_FOR_EVERYTHING = ("help", "h", "helpshort"), ("helpfull", "help-full", "help_full")

#: The purposes of settings, in the order that they are shown in. Each begins at a field of Config and
#: ends where the next one begins there.
_BEGINS = {
    "What to train on": "plugins",
    "How long": "epochs",
    "What to train": "model",
    "The objective": "cost",
    "The codes": "zdim",
    "The networks": "encoder_arch",
    "Learning": "optimizer",
    "How it computes": "precision",
    "On which devices": "distribute",
    "What it shows and leaves": "figure_every",
}
#: Flags that a summary tells of; it names the others.
_MAIN = (
    *("dataset", "data_dir", "image_size", "epochs", "steps", "batch_size", "model", "seed"),
    *("cost", "wae_lambda", "zdim", "prior", "encoder_noise", "encoder_arch", "encoder_filters"),
    *("decoder_arch", "decoder_filters", "lr", "lr_schedule", "precision", "distribute"),
    *("work_dir", "figure_every", "save_every", "overwrite"),
)
_USAGE = "python -m wae_tf.main [--mode=MODE] [--dataset=DATASET] [--model=MODEL] [flags]"
_ABOUT = (
    "With no flags it trains WAE-MMD on handwritten digits that need no download. Settings come from "
    "the preset of data set and model, then from any --flagfile=FILE, then from the command line. "
    "Modes other than train and classifier work on a run and take its settings from its --work_dir."
)


def asked(arguments: Sequence[str]) -> str | None:
    """What the help that a command line asks for is of: SUMMARY, EVERYTHING, a mode; None: no help.

    Raises:
        FlagError: help on something that is no mode.
    """
    for argument in arguments:
        name, _, topic = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name in _ASKS_FOR_EVERYTHING:
            return EVERYTHING
        if argument.startswith("-") and name in _ASKS:
            topic = topic.strip()
            if topic in (SUMMARY, EVERYTHING, *registry.names("mode")):
                return topic
            if topic.lower() in ("true", "1", "yes"):
                return SUMMARY
            known = (*registry.names("mode"), EVERYTHING)
            raise FlagError(
                f"--help={topic} is not known; accepted: {', '.join(known)}"
                + suggestions.did_you_mean(topic, known)
            )
    return None


def without(arguments: Sequence[str]) -> list[str]:
    """The arguments but for those that ask for help."""
    names = (*_ASKS, *_ASKS_FOR_EVERYTHING)
    return [
        argument
        for argument in arguments
        if not (argument.startswith("-") and argument.lstrip("-").partition("=")[0] in names)
    ]


def text(topic: str, values: flags.FlagValues, of: str) -> str:
    """The help.

    Args:
        topic: see `asked`.
        values: whose values are shown.
        of: what these are the values of.
    """
    width = min(shutil.get_terminal_size((80, 24)).columns, 100) if sys.stdout.isatty() else 80
    lines = [_USAGE, "", *textwrap.wrap(_ABOUT, width), ""]
    if topic in (SUMMARY, EVERYTHING):
        lines += ["Modes (--help=MODE lists the flags of one):"]
        for mode in modes_in_order():
            lines += _entry(f"--mode={mode}", registry.entry("mode", mode).help, width)
        lines += [""]
    else:
        lines = [f"--mode={topic}: {registry.entry('mode', topic).help}", ""]
    lines += [*textwrap.wrap(f"Values are those of {of}.", width), ""]
    for title, names in groups(values):
        used = names
        if topic not in (SUMMARY, EVERYTHING):
            used = [name for name in names if mode_flags.uses(topic, name)]
        if not used:
            continue
        lines.append(title)
        settings = title in _BEGINS
        told = [n for n in used if topic != SUMMARY or n in _MAIN or not settings]
        for name in told:
            help_text = _in_short(name, values) if topic == SUMMARY else str(values[name].help)
            lines += _entry(_shown(values[name]), help_text, width)
        if others := [name_of(values[name]) for name in used if name not in told]:
            also = textwrap.wrap(" ".join(others), width - 8)
            lines += [
                f"  {'also' if told else '':4s} {also[0]}",
                *(f"       {a}" for a in also[1:]),
            ]
        lines.append("")
    if topic == SUMMARY:
        lines.append("--help=MODE says what each flag of a mode is, --helpfull all of them.")
    return "\n".join(lines).rstrip()


def modes_in_order() -> list[str]:
    """The names of the modes, train first."""
    return sorted(registry.names("mode"), key=lambda mode: mode != "train")


def groups(values: flags.FlagValues) -> Iterator[tuple[str, list[str]]]:
    """The purposes, and the flags of each."""
    begins = {first: title for title, first in _BEGINS.items()}
    settings: dict[str, list[str]] = {title: [] for title in _BEGINS}
    title = next(iter(_BEGINS))
    for field in dataclasses.fields(Config):
        title = begins.get(field.name, title)
        settings[title].append(field.name)
    yield from settings.items()
    own: dict[tuple[str, ...], list[str]] = {}
    for name in values:
        if name not in mode_flags.OF_CONFIG:
            own.setdefault(mode_flags.modes_of(name), []).append(name)
    for modes, names in sorted(own.items(), key=lambda item: item[0]):
        yield " and ".join(f"--mode={mode}" for mode in modes) or "Every mode", names


def _in_short(name: str, values: flags.FlagValues) -> str:
    """The first clause of a flag's help, or the names that it takes."""
    kinds = {flag: kind for kind, (flag, _) in registry.KINDS.items()}
    if name in kinds:
        return ", ".join(registry.names(kinds[name]))
    first = str(values[name].help).split("; ")[0]
    if (default := values[name].default) is not None and "(default: " in first:
        first = first.split(" (default: ")[0]
    if name not in mode_flags.OF_CONFIG and len(first) > 51:
        first = first.split(" (default: ")[0].split(": ")[0]  # of a mode: --help=MODE says the rest
    return first if default is not None or len(first) < 100 else first.split(" (")[0]


def name_of(flag: flags.Flag) -> str:
    """A flag as it is written: a switch with its negation."""
    return f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"


def _shown(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"{name_of(flag)} ({'default' if flag.value is None else 'yes' if flag.value else 'no'})"
    value = flag.value
    if isinstance(value, list):
        value = ",".join(map(str, value))
    return f"--{flag.name}={'' if value is None else value}"


def _entry(left: str, right: str, width: int) -> list[str]:
    """A name and what it is, in two columns."""
    wrapped = textwrap.wrap(right, max(width - 29, 30)) or [""]
    first = f"  {left:26s} "
    if len(first) > 29:
        return [first.rstrip(), *(f"{'':29s}{line}" for line in wrapped)]
    return [f"{first}{wrapped[0]}", *(f"{'':29s}{line}" for line in wrapped[1:])]
