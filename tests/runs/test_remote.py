"""Work folders at an address, on TensorFlow's file system in memory, ram://."""

import os
import signal

import pytest
import tensorflow as tf

from tests.factory import tiny, tiny_run
from wae_tf import main
from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError
from wae_tf.runs import remote
from wae_tf.runs.remote import Mirror
from wae_tf.training.callbacks import StopOnBadStep

gfile = tf.io.gfile

TINY = tiny_run(
    **tiny(4, zdim=2), train_size=100, test_size=20, batch_size=20, epochs=1, pretrain=False,
    pictures=4, picture_columns=2, figure_every=0, save_every_steps=2,
)  # fmt: skip


@pytest.fixture
def address(tmp_path):
    """One of its own: the memory is the process's."""
    return f"ram://{tmp_path.name}/run"


@pytest.fixture(autouse=True)
def overwriting(monkeypatch):
    """As every real file system does: the one in memory appends."""
    real = gfile.copy

    def copy(source, target, overwrite=False):
        if overwrite and gfile.exists(target):
            gfile.remove(target)
        real(source, target, overwrite)

    monkeypatch.setattr(gfile, "copy", copy)


def listing(address):
    found = [(place, files) for place, _, files in gfile.walk(address)]
    return sorted(
        f"{place}/{f}".removeprefix(f"{address}/") for place, files in found for f in files
    )


def test_a_run_at_an_address_is_gone_on_with_elsewhere(address, monkeypatch, capsys):
    def at_step(self, batch, logs=None):
        if int(self.model.step.numpy()) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(StopOnBadStep, "on_train_batch_end", at_step)
        assert main.main([f"--work_dir={address}", *TINY]) == 143
    assert "step 3 is saved" in capsys.readouterr().err
    there = listing(address)
    assert "flags.flags" in there and "checkpoints/step-00000003/manifest.json" in there
    assert main.main([f"--work_dir={address}", *TINY]) == 0
    shown = capsys.readouterr().out
    assert f"working on {address} in " in shown and "going on from step 3 of 5" in shown
    folder = shown.partition(f"working on {address} in ")[2].splitlines()[0]
    assert not os.path.exists(folder)
    assert {"history.csv", "metrics.json"} <= set(listing(address))
    assert main.main(["--mode=sample", f"--work_dir={address}", "--num_samples=4"]) == 0
    assert "samples.npy" in listing(address)


def test_figures_are_put_back_with_their_epoch(address, monkeypatch):
    def at_step(self, batch, logs=None):
        if int(self.model.step.numpy()) > 5:  # nothing of the second epoch is saved yet
            assert {"figures/progress_0001.png", "figures/curves.png"} <= set(listing(address))
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StopOnBadStep, "on_train_batch_end", at_step)
    flags = ["--epochs=2", "--figure_every=1", "--save_every_steps=100"]
    assert main.main([f"--work_dir={address}", *TINY, *flags]) == 143


def test_only_what_changed_goes_back_and_sums_come_last(address, tmp_path, monkeypatch):
    mirror = Mirror(address, tmp_path)
    (tmp_path / "checkpoints" / "step-1").mkdir(parents=True)
    names = ["checkpoints/step-1/manifest.json", "checkpoints/step-1/model.index", "flags.flags",
             "history.csv"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / ".lock").write_text("")
    copied, real = [], gfile.copy
    monkeypatch.setattr(gfile, "copy", lambda *a, **k: (copied.append(a[1]), real(*a, **k)))
    mirror.push()
    order = [name.removeprefix(f"{address}/") for name in copied]
    assert order == ["flags.flags", "history.csv", *reversed(names[:2])]
    copied.clear()
    (tmp_path / "history.csv").write_text("more")
    (tmp_path / names[0]).unlink()
    mirror.push()
    assert copied == [f"{address}/history.csv"]
    assert names[0] not in listing(address)
    other = tmp_path / "other"
    Mirror(address, other).pull()
    assert (other / "history.csv").read_text() == "more"
    assert (other / "checkpoints" / "step-1" / "model.index").exists()


def test_a_foreign_folder_is_refused(address, capsys):
    gfile.makedirs(address)
    with gfile.GFile(f"{address}/mine.txt", "w") as file:
        file.write("mine")
    assert main.main([f"--work_dir={address}", *TINY]) == 1
    error = capsys.readouterr().err
    assert f"--work_dir={address} is not an empty folder and holds no run" in error
    assert listing(address) == ["mine.txt"]


def test_an_address_of_no_known_kind_is_a_sentence(capsys):
    assert main.main(["--work_dir=nfs7://host/run", *TINY]) == 1
    error = capsys.readouterr().err
    assert "--work_dir=nfs7://host/run cannot be read: TensorFlow knows no nfs7://" in error
    assert len(error.strip().splitlines()) == 1


def test_what_cannot_be_put_back_is_kept_and_told(address, monkeypatch, capsys):
    def broken(*args, **named):
        raise tf.errors.UnavailableError(None, None, "no network")

    with pytest.raises(RunError, match=r"cannot be written \(no network\); all is in /") as raised:  # noqa: SIM117
        with remote.local(address) as folder:
            folder.mkdir()
            (folder / "flags.flags").write_text("x")
            monkeypatch.setattr(gfile, "copy", broken)
            remote.push(folder)
            assert "(no network); the next save tries again" in capsys.readouterr().out
    kept = str(raised.value).rpartition(" ")[2].rstrip(".")
    assert os.path.exists(f"{kept}/flags.flags")


def test_other_flags_take_no_address(capsys):
    for name in ("data_dir", "cache_dir", "work_dir"):
        with pytest.raises(FlagError, match=f"--{name}=gs://a/b is an address; of the flags only"):
            Config(**{name: "gs://a/b"})
    arguments = ["--work_dir=gs://a/b", "--distribute=multi_worker"]
    assert main.main(arguments) == 2
    assert "goes with one process only" in capsys.readouterr().err


def test_names_that_lead_out_of_the_folder_are_not_fetched():
    assert remote._is_ours("figures/a.png")
    assert not any(map(remote._is_ours, ("../a", "a/../b", ".lock", "figures/.x")))
