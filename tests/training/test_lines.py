"""What a training shows: the table, the bar, what to expect; on a terminal and off it."""

import math
import sys
import time

import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf import console
from wae_tf.config import Config
from wae_tf.training import expectation, lines, pace
from wae_tf.training.programs import Length


@pytest.fixture
def shown(capsys, monkeypatch):
    """Takes lines of progress; `shown(True)` makes stdout a terminal of 80 columns."""

    def prepare(terminal):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
        monkeypatch.setenv("COLUMNS", "80")
        console.to_stdout()
        return capsys

    yield prepare
    console.leave_line()


ROW = {
    "step": 15,
    "train_loss": 272104.0,
    "test_reconstruction": 12.34567,
    "test_penalty": -0.00123,
    "sharpness": 0.00123,
    "train_adversary_loss": 0.69,
}


def test_the_table_has_a_head_and_a_line_an_epoch(shown, monkeypatch):
    capsys = shown(False)
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    table = lines.Table(Length(15, 40), adversary=True, tested=297, samples=100)
    for epoch, step in enumerate((15, 30, 40), 1):
        table.row({**ROW, "epoch": epoch, "step": step}, math.nan if epoch == 1 else 12345.6)
        clock[0] += 30
    told, head, *rows = capsys.readouterr().out.splitlines()
    assert "297 test images" in told and "blurriest of 100 samples" in told
    names = "epoch step loss cost penalty adversary sharpness images/s left"
    assert head.split() == [*names.split()]
    assert [row.split()[:2] for row in rows] == [["1/3", "15"], ["2/3", "30"], ["3/3", "40"]]
    assert rows[1].split()[2:] == ["2.72e+05", "12.3457", "-0.00123", "0.6900", "0.00123",
                                   "12346", "20", "s"]  # fmt: skip
    assert rows[0].endswith("?") and rows[2].endswith("12346")
    assert max(map(len, (told, head, *rows))) <= 80


def test_a_line_under_way_gives_place_to_the_next(shown, monkeypatch):
    capsys = shown(True)
    console.under_way("x" * 200)
    console.progress("a line")
    text = capsys.readouterr().out
    assert text == "\r" + "x" * 79 + "\x1b[K" + "\r\x1b[Ka line\n"
    console.under_way("again")
    console.leave_line()  # what Ctrl-C echoes stays there, and the sentence begins below
    console.leave_line()
    assert capsys.readouterr().out == "\ragain\x1b[K\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    console.leave_line(echoed=True)
    assert capsys.readouterr() == ("", "\n")


def test_off_a_terminal_nothing_is_rewritten(shown):
    capsys = shown(False)
    console.under_way("hidden")
    with console.working("compiling"):
        pass
    assert capsys.readouterr().out == "compiling\n"


def test_the_bar_counts_from_where_an_epoch_is_gone_on_with(shown, monkeypatch):
    capsys = shown(True)
    clock = [100.0]
    monkeypatch.setattr(lines.time, "monotonic", lambda: clock[0])
    model = tiny_model()
    model.step.assign(5)
    bar = lines.Bar(Length(10, 20))
    bar.set_model(model)
    bar.set_params({"steps": 5})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0)
    clock[0] += 2
    bar.on_train_batch_end(1, {"loss": 1.5})
    last = capsys.readouterr().out.split("\r")[-1]
    assert last == "epoch 1/2 [##############......] 7/10  2.00 s/step  loss 1.5000\x1b[K"
    clock[0] += 6
    bar.on_train_batch_end(6, {"loss": 1.5})  # a call of five, of which three were left
    bar.close()
    last = capsys.readouterr().out.split("\r")[-1]
    assert last == "epoch 1/2 [####################] 10/10  2.00 s/step  loss 1.5000\x1b[K"


def test_durations():
    told = [console.duration(s) for s in (0.2, 59.6, 100, 5990, 36000, 1e6)]
    assert told == ["0 s", "60 s", "2 min", "1.7 h", "10 h", "12 days"]


def test_what_a_long_training_will_take_is_said(monkeypatch):
    monkeypatch.setattr(pace, "operations_a_second", lambda: 1e8)
    wide = Config(encoder_filters=96, decoder_filters=96, epochs=50)
    model = wae_tf.from_config(wide, (28, 28, 1), 60000)
    first, estimated, advice = expectation.lines(model, wide, Length(600, 30000), 0)
    assert first.startswith("50 epochs of 600 steps, 30,000 to go: about ") and "until" in first
    assert "GFLOP" in estimated and "GB of memory" in estimated
    assert advice.startswith("--encoder_filters=64 --decoder_filters=64 would take about")
    assert expectation.lines(model, wide, Length(600, 30000), 30000) == []


def test_the_speed_here_is_measured():
    enable = tf.config.experimental.enable_tensor_float_32_execution
    pace._measured.cache_clear()
    assert 1e8 < pace.operations_a_second() == pace.operations_a_second() < 1e16
    try:
        enable(False)
        assert 1e8 < pace.operations_a_second() < 1e16
        assert pace._measured.cache_info().misses == 2  # on a GPU it is another speed
    finally:
        enable(True)
