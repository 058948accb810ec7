"""SIGTERM and Ctrl-C: a training that can be gone on with, and an exit status that says so."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from wae_tf.errors import UserError


class Interrupted(UserError):
    """A signal ended the run; `status` is 128 + its number, as a shell would say it."""

    def __init__(self, number: int, what_now: str):
        super().__init__(f"stopped by {signal.Signals(number).name}: {what_now}")
        self.status = 128 + number


class Stop:
    """Notes the signals that came while work was under way that should come to an end first.

    Args:
        what_now: what the person reads when a signal comes outside of such work.
    """

    def __init__(self, what_now: str):
        self.what_now = what_now
        self.number: int | None = None
        self._waiting = False

    def __call__(self, number: int, frame: Any) -> None:
        """The signal's handler: notes it, or ends the run where nothing has to be finished."""
        if not self._waiting or self.number is not None:  # a second one does not wait
            raise Interrupted(number, self.what_now)
        self.number = number

    def check(self) -> None:
        """Ends the run if a signal was noted; for the borders between pieces of work.

        Raises:
            Interrupted: one was.
        """
        if self.number is not None:
            raise Interrupted(self.number, self.what_now)

    @contextlib.contextmanager
    def waits(self) -> Iterator[None]:
        """Within, a first signal is only noted, in `number`."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False


@contextlib.contextmanager
def listening(what_now: str) -> Iterator[Stop]:
    """Handles SIGTERM and SIGINT within; elsewhere than in the main thread it cannot, and does not."""
    stop = Stop(what_now)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
