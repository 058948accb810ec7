"""Progress as lines of the logger `wae_tf`: on stdout in the command line, silent in a library."""

from __future__ import annotations

import logging
import sys
import warnings

from wae_tf.errors import printable

logger = logging.getLogger("wae_tf")
logger.addHandler(logging.NullHandler())  # without it a library's warnings would reach stderr


class _Lines(logging.Handler):
    """Prints each message as a plain line at once, on what is stdout at that moment."""

    def emit(self, entry: logging.LogRecord) -> None:
        """Prints it; a closed pipe is an error of the run as with `print`."""
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
    """Prints lines of progress from now on, as the command line does."""
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl's own handler would print them once more
