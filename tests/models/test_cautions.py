"""What `fit` warns of before it begins: layers that TensorFlow computes wrong, or too coarsely."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.models import cautions
from wae_tf.networks import convolution, dense, unsafe_layers
from wae_tf.networks.convolution import Conv2D


def test_layers_of_keras_that_end_the_process_or_are_wrong_in_half_are_named(monkeypatch):
    def network(rank, *layers):
        return keras.Sequential([keras.Input((8,) * rank + (3,)), *layers])

    of = keras.layers
    skipping = network(
        2, of.Conv2D(8, 1, strides=2, name="a"), of.Conv2D(20, 1, name="b"),
        of.Conv2D(8, 1, strides=2, name="c"), Conv2D(8, 1, strides=2), of.Conv2D(8, 3, padding="same"),
        of.Conv2DTranspose(4, 1, strides=2, name="d"),
    )  # fmt: skip
    half = {"dtype": "mixed_bfloat16", "padding": "same"}
    ones = [
        network(
            1, of.Conv1D(4, 3, strides=4, **half), of.Conv1D(4, 3, strides=4, name="x", **half)
        ),
        network(2, of.DepthwiseConv2D(3, strides=4, **half)),
        network(2, of.SeparableConv2D(4, 3, strides=8, name="x", **half)),
        network(2, of.DepthwiseConv2D(3, strides=8, name="x", **half)),
        network(3, of.Conv3D(4, 3, name="x", **half)),
    ]
    for onednn in (True, False):
        monkeypatch.setattr(convolution, "by_onednn", lambda onednn=onednn: onednn)
        assert unsafe_layers.fatal_layers(skipping) == (["a", "d"] if onednn else [])
        named = [unsafe_layers.wrong_layers(one) for one in ones]
        assert named == ([["x"], [], ["x"], ["x"], ["x"]] if onednn else [[]] * 5)
    monkeypatch.setattr(convolution, "by_onednn", lambda: True)
    network = keras.Sequential([skipping, of.Flatten(), of.Dense(2)])
    model = wae_tf.WaeMmd(encoder=network, decoder_arch="mlp", decoder_layers=1)
    model.compile()
    with pytest.warns(UserWarning, match="gradient of a, d of the encoder.* may end the process"):
        cautions.tell(model, 8)


@pytest.mark.parametrize(
    ("jit", "batch_size", "named"), [(False, 256, "a"), (False, 300, "a, d"), (True, 300, None)]
)
def test_layers_of_keras_whose_biases_are_summed_in_half_are_named(jit, batch_size, named, recwarn):
    half = {"dtype": "mixed_bfloat16"}
    encoder = keras.Sequential([
        keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3, name="a", **half), Conv2D(2, 3, **half),
        keras.layers.Conv2D(2, 3, use_bias=False, **half), keras.layers.Conv2D(2, 2, name="b"),
        keras.layers.Flatten(), keras.layers.Dense(2, name="d", **half),
    ])  # fmt: skip
    model = wae_tf.WaeMmd(encoder=encoder, decoder_arch="mlp", decoder_layers=1)
    model.compile(jit_compile=jit)
    cautions.tell(model, batch_size)
    told = [str(one.message) for one in recwarn if "the gradients of biases" in str(one.message)]
    assert len(told) == (named is not None)  # XLA sums in float32
    assert all(f"biases of {named} of the encoder" in one for one in told)


def test_fit_knows_the_rows_of_a_data_sets_first_batch():
    encoder = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(2, name="d", dtype="mixed_bfloat16")
    ])  # fmt: skip
    model = wae_tf.WaeMmd(encoder=encoder, decoder_arch="mlp", decoder_layers=1)
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(np.zeros((300, 4), np.float32)).batch(300)
    with pytest.warns(UserWarning, match="gradients of biases of d of the encoder"):
        model.fit(data, verbose=0)


def test_a_dense_layer_of_places_has_a_term_each():
    network = keras.Sequential(
        [keras.Input((20, 3)), keras.layers.Dense(4, dtype="mixed_bfloat16")]
    )
    assert unsafe_layers.coarse_layers(network, 12) == []
    assert unsafe_layers.coarse_layers(network, 13) == [network.layers[0].name]  # 260 terms


def test_our_own_dense_layers_that_sum_in_float32_are_not_named():
    own = dense.Dense
    network = keras.Sequential([
        keras.Input((3,)), own(4, dtype="mixed_bfloat16"),
        own(4, activation="relu", dtype="mixed_bfloat16", name="named"),
    ])  # fmt: skip
    assert unsafe_layers.coarse_layers(network, 300) == ["named"]


def test_what_is_frozen_or_made_trainable_after_compile_is_named():
    x = np.zeros((10, 6, 6, 1), np.float32)
    model = tiny_model()
    model.compile()
    model.encoder.trainable = False
    with pytest.warns(
        UserWarning, match=r"\d+ weights of the encoder were frozen after compile\(\)"
    ):
        model.fit(x, batch_size=10, verbose=0)
    model.compile()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x, batch_size=10, verbose=0)
    model.encoder.trainable = True
    with pytest.warns(
        UserWarning, match="the encoder were made trainable after compile.. and are not"
    ):
        model.fit(x, batch_size=10, verbose=0)
