"""Pretraining of an encoder of one's own: what its layers draw, and outputs that codes do not need."""

import keras
import numpy as np
import pytest
from keras import layers

import wae_tf


@pytest.fixture
def vectors(rng):
    return rng.randn(40, 4).astype("float32")


def decoder():
    return keras.Sequential([keras.Input((2,)), layers.Dense(4)])


def pretrained(vectors, seed, layers_state):
    keras.utils.set_random_seed(5)
    encoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6), layers.Dropout(0.5), layers.Dense(2)]
    )
    for layer in encoder.layers:  # nothing but the model's seed decides
        if isinstance(layer, layers.Dropout):
            layer.seed_generator.state.assign(layers_state)
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder(), seed=seed)
    loss = wae_tf.pretrain(model, vectors, lambda line: None, steps=3, size=20)
    return loss, encoder.get_weights()


def test_dropout_follows_from_the_models_seed(vectors):
    loss, weights = pretrained(vectors, 7, [1, 2])
    again, same = pretrained(vectors, 7, [3, 4])
    assert loss == again
    for one, other in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_output_that_the_codes_do_not_need_stays_as_it_is(vectors):
    given = keras.Input((4,))
    hidden = layers.Dense(6)(given)
    mean, spread = layers.Dense(2, name="mean"), layers.Dense(2, name="spread")
    encoder = keras.Model(given, {"mean": mean(hidden), "spread": spread(hidden)})
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder(), encoder_noise="deterministic")
    before = [layer.kernel.numpy() for layer in (mean, spread)]
    loss = wae_tf.pretrain(model, vectors, lambda line: None, steps=2, size=20)
    assert np.isfinite(loss)
    assert np.abs(mean.kernel - before[0]).max() > 0
    np.testing.assert_array_equal(spread.kernel, before[1])


def test_what_is_no_model_of_ours_is_a_sentence(vectors):
    with pytest.raises(ValueError, match=r"^pretrain takes a model of wae_tf, not a Sequential"):
        wae_tf.pretrain(decoder(), vectors)
