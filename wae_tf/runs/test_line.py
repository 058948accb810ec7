"""test_line.csv, as the replication report has it: after each epoch the total test loss and the blur."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wae_tf.files import write_atomically
from wae_tf.runs.numbers import as_csv, cell, read_rows

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
    write_atomically(path, as_csv([COLUMNS, *rows]))


def epoch_of(row: list[str]) -> int:
    """The epoch of a row, from 1; 0: it is none."""
    whole = len(row) == len(COLUMNS) and row[0].isascii() and row[0].isdecimal()
    return int(row[0]) if whole and len(row[0]) < 19 else 0


def _rows(path: Path) -> list[list[str]]:
    return [row for row in read_rows(path) if epoch_of(row)] if path.exists() else []
