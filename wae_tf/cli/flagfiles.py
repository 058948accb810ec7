"""Files of flags, and files that they name: read once each, in order, and never without an end."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from wae_tf.errors import DataError, FlagError, UserError, printable
from wae_tf.errors.suggestions import near
from wae_tf.files import of_user
from wae_tf.settings.checks import check_text, shown

#: Files that one command line may read, lines that they may have, and bytes of one.
MOST_FILES, MOST_LINES, MOST_BYTES = 100, 10_000, 1_000_000


#: What is asked for on the command line alone, before files are read.
_ASKED_FOR = ("help", "h", "helpshort", "helpfull", "version", "completion")
#: The flag or word that a sentence is about: --zdim=x, flag 'zdin', or, at its beginning, 'zdim=3'.
_ABOUT = re.compile(r"--([\w-]+)|flag '([^']+)'|\A'([^'=]+)")


class Line(str):
    """A flag of a file.

    Attributes:
        place: the file and the line's number, to begin a sentence with.
    """

    place: str

    def __new__(cls, text: str, place: str) -> Line:
        """The text of a line that is at a place."""
        line = super().__new__(cls, text)
        line.place = place
        return line


def preset_folder() -> Path:
    """The folder of presets: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    inside = package / "flags"
    return inside if inside.is_dir() else package.parent / "flags"


def path_of(name: str, beside: Path | None = None) -> Path:
    """A --flagfile's path; one that starts with flags/ may also mean a preset of the package.

    Args:
        name: as it is given.
        beside: the folder of the file that names it, where it may lie as well.

    Raises:
        FlagError: there is nothing of this name.
    """
    check_text("flagfile", name)
    path = of_user(name)
    below_presets = path.parts[1:] if path.parts[:1] == ("flags",) else path.parts
    packaged = preset_folder() / Path(*below_presets)
    for found in (path, *(() if beside is None else (beside / path,)), packaged):
        try:
            if found.is_file():
                return found
        except OSError:  # it may not be looked at, or its name is too long: reading tells of it
            return found
    if name and path.exists():  # a folder or a device, which reading tells of
        return path
    folder = preset_folder()
    known = sorted(f"flags/{p.relative_to(folder)}" for p in folder.rglob("*.flags"))
    alike = near(str(Path("flags", *below_presets)), known)
    instead = f"did you mean {alike}?" if alike else f"give a file, or one of: {', '.join(known)}."
    raise FlagError(f"--flagfile={shown(name)} is not there; {instead}")


def placed(error: UserError, arguments: Sequence[str]) -> UserError:
    """An error about a flag that a file has, with the file and the line before its sentence.

    Args:
        error: what a command line ended with.
        arguments: of files, as `Reader` gives them, and of the command line, the last ones counting.
    """
    about = _ABOUT.search(str(error))
    if about is None or not isinstance(error, FlagError | DataError):
        return error
    name = next(filter(None, about.groups())).lstrip("-")
    last = ""
    for argument in arguments:
        given = argument.lstrip("-").partition("=")[0]
        if given in (name, f"no{name}"):
            last = argument
    return type(error)(f"{last.place}: {error}") if isinstance(last, Line) else error


class Reader:
    """Reads the flagfiles of one command line, and counts what it read."""

    def __init__(self, *, exact: bool = False):
        """Starts at nothing.

        Args:
            exact: as a run writes its flags, whose values may end with a space.
        """
        self.exact = exact
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
            if line.startswith("-") and name in _ASKED_FOR:
                raise FlagError(
                    f"{line.place}: {shown(line)} is for the command line, not for a file."
                )
            if not line.startswith("-") or name.strip() != "flagfile" or not equals:
                flags.append(line)
                continue
            try:
                path = path_of(value.strip(), Path(open_files[-1][0]).parent)
                if os.path.realpath(path) in (name for name, _ in open_files):
                    raise FlagError(
                        f"--flagfile={shown(path)} names itself, through what it names."
                    )
                open_files.append((os.path.realpath(path), self._flags_of(path)))
            except FlagError as error:
                raise FlagError(f"{line.place}: {error}") from error
        return flags

    def _flags_of(self, path: Path) -> Iterator[Line]:
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
            Line(line if self.exact else line.strip(), f"{printable(str(path))}, line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip() and not line.lstrip().startswith(("#", "//"))
        ]
        return iter(told)


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
