"""What TensorFlow's C++ code prints on stderr: its notes are left out, its errors and all else pass.

They do not go through Python, and the first ones come before any level can be set. So descriptor 2
becomes a pipe, read by a small process of its own: a crash's last words pass too. Python's stderr keeps
the descriptor that was 2.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterable

#: Verbosities as absl counts them: errors alone, warnings too, everything.
ERRORS, WARNINGS, NOTES = -2, -1, 0
#: TensorFlow's own level for each. Errors of its start, such as a GPU that is not there, are none here.
_TF_LEVELS = {ERRORS: "3", WARNINGS: "1", NOTES: "0"}
_TF_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

#: A line of the C++ code with its severity: absl's "I0000 00:00:17.5   79 file.cc:31] text", and
#: TensorFlow's "2026-01-01 00:00:00.5: I tensorflow/core/file.cc:31] text".
_LINE = re.compile(
    rb"^(?:([IWEF])\d{4} \d\d:\d\d:\d+(?:\.\d+)? +\d+ \S+\] "
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ([IWEF]) \S+\] )"
)
#: Lines without a severity that belong to such.
_NOTES_TOO = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"To enable the following instructions:",
)
#: Libraries that register twice, which says nothing, as errors.
_NO_ERRORS = (b"Unable to register cu", b"computation placer already registered")

#: The descriptor of the real stderr.
descriptor = 2


def level_of_environment() -> int:
    """The verbosity that TF_CPP_MIN_LOG_LEVEL asks for, where --verbosity says nothing."""
    return {"0": NOTES, "1": WARNINGS}.get(os.environ.get(_TF_LEVEL, ""), ERRORS)


def set_level(verbosity: int) -> None:
    """Tells TensorFlow; before its import."""
    os.environ[_TF_LEVEL] = _TF_LEVELS[verbosity]


def is_note(line: bytes, verbosity: int) -> bool:
    """Whether a line of stderr is one to leave out.

    Args:
        line: of the C++ code, or of anything else.
        verbosity: ERRORS or WARNINGS.
    """
    if line.startswith(_NOTES_TOO):
        return True
    found = _LINE.match(line)
    if found is None:
        return False
    severity = found[1] or found[2]
    if severity == b"E":
        return any(text in line for text in _NO_ERRORS)
    return severity == b"I" or (severity == b"W" and verbosity < WARNINGS)


def passed(lines: Iterable[bytes], verbosity: int) -> Iterable[bytes]:
    """The lines to show."""
    return (line for line in lines if not is_note(line, verbosity))


def open_streams() -> None:
    """Puts nothing in place of standard streams that are closed, as by `>&-`.

    Else a file of the run's would get the descriptor 2, and what the C++ code prints.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def start(verbosity: int) -> None:
    """Leaves the notes out from now on; for a process of its own that has no threads yet.

    Args:
        verbosity: NOTES changes nothing.
    """
    global descriptor
    set_level(verbosity)
    open_streams()
    if verbosity >= NOTES or not hasattr(os, "fork") or descriptor != 2:
        return
    try:
        sys.stderr.flush()
        real = os.dup(2)
        source, sink = os.pipe()
        child = os.fork()
    except OSError:  # no descriptors or processes left: as it was
        return
    if child == 0:
        os.close(sink)
        _filter(source, real, verbosity)
    os.close(source)
    os.dup2(sink, 2)  # inheritable, as 2 is
    os.close(sink)
    descriptor = real
    sys.stderr = os.fdopen(real, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _filter(source: int, real: int, verbosity: int) -> None:
    """The other process: ends with the last one that can write."""
    try:
        # Ctrl-C and a shutdown reach a whole group; what the others still say must pass.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for other in (0, 1):
            os.close(other)  # who waits for their ends need not wait for this process
        with os.fdopen(source, "rb", buffering=0) as pipe, os.fdopen(real, "wb", 0) as out:
            rest = b""
            while data := pipe.read(65536):
                *lines, rest = (rest + data).split(b"\n")
                for line in passed(lines, verbosity):
                    out.write(line + b"\n")
            if rest and not is_note(rest, verbosity):
                out.write(rest)
    finally:
        os._exit(0)
