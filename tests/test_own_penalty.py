"""The files and commands of docs/own_penalty.md, as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factory import tiny_run
from wae_tf.runs.folder import RunFolder

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own_penalty.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^python -m wae_tf\.main (--plugins=.*)$", PAGE, re.MULTILINE)
TWO_CPUS = """
import sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from wae_tf import main
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def python(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(
    "program", ["in_a_program.py", pytest.param("regularised.py", marks=pytest.mark.slow)]
)
def test_a_program_runs(folder, program):
    python(folder, program)


@pytest.mark.slow
@pytest.mark.processes
def test_a_run_on_two_devices_is_that_of_one(folder):
    one, two = COMMANDS
    assert two == f"{one} --distribute=mirrored"
    small = tiny_run(steps=5, figure_every=0, precision="float64")  # no rounding to speak of
    python(folder, "-m", "wae_tf.main", *shlex.split(one), *small, "--work_dir=one")
    shown = python(folder, "-c", TWO_CPUS, *shlex.split(two), *small, "--work_dir=two")
    assert "2 replicas" in shown
    histories = [RunFolder(folder / name).read_history() for name in ("one", "two")]
    for name in ("train_loss", "train_penalty", "test_penalty"):
        left, right = (np.array(history[name]) for history in histories)
        np.testing.assert_allclose(left, right, rtol=1e-9)


def test_the_energy_distance_is_what_it_says(folder, monkeypatch):
    import tensorflow as tf

    from wae_tf import registry
    from wae_tf.models.encoding import Encoding, Noise

    monkeypatch.syspath_prepend(str(folder))
    try:
        import energy

        model = energy.WaeEnergy((4, 4, 1), zdim=1, encoder_arch="mlp", decoder_arch="mlp")
        # Codes 0 and 1, prior 0 and 3: 2 (0 + 3 + 1 + 2) / 4 - 2 (1 + 3) / 2.
        codes, prior = tf.constant([[0.0], [1.0]]), tf.constant([[0.0], [3.0]])
        value = model.penalty(Encoding(codes), prior, Noise())
        assert float(value) == pytest.approx(3 - 4, abs=1e-5)
    finally:
        sys.modules.pop("energy", None)
        registry._imported.pop(("model", "wae_energy"), None)
