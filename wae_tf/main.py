"""The command line: `python -m wae_tf.main [--mode=...] [--dataset=D] [--model=M] [flags]`.

With no flags it trains WAE-MMD on handwritten digits that need no download. The settings come from
the preset of data set and model (flags/D_M.flags), then from any --flagfile, then from the command
line, which always wins. --mode=evaluate, sample, interpolate and export work on a finished run: they
take its settings from its --work_dir. --mode=classifier trains a classifier of a labelled data set, which
--mode=evaluate measures distances by.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before TensorFlow is imported: on a machine without a GPU it would report that as an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from wae_tf.config import Config
from wae_tf.errors import FlagError, UserError

MODES = ("train", "evaluate", "sample", "interpolate", "export", "export_official", "classifier")


def _define(values: flags.FlagValues) -> None:
    types = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        kind, text, default = types[field.name], field.metadata["help"], field.default
        arguments = (field.name, default, text)
        if bool in (kind, *typing.get_args(kind)):
            flags.DEFINE_boolean(*arguments, flag_values=values)
        elif int in (kind, *typing.get_args(kind)):
            flags.DEFINE_integer(*arguments, flag_values=values)
        elif float in (kind, *typing.get_args(kind)) and field.name != "mmd_scales":
            flags.DEFINE_float(*arguments, flag_values=values)
        elif field.name == "mmd_scales":
            flags.DEFINE_list(field.name, list(map(str, default)), text, flag_values=values)
        else:
            # Choices are checked by Config, whose sentence is the same for library users.
            choices = field.metadata["choices"]
            text = f"{text} ({'|'.join(choices)})" if choices else text
            flags.DEFINE_string(field.name, default, text, flag_values=values)
    flags.DEFINE_string("mode", "train", f"what to do ({'|'.join(MODES)})", flag_values=values)
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
    _define_evaluation(values)
    flags.DEFINE_boolean("help", False, "print this list", flag_values=values, short_name="h")


def _define_evaluation(values: flags.FlagValues) -> None:
    def text(name: str, default: str | None, help_text: str) -> None:
        flags.DEFINE_string(name, default, help_text, flag_values=values)

    flags.DEFINE_boolean(
        "evaluate_at_end", False, "after training, as --mode=evaluate", flag_values=values
    )
    flags.DEFINE_integer("eval_samples", 10_000, "evaluate: samples to measure", flag_values=values)
    text(
        "sampler", "prior", "evaluate, sample: where samples' codes come from (prior|gmm|improved)"
    )
    text("sphere_axis", "code", "--sampler=improved: what is normalised on a sphere (code|batch)")
    text(
        "inception",
        None,
        "evaluate: network of FID, KID and Inception Score: a TF-Hub handle, a SavedModel folder, or "
        "the frozen graph of 2015-12-05",
    )
    text(
        "inception_resize", "tf1_bilinear", "how to come to 299x299 (tf1_bilinear|bilinear|bicubic)"
    )
    text(
        "classifier",
        None,
        "evaluate: folder of a classifier (default: runs/<dataset>_classifier, where it is there)",
    )
    flags.DEFINE_integer(
        "classifier_steps", 3000, "--mode=classifier: training steps", flag_values=values
    )


def preset_folder() -> Path:
    """The folder of presets: beside the package in a checkout, inside it when installed."""
    inside = Path(__file__).parent / "flags"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "flags"


def _preset_path(name: str) -> Path:
    """A --flagfile's path; one that starts with flags/ may also mean a preset of the package."""
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
    raise FlagError(f"--flagfile={name} is not there; give a file, or flags/ and one of: {known}.")


def _read_flagfile(path: Path, values: flags.FlagValues) -> list[str]:
    try:
        return values.read_flags_from_files([f"--flagfile={path}"], force_gnu=False)
    except (flags.Error, UnicodeDecodeError, OSError) as error:
        raise FlagError(f"--flagfile={path} cannot be read: {error}.") from error


def _split_flagfiles(
    arguments: Sequence[str], values: flags.FlagValues
) -> tuple[list[str], list[str]]:
    """The contents of all flagfiles, and the arguments without them."""
    from_files, rest = [], []
    arguments = list(arguments)
    while arguments:
        argument = arguments.pop(0)
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name != "flagfile":
            rest.append(argument)
            continue
        if not equals:
            if not arguments:
                raise FlagError("--flagfile needs the path of a file of flags.")
            value = arguments.pop(0)
        from_files += _read_flagfile(_preset_path(value), values)
    return from_files, rest


def _parse(arguments: Sequence[str]) -> flags.FlagValues:
    values = flags.FlagValues()
    _define(values)
    try:
        rest = values(["wae_tf.main", *arguments])[1:]
    except flags.Error as error:
        raise FlagError(f"{str(error).rstrip('.')}; --help lists the flags.") from error
    if rest:
        raise FlagError(f"{rest[0]!r} is not a flag; flags are written --name=value.")
    return values


def parse(arguments: Sequence[str]) -> tuple[flags.FlagValues, Config]:
    """Flags and Config of a command line.

    Raises:
        FlagError: an unknown flag or value, or a flagfile that is not there.
    """
    empty = flags.FlagValues()
    _define(empty)
    from_files, given = _split_flagfiles(arguments, empty)
    values = _parse([*from_files, *given])
    if values.mode not in MODES:
        raise FlagError(f"--mode={values.mode} is not known; accepted: {', '.join(MODES)}.")
    if values.help:
        return values, Config()
    # Names are checked before the preset is looked for, so that the sentence is about them.
    Config(**{"encoder_noise": "gaussian", "dataset": values.dataset, "model": values.model})
    preset = preset_folder() / f"{values.dataset}_{values.model}.flags"
    if values.mode not in ("train", "classifier"):
        folder = values.work_dir or f"runs/{values.dataset}_{values.model}"
        run_flags = Path(folder) / "flags.flags"
        if run_flags.is_file():
            preset = run_flags
        elif not values.init_from_official:
            raise UserError(
                f"--work_dir={folder} holds no run: it has no flags.flags; train first."
            )
        given = [f"--work_dir={folder}", *given]  # the folder may have been moved since
    values = _parse([*_read_flagfile(preset, empty), *from_files, *given])
    fields = {field.name: getattr(values, field.name) for field in dataclasses.fields(Config)}
    try:
        fields["mmd_scales"] = tuple(map(float, values.mmd_scales))
    except ValueError as error:
        raise FlagError("--mmd_scales takes numbers separated by commas.") from error
    return values, Config(**fields)


def _evaluation_options(values: flags.FlagValues) -> Any:
    from wae_tf import assess

    names = [field.name for field in dataclasses.fields(assess.Options)]
    return assess.Options(**{name: getattr(values, name) for name in names})


def _evaluate(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import assess, report, training
    from wae_tf.runs import Run

    options = _evaluation_options(values)
    model, images = training.restore(config)
    run = Run(config.folder)
    assessment = assess.assess(model, images, options, run, progress=training.say)
    page = report.write(run, config, assessment)
    print(f"\n{assess.text_table(assessment)}\n\nwrote {page} and {run.metrics}")


def _classifier(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import classifier, training

    if values.classifier_steps < 1:
        raise FlagError(f"--classifier_steps={values.classifier_steps} is too small: 1 up.")
    folder = values.work_dir or classifier.default_folder(config.dataset)
    images = training.load_images(config)
    facts = classifier.train(
        images, Path(folder), steps=values.classifier_steps, seed=config.seed, progress=training.say
    )
    print(
        f"wrote {folder}: test accuracy {facts.test_accuracy:.4f} on {facts.test_images:,} images; "
        f"use it by --mode=evaluate --classifier={folder}"
    )


def _sample(config: Config, values: flags.FlagValues) -> None:
    import numpy as np

    from wae_tf import evaluation, gallery, samplers, training
    from wae_tf.data import to_unit
    from wae_tf.runs import Run

    if values.num_samples < 1:
        raise FlagError(f"--num_samples={values.num_samples} is too small; accepted: 1 up.")
    _evaluation_options(values)
    model, images = training.restore(config)
    run = Run(config.folder)
    codes = samplers.latent(
        model,
        values.sampler,
        values.num_samples,
        images.train,
        seed=config.seed,
        sphere_axis=values.sphere_axis,
        progress=training.say,
    )
    samples = evaluation.decoded(model, codes)
    pixels = to_unit(samples, config.pixel_range_of_data)
    np.save(run.folder / "samples.npy", np.round(pixels * 255).astype(np.uint8))
    gallery.draw_samples(model, run.figures / "samples.png", samples)
    print(
        f"wrote {run.folder / 'samples.npy'} (uint8 {list(samples.shape)}) and {run.figures / 'samples.png'}"
    )


def _interpolate(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import gallery, training
    from wae_tf.runs import Run

    model, images = training.restore(config)
    folder = Run(config.folder).figures
    gallery.draw_interpolations(model, folder / "interpolations.png", images.test)
    gallery.draw_traversals(model, folder / "traversals.png", images.test)
    print(f"wrote {folder / 'interpolations.png'} and {folder / 'traversals.png'}")


def _export(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import export, training
    from wae_tf.runs import Run

    export.check_formats(values.export_formats)
    if "://" in (values.export_dir or ""):
        raise FlagError(
            f"--export_dir={values.export_dir} is an address; give a folder, and copy it there."
        )
    model = training.restore_model(config)
    run = Run(config.folder)
    export.export_run(
        run, model, values.export_dir, formats=values.export_formats, progress=training.say
    )


def _train(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import training

    if values.evaluate_at_end:
        _evaluation_options(values)  # its errors before hours of training, not after
    training.train(config, overwrite=values.overwrite)
    if values.evaluate_at_end:
        _evaluate(config, values)


def _adopt(config: Config) -> None:
    """Makes a run of an official checkpoint, unless that was done before."""
    from wae_tf import training
    from wae_tf.runs import Run

    if not Run(config.folder).flags.is_file():
        training.adopt(config)


def _export_official(config: Config, values: flags.FlagValues) -> None:
    from wae_tf import training
    from wae_tf.official import weights
    from wae_tf.runs import Run

    model = training.restore_model(config)
    folder = Run(config.folder).folder / "official"
    folder.mkdir(exist_ok=True)
    prefix = folder / f"trained-wae-{int(model.step.numpy())}"
    weights.write_checkpoint(model, str(prefix))
    print(f"wrote {prefix}.index and its data, which the official code's Saver restores")


def _address(arguments: Sequence[str]) -> str | None:
    """The address that --work_dir names, if it is one."""
    if not any("://" in argument or "flagfile" in argument for argument in arguments):
        return None
    from wae_tf import remote

    empty = flags.FlagValues()
    _define(empty)
    from_files, given = _split_flagfiles(arguments, empty)
    values = _parse([*from_files, *given])
    if not remote.is_address(values.work_dir):
        return None
    if values.distribute == "multi_worker":
        raise FlagError(
            f"--work_dir={values.work_dir} is an address, which goes with one process only, not with "
            "--distribute=multi_worker; give a folder that all workers see."
        )
    return values.work_dir


def _run(arguments: Sequence[str]) -> None:
    values, config = parse(arguments)
    if values.help:
        print(f"{__doc__}\n{values.get_help()}")
        return
    action = {
        "train": _train,
        "evaluate": _evaluate,
        "sample": _sample,
        "interpolate": _interpolate,
        "classifier": _classifier,
        "export": _export,
        "export_official": _export_official,
    }[values.mode]
    if values.mode not in ("train", "classifier") and config.init_from_official:
        _adopt(config)
    action(config, values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad flags, 1 for a failed run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        address = _address(arguments)
        if address is None:
            _run(arguments)
        else:
            from wae_tf import remote

            with remote.local(address) as folder:
                _run([*arguments, f"--work_dir={folder}"])
    except UserError as error:
        print(f"wae_tf: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("wae_tf: interrupted.", file=sys.stderr)
        return 130
    except OSError as error:  # a file that is there and may not be touched, a full disk
        if error.filename is None:
            raise
        print(f"wae_tf: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
