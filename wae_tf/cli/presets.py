"""The presets: which one is below given flags, and whose folder their runs get."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from wae_tf import registry
from wae_tf.cli import flagfiles
from wae_tf.cli.flagfiles import path_of, preset_folder
from wae_tf.errors import FlagError
from wae_tf.files import of_user


def folder_of(arguments: Sequence[str], model: str) -> str | None:
    """The run's folder where a --flagfile is a preset besides that of its data set and model, else None.

    Those of flags/official and flags/replication are, and flags/celeba_small_*: their runs get no folder in
    common with that of the data set's own preset.
    """
    name = last("flagfile", arguments)
    if not name:
        return None
    path = path_of(name).resolve()
    if not path.is_relative_to(preset_folder().resolve()):
        return None
    parts = path.relative_to(preset_folder().resolve()).with_suffix("").parts
    given = flagfiles.Reader().read(path)
    its_own = last("model", given) or "wae_mmd"
    usual = last("dataset", given) or "digits"
    of_the_pair = parts[0] == f"{usual}_{its_own}" or not parts[0].startswith(f"{usual}_")
    if len(parts) < 2 and of_the_pair:
        return None
    return "runs/" + "_".join((*parts, *(() if model == its_own else (model,))))


def of(dataset: str, model: str, data_dir: str | None = None) -> list[str]:
    """The flags below those given: of the pair's preset, else of its data set with another model.

    A folder of vectors is as a data set of its own, `vectors`.
    """
    if dataset == "folder" and data_dir:
        from wae_tf.data import vectors

        if vectors.file_in(of_user(data_dir)) is not None:
            return [*of("vectors", model), "--dataset=folder"]
    path = preset_folder() / f"{dataset}_{model}.flags"
    if path.is_file():
        return flagfiles.Reader().read(path)
    facts = registry.entry("model", model).facts
    path = preset_folder() / f"{dataset}_{facts.get('presets_of', 'wae_mmd')}.flags"
    return [
        *(flagfiles.Reader().read(path) if path.is_file() else ()),
        *(f"--{flag}={value}" for flag, value in facts.get("needs", {}).items()),
    ]


def last(flag: str, arguments: Sequence[str]) -> str:
    """The value that a flag is given last, before other flags are known; "" where it is not."""
    last = ""
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == flag:
            last = value if equals else after
    return last


def plugins(arguments: Sequence[str]) -> list[str]:
    """The modules that --plugins names."""
    return [
        name for name in (part.strip() for part in last("plugins", arguments).split(",")) if name
    ]


def plugins_noted(run_flags: Path) -> list[str]:
    """The modules of a run, as far as its flags can be read."""
    if not run_flags.is_file():
        return []
    with contextlib.suppress(FlagError):  # what is wrong is said where the run is opened
        return plugins(flagfiles.Reader(exact=True).read(run_flags))
    return []
