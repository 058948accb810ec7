"""The flags of `python -m wae_tf.main`: presets, flagfiles, and which of them wins."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from wae_tf import registry
from wae_tf.cli import flagfiles
from wae_tf.config import Config
from wae_tf.errors import FlagError, UserError
from wae_tf.evaluation.options import Options
from wae_tf.setting_checks import check_number, check_text, shown


def define(values: flags.FlagValues) -> None:
    """Defines every flag: the fields of Config and of an evaluation's Options, those of the modes."""
    _define_fields(Config, values)
    _define_fields(Options, values)
    modes = registry.names("mode")
    flags.DEFINE_string("mode", "train", f"what to do: {_told('mode')}", flag_values=values)
    for mode in modes:
        _define_of_mode(mode, values)
    flags.DEFINE_boolean(
        "overwrite", False, "remove the run that --work_dir holds", flag_values=values
    )
    flags.DEFINE_integer(
        "num_samples", 1000, "--mode=sample: how many images to make", flag_values=values
    )
    flags.DEFINE_string(
        "export_dir",
        None,
        "--mode=export: folder of numbered versions (default: saved_model in --work_dir)",
        flag_values=values,
    )
    flags.DEFINE_list(
        "export_formats",
        ["savedmodel"],
        "--mode=export: savedmodel, and besides litert, onnx",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "evaluate_at_end", False, "after training, as --mode=evaluate", flag_values=values
    )
    flags.DEFINE_integer(
        "classifier_steps", 3000, "--mode=classifier: training steps", flag_values=values
    )
    flags.DEFINE_boolean("help", False, "print this list", flag_values=values, short_name="h")


def _define_fields(cls: type, values: flags.FlagValues) -> None:
    """Defines a flag for each field of a dataclass of `settings.field`s."""
    types = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        kind, text = types[field.name], field.metadata["help"]
        default: Any = field.default
        if bool in (kind, *typing.get_args(kind)):
            flags.DEFINE_boolean(field.name, default, text, flag_values=values)
        elif int in (kind, *typing.get_args(kind)):
            flags.DEFINE_integer(field.name, default, text, flag_values=values)
        elif typing.get_origin(kind) is tuple:
            flags.DEFINE_list(field.name, list(map(str, default)), text, flag_values=values)
        elif float in (kind, *typing.get_args(kind)):
            flags.DEFINE_float(field.name, default, text, flag_values=values)
        else:
            # Choices are checked by the class, whose sentence is the same for library users.
            choices = field.metadata["choices"]
            text = f"{text} ({'|'.join(choices)})" if choices else text
            if field.metadata["kind"]:
                text = f"{text}: {_told(field.metadata['kind'])}"
            flags.DEFINE_string(field.name, default, text, flag_values=values)


def _told(kind: str) -> str:
    """The names of a kind's entries, and what each is."""
    entries = [registry.entry(kind, name) for name in registry.names(kind)]
    return "; ".join(f"{one.name} ({one.help})" if one.help else one.name for one in entries)


def _define_of_mode(mode: str, values: flags.FlagValues) -> None:
    """Defines the flags that a mode's entry names: name to (default, help)."""
    for name, (default, text) in registry.fact("mode", mode, "flags", {}).items():
        kinds = {bool: "boolean", int: "integer", float: "float", list: "list"}
        make = getattr(flags, f"DEFINE_{kinds.get(type(default), 'string')}")
        make(name, default, f"--mode={mode}: {text}", flag_values=values)


def preset_folder() -> Path:
    """The folder of presets: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    inside = package / "flags"
    return inside if inside.is_dir() else package.parent / "flags"


def _preset_path(name: str) -> Path:
    """A --flagfile's path; one that starts with flags/ may also mean a preset of the package."""
    check_text("flagfile", name)
    path = Path(name)
    if path.is_file():
        return path
    packaged = preset_folder() / Path(
        *path.parts[1:] if path.parts[:1] == ("flags",) else path.parts
    )
    if packaged.is_file():
        return packaged
    known = ", ".join(
        sorted(str(p.relative_to(preset_folder())) for p in preset_folder().rglob("*.flags"))
    )
    raise FlagError(
        f"--flagfile={shown(name)} is not there; give a file, or flags/ and one of: {known}."
    )


def split_flagfiles(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The contents of all flagfiles, and the arguments without them."""
    from_files, rest = [], []
    reader = flagfiles.Reader(_preset_path)
    left = iter(arguments)
    for argument in left:
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name != "flagfile":
            rest.append(argument)
            continue
        if not equals:
            value = next(left, "")
            if not value:
                raise FlagError("--flagfile needs the path of a file of flags.")
        from_files += reader.read(_preset_path(value))
    return from_files, rest


def parse_one(arguments: Sequence[str]) -> flags.FlagValues:
    """The flags of one list of arguments, without presets and flagfiles."""
    values = flags.FlagValues()
    define(values)
    try:
        rest = values(["wae_tf.main", *arguments])[1:]
    except (flags.Error, ValueError) as error:  # ValueError: --nojit=true, and 5,000 digits
        text = " ".join(str(error).rstrip(".").split())
        text = text if len(text) < 300 else f"{text[:300]}..."
        raise FlagError(f"{text}; --help lists the flags.") from error
    if rest:
        raise FlagError(f"{shown(rest[0])!r} is not a flag; flags are written --name=value.")
    _check_of_modes(values)
    return values


def _check_of_modes(values: flags.FlagValues) -> None:
    """Checks what Config does not: the flags of the modes."""
    of_config = {field.name for field in dataclasses.fields(Config)}
    for name in values:
        value = values[name].value
        if name in of_config or isinstance(value, bool):
            continue
        if isinstance(value, (int, float)):
            check_number(name, value)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                check_text(name, text)
    for name in ("export_dir", "classifier", "inception"):
        if values[name].value == "":
            raise FlagError(f"--{name}= is empty; accepted: a path, or leave the flag out.")


def _plugins(arguments: Sequence[str]) -> list[str]:
    """The modules that --plugins names, the last of them counting, before other flags are known."""
    last = ""
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "plugins":
            last = value if equals else after
    return [name for name in (part.strip() for part in last.split(",")) if name]


def _preset(dataset: str, model: str) -> list[str]:
    """The flags below those given: of the pair's preset, else of its data set with another model."""
    path = preset_folder() / f"{dataset}_{model}.flags"
    if path.is_file():
        return flagfiles.Reader().read(path)
    facts = registry.entry("model", model).facts
    path = preset_folder() / f"{dataset}_{facts.get('presets_of', 'wae_mmd')}.flags"
    return [
        *(flagfiles.Reader().read(path) if path.is_file() else ()),
        *(f"--{flag}={value}" for flag, value in facts.get("needs", {}).items()),
    ]


def parse(arguments: Sequence[str]) -> tuple[flags.FlagValues, Config]:
    """Flags and Config of a command line.

    Raises:
        FlagError: an unknown flag or value, or a flagfile that is not there.
    """
    from_files, given = split_flagfiles(arguments)
    registry.load_plugins(_plugins([*from_files, *given]))
    values = parse_one([*from_files, *given])
    of_run = registry.fact("mode", values.mode, "of_run", True)
    if values.help:
        return values, Config(plugins=values.plugins)
    # Names are checked before the preset is looked for, so that the sentence is about them.
    for kind in ("dataset", "model"):
        registry.entry(kind, getattr(values, kind))
    preset = _preset(values.dataset, values.model)
    if of_run:
        folder = values.work_dir or f"runs/{values.dataset}_{values.model}"
        run_flags = Path(folder) / "flags.flags"
        if run_flags.is_file():
            from wae_tf.console import progress
            from wae_tf.runs import integrity
            from wae_tf.runs.folder import RunFolder

            integrity.mend(RunFolder(folder), progress)
            preset = flagfiles.Reader().read(run_flags)
            registry.load_plugins(_plugins(preset))
        elif not values.init_from_official:
            raise UserError(
                f"--work_dir={folder} holds no run: it has no flags.flags; train first."
            )
        given = [f"--work_dir={folder}", *given]  # the folder may have been moved since
    values = parse_one([*preset, *from_files, *given])
    fields = {field.name: getattr(values, field.name) for field in dataclasses.fields(Config)}
    try:
        fields["mmd_scales"] = tuple(map(float, values.mmd_scales))
    except ValueError as error:
        raise FlagError("--mmd_scales takes numbers separated by commas.") from error
    return values, Config(**fields)


def preset(dataset: str = "digits", model: str = "wae_mmd", **fields: Any) -> Config:
    """The Config that the command line has for a data set and a model: their preset's.

    Args:
        dataset: as --dataset.
        model: as --model.
        **fields: fields of `Config` to replace.

    Raises:
        FlagError: a name or value is not accepted.
    """
    return dataclasses.replace(parse([f"--dataset={dataset}", f"--model={model}"])[1], **fields)


def address(arguments: Sequence[str]) -> str | None:
    """The address that --work_dir names, if it is one."""
    if not any("://" in argument or "flagfile" in argument for argument in arguments):
        return None
    from wae_tf.runs import remote

    from_files, given = split_flagfiles(arguments)
    registry.load_plugins(_plugins([*from_files, *given]))
    values = parse_one([*from_files, *given])
    if not remote.is_address(values.work_dir):
        return None
    if values.distribute == "multi_worker":
        raise FlagError(
            f"--work_dir={values.work_dir} is an address, which goes with one process only, not with "
            "--distribute=multi_worker; give a folder that all workers see."
        )
    return values.work_dir
