"""Records the official code, replays the records here, and tabulates how far the two are apart."""

from __future__ import annotations

import argparse
import errno
import json
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from wae_tf.errors import DataError, FlagError
from wae_tf.official.parity import cases, record, recording, table
from wae_tf.settings.checks import check_text

#: Records that are no cases.
EXTRAS = ("schedules", "splits")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise FlagError(f"{message}; --help lists the flags.")


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m wae_tf.diff`."""
    found = _Parser(
        prog="python -m wae_tf.diff",
        description="Holds this project against the official WAE code, number by number.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="cases: " + ", ".join([*cases.by_name(), *EXTRAS]),
    )
    found.add_argument("--official_dir", help="clone of github.com/tolstikhin/wae; its code is run")
    found.add_argument("--official_python", help="its Python 2.7 with TensorFlow 1.15")
    found.add_argument(
        "--replication_dir",
        help="clone of github.com/josephdviviano/wae instead; its code is run, under "
        "--replication_python",
    )
    found.add_argument("--replication_python", help="its Python, with PyTorch 1.0.0 or today's")
    found.add_argument("--cases", help="names separated by commas (default: all)")
    found.add_argument("--opts", help="a JSON file of official opts: one case of your own")
    found.add_argument("--records", help="replay the records in this folder; run nothing official")
    found.add_argument("--record", help="write compact records into this folder, as tests/goldens")
    found.add_argument(
        "--precision",
        default="float32",
        choices=["float32", "float64"],
        help="of our side; float64 shows which differences are the official code's rounding",
    )
    found.add_argument("--json", help="write the table to this file")
    return found


def _run_recorder(arguments: argparse.Namespace, wanted: list[str], out: Path, full: bool) -> None:
    """Records under the official interpreter, its progress on stderr.

    Raises:
        DataError: the clone or the interpreter is missing or is not what it should be.
        RunError: a case was not recorded.
    """
    directory, python = Path(arguments.official_dir), arguments.official_python
    if not (directory / "wae.py").is_file():
        raise DataError(
            f"--official_dir={directory} has no wae.py; a clone of github.com/tolstikhin/wae at "
            "6351565 is expected."
        )
    script = Path(record.__file__)
    command = [python, str(script), f"--official_dir={directory}", f"--out={out}"]
    if arguments.opts:
        command.append(f"--opts={arguments.opts}")
    else:
        by_name = cases.by_name()
        listed = out / "cases.json"
        listed.write_text(json.dumps([by_name[name] for name in wanted if name in by_name]))
        command.append(f"--cases={listed}")
        command += [f"--{extra}" for extra in EXTRAS if extra in wanted]
    if full:
        command.append("--full")
    print(f"running the official code of {directory} under {python}", file=sys.stderr)
    try:
        recording.run(
            command,
            code="the official code",
            flag="official_python",
            expected="Python 2.7 with TensorFlow 1.15",
        )
    finally:
        (out / "cases.json").unlink(missing_ok=True)


def _rows(path: Path, precision: str) -> list:
    from wae_tf.official.parity import replay, tabulated

    if path.stem == "schedules":
        return tabulated.schedule_rows(str(path))
    if path.stem == "splits":
        return tabulated.split_rows(str(path))
    return replay.Replay(str(path), precision).rows()


def run(arguments: argparse.Namespace) -> int:
    """Does what the command line asks; returns its exit status.

    Raises:
        UserError: a flag, file or interpreter that cannot be used, as a sentence.
    """
    sources = [arguments.records is not None, arguments.official_dir is not None]
    if sum(sources) != 1:
        raise FlagError("give --official_dir and --official_python, or --records.")
    if arguments.official_dir and not arguments.official_python:
        raise FlagError(
            "--official_dir goes with --official_python, a Python 2.7 with TensorFlow 1.15."
        )
    if arguments.opts and not Path(arguments.opts).is_file():
        raise DataError(
            f"--opts={arguments.opts} is not there; a JSON file of official opts is expected."
        )
    wanted = recording.asked_for(arguments.cases, [*cases.by_name(), *EXTRAS])
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.records:
            folder = Path(arguments.records)
            paths = [folder / f"{name}.npz" for name in wanted]
            if arguments.cases is None:
                paths = [path for path in paths if path.exists()]
            if not paths or not all(path.exists() for path in paths):
                raise DataError(f"--records={folder} does not hold the records asked for.")
        else:
            folder = Path(arguments.record or temporary)
            folder.mkdir(parents=True, exist_ok=True)
            _run_recorder(arguments, wanted, folder, full=not arguments.record)
            names = [Path(arguments.opts).stem] if arguments.opts else wanted
            paths = [folder / f"{name}.npz" for name in names]
        rows = table.replayed(paths, lambda path: _rows(path, arguments.precision), "this project")
    return table.show(rows, "the official code", arguments.json)


def check_outputs(arguments: argparse.Namespace) -> None:
    """Tries, before hours of work, whether the files that are asked for can be written.

    Raises:
        FlagError: a path is no text of one line.
        DataError: --json or --record cannot be written to.
    """
    for name in ("json", "record"):
        value = getattr(arguments, name)
        if value is None:
            continue
        check_text(name, value)
        path = Path(value).resolve()  # of a link, what it leads to is replaced
        folder = path.parent if name == "json" else path
        try:
            if name == "record":
                path.mkdir(parents=True, exist_ok=True)
            elif path.exists() and not path.is_file():  # such as /dev/null, which must stay
                raise OSError(errno.EINVAL, "it is no regular file")
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise DataError(f"--{name}={value} cannot be written to: {error.strerror}.") from error
