"""The cache of decoded images: a memory-mapped uint8 .npy file, and a JSON file that describes it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # not on Windows
from wae_tf.console import interruption
from wae_tf.data.writer import Writer
from wae_tf.errors import DataError
from wae_tf.files import cache_folder, leads_nowhere, open_regular, read_text

#: Part of every key: raise it when the same files would decode to other pixels or another order.
VERSION = 1

_DAY = 24 * 3600.0


def open_or_build(
    cache_dir: str | None,
    name: str,
    key: dict[str, Any],
    fill: Callable[[Writer], dict[str, Any]],
) -> tuple[np.ndarray, dict[str, Any]]:
    """The decoded images of `key`: from the cache, or decoded now and kept there.

    Args:
        cache_dir: the cache's folder; see `files.cache_folder`.
        name: the data set's name, for file names and messages.
        key: everything the pixels and their order depend on, as JSON values.
        fill: calls `start` and then `append` or `put` of the Writer; returns facts to keep, as JSON
            values.

    Returns:
        Read-only memory map uint8 [N, H, W, C], and what `fill` returned when they were decoded.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    key = {**key, "dataset": name, "version": VERSION}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    folder = cache_folder(cache_dir)
    array_file = folder / f"{name}-{digest[:24]}.npy"
    facts_file = array_file.with_suffix(".json")
    found = _read(array_file, facts_file, digest)
    if found is not None:
        return found

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder, name)
        with _part(array_file) as (file, part, note):
            writer = Writer(name, file, folder, note, digest)
            facts = fill(writer)
            shape = writer.finish()
            file.flush()
            pixels = _sum(file)
            os.fsync(file.fileno())  # before its name: after a power cut it would count as whole
            # The facts come last; without them the array does not count.
            record: dict[str, Any] = {"digest": digest, "key": key, "shape": shape}
            record |= {"facts": facts, "pixels": pixels}
            record["sum"] = _sum_of_record(record)
            facts_part = part.with_name(f"{part.name}.json")
            facts_part.write_text(json.dumps(record))
            facts_file.unlink(missing_ok=True)
            if fcntl is None:  # Windows renames no open file
                file.close()
            os.replace(part, array_file)
            os.replace(facts_part, facts_file)
    except OSError as error:
        raise DataError(
            f"The cache folder {folder} cannot be written "
            f"({'a link that leads nowhere' if leads_nowhere(folder) else error.strerror or error}): "
            "give a writable --cache_dir."
        ) from error
    found = _read(array_file, facts_file, digest)
    if found is None:
        raise DataError(f"The cache file {array_file} changed while it was written: run again.")
    return found


def _read(array_file: Path, facts_file: Path, digest: str) -> tuple[np.ndarray, dict] | None:
    """The cached array and facts, or None where they are missing, torn or another's."""
    try:
        record = json.loads(read_text(facts_file))
        if record.pop("sum") != _sum_of_record(record):
            return None
        with open(open_regular(array_file), "rb") as file:
            if _sum(file) != record["pixels"]:
                return None
        images = np.load(array_file, mmap_mode="r", allow_pickle=False)
        whole = images.offset + images.nbytes == array_file.stat().st_size
        same = record["digest"] == digest and tuple(record["shape"]) == images.shape
        if whole and same and images.dtype == np.uint8 and images.ndim == 4:
            return images, record["facts"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def _sum(file: Any) -> int:
    """A sum over a file, read a piece at a time: a mapped file's pages would count as memory."""
    file.seek(0)
    found = 0
    while piece := file.read(1 << 22):
        interruption.check()
        found = zlib.crc32(piece, found)
    return found


def _sum_of_record(record: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(record, sort_keys=True).encode())


@contextlib.contextmanager
def _part(array_file: Path) -> Iterator[tuple[Any, Path, Path | None]]:
    """The unfinished array, open, its path, and where to note how far it is.

    Its name is the key's, so that a later process can go on with it; one that comes meanwhile finds
    it locked and makes one of its own name, without notes. What a failure leaves stays if anything
    was noted, except where the disk is full.
    """
    path = Path(f"{array_file}.part")
    file = _locked(path)
    note = path.with_name(f"{path.name}.note") if file else None
    if file is None:
        path = Path(f"{array_file}.{os.getpid()}.{time.time_ns()}.tmp")
        file = path.open("w+b")
    with file:
        try:
            yield file, path, note
        except OSError:  # most likely a full disk
            _remove(note)
            raise
        else:
            _remove(note)
        finally:
            if _is_at(file, path) and not (note and note.exists()):
                _remove(path)
            _remove(path.with_name(f"{path.name}.json"))


def _locked(path: Path) -> Any:
    """The file, made if need be, open and locked; None where another process or user has it."""
    if fcntl is None:
        return None
    file = None
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, path):  # not what the process that had it has renamed since
            return file
    except OSError:  # locked, not ours in a folder of several users, or a file system without locks
        pass
    if file is not None:
        file.close()
    return None


def _is_at(file: Any, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (OSError, ValueError):  # gone, or closed
        return False


def _remove(path: Path | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            path.unlink()


def _remove_abandoned(folder: Path, name: str) -> None:
    """Removes what killed processes left of the data set: a week old, or a day where none can go on."""
    for path in folder.glob(f"{name}-*"):
        age = {".tmp": _DAY, ".part": 7 * _DAY, ".note": 7 * _DAY}.get(path.suffix)
        try:
            if age and time.time() - path.stat().st_mtime > age:
                path.unlink()
        except OSError:  # another process was quicker
            continue
