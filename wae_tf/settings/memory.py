"""How much memory is free, and a sentence before more than that is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wae_tf.errors import FlagError

#: Bytes of a trained weight: itself, its gradient and Adam's two moments, float32.
BYTES_OF_A_WEIGHT = 16


def available() -> int | None:
    """Bytes that this process may still take, as Linux and its container say; None: not known."""
    found = list(_known())
    return min(found) if found else None


def _known() -> Iterator[int]:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    group = Path("/sys/fs/cgroup")
    try:
        limit, taken = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Pages of files are given up when memory is asked for.
        yield int(limit) - int(taken) + int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        pass


def require(needed: int, what: str, advice: str) -> None:
    """Stops before something is made that cannot fit.

    Args:
        needed: bytes.
        what: takes them, to begin a sentence with.
        advice: the flags that would make it smaller.

    Raises:
        FlagError: they are more than are available.
    """
    free = available()
    if free is not None and needed > free:
        raise FlagError(
            f"{what} would take about {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB "
            f"are free; give smaller {advice}."
        )
