"""Records the official code, replays the records here, and tabulates how far the two are apart."""

from __future__ import annotations

import argparse
import errno
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.files import write_atomically
from wae_tf.official.parity import cases, record
from wae_tf.setting_checks import check_text

#: Records that are no cases.
EXTRAS = ("schedules", "splits")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
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


def _known_cases(names: str | None) -> list[str]:
    known = [*cases.by_name(), *EXTRAS]
    wanted = known if names is None else names.split(",")
    for name in wanted:
        if name not in known:
            raise FlagError(f"--cases={name} is not known; accepted: {', '.join(known)}.")
    return wanted


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
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as recorder:
            said = []
            for line in recorder.stdout:
                said.append(line.strip())
                print(line, end="", file=sys.stderr, flush=True)
    except OSError as error:
        raise DataError(
            f"--official_python={python} cannot be run: {error.strerror}; Python 2.7 with "
            "TensorFlow 1.15 is expected."
        ) from error
    (out / "cases.json").unlink(missing_ok=True)
    if recorder.returncode:
        last = [line for line in said if line] or ["it said nothing"]
        raise RunError(f"the official code was not recorded: {last[-1]}")


def _replay(paths: Iterable[Path], precision: str) -> list:
    from wae_tf.official.parity import replay, tabulated

    rows = []
    for path in paths:
        started = time.perf_counter()
        try:
            if path.stem == "schedules":
                found = tabulated.schedule_rows(str(path))
            elif path.stem == "splits":
                found = tabulated.split_rows(str(path))
            else:
                found = replay.Replay(str(path), precision).rows()
        except (ValueError, KeyError, OSError) as error:
            raise DataError(f"{path} is not a record of this project: {error}.") from error
        rows += found
        seconds = time.perf_counter() - started
        print(f"replayed {path.stem} in {seconds:.1f} s", file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence) -> str:
    """The rows as text: case, quantity, difference, floor, tolerance, verdict, worst array."""
    lines = [("case", "quantity", "difference", "floor", "tolerance", "", "nearest to its limit")]
    for row in rows:
        floor = "-" if row.floor is None else f"{row.floor:.1e}"
        tolerance = "none" if row.tolerance == float("inf") else f"{row.tolerance:.0e}"
        numbers = (f"{row.difference:.1e}", floor, tolerance)
        lines.append((row.case, row.quantity, *numbers, row.verdict, row.where))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def summary(rows: Sequence) -> str:
    """How many comparisons came out how."""
    from wae_tf.official.parity.differences import FLOOR_FACTOR

    verdicts = ("ok", "floor", "fork", "FAIL")
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in verdicts}
    return (
        f"{len(rows)} comparisons: {counts['ok']} ok, within tolerance; {counts['floor']} floor, "
        f"beyond it but within {FLOOR_FACTOR:g} times what the official code differs by from itself "
        f"when its weights move by one rounding; {counts['fork']} fork, of runs that rounding sent "
        f"another way and that agree from weights moved by one rounding; {counts['FAIL']} failed."
    )


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
    wanted = _known_cases(arguments.cases)
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
        rows = _replay(paths, arguments.precision)
    print(table(rows))
    print(summary(rows))
    if arguments.json:
        write_json(rows, arguments.json)
    return 0 if all(row.ok for row in rows) else 1


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


def write_json(rows: Sequence, path: str) -> None:
    """Writes the table to a file."""
    keys = ("case", "quantity", "difference", "floor", "tolerance", "verdict", "where")
    listed = [{key: _plain(getattr(row, key)) for key in keys} for row in rows]
    write_atomically(Path(path).resolve(), json.dumps(listed, indent=1) + "\n")


def _plain(value: object) -> object:
    # JSON knows no infinity: no tolerance is null.
    return None if value == float("inf") else value
