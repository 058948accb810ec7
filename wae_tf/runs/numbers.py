"""Numbers and tables as the files of a run hold them."""

from __future__ import annotations

import csv
import io
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wae_tf.errors import RunError
from wae_tf.files import read_text


def checksum(known: Mapping[str, Any]) -> int:
    """Of what a JSON file says, without the sum itself."""
    return zlib.crc32(json.dumps(known, sort_keys=True).encode())


def is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a number that a run could have written, or null."""
    if value is None or isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def number(value: Any) -> float | int | None:
    """A number as JSON has it: None where it is not finite."""
    value = value if isinstance(value, int) else float(value)
    return value if math.isfinite(value) else None  # JSON knows no NaN


def cell(value: Any) -> str:
    """A number as history.csv has it: nothing where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    """The rows of a table as text."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a table that is there.

    Raises:
        RunError: it is no table.
    """
    try:
        return list(csv.reader(io.StringIO(read_text(path), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise no_table(path) from error


def no_table(path: Path) -> RunError:
    """The sentence on a file that should be a table."""
    return RunError(f"{path} cannot be read as a table of numbers; remove it to go on.")
