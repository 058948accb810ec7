"""Records the replication report's code, replays the records here, and tabulates the differences."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from wae_tf.errors import DataError, FlagError
from wae_tf.official.parity import recording, table
from wae_tf.replication import cases


def _record(arguments: argparse.Namespace, wanted: list[str], out: Path) -> list[Path]:
    """Records under the interpreter given, its progress on stderr.

    Returns:
        The records.

    Raises:
        DataError: the clone or the interpreter is missing or is not what it should be.
        RunError: a case was not recorded.
    """
    directory, python = Path(arguments.replication_dir), arguments.replication_python
    if not (directory / ".git").exists():
        raise DataError(
            f"--replication_dir={directory} is no git clone; one of github.com/josephdviviano/wae is "
            "expected."
        )
    command = [python, "-W", "ignore", str(Path(__file__).with_name("record.py"))]
    command.append(f"--replication_dir={directory}")
    print(f"running the report's code of {directory} under {python}", file=sys.stderr)
    return recording.run(
        command,
        [cases.by_name()[name] for name in wanted],
        wanted,
        arguments.record,
        out,
        code="the report's code",
        flag="replication_python",
        expected="a Python with PyTorch (1.0.0 or today's) and Pillow",
    )


def run(arguments: argparse.Namespace) -> int:
    """Does what the command line asks; returns its exit status.

    Raises:
        UserError: a flag, file or interpreter that cannot be used, as a sentence.
    """
    if not (arguments.replication_dir and arguments.replication_python):
        raise FlagError(
            "--replication_dir goes with --replication_python, a Python with PyTorch 1.0.0 or "
            "today's."
        )
    for name in ("official_dir", "official_python", "opts", "records"):
        if getattr(arguments, name):
            raise FlagError(f"--{name} does not go with --replication_dir.")
    if arguments.precision != "float32":
        raise FlagError("--precision does not go with --replication_dir, which compares in both.")
    wanted = recording.asked_for(arguments.cases, list(cases.by_name()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.record or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = _record(arguments, wanted, folder)
        rows = replayed(paths)
    return table.show(rows, "the report's code", arguments.json)


def replayed(paths: list[Path]) -> list:
    """The rows of records, with a line each on stderr.

    Raises:
        DataError: a file is no record.
    """
    from wae_tf.replication.replay import Replay

    return table.replayed(paths, lambda path: Replay(str(path)).rows(), "the report's code")
