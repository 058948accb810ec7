"""Readers of the files in which data sets are packed: idx and CIFAR-10 batches."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import headers
from wae_tf.errors import DataError, first_line

_LARGEST = 1 << 30  # bytes of one packed file in memory: far above any of these data sets


def read_idx(path: Path) -> np.ndarray:
    """An idx file of bytes, gzipped or not, whatever its name says.

    Returns:
        uint8 [N, H, W] (magic number 0x803) or uint8 [N] (0x801).

    Raises:
        DataError: the file is not idx, or shorter or longer than its header says.
    """
    with _unpacked(path) as file:
        shape = _idx_header(path, file)
        expected = math.prod(shape)
        if expected > _LARGEST:
            raise DataError(f"{path} announces {expected:,} bytes: more than any idx data set.")
        data = file.read(expected + 1)
    if len(data) != expected:
        found = f"{len(data):,}" if len(data) < expected else "more"
        raise DataError(
            f"{path} has {found} bytes after its header where {expected:,} are announced."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def idx_shape(path: Path) -> tuple[int, ...]:
    """The shape that an idx file's header announces; DataError as `read_idx`."""
    with _unpacked(path) as file:
        return _idx_header(path, file)


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    """A file open for reading, unpacked on the way; what goes wrong within is a DataError."""
    try:
        with headers.open_unpacked(path) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({first_line(error)}).") from error


def _idx_header(path: Path, file: Any) -> tuple[int, ...]:
    head = file.read(4)
    dims = {b"\0\0\x08\x01": 1, b"\0\0\x08\x03": 3}.get(head)
    if dims is None:
        known = "an idx file of images starts with 00000803, one of labels with 00000801"
        name, advice = headers.kind(head + file.read(4096)) if head else ("", "")
        if name:
            raise DataError(f"{path} is {name}: {known}{advice and '; ' + advice}.")
        raise DataError(f"{path} starts with {head.hex() or 'nothing'}: {known}.")
    sizes = file.read(4 * dims)
    if len(sizes) < 4 * dims:
        raise DataError(f"{path} ends within its header of {4 + 4 * dims} bytes.")
    return struct.unpack(f">{dims}I", sizes)


def read_cifar_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One CIFAR-10 batch: the pickle of the Python version, or the `.bin` of the binary version.

    Returns:
        uint8 [N, 32, 32, 3] images and int64 [N] labels.

    Raises:
        DataError: the file is no CIFAR-10 batch. A pickle is read without running any code of it:
            one that names anything but arrays and plain values is refused.
    """
    with _unpacked(path) as file:
        if (size := path.stat().st_size) > _LARGEST:
            raise DataError(f"{path} has {size:,} bytes: no CIFAR-10 batch.")
        raw = file.read(_LARGEST)
    _check_cifar_head(path, raw[:4096])
    if ".bin" in path.suffixes:
        if not raw or len(raw) % 3073:
            raise DataError(
                f"{path} has {len(raw):,} bytes: a CIFAR-10 batch has 3,073 for each image."
            )
        records = np.frombuffer(raw, np.uint8).reshape(-1, 3073)
        pixels, labels = records[:, 1:], records[:, 0].astype(np.int64)
    else:
        pixels, labels = _unpickle_batch(path, raw)
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), of_ten_classes(path, labels)


def of_ten_classes(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels of a data set of ten classes, int64 [N].

    Raises:
        DataError: others than the whole numbers from 0 to 9.
    """
    if labels.dtype.kind not in "buif":
        raise DataError(f"{path} has labels of type {labels.dtype}: whole numbers are expected.")
    # NaN fails too.
    if not ((labels >= 0) & (labels <= 9) & (labels == np.rint(labels))).all():
        raise DataError(f"{path} has labels other than the whole numbers from 0 to 9.")
    return labels.astype(np.int64)


def check_cifar_batch(path: Path) -> None:
    """Refuses a file that is something else by its first bytes."""
    with _unpacked(path) as file:
        head = file.read(4096)
    _check_cifar_head(path, head)


def _check_cifar_head(path: Path, head: bytes) -> None:
    name, advice = headers.kind(head)
    if head and name not in ("", "a pickle", "a text file"):
        raise DataError(
            f"{path} is {name}: a CIFAR-10 batch is expected{advice and '; ' + advice}."
        )


def _unpickle_batch(path: Path, raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(raw).load()
        batch = {_text(k): v for k, v in batch.items()}
        if "labels" not in batch and "fine_labels" in batch:
            raise DataError("is a batch of CIFAR-100: CIFAR-10 is expected.")
        if not isinstance(batch["data"], _PickledArray):
            raise ValueError(f"data is {type(batch['data']).__name__}, no array")
        pixels, labels = batch["data"].array(), _whole_numbers(batch["labels"])
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072):
            raise ValueError(
                f"data is {pixels.dtype} {list(pixels.shape)} for {len(labels):,} labels"
            )
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{path} is not a CIFAR-10 batch ({first_line(error)}): a pickled dict with `data`, uint8 "
            "[N, 3072], and `labels` is expected."
        ) from error
    return pixels, labels


def _whole_numbers(labels: Any) -> np.ndarray:
    """int64 [N] of a list of numbers, Python's or NumPy's, or of an array."""
    if isinstance(labels, _PickledArray):
        labels = labels.array()
    else:
        labels = np.array([x.array().item() if isinstance(x, _PickledArray) else x for x in labels])
    if labels.size and (labels.dtype.kind not in "iuf" or (labels != np.rint(labels)).any()):
        raise ValueError(f"labels are {labels.dtype} {list(labels.shape)}")
    return labels.reshape(-1).astype(np.int64)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles plain values and NumPy arrays, and these as inert records: no code is run."""

    def __init__(self, raw: bytes):
        super().__init__(io.BytesIO(raw), encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        numpy_core = module.removeprefix("numpy.core.").removeprefix("numpy._core.")
        if (numpy_core, name) == ("multiarray", "_reconstruct"):
            return lambda *_: _PickledArray()
        if (numpy_core, name) == ("multiarray", "scalar"):
            return lambda kind, raw: _PickledArray((None, (), kind, False, raw))
        if (numpy_core, name) == ("numeric", "_frombuffer"):  # protocol 5
            return lambda raw, kind, shape, order: _PickledArray(
                (None, shape, kind, order == "F", bytes(raw))
            )
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
        self.code, self.big = _text(code), False

    def __setstate__(self, state: Any) -> None:
        self.big = _text(state[1]) == ">"

    def dtype(self) -> np.dtype:
        if not re.fullmatch(r"[<>|=]?[buif][1248]", self.code):
            raise ValueError(f"it holds an array of {self.code}, no numbers")
        return np.dtype(self.code).newbyteorder(">" if self.big else "<")


class _PickledArray:
    def __init__(self, state: tuple | None = None):
        if state is not None:
            self.__setstate__(state)

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.type, self.fortran, self.raw = state

    def array(self) -> np.ndarray:
        if not isinstance(self.raw, bytes):
            raise ValueError("it holds an array of objects, no numbers")
        order: Any = "F" if self.fortran else "C"
        return np.frombuffer(self.raw, self.type.dtype()).reshape(self.shape, order=order)


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
