"""Kinds of faults that `faults.py` tries on a small run of digits, each in processes of its own.

A try is lost if what was there before is gone or changed, if another number came out without a word, or
if the answer is no sentence with its status. A traceback is counted besides.
"""

from __future__ import annotations

import dataclasses
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TINY = [
    "--train_size=300", "--test_size=60", "--batch_size=50", "--zdim=3", "--encoder_filters=16",
    "--decoder_filters=16", "--pretrain_size=100", "--pictures=20", "--picture_columns=5",
]  # fmt: skip
MODES = {
    "train": [*TINY, "--epochs=3"],
    "sample": ["--num_samples=64"],
    "interpolate": [],
    "evaluate": ["--eval_samples=60"],
    "export": [],
    "export_official": [],
    "classifier": ["--dataset=digits", "--classifier_steps=100"],
}
#: Seconds that a signal may wait, an execution of a step and an epoch's figures among them.
ANSWERED_WITHIN = 30
NOBODY = 65534
NAMES = [
    "lr[0.1]",
    "a]b",
    "a*b",
    "what?",
    "back\\slash",
    "sp ace",
    "ünïcode",
    "-dash",
    "a;b",
    "'q\"",
]
#: Bytes that a file may grow to; beyond, writing fails as on a full disk (EFBIG).
LIMITS = (2000, 20_000, 200_000)


@dataclasses.dataclass
class Try:
    """How one try ended: what was lost, or "" for nothing."""

    lost: str
    traceback: bool


@dataclasses.dataclass
class Ended:
    """A process that has ended."""

    status: int
    said: str
    error: str
    seconds: float = 0.0

    def judged(self, expected: tuple[int, ...], lost: str = "") -> Try:
        """A Try: a status other than those expected, or an error of no line, is lost too."""
        traceback = "Traceback (most" in self.error
        told = [line for line in self.error.splitlines() if line.startswith("wae_tf:")]
        if not lost and self.status not in expected:
            lost = f"status {self.status}"
        if not lost and self.status and len(told) != 1:
            lost = f"{len(told)} sentences"
        return Try(lost, traceback)


class Runs:
    """A trained run, copies of it, and commands on them.

    Args:
        out: a folder of theirs.
    """

    def __init__(self, out: Path):
        self.out = out
        self.environment = {**os.environ, "WAE_TF_CACHE": str(out / "cache")}
        self.whole = out / "whole"
        began = time.monotonic()
        ended = self.command("train", self.whole, "--epochs=2")
        assert ended.status == 0, ended.error
        self.life = time.monotonic() - began
        assert self.command("sample", self.whole).status == 0
        self.samples = (self.whole / "samples.npy").read_bytes()
        self._count = 0

    def copy(self, name: str = "") -> Path:
        """A copy of the whole run in a new folder."""
        self._count += 1
        folder = self.out / str(self._count) / (name or "run")
        shutil.copytree(self.whole, folder)
        return folder

    def start(self, mode: str, folder: Path, *flags: str, **options: object) -> subprocess.Popen:
        """A process of a mode on a run; the classifier has a folder beside."""
        if mode == "classifier":
            folder = folder.parent / "classifier"
        command = [sys.executable, "-m", "wae_tf.main", f"--mode={mode}", f"--work_dir={folder}"]
        return subprocess.Popen(
            [*command, *MODES[mode], *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            **options,
        )

    def command(self, mode: str, folder: Path, *flags: str, **options: object) -> Ended:
        """A mode's process from start to end."""
        process = self.start(mode, folder, *flags, **options)
        said, error = process.communicate()
        return Ended(process.returncode, said, error)

    def same_samples(self, folder: Path) -> str:
        """What is lost of a run by its samples."""
        ended = self.command("sample", folder)
        if ended.status or (folder / "samples.npy").read_bytes() != self.samples:
            return f"other samples after it ({ended.error.strip()[-200:]})"
        return ""


def signals(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Each signal at two random moments of each mode; then training ends, and samples are as ever."""
    for mode in MODES:
        for number in (signal.SIGTERM, signal.SIGINT) * 2:
            folder = runs.copy()
            process = runs.start(mode, folder)
            wait = chance.uniform(0.5, runs.life if mode in ("train", "classifier") else 12)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            began = time.monotonic()
            said, error = process.communicate()
            ended = Ended(process.returncode, said, error, time.monotonic() - began)
            lost = f"{ended.seconds:.0f} s" if ended.seconds > ANSWERED_WITHIN else ""
            if mode == "train":
                lost = lost or ("" if runs.command(mode, folder).status == 0 else "no going on")
            else:
                lost = lost or runs.same_samples(folder)
            # 0: it had done its work; before Python runs, the system's own end is the answer.
            early = (-int(number),) if wait < 1 else ()
            yield (
                f"{mode}, {number.name} at {wait:.1f} s, answered in {ended.seconds:.1f} s",
                ended.judged((0, 128 + number, *early), lost),
            )


def disk(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """No file may grow over a limit in each mode: a sentence, and samples are as ever without it."""
    for mode in MODES:
        for limit in LIMITS:
            folder = runs.copy()

            def small(limit: int = limit) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            ended = runs.command(mode, folder, preexec_fn=small)
            lost = runs.same_samples(folder) if mode != "train" else ""
            if mode == "train" and runs.command(mode, folder).status not in (0, 1):
                lost = "no going on"
            yield f"{mode}, {limit} bytes", ended.judged((0, 1), lost)


def unreadable(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Each file that may not be read, as a user who may not: it is there afterwards, byte for byte."""
    own = os.geteuid() == 0
    for name in _files(runs.whole):
        for mode in ("train", "sample"):
            folder = runs.copy()
            before = (folder / name).read_bytes()
            if own:
                for path in (folder.parent, folder, *(p for p in folder.rglob("*") if p.is_dir())):
                    os.chown(path, NOBODY, NOBODY)
                for path in folder.rglob("*"):
                    if path.is_file() and path != folder / name:
                        os.chown(path, NOBODY, NOBODY)
            os.chmod(folder / name, 0)
            ended = runs.command(mode, folder, **({"user": NOBODY, "group": NOBODY} if own else {}))
            os.chmod(folder / name, 0o600)
            checkpoint = "checkpoints" in name
            gone = not (folder / name).exists() or (folder / name).read_bytes() != before
            yield f"{mode}, {name}", ended.judged((0, 1), "gone" if checkpoint and gone else "")


def bits(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """A flipped bit in each file: the same samples, or a sentence, never others in silence."""
    for name in _files(runs.whole):
        folder = runs.copy()
        content = bytearray((folder / name).read_bytes())
        if not content:
            continue
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (folder / name).write_bytes(content)
        (folder / "samples.npy").unlink()
        ended = runs.command("sample", folder)
        made = folder / "samples.npy"
        named = "damaged" in ended.said or "put right" in ended.said
        other = ended.status == 0 and made.read_bytes() != runs.samples and not named
        yield name, ended.judged((0, 1, 2), "other samples in silence" if other else "")


def names(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """A run under each name goes on, is sampled and exported."""
    for name in NAMES:
        folder = runs.copy(name)
        for mode in ("train", "sample", "export"):
            yield f"{mode}, {name}", runs.command(mode, folder).judged((0,))
    ended = runs.command("train", runs.out / "new\nline")
    yield "train, a newline", ended.judged((2, 1))


def _files(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
    return sorted(str(path.relative_to(folder)) for path in found if path.name != ".lock")


KINDS: dict[str, Callable[[Runs, random.Random], Iterator[tuple[str, Try]]]] = {
    "signals": signals,
    "disk": disk,
    "unreadable": unreadable,
    "bits": bits,
    "names": names,
}


def run(kinds: list[str], out: Path, chance: random.Random) -> int:
    """Tries each kind and prints the table; the exit status is 1 if anything was lost."""
    os.chmod(out, 0o755)
    runs, rows = Runs(out), []
    for kind in kinds:
        tries = []
        for what, result in KINDS[kind](runs, chance):
            tries.append(result)
            words = f"LOST: {result.lost}" if result.lost else "survived"
            print(f"{kind}: {what}: {words}{', a traceback' * result.traceback}", flush=True)
        lost = sum(bool(one.lost) for one in tries)
        rows.append((kind, len(tries), len(tries) - lost, lost, sum(t.traceback for t in tries)))
    print("\n| kind | tries | survived | lost | tracebacks |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    return int(any(row[3] or row[4] for row in rows))
