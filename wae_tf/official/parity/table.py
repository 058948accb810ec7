"""Rows of differences as text and as JSON, and how many came out how."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wae_tf.errors import DataError, UserError, first_line
from wae_tf.files import write_atomically
from wae_tf.official.parity.differences import FLOOR_FACTOR

#: What NumPy raises on damaged archives besides.
_DAMAGES = (EOFError, zipfile.BadZipFile, zlib.error)


def replayed(
    paths: Iterable[Path], rows_of: Callable[[Path], list], whose: str
) -> tuple[list, list[str]]:
    """The rows of records, with a line each on stderr, and the names of those that cannot be replayed.

    Args:
        paths: of the records.
        rows_of: replays one.
        whose: they are records of, for the sentence.

    Raises:
        DataError: none of the files is a record.
    """
    rows: list = []
    left_out: list[str] = []
    paths = list(paths)
    for path in paths:
        started = time.perf_counter()
        try:
            with reading(path, whose):
                rows += rows_of(path)
        except DataError as error:
            left_out.append(path.name)
            if len(left_out) == len(paths):  # told by who catches it
                raise
            print(f"wae_tf.diff: {error}", file=sys.stderr, flush=True)
            continue
        seconds = time.perf_counter() - started
        print(f"replayed {path.stem} in {seconds:.1f} s", file=sys.stderr, flush=True)
    return rows, left_out


@contextlib.contextmanager
def reading(path: Path, whose: str) -> Iterator[None]:
    """Within, what a file raises that is no record is a sentence.

    Raises:
        DataError: it is none.
    """
    try:
        yield
    except UserError:  # what is wrong is not the file
        raise
    except (*_DAMAGES, ValueError, KeyError, OSError) as error:
        lacks = "it lacks " * (isinstance(error, KeyError) and " " not in str(error))
        raise DataError(
            f"{path} is not a record of {whose}: {lacks}{first_line(error)}."
        ) from error


def text(rows: Sequence) -> str:
    """The rows as text: case, quantity, difference, floor, tolerance, verdict, worst array."""
    lines = [("case", "quantity", "difference", "floor", "tolerance", "", "nearest to its limit")]
    for row in rows:
        floor = "-" if row.floor is None else f"{row.floor:.1e}"
        tolerance = "none" if row.tolerance == float("inf") else f"{row.tolerance:.0e}"
        numbers = (f"{row.difference:.1e}", floor, tolerance)
        lines.append((row.case, row.quantity, *numbers, row.verdict, row.where))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def summary(rows: Sequence, whose: str) -> str:
    """How many comparisons with somebody's code came out how."""
    verdicts = ("ok", "floor", "fork", "FAIL")
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in verdicts}
    return (
        f"{len(rows)} comparisons: {counts['ok']} ok, within tolerance; {counts['floor']} floor, "
        f"beyond it but within {FLOOR_FACTOR:g} times what {whose} differs by from itself "
        f"when its weights move by one rounding; {counts['fork']} fork, of runs that rounding sent "
        f"another way and that agree from weights moved by one rounding; {counts['FAIL']} failed."
    )


def show(rows: Sequence, whose: str, json_file: str | None, left_out: Sequence[str] = ()) -> int:
    """Prints the table and its summary, and writes it; the exit status: 0 where all is equal.

    Args:
        rows: of all cases.
        whose: code they are compared with.
        json_file: to write the rows to; None: no file.
        left_out: names of records that could not be replayed.
    """
    print(text(rows))
    print(summary(rows, whose))
    if left_out:
        print(f"Not replayed, as said above: {', '.join(left_out)}.")
    if json_file:
        keys = ("case", "quantity", "difference", "floor", "tolerance", "verdict", "where")
        listed = [{key: _plain(getattr(row, key)) for key in keys} for row in rows]
        write_atomically(Path(json_file).resolve(), json.dumps(listed, indent=1) + "\n")
    return 0 if all(row.ok for row in rows) and not left_out else 1


def _plain(value: Any) -> Any:
    # JSON knows neither infinity nor NaN: no tolerance is null.
    return None if isinstance(value, float) and not math.isfinite(value) else value
