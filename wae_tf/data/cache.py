"""The cache of decoded images: a memory-mapped uint8 .npy file, and a JSON file that describes it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
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
from wae_tf.errors import DataError
from wae_tf.files import cache_folder, open_regular, read_text

#: Part of every key: raise it when the same files would decode to other pixels or another order.
VERSION = 1

#: Raises a FlagError on a shape (H, W, C) that the run's networks cannot have.
Accept = Callable[[tuple[int, int, int]], None] | None

_DAY = 24 * 3600.0

#: Seconds of decoding that a kill may cost.
_NOTED_EVERY = 5.0


class Writer:
    """The array under construction. Holds one chunk of images at most; shows progress on stderr.

    Attributes:
        shape: (H, W, C) of an image, once it is announced.
        taken: how many pictures an interrupted process has gone through before this one.
        skipped: the names of those among them that could not be decoded.
    """

    def __init__(self, name: str, file: Any, folder: Path, note: Path | None, digest: str):
        self._name = name
        self._file = file
        self._folder = folder
        self._note_file = note
        self._digest = digest
        self._rows = self._count = self._found = 0
        self.shape: tuple[int, ...] = ()
        self._began = self._told = self._noted = time.monotonic()
        self._period = 2.0
        self.taken, self.skipped = 0, list[str]()

    def start(self, rows: int, shape: tuple[int, int, int], accept: Accept = None) -> None:
        """Names the largest number of images to come and the shape of one.

        Args:
            rows: images at most.
            shape: (H, W, C).
            accept: refuses a shape that is of no use, before anything is decoded.

        Raises:
            DataError: the disk has no room for them.
        """
        if accept is not None:
            accept(shape)
        self._rows, self.shape = rows, tuple(int(n) for n in shape)
        self._row_bytes = int(np.prod(self.shape))
        self._resume()
        needed = (rows - self._count) * self._row_bytes
        if needed > (free := shutil.disk_usage(self._folder).free):
            raise DataError(
                f"{self._folder} has {free / 1e9:.1f} GB free and the decoded images need "
                f"{needed / 1e9:.1f} GB: give another --cache_dir."
            )
        self._header(rows)
        self._data = self._file.tell()
        self._began = self._told = time.monotonic()  # looking at heads before is no decoding

    def _resume(self) -> None:
        """Takes what an interrupted process has noted to be in the file, if it fits."""
        if self._note_file is None:
            return
        try:
            note = json.loads(read_text(self._note_file))
            count, taken, skipped = note["count"], note["taken"], list(note["skipped"])
            fits = note["digest"] == self._digest and note["shape"] == [self._rows, *self.shape]
            size = self._file.seek(0, os.SEEK_END)
            if fits and 0 <= count == taken - len(skipped) and size >= count * self._row_bytes:
                self._count = self._found = count
                self.taken, self.skipped = taken, skipped
                print(
                    f"{self._name}: going on with {count:,} of {self._rows:,} images decoded before",
                    file=sys.stderr,
                    flush=True,
                )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass

    def append(self, images: np.ndarray) -> None:
        """Adds uint8 [k, *shape] images after those that are there."""
        self.put(images, self._count)

    def note(self, taken: int, skipped: list[str]) -> None:
        """Notes every few seconds how far it is, so that a process after this one can go on.

        Args:
            taken: pictures gone through, in an order that the key fixes, all appended but `skipped`.
            skipped: names of those that could not be decoded.
        """
        if self._note_file is None or time.monotonic() - self._noted < _NOTED_EVERY:
            return
        self._file.flush()
        os.fsync(self._file.fileno())  # the note must not be on the disk before the images
        note = {"digest": self._digest, "shape": [self._rows, *self.shape], "count": self._count}
        text = json.dumps({**note, "taken": taken, "skipped": skipped})
        part = self._note_file.with_name(self._note_file.name + "~")
        part.write_text(text)
        os.replace(part, self._note_file)
        self._noted = time.monotonic()

    def put(self, images: np.ndarray, place: int) -> None:
        """Writes uint8 [k, *shape] images at `place`, in any order; each place once."""
        interruption.check()
        images = np.ascontiguousarray(images, np.uint8)
        images = images[None] if images.ndim == len(self.shape) else images
        if images.shape[1:] != self.shape:  # as many pixels in other rows would be another picture
            raise ValueError(f"images of {images.shape[1:]} where {self.shape} was announced")
        if place + len(images) > self._rows:
            raise ValueError(f"{place + len(images)} images where {self._rows} were announced")
        self._file.seek(self._data + place * self._row_bytes)
        self._file.write(images.data)
        self._count += len(images)
        now = time.monotonic()
        if now - self._told > self._period:
            # Rare whole lines, not a bar: the output may be a log file.
            self._told, self._period = now, 10.0
            rate = (self._count - self._found) / (now - self._began)
            print(
                f"{self._name}: decoded {self._count:,} of {self._rows:,} images, "
                f"{rate:,.0f} images/s, {(self._rows - self._count) / rate:,.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def pieces(self) -> Iterator[np.ndarray]:
        """The images so far, read back from the file, uint8 [at most 8 MB, *shape] at a time."""
        rows = max(1, (8 << 20) // self._row_bytes)
        for start in range(0, self._count, rows):
            count = min(rows, self._count - start)
            self._file.seek(self._data + start * self._row_bytes)
            piece = self._file.read(count * self._row_bytes)
            yield np.frombuffer(piece, np.uint8).reshape(count, *self.shape)

    def finish(self) -> tuple[int, ...]:
        """Writes the header for the images that came (files may have been skipped)."""
        shape = (self._count, *self.shape)
        self._header(self._count)
        if self._file.tell() != self._data:
            raise RuntimeError("NumPy's header changed its length")
        self._file.truncate(self._data + self._count * self._row_bytes)
        if self._period > 2.0:
            seconds = time.monotonic() - self._began
            print(
                f"{self._name}: decoded {self._count:,} images in {seconds:,.0f} s, kept in "
                f"{self._folder}",
                file=sys.stderr,
                flush=True,
            )
        return shape

    def _header(self, rows: int) -> None:
        self._file.seek(0)
        # NumPy pads the header for any number of rows, so it can be written again over itself.
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": (rows, *self.shape)}
        )


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
            f"The cache folder {folder} cannot be written ({error.strerror or error}): "
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
