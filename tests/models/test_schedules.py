"""Schedules against the official rules, replayed in plain Python."""

import numpy as np
import pytest
import tensorflow as tf

from tests.factory import tiny_model
from wae_tf.errors import FlagError
from wae_tf.models.step import schedules
from wae_tf.models.step.schedules import Plateau


def test_manual():
    table = schedules.decay_table("manual", 102)
    assert table[29] == 1
    assert table[30] == table[49] == pytest.approx(1 / 2)
    assert table[50] == table[99] == pytest.approx(1 / 10)
    assert table[100] == pytest.approx(1 / 100)


def test_manual_smooth_divides_before_the_first_epoch():
    table = schedules.decay_table("manual_smooth", 50)
    assert table[0] == pytest.approx(100 ** (-1 / 50))
    assert table[49] == pytest.approx(1 / 100)


def test_number():
    np.testing.assert_allclose(schedules.decay_table("20", 41)[[0, 20, 40]], [1, 0.1, 0.01])


def test_unknown():
    with pytest.raises(FlagError, match="--lr_schedule=fast is not known; accepted: constant"):
        schedules.decay_table("fast", 3)


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [("manual", 0.01), ("manual_smooth", 100 ** (-1e6 / (2**31 - 1))), ("20", 0.0), ("9:0.5", 0.5)],
)
def test_a_training_without_an_end_needs_no_more_memory(schedule, factor):
    model = tiny_model(lr_schedule=schedule)
    model.schedules.set_length(10, 2**31 - 1)
    rates = [
        float(model.schedules.rate(tf.constant(10 * epoch, tf.int64))) for epoch in (0, 999_999)
    ]
    assert rates == pytest.approx([1.0, factor], rel=1e-5)


def replay_plateau(losses, batches):
    """The rule in plain Python, official wae.py:615-627."""
    wait, decay, decays = 0, 1.0, []
    for i, loss in enumerate(losses):
        decays.append(decay)
        if i // batches >= 30:
            wait = 0 if loss < min(losses[max(0, i - 20 * batches) : i]) else wait + 1
            if wait > 10 * batches:
                decay, wait = max(decay / 1.4, 1e-6), 0
    return decays


@pytest.mark.parametrize("batches", [1, 3])
def test_plateau(rng, batches):
    # Falls, stagnates long, falls again, stagnates.
    count = 110 * batches
    trend = np.concatenate(
        [
            np.linspace(9, 5, 35 * batches),
            np.full(40 * batches, 5.0),
            np.linspace(5, 3, 15 * batches),
        ]
    )
    losses = np.concatenate([trend, np.full(count - len(trend), 3.0)])
    losses = (losses + 0.3 * rng.rand(count)).astype("float32").tolist()

    plateau = Plateau(batches)
    update = tf.function(plateau.update)
    decays = []
    for step, loss in enumerate(losses):
        decays.append(float(plateau.decay.numpy()))
        update(*tf.constant([step, step // batches], tf.int64), tf.constant(loss))
    expected = replay_plateau(losses, batches)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(decays, expected, rtol=1e-6)


def test_adaptive_lambda_moves_at_every_thousandth_step():
    def after(step):
        values = (tf.constant(v) for v in (10.0, 3.0, -0.5))
        return float(schedules.adapted_lambda(tf.constant(step, tf.int64), *values))

    assert after(0) == after(998) == after(1000) == 10.0
    assert after(999) == after(1999) == pytest.approx(0.5 * 10 + 0.5 * 3 / 0.5)
