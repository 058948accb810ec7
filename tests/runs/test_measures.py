"""Every number has its split, in files of today and of older runs; progress is a logger's."""

import csv
import json
import logging
import threading

from wae_tf import console
from wae_tf.runs import measures
from wae_tf.runs.folder import HISTORY_COLUMNS, RunFolder

CONTRACT = (
    "epoch", "step", "loss", "reconstruction", "penalty", "adversary_loss", "test_reconstruction",
    "sharpness", "seconds",
)  # fmt: skip


def test_a_row_has_the_contracts_names_and_the_splits(tmp_path):
    run = RunFolder(tmp_path)
    run.append_history({"epoch": 1, "step": 4, "train_loss": 1.5, "test_penalty": -0.5})
    with run.history.open() as file:
        (row,) = csv.DictReader(file)
    assert tuple(row)[: len(CONTRACT)] == CONTRACT
    assert row["loss"] == row["train_loss"] == "1.5"
    assert row["test_penalty"] == "-0.5"
    assert row["penalty"] == row["train_penalty"] == ""


def test_an_older_history_is_read_and_gone_on_with(tmp_path):
    run = RunFolder(tmp_path)
    run.history.write_text("epoch,step,loss,penalty\n1,4,1.5,0.25\n2,8,1.25,0.125\n3,12,1.0,\n")
    assert run.read_history()["train_penalty"][:2] == [0.25, 0.125]
    run.cut_history(lambda step: step <= 8)
    run.append_history({"epoch": 3, "step": 12, "train_loss": 0.5, "train_penalty": 2.0})
    history = run.read_history()
    assert history["loss"] == history["train_loss"] == [1.5, 1.25, 0.5]
    assert history["penalty"] == [0.25, 0.125, 2.0]
    assert run.history.read_text().splitlines()[0] == ",".join(HISTORY_COLUMNS)


def test_a_head_that_was_cut_off_is_written_anew(tmp_path):
    run = RunFolder(tmp_path)
    run.history.write_text("epoch,st")
    run.cut_history(lambda step: True)
    assert run.history.read_text().splitlines() == [",".join(HISTORY_COLUMNS)]


def test_older_metrics_get_their_splits(tmp_path):
    run = RunFolder(tmp_path)
    run.metrics.write_text(json.dumps({"loss": 2.0, "reconstruction": 1.0, "penalty": 0.5}))
    expected = {"train_loss": 2.0, "train_reconstruction": 1.0, "penalty": 0.5, "test_penalty": 0.5}
    assert run.read_metrics() == expected
    found = run.update_metrics({"test_penalty": 0.25})
    assert (found["penalty"], found["test_penalty"]) == (0.25, 0.25)
    assert run.read_metrics() == found
    written = json.loads(run.metrics.read_text())
    assert written.keys() - found.keys() == {"checksum"}


def test_tensorboard_has_one_name_a_number():
    row = {
        "epoch": 1,
        "step": 2,
        "loss": 3.0,
        "penalty": 1.0,
        "adversary_loss": None,
        "seconds": 2.0,
    }
    assert measures.one_split_each(row) == {"train_loss": 3.0, "train_penalty": 1.0, "seconds": 2.0}


def test_progress_is_silent_in_a_library_and_plain_in_the_command_line(capsys, monkeypatch):
    logger = console.logger
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setattr(logger, "propagate", True)
    logging.Logger.manager._clear_cache()
    console.progress("one")
    assert capsys.readouterr() == ("", "")
    console.to_stdout()
    console.to_stdout()
    console.progress("100% of two")
    assert capsys.readouterr() == ("100% of two\n", "")
    monkeypatch.undo()
    logging.Logger.manager._clear_cache()


def test_two_changes_at_once_keep_each_others_numbers(tmp_path):
    """Each reads, waits, and writes: without a lock one's numbers would be gone."""
    barrier, count = threading.Barrier(4), 25

    def change(name):
        run = RunFolder(tmp_path)  # of its own, as another process has it
        barrier.wait()
        for i in range(count):
            with run.changing_metrics():
                before = len(run.read_metrics())
                metrics = run.update_metrics({f"{name}_{i}": i})
                assert len(metrics) == before + 1

    threads = [threading.Thread(target=change, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = RunFolder(tmp_path).read_metrics()
    assert found == {f"{name}_{i}": i for name in "abcd" for i in range(count)}
