"""Runs a recorder under another interpreter, and says which cases it may be asked for."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

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


def run(
    command: Sequence[str], records: list[Path], *, code: str, flag: str, expected: str
) -> list[Path]:
    """Runs a recorder, what it says on stderr.

    Args:
        command: the interpreter and its arguments.
        records: the files that it is to write.
        code: that it records, for the sentences.
        flag: that names the interpreter.
        expected: what the interpreter should be.

    Returns:
        The records.

    Raises:
        DataError: the interpreter cannot be run, or is of another kind.
        RunError: the recorder failed.
    """
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
    for path in records:
        if not path.is_file():
            raise DataError(
                f"{code} was not recorded: {interpreter} ended without {path.name}; {expected} is "
                "expected."
            )
    return records


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
