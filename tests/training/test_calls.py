"""How the steps of an epoch are shared out among calls of the compiled function."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.factory import SHORT, TINY
from wae_tf.config import Config
from wae_tf.data import batches
from wae_tf.models import by_name
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import devices
from wae_tf.training import train
from wae_tf.training.programs import Calls, Length


def calls(steps, *, most=20, start=0, total=None, **fields):
    config = Config(**TINY | {"jit": True, "steps_per_execution": most} | fields)
    images = np.zeros((steps * config.batch_size, 8, 8, 1), np.uint8)
    model = by_name.from_config(config, (8, 8, 1), len(images))
    return Calls.of(model, config, Length(steps, total or 10 * steps), start, images)


def test_calls_of_an_epoch_are_even_where_that_costs_little():
    assert calls(600) == Calls(20, 20, one_program=True)
    assert calls(36) == Calls(18, 20, one_program=True)
    assert calls(11) == Calls(11, 11, one_program=True)
    assert calls(24) == Calls(12, 20, one_program=True)
    assert calls(600, most=None, save_every_steps=100) == Calls(20, 20, one_program=True)
    assert calls(2) == Calls(2, 2, one_program=True)
    # No call is of more steps than an epoch, and a program has room for no more.
    assert calls(11, most=100_000_000) == Calls(11, 11, one_program=True)
    assert calls(1, most=20) == Calls(1, 2, one_program=True)


def test_a_prime_number_of_steps_is_no_slower():
    # As few calls as there can be, 19 of them 20 steps and one 19.
    assert calls(599) == Calls(20, 20, one_program=True, even=False)
    assert calls(23) == Calls(12, 20, one_program=True, even=False)
    # The rest of an epoch that a run goes on with, and a last one that --steps cuts short.
    assert calls(600, start=1) == Calls(20, 20, one_program=True, even=False)
    assert calls(600, total=607) == Calls(20, 20, one_program=True, even=False)
    assert calls(599, jit=False) == Calls(1, 20, one_program=False)  # Keras's own loop
    # No save comes late: they are counted from the last one, which is an epoch's end or is not.
    save = {"most": None, "save_every_steps": 150}
    assert calls(599, **save) == Calls(15, 20, one_program=True, even=False)
    assert calls(599, save_every=2, **save) == Calls(1, 20, one_program=True)
    assert calls(599, most=1) == Calls(1, 1, one_program=False)


@pytest.mark.parametrize("pair", [False, True])
def test_an_element_has_batches_of_one_epoch(pair):
    found = tf.data.Dataset.counter().map(
        lambda n: (tf.fill([2], n), n) if pair else tf.fill([2], n)
    )
    seen = batches.together(found, 3, 7).take(7)
    first = [part[0] if pair else part for part in seen.as_numpy_iterator()]
    sizes = [3, 3, 1, 3, 3, 1, 3]
    assert [len(part) for part in first] == sizes
    np.testing.assert_array_equal(np.concatenate(first), np.repeat(np.arange(17), 2).reshape(-1, 2))
    even = batches.together(found, 3, 6).take(3).as_numpy_iterator()
    assert [len(tf.nest.flatten(part)[0]) for part in even] == [3, 3, 3]
    short = batches.together(found, 3, 2).take(3).as_numpy_iterator()
    assert [len(tf.nest.flatten(part)[0]) for part in short] == [2, 2, 2]


class Told(keras.callbacks.Callback):
    """What of batches a user's callback is told."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append((batch, int(self.model.step.numpy())))


@pytest.mark.slow
def test_a_run_of_seven_steps_an_epoch_is_the_same_in_calls_of_four(tmp_path):
    found = []
    for most in (7, 4):
        told = Told()
        config = Config(
            **TINY | SHORT | {"train_size": 7 * 50}, dataset="digits", jit=True, epochs=3, steps=17,
            steps_per_execution=most, pretrain=False, work_dir=str(tmp_path / str(most)),
        )  # fmt: skip
        metrics = train.train(config, [told])
        assert metrics["steps"] == 17
        history = RunFolder(config.work_dir).read_history()
        found.append([history[name] for name in ("step", "loss", "test_reconstruction")])
        if most == 4:
            first = [(3, 4), (6, 7), (3, 11), (6, 14), (2, 17)]
            assert told.ends == first
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_on_a_gpu_calls_are_even_where_more_than_eight_steps_divide(monkeypatch):
    assert calls(23).even is False
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    assert calls(600, most=100) == Calls(100, 100, one_program=True)
    assert calls(599, most=100) == Calls(100, 100, one_program=True, even=False)
    assert calls(590, most=100) == Calls(59, 100, one_program=True)
    assert calls(514, most=100) == Calls(86, 100, one_program=True, even=False)  # 2 x 257
