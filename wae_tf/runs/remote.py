"""Work folders at an address such as gs://bucket/run: worked on in a local copy, written back at each save.

TensorFlow's file systems know no locks, no appending and no renaming of folders that could be relied
on, and figures and tables are written by others than TensorFlow. So everything works on a local
folder; `tf.io.gfile` fetches it at the start and puts back what changed, a checkpoint's list of sums
and a classifier's facts last, so that either counts at the address only when it is whole.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wae_tf.console import interruption, progress
from wae_tf.errors import RunError, first_line

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
#: One of these says that a folder is ours.
_HEADS = ("flags.flags", "classifier.json")
#: What makes the files beside it count.
_LASTS = ("manifest.json", "classifier.json")

_mirrors: dict[Path, Mirror] = {}


def is_address(name: str | None) -> bool:
    """Whether a folder's name is an address, scheme://place."""
    return name is not None and _ADDRESS.match(name) is not None


class Mirror:
    """A folder at an address and its local copy.

    Args:
        address: scheme://place, of a file system that TensorFlow knows (gs).
        folder: of the copy; empty or not there.
    """

    def __init__(self, address: str, folder: Path):
        self.address, self.folder = address.rstrip("/"), folder
        self._known: dict[str, tuple[int, int]] = {}  # what is there: name -> the copy's time, size

    def pull(self) -> None:
        """Fetches all files; nothing where there is no folder yet.

        Raises:
            RunError: it cannot be read, is of no kind that TensorFlow knows, or holds something else
                than a run or a classifier.
        """
        import tensorflow as tf

        with self._sentence("read"):
            gfile = tf.io.gfile
            scheme, known = self.address.partition("://")[0], gfile.get_registered_schemes()
            if scheme not in known:
                raise RunError(
                    f"--work_dir={self.address} cannot be read: TensorFlow knows no {scheme}://; "
                    f"accepted: a folder, or {', '.join(f'{s}://' for s in known if s)}."
                )
            there = gfile.listdir(self.address) if gfile.isdir(self.address) else []
            if there and not any(gfile.exists(f"{self.address}/{head}") for head in _HEADS):
                raise RunError(
                    f"--work_dir={self.address} is not an empty folder and holds no run; give a new "
                    "or an empty one."
                )
            for place, _, files in gfile.walk(self.address) if there else []:
                for file in files:
                    source = f"{place.rstrip('/')}/{file}"
                    name = source.removeprefix(self.address).lstrip("/")
                    if not _is_ours(name):
                        continue
                    target = self.folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    gfile.copy(source, str(target), overwrite=True)
                    self._known[name] = _mark(target)

    def push(self) -> None:
        """Puts back what changed, and removes there what was removed here.

        Raises:
            RunError: it cannot be written.
        """
        import tensorflow as tf

        here = {
            path.relative_to(self.folder).as_posix(): path
            for path in self.folder.rglob("*")
            if path.is_file()
        }
        with self._sentence("written"):
            for name in sorted(here, key=_rank):
                if not _is_ours(name) or self._known.get(name) == _mark(here[name]):
                    continue
                mark = _mark(here[name])
                target = f"{self.address}/{name}"
                tf.io.gfile.makedirs(target.rpartition("/")[0])
                tf.io.gfile.copy(str(here[name]), target, overwrite=True)
                self._known[name] = mark
            for name in sorted(self._known.keys() - here.keys(), key=_rank, reverse=True):
                with contextlib.suppress(tf.errors.NotFoundError):
                    tf.io.gfile.remove(f"{self.address}/{name}")
                del self._known[name]

    @contextlib.contextmanager
    def _sentence(self, what: str) -> Iterator[None]:
        import tensorflow as tf

        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            reason = first_line(error)
            raise RunError(f"--work_dir={self.address} cannot be {what} ({reason}).") from error


def _is_ours(name: str) -> bool:
    """No hidden files (locks, half-written ones), and nothing that leads out of the folder."""
    return not any(part.startswith(".") or not part for part in PurePosixPath(name).parts)


def _rank(name: str) -> tuple[bool, bool, bool, str]:
    """The order to write in: what names the run, tables and figures, checkpoints, their sums."""
    parts = PurePosixPath(name).parts
    return parts[-1] in _LASTS, parts[0] == "checkpoints", name not in _HEADS, name


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def local(address: str) -> Iterator[Path]:
    """A local copy of the folder at an address, put back at the end, however that comes.

    Yields:
        the copy's folder, in the folder for temporary files; removed after it was put back.

    Raises:
        RunError: the address cannot be read or written; in the latter case the copy is kept.
    """
    parent = Path(tempfile.mkdtemp(prefix="wae_tf-"))
    folder = parent / (PurePosixPath(address.partition("://")[2]).name or "run")
    mirror = Mirror(address, folder)
    try:
        mirror.pull()
    except RunError:
        shutil.rmtree(parent, ignore_errors=True)
        raise
    progress(f"working on {address} in {folder}")
    _mirrors[folder] = mirror
    ended = False
    try:
        yield folder
        ended = True
    finally:
        del _mirrors[folder]
        try:
            with interruption.finishing():  # it may take longer than a signal waits for an answer
                mirror.push()
            shutil.rmtree(parent, ignore_errors=True)
        except RunError as error:
            kept = RunError(f"{str(error).rstrip('.')}; all is in {folder}.")
            if ended:
                raise kept from error
            print(f"wae_tf: {kept}", file=sys.stderr)  # before the sentence on why it ended


def push(folder: Path) -> None:
    """Puts a local copy back, if it is one. A failure is told and tried again at the next save."""
    mirror = _mirrors.get(folder)
    if mirror is None:
        return
    try:
        mirror.push()
    except RunError as error:
        progress(f"{str(error).rstrip('.')}; the next save tries again")
