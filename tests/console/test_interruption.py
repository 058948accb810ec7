"""Signals are noted, answered between pieces of work, and end a process where Python cannot answer."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wae_tf.console import interruption
from wae_tf.console.interruption import Interrupted

ROOT = Path(__file__).parents[1]


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def test_a_signal_is_noted_and_raised_where_it_is_asked_for():
    with pytest.raises(Interrupted, match="SIGTERM: x") as caught, interruption.listening("x"):
        send()
        interruption.check()
        pytest.fail("it was not asked for")
    assert caught.value.status == 143


def test_work_that_waits_is_not_ended_by_check():
    seen = []
    with pytest.raises(Interrupted, match="saved"), interruption.listening("x") as stop:
        with stop.deferring():
            send(signal.SIGINT)
            interruption.check()
            seen.append(stop.number)
            stop.advice = "saved"
        interruption.check()
        seen.append("too far")
    assert seen == [signal.SIGINT]


def test_a_second_signal_does_not_wait():
    with pytest.raises(Interrupted), interruption.listening("x") as stop, stop.deferring():
        send()
        send()
        pytest.fail("the second signal was waited for")


@pytest.mark.usefixtures("hangs_up")
def test_a_terminal_that_closes_may_say_so_twice(monkeypatch, capfd):
    stops = interruption.listening("x")
    with pytest.raises(Interrupted, match="SIGHUP: saved") as caught, stops as stop:
        send(signal.SIGHUP)
        send(signal.SIGHUP)
        stop.advice = "saved"
        stop.check()
    assert caught.value.status == 129
    # Neither is the second one impatience where a thread answers.
    monkeypatch.setattr(interruption, "GRACE", 60)
    left = []
    with interruption.listening("x") as stop, interruption.answering("wae_tf", left.append):
        for _ in range(2):
            send(signal.SIGHUP)
            time.sleep(0.2)
        stop.number = None
    assert left == [] and capfd.readouterr().err == ""


def test_a_hangup_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
    try:
        with interruption.listening("x") as stop:
            send(signal.SIGHUP)
            assert stop.number is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangs_up")
def test_what_is_printed_behind_a_closed_terminal_stops_nothing(monkeypatch):
    """Descriptors of a terminal that is gone, of a pipe without a reader, and of a file that stays."""
    terminal, gone = pty.openpty()
    reader, broken = os.pipe()
    os.close(terminal)
    os.close(reader)
    alive, whole = os.pipe()
    for descriptor in (gone, broken):
        with pytest.raises(OSError):
            os.write(descriptor, b"lost")
        monkeypatch.setattr(interruption, "_shown", lambda one=descriptor: {one, whole})
        with pytest.raises(Interrupted), interruption.listening("x") as stop:
            send(signal.SIGHUP)
            os.write(descriptor, b"nowhere")
            os.write(whole, b"!")
            stop.check()
    assert os.read(alive, 9) == b"!!"
    for descriptor in (gone, broken, alive, whole):
        os.close(descriptor)


def answered(monkeypatch, capfd, patient, signals):
    """The status that a process would leave with, while its main thread does not ask."""
    monkeypatch.setattr(interruption, "GRACE", 0.05)
    left, done = [], threading.Event()

    def leave(status):
        left.append(status)
        done.set()

    with interruption.listening("x") as stop:
        stop.patient = patient
        with interruption.answering("wae_tf", leave):
            for _ in range(signals):
                send()
                time.sleep(0.3)
            stop.number = None
    return left, capfd.readouterr().err


def test_a_signal_that_nobody_answers_ends_the_process(monkeypatch, capfd):
    left, error = answered(monkeypatch, capfd, patient=False, signals=1)
    assert left == [143] and error == "wae_tf: stopped by SIGTERM: x\n"


def test_work_worth_waiting_for_is_waited_for_once(monkeypatch, capfd):
    assert answered(monkeypatch, capfd, patient=True, signals=1) == ([], "")
    assert answered(monkeypatch, capfd, patient=True, signals=2)[0] == [143]


def test_a_signal_is_told_once_however_slow_the_answer(monkeypatch, capfd):
    monkeypatch.setattr(interruption, "GRACE", 0.05)
    left = []
    with interruption.listening("x") as stop, interruption.answering("wae_tf", left.append):
        send()
        while not left:  # the other thread was quicker
            time.sleep(0.01)
        interruption.tell("wae_tf", Interrupted(signal.SIGTERM, "x"))
        stop.number = None
    assert left == [143] and capfd.readouterr().err == "wae_tf: stopped by SIGTERM: x\n"


def test_what_is_to_be_finished_is_waited_for(monkeypatch):
    monkeypatch.setattr(interruption, "GRACE", 0.05)
    left = []
    with interruption.listening("x") as stop, interruption.answering("wae_tf", left.append):
        with interruption.finishing():
            send()
            time.sleep(0.4)
        assert left == []
        stop.number = None


@pytest.mark.usefixtures("hangs_up")
@pytest.mark.processes
@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_in_the_imports_has_its_line(number, status, tmp_path):
    program = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name == 'tensorflow': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder)\n"
        "from wae_tf.main import program\n"
        "sys.exit(program())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, f"--work_dir={tmp_path / 'run'}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == status
    lines = [line for line in done.stderr.splitlines() if line.startswith("wae_tf:")]
    assert len(lines) == 1 and "the same command begins" in lines[0]
    assert "Traceback" not in done.stderr
