"""Workers that wait for each other, as threads on 127.0.0.1."""

import contextlib
import json
import socket
import threading
import time

import pytest

from tests.training.test_distribution import ports
from wae_tf.errors import FlagError, RunError
from wae_tf.training import meeting


def _started(workers, index, ended):
    def run():
        try:
            meeting.wait(workers, index)
            ended[index] = "all here"
        except RunError as error:
            ended[index] = str(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _addresses(count):
    return [f"127.0.0.1:{port}" for port in ports(count)]


def test_all_wait_for_the_last_whatever_the_order():
    for order in ((0, 1, 2), (2, 1, 0)):
        workers, ended = _addresses(3), {}
        threads = [_started(workers, index, ended) for index in order[:2]]
        time.sleep(0.5)
        assert ended == {}
        threads.append(_started(workers, order[2], ended))
        for thread in threads:
            thread.join(20)
        assert ended == dict.fromkeys(range(3), "all here")


def test_who_has_gone_and_who_is_nobody_does_not_count():
    workers, ended = _addresses(3), {}
    chief = meeting._place(workers[0])
    threads = [_started(workers, 0, ended)]
    for said in (b"1\n", b"9\n", b"0\n", b"GET / HTTP/1.1\n"):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(chief) as stranger:
                stranger.sendall(said)
                break
            time.sleep(0.05)
    threads.append(_started(workers, 2, ended))
    time.sleep(1)
    assert ended == {}
    threads.append(_started(workers, 1, ended))
    for thread in threads:
        thread.join(20)
    assert ended == dict.fromkeys(range(3), "all here")


def test_a_number_and_a_port_that_are_taken_are_named():
    workers, ended = _addresses(3), {}
    others = [*workers[:1], *_addresses(1), workers[2]]
    threads = [_started(workers, 0, ended), _started(workers, 1, ended)]
    time.sleep(0.5)
    with pytest.raises(RunError, match="another process is worker 1 already"):
        meeting.wait(others, 1)
    with (
        socket.create_server(meeting._place(workers[1])),
        pytest.raises(RunError, match=f"cannot listen at {workers[1]}: Address already in use"),
    ):
        meeting.wait(workers, 1)
    threads.append(_started(workers, 2, ended))
    for thread in threads:
        thread.join(20)
    assert ended == dict.fromkeys(range(3), "all here")


def test_an_address_twice_is_named(monkeypatch):
    task = {"type": "worker", "index": 0}
    known = {"cluster": {"worker": ["here:1", "there:1", "here:1"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(known))
    with pytest.raises(FlagError, match="names the worker here:1 twice"):
        meeting.cluster()
