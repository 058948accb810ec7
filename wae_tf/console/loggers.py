"""Python's `logging`, which is a program's own to set up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Keeps a line of TensorFlow's from setting up `logging`, which absl does where nobody has.

    A program's own `logging.basicConfig` would do nothing from then on.
    """
    nobody = logging.lastResort or logging.NullHandler()  # warnings still reach stderr
    if not logging.root.handlers:
        logging.root.addHandler(nobody)
    try:
        yield
    finally:
        logging.root.removeHandler(nobody)
