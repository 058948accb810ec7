"""Files that are whole or not there: atomic writes, synced to the disk; reads that cannot hang."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # not on Windows

#: What `replacing` names a file until it is whole: .NAME.PROCESS.THREAD; and folders of parts.
_LEFT = re.compile(r"\..+\.\d+\.\d+|\.new-.+")
_HOUR = 3600.0


@contextlib.contextmanager
def replacing(path: str | os.PathLike, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Opens a file beside `path` that takes its place on success and leaves no trace on failure.

    Args:
        path: of the file; its folder must be there.
        durable: whether to wait until it is on the disk.

    Raises:
        OSError: with the name of the file, which a full disk's error has not.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(beside, path)
        if durable:
            sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(beside)):
            error.filename = str(path)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader finds the old one or the new one, never a part."""
    with replacing(path) as file:
        file.write(text.encode())


def sweep(folder: Path) -> None:
    """Removes what processes that were killed left half written in a folder, once it is an hour old.

    Folders that a living process holds stay, however old.

    Args:
        folder: of files of `replacing`, and of folders for parts, named `.new-...`.
    """
    for path in folder.glob(".*"):
        if not _LEFT.fullmatch(path.name):
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > _HOUR:
                if not path.is_dir():
                    path.unlink()
                    continue
                with held_folder(path) as free:
                    if free is not False:
                        shutil.rmtree(path)


@contextlib.contextmanager
def held_folder(folder: Path, *, wait: bool = False) -> Iterator[bool | None]:
    """Holds a folder while this process lives; whether it could, None where there are no locks.

    Args:
        folder: which is there.
        wait: until whoever holds it lets it go.
    """
    if fcntl is None:
        yield None
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            free: bool | None = True
        except BlockingIOError:
            free = False
        except OSError:  # some network file systems
            free = None
        yield free
    finally:
        os.close(handle)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; opening a pipe would wait for its other end.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return handle


def read_text(path: Path) -> str:
    """The text of a regular file; of a pipe or a device, which may never end, not a byte.

    Raises:
        OSError: it cannot be read, or is no regular file.
        UnicodeDecodeError: it is no text.
    """
    with open(open_regular(path), encoding="utf-8", newline="") as file:
        return file.read()


def leads_nowhere(path: Path) -> bool:
    """Whether a path, or a folder that it is in, is a symbolic link to what is not there."""
    return any(os.path.islink(part) and _is_gone(part) for part in (path, *path.parents))


def _is_gone(path: Path) -> bool:
    """Whether nothing is there, which is not said of what may not be looked at."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    return False


def of_user(name: str | os.PathLike) -> Path:
    """A path with `~` as a shell would have it: at the beginning, and not in `./~name`.

    One that names nobody's home folder is left as it is.
    """
    return Path(os.path.expanduser(name))


def cache_folder(given: str | os.PathLike | None = None) -> Path:
    """The folder of what can be made again: the one given, else $WAE_TF_CACHE, else ~/.cache/wae_tf."""
    usual = os.environ.get("WAE_TF_CACHE") or Path.home() / ".cache" / "wae_tf"
    return of_user(given or usual)


def sync(path: Path) -> None:
    """Waits until a file, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
