"""Callbacks of the user's own, early stopping, the best checkpoint, HParams; resumed as if never stopped."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import SHORT, TINY
from tests.faults import Killed
from wae_tf import main
from wae_tf.errors import FlagError, RunError
from wae_tf.runs import checkpoints
from wae_tf.runs.folder import RunFolder
from wae_tf.training import callbacks as own_callbacks
from wae_tf.training import resuming

STEPS = 4  # an epoch: 200 images by 50
#: val_loss of each epoch of the scripted runs: the third is best.
SCRIPT = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 2.0, 1.0]


def config_of(folder, **fields):
    small = {**TINY, **SHORT, "pretrain": False, "figure_every": 0, "epochs": 8}
    return wae_tf.Config(work_dir=str(folder), **{**small, **fields})


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.hooks, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.hooks.append(("begin", self.params["epochs"], self.params["steps"]))

    def on_train_end(self, logs=None):
        self.hooks.append("end")

    def on_epoch_end(self, epoch, logs=None):
        self.hooks.append(epoch)
        self.logs.append(dict(logs))


class KillBefore(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


@pytest.mark.parametrize(
    "callbacks, found",
    [
        (Recorder, "is the class Recorder"),
        ([Recorder], "holds the class Recorder"),
        ([print], "holds a builtin_function_or_method"),
        ("recorder", "is a str"),
    ],
)
def test_callbacks_that_are_none_are_refused_before_a_folder_is_made(tmp_path, callbacks, found):
    with pytest.raises(ValueError, match=f"^callbacks {found}; accepted: instances of keras"):
        wae_tf.train(config_of(tmp_path / "run"), callbacks)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def scripted(monkeypatch):
    """Tests of epochs that give SCRIPT, whatever the weights are."""
    real = own_callbacks.brief.test_terms

    def by_script(model, images, *rest):
        step = int(model.step.numpy())
        return real(model, images, *rest) | {"test_loss": SCRIPT[-(-step // STEPS) - 1]}

    monkeypatch.setattr(own_callbacks.brief, "test_terms", by_script)


def weights(folder, step):
    reader = tf.train.load_checkpoint(
        str(checkpoints.path_of(folder / "checkpoints", step) / "model")
    )
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name}


def assert_same_weights(one, other, step):
    left, right = weights(one, step), weights(other, step)
    assert set(left) == set(right)
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


def without_seconds(folder):
    history = RunFolder(folder).read_history()
    return {name: column for name, column in history.items() if name != "seconds"}


def test_callbacks_are_called_as_in_one_fit_with_the_tests_numbers(tmp_path):
    seen, csv = Recorder(), keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    config = config_of(tmp_path / "run", steps=10)  # two whole epochs and half of one: two fits
    wae_tf.train(config, callbacks=[seen, csv])
    assert seen.hooks == [("begin", 3, STEPS), 0, 1, 2, "end"]
    history = RunFolder(tmp_path / "run").read_history()
    for i, logs in enumerate(seen.logs):
        assert {"loss", "reconstruction", "penalty"} < set(logs)
        assert logs["val_reconstruction"] == pytest.approx(history["test_reconstruction"][i])
        assert logs["val_penalty"] == pytest.approx(history["test_penalty"][i])
        expected = logs["val_reconstruction"] + 10 * logs["val_penalty"]
        assert logs["val_loss"] == pytest.approx(expected, abs=1e-6)
        assert 0 < logs["images_per_second"] < 1e8
    table = (tmp_path / "log.csv").read_text().splitlines()
    assert len(table) == 4 and "val_reconstruction" in table[0]


def test_keras_callbacks_end_a_run_and_move_its_rate(tmp_path):
    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2

    early = keras.callbacks.EarlyStopping("val_reconstruction", 1e9, patience=2, mode="min")
    best = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", "val_loss", save_best_only=True)
    folder = tmp_path / "run"
    wae_tf.train(config_of(folder), callbacks=[early, Halve(), best])
    metrics = RunFolder(folder).read_metrics()
    assert (metrics["steps"], metrics["epochs"]) == (3 * STEPS, 3)
    assert len(RunFolder(folder).read_history()["epoch"]) == 3
    assert isinstance(keras.saving.load_model(tmp_path / "a.keras"), wae_tf.WaeMmd)
    model = resuming.restore_model(config_of(folder))
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1e-3 / 8)
    # A call without them goes on.
    assert wae_tf.train(config_of(folder, epochs=4))["steps"] == 4 * STEPS


def test_a_callback_that_sets_what_every_step_sets_is_refused(tmp_path):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2)
    config = config_of(tmp_path / "run", lr_schedule="manual", epochs=1)
    with pytest.raises(ValueError, match="'manual' sets the learning rates at every step"):
        wae_tf.train(config, callbacks=[scheduler])


def test_a_callback_whose_file_fails_is_named(tmp_path):
    class Writes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            (tmp_path / "missing" / "x").write_text("")

    with pytest.raises(
        RunError, match=r"the callback Writes failed: FileNotFoundError: .*missing/x: No such file"
    ):
        wae_tf.train(config_of(tmp_path / "run", epochs=1), callbacks=[Writes()])


@pytest.mark.slow
def test_the_best_is_kept_and_training_ends_after_patience_also_when_killed(tmp_path, scripted):
    fields = {"early_stopping_patience": 2, "keep_best": True, "keep_checkpoints": 1}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    metrics = wae_tf.train(config_of(whole, **fields))
    assert (metrics["steps"], metrics["epochs"]) == (5 * STEPS, 5)
    assert metrics["best_step"] == 3 * STEPS
    kept = [5 * STEPS, 3 * STEPS]
    assert checkpoints.steps(whole / "checkpoints") == kept
    for epoch in (3, 4):  # before and within the wait
        with pytest.raises(Killed):
            wae_tf.train(config_of(killed, **fields), callbacks=[KillBefore(epoch)])
    assert wae_tf.train(config_of(killed, **fields))["steps"] == 5 * STEPS
    assert checkpoints.steps(killed / "checkpoints") == kept
    assert without_seconds(whole) == without_seconds(killed)
    for step in kept:
        assert_same_weights(whole, killed, step)
    states = [checkpoints.state_of(f / "checkpoints", 5 * STEPS)["best"] for f in (whole, killed)]
    assert states[0] == states[1]
    assert states[0] == {
        "by": "val_loss", "tested": 60, "value": 3.0, "step": 12, "epoch": 3, "waited": 2,
    }  # fmt: skip

    before = without_seconds(whole)
    assert wae_tf.train(config_of(whole, **fields))["steps"] == 5 * STEPS  # nothing to do
    assert without_seconds(whole) == before
    # With more patience it goes on as a run that had it from the start.
    more = {**fields, "early_stopping_patience": 3}
    assert wae_tf.train(config_of(whole, **more))["steps"] == 6 * STEPS
    patient = tmp_path / "patient"
    wae_tf.train(config_of(patient, **more))
    assert without_seconds(patient) == without_seconds(whole)
    assert_same_weights(patient, whole, 6 * STEPS)


@pytest.mark.slow
def test_an_epoch_that_steps_cuts_short_does_not_count(tmp_path, scripted):
    fields = {"keep_best": True, "save_every": 100}
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    wae_tf.train(config_of(cut, steps=2 * STEPS + 1, **fields))  # SCRIPT[2] at the step it ends at
    state = checkpoints.state_of(cut / "checkpoints", 2 * STEPS + 1)["best"]
    assert (state["epoch"], state["value"]) == (2, 4.0)
    for folder in (cut, whole):
        wae_tf.train(config_of(folder, epochs=4, **fields))
    ends = [checkpoints.state_of(f / "checkpoints", 4 * STEPS)["best"] for f in (cut, whole)]
    assert ends[0] == ends[1] and ends[0]["step"] == 3 * STEPS
    assert without_seconds(whole) == without_seconds(cut)


@pytest.mark.slow
def test_modes_take_the_best_or_a_step(tmp_path, scripted, capsys):
    folder = tmp_path / "run"
    wae_tf.train(config_of(folder, epochs=5, keep_best=True, keep_checkpoints=1))
    at = [f"--work_dir={folder}", "--checkpoint=best"]
    assert main.main(["--mode=evaluate", "--eval_samples=100", *at]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "step 12 is best: val_loss 3.0000" in shown
    assert RunFolder(folder).read_metrics()["evaluated_step"] == 12
    assert "step 12, best" in (folder / "evaluation.json").read_text()
    assert main.main(["--mode=export", *at]) == 0
    card = json.loads((folder / "saved_model" / "1" / "model_card.json").read_text())
    assert card["training"]["step"] == 12
    assert main.main(["--mode=sample", "--num_samples=4", *at]) == 0
    best = np.load(folder / "samples.npy")
    assert main.main(["--mode=sample", "--num_samples=4", at[0], "--checkpoint=20"]) == 0
    assert np.abs(best.astype(int) - np.load(folder / "samples.npy")).max() > 0
    config = config_of(folder, epochs=5, checkpoint="best")
    assert int(resuming.restore_model(config).step.numpy()) == 12
    capsys.readouterr()
    for value, status, sentence in (
        ("13", 1, "has no checkpoint of that step; it has those of 12, 20."),
        ("last", 2, "--checkpoint=last is not known; accepted: newest, best, or the number"),
    ):
        assert main.main(["--mode=export", at[0], f"--checkpoint={value}"]) == status
        assert sentence in capsys.readouterr().err
    with pytest.raises(FlagError, match="training goes on from the newest"):
        wae_tf.train(dataclasses.replace(config, epochs=9))


def test_a_run_without_keep_best_says_so_and_can_begin_to_keep(tmp_path, scripted):
    folder = tmp_path / "run"
    wae_tf.train(config_of(folder, epochs=4, keep_checkpoints=1))
    with pytest.raises(RunError, match="has not kept its best one; train with --keep_best"):
        resuming.restore_model(config_of(folder, checkpoint="best"))
    # The third epoch's is gone: the best of those from now on.
    wae_tf.train(config_of(folder, epochs=6, keep_checkpoints=1, keep_best=True))
    best = config_of(folder, checkpoint="best")
    assert int(resuming.restore_model(best).step.numpy()) == 6 * STEPS


def test_settings_are_tensorboards_hparams(tmp_path):
    from tensorboard.plugins.hparams import plugin_data_pb2

    folder = tmp_path / "run"
    wae_tf.train(config_of(folder, epochs=1, wae_lambda=7.0, data_dir=str(tmp_path)))
    found = {}
    tags = set()
    for path in (folder / "events").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.add(value.tag)
                if value.metadata.plugin_data.plugin_name == "hparams":
                    data = plugin_data_pb2.HParamsPluginData.FromString(
                        value.metadata.plugin_data.content
                    )
                    found |= dict(data.session_start_info.hparams)
    assert found["wae_lambda"].number_value == 7.0
    assert found["model"].string_value == "wae_mmd"
    assert found["mmd_scales"].string_value == "0.1,0.2,0.5,1.0,2.0,5.0,10.0"
    assert found["batch_norm"].bool_value is True
    assert not {"data_dir", "work_dir", "cache_dir", "plugins"} & set(found)
    assert {"test_loss", "test_reconstruction"} <= tags


def test_a_preset_is_that_of_the_command_line():
    from wae_tf.cli import arguments

    config = wae_tf.preset("mnist", "wae_gan", epochs=3)
    there = arguments.parse(["--dataset=mnist", "--model=wae_gan", "--epochs=3"])[1]
    assert config == there and config.epochs == 3
    assert config != wae_tf.Config(dataset="mnist", model="wae_gan", epochs=3)
    with pytest.raises(FlagError, match="--dataset=svhn"):
        wae_tf.preset("svhn")
    with pytest.raises(
        TypeError, match=r"^Config has no argument learning_rate; did you mean lr\?$"
    ):
        wae_tf.preset("mnist", learning_rate=1e-3)
