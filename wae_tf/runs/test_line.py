"""test_line.csv, as the replication report has it: after each epoch the total test loss and the blur."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from wae_tf.errors import RunError
from wae_tf.files import read_text, write_atomically
from wae_tf.runs.numbers import cell

COLUMNS = ("epoch", "loss", "blur")


def append(path: Path, epoch: int, line: Mapping[str, float]) -> None:
    """Adds a row; those of this epoch and later ones go.

    Args:
        path: of the table, made where it is not there.
        epoch: from 1.
        line: `loss` and `blur`; one that is not finite is an empty cell.

    Raises:
        RunError: it is no table.
    """
    rows = [row for row in _rows(path) if epoch_of(row) < epoch]
    rows.append([str(epoch), *(cell(line[name]) for name in COLUMNS[1:])])
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    write_atomically(path, text.getvalue())


def epoch_of(row: list[str]) -> int:
    """The epoch of a row, from 1; 0: it is none."""
    whole = len(row) == len(COLUMNS) and row[0].isascii() and row[0].isdecimal()
    return int(row[0]) if whole and len(row[0]) < 19 else 0


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(
            f"{path} cannot be read as a table of numbers; remove it to go on."
        ) from error
    return [row for row in rows if epoch_of(row)]
