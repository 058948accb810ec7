"""The tests under other releases of TensorFlow and Keras: a table, and the same as JSON.

    python benchmarks/matrix.py --tensorflow=2.20,2.21 --keras=3.11,3.13,3.15 --envs=/somewhere tests/models

An environment a TensorFlow, and a folder a Keras that is laid over it, are made below --envs where
they are not there yet: 2 GB and minutes each. The package is that of this checkout.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import common

ROOT = Path(__file__).parent.parent


def others() -> list[str]:
    """The package's requirements but for TensorFlow and Keras, those of its tests among them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = [re.match(r"[\w-]+", line)[0] for line in wanted]
    return [
        line
        for name, line in zip(names, wanted, strict=True)
        if name not in ("tensorflow", "keras", "tensorboard")
    ]


def environment(envs: Path, tensorflow: str) -> Path:
    """The Python of an environment with a TensorFlow; made if need be."""
    folder = envs / f"tensorflow-{tensorflow}"
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = [f"tensorflow=={tensorflow}.*", "tensorboard>=2.20,<2.22", *others()]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


def overlay(envs: Path, keras: str, python: Path) -> Path:
    """The folder of a Keras; made if need be."""
    folder = envs / f"keras-{keras}"
    if not any(folder.glob("keras-*.dist-info")):  # an installation that was cut off leaves less
        wanted = ["--upgrade", "--no-deps", "--target", folder, f"keras=={keras}.*"]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return folder


def tested(python: Path, folder: Path, paths: list[str]) -> dict[str, object]:
    """What the tests say under an environment's Python with a Keras laid over it."""
    path = os.pathsep.join(map(str, (folder, ROOT)))
    env = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    program = "import tensorflow, keras; print(tensorflow.__version__, keras.__version__)"
    told = subprocess.run(
        [python, "-c", program], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    began = time.monotonic()
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    for number, what in re.findall(r"(\d+) (passed|failed|error|skipped)", last):
        counts[what] = int(number)
    return {
        "tensorflow": told[0] if len(told) == 2 else "cannot be imported",
        "keras": told[-1] if len(told) == 2 else "cannot be imported",
        **counts,
        "seconds": round(time.monotonic() - began),
        "failures": re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE),
    }


def main() -> int:
    """Prints the table; exit status 1 where a test failed."""
    parser = common.parser(__doc__)
    parser.add_argument("--tensorflow", default="2.20,2.21")
    parser.add_argument("--keras", default="3.11,3.12,3.13,3.14,3.15")
    parser.add_argument("--envs", type=Path, required=True)
    parser.add_argument("--json", type=common.file_to_write)
    parser.add_argument("tests", nargs="*", default=["tests"])
    given = parser.parse_args()
    rows = []
    for tensorflow in given.tensorflow.split(","):
        python = environment(given.envs.absolute(), tensorflow)
        for keras in given.keras.split(","):
            folder = overlay(given.envs.absolute(), keras, python)
            rows.append(row := tested(python, folder, given.tests))
            asked = (tensorflow, keras)
            for wanted, name in zip(asked, ("tensorflow", "keras"), strict=True):
                if not f"{row[name]}.".startswith(f"{wanted}."):
                    sys.exit(f"{name} {wanted} was asked for, {row[name]} was what the tests had.")
            cells = ("tensorflow", "keras", "passed", "failed", "error", "skipped", "seconds")
            print("  ".join(f"{name} {row[name]}" for name in cells), *row["failures"], flush=True)
            if given.json:
                Path(given.json).write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(row["failed"] or row["error"] or not row["passed"] for row in rows))


if __name__ == "__main__":
    common.program(main)
