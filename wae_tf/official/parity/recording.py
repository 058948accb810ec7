"""Records of cases: those of a folder, or made by a recorder under another interpreter."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wae_tf.console import interruption
from wae_tf.errors import DataError, FlagError, RunError

_LOOKS = 0.5  # seconds between two looks whether a signal came


def asked_for(names: str | None, known: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """The cases that --cases names, each once; None: all.

    Args:
        names: separated by commas.
        known: all cases.
        own: others that may be named, and are not among all.

    Raises:
        FlagError: one is not known.
    """
    wanted = list(known) if names is None else list(dict.fromkeys(names.split(",")))
    for name in wanted:
        if name not in known and name not in own:
            raise FlagError(f"--cases={name} is not known; accepted: {', '.join(known)}.")
    return wanted


@contextlib.contextmanager
def at_hand(
    given: argparse.Namespace,
    wanted: list[str],
    record: Callable[[argparse.Namespace, list[str], Path], list[Path]],
) -> Iterator[list[Path]]:
    """The records that a command line asks for: those of --records; else made now, kept with --record alone.

    Args:
        given: the command line.
        wanted: the names of the cases, from `asked_for`.
        record: makes those into a folder.

    Raises:
        UserError: of `_kept`, or of `record`.
    """
    if given.records:
        yield _kept(Path(given.records), given.cases, wanted)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.record or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        yield record(given, wanted, folder)


def _kept(folder: Path, cases: str | None, wanted: Sequence[str]) -> list[Path]:
    """The records of a folder.

    Args:
        folder: of --records.
        cases: of --cases; None: those that are there.
        wanted: the names of the cases, from `asked_for`.

    Raises:
        DataError: it lacks one that was asked for, or has none.
    """
    paths = [folder / f"{name}.npz" for name in wanted]
    if cases is None:
        paths = [path for path in paths if path.exists()]
    missing = [path.name for path in paths if not path.exists()]
    if not paths or missing:
        lacks = f"it has no {missing[0]}" if missing else "it has no record of a case"
        raise DataError(
            f"--records={folder} does not hold the records asked for: {lacks}; a folder that "
            "--record has written, as tests/goldens, is expected."
        )
    return paths


def run(
    command: Sequence[str],
    listed: Iterable[dict[str, Any]],
    names: Iterable[str],
    record: str | None,
    out: Path,
    *,
    code: str,
    flag: str,
    expected: str,
) -> list[Path]:
    """Runs a recorder on cases, what it says on stderr.

    Args:
        command: the interpreter and its arguments, but for those of the cases and their records.
        listed: the cases.
        names: of the records that it is to write.
        record: --record, whose records are compact; None: whole ones.
        out: the folder of the records.
        code: that it records, for the sentences.
        flag: that names the interpreter.
        expected: what the interpreter should be.

    Returns:
        The records.

    Raises:
        DataError: the interpreter cannot be run, or is of another kind.
        RunError: the recorder failed.
    """
    records = [out / f"{name}.npz" for name in names]
    before = {path: _written(path) for path in records}
    with tempfile.TemporaryDirectory() as temporary:  # not in a user's folder
        file = Path(temporary) / "cases.json"
        file.write_text(json.dumps(list(listed)))
        whole = [] if record else ["--full"]
        _run([*command, f"--cases={file}", f"--out={out}", *whole], code, flag, expected)
    for path in records:
        if _written(path) in (None, before[path]):  # one of an earlier time is no answer
            raise DataError(
                f"{code} was not recorded: --{flag}={command[0]} ended without {path.name}; {expected} is "
                "expected."
            )
    return records


def _written(path: Path) -> tuple[int, int] | None:
    """What tells a file from the one that was there before; None: none is there."""
    if not path.is_file():
        return None
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _run(command: Sequence[str], code: str, flag: str, expected: str) -> None:
    said: list[str] = []
    interpreter = f"--{flag}={command[0]}"
    try:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
        ) as recorder:
            _wait(recorder, said)
    except OSError as error:
        raise DataError(
            f"{interpreter} cannot be run: {error.strerror}; {expected} is expected."
        ) from error
    if recorder.returncode < 0:
        raise RunError(f"{code} was not recorded: a signal, {-recorder.returncode}, ended it.")
    if recorder.returncode:
        last = [line for line in said if line] or ["it said nothing"]
        # Its own failures are sentences: a traceback is of an interpreter that it does not know.
        by = f" ({interpreter}; {expected} is expected)" if any(map(_is_traceback, said)) else ""
        raise RunError(f"{code} was not recorded: {last[-1]}{by}")


def _wait(recorder: subprocess.Popen[str], said: list[str]) -> None:
    """Waits for a recorder and passes on what it says; a signal ends it with this process."""

    def echo() -> None:
        for line in recorder.stdout or ():
            said.append(line.strip())
            print(line, end="", file=sys.stderr, flush=True)

    echoing = threading.Thread(target=echo, name="recorder", daemon=True)
    echoing.start()
    try:
        while recorder.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                recorder.wait(_LOOKS)
            interruption.check()  # also where Ctrl-C has ended both
        echoing.join()
    except BaseException:
        recorder.kill()
        raise


def _is_traceback(line: str) -> bool:
    return line.startswith("Traceback (most recent call last)")
