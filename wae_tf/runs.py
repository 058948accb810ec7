"""The folder of a run: its flags, history, metrics, and where figures and checkpoints go."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from wae_tf.config import Config
from wae_tf.errors import RunError

HISTORY_COLUMNS = (
    "epoch",
    "step",
    "loss",
    "reconstruction",
    "penalty",
    "adversary_loss",
    "test_reconstruction",
    "sharpness",
    "seconds",
)


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader finds the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def flags_text(config: Config, header: str = "") -> str:
    """The flags that give this config, one a line; flags left at None are not named."""
    lines = [f"# {line}" for line in header.splitlines()]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None:
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, tuple):
            value = ",".join(map(repr, value))
        lines.append(f"--{field.name}={value}")
    return "\n".join(lines) + "\n"


class Run:
    """A run's folder.

    Args:
        folder: its path; nothing is made until `create`.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.flags = self.folder / "flags.flags"
        self.history = self.folder / "history.csv"
        self.metrics = self.folder / "metrics.json"
        self.evaluation = self.folder / "evaluation.json"
        self.report = self.folder / "report.html"
        self.figures = self.folder / "figures"
        self.checkpoints = self.folder / "checkpoints"
        self.events = self.folder / "events"

    def create(self, config: Config, overwrite: bool = False) -> None:
        """Makes the folder and writes its flags.

        Raises:
            RunError: the folder holds another run (and overwrite is not set), or cannot be
                written to.
        """
        try:
            if self.flags.exists():
                if not overwrite:
                    raise RunError(
                        f"--work_dir={self.folder} holds a run already; give another --work_dir, "
                        "or --overwrite to remove that run and start anew."
                    )
                self._remove()
            elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise RunError(
                    f"--work_dir={self.folder} is not an empty folder and holds no run; give a new "
                    "or an empty one."
                )
            for folder in (self.folder, self.figures, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            header = (
                f"Replays this run: python -m wae_tf.main --flagfile={self.flags} --work_dir=NEW"
            )
            write_atomically(self.flags, flags_text(config, header))
        except OSError as error:
            raise RunError(
                f"--work_dir={self.folder} cannot be written to: {error.strerror}."
            ) from error

    def _remove(self) -> None:
        # Only what a run writes: a stranger's file in the folder stays.
        for path in (self.flags, self.history, self.metrics, self.report, self.evaluation):
            path.unlink(missing_ok=True)
        for folder in (self.figures, self.checkpoints, self.events):
            shutil.rmtree(folder, ignore_errors=True)

    def require(self) -> None:
        """Raises RunError if there is no run here."""
        if not self.flags.is_file():
            raise RunError(
                f"--work_dir={self.folder} holds no run: it has no {self.flags.name}; train first."
            )

    def append_history(self, row: dict[str, Any]) -> None:
        """Adds a row to history.csv; a missing or non-finite value is an empty cell."""
        new = not self.history.exists()
        with self.history.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(HISTORY_COLUMNS)
            writer.writerow([_cell(row.get(name)) for name in HISTORY_COLUMNS])

    def read_history(self) -> dict[str, list[float]]:
        """The columns of history.csv; an empty cell is NaN."""
        columns: dict[str, list[float]] = {name: [] for name in HISTORY_COLUMNS}
        if self.history.exists():
            with self.history.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    for name in HISTORY_COLUMNS:
                        columns[name].append(float(row[name]) if row[name] else math.nan)
        return columns

    def read_metrics(self) -> dict[str, float | None]:
        """The numbers in metrics.json; None is one that was not finite."""
        return json.loads(self.metrics.read_text()) if self.metrics.exists() else {}

    def update_metrics(self, metrics: dict[str, float]) -> dict[str, float]:
        """Merges numbers into metrics.json and returns all of them."""
        known = self.read_metrics()
        known |= {name: _number(value) for name, value in metrics.items()}
        write_atomically(self.metrics, json.dumps(known, indent=2, sort_keys=True) + "\n")
        return known


def _number(value: Any) -> float | int | None:
    value = value if isinstance(value, int) else float(value)
    return value if math.isfinite(value) else None  # JSON knows no NaN


def _cell(value: Any) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"
