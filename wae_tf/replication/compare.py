"""Records the replication report's code, replays the records here, and tabulates the differences."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.official.parity import compare
from wae_tf.replication import cases, record


def _known(names: str | None) -> list[str]:
    known = list(cases.by_name())
    wanted = known if names is None else names.split(",")
    for name in wanted:
        if name not in known:
            raise FlagError(f"--cases={name} is not known; accepted: {', '.join(known)}.")
    return wanted


def _record(arguments: argparse.Namespace, wanted: list[str], out: Path, full: bool) -> None:
    """Records under the interpreter given, its progress on stderr.

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
    listed = out / "cases.json"
    listed.write_text(json.dumps([cases.by_name()[name] for name in wanted]))
    command = [python, "-W", "ignore", str(Path(record.__file__))]
    command += [f"--replication_dir={directory}", f"--cases={listed}", f"--out={out}"]
    if full:
        command.append("--full")
    print(f"running the report's code of {directory} under {python}", file=sys.stderr)
    said = []
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as recorder:
            for line in recorder.stdout:
                said.append(line.strip())
                print(line, end="", file=sys.stderr, flush=True)
    except OSError as error:
        raise DataError(
            f"--replication_python={python} cannot be run: {error.strerror}; a Python with PyTorch "
            "(1.0.0 or today's) and Pillow is expected."
        ) from error
    finally:
        listed.unlink(missing_ok=True)
    if recorder.returncode:
        last = [line for line in said if line] or ["it said nothing"]
        raise RunError(f"the report's code was not recorded: {last[-1]}")


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
    wanted = _known(arguments.cases)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.record or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        _record(arguments, wanted, folder, full=not arguments.record)
        rows = replayed([folder / f"{name}.npz" for name in wanted])
    print(compare.table(rows))
    print(compare.summary(rows).replace("the official code", "the report's code"))
    if arguments.json:
        compare.write_json(rows, arguments.json)
    return 0 if all(row.ok for row in rows) else 1


def replayed(paths: list[Path]) -> list:
    """The rows of records, with a line each on stderr.

    Raises:
        DataError: a file is no record.
    """
    from wae_tf.replication.replay import Replay

    rows = []
    for path in paths:
        started = time.perf_counter()
        try:
            rows += Replay(str(path)).rows()
        except (ValueError, KeyError, OSError) as error:
            raise DataError(f"{path} is not a record of the report's code: {error}.") from error
        seconds = time.perf_counter() - started
        print(f"replayed {path.stem} in {seconds:.1f} s", file=sys.stderr, flush=True)
    return rows
