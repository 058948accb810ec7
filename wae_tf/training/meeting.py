"""Workers of TF_CONFIG wait for each other in Python, which answers signals as TensorFlow does not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Sequence

from wae_tf.console import interruption, progress
from wae_tf.errors import FlagError, RunError

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}'
)
#: What the chief answers when all have told it their numbers.
_ALL_HERE = b"go"
_TAKEN = b"no"  #: to one whose number another has told
#: Seconds between two looks at signals.
_LOOK = 0.2


def cluster() -> tuple[list[str], int]:
    """The workers' addresses and this one's place among them, of TF_CONFIG.

    Raises:
        FlagError: it is missing or damaged.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        known = json.loads(text)
        workers, index = known["cluster"]["worker"], known["task"]["index"]
        good = 0 <= index < len(workers) and known["task"]["type"] == "worker"
        good = good and isinstance(workers, list) and all(isinstance(w, str) for w in workers)
        good = good and isinstance(index, int) and not isinstance(index, bool)
        good = good and all(map(_place, workers))
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise FlagError(
            f"--distribute=multi_worker needs the environment variable TF_CONFIG like {_EXAMPLE}, "
            "another index on each worker; worker 0 is the chief."
        )
    if twice := {worker for worker in workers if workers.count(worker) > 1}:
        raise FlagError(f"TF_CONFIG names the worker {min(twice)} twice; give each its own port.")
    return workers, index


def wait(workers: Sequence[str], own: int) -> None:
    """Waits until all workers wait: the chief listens at its address, and the others tell it their numbers.

    Args:
        workers: their addresses, host:port, the chief's first.
        own: which of them this one is.

    Raises:
        RunError: this worker's port or number is taken.
        Interrupted: a signal came.
    """
    if len(workers) < 2:
        return
    others = [worker for i, worker in enumerate(workers) if i != own]
    progress(f"worker {own} of {len(workers)} at {workers[own]}: waiting for {', '.join(others)}")
    with _listening(workers[own]) as listener:
        if own == 0:
            _as_chief(listener, len(others))
    if own:
        _as_other(workers[0], own)


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(address)
    return host.strip("[]"), int(port)


def _listening(address: str) -> socket.socket:
    host, port = _place(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            listener.bind((host, port))
        except (
            OSError
        ):  # a name that others reach this machine by need not be an address of its own
            listener.bind(("", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise RunError(
            f"TF_CONFIG: this worker cannot listen at {address}: {error.strerror}."
        ) from error
    listener.settimeout(_LOOK)
    return listener


def _as_chief(listener: socket.socket, others: int) -> None:
    here: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        while len(here) < others:
            interruption.check()
            try:
                connection = stack.enter_context(listener.accept()[0])
                connection.settimeout(1.0)
                number = int(connection.recv(16))
                connection.setblocking(False)
            except (OSError, ValueError):  # nobody, or nobody of ours
                continue
            here = {number: one for number, one in here.items() if not _has_gone(one)}
            if number in here:
                connection.sendall(_TAKEN)
            elif 0 < number <= others:
                here[number] = connection
        for connection in here.values():
            with contextlib.suppress(OSError):
                connection.sendall(_ALL_HERE)


def _has_gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _as_other(chief: str, own: int) -> None:
    tell: Callable[[str], None] = progress
    while True:
        try:
            with socket.create_connection(_place(chief), timeout=1.0) as connection:
                connection.sendall(f"{own}\n".encode())
                connection.settimeout(_LOOK)
                while (answer := _answer(connection)) is None:
                    interruption.check()
                if answer == _ALL_HERE:
                    return
                if answer == _TAKEN:
                    raise RunError(
                        f"TF_CONFIG: another process is worker {own} already; give each its own index."
                    )
        except socket.gaierror as error:  # in a cluster names may come with their machines
            tell(f"{chief} is not known so far: {error.strerror}")
            tell = lambda line: None  # noqa: E731
        except OSError:  # not there so far
            pass
        interruption.check()
        time.sleep(_LOOK)


def _answer(connection: socket.socket) -> bytes | None:
    """What the chief says, b"" if it has gone, None if nothing so far."""
    try:
        return connection.recv(len(_ALL_HERE))
    except TimeoutError:
        return None
