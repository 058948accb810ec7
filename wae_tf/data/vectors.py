"""Vectors of a user's own, a row each: an .npy file of shape [N, d], or a .csv table of numbers."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wae_tf.data import headers, splits
from wae_tf.errors import DataError, first_line

_TABLES = (".csv", ".tsv")


def file_in(place: Path) -> Path | None:
    """The file of vectors at a path, itself or the only one of arrays or tables in a folder; or None.

    Only names and first bytes are looked at; a path that cannot be read is none.
    """
    try:
        found = [place]
        if place.is_dir():
            # Names alone: a folder of pictures has many, and is looked into at every start.
            found = [
                place / name for name in os.listdir(place) if _suffix(name) in (".npy", *_TABLES)
            ]
        if len(found) != 1 or not found[0].is_file():
            return None
        path = found[0]
        if path.suffix in _TABLES:
            return path
        return path if _is_matrix(path) else None
    except OSError:
        return None


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1]


def _is_matrix(path: Path) -> bool:
    if headers.kind_of(path)[0] != "an .npy file":
        return False
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).ndim == 2
    except Exception:  # damaged: whoever reads it says so
        return False


def read(path: Path) -> np.ndarray:
    """The vectors, float32 [N, d], shuffled as the official code shuffles images.

    Raises:
        DataError: no table of finite numbers.
    """
    table = _of_csv(path) if path.suffix in _TABLES else _of_npy(path)
    if 0 in table.shape:
        raise DataError(f"{path} holds no numbers: of shape {list(table.shape)}.")
    whole = table.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(whole).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path} holds what is no finite float32 in {len(bad):,} of {len(whole):,} rows, first in row "
            f"{bad[0] + 1:,}: fill it in, or leave these rows out."
        )
    return whole[splits.numpy_order(len(whole))]


def _of_npy(path: Path) -> np.ndarray:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of NumPy: any kind, by what the header announces
        raise DataError(f"{path} is not a whole .npy file ({first_line(error)}).") from error
    if table.dtype.kind not in "buif":
        raise DataError(f"{path} holds {table.dtype}: vectors are real numbers.")
    return table


def _of_csv(path: Path) -> np.ndarray:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            sample = file.read(1 << 16)
            if not sample.strip():
                raise DataError(f"{path} is empty: a table of numbers is expected.")
            mark = max(",;\t", key=sample.splitlines()[0].count)
            file.seek(0)
            rows = csv.reader(file, delimiter=mark)
            first = next(rows)
            named = not all(map(_is_number, first))
            start, lines = (2, rows) if named else (1, itertools.chain([first], rows))
            return _numbers(path, lines, start, len(first))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of text ({first_line(error)}).") from error


def _numbers(path: Path, lines: Iterable[list[str]], start: int, width: int) -> np.ndarray:
    found = []
    for number, row in enumerate(lines, start):
        if not row:
            continue  # an empty line
        try:
            found.append(np.array(row, np.float64))
        except ValueError as error:
            cell = next(i for i, text in enumerate(row) if not _is_number(text))
            raise DataError(
                f"{path}, line {number:,}, column {cell + 1}: {row[cell][:40]!r} is no number; accepted: "
                "rows of numbers, below names of the columns or not."
            ) from error
        if len(row) != width:
            raise DataError(
                f"{path}, line {number:,} has {len(row)} columns, and the first {width}."
            )
    return np.stack(found) if found else np.empty((0, width))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
