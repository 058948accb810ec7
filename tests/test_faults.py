"""Whatever stops a run, it goes on as if nothing had: the same history and weights, bit by bit."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from wae_tf import callbacks, checkpoints, gallery, interruption, main, models, training
from wae_tf.runs import Run, flags_text

ROOT = Path(__file__).parents[1]

TINY = [
    "--train_size=200", "--test_size=60", "--batch_size=40", "--zdim=4", "--epochs=3",
    "--encoder_arch=mlp", "--decoder_arch=mlp", "--encoder_filters=16", "--decoder_filters=16",
    "--encoder_layers=1", "--decoder_layers=1", "--adversary_filters=8", "--pretrain_steps=4",
    "--pretrain_size=50", "--pictures=4", "--picture_columns=2", "--save_every_steps=2",
    "--figure_every=2",
]  # fmt: skip
STEPS = 15  # three epochs of five


class Killed(BaseException):
    """Stands for kill -9 where a process of its own would cost too much: no handler takes it."""


def run(folder, *arguments):
    return main.main([f"--work_dir={folder}", *TINY, *arguments])


def history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]


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


MODELS = {
    "wae_mmd": ["--model=wae_mmd", "--lr_schedule=plateau", "--lambda_schedule=adaptive"],
    "wae_gan": ["--model=wae_gan", "--encoder_noise=implicit", "--lr_schedule=3"],
    "vae": ["--model=vae", "--steps_per_execution=1"],
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folders = {}

    def of(model):
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp("whole") / model
            assert run(folders[model], *MODELS[model]) == 0
        return folders[model]

    return of


def kill_at_step(monkeypatch, step):
    def check(self, batch, logs=None):
        if int(self.model.step.numpy()) >= step:
            raise Killed

    monkeypatch.setattr(callbacks.Guard, "on_train_batch_end", check)


def kill_in_call(monkeypatch, owner, name, call):
    """Dies in the call-th call of a function."""
    real, calls = getattr(owner, name), []

    def dying(*args, **named):
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return real(*args, **named)

    monkeypatch.setattr(owner, name, dying)


POINTS = {
    "in the first epoch": lambda m: kill_at_step(m, 3),
    "in pretraining": lambda m: kill_in_call(m, models.Wae, "pretrain_step", 1),
    "in a checkpoint's write": lambda m: kill_in_call(m, checkpoints, "_sync", 9),
    "before a checkpoint's name": lambda m: kill_in_call(m, checkpoints.os, "replace", 14),
    "in a figure": lambda m: kill_in_call(m, gallery, "draw_progress", 1),
    "between row and checkpoint": lambda m: kill_in_call(
        m, callbacks.Checkpoints, "on_epoch_end", 2
    ),
    "in the last epoch": lambda m: kill_at_step(m, 14),
    "in the evaluation": lambda m: kill_in_call(m, training.evaluation, "evaluate", 1),
}


@pytest.mark.parametrize("model", MODELS)
def test_killed_anywhere_a_run_goes_on_bit_by_bit(model, uninterrupted, tmp_path, monkeypatch):
    whole = uninterrupted(model)
    points = POINTS if model == "wae_mmd" else dict(list(POINTS.items())[::3])
    if model == "vae":
        points = {name: POINTS[name] for name in ("in the first epoch", "in a checkpoint's write")}
    for number, (name, arm) in enumerate(points.items()):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            arm(patch)
            with pytest.raises(Killed):
                run(folder, *MODELS[model])
        assert run(folder, *MODELS[model]) == 0, name
        assert_same(folder, whole)


def test_kill_9_again_and_again(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-c", (
        "import os, signal, sys\n"
        "from wae_tf import callbacks, main\n"
        "def check(self, batch, logs=None):\n"
        "    if int(self.model.step.numpy()) >= int(sys.argv[1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "callbacks.Guard.on_train_batch_end = check\n"
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


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_says_how_to_go_on(
    number, status, uninterrupted, tmp_path, monkeypatch, capsys
):
    def at_step(self, batch, logs=None):
        if int(self.model.step.numpy()) == 7:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Guard, "on_train_batch_end", at_step)
        assert run(tmp_path / "run", *MODELS["wae_mmd"]) == status
    error = capsys.readouterr().err
    assert "step 7 is saved; the same command goes on from there" in error
    assert len(error.strip().splitlines()) == 1
    assert run(tmp_path / "run", *MODELS["wae_mmd"]) == 0
    assert_same(tmp_path / "run", uninterrupted("wae_mmd"))


def test_a_signal_in_pretraining_says_that_nothing_is_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "pretrain", lambda *a: os.kill(os.getpid(), signal.SIGTERM))
    assert run(tmp_path / "run") == 143
    assert "nothing of this run is saved yet" in capsys.readouterr().err


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruption.listening("x"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def stopped(folder, monkeypatch, step=9):
    with monkeypatch.context() as patch:
        kill_at_step(patch, step)
        with pytest.raises(Killed):
            run(folder, *MODELS["wae_mmd"])


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    damage, uninterrupted, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    stopped(folder, monkeypatch)
    kept = checkpoints.steps(folder / "checkpoints")
    newest = checkpoints.path_of(folder / "checkpoints", kept[0])
    file = newest / "model.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 3] ^= 16
        file.write_bytes(content)
    elif damage == "remove":
        (newest / "model.index").unlink()
    else:
        (newest / "manifest.json").write_text("{")
    capsys.readouterr()
    assert run(folder, *MODELS["wae_mmd"]) == 0
    shown = capsys.readouterr().out
    assert f"the checkpoint of step {kept[0]} is damaged" in shown
    assert f"going on from step {kept[1]} of {STEPS}" in shown
    assert_same(folder, uninterrupted("wae_mmd"))


def test_all_checkpoints_damaged_begins_anew(uninterrupted, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    stopped(folder, monkeypatch)
    for path in (folder / "checkpoints").glob("*/model.index"):
        path.write_bytes(b"")
    assert run(folder, *MODELS["wae_mmd"]) == 0
    assert_same(folder, uninterrupted("wae_mmd"))


def test_a_full_disk_is_a_sentence_and_what_was_saved_stands(
    uninterrupted, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        real, calls = checkpoints._sync, []

        def full(path):
            calls.append(path)
            if len(calls) > 20:
                raise OSError(28, "No space left on device")
            real(path)

        patch.setattr(checkpoints, "_sync", full)
        assert run(folder, *MODELS["wae_mmd"]) == 1
    error = capsys.readouterr().err
    assert "cannot be written (No space left on device); the one of step" in error
    assert len(error.strip().splitlines()) == 1
    assert run(folder, *MODELS["wae_mmd"]) == 0
    assert_same(folder, uninterrupted("wae_mmd"))


def test_other_flags_are_refused_and_the_difference_named(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    stopped(folder, monkeypatch, 3)
    capsys.readouterr()
    assert run(folder, *MODELS["wae_mmd"], "--lr=0.5") == 1
    assert "with --lr=0.001, not 0.5;" in capsys.readouterr().err
    assert run(folder, *MODELS["wae_mmd"], "--train_size=160") == 1
    assert "with --train_size=200, not 160;" in capsys.readouterr().err
    # What shows or lengthens a run may change.
    assert run(folder, *MODELS["wae_mmd"], "--epochs=4", "--figure_every=0") == 0
    assert history(folder)[-1][:2] == ["4", "20"]


def test_a_finished_run_is_refused_and_can_be_lengthened(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder, "--epochs=1") == 0
    capsys.readouterr()
    assert run(folder, "--epochs=1") == 1
    assert "finished at step 5; raise --epochs to go on" in capsys.readouterr().err
    assert run(folder, "--epochs=2") == 0
    assert [row[1] for row in history(folder)] == ["5", "10"]


def test_two_processes_do_not_share_a_folder(tmp_path, capsys):
    folder = tmp_path / "run"
    with Run(folder).locked():
        assert run(folder) == 1
    assert "is in use by another process" in capsys.readouterr().err
    assert not folder.exists()  # nothing was begun there
    program = (
        "import os, sys\nfrom wae_tf.runs import Run\n"
        f"with Run({str(folder)!r}).locked():\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (folder / ".lock").exists()
    assert run(folder, "--steps=2", "--nopretrain") == 0  # the lock died with its process


def test_only_so_many_checkpoints_are_kept(tmp_path):
    assert run(tmp_path / "run", "--keep_checkpoints=2", "--figure_every=0") == 0
    assert checkpoints.steps(tmp_path / "run" / "checkpoints") == [15, 14]


def test_a_torn_row_of_history_is_dropped(tmp_path):
    folder = Run(tmp_path)
    for step in (5, 10, 15):
        folder.append_history({"epoch": step // 5, "step": step, "loss": 1.5})
    with folder.history.open("a") as file:
        file.write("4,20,0.")
    folder.cut_history(10)
    assert [row[1] for row in history(tmp_path)] == ["5", "10"]


def test_metrics_that_are_no_json_are_a_sentence(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    stopped(folder, monkeypatch, 3)
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
        assert history(folder)[-1][-1] == str(rolled)
    else:
        assert rolled == training.MOST_ROLLBACKS


def test_rollback_counts_and_lasts(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    real, fired = models.Wae.trouble, []

    def once(self):
        step = int(self.step.numpy())
        if step in (3, 8) and step not in fired:
            fired.append(step)
            return step - 1, ["penalty not finite"]
        return real(self)

    monkeypatch.setattr(models.Wae, "trouble", once)
    assert run(folder, "--on_nonfinite=rollback", "--figure_every=0", "--lr=0.01") == 0
    shown = capsys.readouterr().out
    assert "penalty not finite at step 3; going on from step 2 with 0.5 of the" in shown
    assert "penalty not finite at step 8; going on from step 7 with 0.25 of the" in shown
    assert [row[-1] for row in history(folder)] == ["1", "2", "2"]
    stored = weights(folder)
    assert stored["model/lr_factor/.ATTRIBUTES/VARIABLE_VALUE"] == 0.25


def test_exploded_codes_are_seen_in_their_step():
    model = models.WaeMmd(
        (4, 4, 1), encoder_arch="mlp", decoder_arch="mlp", encoder_filters=4, decoder_filters=4,
        encoder_layers=1, decoder_layers=1, batch_norm=False, init_std=3e4,
    )  # fmt: skip
    model.compile()
    images = np.random.RandomState(0).rand(8, 4, 4, 1).astype(np.float32)
    model.train_on_batch(images)
    step, what = model.trouble()
    assert step == 0
    assert "codes over 10000 times as wide as the prior" in what


def test_flags_text_names_every_value():
    config = main.parse(["--lr=0.5", "--mmd_scales=1,2"])[1]
    assert "--lr=0.5\n" in flags_text(config)
    assert "--mmd_scales=1.0,2.0\n" in flags_text(config)
