"""Tiny runs of digits for `fault_kinds.py`, and processes of the command line that work on them.

TensorFlow is imported once; a process is forked from there before TensorFlow has done anything, so that a
try takes the time of its own work. `fresh` ones are `python -m wae_tf.main`, from the first import on.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import hashlib
import importlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TINY = [
    "--train_size=300", "--test_size=60", "--batch_size=50", "--zdim=3", "--encoder_arch=mlp",
    "--decoder_arch=mlp", "--encoder_filters=16", "--decoder_filters=16", "--encoder_layers=1",
    "--decoder_layers=1", "--pretrain_size=100", "--pretrain_steps=5", "--pictures=20",
    "--picture_columns=5", "--figure_every=0",
    "--test_line=true",
]  # fmt: skip
#: The flags of each mode; those of `train` go on with a run of two epochs.
MODES = {
    "train": [*TINY, "--epochs=3"],
    "sample": ["--num_samples=64"],
    "interpolate": [],
    "evaluate": ["--eval_samples=60"],
    "export": [],
    "export_official": [],
    "compare": [],
    "classifier": ["--dataset=digits", "--train_size=300", "--classifier_steps=30"],
}
#: Seconds after which a process counts as hanging.
MOST_SECONDS = 600
#: What of a run no mode but training may change. metrics.json is evaluate's too.
LASTING = ("flags.flags", "history.csv", "test_line.csv", "checkpoints")
#: The modules that the modes import.
_IMPORTED = (
    "main", "training.train", "evaluation.full", "evaluation.report", "evaluation.classifier",
    "evaluation.samplers", "serving.export", "figures.of_model", "official.weights", "cli.modes",
    "evaluation.comparison", "evaluation.comparison_page",
)  # fmt: skip


@dataclasses.dataclass
class Try:
    """How one try ended: what was lost, or "" for nothing; of signals, seconds to the answer."""

    lost: str
    traceback: bool = False
    seconds: float = 0.0


@dataclasses.dataclass
class Ended:
    """A process that has ended, what it wrote, how long it took, and after it was told to end."""

    status: int
    said: str
    error: str
    seconds: float = 0.0
    waited: float = 0.0
    moment: float = 0.0

    def judged(self, expected: Sequence[int], lost: str = "") -> Try:
        """A Try: a status other than those expected, or an error of no line, is lost too."""
        told = [line for line in self.error.splitlines() if line.startswith("wae_tf:")]
        if not lost and self.status not in expected:
            lost = f"status {self.status}: {self.error.strip()[-300:]}"
        if not lost and self.status and len(told) != 1:
            lost = f"{len(told)} sentences: {self.error.strip()[-300:]}"
        return Try(lost, "Traceback (most" in self.said + self.error)


class Process:
    """A command line in a process of its own, its output in pipes."""

    def __init__(
        self, arguments: Sequence[str | bytes], before: Callable[[], None] | None, fresh: bool
    ):
        self._pipes = [os.pipe(), os.pipe()]
        writing = [pipe[1] for pipe in self._pipes]
        if fresh:
            command = [sys.executable, "-m", "wae_tf.main", *arguments]
            out, error = writing
            started = subprocess.Popen(command, stdout=out, stderr=error, preexec_fn=before)
            self.pid = started.pid
        else:
            sys.stdout.flush()
            self.pid = os.fork()
            if self.pid == 0:
                _be(arguments, before, writing)
        for descriptor in writing:
            os.close(descriptor)

    def end(self, after: float | None = None, number: int = 0) -> Ended:
        """Waits for its end; a signal is sent after so many seconds, if it still runs then."""
        pieces: list[bytes] = [b"", b""]
        began, sent = time.monotonic(), 0.0
        selector = selectors.DefaultSelector()
        for index, (reading, _) in enumerate(self._pipes):
            selector.register(reading, selectors.EVENT_READ, index)
        while selector.get_map():
            now = time.monotonic() - began
            if now > MOST_SECONDS:
                os.kill(self.pid, signal.SIGKILL)
            wait = MOST_SECONDS if after is None or sent else after - now
            if wait <= 0:
                os.kill(self.pid, number)
                sent = time.monotonic()
                continue
            for key, _ in selector.select(min(wait, 5.0)):
                piece = os.read(key.fd, 1 << 16)
                pieces[key.data] += piece
                if not piece:
                    selector.unregister(key.fd)
                    os.close(key.fd)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        said, error = (piece.decode(errors="replace") for piece in pieces)
        end = time.monotonic()
        return Ended(status, said, error, end - began, end - sent if sent else 0.0, end)


def _be(
    arguments: Sequence[str | bytes], before: Callable[[], None] | None, writing: list[int]
) -> None:
    """The forked process: becomes the command line, and ends."""
    status = 1
    try:
        for place, descriptor in enumerate(writing, start=1):
            os.dup2(descriptor, place)
        from wae_tf import main

        sys.argv = ["wae_tf.main", *(os.fsdecode(argument) for argument in arguments)]
        if before:
            before()
        status = main.program()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)


def at(place: str, act: Callable[[], None], time: int = 1) -> Callable[[], None]:
    """For `before`: calls `act` when a function of the package is about to be called.

    Args:
        place: "module:name" or "module:class.name", of wae_tf unless it is TensorFlow's or Keras's.
        act: what to do.
        time: at the how-manieth call.
    """

    def patch() -> None:
        owner, name = found(place)
        real, calls = getattr(owner, name), []

        @functools.wraps(real)
        def struck(*args: object, **named: object) -> object:
            calls.append(None)
            if len(calls) == time:
                act()
            return real(*args, **named)

        setattr(owner, name, struck)

    return patch


def found(place: str) -> tuple[Any, str]:
    """The owner and the name of a function, see `at`."""
    module, names = place.split(":")
    ours = module.split(".")[0] not in ("tensorflow", "keras")
    owner = importlib.import_module(f"wae_tf.{module}" if ours else module)
    *path, name = names.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, name


class Runs:
    """A trained run, copies of it, and commands on them.

    Args:
        out: a folder of theirs.
    """

    def __init__(self, out: Path):
        self.out, self._count = out, 0
        os.environ["WAE_TF_CACHE"] = str(out / "cache")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for name in _IMPORTED:
            importlib.import_module(f"wae_tf.{name}")
        self.whole, self.longer = out / "whole", out / "longer"
        for folder, epochs in ((self.whole, 2), (self.longer, 3)):
            ended = self.command("train", folder, f"--epochs={epochs}")
            assert ended.status == 0, ended.error
        assert self.command("sample", self.whole).status == 0
        self.samples = (self.whole / "samples.npy").read_bytes()

    def copy(self, name: str = "run") -> Path:
        """A copy of the whole run in a new folder."""
        folder = self.new(name)
        shutil.copytree(self.whole, folder)
        return folder

    def new(self, name: str = "run") -> Path:
        """A folder that is not there."""
        self._count += 1
        (self.out / str(self._count)).mkdir()
        return self.out / str(self._count) / name

    def start(
        self,
        mode: str,
        folder: Path,
        *flags: str,
        before: Callable[[], None] | None = None,
        fresh: bool = False,
    ) -> Process:
        """A process of a mode on a run; what is of no run has a folder beside."""
        if mode == "compare":
            flags = (f"--runs={folder},{self.whole}", *flags)
        if mode in ("classifier", "compare"):
            folder = folder.parent / mode
        arguments = [f"--mode={mode}", f"--work_dir={folder}", *MODES[mode], *flags]
        return Process(arguments, before, fresh)

    def command(
        self, mode: str, folder: Path, *flags: str, before: Callable[[], None] | None = None
    ) -> Ended:
        """A mode's process from start to end."""
        return self.start(mode, folder, *flags, before=before).end()

    def lost(self, mode: str, folder: Path) -> str:
        """What is lost of a run after a fault in a mode: training ends as ever, all else is as it was."""
        if mode != "train":
            return changed(self.whole, folder)
        ended = self.command("train", folder)
        finished = ended.status == 1 and "finished at step" in ended.error
        if ended.status and not finished:
            return f"no going on: {ended.error.strip()[-300:]}"
        return "" if outcome(folder) == outcome(self.longer) else "another end of the training"


def outcome(folder: Path) -> tuple[list[list[str]], str]:
    """History without seconds, and a sum of the last checkpoint's tensors."""
    with (folder / "history.csv").open(newline="") as file:
        rows = [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]
    newest = max(p for p in (folder / "checkpoints").glob("step-*") if p.name[5:].isdecimal())
    return rows, hashlib.sha256((newest / "model.data-00000-of-00001").read_bytes()).hexdigest()


def changed(whole: Path, folder: Path) -> str:
    """The lasting files of a run that are not as they were."""
    for name in files(whole):
        if name.split("/")[0] in LASTING:
            path = folder / name
            if not path.is_file() or path.read_bytes() != (whole / name).read_bytes():
                return f"{name} is gone or changed"
    return ""


def files(folder: Path) -> list[str]:
    """The files of a run but its figures and its lock."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
    return sorted(str(path.relative_to(folder)) for path in found if path.name != ".lock")
