"""What people do with a Keras model: it works with right numbers, or one sentence says what does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model


@pytest.fixture
def images(rng):
    return rng.rand(40, 6, 6, 1).astype("float32")


@pytest.fixture
def global_policy():
    """Sets Keras's policy, for one test."""
    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


# Samples and shuffling.


def test_samples_without_a_seed_are_others_each_time():
    model = tiny_model(init_std=0.5)
    assert np.abs(model.sample(4) - model.sample(4)).max() > 0.01
    np.testing.assert_array_equal(model.sample(4, seed=0), model.sample(4, seed=0))
    assert np.abs(model.sample(4, seed=0) - model.sample(4, seed=1)).max() > 0.01
    inside = tf.function(lambda: model.sample(4))
    assert np.abs(inside() - inside()).max() > 0.01


def test_the_global_seed_of_keras_repeats_samples_and_the_shuffling_of_fit(images):
    model = tiny_model(init_std=0.5, optimizer="sgd")
    start = model.get_weights()

    def again(shuffled_as):
        model.set_weights(start)
        keras.utils.set_random_seed(shuffled_as)
        loss = model.fit(images, batch_size=8, verbose=0).history["loss"]
        return loss, model.sample(2).numpy()

    (loss, new), (same_loss, same_new) = again(7), again(7)
    assert loss == same_loss
    np.testing.assert_array_equal(new, same_new)
    assert again(8)[0] != loss  # a model's seed alone does not fix the shuffling


# Keras's global policy.


def test_the_global_policy_is_the_precision_of_who_says_none(global_policy, images):
    plain = tiny_model().train_step(images)
    global_policy("mixed_float16")
    model = tiny_model(wae_tf.WaeGan)
    assert model.settings.precision == "mixed_float16"
    assert model.encoder.layers[-2].compute_dtype == "float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(model.adversary_optimizer, keras.optimizers.LossScaleOptimizer)
    explicit = tiny_model(precision="float32")
    assert explicit.train_step(images) == plain
    assert tiny_model(settings=wae_tf.Config()).settings.precision == "float32"  # a run's own


def test_a_saved_model_keeps_its_precision_under_another_policy(global_policy, tmp_path):
    tiny_model().save(tmp_path / "x.keras")
    global_policy("mixed_bfloat16")
    assert keras.saving.load_model(tmp_path / "x.keras").settings.precision == "float32"


# The networks by themselves.


def test_the_networks_give_logits_and_take_scaled_floats(rng):
    model = tiny_model(pixel_range="symmetric", init_std=0.5)
    pictures = rng.randint(0, 256, (5, 6, 6, 1)).astype("uint8")
    codes = model.encoder(pictures / 127.5 - 1)["mean"]
    np.testing.assert_allclose(codes, model.encode(pictures), atol=1e-5)
    np.testing.assert_allclose(np.tanh(model.decoder(codes)), model.decode(codes), atol=1e-6)
