"""Picture files, in a folder or a zip: found, opened with Pillow, and decoded on all cores."""

from __future__ import annotations

import collections
import hashlib
import io
import itertools
import os
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from wae_tf.errors import DataError, first_line

CELEBA_SIZE = (178, 218)  # width, height of an aligned CelebA image
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "MPO")
_LARGEST_FILE = 50_000_000  # bytes
_LARGEST_PICTURE = 64_000_000  # pixels
_CELEBA_NAME = re.compile(r"(?:.*/)?(\d{6})\.jpg")
_CHUNK = 64  # pictures a task


class BadPicture(Exception):
    """Why one file cannot be used: the end of a sentence that starts with its name."""


class Files:
    """The files of a folder (and its sub-folders) or of a zip, read one at a time.

    Attributes:
        where: the folder or zip.
        names: their names below it, with "/", sorted. Hidden files are left out.
    """

    def __init__(self, where: Path):
        """Lists the files.

        Raises:
            DataError: the folder cannot be listed, or the zip is damaged.
        """
        self.where = where
        self._zip = None
        self._marks: dict[str, str] = {}  # name -> what changes when the file does
        try:
            if where.is_dir():
                self._list_folder()
            else:
                self._zip = zipfile.ZipFile(where)
                self._lock = threading.Lock()
                for info in self._zip.infolist():
                    self._marks[info.filename] = f"{info.file_size} {info.CRC:08x}"
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            kind = "folder" if where.is_dir() else "zip"
            raise DataError(f"{where} cannot be read as a {kind} ({error}).") from error
        self.names = sorted(
            name
            for name in self._marks
            if not any(p.startswith((".", "__MACOSX")) for p in name.split("/"))
        )

    def _list_folder(self) -> None:
        def stop(error: OSError) -> None:
            raise error

        for folder, folders, files in os.walk(self.where, onerror=stop):
            folders[:] = [f for f in folders if not f.startswith((".", "__MACOSX"))]
            below = Path(folder).relative_to(self.where).as_posix()
            prefix = "" if below == "." else below + "/"
            for name in files:
                if name.startswith("."):
                    continue
                try:
                    info = os.stat(os.path.join(folder, name))
                except OSError:  # a dangling link: reading it will say so
                    self._marks[prefix + name] = "0 0"
                    continue
                if stat.S_ISREG(info.st_mode):
                    self._marks[prefix + name] = f"{info.st_size} {info.st_mtime_ns}"

    def fingerprint(self, names: Iterable[str]) -> str:
        """A hash of these files' names, sizes and times (in a zip: sizes and check sums)."""
        digest = hashlib.sha256(str(self.where.resolve()).encode())
        for name in names:
            digest.update(f"{name}\0{self._marks[name]}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def read(self, name: str) -> bytes:
        """A file's bytes. Safe to call from several threads.

        Raises:
            BadPicture: it is unreadable, encrypted, damaged or above 50 MB.
        """
        if int(self._marks[name].split()[0]) > _LARGEST_FILE:
            raise BadPicture(f"has {self._marks[name].split()[0]} bytes, more than 50 MB")
        try:
            if self._zip is None:
                return (self.where / name).read_bytes()
            with self._lock, self._zip.open(name) as file:
                return file.read()
        except Exception as error:  # zipfile raises seven kinds
            raise BadPicture(f"cannot be read ({error})") from error


def find_celeba(where: Path) -> tuple[Files, dict[int, str]] | None:
    """Aligned CelebA images in a folder or zip, also one level below as CelebA ships them.

    Returns:
        The files and, by image number, their names; or None where there are none.

    Raises:
        DataError: the folder or zip is damaged.
    """
    places = [where] if where.is_file() else [
        where / "img_align_celeba", where / "img_align_celeba.zip",
        where / "Img" / "img_align_celeba.zip", where,
    ]  # fmt: skip
    for place in places:
        if not place.exists():
            continue
        files = Files(place)
        numbered: dict[int, str] = {}
        for name in files.names:
            match = _CELEBA_NAME.fullmatch(name)
            if match and 1 <= int(match[1]) <= 202_599:
                numbered.setdefault(int(match[1]), name)
        if numbered:
            return files, numbered
    return None


def is_picture_name(name: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return name.lower().endswith(_SUFFIXES)


def open_picture(data: bytes, formats: tuple[str, ...] = _FORMATS) -> Image.Image:
    """Opens a picture, not yet decoded.

    Raises:
        BadPicture: it is none of `formats`, or has more than 64 million pixels.
    """
    if not data:
        raise BadPicture("is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise BadPicture("has more than 64 million pixels") from error
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        raise BadPicture(f"is not a {' or '.join(formats)} picture") from error
    if image.width * image.height > _LARGEST_PICTURE:
        raise BadPicture(f"is {image.width}x{image.height} pixels, more than 64 million")
    return image


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # as above
        raise BadPicture(f"is damaged ({first_line(error)})") from error


def decode_celeba(data: bytes, crop: str) -> np.ndarray:
    """An aligned CelebA image as the official code reads it (official datahandler.py:188-208).

    `closecrop` cuts the box (19, 39, 159, 179) and resizes it to 64x64; `resizecrop` resizes all
    to 64x78 and keeps rows 7 to 71. Lanczos in both. `squash` resizes all to 64x64, bilinear, as
    the replication report did (its preprocess.py:19; it wrote a JPEG of the result once more, which
    this does not). The resizing is the official one to the
    byte; the JPEG decoder is Pillow's, whose releases of the time carried another libjpeg.

    Returns:
        uint8 [64, 64, 3].

    Raises:
        BadPicture: it is no whole JPEG of 178x218 in colour.
    """
    image = open_picture(data, ("JPEG",))
    if image.size != CELEBA_SIZE or image.mode != "RGB":
        raise BadPicture(
            f"is {image.width}x{image.height} {image.mode}: aligned CelebA images are 178x218 RGB"
        )
    _load(image)
    if crop == "closecrop":
        image = image.crop((19, 39, 159, 179)).resize((64, 64), Image.Resampling.LANCZOS)
    elif crop == "squash":
        image = image.resize((64, 64), Image.Resampling.BILINEAR)
    else:
        image = image.resize((64, 78), Image.Resampling.LANCZOS).crop((0, 7, 64, 71))
    return np.asarray(image)


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def decode_picture(data: bytes, grey: bool, image_size: int | None = None) -> np.ndarray:
    """Any picture as eight-bit grey or colour.

    The first frame is taken, and turned as its EXIF says. Transparent pixels are laid over white.
    Sixteen-bit grey is divided by 257. Palette, CMYK and other modes go through RGB.

    Args:
        data: the file's bytes.
        grey: one channel instead of three.
        image_size: crops to the centre square, then resizes it (Lanczos) to this side.

    Returns:
        uint8 [H, W, 1 or 3].

    Raises:
        BadPicture: it cannot be decoded, or has no eight-bit meaning (floating point).
    """
    image = open_picture(data)
    _load(image)
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise BadPicture(f"has pixels of mode {image.mode}: 8 or 16 bits a channel are accepted")
    try:
        image = ImageOps.exif_transpose(image)
        image = _eight_bits(image).convert("L" if grey else "RGB")
    except Exception as error:
        raise BadPicture(f"cannot be converted from mode {image.mode} ({error})") from error
    if image_size is not None:
        image = centre_square(image, image_size)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def centre_square(image: Image.Image, side: int) -> Image.Image:
    """The largest square around the centre, resized (Lanczos) to `side`."""
    cut = min(image.size)
    left, top = (image.width - cut) // 2, (image.height - cut) // 2
    image = image.crop((left, top, left + cut, top + cut))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _eight_bits(image: Image.Image) -> Image.Image:
    """In mode L or RGB or one that `convert` maps to them without loss of meaning."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255.
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray(((wide + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode in ("RGBa", "La"):
            image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image


def look(data: bytes) -> tuple[bool, tuple[int, int]]:
    """Whether a picture is grey, and its (width, height) once turned; without decoding it.

    Raises:
        BadPicture: as `open_picture`.
    """
    image = open_picture(data)
    try:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF is no reason to refuse the pixels
        turned = False
    return _is_grey(image), (image.size[::-1] if turned else image.size)


def map_in_order(
    items: Iterable[tuple[str, Callable[[], bytes]]],
    function: Callable[[bytes], Any],
    *,
    skip_bad: bool,
    where: object,
) -> Iterator[tuple[list[str], list[Any], list[str]]]:
    """Applies a function to many pictures on all cores; holds a few hundred of them at a time.

    Pillow lets go of Python's lock while it decodes and resizes, so threads suffice.

    Args:
        items: name and reader of each picture.
        function: what to do with the bytes; raises BadPicture.
        skip_bad: leave bad pictures out instead of stopping.
        where: folder or zip, for messages.

    Yields:
        For a stretch of pictures, in order: the good names, their results, the bad names.

    Raises:
        DataError: a picture is bad and `skip_bad` is off.
    """

    def task(chunk: list[tuple[str, Callable[[], bytes]]]):
        good, results, bad = [], [], []
        for name, read in chunk:
            try:
                results.append(function(read()))
                good.append(name)
            except BadPicture as error:
                if not skip_bad:
                    raise DataError(
                        f"{Path(str(where)) / name} {error}; --skip_bad_images leaves such files "
                        "out."
                    ) from error
                bad.append(name)
        return good, results, bad

    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    workers = len(affinity(0)) if affinity else os.cpu_count() or 1
    items = iter(items)
    waiting: collections.deque = collections.deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        while True:
            while len(waiting) < 2 * workers and (chunk := list(itertools.islice(items, _CHUNK))):
                waiting.append(pool.submit(task, chunk))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
