"""Whatever stops a run, it goes on as if nothing had: the same history and weights, bit by bit."""

import contextlib
import csv
import dataclasses
import errno
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny, tiny_model, tiny_run
from tests.faults import Killed, fault, fault_in
from wae_tf import main
from wae_tf.cli.arguments import parse
from wae_tf.console import interruption
from wae_tf.console.interruption import Stop
from wae_tf.errors import DataError, RunError
from wae_tf.evaluation import brief
from wae_tf.figures import of_model
from wae_tf.models import pretraining as pretraining_step
from wae_tf.models.gan import WaeGan
from wae_tf.models.mmd import WaeMmd
from wae_tf.models.step import schedules
from wae_tf.runs import checkpoints
from wae_tf.runs import folder as folder_module
from wae_tf.runs.flags_file import flags_text
from wae_tf.runs.folder import RunFolder
from wae_tf.training import (
    fitting,
    pretraining,
    programs,
    reading,
    resuming,
    setup,
)
from wae_tf.training.best import Best
from wae_tf.training.callbacks import BadStep, Checkpoints, StopOnBadStep
from wae_tf.training.own_callbacks import OwnCallbacks
from wae_tf.training.programs import Length

ROOT = Path(__file__).parents[2]

TINY = tiny_run(
    batch_size=40, zdim=4, epochs=3, pretrain_size=50, pretrain_steps=4, pictures=4,
    picture_columns=2, save_every_steps=2, adversary_layers=4,
)  # fmt: skip
STEPS = 15  # three epochs of five
FIGURES = "--figure_every=2"


@pytest.fixture(scope="module", autouse=True)
def quick_schedules():
    """Schedules that move within 15 steps as they else do within thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules, "LAMBDA_EVERY", 4)
        for name, value in (("START", 0), ("WINDOW", 1), ("PATIENCE", 0)):
            patch.setattr(schedules, f"PLATEAU_{name}", value)
        yield


def run(folder, *arguments):
    return main.main([f"--work_dir={folder}", *TINY, *arguments])


def history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]


def rollbacks(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [int(row["rollbacks"]) for row in csv.DictReader(file)]


def weights(folder, step=STEPS):
    prefix = str(checkpoints.path_of(folder / "checkpoints", step) / "model")
    reader = tf.train.load_checkpoint(prefix)
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    return {name: reader.get_tensor(name) for name in names}


def assert_same(one, other):
    assert history(one) == history(other)
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def remembered(folder):
    """What the last checkpoint keeps besides the weights, but for times."""
    state = checkpoints.state_of(folder / "checkpoints", STEPS)
    seconds = state["history"][0].index("seconds")
    for row in state["history"]:
        del row[seconds]
    del state["row"]["seconds"], state["seconds"], state["flags"]  # which name the folder
    return state


MODELS = {
    "wae_mmd": ["--model=wae_mmd", "--lr_schedule=plateau", "--lambda_schedule=adaptive"],
    "wae_gan": ["--model=wae_gan", "--encoder_noise=implicit", "--lr_schedule=3"],
    "vae": ["--model=vae", "--jit", "--steps_per_execution=5", "--lr_schedule=manual_smooth"],
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folders = {}

    def of(model):
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp("whole") / model
            assert run(folders[model], *MODELS[model], FIGURES) == 0
            if model == "wae_mmd":
                stored = weights(folders[model])
                assert stored["model/schedules/wae_lambda/.ATTRIBUTES/VARIABLE_VALUE"] != 10
                assert stored["model/schedules/plateau/decay/.ATTRIBUTES/VARIABLE_VALUE"] < 1
        return folders[model]

    return of


def killed_at_step(step):
    def check(self, batch, logs=None):
        if int(self.model.step.numpy()) >= step:
            raise Killed

    patch = pytest.MonkeyPatch()
    patch.setattr(StopOnBadStep, "on_train_batch_end", check)
    stack = contextlib.ExitStack()
    stack.callback(patch.undo)
    return stack


# Checkpoints come at steps 0, 2, 4, 5, 7, ...; a manifest is synced before its folder is renamed.
# In the order in which a run comes by them: each kill is of the run that goes on from the one before.
POINTS = {
    "in pretraining": lambda: fault_in(pretraining_step, "step", Killed()),
    "in a checkpoint's write": lambda: fault("sync", "*/.saving-step-00000002/*", Killed(), time=2),
    "in the first epoch": lambda: killed_at_step(3),
    "before a checkpoint's name": lambda: fault("replace", "*/step-00000004", Killed()),
    "after a checkpoint's name": lambda: fault("replace", "*/step-00000007", Killed(), after=True),
    "in a row of history": lambda: fault("sync", "*/history.csv", Killed()),
    "in a figure": lambda: fault("replace", "*/figures/progress_*.png", Killed()),
    "between row and checkpoint": lambda: fault_in(Checkpoints, "on_epoch_end", Killed()),
    "in the last epoch": lambda: killed_at_step(14),
    "in the evaluation": lambda: fault_in(brief, "evaluate", Killed()),
    "in the last metrics": lambda: fault("replace", "*/metrics.json", Killed(), time=2),
}


#: Of the models that are not killed everywhere. Epochs of the vae are one call: no saves within them.
SOME = {
    "wae_gan": (
        "in the first epoch", "before a checkpoint's name", "in a figure", "in the evaluation",
    ),
    "vae": ("in the first epoch", "in a row of history"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_killed_anywhere_a_run_goes_on_bit_by_bit(model, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    for name in SOME.get(model, POINTS):
        with POINTS[name](), pytest.raises(Killed):
            run(folder, *MODELS[model], FIGURES)
    assert run(folder, *MODELS[model], FIGURES) == 0
    assert_same(folder, uninterrupted(model))


@pytest.mark.parametrize("name", ["WaeMmd", "WaeGan", "WaeMmdpp", "Vae"])
def test_every_variable_is_in_the_checkpoint(name, tmp_path):
    def make():
        cls = getattr(wae_tf, name)
        model = small(
            cls,
            lr_schedule="plateau",
            schedule_length=(2, 9),
            data_size=8,
            precision="mixed_float16",
        )
        found = [*model.variables, *model.optimizer.variables]
        return model, found + list(getattr(model.adversary_optimizer, "variables", []))

    model, variables = make()
    model.step.assign(1)
    for number, variable in enumerate(variables):
        if variable is not model.step:
            variable.assign(np.full(variable.shape, number % 100 + 2))
    checkpoints.save(tmp_path, model, {}, 1)
    again, found = make()
    checkpoints.restore(tmp_path, 1, again)
    assert len(found) == len(variables) > 30
    for variable, other in zip(variables, found, strict=True):
        np.testing.assert_array_equal(variable.numpy(), other.numpy(), err_msg=variable.path)


@pytest.mark.slow
@pytest.mark.processes
def test_kill_9_again_and_again(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-c", (
        "import os, signal, sys\n"
        "from wae_tf import main\n"
        "from wae_tf.training import callbacks\n"
        "def check(self, batch, logs=None):\n"
        "    if int(self.model.step.numpy()) >= int(sys.argv[1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "callbacks.StopOnBadStep.on_train_batch_end = check\n"
        "sys.exit(main.main(sys.argv[2:]))\n"
    )]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for step in (4, 11):
        arguments = [str(step), f"--work_dir={folder}", *TINY, *MODELS["wae_gan"]]
        killed = subprocess.run([*command, *arguments], env=environment, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert checkpoints.newest(folder / "checkpoints") in (step - 2, step - 1)
    assert run(folder, *MODELS["wae_gan"]) == 0
    assert_same(folder, uninterrupted("wae_gan"))


@pytest.mark.usefixtures("hangs_up")
def test_signals_save_and_say_how_to_go_on(uninterrupted, tmp_path, monkeypatch, capsys):
    for number, status, struck in (
        (signal.SIGTERM, 143, 7), (signal.SIGHUP, 129, 9), (signal.SIGINT, 130, 12),
    ):  # fmt: skip

        def at_step(self, batch, logs=None, number=number, struck=struck):
            if int(self.model.step.numpy()) == struck:
                os.kill(os.getpid(), number)

        with monkeypatch.context() as patch:
            patch.setattr(StopOnBadStep, "on_train_batch_end", at_step)
            assert run(tmp_path / "run", *MODELS["wae_mmd"]) == status
        error = capsys.readouterr().err
        assert f"step {struck} is saved; the same command goes on from there" in error
        assert len(error.strip().splitlines()) == 1
    assert run(tmp_path / "run", *MODELS["wae_mmd"]) == 0
    assert_same(tmp_path / "run", uninterrupted("wae_mmd"))


def test_a_signal_does_not_wait_for_figures_which_the_next_run_draws(
    uninterrupted, tmp_path, monkeypatch
):
    append = RunFolder.append_history

    def struck(self, row):
        if row["step"] == 10:  # the second epoch's end
            os.kill(os.getpid(), signal.SIGTERM)
        append(self, row)

    folder, name = tmp_path / "run", "progress_0002.png"
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append_history", struck)
        assert run(folder, *MODELS["wae_mmd"], FIGURES) == 143
    assert len(history(folder)) == 2
    figures = folder / "figures"
    assert not (figures / name).exists()
    assert run(folder, *MODELS["wae_mmd"], FIGURES) == 0
    assert_same(folder, uninterrupted("wae_mmd"))
    expected = uninterrupted("wae_mmd") / "figures"
    for path in sorted(expected.glob("progress_*.png")):
        assert (figures / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_figure_costs_no_epoch(uninterrupted, tmp_path, monkeypatch, capsys):
    folder, draw = tmp_path / "run", of_model.draw_progress
    with fault(
        "replace", "*/figures/samples.png", OSError(errno.ENOSPC, "No space left on device")
    ):
        assert run(folder, *MODELS["wae_mmd"], FIGURES) == 1
    assert "No space left" in capsys.readouterr().err
    assert checkpoints.newest(folder / "checkpoints") == 5

    def struck(model, path, *args, **kwargs):
        if path.name == "progress_0002.png":
            os.kill(os.getpid(), signal.SIGTERM)
        draw(model, path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(of_model, "draw_progress", struck)
        assert run(folder, *MODELS["wae_mmd"], FIGURES, "--save_every=3") == 143
    assert "step 10 is saved" in capsys.readouterr().err
    assert run(folder, *MODELS["wae_mmd"], FIGURES) == 0
    assert_same(folder, uninterrupted("wae_mmd"))
    for path in (folder / "figures").glob("*.png"):
        assert path.read_bytes() == (uninterrupted("wae_mmd") / "figures" / path.name).read_bytes()


@pytest.mark.parametrize("end", ["a signal", pytest.param("killed", marks=pytest.mark.slow)])
def test_figures_of_an_epoch_that_was_cut_short_are_drawn_anew(
    end, uninterrupted, tmp_path, monkeypatch
):
    folder, test_terms = tmp_path / "run", brief.test_terms
    assert run(folder, *MODELS["wae_mmd"], FIGURES, "--steps=8") == 0

    def struck(model, *args):
        if int(model.step.numpy()) == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return test_terms(model, *args)

    if end == "killed":
        with (
            fault("replace", "*/figures/progress_0002.png", Killed()),
            pytest.raises(Killed),
        ):
            run(folder, *MODELS["wae_mmd"], FIGURES)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(brief, "test_terms", struck)
            assert run(folder, *MODELS["wae_mmd"], FIGURES) == 143
    assert run(folder, *MODELS["wae_mmd"], FIGURES) == 0
    name = "figures/progress_0002.png"
    assert (folder / name).read_bytes() == (uninterrupted("wae_mmd") / name).read_bytes()


def test_a_step_whose_checkpoint_was_damaged_is_saved_again(tmp_path, monkeypatch, capsys):
    folder, struck = tmp_path / "run", []
    end, check = OwnCallbacks.on_epoch_end, StopOnBadStep.on_train_batch_end

    def bad(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step > 10 and not struck:
            struck.append(step)
            for path in checkpoints.path_of(folder / "checkpoints", 10).glob("model*"):
                path.write_bytes(b"x")
            raise BadStep(step, "bad")
        check(self, batch, logs)

    def signalled(self, epoch, logs=None):
        end(self, epoch, logs)
        if struck:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StopOnBadStep, "on_train_batch_end", bad)
    monkeypatch.setattr(OwnCallbacks, "on_epoch_end", signalled)
    flags = ["--model=wae_mmd", "--on_nonfinite=rollback", "--save_every=5", "--save_every_steps=5"]
    assert run(folder, *flags, "--figure_every=0") == 143
    assert "step 10 is saved" in capsys.readouterr().err
    assert checkpoints.newest(folder / "checkpoints") == 10


BEST = ["--test_line", "--keep_best", "--early_stopping_patience=2", "--save_every=3"]


@pytest.fixture(scope="module")
def with_best(tmp_path_factory):
    folder = tmp_path_factory.mktemp("best") / "run"
    assert run(folder, *MODELS["wae_mmd"], *BEST) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [2, 3])  # of the last one no later checkpoint tells
@pytest.mark.parametrize("place", ["test_terms", "least_sharpness", "test_line"])
def test_a_signal_does_not_wait_for_an_epochs_test_which_the_next_run_makes_up_for(
    place, epoch, with_best, tmp_path, monkeypatch, capsys
):
    whole, folder, more = with_best, tmp_path / "run", BEST
    real, calls = getattr(brief, place), []

    def struck(*args):
        calls.append(None)
        if len(calls) == epoch:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(brief, place, struck)
        assert run(folder, *MODELS["wae_mmd"], *more) == 143
    assert f"step {5 * epoch} is saved" in capsys.readouterr().err
    owed = place != "test_line"  # all is done by the last
    assert len(history(folder)) == epoch - owed
    assert run(folder, *MODELS["wae_mmd"], *more) == 0
    assert_same(folder, whole)
    assert remembered(folder) == remembered(whole)
    assert (folder / "test_line.csv").read_bytes() == (whole / "test_line.csv").read_bytes()
    assert checkpoints.steps(folder / "checkpoints") == checkpoints.steps(whole / "checkpoints")


def test_a_signal_in_pretraining_says_that_nothing_is_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        pretraining, "pretrain", lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert run(tmp_path / "run") == 143
    assert "nothing of this run is saved yet" in capsys.readouterr().err


def test_a_signal_in_the_trace_of_pretraining_is_answered_before_the_next_step(
    tmp_path, monkeypatch, capsys
):
    real, traced = pretraining_step.step, []

    def in_the_trace(*args):
        traced.append(os.kill(os.getpid(), signal.SIGTERM) if not traced else None)
        return real(*args)

    monkeypatch.setattr(pretraining_step, "step", in_the_trace)
    assert run(tmp_path / "run", "--pretrain_size=200") == 143
    error = capsys.readouterr().err
    assert "SIGTERM: nothing of this run is saved yet" in error
    assert len(error.strip().splitlines()) == 1 and traced
    assert checkpoints.steps(tmp_path / "run" / "checkpoints") == []


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruption.listening("x"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def stopped(folder, step=9):
    with killed_at_step(step), pytest.raises(Killed):
        run(folder, *MODELS["wae_mmd"])


def damage_newest(folder, damage):
    """Damages the newest checkpoint of a run; returns its step and the one before it."""
    newest, before, *_ = checkpoints.steps(folder / "checkpoints")
    path = checkpoints.path_of(folder / "checkpoints", newest)
    file = path / "model.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 3] ^= 16
        file.write_bytes(content)
    elif damage == "remove":
        (path / "model.index").unlink()
    else:
        (path / "manifest.json").write_text("{")
    return newest, before


def assert_named(shown, newest, before):
    assert f"the checkpoint of step {newest} is damaged" in shown
    assert f"going on from step {before} of {STEPS}" in shown


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(uninterrupted, tmp_path, capsys):
    folder = tmp_path / "run"
    stopped(folder)
    found = damage_newest(folder, "flip")
    capsys.readouterr()
    assert run(folder, *MODELS["wae_mmd"]) == 0
    assert_named(capsys.readouterr().out, *found)
    assert_same(folder, uninterrupted("wae_mmd"))


@pytest.mark.slow
def test_whatever_is_damaged_again_and_again(uninterrupted, tmp_path, capsys):
    folder = tmp_path / "run"
    stopped(folder)
    for path in (folder / "checkpoints").glob("*/model.index"):
        path.write_bytes(b"")
    stopped(folder)  # begun anew, for nothing was whole
    for damage, until in (("truncate", 11), ("remove", 13)):
        found = damage_newest(folder, damage)
        capsys.readouterr()
        stopped(folder, until)
        assert_named(capsys.readouterr().out, *found)
    found = damage_newest(folder, "manifest")
    assert run(folder, *MODELS["wae_mmd"]) == 0
    assert_named(capsys.readouterr().out, *found)
    assert_same(folder, uninterrupted("wae_mmd"))


def test_a_full_disk_is_a_sentence_and_what_was_saved_stands(uninterrupted, tmp_path, capsys):
    folder = tmp_path / "run"
    full = OSError(28, "No space left on device")
    with fault("sync", "*/.saving-step-00000007/*", full, time=None):
        assert run(folder, *MODELS["wae_mmd"]) == 1
    error = capsys.readouterr().err
    assert "cannot be written (No space left on device); the one of step 5 stands" in error
    assert len(error.strip().splitlines()) == 1
    assert run(folder, *MODELS["wae_mmd"]) == 0
    assert_same(folder, uninterrupted("wae_mmd"))


@pytest.mark.slow
def test_other_flags_are_refused_and_the_difference_named(tmp_path, capsys):
    folder = tmp_path / "run"
    stopped(folder, 3)
    capsys.readouterr()
    assert run(folder, *MODELS["wae_mmd"], "--lr=0.5") == 2
    assert "with --lr=0.001, not 0.5;" in capsys.readouterr().err
    assert run(folder, *MODELS["wae_mmd"], "--train_size=160") == 2
    assert "with --train_size=200, not 160;" in capsys.readouterr().err
    # What shows or lengthens a run may change.
    assert run(folder, *MODELS["wae_mmd"], "--epochs=4", "--figure_every=4") == 0
    assert history(folder)[-1][:2] == ["4", "20"]


def test_a_finished_run_says_so_and_can_be_lengthened(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder, "--epochs=1") == 0
    capsys.readouterr()
    assert run(folder, "--epochs=1") == 0
    shown = capsys.readouterr()
    assert "nothing to do: " in shown.out and "finished at step 5; raise --epochs" in shown.out
    assert shown.err == ""
    assert run(folder, "--epochs=1", "--steps=5") == 0
    assert "finished at step 5; raise --steps to go on" in capsys.readouterr().out
    assert run(folder, "--epochs=2", "--steps=30") == 0
    assert (
        "--steps=30 is more than --epochs=2 has: training ends at step 10"
        in capsys.readouterr().out
    )
    assert [row[1] for row in history(folder)] == ["5", "10"]
    for fewer, ends in (("--epochs=1", 5), ("--steps=7", 7)):
        assert run(folder, "--epochs=2", fewer) == 2  # a mistake of flags: nothing changes
        assert f"{fewer} ends at step {ends}, and the run in" in capsys.readouterr().err
    assert [row[1] for row in history(folder)] == ["5", "10"]


@pytest.mark.slow
def test_a_part_of_an_epoch_lengthened_is_the_whole(uninterrupted, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder, *MODELS["wae_mmd"], "--steps=7") == 0
    assert [row[:2] for row in history(folder)] == [["1", "5"], ["2", "7"]]
    # An execution of 5 steps must not run over the 3 that are left of the epoch.
    assert run(folder, *MODELS["wae_mmd"], "--steps_per_execution=5") == 0
    assert "going on from step 7 of 15" in capsys.readouterr().out
    assert_same(folder, uninterrupted("wae_mmd"))
    assert remembered(folder) == remembered(uninterrupted("wae_mmd"))


@pytest.fixture(scope="module")
def prepared():
    config = parse(TINY)[1]
    return config, reading.load_images(config)


def begin(folder, prepared, overwrite=False, **changes):
    config, images = prepared
    config = dataclasses.replace(config, work_dir=str(folder))
    images = dataclasses.replace(images, **changes)
    run = RunFolder(folder)
    with run.locked():
        return resuming.begin(run, config, images, programs.Length(5, STEPS), overwrite)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("sync", ".flags.flags.*"), ("replace", "flags.flags"), ("sync", ""),
        ("sync", ".metrics.json.*"), ("replace", "metrics.json"), ("make", "figures"),
    ],
)  # fmt: skip
def test_killed_while_the_folder_is_made(operation, path, after, prepared, tmp_path):
    folder = tmp_path / "run"
    with (
        fault(operation, f"{folder}/{path}".rstrip("/"), Killed(), after=after),
        pytest.raises(Killed),
    ):
        begin(folder, prepared)
    assert begin(folder, prepared) == -1
    known = RunFolder(folder).read_metrics()
    assert known["image_height"] == 28 and known["train_images"] == 200
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock", "checkpoints", "figures", "flags.flags", "metrics.json",
    ]  # fmt: skip


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("remove_tree", "checkpoints"), ("remove_tree", "figures"), ("remove_tree", "events"),
        ("remove", "history.csv"), ("remove", "metrics.json"), ("remove", "flags.flags"),
    ],
)  # fmt: skip
def test_killed_while_a_run_is_removed(operation, path, after, prepared, tmp_path):
    folder = tmp_path / "run"
    begin(folder, prepared)
    run = RunFolder(folder)
    run.append_history({"epoch": 1, "step": 5})
    (run.checkpoints / "step-00000005").mkdir()
    run.events.mkdir()
    (folder / "mine.txt").write_text("a stranger's")
    if after and path == "flags.flags":
        pytest.skip("the run is gone by then, and the folder a stranger's")
    with fault(operation, f"{folder}/{path}", Killed(), after=after), pytest.raises(Killed):
        begin(folder, prepared, overwrite=True)
    assert begin(folder, prepared, overwrite=True) == -1
    assert checkpoints.steps(run.checkpoints) == []
    assert run.read_history()["step"] == []
    assert (folder / "mine.txt").exists()


def test_other_images_under_a_run_are_noticed(prepared, tmp_path):
    begin(tmp_path / "run", prepared)
    train = prepared[1].train
    with pytest.raises(DataError, match="holds a run on other images than scikit-learn"):
        begin(tmp_path / "run", prepared, train=255 - train)
    with pytest.raises(DataError, match="holds a run on 200 training images, and there are 199"):
        begin(tmp_path / "run", prepared, train=train[1:])


def test_every_image_and_label_under_a_run_counts(prepared, tmp_path):
    config, images = prepared
    many = np.concatenate([images.train] * 12)  # 2,400, of which every second one is looked at
    prepared = config, dataclasses.replace(images, train=many)
    begin(tmp_path / "run", prepared)
    one = many.copy()
    one[1] = 255 - one[1]
    with pytest.raises(DataError, match=r"has now \(those for training differ\)"):
        begin(tmp_path / "run", prepared, train=one)
    with pytest.raises(DataError, match=r"has now \(those for test differ\)"):
        begin(tmp_path / "run", prepared, test=255 - images.test)
    # As a run of before these sums, which has that of the thousand alone.
    old = RunFolder(tmp_path / "old")
    begin(old.folder, prepared)
    old.update_metrics({}, drop=("train_rows_sum", "test_rows_sum"))
    with pytest.raises(DataError, match="those for training differ"):
        begin(old.folder, prepared, train=255 - many)
    begin(old.folder, prepared, train=one, test=255 - images.test)
    with pytest.raises(DataError, match="those for training and test differ"):
        begin(old.folder, prepared)  # it has noted all by now
    # Labels too, where the model sees them; much data by a thousand rows.
    with_labels = dataclasses.replace(config, classes=10)
    facts = setup.facts_of(with_labels, prepared[1])
    other = dataclasses.replace(prepared[1], test_labels=9 - images.test_labels)
    assert setup.parts_that_differ(facts, setup.facts_of(with_labels, other)) == ["test"]
    assert setup.facts_of(config, other) == setup.facts_of(config, prepared[1])
    assert setup._sum(many, most=many.nbytes - 1) == setup._sum(many, most=0) != setup._sum(many)


def test_a_signal_while_going_on_says_what_is_saved(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    stopped(folder, 3)
    with monkeypatch.context() as patch:
        real = fitting.fit
        patch.setattr(fitting, "fit", lambda *a: (os.kill(os.getpid(), signal.SIGTERM), real(*a)))
        assert run(folder, *MODELS["wae_mmd"]) == 143
    assert "SIGTERM: step 2 is saved; the same command" in capsys.readouterr().err
    monkeypatch.setattr(reading, "load_images", lambda _, **__: os.kill(os.getpid(), signal.SIGINT))
    assert run(folder, *MODELS["wae_mmd"]) == 130
    assert "training had not begun; the same command begins or" in capsys.readouterr().err
    assert checkpoints.steps(folder / "checkpoints") == [2, 0]


@pytest.mark.processes
def test_two_processes_do_not_share_a_folder(tmp_path, capsys):
    folder = tmp_path / "run"
    with RunFolder(folder).locked():
        assert run(folder) == 1
    assert "is in use by another process" in capsys.readouterr().err
    assert not folder.exists()  # nothing was begun there
    program = (
        "import os, sys\nfrom wae_tf.runs.folder import RunFolder\n"
        f"with RunFolder({str(folder)!r}).locked():\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (folder / ".lock").exists()
    with RunFolder(folder).locked():  # the lock died with its process
        pass


def test_the_lock_has_no_gap(tmp_path):
    folder = tmp_path / "run"
    first, second, third = (RunFolder(folder) for _ in range(3))
    with first.locked():
        folder.joinpath("flags.flags").write_text("")
        waiting = second.lock.open("a")  # a process that has the file open before it is let go
    with waiting:
        folder_module.fcntl.flock(
            waiting, folder_module.fcntl.LOCK_EX | folder_module.fcntl.LOCK_NB
        )
        with pytest.raises(RunError, match="in use by another process"), third.locked():
            pass


def test_only_so_many_checkpoints_are_kept(tmp_path, monkeypatch):
    assert run(tmp_path / "run", "--keep_checkpoints=2", "--figure_every=0") == 0
    assert checkpoints.steps(tmp_path / "run" / "checkpoints") == [15, 14]
    # Fewer make room at once, where a disk has none for the next.
    full = RunError("no space left")
    monkeypatch.setattr(checkpoints, "save", lambda *given: (_ for _ in ()).throw(full))
    assert run(tmp_path / "run", "--keep_checkpoints=1", "--figure_every=0", "--epochs=9") == 1
    assert checkpoints.steps(tmp_path / "run" / "checkpoints") == [15]


def test_a_torn_row_of_history_is_dropped(tmp_path):
    folder = RunFolder(tmp_path)
    for step in (5, 10, 15):
        folder.append_history({"epoch": step // 5, "step": step, "loss": 1.5})
    with folder.history.open("a") as file:
        file.write("4,20,0.")
    folder.cut_history(lambda step: step <= 10)
    assert [row[1] for row in history(tmp_path)] == ["5", "10"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"epoch,step\n1,five\n", b"a,b\n1\n"])
def test_a_history_that_is_no_table_is_a_sentence(content, tmp_path):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"history.csv cannot be read as a table of numbers; remove"):
        RunFolder(tmp_path).read_history()


def test_metrics_that_are_no_json_are_a_sentence(tmp_path, capsys):
    folder = tmp_path / "run"
    stopped(folder, 3)
    (folder / "metrics.json").write_text("{" * 10)
    assert run(folder, *MODELS["wae_mmd"]) == 1
    assert "cannot be read as a JSON object" in capsys.readouterr().err


EXPLODE = ["--nobatch_norm", "--optimizer=sgd", "--lr=3e3", "--nopretrain", "--init_std=0.3"]


def test_rollback_halves_the_learning_rate_until_it_holds(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder, *EXPLODE, "--model=wae_mmd") == 1
    error = capsys.readouterr().err
    assert "the last good checkpoint is that of step" in error
    assert "--on_nonfinite=rollback" in error
    status = run(folder, *EXPLODE, "--model=wae_mmd", "--on_nonfinite=rollback", "--overwrite")
    shown = capsys.readouterr()
    assert "going on from step 0 with 0.5 of the learning rates" in shown.out
    rolled = shown.out.count("of the learning rates")
    if status == 0:
        assert rollbacks(folder)[-1] == rolled
    else:
        assert rolled == resuming.MOST_ROLLBACKS


def test_rollback_counts_and_lasts(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    fired = []

    def check(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step in (3, 8) and step not in fired:
            fired.append(step)
            raise BadStep(step, "penalty not finite")

    monkeypatch.setattr(StopOnBadStep, "on_train_batch_end", check)
    assert run(folder, "--on_nonfinite=rollback", "--figure_every=0", "--lr=0.01") == 0
    shown = capsys.readouterr().out
    assert "penalty not finite at step 3; going on from step 2 with 0.5 of the" in shown
    assert "penalty not finite at step 8; going on from step 7 with 0.25 of the" in shown
    assert rollbacks(folder) == [1, 2, 2]
    stored = weights(folder)
    assert stored["model/schedules/lr_factor/.ATTRIBUTES/VARIABLE_VALUE"] == 0.25


def small(cls, **fields):
    settings = tiny(4, adversary_filters=4, zdim=2, batch_norm=False) | fields
    return tiny_model(cls, (4, 4, 1), **{"data_size": None, **settings})


IMAGES = np.random.RandomState(0).rand(8, 4, 4, 1).astype(np.float32)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = small(WaeMmd)
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    stop = Stop("x")
    config = wae_tf.Config()
    best = Best(config, Length(1, 1), 10)
    saving = Checkpoints(config, folder, model, lambda step: True, dict, stop, best)
    saving.save()
    assert stop.advice.startswith("step 0 is saved")
    model.train_on_batch(IMAGES)
    weight = model.encoder.trainable_variables[0]
    weight.assign(weight * float("nan"))
    saving.save()
    assert saving.saved == 0 and checkpoints.steps(folder.checkpoints) == [0]


def test_weights_gone_bad_in_the_last_step_are_rolled_back(tmp_path, monkeypatch, capsys):
    real, fired = Checkpoints.save, []

    def once(self):
        if int(self.model.step.numpy()) == 5 and len(fired) < 2:  # the epoch's end, and the end
            fired.append(5)
        else:
            real(self)

    monkeypatch.setattr(Checkpoints, "save", once)
    flags = ["--epochs=1", "--on_nonfinite=rollback", "--figure_every=0"]
    assert run(tmp_path / "run", *flags) == 0
    assert "weights not finite at step 5; going on from step 4 with 0.5" in capsys.readouterr().out
    assert rollbacks(tmp_path / "run") == [1]


def test_an_adversary_that_won_or_died_is_seen_in_its_step():
    model = small(WaeGan, init_std=0.5)
    for _ in range(2):
        model.train_on_batch(IMAGES)
    assert model.advice() is None
    kept = [v.numpy() for v in model.adversary.trainable_variables]
    model.adversary.trainable_variables[1].assign([-1e3] * 4)  # no unit is ever above zero
    for _ in range(2):
        model.train_on_batch(IMAGES)
    step, what = model.advice()
    assert step == 3 and "its units are dead" in what
    for variable, value in zip(model.adversary.trainable_variables, kept, strict=True):
        variable.assign(value)
    model.train_on_batch(IMAGES)
    assert model.advice() is None
    model.adversary_watch.note(model.step, 0.001 * model.wae_lambda, tf.ones([2]), model.wae_lambda)
    assert "tells codes from the prior at once" in model.advice()[1]


def test_exploded_codes_are_seen_in_their_step():
    model = small(WaeMmd, init_std=3e4)
    model.train_on_batch(IMAGES)
    step, what = model.guard.first_bad_step()
    assert step == 1
    assert "codes over 10000 times as wide as the prior" in what


def test_flags_text_names_every_value():
    config = parse(["--lr=0.5", "--mmd_scales=1,2"])[1]
    assert "--lr=0.5\n" in flags_text(config)
    assert "--mmd_scales=1.0,2.0\n" in flags_text(config)


def test_the_best_of_other_test_images_is_forgotten():
    few, all_of_them = (
        wae_tf.Config(early_stopping_patience=3, epoch_test_size=size) for size in (2, 1000)
    )
    state = {"by": "val_loss", "tested": 2, "value": -0.4, "step": 6, "epoch": 1, "waited": 3}
    best = Best(all_of_them, Length(6, 72), 25)
    best.restore(state)
    assert (best.value, best.step, best.over) == (math.inf, 0, False)
    again = Best(few, Length(6, 72), 2)
    again.restore(state)
    assert (again.step, again.over) == (6, True)
    del state["tested"]  # of before it was noted
    best.restore(state)
    assert best.step == 6
