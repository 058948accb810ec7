"""Runs a recorder under another interpreter, and says which cases it may be asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from wae_tf.errors import DataError, FlagError, RunError


def asked_for(names: str | None, known: Sequence[str]) -> list[str]:
    """The cases that --cases names; None: all.

    Raises:
        FlagError: one is not known.
    """
    wanted = list(known) if names is None else names.split(",")
    for name in wanted:
        if name not in known:
            raise FlagError(f"--cases={name} is not known; accepted: {', '.join(known)}.")
    return wanted


def run(command: Sequence[str], *, code: str, flag: str, expected: str) -> None:
    """Runs a recorder, what it says on stderr.

    Args:
        command: the interpreter and its arguments.
        code: that it records, for the sentences.
        flag: that names the interpreter.
        expected: what the interpreter should be.

    Raises:
        DataError: the interpreter cannot be run.
        RunError: the recorder failed.
    """
    said: list[str] = []
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as recorder:
            for line in recorder.stdout or ():
                said.append(line.strip())
                print(line, end="", file=sys.stderr, flush=True)
    except OSError as error:
        raise DataError(
            f"--{flag}={command[0]} cannot be run: {error.strerror}; {expected} is expected."
        ) from error
    if recorder.returncode:
        last = [line for line in said if line] or ["it said nothing"]
        raise RunError(f"{code} was not recorded: {last[-1]}")
