"""A variable that encoder and decoder share is moved once a step, by the sum of its gradients."""

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
