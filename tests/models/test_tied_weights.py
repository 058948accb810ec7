"""A variable that encoder and decoder share is moved once a step, by the sum of its gradients."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import wae_tf


class Transposed(layers.Layer):
    """The product with another layer's kernel, transposed."""

    def __init__(self, of, **kwargs):
        super().__init__(**kwargs)
        self.of = of

    def call(self, codes):
        return keras.ops.matmul(codes, keras.ops.transpose(self.of.kernel))


@pytest.mark.parametrize("cls", [wae_tf.WaeMmd, wae_tf.WaeGan])
def test_a_step_is_that_of_the_summed_gradient(cls, rng):
    x = rng.randn(16, 5).astype("float32")
    dense = layers.Dense(2, use_bias=False)
    encoder = keras.Sequential([keras.Input((5,)), dense])
    decoder = keras.Sequential([keras.Input((2,)), Transposed(dense)])
    model = cls(encoder=encoder, decoder=decoder, wae_lambda=0.0)
    given = (
        (keras.optimizers.SGD(0.1), "sgd") if cls is wae_tf.WaeGan else (keras.optimizers.SGD(0.1),)
    )
    model.compile(*given)
    assert len(model.autoencoder_variables) == 1
    before = dense.kernel.numpy()
    with tf.GradientTape() as tape:
        cost = 0.05 * tf.reduce_mean(tf.reduce_sum(tf.square(decoder(encoder(x)) - x), 1))
    step = -0.1 * tape.gradient(cost, dense.kernel.value).numpy()
    model.train_on_batch(x)
    np.testing.assert_allclose(dense.kernel.numpy() - before, step, atol=1e-6)


def test_its_regularizer_is_in_the_loss_once(rng):
    x = rng.randn(16, 5).astype("float32")
    dense = layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5))
    encoder = keras.Sequential([keras.Input((5,)), dense])
    decoder = keras.Sequential([keras.Input((2,)), Transposed(dense)])
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder, wae_lambda=0.0)
    model.compile()
    found = model.evaluate(x, verbose=0, return_dict=True)
    by_hand = 0.5 * np.square(dense.kernel.numpy()).sum()
    assert found["loss"] - found["reconstruction"] == pytest.approx(by_hand, rel=1e-5)


def _of_one_layer():
    """Encoder and decoder that end, and begin, with one and the same model."""
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(5, "tanh")])
    encoder = keras.Sequential([keras.Input((5,)), layers.Dense(5), inner])
    return encoder, keras.Sequential([keras.Input((5,)), inner, layers.Dense(5)])


def _with_transposed():
    dense = layers.Dense(2, use_bias=False)
    encoder = keras.Sequential([keras.Input((5,)), dense])
    return encoder, keras.Sequential([keras.Input((2,)), Tied(dense)])


def _one_for_both():
    network = keras.Sequential([keras.Input((5,)), layers.Dense(5)])
    return network, network


@keras.saving.register_keras_serializable("test_tied_weights")
class Tied(Transposed):
    """Such a layer that can be saved."""

    def get_config(self):
        return super().get_config() | {"of": keras.saving.serialize_keras_object(self.of)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("of")), **config)


@pytest.mark.parametrize("networks", [_of_one_layer, _with_transposed, _one_for_both])
@pytest.mark.parametrize("way", ["file", "copy", "clone"])
def test_a_shared_layer_is_one_again(networks, way, rng, tmp_path):
    x = rng.randn(32, 5).astype("float32")
    encoder, decoder = networks()
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder)
    model.compile()
    model.fit(x, verbose=0, shuffle=False)
    if way == "file":
        model.save(tmp_path / "tied.keras")
        again = wae_tf.load(tmp_path / "tied.keras")
    elif way == "copy":
        again = copy.deepcopy(model)
    else:
        again = keras.models.clone_model(model)
        again.compile()
        again.set_weights(model.get_weights())
    assert len(again.autoencoder_variables) == len(model.autoencoder_variables)
    np.testing.assert_array_equal(again.reconstruct(x), model.reconstruct(x))
    if way != "clone":  # whose optimizers begin anew
        for one in (model, again):
            one.fit(x, verbose=0, shuffle=False)
        np.testing.assert_array_equal(again.reconstruct(x), model.reconstruct(x))


def test_a_functional_decoder_of_a_shared_layer_is_not_saved_but_its_weights_are(rng, tmp_path):
    x, dense = rng.randn(8, 5).astype("float32"), layers.Dense(5, name="shared")
    rows, codes = keras.Input((5,)), keras.Input((5,))
    networks = {
        "encoder": keras.Model(rows, dense(rows)),
        "decoder": keras.Model(codes, dense(codes)),
    }
    model = wae_tf.WaeMmd(**networks)
    model.compile()
    model.fit(x, verbose=0)
    with pytest.raises(ValueError, match="the decoder shares its layer 'shared' with another"):
        model.save(tmp_path / "tied.keras")
    model.save_weights(tmp_path / "tied.weights.h5")
    before = model.reconstruct(x).numpy()
    model.fit(x, verbose=0)
    model.load_weights(tmp_path / "tied.weights.h5")
    np.testing.assert_array_equal(model.reconstruct(x), before)
