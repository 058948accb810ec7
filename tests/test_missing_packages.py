"""TFDS, TF-GAN and TF Hub missing or broken: nothing else stops, and what needs one says so."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factory import tiny_run
from wae_tf.data import keras_files, load, tfds
from wae_tf.errors import DataError, RunError
from wae_tf.evaluation import network_files, tfgan

ROOT = Path(__file__).parent.parent
HIDDEN = ("tensorflow_datasets", "tensorflow_gan", "tensorflow_hub", "importlib_resources")


@pytest.fixture(params=["missing", "broken"])
def without(request, monkeypatch, tmp_path):
    """Makes a package's import fail, as if it were not there or as one does that is too old."""

    def hide(name):
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        if request.param == "missing":
            monkeypatch.setitem(sys.modules, name, None)
            return
        folder = tmp_path / "broken" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise AttributeError('no estimator')")
        monkeypatch.syspath_prepend(str(tmp_path / "broken"))

    return hide


def test_a_data_set_of_tfds_says_what_else_goes(without, monkeypatch, tmp_path):
    without("tensorflow_datasets")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # keras.datasets has nothing either
    for dataset in ("mnist", "cifar10", "celeba", "dsprites"):
        with pytest.raises(DataError) as caught:
            load.load(dataset)
        assert f"{dataset} without --data_dir needs tensorflow-datasets, which cannot be" in str(
            caught.value
        )
        assert "pip install 'tensorflow-datasets>=4.9.10,<4.10'" in str(caught.value)
        assert "or give --data_dir with " in str(caught.value)
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    with pytest.raises(DataError, match=f"mnist in {tmp_path / 'data'} needs tensorflow-datasets"):
        tfds.prepared_in("mnist", tmp_path / "data")


def test_what_keras_keeps_goes_without_tfds(without, monkeypatch, tmp_path, rng):
    without("tensorflow_datasets")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    images = rng.randint(0, 256, (70, 28, 28)).astype(np.uint8)
    labels = np.arange(70, dtype=np.uint8) % 10
    np.savez(
        tmp_path / "datasets" / "mnist.npz",
        x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:],
    )  # fmt: skip
    assert keras_files.kept("mnist")
    found = load.load("mnist", split="own")
    np.testing.assert_array_equal(found.test[..., 0], images[60:])


def test_distances_say_that_they_need_tf_gan(without):
    without("tensorflow_gan")
    tfgan._eval.cache_clear()
    try:
        with pytest.raises(RunError, match=r"TF-GAN.* distances need.*pip install 'tensorflow-gan"):
            tfgan.require()
    finally:
        for module in [m for m in sys.modules if m.partition(".")[0] == "tensorflow_gan"]:
            del sys.modules[module]


def test_a_handle_says_that_it_needs_tf_hub(without):
    without("tensorflow_hub")
    with pytest.raises(
        network_files.Unreachable, match="needs tensorflow-hub, which cannot be import"
    ):
        network_files.download("https://tfhub.dev/tensorflow/tfgan/eval/inception/1", "inception")


@pytest.mark.slow
@pytest.mark.processes
def test_the_default_run_touches_none_of_them(tmp_path):
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({HIDDEN}))\n"
        "from wae_tf import main\n"
        f"at = '--work_dir={tmp_path / 'run'}'\n"
        f"assert main.main([at, *{tiny_run(steps=2, figure_every=1)}]) == 0\n"
        "for mode in ('sample', 'export'):\n"
        "    assert main.main(['--mode=' + mode, at]) == 0\n"
        f"assert not any(sys.modules[name] for name in {HIDDEN})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
