"""Readers of the files in which data sets are packed: idx, CIFAR-10 batches, .npz and .npy."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.errors import DataError, first_line

_LARGEST = 1 << 30  # bytes of one packed file in memory: far above any of these data sets


def read_idx(path: Path) -> np.ndarray:
    """An idx file of bytes, gzipped or not.

    Returns:
        uint8 [N, H, W] (magic number 0x803) or uint8 [N] (0x801).

    Raises:
        DataError: the file is not idx, or shorter or longer than its header says.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            head = file.read(4)
            dims = {b"\0\0\x08\x01": 1, b"\0\0\x08\x03": 3}.get(head)
            if dims is None:
                raise DataError(
                    f"{path} starts with {head.hex() or 'nothing'}: an idx file of images starts "
                    "with 00000803, one of labels with 00000801."
                )
            sizes = file.read(4 * dims)
            if len(sizes) < 4 * dims:
                raise DataError(f"{path} ends within its header of {4 + 4 * dims} bytes.")
            shape = struct.unpack(f">{dims}I", sizes)
            expected = 1
            for size in shape:
                expected *= size
            if expected > _LARGEST:
                raise DataError(f"{path} announces {expected:,} bytes: more than any idx data set.")
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({first_line(error)}).") from error
    if len(data) != expected:
        found = f"{len(data):,}" if len(data) < expected else "more"
        raise DataError(
            f"{path} has {found} bytes after its header where {expected:,} are announced."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_cifar_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One CIFAR-10 batch: the pickle of the Python version, or the `.bin` of the binary version.

    Returns:
        uint8 [N, 32, 32, 3] images and int64 [N] labels.

    Raises:
        DataError: the file is no CIFAR-10 batch. A pickle is read without running any code of it:
            one that names anything but arrays and plain values is refused.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} has {path.stat().st_size:,} bytes: no CIFAR-10 batch.")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({first_line(error)}).") from error
    if path.suffix == ".bin":
        if not raw or len(raw) % 3073:
            raise DataError(
                f"{path} has {len(raw):,} bytes: a CIFAR-10 batch has 3,073 for each image."
            )
        records = np.frombuffer(raw, np.uint8).reshape(-1, 3073)
        pixels, labels = records[:, 1:], records[:, 0].astype(np.int64)
    else:
        pixels, labels = _unpickle_batch(path, raw)
    if labels.size and not (labels.min() >= 0 and labels.max() <= 9):
        raise DataError(f"{path} has labels outside of 0 to 9.")
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _unpickle_batch(path: Path, raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(raw).load()
        batch = {_text(k): v for k, v in batch.items()}
        pixels, labels = batch["data"].array(), np.array(batch["labels"], np.int64)
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072):
            raise ValueError(f"data is {pixels.dtype} {list(pixels.shape)}")
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{path} is not a CIFAR-10 batch ({first_line(error)}): a pickled dict with `data`, uint8 "
            "[N, 3072], and `labels` is expected."
        ) from error
    return pixels, labels


class _ArraysOnly(pickle.Unpickler):
    """Unpickles plain values and NumPy arrays, and these as inert records: no code is run."""

    def __init__(self, raw: bytes):
        super().__init__(io.BytesIO(raw), encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return lambda *_: _PickledArray()
        if (module, name) == ("numpy", "ndarray"):
            return _PickledArray
        if (module, name) == ("numpy", "dtype"):
            return _PickledType
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocol 2
            return lambda text, _: text.encode("latin1")
        raise DataError(
            f"holds a pickle that asks for {module}.{name}: only NumPy arrays and plain values "
            "are accepted."
        )


class _PickledType:
    def __init__(self, code: Any, *_: Any):
        self.code = _text(code)

    def __setstate__(self, _: Any) -> None:
        pass


class _PickledArray:
    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.type, self.fortran, self.raw = state

    def array(self) -> np.ndarray:
        if self.type.code not in ("u1", "|u1") or self.fortran or not isinstance(self.raw, bytes):
            raise ValueError("data is not a uint8 array in C order")
        return np.frombuffer(self.raw, np.uint8).reshape(self.shape)


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


class NpzMember:
    """One array of an .npz file, read in order by the piece, so that it never stands in memory.

    Attributes:
        shape: the array's shape.
        dtype: its type.

    Raises:
        DataError: no such file or array, a pickled one, or one in Fortran order.
    """

    def __init__(self, path: Path, name: str):
        self._path, self._name = path, f"{name}.npy"
        try:
            with zipfile.ZipFile(path) as archive:
                if self._name not in archive.namelist():
                    found = ", ".join(n.removesuffix(".npy") for n in archive.namelist()[:8])
                    raise DataError(f"{path} has no array `{name}`; it has {found or 'none'}.")
                with archive.open(self._name) as file:
                    self.shape, fortran, self.dtype = _npy_header(file)
        except DataError:
            raise
        except Exception as error:  # damaged headers make NumPy's parser raise nearly anything
            raise DataError(f"{path} is not an .npz file ({first_line(error)}).") from error
        if fortran or self.dtype.hasobject:
            raise DataError(f"{path}: array `{name}` must be plain numbers in C order.")

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """The array's rows in order, `rows` at a time."""
        count, row_shape = self.shape[0], self.shape[1:]
        row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize
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
        except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise DataError(f"{self._path} cannot be read ({first_line(error)}).") from error


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"npy version {version} is not known")


def open_npy(path: Path) -> np.ndarray:
    """A memory map of images in an .npy file: [N, H, W] or [N, H, W, 1 or 3], real numbers.

    Raises:
        DataError: the file is no .npy, is truncated, pickled, or of another shape or type.
    """
    try:
        with np.errstate(over="ignore"):  # of sizes announced, which NumPy then refuses
            images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # as above
        raise DataError(f"{path} is not a whole .npy file ({first_line(error)}).") from error
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path} is an .npz file: an .npy file is expected.")
    right_shape = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if not right_shape or images.dtype.kind not in "uif" or 0 in images.shape:
        raise DataError(
            f"{path} holds {images.dtype} {list(images.shape)}: images are numbers of shape "
            "[N, H, W] or [N, H, W, C] with C 1 or 3."
        )
    return images
