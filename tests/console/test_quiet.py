"""TensorFlow's notes are left out of stderr; its errors, a crash's last words and all else pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wae_tf.console import quiet

ROOT = Path(__file__).parents[1]
NOTES = [
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"I0000 00:00:1795619872.979663    7969 cudart_stub.cc:31] Could not find cuda drivers",
    b"2026-01-01 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This one",
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.",
    b"E0000 00:00:17.9   79 cuda_fft.cc:467] Unable to register cuFFT factory: one is there",
]
WARNINGS = [
    b"W0000 00:00:1795619872.979663    7969 gpu_device.cc:31] Cannot dlopen some GPU libraries",
    b"2026-01-01 10:00:00.123456: W tensorflow/core/framework/x.cc:210] Allocation exceeds",
]
REAL = [
    b"E0000 00:00:1795619872.979663    7969 gpu.cc:31] failed call to cuInit: out of memory",
    b"F0000 00:00:1795619872.979663    7969 x.cc:31] Check failed: size >= 0",
    b"2026-01-01 10:00:00.123456: F tensorflow/core/x.cc:1] Non-OK-status",
    b"Traceback (most recent call last):",
    b"Illegal instruction",
    b"I am no note",
    b"",
]


def test_notes_are_told_from_errors():
    assert [*quiet.passed([*NOTES, *WARNINGS, *REAL], quiet.ERRORS)] == REAL
    assert [*quiet.passed([*NOTES, *WARNINGS, *REAL], quiet.WARNINGS)] == [*WARNINGS, *REAL]


def run(program, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )


@pytest.mark.processes
def test_a_crash_has_its_last_words():
    done = run(
        "import os, sys\n"
        "from wae_tf.console import quiet\n"
        "quiet.start(quiet.ERRORS)\n"
        "print('of Python', file=sys.stderr)\n"
        "os.write(2, b'I0000 00:00:17.9 79 x.cc:1] a note\\nE0000 00:00:17.9 79 x.cc:1] an error\\n')\n"
        "os.write(2, b'F0000 00:00:17.9 79 x.cc:1] last words')\n"
        "os.kill(os.getpid(), 6)\n"
    )
    assert done.returncode == -6
    lines = sorted(done.stderr.splitlines())
    assert len(lines) == 3 and "an error" in lines[0] and lines[1].endswith("last words")
    assert lines[2] == "of Python"


@pytest.mark.processes
@pytest.mark.parametrize("verbosity", ["-2", "0"])
def test_verbosity_asks_for_the_notes(verbosity):
    done = run(
        "import os, sys\n"
        f"sys.argv = ['main', '--verbosity={verbosity}', '--dataset=svhn']\n"
        "from wae_tf import main\n"
        "real = main.modes.run\n"
        "def parse(arguments):\n"
        "    os.write(2, b'I0000 00:00:17.9 79 x.cc:1] a note\\n')\n"
        "    return None\n"
        "main.cli_arguments.help_text = parse\n"
        "sys.exit(main.program())\n"
    )
    assert done.returncode == 2
    notes = [line for line in done.stderr.splitlines() if line.endswith("a note")]
    assert len(notes) == (verbosity == "0")
    assert "wae_tf: --dataset=svhn is not known" in done.stderr


@pytest.mark.processes
def test_streams_that_are_closed_get_no_file(tmp_path):
    code = "import sys, os; from wae_tf import main; sys.exit(main.program())"
    said = ["sh", "-c", f'exec {sys.executable} -c "{code}" "$@" >&- 2>&-', "sh"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments, status in ((["--help"], 0), (["--mode=fly"], 2)):
        assert subprocess.run([*said, *arguments], env=environment).returncode == status
    # What is opened next gets a descriptor above those of the streams.
    opened = run(
        "import os, sys\n"
        "from wae_tf.console import quiet\n"
        "os.close(1), os.close(2)\n"
        "sys.stdout = sys.stderr = None\n"
        "quiet.open_streams()\n"
        f"file = open({str(tmp_path / 'file')!r}, 'w')\n"
        "print('nothing'), sys.stderr.write('nothing'), os.write(2, b'nothing')\n"
        "file.write(str(file.fileno()))\n"
    )
    assert opened.returncode == 0 and int((tmp_path / "file").read_text()) > 2
