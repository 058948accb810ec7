"""Records the official code, replays the records here, and tabulates how far the two are apart."""

from __future__ import annotations

import argparse
import errno
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from wae_tf.errors import DataError, FlagError, first_line
from wae_tf.files import read_text
from wae_tf.official.parity import cases, clone, record, recording, table
from wae_tf.settings.checks import check_text, of_home

#: Records that are no cases.
EXTRAS = ("schedules", "splits")


_PATHS = (
    "official_dir", "official_python", "replication_dir", "replication_python", "opts", "records",
    "record", "json",
)  # fmt: skip


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
    found.add_argument(
        "--records", help="replay the records in this folder, of either code; run neither"
    )
    found.add_argument("--record", help="write compact records into this folder, as tests/goldens")
    found.add_argument(
        "--precision",
        default="float32",
        choices=["float32", "float64"],
        help="of our side; float64 shows which differences are the official code's rounding",
    )
    found.add_argument("--json", help="write the table to this file")
    return found


def _run_recorder(arguments: argparse.Namespace, wanted: list[str], out: Path) -> list[Path]:
    """Records under the official interpreter, its progress on stderr.

    Returns:
        The records.

    Raises:
        DataError: the clone or the interpreter is missing or is not what it should be.
        RunError: a case was not recorded.
    """
    directory, python = Path(arguments.official_dir), arguments.official_python
    if not (directory / "wae.py").is_file():
        raise DataError(
            f"--official_dir={directory} has no wae.py; a clone of github.com/tolstikhin/wae at "
            f"{clone.COMMIT} is expected."
        )
    script = Path(record.__file__)
    command = [python, str(script), f"--official_dir={directory}"]
    by_name = cases.by_name()
    if arguments.opts:
        own = _own_case(Path(arguments.opts))
        by_name, wanted = {own["name"]: own}, [own["name"]]
    command += [f"--{extra}" for extra in EXTRAS if extra in wanted]
    print(f"running the official code of {directory} under {python}", file=sys.stderr)
    if changed := clone.changed_files(directory):
        told = (
            f"{', '.join(changed)} of it are not as at {clone.COMMIT}, which this project follows"
        )
        print(told, file=sys.stderr)
    return recording.run(
        command,
        [by_name[name] for name in wanted if name in by_name],
        wanted,
        arguments.record,
        out,
        code="the official code",
        flag="official_python",
        expected="Python 2.7 with TensorFlow 1.15",
    )


def _own_case(path: Path) -> dict[str, Any]:
    """The case of --opts, called as its file, in letters that Python 2.7 takes for a name.

    Raises:
        DataError: it is no JSON object.
    """
    try:
        opts = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"--opts={path} cannot be read as JSON: {first_line(error)}.") from error
    if not isinstance(opts, dict):
        raise DataError(f"--opts={path} must hold one JSON object of official opts.")
    name = path.stem.encode("ascii", "replace").decode().replace("?", "_")
    name += "_opts" if name in EXTRAS else ""
    return {"name": name, "exp": opts.pop("exp", None), "opts": opts}


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
    check_together(arguments)
    # Of --opts, records have names of their own.
    there = Path(arguments.records).glob("*.npz") if arguments.records else ()
    own = [path.stem for path in there]
    wanted = recording.asked_for(arguments.cases, [*cases.by_name(), *EXTRAS], own)
    whose = "the official code"
    with recording.at_hand(arguments, wanted, _run_recorder) as paths:
        rows, left_out = table.replayed(paths, lambda p: _rows(p, arguments.precision), whose)
    return table.show(rows, whose, arguments.json, left_out)


def check_together(arguments: argparse.Namespace) -> None:
    """Which flags go together.

    Raises:
        FlagError: some do not.
        DataError: the file of --opts is not there.
    """
    if (arguments.records is None) == (arguments.official_dir is None):
        raise FlagError("give --official_dir and --official_python, or --records.")
    if arguments.official_dir and not arguments.official_python:
        raise FlagError(
            "--official_dir goes with --official_python, a Python 2.7 with TensorFlow 1.15."
        )
    for name in ("official_python", "opts", "record"):
        if arguments.records and getattr(arguments, name):
            raise FlagError(f"--{name} does not go with --records, which runs nothing official.")
    if arguments.opts and arguments.cases is not None:
        raise FlagError("--cases does not go with --opts, which is one case of its own.")
    if arguments.opts and not Path(arguments.opts).is_file():
        raise DataError(
            f"--opts={arguments.opts} is not there; a JSON file of official opts is expected."
        )


def expand_paths(arguments: argparse.Namespace) -> None:
    """Puts home folders where paths begin with `~`.

    Raises:
        FlagError: a path is empty, or begins with a home folder of nobody.
    """
    for name in _PATHS:
        value = getattr(arguments, name)
        if value == "":
            raise FlagError(f"--{name}= is empty; a path is expected.")
        if value is not None:
            setattr(arguments, name, str(of_home(name, value)))


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
