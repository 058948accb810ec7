"""Files of flags, and files that they name: read once each, in order, and never without an end."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from wae_tf.errors import FlagError
from wae_tf.settings.checks import check_text, shown

#: Files that one command line may read, lines that they may have, and bytes of one.
MOST_FILES, MOST_LINES, MOST_BYTES = 100, 10_000, 1_000_000


class Reader:
    """Reads the flagfiles of one command line, and counts what it read."""

    def __init__(self, resolve: Callable[[str], Path] = Path, *, exact: bool = False):
        """Starts at nothing.

        Args:
            resolve: the file that a --flagfile's value stands for.
            exact: as a run writes its flags, whose values may end with a space.
        """
        self.resolve, self.exact = resolve, exact
        self.files = self.lines = 0

    def read(self, path: Path) -> list[str]:
        """The flags of a file, those of files that it names at their place, as absl has it.

        Raises:
            FlagError: a file cannot be read, names itself, or there is too much of it all.
        """
        flags: list[str] = []
        # The files that are open, and what is left of each: deep chains need no deep stack of Python's.
        open_files = [(os.path.realpath(path), self._flags_of(path))]
        while open_files:
            line = next(open_files[-1][1], None)
            if line is None:
                open_files.pop()
                continue
            name, equals, value = line.lstrip("-").partition("=")
            if not line.startswith("-") or name.strip() != "flagfile" or not equals:
                flags.append(line)
                continue
            check_text("flagfile", value.strip())
            path = self._named(os.path.expanduser(value.strip()), Path(open_files[-1][0]).parent)
            if os.path.realpath(path) in (name for name, _ in open_files):
                raise FlagError(f"--flagfile={shown(path)} names itself, through what it names.")
            open_files.append((os.path.realpath(path), self._flags_of(path)))
        return flags

    def _named(self, name: str, beside: Path) -> Path:
        """A file that another names: from where the command runs, else beside that."""
        there = not os.path.isfile(name) and (beside / name).is_file()
        return beside / name if there else self.resolve(name)

    def _flags_of(self, path: Path) -> Iterator[str]:
        self.files += 1
        if self.files > MOST_FILES:
            raise FlagError(
                f"--flagfile={shown(path)} is one too many: {MOST_FILES} files of flags are "
                "accepted, those that they name counted each time."
            )
        lines = _text(path).split("\n")
        self.lines += len(lines)
        if self.lines > MOST_LINES:
            raise FlagError(
                f"--flagfile={shown(path)} is too long: {MOST_LINES} lines are accepted in all."
            )
        told = [
            line for line in lines if line.strip() and not line.lstrip().startswith(("#", "//"))
        ]
        return iter(told if self.exact else [line.strip() for line in told])


def _text(path: Path) -> str:
    """The text of a regular file of at most MOST_BYTES."""
    try:
        # A FIFO or a device would never end; O_NONBLOCK, as opening one may wait for ever.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FlagError(f"--flagfile={shown(path)} is no file of text.")
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise FlagError(
                f"--flagfile={shown(path)} is too large: {MOST_BYTES} bytes are accepted."
            )
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise FlagError(
            f"--flagfile={shown(path)} cannot be read: {error.strerror or error}."
        ) from error
    except FlagError:  # a ValueError too
        raise
    except ValueError as error:  # UnicodeDecodeError, or a path with a NUL
        raise FlagError(f"--flagfile={shown(path)} cannot be read: it is no UTF-8 text.") from error
