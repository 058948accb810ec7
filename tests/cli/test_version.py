"""--version, and the ways to start the program; no TensorFlow."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wae_tf
from wae_tf import main
from wae_tf.cli import version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_line_names_what_runs_here(capsys):
    import keras
    import tensorflow as tf

    assert main.main(["--version"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    for name, one in (("wae_tf", wae_tf), ("tensorflow", tf), ("keras", keras)):
        assert f"{name} {one.__version__}" in line
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in line


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(version, "_PACKAGES", ("tensorflow", "wae_tf_of_nobody"))
    assert ", no wae_tf_of_nobody, Python" in version.text()


def test_the_version_is_said_once():
    assert PROJECT["version"] == wae_tf.__version__
    assert f'version: "{wae_tf.__version__}"' in (ROOT / "CITATION.cff").read_text()


def test_the_console_script_is_the_program():
    module, _, name = PROJECT["scripts"]["wae_tf"].partition(":")
    assert module == "wae_tf.main" and getattr(main, name) is main.program


@pytest.mark.processes
@pytest.mark.parametrize(
    "start", [["-m", "wae_tf"], ["-c", "from wae_tf.main import program\nprogram()"]]
)
def test_it_starts_without_tensorflow(start):
    code = [sys.executable, "-X", "importtime", *start, "--version"]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(f"wae_tf {wae_tf.__version__}, ")
    assert "| tensorflow" not in done.stderr and "| keras" not in done.stderr


@pytest.mark.processes
def test_who_reads_no_further_is_no_traceback():
    code = f"{sys.executable} -m wae_tf --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (141, b"")
