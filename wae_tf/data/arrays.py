"""Images in .npy files and in arrays of .npz files, read in order by the piece."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import headers
from wae_tf.errors import DataError, first_line
from wae_tf.settings import memory

_OBJECTS = (
    "holds an array of objects (lists, or pictures of several sizes), which only running its pickle "
    "would open: save one array of numbers, as of np.stack, or the pictures as files"
)


def in_order(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """rows[order], in memory that begins where TensorFlow can take it as it is (64 bytes)."""
    size = rows.dtype.itemsize * len(order) * math.prod(rows.shape[1:])
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    found = memory[start : start + size].view(rows.dtype).reshape(len(order), *rows.shape[1:])
    return np.take(rows, order, axis=0, out=found, mode="clip")  # "raise" would make a copy


class NpzMember:
    """One array of an .npz file, read in order by the piece, so that it never stands in memory.

    But for one in Fortran order, whose rows are spread over all of it.

    Attributes:
        shape: the array's shape.
        dtype: its type.

    Raises:
        DataError: no such file or array, or a pickled one.
    """

    def __init__(self, path: Path, name: str):
        self._path, self._name = path, f"{name}.npy"
        arrays = npz_arrays(path)
        if name not in arrays:
            found = ", ".join(list(arrays)[:8])
            raise DataError(f"{path} has no array `{name}`; it has {found or 'none'}.")
        self.shape, self._fortran, self.dtype = arrays[name]
        if self.dtype.hasobject:
            raise DataError(f"{path}: array `{name}` {_OBJECTS}.")

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """The array's rows in order, `rows` at a time.

        Raises:
            DataError: the file is damaged or ends before them.
            FlagError: an array in Fortran order that does not fit into memory.
        """
        if self._fortran and len(self.shape) > 1:
            size = math.prod(self.shape) * self.dtype.itemsize
            memory.require(
                size,
                f"{self._path}, an array in Fortran order,",
                "data, or np.ascontiguousarray of it",
            )
            # With its axes turned around it is in C order.
            for turned in self._pieces(self.shape[::-1], max(1, self.shape[-1])):
                for start in range(0, self.shape[0], rows):
                    yield np.ascontiguousarray(turned.T[start : start + rows])
            return
        yield from self._pieces(self.shape, rows)

    def _pieces(self, shape: tuple[int, ...], rows: int) -> Iterator[np.ndarray]:
        """The numbers as the file has them, as `rows` at a time of an array of this shape."""
        count, row_shape = shape[0], shape[1:]
        row_bytes = math.prod(row_shape) * self.dtype.itemsize
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._name) as file:
                _npy_header(file)
                for start in range(0, count, rows):
                    piece = min(rows, count - start)
                    raw = file.read(piece * row_bytes)
                    if len(raw) != piece * row_bytes:
                        raise DataError(
                            f"{self._path} ends after {start:,} of the {count:,} images announced."
                        )
                    yield np.frombuffer(raw, self.dtype).reshape(piece, *row_shape)
        except (OSError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
            raise DataError(f"{self._path} cannot be read ({first_line(error)}).") from error

    def whole(self) -> np.ndarray:
        """All rows at once."""
        return next(self.pieces(max(1, self.shape[0])), np.empty(self.shape, self.dtype))


class Npy:
    """Images in an .npy file, a memory map.

    Attributes:
        shape: [N, H, W] or [N, H, W, C].
        dtype: its type.
    """

    def __init__(self, path: Path):
        self._images = open_npy(path)
        self.shape, self.dtype = self._images.shape, self._images.dtype

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """The array's rows in order, `rows` at a time."""
        for start in range(0, self.shape[0], rows):
            yield np.asarray(self._images[start : start + rows])


def npz_arrays(path: Path) -> dict[str, tuple[tuple[int, ...], bool, np.dtype]]:
    """Shape, whether in Fortran order, and type of each array of an .npz file.

    Raises:
        DataError: it is none; the sentence says what it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {}
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        found[name.removesuffix(".npy")] = _npy_header(file)
            return found
    except zipfile.BadZipFile as error:
        kind, _ = headers.kind_of(path)
        hurt = "damaged" if zipfile.is_zipfile(path) else "whose end is missing or damaged"
        why = f"a zip {hurt}: {first_line(error)}" if kind == "a zip" else (
            kind or first_line(error)
        )  # fmt: skip
        raise DataError(f"{path} is not an .npz file ({why}).") from error
    except Exception as error:  # damaged headers make NumPy's parser raise nearly anything
        raise DataError(f"{path} is not an .npz file ({first_line(error)}).") from error


def is_npz(path: Path) -> bool:
    """Whether a file is a zip that has arrays of NumPy's, and nothing else, in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def image_array(path: Path) -> NpzMember:
    """The one array of images in an .npz file.

    Raises:
        DataError: none, or several.
    """
    arrays = npz_arrays(path)
    names = [n for n, (shape, _, kind) in arrays.items() if are_images(shape, kind)]
    if len(names) != 1:
        told = ", ".join(f"`{n}` {k} {list(s)}" for n, (s, _, k) in list(arrays.items())[:6])
        several = f"{len(names)} arrays of images" if names else "no array of images"
        raise DataError(
            f"{path} has {several} ({told or 'it is empty'}): one of shape [N, H, W] or [N, H, W, C] "
            "with C 1 or 3 is expected, so save that one as an .npy file."
        )
    return NpzMember(path, names[0])


def left_out(path: Path, taken: Callable[[tuple[int, ...], np.dtype], bool]) -> str:
    """The arrays of an .npz file that are not taken, labels perhaps, in words; empty where there are none.

    Args:
        path: of it, or of a file of another kind, which has none.
        taken: whether an array of this shape and type is.
    """
    if headers.kind_of(path)[0] != "a zip":
        return ""
    others = [
        f"`{name}` {kind} {list(shape)}"
        for name, (shape, _, kind) in npz_arrays(path).items()
        if not taken(shape, kind)
    ]
    more = f" and {len(others) - 6} more" if len(others) > 6 else ""
    return f"the other arrays of {path.name}: {', '.join(others[:6])}{more}" if others else ""


def are_images(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array of this shape and type may be images; floats of three axes are series."""
    # [H, W, 3] is one picture, not pictures three pixels wide.
    grey = len(shape) == 3 and not shape[2] <= 4 < shape[1] and dtype.kind != "f"
    right_shape = grey or (len(shape) == 4 and shape[3] in (1, 3))
    return right_shape and dtype.kind in "buif" and 0 not in shape


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(file)
    elif version in ((2, 0), (3, 0)):  # 3.0: fields of a table beside have names beyond Latin
        header = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy version {version} is not known")
    if min(header[0], default=0) < 0:
        raise ValueError(f"an array of shape {header[0]} cannot be")
    return header


def open_npy(path: Path) -> np.ndarray:
    """A memory map of images in an .npy file: [N, H, W] or [N, H, W, 1 or 3], real numbers.

    Raises:
        DataError: the file is no .npy, is truncated, pickled, or of another shape or type.
    """
    kind, _ = headers.kind_of(path)
    if kind != "an .npy file":  # of one without its head NumPy would say that it is a pickle
        raise DataError(f"{path} is {kind or 'a file of another kind'}: an .npy file is expected.")
    try:
        with np.errstate(over="ignore"):  # of sizes announced, which NumPy then refuses
            images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # as above
        if "Object arrays" in str(error) or "Array can't be memory-mapped" in str(error):
            raise DataError(f"{path} {_OBJECTS}.") from error
        raise DataError(f"{path} is not a whole .npy file ({first_line(error)}).") from error
    if not are_images(images.shape, images.dtype):
        advice = ""
        if images.dtype.kind not in "buif" or 0 in images.shape:
            pass  # no other shape of them would do
        elif images.ndim == 4 and images.shape[1] in (1, 3):
            advice = "; np.moveaxis(images, 1, 3) puts the channels last"
        elif images.ndim == 3:
            advice = "; this looks like one picture"
        elif images.ndim == 5:
            advice = "; as floats of about unit variance it is volumes [N, D, H, W, C]"
        elif images.ndim == 4 and images.shape[3] == 4:
            advice = "; images[..., :3] leaves the fourth channel out"
        elif images.ndim == 4:
            advice = "; images[..., None] makes volumes [N, D, H, W, 1] of floats [N, D, H, W]"
        raise DataError(
            f"{path} holds {images.dtype} {list(images.shape)}: images are numbers of shape "
            f"[N, H, W] or [N, H, W, C] with C 1 or 3{advice}."
        )
    return images
