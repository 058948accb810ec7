"""XLA's compiled programs, kept below the user's cache folder for the next start of such a training.

TensorFlow keeps them itself where TF_XLA_FLAGS says so, but fails a run whose disk is full or whose file is
damaged, and asks nobody which processor a file was compiled for. So it gets a folder of this process
alone, with what was kept, whole and of this kind of machine; what it adds is taken over once it is whole.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from wae_tf.console import progress
from wae_tf.errors import first_line
from wae_tf.files import cache_folder, held_folder, open_regular, replacing, sweep
from wae_tf.settings import processor

#: Bytes that must be free, and bytes of programs that are kept: one has two million.
_FREE, _MOST = 16 << 20, 64 << 20
_FLAGS = "TF_XLA_FLAGS"
_DIRECTORY = "tf_xla_persistent_cache_directory"

#: Where TensorFlow of this process looks and writes, and where that is kept.
_own: Path | None = None
_kept: Path | None = None


def start(cache_dir: str | os.PathLike | None = None) -> bool:
    """Lets XLA on CPUs take and leave its programs, for a process that has not imported TensorFlow yet.

    Nothing changes where TF_XLA_FLAGS names a folder already, where the processor is not known, or where
    the cache's folder is not this user's alone, since what is in it is run.

    Args:
        cache_dir: see `files.cache_folder`.

    Returns:
        whether programs are kept.
    """
    global _own, _kept
    given = os.environ.get(_FLAGS, "")
    if _DIRECTORY in given or "tensorflow" in sys.modules:
        return False
    try:
        if (machine := _machine()) is None:
            return False
        kept = cache_folder(cache_dir) / "xla" / machine
        kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check(kept)
        sweep(kept)
        own = Path(tempfile.mkdtemp(prefix=".new-", dir=kept))
        held = contextlib.ExitStack()
        held.enter_context(held_folder(own))  # until this process ends
        atexit.register(held.close)
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        _check_room(own)
        _lend(kept, own)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a user without a home
        if cache_dir:
            progress(f"--cache_dir={cache_dir} keeps none of XLA's programs: {first_line(error)}")
        return False
    _own, _kept = own, kept
    mine = f"--{_DIRECTORY}={own} --tf_xla_persistent_cache_device_types=CPU,XLA_CPU_JIT"
    os.environ[_FLAGS] = f"{given} {mine}".strip()
    return True


def keep() -> None:
    """Takes over what TensorFlow has written; to be called when nothing is being compiled."""
    if _own is None or _kept is None:
        return
    with contextlib.suppress(OSError):
        lent = {path.name.rpartition(".")[0] for path in _kept.glob("[!.]*.pb.*")}
        for path in _own.glob("*.pb"):
            if path.name not in lent:
                content = path.read_bytes()
                with replacing(_kept / f"{path.name}.{_sum(content)}") as file:
                    file.write(content)
        _prune(_kept)


def _machine() -> str | None:
    """The name of the folder of what may run here; None: the processor is not known.

    It follows from the processor, its cores, TensorFlow's build and XLA's flags: what is compiled from
    the same program may differ with each.
    """
    described = processor.described()
    spec = importlib.util.find_spec("tensorflow")
    if not described or spec is None or spec.origin is None:
        return None
    build = f"{spec.origin} {os.stat(spec.origin).st_mtime_ns}"
    cores = str(len(os.sched_getaffinity(0)))
    flags = [os.environ.get(name, "") for name in ("XLA_FLAGS", _FLAGS)]
    return _sum("\n".join([*described, cores, build, *flags]).encode())[:16]


def _check(folder: Path) -> None:
    """Refuses a folder in which others may write.

    Raises:
        OSError: it is one.
    """
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} is not this user's alone")


def _check_room(folder: Path) -> None:
    """Takes room for a moment, which a quota counts too.

    Raises:
        OSError: there is none.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, _FREE)


def _lend(kept: Path, own: Path) -> None:
    """Gives what is whole to TensorFlow's folder, and removes what is not."""
    for path in kept.glob("[!.]*.pb.*"):
        name, _, found = path.name.rpartition(".")
        try:
            with open(open_regular(path), "rb") as file:
                whole = _sum(file.read()) == found
        except OSError:  # a pipe, a folder: nobody's that this module knows
            continue
        if not whole:
            path.unlink()
            continue
        # Of two programs of one name the first is lent: a copy would be written into its linked file.
        if (own / name).exists():
            continue
        os.utime(path)  # used last
        try:
            os.link(path, own / name)
        except OSError:
            shutil.copyfile(path, own / name)


def _prune(kept: Path) -> None:
    """Removes what was used longest ago, beyond what may be kept."""
    paths = sorted(kept.glob("[!.]*.pb.*"), key=lambda path: path.stat().st_mtime, reverse=True)
    size = 0
    for path in paths:
        size += path.stat().st_size
        if size > _MOST:
            path.unlink()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
