"""A saved model or a run's, from a file, a folder or the Hugging Face hub, by its name alone."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from wae_tf.console import progress
from wae_tf.errors import RunError, first_line
from wae_tf.files import of_user, read_text
from wae_tf.models.wae import Wae
from wae_tf.runs import integrity
from wae_tf.runs.flags_file import config_of
from wae_tf.runs.folder import RunFolder
from wae_tf.training import resuming

ACCEPTED = "a .keras file, a run's folder, or hf://user/repository"
_HUB = "hf://"
#: What Keras writes into a folder, or a repository of the hub, instead of a file.
_OF_KERAS = ("config.json", "metadata.json")


def load(path: Any, **kwargs: Any) -> Wae:
    """The model that was saved there, with the state of its optimizers.

    Args:
        path: a .keras file, or a folder that was saved into by `zipped=False`; a run's folder, of which
            the newest whole checkpoint is taken; or hf://user/repository, which holds any of these and
            is read with huggingface_hub.
        **kwargs: of `keras.saving.load_model`, for a file: custom_objects, compile, safe_mode. For a
            run's folder: checkpoint, `newest`, `best` or a step.

    Raises:
        RunError: nothing of the kind is there, or it cannot be read.
        FlagError: a checkpoint that is neither newest nor best nor a step's number.
    """
    text = str(path)
    if text.startswith(_HUB):
        return _of_hub(text, kwargs)
    place = of_user(text)
    if os.path.isdir(place):  # of a name too long as well, which pathlib raises for
        return _of_folder(place, kwargs)
    if not os.path.isfile(place):
        try:
            os.stat(place)
        except PermissionError as error:
            raise RunError(f"{text} cannot be read: {error.strerror}.") from error
        except (OSError, ValueError):  # the latter of a name with a NUL
            pass
        raise RunError(f"{text} is not there; accepted: {ACCEPTED}.")
    return _of_file(place, kwargs)


def _of_file(path: Path, kwargs: dict[str, Any]) -> Wae:
    if path.suffix != ".keras":
        raise RunError(f"{path} is no .keras file; accepted: {ACCEPTED}.")
    if not zipfile.is_zipfile(path):
        raise RunError(f"{path} cannot be opened: it is no zip archive, as .keras files are.")
    return _of_keras(str(path), kwargs)


def _is_of_keras(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _OF_KERAS)


def _of_keras(name: str, kwargs: dict[str, Any]) -> Wae:
    if "checkpoint" in kwargs:
        raise RunError(f"checkpoint= is of a run's folder; {name} is a model that Keras has saved.")
    try:
        model = keras.saving.load_model(name, **kwargs)
    except Exception as error:  # of Keras, HDF5, zip, and the user's own classes
        text = str(error)
        if "Could not locate" in text:
            raise RunError(
                f"{name} holds a layer of a class that is not known here: import its module first, in "
                "which @keras.saving.register_keras_serializable() stands before it, or give "
                f"custom_objects= ({first_line(error)})."
            ) from error
        if "safe_mode" in text or "lambda" in text.lower():
            raise RunError(
                f"{name} holds a Lambda layer, whose code is run as it is opened: give safe_mode=False "
                "if you trust who made it."
            ) from error
        raise RunError(f"{name} cannot be opened ({first_line(error)}).") from error
    if not isinstance(model, Wae):
        raise RunError(
            f"{name} holds a {type(model).__name__}, no model of wae_tf: keras.saving.load_model opens it."
        )
    return model


def _of_folder(folder: Path, kwargs: dict[str, Any]) -> Wae:
    run = RunFolder(folder)
    if not run.flags.is_file():
        if _is_of_keras(folder):
            return _of_keras(str(folder), kwargs)
        found = sorted(folder.glob("*.keras"))
        if len(found) != 1:
            several = f"{len(found)} .keras files" if found else "neither a run nor a .keras file"
            raise RunError(f"{folder} holds {several}; accepted: {ACCEPTED}.")
        return _of_file(found[0], kwargs)
    checkpoint = kwargs.pop("checkpoint", "newest")
    if kwargs:
        raise RunError(
            f"{', '.join(kwargs)}: of .keras files, and {folder} is a run's folder, which takes checkpoint."
        )
    integrity.mend(run, progress)
    config = config_of(read_text(run.flags))
    config = dataclasses.replace(config, work_dir=str(folder), checkpoint=str(checkpoint))
    return resuming.restore_model(config)


def _of_hub(address: str, kwargs: dict[str, Any]) -> Wae:
    repository = address.removeprefix(_HUB).strip("/")
    if repository.count("/") != 1:
        raise RunError(f"{address} names no repository of the hub; accepted: hf://user/repository.")
    try:
        import huggingface_hub
    except ImportError as error:
        raise RunError(
            f"{address} needs huggingface_hub, which is not installed: pip install huggingface_hub."
        ) from error
    try:
        folder = Path(huggingface_hub.snapshot_download(repo_id=repository))
    except Exception as error:  # no network, no such repository, no rights
        raise RunError(f"{address} cannot be fetched ({first_line(error)}).") from error
    if _is_of_keras(folder) and not RunFolder(folder).flags.is_file():
        return _of_keras(address, kwargs)
    return _of_folder(folder, kwargs)
