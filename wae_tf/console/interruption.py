"""Signals to stop: noted at once, answered between pieces of work, with a status that says which it was.

They are SIGTERM, Ctrl-C's SIGINT, and SIGHUP, of a terminal that closes.

A handler that raises inside TensorFlow is swallowed by AutoGraph or becomes another error, so it only
notes. The work asks: `check` between batches and at the borders of phases, `Stop.check` between steps.
Where the command line is a process of its own, a thread ends it when Python does not come to an answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from wae_tf.console import lines, quiet
from wae_tf.errors import UserError

#: Of a terminal that closes; Windows has none.
_HANGUP = getattr(signal, "SIGHUP", None)
SIGNALS = (signal.SIGTERM, signal.SIGINT, *([_HANGUP] if _HANGUP else []))
#: The status after Ctrl-C, as a shell has it.
CTRL_C = 130
#: Seconds that a noted signal waits for an answer where no work is under way that should be finished.
GRACE = 3.0


class Interrupted(UserError):
    """A signal ended the run; `status` is 128 + its number, as a shell would say it."""

    def __init__(self, number: int, advice: str):
        super().__init__(f"stopped by {signal.Signals(number).name}: {advice}")
        self.status = 128 + number


class Stop:
    """Notes signals.

    Args:
        advice: what the person reads when a signal ends the work now under way.

    Attributes:
        number: of the signal that was noted, or None.
        patient: whether the work under way should come to an end first, however long it takes.
        answered: whether `answering` ends the process after a second signal.
    """

    def __init__(self, advice: str):
        self.advice = advice
        self.number: int | None = None
        self.patient = False
        self.answered = False
        self._told = threading.Lock()

    def tell_first(self) -> bool:
        """Whether the caller is the first to tell the person; the main thread and `answering` may race."""
        return self._told.acquire(blocking=False)

    def __call__(self, number: int, frame: Any) -> None:
        """The signal's handler: notes a first one; a second one does not wait.

        But for SIGHUP, which a shell and the terminal both send.
        """
        if number == _HANGUP:
            _mute()
        if self.number is None:
            self.number = number
        elif not self.answered and number != _HANGUP:
            raise Interrupted(number, self.advice)

    def check(self) -> None:
        """Ends the run if a signal was noted; for the borders between pieces of work.

        Raises:
            Interrupted: one was.
        """
        if self.number is not None:
            raise Interrupted(self.number, self.advice)

    @contextlib.contextmanager
    def deferring(self, patient: bool = True) -> Iterator[None]:
        """Within, `check` of this module does not end the run, only this object's does.

        Args:
            patient: see the attribute; the work within may change it.
        """
        before, self.patient = self.patient, patient
        _deferrers.append(self)
        try:
            yield
        finally:
            _deferrers.pop()
            self.patient = before


def _shown() -> set[int]:
    """The descriptors that a person reads."""
    return {1, 2, quiet.descriptor}


def _mute() -> None:
    """What is printed goes nowhere from now on where nobody can read it.

    Writing to a terminal that has closed, or to a pipe whose reader went with it, is an error, which would
    end the run before it has saved.
    """
    for descriptor in _shown():
        try:
            look = select.poll()
            look.register(descriptor, 0)
            gone = [event for _, event in look.poll(0) if event & (select.POLLERR | select.POLLHUP)]
        except OSError:  # it was closed before
            continue
        if gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _taken() -> list[int]:
    """The signals to note: not SIGHUP where the process was begun to outlive its terminal, as by nohup."""
    return [n for n in SIGNALS if n != _HANGUP or signal.getsignal(n) != signal.SIG_IGN]


_listening: list[Stop] = []
_deferrers: list[Stop] = []


def check() -> None:
    """Ends the work under way if a signal was noted and nothing has to be finished first.

    Raises:
        Interrupted: one was.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if _listening and not _deferrers and on_main:
        _listening[-1].check()


@contextlib.contextmanager
def listening(advice: str) -> Iterator[Stop]:
    """Notes SIGNALS within; elsewhere than in the main thread it cannot, and does not.

    Within another `listening`, signals are the outer one's, and only the sentence changes.

    Raises:
        Interrupted: a signal was noted before the end, or comes for the second time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Stop(advice)
        return
    if _listening:
        stop = _listening[-1]
        before = stop.advice
        stop.advice = advice
        stop.check()
        yield stop
        stop.check()
        stop.advice = before
        return
    stop = Stop(advice)
    with _handled(stop):
        _listening.append(stop)
        try:
            yield stop
            stop.check()
        finally:
            _listening.pop()


@contextlib.contextmanager
def _handled(handler: Any) -> Iterator[None]:
    """Within, this is what handles signals."""
    before = {number: signal.signal(number, handler) for number in _taken()}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, signal.SIG_DFL if one is None else one)  # None: not of Python


@contextlib.contextmanager
def by_system() -> Iterator[None]:
    """Within, signals end the process as they would without Python, and afterwards are noted as before.

    For what answers none while it waits, where nothing is lost; and some of TensorFlow sets its own handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled(signal.SIG_DFL):
        yield


def leave_at_once(name: str) -> None:
    """Ends this process at a signal, until `listening`: for its imports, in which nothing can be lost.

    Args:
        name: of the command, before the sentence.
    """
    advice = "nothing was begun; the same command begins."

    def leave(number: int, frame: Any) -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"{name}: {Interrupted(number, advice)}\n".encode())
        os._exit(128 + number)

    for number in _taken():
        signal.signal(number, leave)


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Within, a noted signal waits, however long it takes: for what would be lost otherwise."""
    with _listening[-1].deferring() if _listening else contextlib.nullcontext():
        yield


def tell(name: str, error: UserError) -> None:
    """Prints an error's sentence, unless `answering` has told of the same signal and ends the process.

    Args:
        name: of the command, before the sentence.
        error: what ended it.
    """
    if isinstance(error, Interrupted) and _listening and not _listening[-1].tell_first():
        time.sleep(GRACE)
        return
    _print(name, error)


def _print(name: str, error: UserError) -> None:
    lines.leave_line(echoed=error.status == CTRL_C)
    print(f"{name}: {error}", file=sys.stderr, flush=True)


def ignore() -> None:
    """Takes no more signals, for a process that has done its work and is about to leave."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def answering(name: str, leave: Callable[[int], Any] = os._exit) -> Iterator[None]:
    """Ends this process after a signal even where Python cannot answer, as in a long compilation.

    What is being written then stays under a temporary name, which nobody takes for the file itself.

    Args:
        name: of the command, before the sentence.
        leave: ends the process with a status.
    """
    import socket  # a third of the time in which the command line answers --help

    stop = _listening[-1]
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    over = threading.Event()
    stop.answered = True

    def answer(number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            # A terminal has echoed Ctrl-C where the cursor was.
            line = "\n" if number == signal.SIGINT and os.isatty(quiet.descriptor) else ""
            line += f"{name}: {Interrupted(number, stop.advice)}\n"
            if stop.tell_first():
                os.write(quiet.descriptor, line.encode())
        leave(128 + number)

    def listen() -> None:
        first: int | None = None
        since = 0.0
        ear.settimeout(None)
        while not over.is_set():
            try:
                heard = [byte for byte in ear.recv(64) if byte in SIGNALS]
            except TimeoutError:
                heard = []
            except OSError:
                return
            if over.is_set():
                return
            for number in heard:
                if first is None:
                    first = number
                    since = time.monotonic()
                elif number != _HANGUP:
                    answer(number)  # a second one leaves at once
                    return
            if stop.patient:
                since = time.monotonic()
            if first is not None:
                ear.settimeout(0.1)
                if time.monotonic() - since > GRACE:
                    answer(first)
                    return

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.answered = False
        over.set()
        signal.set_wakeup_fd(before)
        mouth.send(b"\0")
        thread.join(1)
        ear.close()
        mouth.close()


def as_program(name: str, advice: str, main: Callable[[], int]) -> int:
    """`main` as a process of its own, which a signal ends within seconds, whatever runs then.

    Args:
        name: of the command, before the sentence.
        advice: what a signal means where `main` says nothing else.
        main: returns the exit status.

    Returns:
        the exit status, 128 + the number of a signal that ended it.
    """
    quiet.open_streams()
    try:
        with listening(advice) as stop, answering(name):
            status = main()
            stop.number = None  # `main` has answered
    except Interrupted as error:
        if stop.tell_first():
            _print(name, error)
        status = error.status
    ignore()  # all is said; the interpreter only has to leave
    return status
