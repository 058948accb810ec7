"""Checkpoints that cannot be read, are damaged, or lie under names that TensorFlow takes as patterns."""

import logging
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.factory import tiny, tiny_model, tiny_run
from tests.faults import Killed, fault
from wae_tf import main
from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError
from wae_tf.files import write_atomically
from wae_tf.runs import checkpoints
from wae_tf.runs.flags_file import config_of, flags_text
from wae_tf.runs.folder import RunFolder
from wae_tf.training import reading

TINY = tiny_run(
    **tiny(4, zdim=2), train_size=80, test_size=40, batch_size=40, epochs=1, pretrain=False,
    pictures=4, picture_columns=2, save_every_steps=1,
)  # fmt: skip


def train(folder, *arguments):
    return main.main([f"--work_dir={folder}", *TINY, *arguments])


def test_a_checkpoint_that_cannot_be_read_stands(tmp_path, capsys):
    folder = tmp_path / "run"
    assert train(folder) == 0
    kept = checkpoints.steps(folder / "checkpoints")
    for name in ("manifest.json", "state.json", "model.index"):
        refused = PermissionError(13, "Permission denied", name)
        with fault("open", f"*/step-00000002/{name}", refused, time=None):
            assert train(folder, "--epochs=2") == 1
        assert f"{name} cannot be read (Permission denied)" in capsys.readouterr().err
    assert checkpoints.steps(folder / "checkpoints") == kept
    assert not list(folder.glob("checkpoints/*.damaged"))


def test_a_folder_of_checkpoints_that_cannot_be_listed_is_not_empty(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(RunError, match="cannot be read"):
        checkpoints.newest(tmp_path)


def test_damaged_checkpoints_are_set_aside_and_bounded(tmp_path):
    for step in range(6):
        checkpoints.path_of(tmp_path, step).mkdir()
    assert checkpoints.newest(tmp_path) is None
    checkpoints.set_aside_after(tmp_path, -1)
    assert checkpoints.steps(tmp_path) == []
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"step-{step:08d}.damaged" for step in (3, 4, 5)]


def test_a_checkpoint_written_anew_is_there_whenever_the_process_is_killed(tmp_path, monkeypatch):
    model, replace = tiny_model(), os.replace
    checkpoints.save(tmp_path, model, {"made": "first"}, keep=1)
    checkpoints.save(tmp_path, model, {"made": "not at all"}, keep=1)
    assert checkpoints.state_of(tmp_path, 0) == {"made": "first"}

    def killed(source, target):
        if target == checkpoints.path_of(tmp_path, 0):  # the old one is away, the new one not there
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            checkpoints.save(tmp_path, model, {"made": "anew"}, keep=1, anew=True)
    checkpoints.sweep(tmp_path)
    assert checkpoints.state_of(tmp_path, 0) == {"made": "first"}
    checkpoints.save(tmp_path, model, {"made": "anew"}, keep=1, anew=True)
    assert checkpoints.state_of(tmp_path, 0) == {"made": "anew"}
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000000"]


@pytest.mark.parametrize(
    "name",
    ["lr[0.1] *?", *(pytest.param(n, marks=pytest.mark.slow) for n in ("back\\slash", "spaced é"))],
)
def test_names_that_are_patterns(name, tmp_path, capsys):
    folder = tmp_path / name / "run"
    assert train(folder) == 0
    assert main.main([f"--work_dir={folder}", "--mode=sample", "--num_samples=2"]) == 0
    assert "restored step 2" in capsys.readouterr().out


def test_overwrite_does_not_follow_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "step-00000001").mkdir(parents=True)
    run = RunFolder(tmp_path / "run")
    run.create(Config())
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(elsewhere)
    with pytest.raises(RunError, match="symbolic link"):
        run.create(Config(), overwrite=True)
    assert run.flags.exists() and list(elsewhere.iterdir())


def test_overwrite_takes_the_samples_of_the_run_along(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(Config())
    for name in ("samples.npy", "samples_labels.npy", "samples.png", "mine.npy"):
        (run.folder / name).touch()
    run.create(Config(), overwrite=True)
    assert [path.name for path in run.folder.glob("*.*g")] == []
    assert [path.name for path in run.folder.glob("*.npy")] == ["mine.npy"]


def test_a_removal_that_fails_is_an_error(tmp_path, monkeypatch):
    run = RunFolder(tmp_path / "run")
    run.create(Config())

    def refused(path, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refused)
    with pytest.raises(RunError, match="Permission denied"):
        run.create(Config(), overwrite=True)
    assert run.flags.exists()


def test_a_run_that_was_taken_away_is_not_made_anew(tmp_path):
    class Model:
        class step:
            @staticmethod
            def numpy():
                return 3

    with pytest.raises(RunError, match="cannot be written"):
        checkpoints.save(tmp_path / "gone" / "checkpoints", Model(), {}, 1)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("where", ["history.csv", "checkpoints"])
def test_a_run_whose_folder_moves_away_says_so_and_goes_on_there(where, tmp_path, capsys):
    folder, there = tmp_path / "run", tmp_path / "there"
    kept = RunFolder.append_history if where == "history.csv" else checkpoints.save

    def away(*arguments, **keywords):
        if folder.exists() and (folder / "checkpoints" / "step-00000001").exists():
            folder.rename(there)
        return kept(*arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        target = RunFolder if where == "history.csv" else checkpoints
        patch.setattr(target, kept.__name__, away)
        assert train(folder) == 1
    assert "was moved or removed while its run trained" in capsys.readouterr().err
    assert not folder.exists()
    assert train(there) == 0
    assert "going on from step 1" in capsys.readouterr().out


def test_a_full_disk_outside_of_training_is_a_sentence(monkeypatch, capsys):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wae_tf.cli.modes.run", full)
    assert main.main([]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_an_atomic_write_on_a_full_disk_names_the_file_and_leaves_the_old(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    path = tmp_path / "facts.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        write_atomically(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_that_a_training_drops_meanwhile_is_none(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    assert train(folder, "--keep_checkpoints=1") == 0
    (last,) = checkpoints.steps(folder / "checkpoints")
    here, newer = (checkpoints.path_of(folder / "checkpoints", last + i) for i in (0, 1))
    restored = checkpoints.restore

    def while_it_trains(*args, **named):
        if here.exists():  # as the next save does, between the look and the reading
            shutil.copytree(here, newer)
            checkpoints._drop(here)
        return restored(*args, **named)

    monkeypatch.setattr(checkpoints, "restore", while_it_trains)
    assert main.main([f"--work_dir={folder}", "--mode=sample", "--num_samples=2"]) == 0
    assert f"restored step {last + 1} of" in capsys.readouterr().out
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [newer.name]


def test_a_folder_below_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert train("~/run") == 0
    assert main.main(["--work_dir=~/run", "--mode=sample", "--num_samples=2"]) == 0
    assert (tmp_path / "run" / "samples.npy").is_file()
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    assert main.main(["--mode=compare", "--runs=~/run,~/other", "--work_dir=~/page"]) == 0
    assert (tmp_path / "page" / "comparison.html").is_file()


def test_names_that_begin_with_a_tilde_or_end_with_a_space(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for data, work in (("./~pictures", "./~run"), ("pictures ", "run ")):
        (tmp_path / data).mkdir()
        for i, picture in enumerate(
            np.random.RandomState(0).randint(0, 256, (20, 8, 8, 3), np.uint8)
        ):
            Image.fromarray(picture).save(tmp_path / data / f"{i}.png")
        flags = tiny_run(train_size=None, test_size=None, batch_size=4, epochs=1, image_size=8)
        flags += ["--dataset=folder", f"--data_dir={data}", f"--work_dir={work}", "--nopretrain"]
        assert main.main(flags) == 0, capsys.readouterr().err
        # The training images are read anew: the run has noted where they are.
        sample = ["--mode=sample", f"--work_dir={work}", "--num_samples=2", "--sampler=gmm"]
        assert main.main(sample) == 0, capsys.readouterr().err
        assert (tmp_path / work / "samples.npy").is_file()


def test_other_ends_of_lines_are_no_ends_of_flags():
    config = Config(data_dir="a\u2028b", zdim=3)
    for text in (flags_text(config), flags_text(config).replace("\n", "\r\n")):
        assert config_of(text) == config


def test_whole_numbers_of_the_library_are_the_flags_that_a_command_line_has(tmp_path):
    run = RunFolder(tmp_path / "run")
    config = Config(wae_lambda=10, mmd_scales=(1, 2))
    run.create(config)
    same = Config(wae_lambda=10.0, mmd_scales=(1.0, 2.0))
    text = run.flags.read_text()
    assert "--wae_lambda=10.0\n" in text and run.begun(same)
    # As an earlier version wrote them.
    earlier = text.replace("=10.0\n", "=10\n").replace("=1.0,2.0\n", "=1,2\n")
    assert len(earlier) < len(text) - 5
    run.flags.write_text(earlier)
    assert run.begun(same) and config_of(earlier) == same
    with pytest.raises(FlagError, match=r"--wae_lambda=10.0, not 11.0;"):
        run.begun(Config(wae_lambda=11, mmd_scales=(1, 2)))


@pytest.mark.parametrize("name", ["file", "dangling", "strange"])
def test_a_folder_that_cannot_be_begun_in_is_told_before_data_are_read(
    name, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "mine").touch()
    monkeypatch.setattr(reading, "ahead", lambda *_, **__: pytest.fail("the data were read"))
    assert main.main([f"--work_dir={tmp_path / name}", *tiny_run()]) == 1
    why = (
        "is a link that leads nowhere"
        if name == "dangling"
        else "is not an empty folder and holds no"
    )
    assert f"{name} {why}" in capsys.readouterr().err


def test_what_in_a_folder_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    assert train(tmp_path / "run") == 1
    assert f"cannot be written to: {tmp_path / 'run' / '.lock'}: Is a" in capsys.readouterr().err


def test_a_checkpoint_leaves_logging_to_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    checkpoints.save(tmp_path, tiny_model(), {}, keep=1)
    assert logging.root.handlers == []  # so that basicConfig works afterwards


def test_links_that_lead_nowhere_are_named(tmp_path, capsys):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for folder in (link, link / "run"):
        assert train(folder) == 1
        assert "is a link that leads nowhere" in capsys.readouterr().err
    link.unlink()
    link.symlink_to(link)
    assert train(link) == 1
    assert "is a link that leads nowhere" in capsys.readouterr().err
