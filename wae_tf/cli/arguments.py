"""The flags of `python -m wae_tf.main`: presets, flagfiles, and which of them wins."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from wae_tf import registry
from wae_tf.cli import completion, flagfiles, help, mistakes, mode_flags, number_flags, presets
from wae_tf.config import Config
from wae_tf.console import progress, quiet
from wae_tf.errors import FlagError, UserError
from wae_tf.evaluation.options import Options
from wae_tf.settings.checks import check_number, check_text


def define(values: flags.FlagValues) -> None:
    """Defines every flag: the fields of Config and of an evaluation's Options, those of the modes."""
    _define_fields(Config, values)
    _define_fields(Options, values)
    flags.DEFINE_string("mode", "train", f"what to do: {_told('mode')}", flag_values=values)
    flags.DEFINE_boolean(
        "overwrite", False, "remove the run that --work_dir holds", flag_values=values
    )
    flags.DEFINE_integer("num_samples", 1000, "how many images to make", flag_values=values)
    flags.DEFINE_string(
        "export_dir",
        None,
        "folder of numbered versions (default: saved_model in --work_dir)",
        flag_values=values,
    )
    flags.DEFINE_list(
        "export_formats",
        ["savedmodel"],
        "savedmodel, and besides litert, onnx",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "evaluate_at_end",
        False,
        "after training, evaluate as --mode=evaluate does",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "classifier_steps", 3000, "training steps of the classifier", flag_values=values
    )
    flags.DEFINE_boolean(
        "version", False, "print the versions of this and what it stands on", flag_values=values
    )
    flags.DEFINE_string(
        "completion",
        None,
        'print what completes flags in a shell: eval "$(wae_tf --completion=bash)", or =zsh',
        flag_values=values,
    )
    flags.DEFINE_integer(
        "verbosity",
        quiet.level_of_environment(),
        "what TensorFlow itself may print on stderr: -2 errors, -1 warnings too, 0 everything",
        flag_values=values,
    )
    for mode in registry.names("mode"):  # behind all others, so that a name that is taken is told
        _define_of_mode(mode, values)


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
            number_flags.define(field.name, default, text, values)
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
    """Defines the flags that a mode's entry names: name to (default, help).

    Raises:
        FlagError: one is there already, of all modes or of another.
    """
    for name, (default, text) in registry.fact("mode", mode, "flags", {}).items():
        if name in values:
            raise FlagError(
                f"--mode={mode} of {registry.entry('mode', mode).module} registers a flag --{name}, and "
                "there is one of this name already; accepted: another name."
            )
        kinds = {bool: "boolean", int: "integer", list: "list"}
        make = getattr(flags, f"DEFINE_{kinds.get(type(default), 'string')}")
        make = number_flags.define if type(default) is float else make
        make(name, default, text, flag_values=values)


def split_flagfiles(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The contents of all flagfiles, and the arguments without them.

    Raises:
        FlagError: a flagfile that is not named, or cannot be read.
    """
    from_files, rest = [], []
    reader = flagfiles.Reader()
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
        from_files += reader.read(flagfiles.path_of(value))
    return from_files, rest


def placed(error: UserError, arguments: Sequence[str]) -> UserError:
    """A command line's error, which names the flagfile and the line that its flag comes from."""
    try:
        from_files, given = split_flagfiles(arguments)
    except FlagError:  # of a flagfile, which it names
        return error
    return flagfiles.placed(error, [*from_files, *given])


def _unpacked(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """As `split_flagfiles`, and the plugins that are named there are imported."""
    from_files, given = split_flagfiles(arguments)
    registry.load_plugins(presets.plugins([*from_files, *given]))
    return from_files, given


def parse_one(arguments: Sequence[str]) -> flags.FlagValues:
    """The flags of one list of arguments, without presets and flagfiles.

    Raises:
        FlagError: an unknown flag, or a value of another kind.
    """
    values = flags.FlagValues()
    define(values)
    try:
        rest = values(["wae_tf.main", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise mistakes.unknown_flag(error, values) from error
    except flags.IllegalFlagValueError as error:
        raise mistakes.wrong_kind(error, values) from error
    except (flags.Error, ValueError) as error:  # ValueError: --nojit=true, and 5,000 digits
        text = " ".join(str(error).rstrip(".").split())
        text = text if len(text) < 300 else f"{text[:300]}..."
        raise FlagError(f"{text}; --help lists the flags.") from error
    if rest:
        raise mistakes.bare_word(rest[0], values)
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
    if values.verbosity not in (quiet.ERRORS, quiet.WARNINGS, quiet.NOTES):
        raise FlagError(f"--verbosity={values.verbosity} is not known; accepted: -2, -1, 0.")
    _check_not_empty(values, ("export_dir", "classifier", "inception", "features", "lpips"))
    for name in ("num_samples", "classifier_steps"):
        if (count := values[name].value) is not None and count < 1:
            raise FlagError(f"--{name}={count} is too small; accepted: 1 up.")


def _check_not_empty(values: flags.FlagValues, names: Sequence[str]) -> None:
    for name in names:
        if values[name].value == "":
            raise FlagError(f"--{name}= is empty; accepted: a path, or leave the flag out.")


def completion_text(arguments: Sequence[str]) -> str | None:
    """The script that completes flags in a shell, if a command line asks for it.

    Raises:
        FlagError: for a shell that there is none for.
    """
    if (shell := completion.asked(arguments)) is None:
        return None
    values = flags.FlagValues()
    define(values)
    return completion.script(shell, values)


def verbosity(arguments: Sequence[str]) -> int:
    """What --verbosity asks for, before anything is checked."""
    try:
        from_files, given = split_flagfiles(arguments)
        asked = int(presets.last("verbosity", [*from_files, *given]))
        return min(max(asked, quiet.ERRORS), quiet.NOTES)
    except (FlagError, ValueError):
        return quiet.level_of_environment()


def help_text(arguments: Sequence[str]) -> str | None:
    """The help, if a command line asks for it, with the values that it would have.

    Raises:
        FlagError: help on something that is no mode, or plugins that cannot be imported.
    """
    if not any("help" in argument or argument == "-h" for argument in arguments):
        return None
    values, of = _values_of_help(help.without(arguments))
    topic = help.asked(arguments)  # behind the plugins, whose modes have help too
    return None if topic is None else help.text(topic, values, of)


def _values_of_help(arguments: Sequence[str]) -> tuple[flags.FlagValues, str]:
    """The values that a command line would have, and whose they are."""
    try:
        named = [part for parts in split_flagfiles(arguments) for part in parts]
        with contextlib.suppress(FlagError):  # a plugin that is not there
            registry.load_plugins(presets.plugins(named))
        dataset = registry.entry("dataset", presets.last("dataset", named) or Config.dataset).name
        preset = presets.of(
            dataset, presets.last("model", named) or Config.model, presets.last("data_dir", named)
        )
        values = parse_one([*preset, *named])
    except FlagError:  # the help is asked for because of it
        values = flags.FlagValues()
        define(values)
        return values, "the defaults"
    of = f"flags/{values.dataset}_{values.model}.flags"
    if (flagfiles.preset_folder() / of).is_file() or not arguments:
        return values, of
    return values, f"the preset of {values.dataset} and {values.model}, and given"


def parse(arguments: Sequence[str]) -> tuple[flags.FlagValues, Config]:
    """Flags and Config of a command line.

    Raises:
        FlagError: an unknown flag or value, or a flagfile that is not there.
        UserError: a mode on a run where there is none.
    """
    from_files, given = _unpacked(arguments)
    values = parse_one([*from_files, *given])
    # As of a shell's variable that is not set. An older run may have noted one.
    _check_not_empty(values, ("data_dir", "cache_dir", "work_dir", "init_from_official"))
    of_run = mode_flags.of_run(values)
    noted = None
    own_folder = presets.folder_of(arguments, values.model)
    usual = f"runs/{values.dataset}_{values.model}"
    folder = os.path.expanduser(values.work_dir or own_folder or usual)
    run_flags = Path(folder) / "flags.flags"
    if of_run:
        registry.load_plugins(presets.plugins_noted(run_flags))  # names may be theirs
    # Names are checked before the preset is looked for, so that the sentence is about them.
    for kind in ("dataset", "model"):
        registry.entry(kind, getattr(values, kind))
    preset = presets.of(values.dataset, values.model, values.data_dir)
    if own_folder and not values.work_dir:
        preset = [f"--work_dir={own_folder}", *preset]
    if of_run:
        if run_flags.is_file():
            from wae_tf.runs import integrity
            from wae_tf.runs.folder import RunFolder

            integrity.mend(RunFolder(folder), progress)
            preset = flagfiles.Reader(exact=True).read(run_flags)
            registry.load_plugins(presets.plugins(preset))
            noted = parse_one(preset)
        elif not values.init_from_official:
            raise UserError(
                f"--work_dir={folder} holds no run: it has no flags.flags; train first."
            )
        given = [f"--work_dir={folder}", *given]  # the folder may have been moved since
    values = parse_one([*preset, *from_files, *given])
    if not (of_run and noted is None):  # a run is still to be made of an official checkpoint
        mode_flags.check(arguments, values, noted)
    if noted is not None:
        mode_flags.put_back(values, noted)
    fields = {field.name: getattr(values, field.name) for field in dataclasses.fields(Config)}
    fields["mmd_scales"] = number_flags.several("mmd_scales", values.mmd_scales)
    config = Config(**fields)
    mode_flags.check_read(arguments, values, config)
    return values, config


def preset(dataset: str = "digits", model: str = "wae_mmd", **fields: Any) -> Config:
    """The Config that the command line has for a data set and a model: their preset's.

    Args:
        dataset: as --dataset.
        model: as --model.
        **fields: fields of `Config` to replace.

    Raises:
        FlagError: a name or value is not accepted.
        UnknownKeywordError: a keyword is no field of it.
    """
    return dataclasses.replace(parse([f"--dataset={dataset}", f"--model={model}"])[1], **fields)


def address(arguments: Sequence[str]) -> str | None:
    """The address that --work_dir names, if it is one.

    Raises:
        FlagError: it goes with one process only, and several are asked for.
    """
    named = any("://" in argument or "flagfile" in argument for argument in arguments)
    if not named or help.without(arguments) != [*arguments]:  # help needs no folder
        return None
    from wae_tf.runs import remote

    values = parse_one([part for parts in _unpacked(arguments) for part in parts])
    if not remote.is_address(values.work_dir):
        return None
    if values.distribute == "multi_worker":
        raise FlagError(
            f"--work_dir={values.work_dir} is an address, which goes with one process only, not with "
            "--distribute=multi_worker; give a folder that all workers see."
        )
    return values.work_dir
