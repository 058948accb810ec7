"""Picture files: opened with Pillow, whatever it reads, and decoded on all cores."""

from __future__ import annotations

import collections
import functools
import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from wae_tf.data import headers
from wae_tf.data.archives import BadPicture
from wae_tf.errors import DataError, first_line

CELEBA_SIZE = (178, 218)  # width, height of an aligned CelebA image
_LARGEST_PICTURE = 64_000_000  # pixels
LEAVE_OUT = "--skip_bad_images leaves such files out"
_CHUNK = 64  # pictures a task

#: Of what Pillow opens, what is no picture or is drawn by other programs: EPS runs Ghostscript, WMF needs
#: Windows, the others are containers that Pillow knows by name only.
_NOT_READ = ("EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "IPTC")
_TGA_END = b"TRUEVISION-XFILE.\0"  # how a TGA is known, its last bytes
#: Where a PNG may say how it is to be turned.
_TAGS_OF_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
#: What EXIF's orientation asks for; from 5 on width and height change places.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


@functools.cache
def formats() -> tuple[str, ...]:
    """What the installed Pillow reads and knows by its first bytes."""
    Image.init()
    return tuple(
        name for name, (_, accept) in Image.OPEN.items() if accept and name not in _NOT_READ
    )


@functools.cache
def _suffixes() -> tuple[str, ...]:
    known = {*formats(), "TGA"}
    return tuple(suffix for suffix, name in Image.registered_extensions().items() if name in known)


def is_picture_name(name: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return name.lower().endswith(_suffixes())


def open_picture(data: bytes, only: tuple[str, ...] = ()) -> Image.Image:
    """Opens a picture, not yet decoded.

    Args:
        data: the file's bytes.
        only: formats to accept, as Pillow calls them; without: all that it reads.

    Raises:
        BadPicture: it is none of them, or has more than 64 million pixels.
    """
    if not data:
        raise BadPicture("is empty")
    try:
        accepted = only or (("TGA",) if data.endswith(_TGA_END) else formats())
        image = Image.open(io.BytesIO(data), formats=accepted)
    except Image.DecompressionBombError as error:
        raise BadPicture("has more than 64 million pixels") from error
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        name = headers.kind(data[:4096])[0]
        name = f"{name}, " if name and "picture" not in name else ""
        wanted = f"a {' or '.join(only)} picture" if only else "a picture that Pillow reads"
        raise BadPicture(f"is {name}not {wanted}") from error
    if image.width * image.height > _LARGEST_PICTURE:
        raise BadPicture(f"is {image.width}x{image.height} pixels, more than 64 million")
    return image


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # as above
        raise BadPicture(f"is damaged ({first_line(error)})") from error


def open_celeba(data: bytes) -> Image.Image:
    """An aligned CelebA image, not yet decoded: a JPEG, or a PNG as CelebA also ships them.

    Raises:
        BadPicture: it is neither of 178x218 in colour.
    """
    image = open_picture(data, ("JPEG", "PNG"))
    if image.size != CELEBA_SIZE or image.mode != "RGB":
        raise BadPicture(
            f"is {image.width}x{image.height} {image.mode}: aligned CelebA images are 178x218 RGB "
            "(--dataset=folder --image_size=64 takes the centre square of pictures of any size, "
            "which is not the official crop)"
        )
    return image


def decode_celeba(data: bytes, crop: str, side: int = 64) -> np.ndarray:
    """An aligned CelebA image as the official code reads it (official datahandler.py:188-208).

    `closecrop` cuts the box (19, 39, 159, 179) and resizes it to 64x64; `resizecrop` resizes all
    to 64x78 and keeps rows 7 to 71. Lanczos in both. `squash` resizes all to 64x64, bilinear, as
    the replication report did (its preprocess.py:20; it wrote a JPEG of the result once more, which
    this does not). The resizing is the official one to the byte; the JPEG decoder is Pillow's, whose
    releases of the time carried another libjpeg. For another `side` the same lines are followed with
    it in place of 64.

    Returns:
        uint8 [side, side, 3].

    Raises:
        BadPicture: it is no whole JPEG or PNG of 178x218 in colour.
    """
    image = open_celeba(data)
    _load(image)
    if crop == "closecrop":
        image = image.crop((19, 39, 159, 179)).resize((side, side), Image.Resampling.LANCZOS)
    elif crop == "squash":
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    else:
        height, top = celeba_rows(side)
        image = image.resize((side, height), Image.Resampling.LANCZOS)
        image = image.crop((0, top, side, top + side))
    return np.asarray(image)


def celeba_rows(side: int) -> tuple[int, int]:
    """`resizecrop`: the height to resize to and the first row to keep, 78 and 7 for 64."""
    height = side * CELEBA_SIZE[1] // CELEBA_SIZE[0]
    return height, (height - side) // 2


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def decode_picture(
    data: bytes, grey: bool, image_size: int | None = None, stretch: bool = False
) -> np.ndarray:
    """Any picture as eight-bit grey or colour.

    The first frame is taken, and turned as its EXIF says. Transparent pixels are laid over white.
    Sixteen-bit grey is divided by 257. Palette, CMYK and other modes go through RGB.

    Args:
        data: the file's bytes.
        grey: one channel instead of three.
        image_size: crops to the centre square, then resizes it (Lanczos) to this side.
        stretch: its pixels are 0 and 1, to be read as 0 and 255.

    Returns:
        uint8 [H, W, 1 or 3].

    Raises:
        BadPicture: it cannot be decoded, or has no eight-bit meaning (floating point).
    """
    image = open_picture(data)
    _load(image)
    if image.format == "PNG":
        _as_decoded(image, bits=data[24])
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise BadPicture(f"has pixels of mode {image.mode}: 8 or 16 bits a channel are accepted")
    try:
        # Not by ImageOps, which writes all of EXIF anew and so refuses pictures whose other tags are damaged.
        if (turn := _TURNS.get(_orientation(image))) is not None:
            image = image.transpose(turn)
        if stretch:
            image = _stretched(image)
        image = _eight_bits(image).convert("L" if grey else "RGB")
    except BadPicture:
        raise
    except Exception as error:
        raise BadPicture(f"cannot be converted from mode {image.mode} ({error})") from error
    if image_size is not None:
        image = centre_square(image, image_size)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _as_decoded(image: Image.Image, bits: int) -> None:
    """Brings a PNG's transparent level to its pixels' 8 bits, which Pillow leaves as it is in the file."""
    clear = image.info.get("transparency")
    if isinstance(clear, int) and image.mode == "L" and bits < 8:
        image.info["transparency"] = clear * 255 // (2**bits - 1)
    elif isinstance(clear, tuple) and bits == 16:
        image.info["transparency"] = tuple(level >> 8 for level in clear)


def _orientation(image: Image.Image) -> Any:
    """How EXIF says that the picture is to be turned, a key of _TURNS; 1, as it is, where it does not."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF is no reason to refuse the pixels
        return 1


def centre_square(image: Image.Image, side: int) -> Image.Image:
    """The largest square around the centre, resized (Lanczos) to `side`."""
    cut = min(image.size)
    left, top = (image.width - cut) // 2, (image.height - cut) // 2
    image = image.crop((left, top, left + cut, top + cut))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def largest(data: bytes) -> int:
    """The largest pixel of a picture.

    Raises:
        BadPicture: it cannot be decoded.
    """
    image = open_picture(data)
    _load(image)
    pixels = np.asarray(image if image.mode.startswith("I") else image.convert("RGB"))
    return int(pixels.max(initial=0))


def _stretched(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image if image.mode.startswith("I") else image.convert("RGB"))
    if pixels.max(initial=0) > 1:
        raise BadPicture(
            "has pixels above 1, where those looked at first have 0 and 1 only: pictures of one "
            "kind are expected"
        )
    grey = pixels if pixels.ndim == 2 else pixels[..., 0] if _is_grey(image) else pixels
    return Image.fromarray((grey != 0).astype(np.uint8) * np.uint8(255))


def _eight_bits(image: Image.Image) -> Image.Image:
    """In mode L or RGB or one that `convert` maps to them without loss of meaning."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255.
        wide = np.asarray(image).astype(np.int64)
        if isinstance(clear := image.info.get("transparency"), int):  # over white, as below
            wide = np.where(wide == clear, 65535, wide)
        return Image.fromarray(((wide + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode in ("RGBa", "La"):
            image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB") if image.mode == "LAB" else image  # which Pillow makes no grey of


class Look(NamedTuple):
    """What the head of a picture says."""

    grey: bool
    size: tuple[int, int]  # width and height, once turned
    several: bool  # frames or pages, of which the first is taken


def look(data: bytes) -> Look:
    """What the head of a picture says, without decoding it.

    Raises:
        BadPicture: as `open_picture`.
    """
    image = open_picture(data)
    size = image.size
    if image.format == "TIFF":  # Pillow may have turned this size already, as it does the pixels
        tags = getattr(image, "tag_v2", {})
        size = (tags.get(256, size[0]), tags.get(257, size[1]))
    # Of a PNG Pillow looks for them behind the pixels too, and so decodes it.
    tagged = image.format != "PNG" or any(word in data for word in _TAGS_OF_PNG)
    lies = tagged and _orientation(image) in (5, 6, 7, 8)
    grey, size = _is_grey(image), (size[::-1] if lies else size)
    try:
        several = bool(getattr(image, "is_animated", False))
    except Exception:  # as above: of the frames behind the first
        several = False
    return Look(grey, size, several)


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
                    raise DataError(f"{Path(str(where)) / name} {error}; {LEAVE_OUT}.") from error
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
