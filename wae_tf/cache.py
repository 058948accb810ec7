"""The cache of decoded images: a memory-mapped uint8 .npy file, and a JSON file that describes it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.errors import DataError

#: Part of every key: raise it when the same files would decode to other pixels or another order.
VERSION = 1

_DAY = 24 * 3600.0


class Writer:
    """The array under construction. Holds one chunk of images at most; shows progress on stderr."""

    def __init__(self, name: str, file: Any, folder: Path):
        self._name = name
        self._file = file
        self._folder = folder
        self._rows = self._count = 0
        self._shape: tuple[int, ...] = ()
        self._began = self._told = time.monotonic()
        self._period = 2.0

    def start(self, rows: int, shape: tuple[int, ...]) -> None:
        """Names the largest number of images to come and the shape of one.

        Raises:
          DataError: the disk has no room for them.
        """
        self._rows, self._shape = rows, tuple(int(n) for n in shape)
        self._row_bytes = int(np.prod(self._shape))
        needed, free = rows * self._row_bytes, shutil.disk_usage(self._folder).free
        if needed > free:
            raise DataError(
                f"{self._folder} has {free / 1e9:.1f} GB free and the decoded images need "
                f"{needed / 1e9:.1f} GB: give another --cache_dir."
            )
        self._header(rows)
        self._data = self._file.tell()

    def append(self, images: np.ndarray) -> None:
        """Adds uint8 [k, *shape] images after those that are there."""
        self.put(images, self._count)

    def put(self, images: np.ndarray, place: int) -> None:
        """Writes uint8 [k, *shape] images at `place`, in any order; each place once."""
        images = np.ascontiguousarray(images, np.uint8).reshape(-1, *self._shape)
        if place + len(images) > self._rows:
            raise ValueError(f"{place + len(images)} images where {self._rows} were announced")
        self._file.seek(self._data + place * self._row_bytes)
        self._file.write(images.data)
        self._count += len(images)
        now = time.monotonic()
        if now - self._told > self._period:
            # Rare whole lines, not a bar: the output may be a log file.
            self._told, self._period = now, 10.0
            rate = self._count / (now - self._began)
            print(
                f"{self._name}: decoded {self._count:,} of {self._rows:,} images, "
                f"{rate:,.0f} images/s, {(self._rows - self._count) / rate:,.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def finish(self) -> tuple[int, ...]:
        """Writes the header for the images that came (files may have been skipped)."""
        shape = (self._count, *self._shape)
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
            self._file, {"descr": "|u1", "fortran_order": False, "shape": (rows, *self._shape)}
        )


def open_or_build(
    cache_dir: str | None,
    name: str,
    key: dict[str, Any],
    fill: Callable[[Writer], dict[str, Any]],
) -> tuple[np.ndarray, dict[str, Any]]:
    """The decoded images of `key`: from the cache, or decoded now and kept there.

    Args:
      cache_dir: the cache's folder; None stands for $WAE_TF_CACHE or ~/.cache/wae_tf.
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
    folder = Path(
        cache_dir or os.environ.get("WAE_TF_CACHE") or Path.home() / ".cache" / "wae_tf"
    ).expanduser()
    array_file = folder / f"{name}-{digest[:24]}.npy"
    facts_file = array_file.with_suffix(".json")
    found = _read(array_file, facts_file, digest)
    if found is not None:
        return found

    # The process's own name until complete: neither a kill nor a second process can leave half of
    # it. The facts come last; without them the array does not count.
    suffix = f".{os.getpid()}.{time.time_ns()}.tmp"
    array_part, facts_part = (Path(f"{f}{suffix}") for f in (array_file, facts_file))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder, array_file.stem)
        with open(array_part, "wb") as file:
            writer = Writer(name, file, folder)
            facts = fill(writer)
            shape = writer.finish()
            file.flush()
            os.fsync(file.fileno())  # before its name: after a power cut it would count as whole
        facts_part.write_text(
            json.dumps({"digest": digest, "key": key, "shape": shape, "facts": facts})
        )
        facts_file.unlink(missing_ok=True)
        os.replace(array_part, array_file)
        os.replace(facts_part, facts_file)
    except OSError as error:
        raise DataError(
            f"The cache folder {folder} cannot be written ({error.strerror or error}): "
            "give a writable --cache_dir."
        ) from error
    finally:
        for part in (array_part, facts_part):
            with contextlib.suppress(OSError):
                part.unlink()
    found = _read(array_file, facts_file, digest)
    if found is None:
        raise DataError(f"The cache file {array_file} changed while it was written: run again.")
    return found


def _read(array_file: Path, facts_file: Path, digest: str) -> tuple[np.ndarray, dict] | None:
    """The cached array and facts, or None where they are missing, torn or another's."""
    try:
        record = json.loads(facts_file.read_text())
        images = np.load(array_file, mmap_mode="r", allow_pickle=False)
        whole = images.offset + images.nbytes == array_file.stat().st_size
        same = record["digest"] == digest and tuple(record["shape"]) == images.shape
        if whole and same and images.dtype == np.uint8 and images.ndim == 4:
            return images, record["facts"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _remove_abandoned(folder: Path, stem: str) -> None:
    """Removes a day-old unfinished array of the same key, which a killed process left."""
    for part in folder.glob(f"{stem}.*.tmp"):
        try:
            if time.time() - part.stat().st_mtime > _DAY:
                part.unlink()
        except OSError:  # another process was quicker
            continue
