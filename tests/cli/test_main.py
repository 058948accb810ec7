"""The command line: precedence of flags, errors in a sentence, whole runs and what they leave."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.factory import tiny_run
from wae_tf import main
from wae_tf.cli.arguments import parse
from wae_tf.config import Config
from wae_tf.models import by_name
from wae_tf.models import operations as operations_module
from wae_tf.settings import devices
from wae_tf.training import callbacks, pace, programs
from wae_tf.training.callbacks import Speed

TINY = tiny_run()


def config_of(*arguments):
    return parse(arguments)[1]


def test_defaults_are_digits_and_wae_mmd():
    config = config_of()
    assert (config.dataset, config.model, config.folder) == (
        "digits",
        "wae_mmd",
        "runs/digits_wae_mmd",
    )


def test_preset_then_flagfile_then_command_line(tmp_path):
    file = tmp_path / "my.flags"
    file.write_text("# mine\n--zdim=5\n--lr=0.5\n")
    assert config_of("--dataset=mnist", "--data_dir=x").zdim == 8
    for order in ([f"--flagfile={file}", "--zdim=6"], ["--zdim=6", f"--flagfile={file}"]):
        config = config_of("--dataset=mnist", *order)
        assert (config.zdim, config.lr, config.encoder_filters) == (6, 0.5, 1024)
    assert config_of("--flagfile", str(file), "--mmd_scales=1,2.5").mmd_scales == (1.0, 2.5)


def test_a_flagfile_chooses_the_preset_below_it():
    config = config_of("--flagfile=flags/official/celebA.flags", "--model=wae_gan")
    assert (config.dataset, config.model, config.gan_trick) == ("celeba", "wae_gan", "official")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset=svhn"], "--dataset=svhn is not known; accepted: celeba, cifar10, digits"),
        (["--model=gan"], "--model=gan is not known; accepted: wae_gan, wae_mmd"),
        (["--mode=fly"], "--mode=fly is not known; accepted: evaluate"),
        (["--zdim=much"], "zdim"),
        (["--nonsense=1"], "Unknown command line flag 'nonsense'"),
        (["train"], "'train' is not a flag"),
        (["--flagfile=flags/none.flags"], "--flagfile=flags/none.flags is not there"),
        (["--flagfile=flags/mnist_wae_mdm.flags"], "did you mean flags/mnist_wae_mmd.flags?"),
        (
            ["--flagfile=official/mnist_smal.flags"],
            "did you mean flags/official/mnist_small.flags?",
        ),
        (["--flagfile"], "--flagfile needs the path"),
        (["--lr=-1"], "--lr=-1.0 is too small; accepted: 0 up."),
        (["--lr=nan"], "--lr=nan is not a finite number"),
        (["--epochs=0"], "--epochs=0 is too small"),
        (["--lr_schedule=fast"], "--lr_schedule=fast is not known"),
        (
            ["--encoder_noise=gaussian", "--prior=sphere"],
            "goes with --prior=normal only, not sphere",
        ),
        (
            ["--model=wae_gan", "--gan_trick=fixed", "--prior=uniform"],
            "goes with --prior=normal only",
        ),
        (
            ["--model=vae", "--encoder_noise=add_noise"],
            "--model=vae needs --encoder_noise=gaussian",
        ),
        (["--cost=bce", "--pixel_range=symmetric"], "--cost=bce needs --pixel_range=unit"),
        (["--mmd_scales=1,x"], "--mmd_scales takes numbers"),
        (["--mmd_scales=1,-1"], "--mmd_scales takes positive numbers"),
        (["--pictures=15"], "--pictures=15 must be even"),
        (["--batch_size=0"], "--batch_size=0 is too small; accepted: 1 up."),
        (["--batch_size=1"], "--batch_size=1 has no pairs of codes for the MMD of --model=wae_mmd"),
        (["--model=wae_mmdpp", "--batch_size=1"], "the MMD of --model=wae_mmdpp; accepted: 2 up."),
        (["--pretrain_size=1"], "--pretrain_size=1 is too small; accepted: 2 up."),
        (["--prior_scale=0"], "the kernel of --model=wae_mmd with --mmd_kernel=imq divides by its"),
        (["--model=vae", "--prior_scale=0"], "the KL of --model=vae divides by its scale"),
        (
            ["--model=wae_gan", "--gan_trick=fixed", "--prior_scale=0"],
            "--gan_trick=fixed divides by its scale; accepted: any other number.",
        ),
        (["--batch_norm_decay=1.1"], "--batch_norm_decay=1.1 must be 1 at most"),
        (["--batch_norm_eps=-1"], "--batch_norm_eps=-1.0 is too small; accepted: 0 up."),
        (["--init_std=-1"], "--init_std=-1.0 is too small; accepted: 0 up."),
        (
            ["--encoder_arch=began", "--decoder_filters=32"],
            "as many --decoder_filters as --encoder_filters, 64, not 32.",
        ),
        (["--decoder_layers=0"], "--decoder_layers=0 is too few for --decoder_arch=dcgan_mod"),
        (["--batch_size=2000"], "--batch_size=2000 is larger than the 1500 training images"),
        (["--decoder_layers=4"], "needs height and width divisible by 8, not 28x28"),
        (["--encoder_arch=ali"], "--encoder_arch=ali takes 32x32 images only"),
        (["--encoder_filters=4"], "--encoder_filters=4 is too small for 4 dcgan layers"),
        (["--crop=wide"], "--crop=wide is not known; accepted: closecrop, resizecrop"),
    ],
)
def test_bad_flags_are_a_sentence_and_status_2(arguments, sentence, capsys, tmp_path):
    status = main.main([f"--work_dir={tmp_path / 'run'}", *arguments])
    error = capsys.readouterr().err
    assert status == 2, error
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset=mnist", "--data_dir={tmp}/none"], "--data_dir="),
        (["--dataset=folder", "--data_dir={tmp}/empty"], "empty"),
        (["--mode=evaluate"], "holds no run"),
        (["--work_dir={tmp}/other"], "is not an empty folder and holds no run"),
        (["--work_dir={tmp}/other/file.txt/run"], "cannot be written to"),
    ],
)
def test_bad_data_and_folders_are_a_sentence_and_status_1(arguments, sentence, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file.txt").write_text("mine")
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    status = main.main([f"--work_dir={tmp_path / 'run'}", *TINY[:-6], *arguments])
    error = capsys.readouterr().err
    assert status == 1, error
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert (tmp_path / "other" / "file.txt").read_text() == "mine"


def test_help_lists_flags(capsys):
    assert main.main(["--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--dataset", "--mmd_scales", "--[no]jit", "--precision", "--work_dir"):
        assert flag in text


def run(folder, *arguments):
    return main.main([f"--work_dir={folder}", *TINY, *arguments])


@pytest.mark.parametrize(
    "model",
    [
        "wae_mmd",
        pytest.param("wae_gan", marks=pytest.mark.slow),
        pytest.param("vae", marks=pytest.mark.slow),
    ],
)
def test_a_run_leaves_what_it_promises(model, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder, f"--model={model}", "--epochs=3", "--steps=10", "--figure_every=2") == 0
    shown = capsys.readouterr().out
    assert "1500 training" not in shown
    assert "200 training and 60 test images of 28x28x1" in shown
    rows = [line.split() for line in shown.splitlines() if re.match(r" +\d/3 ", line)]
    assert [row[:2] for row in rows] == [["1/3", "4"], ["2/3", "8"], ["3/3", "10"]]
    assert "3 epochs of 4 steps, 10 to go: about" in shown
    assert max(map(len, (line for line in shown.splitlines() if "/3" in line))) <= 80
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8"), ("3", "10")]
    assert all(float(row["test_reconstruction"]) > 0 for row in rows)
    assert bool(rows[0]["adversary_loss"]) == (model == "wae_gan")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["steps"] == 10
    assert metrics["parameters"] > 1000
    for name in ("test_reconstruction", "penalty", "sharpness_samples", "images_per_second"):
        assert np.isfinite(metrics[name])
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert figures == {
        "data.png",
        "progress_0001.png",
        "progress_0002.png",
        "progress_0003.png",
        "curves.png",
        "interpolations.png",
        "traversals.png",
        "samples.png",
    }
    for name in figures:
        with Image.open(folder / "figures" / name) as image:
            assert np.asarray(image.convert("L")).std() > 5  # not blank
    assert list((folder / "events").glob("events*"))
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000008", "step-00000010"]

    assert main.main(["--mode=evaluate", f"--work_dir={folder}"]) == 0
    again = json.loads((folder / "metrics.json").read_text())
    assert again["test_reconstruction"] == pytest.approx(metrics["test_reconstruction"], rel=1e-6)
    assert main.main(["--mode=sample", f"--work_dir={folder}", "--num_samples=7"]) == 0
    samples = np.load(folder / "samples.npy")
    assert samples.shape == (7, 28, 28, 1)
    with Image.open(folder / "samples.png") as picture:  # that of these numbers, enlarged twice
        np.testing.assert_array_equal(
            np.asarray(picture.convert("L"))[:56:2, :56:2], samples[0, ..., 0]
        )
    assert samples.std() > 0
    (folder / "figures" / "interpolations.png").unlink()
    assert main.main(["--mode=interpolate", f"--work_dir={folder}"]) == 0
    assert (folder / "figures" / "interpolations.png").exists()


@pytest.mark.slow
def test_flags_replay_the_run_and_the_seed_decides(tmp_path, capsys):
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    assert run(first, "--epochs=2", "--figure_every=0") == 0
    replay = [f"--flagfile={first / 'flags.flags'}", f"--work_dir={second}"]
    assert main.main(replay) == 0

    def losses(folder):
        with (folder / "history.csv").open() as file:
            return [(row["loss"], row["test_reconstruction"]) for row in csv.DictReader(file)]

    assert losses(first) == losses(second)
    assert main.main([*replay, f"--work_dir={other}", "--seed=1"]) == 0
    assert losses(first) != losses(other)
    capsys.readouterr()
    # A finished run is left alone, and overwritten only when asked.
    assert main.main(replay) == 0
    assert "holds a run already, finished" in capsys.readouterr().out
    assert main.main([*replay, "--epochs=1"]) == 2
    assert "--epochs=1 ends at step 4, and the run in" in capsys.readouterr().err
    assert main.main([*replay, "--overwrite", "--epochs=1"]) == 0
    assert len(losses(second)) == 1


def test_a_diverging_run_stops_with_the_last_good_checkpoint(tmp_path, capsys):
    folder = tmp_path / "run"
    fine = ["--epochs=40", "--figure_every=0", "--nobatch_norm", "--optimizer=sgd", "--lr=1e-6"]
    assert run(folder, *fine, "--lr_schedule=constant", "--steps=4", "--nopretrain") == 0
    capsys.readouterr()
    explode = [*fine, "--lr=1e6", "--init_std=1", "--overwrite", "--nopretrain"]
    assert run(folder, *explode) == 1
    error = capsys.readouterr().err
    assert "codes over 10000 times as wide as the prior at step 2;" in error
    assert "the last good checkpoint is that of step 0" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("mode", ["train", "sample", "export"])
def test_a_folder_that_may_not_be_touched_is_a_sentence(mode, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "locked" / "run"
    real = Path.stat

    def refuse(path, **named):
        if "locked" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **named)

    monkeypatch.setattr(Path, "stat", refuse)
    assert main.main([f"--work_dir={folder}", f"--mode={mode}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("wae_tf: ") and error.strip().endswith("Permission denied.")
    assert str(folder) in error and len(error.strip().splitlines()) == 1


@pytest.mark.processes
def test_module_runs_as_a_program(tmp_path):
    command = [sys.executable, "-m", "wae_tf.main", "--dataset=svhn"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1].startswith("wae_tf: --dataset=svhn is not known")


def test_speed_leaves_the_first_call_out(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock[0])
    speed = Speed(batch_size=10)
    speed.set_params({"steps": 15})

    def epoch(*calls):
        speed.on_epoch_begin(0)
        for batch, seconds in calls:
            clock[0] += seconds
            speed.on_train_batch_end(batch, logs := {})
        speed.on_epoch_end(0)
        return logs

    # A call an epoch: the first compiles for 100 s, the second makes 15 steps in 3 s.
    assert epoch((14, 100.0)) == {} and np.isnan(speed.images_per_second)
    assert epoch((14, 3.0)) == {"images/s": 50.0}
    assert speed.images_per_second == 50.0
    assert epoch((4, 1.0), (9, 1.0)) == {"images/s": 50.0}
    # Calls of ten steps, of which the second has five left.
    assert epoch((9, 2.0), (19, 1.0)) == {"images/s": 50.0}
    assert speed.images_per_second == 50.0


@pytest.mark.parametrize(
    "count, extra", [(3, []), pytest.param(7, ["--test_size=3"], marks=pytest.mark.slow)]
)
def test_a_handful_of_pictures_is_enough(count, extra, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(count):
        pixels = np.random.RandomState(number).randint(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    flags = ["--dataset=folder", f"--data_dir={folder}", f"--cache_dir={tmp_path}/cache"]
    flags += [
        f"--work_dir={tmp_path}/run",
        *TINY,
        "--batch_size=2",
        "--steps=2",
        "--figure_every=1",
    ]
    flags += extra
    flags = [f for f in flags if not f.startswith("--train_size") and f != "--test_size=60"]
    if count == 3:
        assert main.main(flags) == 1
        assert "leave 1 training image: at least 2 are needed for" in capsys.readouterr().err
        assert main.main([*flags, "--test_size=1"]) == 1
        assert "leave 1 test image: at least 2 are needed" in capsys.readouterr().err
        return
    assert main.main(flags) == 0
    assert (tmp_path / "run/figures/progress_0001.png").is_file()


def test_float32_proper_is_told_to_tensorflow(tmp_path, capsys):
    """By the run's own flags too, when a mode opens it."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    flags = [f"--work_dir={tmp_path}/run", *TINY, "--steps=2", "--notf32"]
    try:
        assert main.main(flags) == 0
        assert "--tf32 does nothing here: there is no GPU" in capsys.readouterr().out
        assert not enabled()
        tf.config.experimental.enable_tensor_float_32_execution(True)
        # Of fewer images than a batch of the training has, which no batch is made of here.
        again = ["--mode=sample", "--num_samples=2", "--sampler=gmm", "--train_size=20"]
        assert main.main([f"--work_dir={tmp_path}/run", *again]) == 0
        assert not enabled()
        # What the process had before, where a model says nothing of it; a user's own stays.
        devices.take_tf32(None)
        assert enabled()
        devices.take_tf32(False)
        devices.take_tf32(False)
        devices.take_tf32(None)
        assert enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        devices.take_tf32(None)
        assert not enabled()
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


def test_usual_steps_of_an_execution(monkeypatch):
    def usual(**fields):
        config = Config(encoder_arch="mlp", decoder_arch="mlp", **fields)
        return programs.usual_steps_per_call(
            by_name.from_config(config, (28, 28, 1), 1000), config.batch_size
        )

    assert usual() == 20
    config = Config(encoder_arch="mlp", decoder_arch="mlp")
    operations = operations_module.operations(by_name.from_config(config, (28, 28, 1), 1000), 100)
    monkeypatch.setattr(programs, "CALL_ON_CPU", 7.5 * operations)
    assert usual() == 7
    assert usual(batch_size=1000) == 1
    # A GPU: steps of a quarter of a second, at 35% of a product's speed and 0.3 ms besides.
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.setattr(pace, "operations_a_second", lambda: operations / 0.35 / 0.0092)
    assert usual() == 26
    monkeypatch.setattr(pace, "operations_a_second", lambda: 1e18)
    assert usual() == 100
    # Batches of 128 x 128 pictures in colour, 20 MB as floats, that the device does not hold.
    model = by_name.from_config(Config(encoder_arch="mlp", decoder_arch="mlp"), (128, 128, 3), 1000)
    assert programs.usual_steps_per_call(model, 100) == 100
    assert programs.usual_steps_per_call(model, 100, held=False) == 13
    assert programs.usual_steps_per_call(model, 1400, held=False) == 1
