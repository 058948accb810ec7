"""The files of a folder or a zip, listed whole and read one at a time."""

from __future__ import annotations

import collections
import fnmatch
import functools
import hashlib
import os
import stat
import threading
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

from wae_tf.data import headers
from wae_tf.errors import DataError, first_line

_LARGEST_FILE = 50_000_000  # bytes
_HIDDEN = (".", "__MACOSX")
#: What a run keeps in its folder, whose figures are no data.
_OF_RUN = "flags.flags"
#: And a classifier, beside its network: others have files of the first name among their pictures.
_OF_CLASSIFIER = ("classifier.json", "classifier*.keras")


def _is_run(files: Collection[str]) -> bool:
    """Whether a folder of these files is a run's or a classifier's."""
    of_classifier = all(fnmatch.filter(files, pattern) for pattern in _OF_CLASSIFIER)
    return _OF_RUN in files or of_classifier


class BadPicture(Exception):
    """Why one file cannot be used: the end of a sentence that starts with its name."""


class Files:
    """The files of a folder (and its sub-folders) or of a zip, read one at a time.

    Linked sub-folders are followed, each folder once.

    Attributes:
        where: the folder or zip.
        names: their names below it, with "/", sorted. Hidden files are left out.
        runs: folders of runs below it, whose files are left out too.
    """

    def __init__(self, where: Path):
        """Lists the files.

        Raises:
            DataError: the folder cannot be listed, or the zip is none or damaged.
        """
        self.where = where
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}  # in a zip: name -> as the zip spells it
        self._marks: dict[str, str] = {}  # name -> what changes when the file does
        self.runs: list[str] = []
        try:
            if where.is_dir():
                self._list_folder()
            else:
                self._list_zip()
        except zipfile.BadZipFile as error:
            raise _no_zip(where, error) from error
        except (OSError, ValueError, NotImplementedError) as error:
            kind = "folder" if where.is_dir() else "zip"
            raise DataError(f"{where} cannot be read as a {kind} ({error}).") from error
        self.names = sorted(self._marks)

    def _list_zip(self) -> None:
        self._zip = zipfile.ZipFile(self.where)
        self._lock = threading.Lock()
        for info in self._zip.infolist():
            # As other tools write them: ./a/b.jpg, a\b.jpg, ../a/b.jpg. Nothing is unpacked anywhere.
            spelled = info.filename.replace("\\", "/").split("/")
            parts = [part for part in spelled if part not in ("", ".", "..")]
            if info.is_dir() or not parts or any(p.startswith(_HIDDEN) for p in parts):
                continue
            name = "/".join(parts)
            self._members[name] = info.filename
            self._marks[name] = f"{info.file_size} {info.CRC:08x}"
        self._leave_runs_out()

    def _leave_runs_out(self) -> None:
        inside: dict[str, list[str]] = {}
        for name in self._marks:
            folder, _, own = name.rpartition("/")
            inside.setdefault(folder, []).append(own)
        for folder in sorted(name for name, files in inside.items() if name and _is_run(files)):
            if not folder.startswith(tuple(f"{run}/" for run in self.runs)):
                self.runs.append(folder)
        of_runs = tuple(f"{run}/" for run in self.runs)
        self._marks = {n: mark for n, mark in self._marks.items() if not n.startswith(of_runs)}

    def _list_folder(self) -> None:
        seen: set[tuple[int, int]] = set()
        # Folders first, then what is linked: a picture's name is the one in its own folder.
        places = collections.deque([(self.where, "")])
        while places:
            folder, below = places.popleft()
            if _identity(folder) not in seen:
                self._walk(folder, below, seen, places)

    def _walk(
        self,
        top: Path,
        below_top: str,
        seen: set[tuple[int, int]],
        links: collections.deque[tuple[Path, str]],
    ) -> None:
        def stop(error: OSError) -> None:
            raise error

        for folder, folders, files in os.walk(top, onerror=stop):
            if _identity(Path(folder)) in seen:
                folders[:] = []
                continue
            seen.add(_identity(Path(folder)))
            below = Path(below_top, Path(folder).relative_to(top)).as_posix()
            prefix = "" if below == "." else below + "/"
            if prefix and _is_run(files):
                folders[:] = []
                self.runs.append(below)
                continue
            folders[:] = sorted(f for f in folders if not f.startswith(_HIDDEN))
            for name in folders:
                path = Path(folder, name)
                if path.is_symlink() and not self.where.resolve().is_relative_to(path.resolve()):
                    links.append((path, prefix + name))
            for name in files:
                if name.startswith("."):
                    continue
                try:
                    info = os.stat(os.path.join(folder, name))
                except OSError:  # a dangling link: reading it will say so
                    self._marks[prefix + name] = "0 0"
                    continue
                if stat.S_ISREG(info.st_mode):
                    self._marks[prefix + name] = f"{info.st_size} {times(info)}"

    def fingerprint(self, names: Iterable[str]) -> str:
        """A hash of these files' names, sizes and times (in a zip: sizes and check sums)."""
        digest = hashlib.sha256(os.fsencode(self.where.resolve()))
        for name in names:
            digest.update(f"{name}\0{self._marks[name]}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def read(self, name: str) -> bytes:
        """A file's bytes. Safe to call from several threads.

        Raises:
            BadPicture: it is unreadable, encrypted, damaged or above 50 MB.
        """
        if int(self._marks[name].split()[0]) > _LARGEST_FILE:
            raise BadPicture(f"has {self._marks[name].split()[0]} bytes, more than 50 MB")
        try:
            if self._zip is None:
                return (self.where / name).read_bytes()
            with self._lock, self._zip.open(self._members[name]) as file:
                return file.read()
        except Exception as error:  # zipfile raises seven kinds
            raise BadPicture(f"cannot be read ({first_line(error)})") from error


def open_files(where: Path) -> Files:
    """The Files of a folder or zip; of a zip that has not changed since, those listed before.

    Raises:
        DataError: it is neither, or cannot be listed.
    """
    if where.is_dir():
        return Files(where)
    info = where.stat()
    if not stat.S_ISREG(info.st_mode):  # a pipe or a device may never end
        raise DataError(f"{where} is no regular file: a folder or a zip is expected.")
    return _files_of_zip(where, info.st_size, times(info))


@functools.lru_cache(maxsize=2)
def _files_of_zip(where: Path, size: int, when: str) -> Files:
    return Files(where)


def times(info: os.stat_result) -> str:
    """When a file was changed: what was written, and, which no tool can set, its entry."""
    return f"{info.st_mtime_ns} {info.st_ctime_ns}"


def mark(path: Path) -> dict[str, str | int]:
    """What changes when a file does, for the cache's key."""
    info = path.stat()
    return {"file": str(path.resolve()), "size": info.st_size, "time": times(info)}


def _identity(folder: Path) -> tuple[int, int]:
    info = os.stat(folder)
    return info.st_dev, info.st_ino


def _no_zip(where: Path, error: Exception) -> DataError:
    name, advice = headers.kind_of(where)
    if name == "a zip":
        return DataError(
            f"{where} is a zip whose end is missing or damaged ({first_line(error)}): download it "
            "again."
        )
    if not name:
        name = f"no zip ({first_line(error)})"
    return DataError(f"{where} is {name}: a folder or a zip is expected{advice and '; ' + advice}.")
