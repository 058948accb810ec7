"""What a file is by its first bytes, whatever its name says; compression told by content."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

from wae_tf.errors import DataError

_HEAD = 600  # bytes; a tar archive names itself at 257

_UNPACK = "unpack it and give its folder"
_AGAIN = "download the file again"

#: First bytes, what such a file is, and what to do with it.
_KINDS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "save its images as .npy"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"\x1f\x8b", "a gzip file", _UNPACK),
    (b"PK\x03\x04", "a zip", _UNPACK),
    (b"PK\x05\x06", "an empty zip", _AGAIN),
    (b"PAR1", "a Parquet file", "save its images as files"),
    (b"MATLAB ", "a MATLAB file", "save its images as .npy"),
    (b"\x93NUMPY", "an .npy file", ""),
    (b"SQLite format 3", "an SQLite database", ""),
    (b"%PDF", "a PDF", ""),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"GIF8", "a GIF picture", ""),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "fetch it with git lfs pull"),
    (b"\x80\x02", "a pickle", ""),
    (b"\x80\x03", "a pickle", ""),
    (b"\x80\x04", "a pickle", ""),
    (b"\x80\x05", "a pickle", ""),
)


def kind(head: bytes) -> tuple[str, str]:
    """What a file with these first bytes is, and what to do with it; empty where it is not known."""
    if not head:
        return "an empty file", _AGAIN
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML), as servers send in a file's place", _AGAIN
    if head.startswith(b"\x1f\x8b"):
        inside = _unzipped(head)
        if inside[257:262] == b"ustar":
            return "a tar.gz archive", _UNPACK
    for start, name, advice in _KINDS:
        if head.startswith(start):
            return name, advice
    if _is_tfrecord(head):
        return "a TFRecord file", "let --data_dir be a folder where TFDS has prepared the data set"
    if _is_text(head):
        return "a text file", ""
    return "", ""


def kind_of(path: Path) -> tuple[str, str]:
    """As `kind`, of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    return kind(head)


def not_that(path: Path, expected: str) -> DataError:
    """The sentence on a file that is not what was expected: what it is instead.

    Args:
        path: the file.
        expected: what was expected, with what for: "celeba expects ...".
    """
    try:
        name, advice = kind_of(path)
    except OSError as error:
        return DataError(f"{path} cannot be read ({error.strerror or error}).")
    advice = f"; {advice}" if advice else ""
    return DataError(f"{path} is {name or 'a file of another kind'}: {expected}{advice}.")


def open_unpacked(path: Path) -> Any:
    """A file opened for reading, unpacked on the way if its first bytes are gzip's.

    A server may have unpacked a .gz and kept its name.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _is_text(head: bytes) -> bool:
    try:
        text = head[:-4].decode() if len(head) > 4 else head.decode()
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n" for c in text)


def _is_tfrecord(head: bytes) -> bool:
    """Whether the first record's length has its check sum, a masked CRC-32C, behind it."""
    if len(head) < 12:
        return False
    crc = 0xFFFFFFFF
    for byte in head[:8]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.unpack("<I", head[8:12])[0] == masked
