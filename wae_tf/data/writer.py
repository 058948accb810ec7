"""The array of decoded images under construction: written by rows, noted so that a later process goes on."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.console import interruption
from wae_tf.errors import DataError
from wae_tf.files import read_text

#: Raises a FlagError on a shape, (H, W, C) of pictures, that the run's networks cannot have.
Accept = Callable[[tuple[int, ...]], None] | None

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
        """Writes uint8 [k, *shape] images at `place`, in any order; each place once.

        Raises:
            ValueError: images of another shape than announced, or more of them.
        """
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
