"""What a run's newest checkpoint knows of its flags and history, to notice damage and put it right.

A checkpoint has a sum of every file. It keeps the run's flags and the rows of history.csv up to its
step, so that a bit that flips in either is found.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wae_tf.config import Config
from wae_tf.errors import RunError, first_line
from wae_tf.files import read_text, write_atomically
from wae_tf.runs import test_line
from wae_tf.runs.flags_file import flags_by_name, flags_text
from wae_tf.runs.folder import HISTORY_COLUMNS, MAY_CHANGE, RunFolder, steps_in
from wae_tf.runs.numbers import as_csv


def kept(run: RunFolder, config: Config) -> dict[str, Any]:
    """What a checkpoint keeps of its run, JSON values."""
    tables = {"history": _rows(_text(run.history)), "test_line": _rows(_text(run.test_line))}
    return {"flags": flags_text(config), **tables}


def mend(run: RunFolder, progress: Callable[[str], None]) -> None:
    """Puts flags and tables right, where the newest whole checkpoint knows them otherwise.

    They are flags.flags, history.csv and test_line.csv. What is replaced stays beside as
    `flags.flags.damaged` and so on.

    Raises:
        RunError: a file cannot be read or written.
    """
    try:
        step, state = _newest_state(run.checkpoints)
        if isinstance(state.get("flags"), str):
            names = _damaged_flags(_text(run.flags), state["flags"])
            if names:
                _replace(run.flags, state["flags"])
                progress(_said(run.flags, f"of --{', --'.join(names)}" if names[0] else "", step))
        line = test_line.epoch_of
        for path, name, columns, later in (
            (run.history, "history", HISTORY_COLUMNS, lambda row, _: _is_after(row, step)),
            (
                run.test_line,
                "test_line",
                test_line.COLUMNS,
                lambda row, last: line(row) > line(last),
            ),
        ):
            rows = state.get(name)
            if rows and rows[0] == list(columns) and _mend_table(path, rows, later):
                progress(_said(path, "", step))
    except OSError as error:
        raise RunError(f"{error.filename} cannot be used: {first_line(error)}.") from error


def _mend_table(
    path: Path, rows: list[list[str]], later: Callable[[list[str], list[str]], bool]
) -> bool:
    """Makes a table begin with rows that are known, if it does not; those later than the last stay."""
    there = _rows(_text(path))
    if there[: len(rows)] == rows:
        return False
    # A row among those known is no later one, whatever number damage gave it. Of two rows that became
    # one the width is another.
    begin = len(rows) - sum(len(row) != len(rows[0]) for row in there[: len(rows)])
    after = [row for row in there[begin:] if len(row) == len(rows[0]) and later(row, rows[-1])]
    _replace(path, as_csv([*rows, *after]))
    return True


def _said(path: Path, what: str, step: int) -> str:
    return (
        f"{path} is not what was written{what and ' ' + what}; put right from the checkpoint of step "
        f"{step}, and kept as {path.name}.damaged"
    )


def require_checkpoint(run: RunFolder, checkpoint: str) -> None:
    """Checks that a run has what --checkpoint names, as far as that can be told without TensorFlow.

    Raises:
        RunError: it has no checkpoint, none of that step, or has not kept its best one.
    """
    there = _steps(run.checkpoints)
    if not there:
        raise without_checkpoint(run)
    if checkpoint == "best":
        # None is whole, or a training took them from under the list: told by who restores one.
        if state := _newest_state(run.checkpoints)[1]:
            best_of(run, state)
    elif checkpoint != "newest":
        require_step(run, int(checkpoint))


def require_writable(folder: Path) -> None:
    """Refuses a folder that nothing can be written to, before work that would be lost.

    Args:
        folder: --work_dir, which may be still to be made.

    Raises:
        RunError: it, or the nearest folder above that is there, cannot be written to.
    """
    places = (folder, *folder.absolute().parents)
    there = next(place for place in places if os.path.lexists(place))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = os.strerror(errno.EACCES if there.is_dir() else errno.ENOTDIR)
        raise RunError(f"--work_dir={folder} cannot be written to: {there}: {reason}.")


def without_checkpoint(run: RunFolder) -> RunError:
    """The sentence for a run that has no checkpoint that can be used."""
    return RunError(f"--work_dir={run.folder} has no whole checkpoint; train first.")


def best_of(run: RunFolder, state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint's state knows of the best one.

    Raises:
        RunError: that was not kept.
    """
    best = state.get("best", {})
    there = sorted(map(int, _steps(run.checkpoints)))
    if best.get("step") and best["step"] in there:
        return best
    if flags_by_name(read_text(run.flags)).get("keep_best") == "true" and not best.get("step"):
        raise RunError(
            f"--checkpoint=best: no epoch of {run.folder} has ended, so none was the best; it has the steps "
            f"{', '.join(map(str, there))}."
        )
    raise RunError(
        f"--checkpoint=best: {run.folder} has not kept its best one; train with --keep_best."
    )


def require_step(run: RunFolder, step: int) -> None:
    """Raises RunError if a run has no checkpoint of this step; reads none of them."""
    there = sorted(map(int, _steps(run.checkpoints)))
    if step not in there:
        raise RunError(
            f"--checkpoint={step}: {run.folder} has no checkpoint of that step; it has those of "
            f"{', '.join(map(str, there))}."
        )


def _steps(folder: Path) -> list[str]:
    """The steps that checkpoints in a folder are named after, if it is there."""
    return steps_in(os.listdir(folder)) if folder.is_dir() else []


def _newest_state(folder: Path) -> tuple[int, dict[str, Any]]:
    """The step and the state of the newest checkpoint whose state is whole."""
    for number in sorted(_steps(folder), key=int, reverse=True):
        path = folder / f"step-{number}"
        try:
            text = read_text(path / "state.json")
            if json.loads(read_text(path / "manifest.json")).get("state.json") == _sum(text):
                state = json.loads(text)
                return int(number), state if isinstance(state, dict) else {}
        except (OSError, ValueError, AttributeError, RecursionError):
            continue  # whoever restores it names it
    return -1, {}


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(path: Path) -> str:
    """A file's text with what is no text marked; nothing where it is not there."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        return path.read_bytes().decode(errors="replace")


def _flags(text: str) -> dict[str, str]:
    """Flags by name; what is neither a flag nor a comment has the name ""."""
    # At "\n" alone, as flagfiles are read: a flipped bit makes "\v" of it, a line's end to splitlines.
    lines = text.replace("\r\n", "\n").split("\n")
    lines = [line for line in lines if line and not line.startswith("#")]
    others = "\n".join(line for line in lines if not line.startswith("--"))
    return flags_by_name(text) | ({"": others} if others else {})


def _damaged_flags(text: str, expected: str) -> list[str]:
    there, known = _flags(text), _flags(expected)
    names = sorted({*there, *known} - {*MAY_CHANGE})
    return [name for name in names if there.get(name) != known.get(name)]


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return []


def _is_after(row: list[str], step: int) -> bool:
    return row[1].isascii() and row[1].isdecimal() and int(row[1]) > step


def _replace(path: Path, text: str) -> None:
    if path.exists():
        os.replace(path, path.with_name(f"{path.name}.damaged"))
    write_atomically(path, text)
