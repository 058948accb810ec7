"""--conditional: a run with labels from the flags to a served model, and what is refused."""

import dataclasses

import numpy as np
import pytest

import wae_tf
from tests.factory import said, tiny_run
from wae_tf.cli import arguments
from wae_tf.data import load


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    given = tiny_run(work_dir=str(folder), conditional=True, epochs=2, test_line=True)
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


def test_its_test_cost_is_by_the_true_labels(run):
    model = wae_tf.load(run)
    images = load.load("digits", train_size=200, test_size=60)
    cost = model.score(images.test, labels=images.test_labels).numpy().mean()
    noted = wae_tf.runs.folder.RunFolder(run).read_metrics()["test_reconstruction"]
    np.testing.assert_allclose(noted, cost, rtol=1e-4)


def test_the_modes_take_labels(run, capsys):
    where = f"--work_dir={run}"
    said(capsys, "--mode=evaluate", where, "--eval_samples=60", "--sampler=gmm")
    said(capsys, "--mode=sample", where, "--num_samples=4", "--labels=3")
    samples = np.load(run / "samples.npy")
    model = wae_tf.load(run)
    expected = model.sample(4, seed=0, labels=3).numpy()
    np.testing.assert_allclose(samples / 255, expected, atol=0.003)
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


@pytest.mark.parametrize(
    "how", [{}, pytest.param({"batch_order": "in_order"}, marks=pytest.mark.slow)]
)
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


def test_what_has_no_labels_or_too_many_is_refused(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(80, 4)))
    data = ["--dataset=folder", f"--data_dir={tmp_path / 'a.npy'}", "--batch_size=20"]
    where = f"--work_dir={tmp_path / 'run'}"
    assert "--conditional needs labels" in said(capsys, *data, where, "--conditional", status=2)
    told = said(capsys, *tiny_run(classes=4), where, status=2)
    assert "--classes=4 is fewer than the 10 classes" in told
    config = arguments.parse(tiny_run(conditional=True))[1]
    assert dataclasses.replace(config, classes=12).settings.decoder_width == 15
