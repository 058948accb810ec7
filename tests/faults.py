"""Faults of files, named by what is done to which path: robust against code that moves.

    with faults.fault("replace", "*/checkpoints/step-00000004", Killed()):
        ...

The fault strikes when the operation is about to be done to a path that the pattern matches (the
n-th time, if asked), or just after it was done.
"""

import contextlib
import fnmatch
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for kill -9 where a process of its own would cost too much: no handler takes it."""


def _of_descriptor(descriptor: Any, *rest: Any) -> str:
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    return os.readlink(f"/proc/self/fd/{number}")


def _second(first: Any, second: Any, *rest: Any) -> str:
    return os.fspath(second)


def _first(first: Any, *rest: Any) -> str:
    return os.fspath(first) if not isinstance(first, int) else ""


#: Each operation: where its function is, and the path that a call is about.
OPERATIONS: dict[str, tuple[Any, str, Callable[..., str]]] = {
    "replace": (os, "replace", _second),  # the new name
    "rename": (os, "rename", _second),
    "sync": (os, "fsync", _of_descriptor),
    "open": (os, "open", _first),
    "read": (Path, "open", _first),
    "read_bytes": (Path, "read_bytes", _first),
    "read_text": (Path, "read_text", _first),
    "list": (Path, "iterdir", _first),
    "remove": (Path, "unlink", _first),
    "remove_tree": (shutil, "rmtree", _first),
    "make": (Path, "mkdir", _first),
}


@contextlib.contextmanager
def fault(
    operation: str,
    pattern: str,
    error: BaseException | Callable[[], None],
    *,
    time: int | None = 1,
    after: bool = False,
) -> Iterator[list[str]]:
    """Raises `error` (or calls it) at an operation on a path.

    Args:
        operation: one of OPERATIONS.
        pattern: of the whole path, as fnmatch has it; brackets in it are a set.
        error: what is raised, or called.
        time: the how-manieth such call; None: every one from the first.
        after: strike once the operation is done.

    Yields:
        the paths that matched, in the order of the calls.
    """
    owner, name, path_of = OPERATIONS[operation]
    real, seen = getattr(owner, name), []

    def strike() -> None:
        if isinstance(error, BaseException):
            raise error
        error()

    def struck(*args: Any, **named: Any) -> Any:
        path = path_of(*args)
        now = False
        if fnmatch.fnmatch(path, pattern):
            seen.append(path)
            now = time is None or len(seen) == time
        if now and not after:
            strike()
        result = real(*args, **named)
        if now and after:
            strike()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, struck)
        yield seen


@contextlib.contextmanager
def fault_in(owner: Any, name: str, error: BaseException, *, time: int = 1) -> Iterator[None]:
    """Raises `error` in the time-th call of a function or method, for what touches no file."""
    real, calls = getattr(owner, name), []

    def struck(*args: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == time:
            raise error
        return real(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, struck)
        yield
