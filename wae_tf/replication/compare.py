"""Records the replication report's code, replays the records here, and tabulates the differences."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wae_tf.errors import DataError, FlagError
from wae_tf.official.parity import cases as official
from wae_tf.official.parity import compare, recording, table
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
    _check_together(arguments)
    wanted = recording.asked_for(arguments.cases, list(cases.by_name()))
    with recording.at_hand(arguments, wanted, _record) as paths:
        rows, left_out = replayed(paths)
    return table.show(rows, "the report's code", arguments.json, left_out)


def asked(arguments: argparse.Namespace) -> bool:
    """Whether a command line is about the report's code: its clone, or a folder of its records."""
    if arguments.replication_dir or arguments.replication_python:
        return True
    if not arguments.records:
        return False
    there = {path.stem for path in Path(arguments.records).glob("*.npz")}
    return bool(there & cases.by_name().keys()) and not there & official.by_name().keys()


def _check_together(arguments: argparse.Namespace) -> None:
    if arguments.precision != "float32":
        raise FlagError("--precision is of the official code; the report's is compared in both.")
    if not (arguments.replication_dir or arguments.replication_python):
        compare.check_together(arguments)
        return
    if not (arguments.replication_dir and arguments.replication_python):
        raise FlagError(
            "--replication_dir goes with --replication_python, a Python with PyTorch 1.0.0 or "
            "today's."
        )
    for name in ("official_dir", "official_python", "opts", "records"):
        if getattr(arguments, name):
            raise FlagError(f"--{name} does not go with --replication_dir.")


def replayed(paths: list[Path]) -> tuple[list, list[str]]:
    """As `table.replayed`, of the report's records."""
    from wae_tf.replication.replay import Replay

    return table.replayed(paths, lambda path: Replay(str(path)).rows(), "the report's code")
