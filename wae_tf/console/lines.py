"""Progress as lines of the logger `wae_tf`: on stdout in the command line, silent in a library.

On a terminal one more line, which the next takes the place of, says what is under way.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Iterator

from wae_tf.errors import printable

logger = logging.getLogger("wae_tf")
logger.addHandler(logging.NullHandler())  # without it a library's warnings would reach stderr

#: Where a terminal says nothing of its width.
_COLUMNS = 80
_lock = threading.RLock()
_open = False  # whether the cursor stands behind a line of `under_way`
_began: float | None = None


class _Lines(logging.Handler):
    """Prints each message as a plain line at once, on what is stdout at that moment."""

    def emit(self, entry: logging.LogRecord) -> None:
        """Prints it; a closed pipe is an error of the run as with `print`."""
        with _lock:
            _erase()
            print(entry.getMessage(), file=sys.stdout, flush=True)


def progress(line: str) -> None:
    """Logs a line of progress."""
    logger.info("%s", printable(line))


def warn(sentence: str) -> None:
    """Warns a program that uses the library; Python shows the same sentence once."""
    warnings.warn(printable(sentence), UserWarning, stacklevel=2)


def shown() -> bool:
    """Whether anybody takes lines of progress."""
    return logger.isEnabledFor(logging.INFO)


def to_stdout() -> None:
    """Prints lines of progress from now on, as the command line does; its clock starts."""
    global _began
    _began = time.monotonic()
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl's own handler would print them once more


def began() -> float:
    """When this command began, of `time.monotonic`; elsewhere than in a command line, now."""
    return time.monotonic() if _began is None else _began


def on_terminal() -> bool:
    """Whether lines of progress are printed on a terminal."""
    here = any(isinstance(handler, _Lines) for handler in logger.handlers)
    return here and shown() and sys.stdout.isatty()


def under_way(line: str) -> None:
    """Shows a line on a terminal, which the next one of any kind takes the place of."""
    global _open
    if not on_terminal():
        return
    with _lock:
        width = shutil.get_terminal_size((_COLUMNS, 24)).columns - 1
        sys.stdout.write(f"\r{printable(line)[:width]}\x1b[K")
        sys.stdout.flush()
        _open = True


def leave_line(echoed: bool = False) -> None:
    """Ends a line that is under way, and keeps it: what a terminal echoes may stand on it.

    Args:
        echoed: whether a terminal has echoed Ctrl-C, so that the cursor is behind that at least.
    """
    global _open
    with _lock, contextlib.suppress(OSError, ValueError):
        if _open:
            _open = False
            print(flush=True)
        elif echoed and sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


def _erase() -> None:
    global _open
    if _open:
        _open = False
        sys.stdout.write("\r\x1b[K")


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Within, a terminal shows what is done and since when; elsewhere it is one line.

    Args:
        what: is done, such as "compiling the training step".
    """
    if not on_terminal():
        progress(what)
        yield
        return
    over = threading.Event()
    start = time.monotonic()

    def tick() -> None:
        while not over.wait(1):
            with _lock:
                if not over.is_set():
                    under_way(f"{what}: {time.monotonic() - start:.0f} s")

    under_way(what)
    thread = threading.Thread(target=tick, name="working", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with _lock:
            over.set()
            if _open:
                _erase()
                sys.stdout.flush()


def duration(seconds: float) -> str:
    """A time as a person says it: 8 s, 12 min, 1.5 h, 18 days."""
    if seconds < 99.5:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 99.5 * 3600:
        return f"{seconds / 3600:.1f} h" if seconds < 9.95 * 3600 else f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
