"""Saved models in a process that has only imported the package; and what importing it does not do."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

import wae_tf
from tests.factory import tiny_model

ROOT = Path(__file__).parents[2]


def python(code):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, a user's model on its encoder and one with it inside, of official networks."""
    folder = tmp_path_factory.mktemp("saved")
    networks = {"encoder_arch": "dcgan", "decoder_arch": "dcgan"}
    model = tiny_model(wae_tf.WaeGan, (8, 8, 1), **networks)
    model.save(folder / "a.keras")
    features = model.encoder.layers[-2].output
    keras.Model(model.encoder.inputs, keras.layers.Dense(10)(features)).save(folder / "b.keras")
    keras.Sequential([keras.Input((8, 8, 1)), model]).save(folder / "c.keras")
    return folder


@pytest.mark.processes
@pytest.mark.parametrize(
    "imports",
    [
        "import keras, wae_tf",
        pytest.param("import wae_tf, keras", marks=pytest.mark.slow),
        pytest.param("import wae_tf.networks.official, keras", marks=pytest.mark.slow),
    ],
)
def test_importing_the_package_is_enough_to_load(saved, imports):
    names = python(
        f"{imports}\n"
        "for name in 'abc':\n"
        f"    model = keras.saving.load_model({str(saved)!r} + f'/{{name}}.keras')\n"
        "    print(type(model).__name__)"
    )
    assert names.split() == ["WaeGan", "Functional", "Sequential"]


@pytest.mark.processes
def test_help_and_the_names_import_no_tensorflow():
    code = (
        "import sys, wae_tf\n"
        "from wae_tf import main\n"
        "print(*dir(wae_tf))\n"
        "sys.argv = ['main', '--help']\n"
        "try:\n    main.main()\nexcept SystemExit:\n    pass\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    lines = python(code).splitlines()
    assert lines[0].split() == sorted(wae_tf.__all__)
    assert lines[-1] == "False False"
    assert len(lines) > 100
