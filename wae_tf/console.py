"""Lines of progress for the person at the terminal."""

from __future__ import annotations

from wae_tf.errors import printable


def say(line: str) -> None:
    """Prints a line of progress at once."""
    print(printable(line), flush=True)
