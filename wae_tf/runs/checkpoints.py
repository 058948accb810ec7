"""Checkpoints that are whole or not there: a folder each, synced, renamed, with a sum of every file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from wae_tf.errors import RunError, first_line
from wae_tf.files import sync
from wae_tf.models.wae import Wae

_MANIFEST = "manifest.json"
_STATE = "state.json"
_UNFINISHED = ".saving"


class Damaged(Exception):
    """A checkpoint whose files are not those that were written; the message says which."""


def path_of(folder: Path, step: int) -> Path:
    """The checkpoint of a step, a folder whose name sorts by step."""
    return folder / f"step-{step:08d}"


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, the newest first; nothing is read yet."""
    found = [path.name.removeprefix("step-") for path in folder.glob("step-*")]
    return sorted((int(name) for name in found if name.isdecimal()), reverse=True)


def _tracked(model: Wae) -> tf.train.Checkpoint:
    # The running means of the epoch are not among the model's weights.
    means = {f"mean_{i}": v.value for i, v in enumerate(means_of(model))}
    return tf.train.Checkpoint(model=model, **means)


def means_of(model: Wae) -> list[Any]:
    """The variables of an epoch's running means."""
    return [variable for metric in model.metrics for variable in metric.variables]


def save(folder: Path, model: Wae, state: dict[str, Any], keep: int) -> Path:
    """Writes a checkpoint of the model, both optimizers and the epoch's means, and drops old ones.

    Args:
        folder: of all checkpoints.
        model: compiled; its `step` names the checkpoint.
        state: what else to keep, JSON values.
        keep: how many of the newest stay.

    Returns:
        the checkpoint's folder; one that is there already is left as it is.

    Raises:
        RunError: it cannot be written; those before it stand.
    """
    final = path_of(folder, int(model.step.numpy()))
    if final.is_dir():
        return final
    part = folder / f"{_UNFINISHED}-{final.name}"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _tracked(model).write(str(part / "model"))
        (part / _STATE).write_text(json.dumps(state))
        sums = {path.name: _sum(path) for path in sorted(part.iterdir())}
        (part / _MANIFEST).write_text(json.dumps(sums))
        for path in (*part.iterdir(), part):
            sync(path)
        os.replace(part, final)
        sync(folder)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(part, ignore_errors=True)
        before = steps(folder)
        stands = f"the one of step {before[0]} stands" if before else "there is none before it"
        raise RunError(
            f"the checkpoint {final} cannot be written ({first_line(error)}); {stands}; make "
            "room and give the same command to go on."
        ) from error
    for old in steps(folder)[keep:]:
        shutil.rmtree(path_of(folder, old), ignore_errors=True)
    return final


def newest(folder: Path, progress: Callable[[str], None] = lambda line: None) -> int | None:
    """The step of the newest checkpoint that is whole; None without any.

    A damaged one is named to `progress` and passed over. What a killed process left half written is no
    checkpoint.
    """
    for step in steps(folder):
        try:
            _check(path_of(folder, step))
            return step
        except Damaged as error:
            progress(f"the checkpoint of step {step} is damaged ({error}); taking the one before")
    return None


def restore(folder: Path, step: int, model: Wae) -> dict[str, Any]:
    """Puts a checkpoint into a compiled model; returns the state saved with it.

    Raises:
        RunError: it is damaged, or of another model.
    """
    path = path_of(folder, step)
    try:
        _check(path)
        status = _tracked(model).read(str(path / "model"))
        status.assert_existing_objects_matched()
        return json.loads((path / _STATE).read_text())
    except Damaged as error:
        raise RunError(f"the checkpoint {path} is damaged: {error}.") from error
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise RunError(f"the checkpoint {path} is not of this model.") from error


def sweep(folder: Path) -> None:
    """Removes what a killed process left half written."""
    for part in folder.glob(f"{_UNFINISHED}-*"):
        shutil.rmtree(part, ignore_errors=True)


def drop_after(folder: Path, step: int) -> None:
    """Removes the checkpoints of later steps, damaged ones among them."""
    for other in steps(folder):
        if other > step:
            shutil.rmtree(path_of(folder, other), ignore_errors=True)


def _check(path: Path) -> None:
    try:
        sums = json.loads((path / _MANIFEST).read_text())
        names = {f.name for f in path.iterdir()} - {_MANIFEST}
        if names != set(sums):
            raise Damaged("files are missing or not its own")
        for name, expected in sums.items():
            if _sum(path / name) != expected:
                raise Damaged(f"{name} is not what was written")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"{_MANIFEST} cannot be read") from error


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
