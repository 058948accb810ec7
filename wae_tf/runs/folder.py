"""The folder of a run: its flags, history, metrics, and where figures and checkpoints go."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # not on Windows
from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError
from wae_tf.files import leads_nowhere, open_regular, read_text, sweep, write_atomically
from wae_tf.runs import measures
from wae_tf.runs.flags_file import apart, flags_by_name, flags_text
from wae_tf.runs.metrics_file import MetricsFile
from wae_tf.runs.numbers import as_csv, cell, no_table, read_rows

#: What may differ between a run and its continuation: where things are, how long it takes, what it
#: shows. Numbers follow from none of them (--distribute, and --steps_per_execution with --jit: up to
#: rounding).
MAY_CHANGE = (
    "work_dir",
    "data_dir",
    "cache_dir",
    "epochs",
    "steps",
    "distribute",
    "steps_per_execution",
    "figure_every",
    "save_every",
    "save_every_steps",
    "keep_checkpoints",
    "keep_best",
    "best_by",
    "early_stopping_patience",
    "checkpoint",
    "epoch_test_size",
    "pictures",
    "picture_columns",
    "on_nonfinite",
)

HISTORY_COLUMNS = (
    "epoch",
    "step",
    *measures.HISTORY_SPLITS,  # loss, reconstruction, penalty, adversary_loss: of training
    "test_reconstruction",
    "sharpness",
    "seconds",
    "rollbacks",
    "skipped_steps",
    "test_penalty",
    *measures.HISTORY_SPLITS.values(),
)


def steps_in(names: Iterable[str]) -> list[str]:
    """The steps that checkpoints among these names are called after, as they are written there."""
    found = [name.removeprefix("step-") for name in names if name.startswith("step-")]
    return [step for step in found if step.isascii() and step.isdecimal()]


class RunFolder:
    """A run's folder.

    Args:
        folder: its path; nothing is made until `create`.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.flags = self.folder / "flags.flags"
        self.history = self.folder / "history.csv"
        self.test_line = self.folder / "test_line.csv"
        self.metrics = self.folder / "metrics.json"
        self._numbers = MetricsFile(self.metrics)
        self.evaluation_file = self.folder / "evaluation.json"
        self.report_file = self.folder / "report.html"
        self.samples = self.folder / "samples.npy"
        self.samples_labels = self.folder / "samples_labels.npy"
        self.samples_drawn = self.folder / "samples.png"
        self.figures = self.folder / "figures"
        self.checkpoints = self.folder / "checkpoints"
        self.events = self.folder / "events"
        self.lock = self.folder / ".lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process; the lock goes when the process dies, however it does.

        Raises:
            RunError: another process has it, or the folder cannot be written to.
        """
        if fcntl is None:  # no POSIX: no lock
            yield
            return
        try:
            if not self.folder.is_dir():
                self.check_free()
            new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(open_regular(self.lock, os.O_RDWR | os.O_CREAT), "r+b")
        except OSError as error:
            raise self._unwritable(error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    f"--work_dir={self.folder} is in use by another process that trains there; wait "
                    "for it, or give another --work_dir."
                ) from error
            except OSError as error:  # some network file systems
                raise RunError(
                    f"--work_dir={self.folder} cannot be locked ({error.strerror}), so a second "
                    "process could train there unnoticed; give a folder on another file system."
                ) from error
            try:
                yield
            finally:
                # The file stays: were it removed, a process that has it open already and one that
                # makes it anew would each hold a lock. It goes with a folder where nothing began.
                with contextlib.suppress(OSError):  # a folder taken away has its own sentence
                    if new and not self.flags.exists() and not self._foreign():
                        self.lock.unlink()
                        self.folder.rmdir()

    def _unwritable(self, error: OSError) -> RunError:
        inside = error.filename not in (None, str(self.folder))
        where = f"{error.filename}: " if inside else ""
        return RunError(f"--work_dir={self.folder} cannot be written to: {where}{error.strerror}.")

    def check_free(self) -> None:
        """Checks that a run can begin here, where none is.

        Raises:
            RunError: the folder is no folder, or holds something else.
        """
        if leads_nowhere(self.folder):
            raise RunError(
                f"--work_dir={self.folder} is a link that leads nowhere; give a folder, or mend the link."
            )
        if os.path.lexists(self.folder) and (not self.folder.is_dir() or self._foreign()):
            raise RunError(
                f"--work_dir={self.folder} is not an empty folder and holds no run; give a new "
                "or an empty one."
            )

    def begun(self, config: Config) -> bool:
        """Whether the folder holds a run of these flags that can be gone on with.

        Raises:
            FlagError: it holds a run of other flags.
            RunError: its files cannot be used.
        """
        if not self.flags.is_file():
            return False
        if self.events.exists() and not self.events.is_dir():
            raise RunError(f"{self.events} is no folder; move it away to go on with the run.")
        # A flag that there was not when the run began had what is its default now.
        defaults = flags_by_name(flags_text(Config()))
        there, now = (
            defaults | flags_by_name(text) for text in (self._flags_text(), flags_text(config))
        )
        names = sorted({*there, *now} - {*MAY_CHANGE})
        if differing := [name for name in names if there.get(name) != now.get(name)]:
            raise FlagError(
                f"--work_dir={self.folder} holds a run already, with {apart(differing, there, now)}; give "
                "that run's flags to go on with it, another --work_dir, or --overwrite to remove it and "
                "start anew."
            )
        epochs = (there.get("epochs"), now.get("epochs"))
        if config.lr_schedule == "manual_smooth" and epochs[0] != epochs[1]:
            raise FlagError(
                f"--epochs={epochs[1]} differs from the run's {epochs[0]}, over which "
                "--lr_schedule=manual_smooth spreads; give the same, or --overwrite to start anew."
            )
        return True

    def _flags_text(self) -> str:
        try:
            return read_text(self.flags)
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{self.flags} cannot be read: {error}.") from error

    def write_flags(self, config: Config) -> None:
        """Writes the run's flags, with a line on how to replay it."""
        header = f"Replays this run: python -m wae_tf.main --flagfile={self.flags} --work_dir=NEW"
        write_atomically(self.flags, flags_text(config, header))

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
            else:
                self.check_free()
            for folder in (self.folder, self.figures, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            self.sweep()
            self.write_flags(config)
        except OSError as error:
            raise self._unwritable(error) from error

    def _foreign(self) -> bool:
        """Whether the folder holds more than a process killed while it made the folder leaves."""
        own = (self.lock, *self._temporaries())
        empty = (self.figures, self.checkpoints)
        return any(
            path not in own and not (path in empty and path.is_dir() and not any(path.iterdir()))
            for path in self.folder.iterdir()
        )

    def _temporaries(self) -> list[Path]:
        """What `write_atomically` leaves of these files when it is killed."""
        written = (self.flags, self.history, self.metrics, self.test_line)
        return [part for path in written for part in self.folder.glob(f".{path.name}.*")]

    def sweep(self) -> None:
        """Removes what a killed process left half written."""
        for path in self._temporaries():
            path.unlink(missing_ok=True)
        for folder in (self.folder, self.figures, self.folder / "official"):
            sweep(folder)

    def _remove(self) -> None:
        # Only what a run writes: a stranger's file in the folder stays. Checkpoints first and flags
        # last, so that a removal that is killed can be done again, or what is left gone on with.
        folders = (self.checkpoints, self.figures, self.events)
        for folder in folders:
            if folder.is_symlink():  # before anything goes: what it leads to may be another's too
                raise RunError(
                    f"{folder} is a symbolic link, which --overwrite does not follow; remove the link "
                    "or empty what it leads to, or give another --work_dir."
                )
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
        for path in (
            self.history,
            self.test_line,
            self.metrics,
            self.report_file,
            self.evaluation_file,
            self.samples,  # else they would be taken for the new run's
            self.samples_labels,
            self.samples_drawn,
            self.flags,
        ):
            path.unlink(missing_ok=True)

    def require(self) -> None:
        """Raises RunError if there is no run here."""
        if not self.flags.is_file():
            raise RunError(
                f"--work_dir={self.folder} holds no run: it has no {self.flags.name}; train first."
            )

    def append_history(self, row: dict[str, Any]) -> None:
        """Adds a row to history.csv; a missing or non-finite value is an empty cell."""
        new = not self.history.exists()
        handle = open_regular(self.history, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with open(handle, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(HISTORY_COLUMNS)
            row = measures.history_row(row)
            writer.writerow([cell(row.get(name)) for name in HISTORY_COLUMNS])
            file.flush()
            os.fsync(file.fileno())  # it must not be younger than the checkpoint that follows

    def cut_history(self, keep: Callable[[int], bool]) -> None:
        """Drops the rows of steps not to keep, and a row that was cut off while written.

        An older run's table gets today's columns, so that rows can be added.
        """
        if not self.history.exists():
            return
        head, *rows = read_rows(self.history) or [list(HISTORY_COLUMNS)]
        whole = [r for r in rows if len(r) == len(head) and r[1].isdecimal() and keep(int(r[1]))]
        cells = [measures.history_row(dict(zip(head, row, strict=True))) for row in whole]
        rows = [[row.get(name, "") for name in HISTORY_COLUMNS] for row in cells]
        write_atomically(self.history, as_csv([HISTORY_COLUMNS, *rows]))

    def read_history(self) -> dict[str, list[float]]:
        """The columns of history.csv; an empty cell is NaN.

        Raises:
            RunError: it is no table of numbers.
        """
        columns: dict[str, list[float]] = {name: [] for name in HISTORY_COLUMNS}
        head, *rows = (read_rows(self.history) if self.history.exists() else []) or [[]]
        try:
            for row in filter(None, rows):
                cells = measures.history_row(dict(zip(head, row, strict=True)))
                for name, column in columns.items():
                    text = cells.get(name, "")
                    column.append(float(text) if text else math.nan)
        except ValueError as error:
            raise no_table(self.history) from error
        return columns

    def changing_metrics(self) -> contextlib.AbstractContextManager[None]:
        """Within, no other process changes metrics.json; see `MetricsFile.changing`."""
        return self._numbers.changing()

    def read_metrics(self) -> dict[str, float | None]:
        """The numbers in metrics.json; None is one that was not finite."""
        return self._numbers.read()

    def update_metrics(
        self, metrics: Mapping[str, float], drop: Sequence[str] = ()
    ) -> dict[str, float | None]:
        """Merges numbers into metrics.json, without those to drop, and returns all of them."""
        return self._numbers.update(metrics, drop)
