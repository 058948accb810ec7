"""--conditional: a run with labels from the flags to a served model, and what is refused."""

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wae_tf
from tests.factory import said, tiny_run
from wae_tf.cli import arguments
from wae_tf.data import load
from wae_tf.errors import DataError
from wae_tf.training import resuming, setup


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    given = tiny_run(
        work_dir=str(folder), conditional=True, epochs=2, figure_every=10, test_line=True
    )
    wae_tf.train(arguments.parse(given)[1])
    return folder


def test_a_run_finds_its_classes_and_shows_them(run):
    text = (run / "flags.flags").read_text()
    assert "--conditional=true" in text
    assert "--classes=10" in text
    model = wae_tf.load(run)
    assert model.decoder.input_shape == (None, 3 + 10)
    assert (run / "figures" / "classes.png").is_file()
    assert (run / "test_line.csv").is_file()


def test_data_of_more_classes_than_the_run_are_named(run):
    config = arguments.parse(["--mode=evaluate", f"--work_dir={run}"])[1]
    images = load.load("digits", train_size=200, test_size=60)
    more = dataclasses.replace(images, test_labels=images.test_labels + 1)
    with pytest.raises(DataError, match=r"has 11 classes, and the run in .* is of 10"):
        resuming.restore(config, more)


def test_its_test_cost_is_by_the_true_labels(run):
    model = wae_tf.load(run)
    images = load.load("digits", train_size=200, test_size=60)
    cost = model.score(images.test, labels=images.test_labels).numpy().mean()
    noted = wae_tf.runs.folder.RunFolder(run).read_metrics()["test_reconstruction"]
    np.testing.assert_allclose(noted, cost, rtol=1e-4)


def test_the_modes_take_labels(run, capsys):
    where = f"--work_dir={run}"
    said(capsys, "--mode=evaluate", where, "--eval_samples=60", "--sampler=gmm")
    model = wae_tf.load(run)
    for asked, labels in (("3", [3, 3, 3, 3]), ("3,1,7", [3, 1, 7, 3])):
        said(capsys, "--mode=sample", where, "--num_samples=4", f"--labels={asked}")
        samples = np.load(run / "samples.npy")
        expected = model.sample(4, seed=0, labels=labels).numpy()
        np.testing.assert_allclose(samples / 255, expected, atol=0.003)
        assert np.load(run / "samples_labels.npy").tolist() == labels
    said(capsys, "--mode=interpolate", where)
    for given, sentence, status in (
        (["--mode=sample", "--labels=12"], "whole numbers from 0 to 9", 2),
        (["--mode=evaluate", "--sampler=improved"], "is of models without classes", 2),
        (
            ["--mode=export", "--export_formats=onnx"],
            "is of models without classes|are of models",
            2,
        ),
        (["--mode=export_official"], "the official decoder takes no labels", 1),
    ):
        told = said(capsys, *given, where, status=status)
        assert any(part in told for part in sentence.split("|")), told


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"batch_order": "in_order"}])
def test_a_run_goes_on_to_the_same_weights(how, tmp_path):
    ends = []
    for name, parts in (("whole", (4,)), ("parts", (3, 4))):
        for steps in parts:
            given = tiny_run(
                work_dir=str(tmp_path / name), conditional=True, figure_every=0, steps=steps, **how
            )
            wae_tf.train(arguments.parse(given)[1])
        ends.append(wae_tf.load(tmp_path / name).get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(*ends, strict=True))


# In a process of its own: the number of devices is fixed at the first use of TensorFlow.
TWO_DEVICES = """
import sys
import tensorflow as tf
import wae_tf
from wae_tf.cli import arguments
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
for how in ("none", "mirrored"):
    for model in ("wae_mmd", "wae_gan"):
        where = f"--work_dir={sys.argv[1]}/{how}_{model}"
        given = [*sys.argv[2:], where, f"--distribute={how}", f"--model={model}"]
        wae_tf.train(arguments.parse(given)[1])
"""


@pytest.mark.slow
@pytest.mark.processes
def test_two_replicas_get_the_labels_of_their_rows(tmp_path):
    given = tiny_run(conditional=True, epochs=3, figure_every=0, test_line=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", TWO_DEVICES, str(tmp_path), *given]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    for model in ("wae_mmd", "wae_gan"):
        one, two = (
            list(csv.DictReader((tmp_path / f"{how}_{model}" / "history.csv").open()))
            for how in ("none", "mirrored")
        )
        assert len(one) == len(two) == 3
        for row, other in zip(one, two, strict=True):
            for name in ("loss", "reconstruction", "penalty", "test_reconstruction"):
                expected = float(row[name])
                near = 1e-5 * max(1.0, abs(expected))
                assert float(other[name]) == pytest.approx(expected, rel=0, abs=near), name


def test_what_has_no_labels_or_too_many_is_refused(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(80, 4)))
    data = ["--dataset=folder", f"--data_dir={tmp_path / 'a.npy'}", "--batch_size=20"]
    where = f"--work_dir={tmp_path / 'run'}"
    assert "--conditional needs labels" in said(capsys, *data, where, "--conditional", status=2)
    told = said(capsys, *tiny_run(classes=4), where, status=2)
    assert "--classes=4 is fewer than the 10 classes" in told
    few = load.load("digits", train_size=2, test_size=1)
    config = arguments.parse(tiny_run(conditional=True))[1]
    assert setup.with_classes(config, few).classes == 10  # of all digits
    assert dataclasses.replace(config, classes=12).settings.decoder_width == 15
