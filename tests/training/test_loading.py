"""`wae_tf.load`: a file, a run's folder and the hub, and what is none of them."""

import sys
import types

import keras
import numpy as np
import pytest

import wae_tf
from tests.factory import SHORT, TINY, tiny_model
from wae_tf.cli import arguments
from wae_tf.runs.flags_file import config_of, flags_text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    config = wae_tf.Config(**TINY, **SHORT, work_dir=str(folder), epochs=2, pretrain=False)
    wae_tf.train(config)
    return folder


@pytest.fixture
def saved(tmp_path):
    model = tiny_model()
    model.save(tmp_path / "wae.keras")
    return model, tmp_path


def test_a_run_is_loaded_by_its_folder(run, monkeypatch):
    model = wae_tf.load(run)
    assert int(model.step.numpy()) == 8
    assert model.settings.zdim == 3
    assert model.reconstruct(np.zeros((2, 28, 28, 1), np.uint8)).shape == (2, 28, 28, 1)
    monkeypatch.chdir(run.parent)
    again = wae_tf.load("digits")
    np.testing.assert_array_equal(model.sample(3, seed=0), again.sample(3, seed=0))
    assert int(wae_tf.load("digits", checkpoint=4).step.numpy()) == 4
    with pytest.raises(wae_tf.UserError, match=r"custom_objects: of \.keras files"):
        wae_tf.load("digits", custom_objects={})


@pytest.mark.parametrize("preset", ["celeba_wae_gan", "digits_wae_mmd", "mnist_wae_mmdpp"])
def test_flags_are_read_back_as_they_were_written(preset):
    dataset, model = preset.split("_", 1)
    _, config = arguments.parse([f"--dataset={dataset}", f"--model={model}", "--jit=false"])
    assert config_of(flags_text(config)) == config


def hub(monkeypatch, fetch):
    monkeypatch.setitem(
        sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch)
    )


def test_a_model_saved_into_a_folder_is_loaded(saved):
    model, folder = saved
    model.save(folder / "parts", zipped=False)
    again = wae_tf.load(folder / "parts")
    np.testing.assert_array_equal(model.sample(3, seed=0), again.sample(3, seed=0))
    with pytest.raises(wae_tf.UserError, match="checkpoint= is of a run's folder"):
        wae_tf.load(folder / "parts", checkpoint=3)


def test_the_hub_holds_a_file_or_a_run(run, saved, monkeypatch):
    model, folder = saved
    places = {"me/model": folder, "me/run": run}
    hub(monkeypatch, lambda repo_id: str(places[repo_id]))
    again = wae_tf.load("hf://me/model")
    np.testing.assert_array_equal(again.sample(3, seed=0), model.sample(3, seed=0))
    assert int(wae_tf.load("hf://me/run").step.numpy()) == 8
    with pytest.raises(wae_tf.UserError, match="hf://me/other cannot be fetched"):
        wae_tf.load("hf://me/other")
    with pytest.raises(wae_tf.UserError, match="names no repository"):
        wae_tf.load("hf://me")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(wae_tf.UserError, match="needs huggingface_hub, which is not installed"):
        wae_tf.load("hf://me/model")


class Own(keras.layers.Layer):
    """Not registered, as in the module of a user who does not know that it must be."""

    def call(self, x):
        return x * 2.0

    def get_config(self):
        return super().get_config()


def test_what_is_no_model_is_a_sentence(saved, tmp_path):
    given = keras.Input((4,))
    keras.Model(given, keras.layers.Dense(2)(given)).save(tmp_path / "other.keras")
    own = keras.Sequential([keras.Input((4,)), Own(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    wae_tf.WaeMmd(encoder=own, decoder=decoder).save(tmp_path / "own.keras")
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "a.h5").write_text("no model")
    (tmp_path / "empty").mkdir()
    for name, sentence in {
        "none.keras": r"is not there; accepted: a \.keras file, a run's folder",
        "a.h5": r"is no \.keras file",
        "empty": r"neither a run nor a \.keras file",
        ".": r"4 \.keras files",
        "text.keras": "cannot be opened",
        "other.keras": "holds a Functional, no model of wae_tf",
    }.items():
        with pytest.raises(wae_tf.UserError, match=sentence):
            wae_tf.load(tmp_path / name)
    with pytest.raises(
        wae_tf.RunError, match=r"^checkpoint= is of a run's folder; .*own.keras is a"
    ):
        wae_tf.load(tmp_path / "own.keras", checkpoint="best")
    loaded = wae_tf.load(tmp_path / "own.keras", custom_objects={"Own": Own})
    assert loaded.settings.zdim == 2


def test_another_programs_config_beside_a_file_does_not_hide_it(saved, tmp_path):
    folder = tmp_path / "download"
    folder.mkdir()
    saved[0].save(folder / "a.keras")
    (folder / "config.json").write_text("{}")
    again = wae_tf.load(folder)
    np.testing.assert_array_equal(saved[0].sample(3, seed=0), again.sample(3, seed=0))


def test_damaged_files_and_long_names_are_sentences(tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"")
    with pytest.raises(wae_tf.UserError, match="cannot be opened: it is no zip archive"):
        wae_tf.load(tmp_path / "bad.keras")
    with pytest.raises(wae_tf.UserError, match="is not there"):
        wae_tf.load("a" * 5000)
