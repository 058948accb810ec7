"""Milliseconds a step of contenders that take turns of less than a second, for a machine whose speed drifts.

    python benchmarks/turns.py --out=OUT --data_dir=MNIST_DIR --work=mnist_small_mmd --jax_python=PY_WITH_JAX

Takes the contenders of speed.py, by its flags. All are started and warmed up one after another; from then on
one goes on at a time while the others are stopped (SIGSTOP), each for `--turn` seconds a round, in an order
that is drawn anew for every round. The median of a turn's calls counts, without the turn's first tenth of a
second; ratios are of the same round, shown with their standard error. A turn must be long beside a step.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import common
import speed

#: Seconds at a turn's start that do not count.
SETTLING = 0.1


class Contender:
    """A process that trains without end, and notes in a file how far it is."""

    def __init__(self, name: str, command: list[str], out: str):
        self.name = name
        self.marks = Path(out) / f"marks-{name.replace(' ', '-')}.txt"
        self.marks.unlink(missing_ok=True)
        self.turns: list[tuple[float, float]] = []
        cache = f"{out}/cache" if name == "wae_tf" else ""
        self.process = subprocess.Popen(
            command,
            env=speed.environment_of(command, cache) | {"SPEED_MARKS": str(self.marks)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def warm(self, calls: int) -> None:
        """Waits until it has made so many, and stops it."""
        while len(self.read()) < calls:
            time.sleep(0.2)
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended before its turn; speed.py says why.")
        self.signal(signal.SIGSTOP)

    def signal(self, number: int) -> None:
        """Sends it to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def read(self) -> list[tuple[int, float]]:
        """Steps done, and when."""
        if not self.marks.exists():
            return []
        lines = self.marks.read_text().split("\n")[:-1]
        return [(int(step), float(when)) for step, when in map(str.split, lines)]

    def turn(self, seconds: float) -> None:
        """Goes on alone for so long."""
        self.signal(signal.SIGCONT)
        start = time.time()
        time.sleep(seconds)
        self.turns.append((start + SETTLING, time.time()))
        self.signal(signal.SIGSTOP)

    def of_turns(self) -> list[float]:
        """Seconds a step in each turn; nan where no call was whole."""
        marks, found = self.read(), []
        for start, end in self.turns:
            inside = [mark for mark in marks if start < mark[1] < end]
            each = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(inside)]
            found.append(statistics.median(each) if each else float("nan"))
        return found


def compared(own: list[float], others: list[float]) -> tuple[float, float]:
    """The median of the ratios round by round, and its standard error, that of a mean."""
    ratios = [b / a for a, b in zip(own, others, strict=True) if a == a and b == b]
    if len(ratios) < 2:
        return float("nan"), float("nan")
    return statistics.median(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5


def main() -> None:
    """Lets them take turns, prints."""
    parser = common.parser(__doc__)
    speed.add_arguments(parser)
    speed.add_peers(parser)
    parser.add_argument("--work", default="mnist_small_mmd", choices=list(speed.WORK))
    parser.add_argument("--seconds", type=float, default=60, help="of all turns together")
    parser.add_argument("--turn", type=float, default=0.7, help="seconds; of wide networks 40")
    parser.add_argument("--warm", type=int, default=15, help="calls before the first turn")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    options.out, options.steps = str(Path(options.out).resolve()), 10**8
    running: list[Contender] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that none stays behind, stopped
    try:
        for name, command in speed.contenders(options.work, options).items():
            running.append(Contender(name, command, options.out))
            running[-1].warm(options.warm)
            print(f"{name} is warm", flush=True)
        for _ in range(max(2, round(options.seconds / options.turn / len(running)))):
            for contender in random.sample(running, len(running)):
                contender.turn(options.turn)
    finally:
        for contender in running:
            contender.signal(signal.SIGKILL)
    print(table(running))


def table(contenders: list[Contender]) -> str:
    """Markdown; the first contender is ours."""
    own, rows = contenders[0].of_turns(), []
    for contender in contenders:
        each = contender.of_turns()
        whole = sorted(seconds for seconds in each if seconds == seconds)
        if not whole:
            sys.exit(f"{contender.name} had no whole call in a turn; --turn must be longer.")
        ratio, error = compared(own, each)
        rows.append([
            contender.name,
            f"{1e3 * statistics.median(whole):.3g}",
            f"{1e3 * whole[0]:.3g}",
            "" if contender is contenders[0] else f"{ratio:.2f} ± {error:.2f}",
        ])  # fmt: skip
    return common.markdown(["contender", "ms a step", "at best", "of wae_tf's time"], rows)


if __name__ == "__main__":
    common.program(main)
