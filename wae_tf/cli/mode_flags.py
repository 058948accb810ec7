"""Which flags each mode uses; one that it does not use is refused, not ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from absl import flags

from wae_tf import registry
from wae_tf.cli import idle_flags
from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.errors import FlagError
from wae_tf.settings.checks import shown

OF_CONFIG = tuple(field.name for field in dataclasses.fields(Config))
#: Where a run and its images are: of every mode.
_PLACES = ("plugins", "dataset", "model", "work_dir", "data_dir", "cache_dir", "skip_bad_images")
#: Which weights and operations, and what may be other than the run's without changing its model.
_WEIGHTS = ("jit", "init_from_official", "checkpoint")
_COMPUTES = ("precision", "tf32", *_WEIGHTS)
_IMAGES = ("train_size", "test_size", "split", "crop", "image_size", "channels")
#: Settings that are for modes on a finished run alone.
_OF_FINISHED = ("checkpoint",)
#: The settings that a mode uses, besides those that the run has noted anyway.
_SETTINGS = {
    "evaluate": ("seed", *_COMPUTES, *_IMAGES, "batch_size", "pictures", "picture_columns"),
    "sample": ("seed", *_COMPUTES, *_IMAGES, "pictures", "picture_columns"),
    "interpolate": (*_COMPUTES, *_IMAGES),
    "export": _WEIGHTS,  # float32 and of any seed, whatever the run was computed with
    "export_official": _WEIGHTS,
    "classifier": ("seed", *_IMAGES),
    "explore": (*_COMPUTES, *_IMAGES),
}
#: The flags that are no settings of a run, and their modes.
_MODES = {
    "overwrite": ("train",),
    "evaluate_at_end": ("train",),
    "num_samples": ("sample",),
    "export_dir": ("export",),
    "export_formats": ("export",),
    "eval_samples": ("evaluate",),
    "sampler": ("evaluate", "sample"),
    "sphere_axis": ("evaluate", "sample"),
    "inception": ("evaluate",),
    "inception_resize": ("evaluate",),
    "features": ("evaluate",),
    "features_input": ("evaluate",),
    "lpips": ("evaluate",),
    "bootstrap": ("evaluate",),
    "classifier": ("evaluate",),
    "classifier_steps": ("classifier",),
}


def of_run(values: flags.FlagValues) -> bool:
    """Whether a command line works on a run that is there: the mode does, and is given nothing instead."""
    instead = registry.fact("mode", values.mode, "instead_of_run", "")
    if instead and values[instead].value:
        return False
    return registry.fact("mode", values.mode, "of_run", True)


def modes_of(name: str) -> tuple[str, ...]:
    """The modes that a flag which is no setting belongs to; () where it goes with all."""
    own = tuple(
        mode
        for mode in registry.names("mode")
        if name in registry.fact("mode", mode, "flags", {}) and name not in OF_CONFIG
    )
    return own or _MODES.get(name, ())


def uses(mode: str, name: str) -> bool:
    """Whether a mode uses a flag.

    A mode of a plugin's may use all settings.
    """
    if name in OF_CONFIG:
        settings = registry.fact("mode", mode, "settings")
        if settings is not None:
            return name in settings
        if mode == "train" and name in _OF_FINISHED:
            return False
        return mode not in _SETTINGS or name in (*_PLACES, *_SETTINGS[mode])
    return not modes_of(name) or mode in modes_of(name)


def samples_need_images(config: Config, values: flags.FlagValues) -> bool:
    """Whether samples follow from more than the model: from training codes, or how frequent labels are."""
    return values.sampler == "gmm" or bool(config.classes and not values.labels)


def given(arguments: Iterable[str], values: flags.FlagValues) -> list[str]:
    """The names of the flags among arguments, `--nojit` as `jit`."""
    names = []
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0] if argument.startswith("-") else ""
        if name not in values and name.startswith("no"):
            name = name[2:]
        if name in values:
            names.append(name)
    return names


def check_read(arguments: Sequence[str], values: flags.FlagValues, config: Config) -> None:
    """Refuses a --data_dir that the data set does not read; says which flags do nothing.

    Args:
        arguments: of the command line itself; flagfiles, presets and runs may hold what is for another.
        values: what is in force.
        config: of these.

    Raises:
        FlagError: --data_dir with a data set that has no files.
    """
    names = given(arguments, values)
    if "data_dir" in names and registry.fact("dataset", values.dataset, "data_dir") == "none":
        those = [
            name
            for name in registry.names("dataset")
            if registry.fact("dataset", name, "data_dir") != "none"
        ]
        raise FlagError(
            f"--data_dir={shown(values.data_dir)} goes with --dataset={' or '.join(those)} only, not "
            f"{values.dataset}, which needs no files."
        )
    if values.mode == "train":
        for sentence in idle_flags.sentences(names, config):
            progress(sentence)
    if values.mode == "sample" and not (
        config.init_from_official or samples_need_images(config, values)
    ):
        for name in dict.fromkeys(name for name in names if name in _IMAGES):
            progress(f"--{name} does nothing: samples are drawn from the prior, without images")


def check(
    arguments: Sequence[str], values: flags.FlagValues, of_run: flags.FlagValues | None
) -> None:
    """Refuses what the mode does not use.

    Args:
        arguments: of the command line itself; a flagfile may hold more than a mode uses.
        values: what is in force.
        of_run: the flags that the run has noted, for a mode that works on one.

    Raises:
        FlagError: a flag of another mode, or a setting that the run alone decides.
    """
    mode = values.mode
    instead = registry.fact("mode", mode, "instead_of_run", "")
    if instead and values[instead].value and "work_dir" in given(arguments, values):
        raise FlagError(f"--{instead} is instead of a run: leave --work_dir out.")
    for name in given(arguments, values):
        if modes := () if uses(mode, name) else modes_of(name):
            if mode == "train" and values.evaluate_at_end and "evaluate" in modes:
                continue
            raise FlagError(
                f"--{name} is not used by --mode={mode}; it goes with "
                f"{' or '.join(f'--mode={other}' for other in modes)}."
            )
        if name not in OF_CONFIG:
            continue
        if of_run is None:
            if not uses(mode, name):
                raise FlagError(
                    f"--{name} is not used by --mode={mode}; --help={mode} lists its flags."
                )
        elif _is_the_runs(name, values, of_run):
            here, there = values[name].value, of_run[name].value
            raise FlagError(
                f"--{name}={shown(here)} cannot be had in --mode={mode}, which works on a run: "
                f"that of --work_dir={values.work_dir} has --{name}={shown(there)}."
            )


def _is_the_runs(name: str, values: flags.FlagValues, of_run: flags.FlagValues) -> bool:
    """Whether a setting has another value than the run's, which decides it alone."""
    here, there = values[name].value, of_run[name].value
    if here == there:
        return False
    # Weights of float64 are of another type; those of the other precisions are float32.
    other_weights = name == "precision" and "float64" in (here, there)
    return name in ("dataset", "model") or not uses(values.mode, name) or other_weights


def put_back(values: flags.FlagValues, of_run: flags.FlagValues) -> None:
    """Takes from the run what it decides alone and a flagfile has otherwise; says so.

    Args:
        values: what is in force, once `check` has seen it; changed.
        of_run: the flags that the run has noted.
    """
    names = [name for name in OF_CONFIG if _is_the_runs(name, values, of_run)]
    for name in names:
        values[name].value = of_run[name].value
    if names:
        told = ", ".join(f"--{name}={shown(of_run[name].value)}" for name in names)
        progress(f"{told}: of the run in --work_dir={values.work_dir}, whatever the flagfile has")
