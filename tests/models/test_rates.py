"""Learning rates of both optimizers: what callbacks move, what refuses to be moved, whose epochs count."""

import keras
import numpy as np
import pytest

import wae_tf
from tests.factory import TINY, tiny_model

SCHEDULES = keras.optimizers.schedules


@pytest.fixture
def images(rng):
    return rng.rand(40, 6, 6, 1).astype("float32")


def rates(model):
    return [float(o.learning_rate.numpy()) for o in (model.optimizer, model.adversary_optimizer)]


class Seen(keras.callbacks.Callback):
    """Notes both learning rates after each step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(rates(self.model))


def test_callbacks_move_both_optimizers_in_proportion(images):
    model = tiny_model(wae_tf.WaeGan, lr=1e-3, lr_adv=4e-4)
    halves = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    seen = Seen()
    history = model.fit(images, batch_size=20, epochs=2, callbacks=[halves, seen], verbose=0)
    expected = np.outer([1 / 2, 1 / 2, 1 / 4, 1 / 4], [1e-3, 4e-4])
    np.testing.assert_allclose(seen.rates, expected, rtol=1e-6)
    np.testing.assert_allclose(history.history["learning_rate"], [5e-4, 2.5e-4], rtol=1e-6)

    # No epoch is better by so much: the rate falls tenfold after the last one too.
    falls = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    model.fit(images, batch_size=20, epochs=2, callbacks=[falls], verbose=0)
    np.testing.assert_allclose(rates(model), [2.5e-5, 1e-5], rtol=1e-6)

    # Zero and back, as a warm-up begins.
    warm = keras.callbacks.LearningRateScheduler(lambda epoch, rate: [0.0, 2e-3][epoch])
    model.fit(images, batch_size=20, epochs=2, callbacks=[warm], verbose=0)
    np.testing.assert_allclose(rates(model), [2e-3, 8e-4], rtol=1e-6)

    # Who sets the second sets the proportion.
    model.adversary_optimizer.learning_rate = 1e-2
    seen = Seen()
    model.fit(images, batch_size=20, callbacks=[seen], verbose=0)
    model.optimizer.learning_rate = 1e-3
    model.fit(images, batch_size=20, callbacks=[seen], verbose=0)
    expected = [[2e-3, 1e-2]] * 2 + [[1e-3, 5e-3]] * 2
    np.testing.assert_allclose(seen.rates, expected, rtol=1e-6)


def test_rates_that_were_moved_are_saved(images, tmp_path):
    model = tiny_model(wae_tf.WaeGan, lr=1e-3, lr_adv=4e-4)
    model.optimizer.learning_rate = 1e-4
    model.save(tmp_path / "x.keras")
    np.testing.assert_allclose(rates(model), [1e-4, 4e-5], rtol=1e-6)
    again = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_allclose(rates(again), [1e-4, 4e-5], rtol=1e-6)
    again.optimizer.learning_rate = 1e-3
    again.tied_rates.follow()
    np.testing.assert_allclose(rates(again), [1e-3, 4e-4], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"lr_schedule": "manual"}, "lr_schedule='manual'"),
        ({"on_nonfinite": "rollback"}, "on_nonfinite='rollback'"),
    ],
)
def test_a_schedule_of_the_library_is_never_overwritten_in_silence(fields, because, images):
    class Own(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 1e-5

    model = tiny_model(**fields)
    sentence = f"{because} sets the learning rates at every step .* what ReduceLROnPlateau sets: "
    with pytest.raises(ValueError, match=sentence):
        model.fit(images, callbacks=keras.callbacks.ReduceLROnPlateau("loss"), verbose=0)
    with pytest.raises(ValueError, match=f"a callback sets the learning rate, and {because} would"):
        model.fit(images, batch_size=20, callbacks=[Own()], verbose=0)
    history = model.fit(images, batch_size=20, callbacks=[keras.callbacks.History()], verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_rate_that_is_a_schedule_cannot_be_moved(images):
    model = tiny_model(wae_tf.WaeGan, compiled=False)
    decay = keras.optimizers.Adam(SCHEDULES.ExponentialDecay(1e-3, 10, 0.5))
    model.compile(keras.optimizers.Adam(1e-3), decay)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    with pytest.raises(ValueError, match="LearningRateScheduler cannot move both learning rates"):
        model.fit(images, callbacks=[scheduler], verbose=0)


# The library's schedules follow fit's own epochs.


class LastRate(keras.callbacks.Callback):
    """Notes the learning rate at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate.numpy()))


def fitted(model, images, **of_fit):
    seen = LastRate()
    model.fit(images, verbose=0, callbacks=[seen], **of_fit)
    return seen.rates


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [8, 15])
def test_schedules_count_the_epochs_of_fit_whatever_the_config_says(batch_size, images, tmp_path):
    config = wae_tf.Config(**TINY, lr_schedule="1", batch_size=10, epochs=50)
    model = wae_tf.from_config(config, (6, 6, 1), 40)
    model.compile()
    assert fitted(model, images, batch_size=batch_size, epochs=3) == pytest.approx(
        [1e-3, 1e-4, 1e-5]
    )
    model.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    assert fitted(again, images, batch_size=10, epochs=2) == pytest.approx([1e-3, 1e-4])
    assert fitted(again, images, batch_size=5, initial_epoch=2, epochs=4) == pytest.approx(
        [1e-5, 1e-6]
    )


def test_a_plateau_that_has_seen_nothing_takes_the_length_of_fit(images, tmp_path):
    config = wae_tf.Config(**TINY, lr_schedule="plateau", batch_size=10)
    model = wae_tf.from_config(config, (6, 6, 1), 40)
    model.compile()
    model.fit(images, batch_size=20, verbose=0)
    assert model.schedules.plateau.recent_losses.shape == (20 * 2,)
    model.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(
        again.schedules.plateau.recent_losses, model.schedules.plateau.recent_losses
    )
    with pytest.raises(ValueError, match="the losses of epochs of 2 steps; an epoch of 4 needs"):
        again.fit(images, batch_size=10, verbose=0)
