"""Numbers of a user's own, a row each: vectors, series or volumes of an array, vectors of a table.

Vectors are [N, d], series [N, t, c], volumes [N, d, h, w, c], in an .npy or .npz file. Arrays of three
or five axes are told from pictures by their type: series and volumes are floats, and taken as they are;
three axes of integers are grey pictures, and four axes are pictures always.
"""

from __future__ import annotations

import csv
import itertools
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import archives, arrays, headers, picture_files, splits
from wae_tf.errors import DataError, first_line
from wae_tf.settings import memory, shapes

_TABLES = (".csv", ".tsv")
#: Of files that may hold rows.
ENDINGS = (".npy", ".npz", *_TABLES)
#: How tables write that there is no number: such a cell does not make the first line one of names.
_MISSING = ("", "na", "n/a", "null", "none", "?", "-")
#: What else an array of so many axes could have been meant as, and how it is told.
_AXES = {
    2: "2 axes, read as vectors [n, d]",
    3: "3 axes of floats, read as series [n, t, c] (grey pictures are [n, h, w, 1])",
    5: "5 axes of floats, read as volumes [n, d, h, w, c]",
}


def file_in(place: Path) -> Path | None:
    """The file of such rows at a path, itself or the only one of arrays or tables in a folder; or None.

    Beside pictures, or above folders of them, it is theirs: a table of labels. Only names and headers are
    looked at; a path that cannot be read is none.
    """
    try:
        found = [place]
        if place.is_dir():
            # Names alone: a folder of pictures has many, and is looked into at every start.
            found = [place / name for name in os.listdir(place) if _suffix(name) in ENDINGS]
        if len(found) != 1 or not found[0].is_file():
            return None
        path = found[0]
        if _suffix(path.name) not in _TABLES and not _is_of_rows(path):
            return None
        return None if place.is_dir() and _has_pictures(place) else path
    except (OSError, DataError):
        return None


def _has_pictures(folder: Path) -> bool:
    names = itertools.chain(os.listdir(folder), archives.open_files(folder).names)
    return any(not name.startswith(".") and picture_files.is_picture_name(name) for name in names)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def are_rows(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array of this shape and type holds vectors, series or volumes, and no pictures."""
    return len(shape) == 2 or (len(shape) in _AXES and dtype.kind == "f")


def _is_of_rows(path: Path) -> bool:
    try:
        if headers.kind_of(path)[0] == "an .npy file":
            table = np.load(path, mmap_mode="r", allow_pickle=False)
            return are_rows(table.shape, table.dtype)
        return arrays.is_npz(path) and _name_in(path) is not None
    except Exception:  # damaged: whoever reads it says so
        return False


def _name_in(path: Path) -> str | None:
    """The array of an .npz file that holds rows, where it is the only one, and none is of images."""
    there = {name: (shape, kind) for name, (shape, _, kind) in arrays.npz_arrays(path).items()}
    names = [name for name, found in there.items() if are_rows(*found)]
    images = [name for name, found in there.items() if arrays.are_images(*found)]
    return names[0] if len(names) == 1 and not images else None


def read(path: Path) -> tuple[np.ndarray, str]:
    """The rows, float32 [N, ...], shuffled as the official code shuffles images; and how they were read.

    Raises:
        DataError: no table or array of finite numbers.
        FlagError: more than fits into memory.
    """
    table: np.ndarray | arrays.NpzMember
    if _suffix(path.name) in _TABLES:
        table, told = _of_csv(path)
    else:
        table = _of_array(path)
        told = f"array {path}, {_AXES[len(table.shape)]}" if len(table.shape) in _AXES else ""
    _check_shape(path, table.shape)
    kind, count = shapes.kind_of(table.shape[1:]), table.shape[0]
    memory.require(
        8 * math.prod(table.shape), f"{path}, {count:,} {kind.many}", "data: fewer of them"
    )
    if isinstance(table, arrays.NpzMember):
        table = table.whole()
    with np.errstate(over="ignore"):  # what float32 cannot hold is told below
        whole = table.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(whole.reshape(len(whole), -1)).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path} holds what is no finite float32 in {len(bad):,} of {len(whole):,} rows, first in row "
            f"{bad[0] + 1:,}: fill it in, or leave these rows out."
        )
    return whole[splits.numpy_order(len(whole))], told


def check(path: Path) -> None:
    """Refuses an array of no numbers by its header; a table is not looked into.

    Raises:
        DataError: as `read`.
    """
    if _suffix(path.name) not in _TABLES:
        _check_shape(path, _of_array(path).shape)


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise DataError(f"{path} holds no numbers: of shape {list(shape)}.")


def _of_array(path: Path) -> np.ndarray | arrays.NpzMember:
    table: np.ndarray | arrays.NpzMember
    if headers.kind_of(path)[0] == "a zip":
        name = _name_in(path)
        assert name is not None  # file_in has seen it
        table = arrays.NpzMember(path, name)
    else:
        try:
            table = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # of NumPy: any kind, by what the header announces
            raise DataError(f"{path} is not a whole .npy file ({first_line(error)}).") from error
    if table.dtype.kind not in "buif":
        raise DataError(f"{path} holds {table.dtype}: vectors are real numbers.")
    return table


def _of_csv(path: Path) -> tuple[np.ndarray, str]:
    """The numbers of a table, float64 [N, d], and how they were read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            sample = file.read(1 << 16)
            if not sample.strip():
                raise DataError(f"{path} is empty: a table of numbers is expected.")
            line = re.sub(r'"[^"]*"', "", sample.strip().splitlines()[0])  # names may have commas
            mark = max(",;\t", key=line.count)
            file.seek(0)
            rows = csv.reader(file, delimiter=mark)
            first = next(row for row in rows if row)
            named = not all(_is_number(text) or text.strip().lower() in _MISSING for text in first)
            table = _numbers(path, rows, [] if named else [first], len(first))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of text ({first_line(error)}).") from error
    told = f"vectors of {path}"
    if named and any(map(_is_number, first)):
        told += ", whose first line, numbers and words, is read as the names of the columns"
    # What pandas and R write besides the numbers.
    if named and not first[0].strip() and table.shape[1] > 1 and _counts(table[:, 0]):
        told += ", without their first column, which has no name and counts the rows"
        table = table[:, 1:]
    places = [str(place) for place in range(len(first))]
    if first == places and len(first) > 2 and (table[1:] != np.floor(table[1:])).any():
        told += f", of which the first line, 0 to {places[-1]}, is the names of the columns"
        table = table[1:]
    return table, told


def _counts(column: np.ndarray) -> bool:
    """Whether it is 0, 1, 2, ... or 1, 2, 3, ..."""
    from_zero = np.arange(len(column))
    return bool((column == from_zero).all() or (column == from_zero + 1).all())


def _numbers(path: Path, rows: Any, before: list[list[str]], width: int) -> np.ndarray:
    """The numbers of a csv.reader's rows, with those read from it before."""
    found = []
    for row in itertools.chain(before, rows):
        if not row:
            continue  # an empty line
        number = rows.line_num
        try:
            if "_" in "".join(row):  # Python's way to set digits apart, and nobody's in a table
                raise ValueError(row)
            found.append(np.array(row, np.float64))
        except ValueError as error:
            cell = next(i for i, text in enumerate(row) if not _is_number(text))
            raise DataError(
                f"{path}, line {number:,}, column {cell + 1}: {row[cell][:40]!r} is no number; accepted: "
                "rows of numbers with decimal points, between commas, semicolons or tabs, below names of "
                "the columns or not."
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
    return "_" not in text
