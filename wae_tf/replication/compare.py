"""Records the replication report's code, replays the records here, and tabulates the differences."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from wae_tf.errors import DataError, FlagError
from wae_tf.official.parity import recording, table
from wae_tf.replication import cases


def _record(
    arguments: argparse.Namespace, wanted: list[str], out: Path, listed: Path
) -> list[Path]:
    """Records under the interpreter given, its progress on stderr.

    Args:
        arguments: the flags.
        wanted: names of cases.
        out: the folder of the records.
        listed: where to write the cases for the recorder, which is not in a user's folder.

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
    listed.write_text(json.dumps([cases.by_name()[name] for name in wanted]))
    command = [python, "-W", "ignore", str(Path(__file__).with_name("record.py"))]
    command += [f"--replication_dir={directory}", f"--cases={listed}", f"--out={out}"]
    if not arguments.record:
        command.append("--full")
    print(f"running the report's code of {directory} under {python}", file=sys.stderr)
    return recording.run(
        command,
        [out / f"{name}.npz" for name in wanted],
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
        paths = _record(arguments, wanted, folder, Path(temporary) / "cases.json")
        rows = replayed(paths)
    return table.show(rows, "the report's code", arguments.json)


def replayed(paths: list[Path]) -> list:
    """The rows of records, with a line each on stderr.

    Raises:
        DataError: a file is no record.
    """
    from wae_tf.replication.replay import Replay

    return table.replayed(paths, lambda path: Replay(str(path)).rows(), "the report's code")
