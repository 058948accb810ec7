"""Checkpoints that are whole or not there: a folder each, synced, renamed, with a sum of every file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from wae_tf.console import loggers
from wae_tf.errors import RunError, first_line, of_a_file
from wae_tf.files import open_regular, read_text, sync
from wae_tf.models.wae import Wae
from wae_tf.runs.folder import steps_in

_MANIFEST = "manifest.json"
_STATE = "state.json"
_UNFINISHED = ".saving"
_BEFORE = "-before"
_DAMAGED = ".damaged"
#: What of a model is to be had whatever its optimizers are.
_WITHOUT_OPTIMIZERS = ("encoder", "decoder", "adversary", "step", "schedules", "guard")
#: So many damaged checkpoints stay for a person to look at; a disk must not fill with them.
_MOST_DAMAGED = 3


class Damaged(Exception):
    """A checkpoint whose files are not those that were written; the message says which."""


def path_of(folder: Path, step: int) -> Path:
    """The checkpoint of a step, a folder whose name sorts by step."""
    return folder / f"step-{step:08d}"


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, the newest first; nothing is read yet.

    Raises:
        RunError: the folder is there and cannot be listed.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    known = map(int, steps_in(names))
    return sorted((step for step in known if path_of(folder, step).name in names), reverse=True)


def _tracked(model: Wae, optimizers: bool = True) -> tf.train.Checkpoint:
    if not optimizers:
        parts = {name: getattr(model, name) for name in _WITHOUT_OPTIMIZERS}
        parts = {name: part for name, part in parts.items() if part is not None}
        return tf.train.Checkpoint(model=tf.train.Checkpoint(**parts))
    # The running means of the epoch are not among the model's weights.
    means = {f"mean_{i}": v.value for i, v in enumerate(means_of(model))}
    return tf.train.Checkpoint(model=model, **means)


def means_of(model: Wae) -> list[Any]:
    """The variables of an epoch's running means."""
    return [variable for metric in model.running_means.all for variable in metric.variables]


def save(
    folder: Path,
    model: Wae,
    state: dict[str, Any],
    keep: int,
    besides: Collection[int] = (),
    anew: bool = False,
) -> Path:
    """Writes a checkpoint of the model, both optimizers and the epoch's means, and drops old ones.

    Args:
        folder: of all checkpoints.
        model: compiled; its `step` names the checkpoint.
        state: what else to keep, JSON values.
        keep: how many of the newest stay.
        besides: steps whose checkpoints stay, too.
        anew: in place of one that is there already; without, that is left as it is.

    Returns:
        the checkpoint's folder.

    Raises:
        RunError: it cannot be written; those before it stand.
    """
    final = path_of(folder, int(model.step.numpy()))
    if final.is_dir() and not anew:
        return final
    part = folder / f"{_UNFINISHED}-{final.name}"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()  # not its parents: a run's folder that was taken away is not made anew
        with plain(part) as place, loggers.left_alone():
            _tracked(model).write(str(place / "model"))
        (part / _STATE).write_text(json.dumps(state))
        sums = {path.name: _sum(path) for path in sorted(part.iterdir())}
        (part / _MANIFEST).write_text(json.dumps(sums))
        for path in (*part.iterdir(), part):
            sync(path)
        before = part.with_name(part.name + _BEFORE)
        if final.is_dir():
            os.replace(final, before)
        os.replace(part, final)
        sync(folder)
        shutil.rmtree(before, ignore_errors=True)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(part, ignore_errors=True)
        if not folder.is_dir():
            raise RunError(
                f"the checkpoint {final} cannot be written: {folder} was moved or removed while the run "
                "trained; put it back, or the same command begins again."
            ) from error
        try:
            others = steps(folder)
        except RunError:  # the reason told is why it could not be written
            others = []
        stands = f"the one of step {others[0]} stands" if others else "there is none before it"
        found = of_a_file(error)
        reason = found[1] if found else first_line(error)
        raise RunError(
            f"the checkpoint {final} cannot be written ({reason}); {stands}; make "
            "room and give the same command to go on."
        ) from error
    prune(folder, keep, besides)
    return final


def sums_of(folder: Path, step: int) -> str:
    """What says that two see the same checkpoint: its manifest, or nothing where there is none."""
    try:
        return read_text(path_of(folder, step) / _MANIFEST)
    except (OSError, UnicodeDecodeError):
        return ""


def prune(folder: Path, keep: int, besides: Collection[int] = ()) -> None:
    """Drops all checkpoints but the newest `keep`, and those of the steps `besides`."""
    for old in steps(folder)[keep:]:
        if old not in besides:
            _drop(path_of(folder, old))


def _drop(path: Path) -> None:
    """Removes a checkpoint; who reads meanwhile finds it whole or not there."""
    gone = path.with_name(f"{_UNFINISHED}-{path.name}-dropped")
    with contextlib.suppress(OSError):
        os.replace(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def newest(folder: Path, progress: Callable[[str], None] = lambda line: None) -> int | None:
    """The step of the newest checkpoint that is whole; None without any.

    A damaged one is named to `progress` and passed over. What a killed process left half written is no
    checkpoint.

    Raises:
        RunError: one cannot be read, which does not say that it is damaged.
    """
    for step in steps(folder):
        try:
            _check(path_of(folder, step))
            return step
        except Damaged as error:
            if not path_of(folder, step).is_dir():  # dropped meanwhile, by a training that goes on
                return newest(folder, progress)
            progress(f"the checkpoint of step {step} is damaged ({error}); taking the one before")
    return None


def restore(folder: Path, step: int, model: Wae, *, optimizers: bool = True) -> dict[str, Any]:
    """Puts a checkpoint into a compiled model; returns the state saved with it.

    Args:
        folder: of all checkpoints.
        step: of the one.
        model: of the same networks.
        optimizers: with their state; without, they may be others, as those of another precision are.

    Raises:
        RunError: it is damaged, or of another model.
    """
    path = path_of(folder, step)
    try:
        _check(path)
        with plain(path) as place:
            status = _tracked(model, optimizers).read(str(place / "model"))
        status.assert_existing_objects_matched()
        return json.loads(read_text(path / _STATE))
    except Damaged as error:
        raise RunError(f"the checkpoint {path} is damaged: {error}.") from error
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise RunError(
            f"the checkpoint {path} is not of this model, or is older than 0.1.0, whose models have "
            "other parts."
        ) from error


def state_of(folder: Path, step: int) -> dict[str, Any]:
    """The state saved with a checkpoint that is whole.

    Raises:
        RunError: it is damaged, or cannot be read.
    """
    path = path_of(folder, step)
    try:
        _check(path)
        return json.loads(read_text(path / _STATE))
    except Damaged as error:
        raise RunError(f"the checkpoint {path} is damaged: {error}.") from error


def sweep(folder: Path) -> None:
    """Removes what a killed process left half written, and puts back what it was about to replace."""
    for before in folder.glob(f"{_UNFINISHED}-*{_BEFORE}"):
        final = folder / before.name.removeprefix(f"{_UNFINISHED}-").removesuffix(_BEFORE)
        if not final.exists():
            os.replace(before, final)
    for part in folder.glob(f"{_UNFINISHED}-*"):
        shutil.rmtree(part, ignore_errors=True)


def set_aside_after(folder: Path, step: int) -> None:
    """Renames the checkpoints after the newest whole one, damaged all, to `step-N.damaged`.

    The oldest of those set aside go when there are more than three.

    Raises:
        RunError: one cannot be renamed.
    """
    for other in steps(folder):
        if other > step:
            path = path_of(folder, other)
            aside = path.with_name(path.name + _DAMAGED)
            try:
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(path, aside)
            except OSError as error:
                raise RunError(
                    f"the damaged checkpoint {path} cannot be set aside ({first_line(error)}); move "
                    "it away and give the same command to go on."
                ) from error
    for old in sorted(folder.glob(f"step-*{_DAMAGED}"), reverse=True)[_MOST_DAMAGED:]:
        shutil.rmtree(old, ignore_errors=True)


def is_pattern(path: Path) -> bool:
    """Whether TensorFlow, to which a prefix is a pattern, would not find what it wrote there."""
    return bool(set(str(path)) & set("[]*?\\"))


@contextlib.contextmanager
def plain(path: Path) -> Iterator[Path]:
    """A name of the folder that TensorFlow, to which a prefix is a pattern, takes as it is."""
    if not is_pattern(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as beside:
        link = Path(beside) / "checkpoint"
        link.symlink_to(path.absolute(), target_is_directory=True)
        yield link


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{error.filename or path} cannot be read ({first_line(error)}), so it is not known whether "
        "the checkpoint is whole; make it readable and give the same command again. Nothing was removed."
    )


def _check(path: Path) -> None:
    try:
        sums = json.loads(read_text(path / _MANIFEST))
        names = {f.name for f in path.iterdir()} - {_MANIFEST}
        if names != set(sums):
            raise Damaged("files are missing or not its own")
        for name, expected in sums.items():
            if _sum(path / name) != expected:
                raise Damaged(f"{name} is not what was written")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Damaged(f"{Path(error.filename).name} is missing or no file") from error
    except OSError as error:  # for now perhaps: no permission, a disk or network that fails
        raise _unreadable(path, error) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"{_MANIFEST} cannot be read") from error


def _sum(path: Path) -> str:
    with open(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
