"""Numbers of channels along wide rows: bit for bit what TensorFlow's own broadcasting gives."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from wae_tf.networks import biases, convolution
from wae_tf.networks.wide_rows import WideRows


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ((3, 5, 7, 3), 35),
        ((2, 64, 64, 8), 128),
        ((2, 31, 37, 32), 31),
        ((2, 31, 37, 16), 37),
        ((2, 67, 67, 32), 1),
        ((2, 8, 8, 33), 1),
        ((2, 8, 8, 1), 1),
        ((4, 6), 1),
    ],
)
def test_rows_of_as_many_places_as_divide_an_image(shape: tuple[int, ...], places: int) -> None:
    rows = WideRows(tf.zeros(shape))
    assert rows.places == places
    images = tf.random.stateless_normal(shape, [1, 2])
    numbers = tf.random.stateless_normal(shape[-1:], [3, 4])
    wide = rows.back(rows.of(images) * rows.each(numbers))
    np.testing.assert_array_equal(wide, images * numbers)


def _gradients(function, outputs: tf.Tensor, bias: tf.Tensor, known: bool = True) -> list:
    shape = outputs.shape if known else [None, None, None, outputs.shape[3]]

    @tf.function(input_signature=[tf.TensorSpec(shape), tf.TensorSpec(bias.shape)])
    def differentiated(outputs: tf.Tensor, bias: tf.Tensor) -> list:
        with tf.GradientTape() as tape:
            tape.watch([outputs, bias])
            made = function(outputs, bias)
            loss = tf.reduce_sum(made**3)
        return [made, *tape.gradient(loss, [outputs, bias])]

    return differentiated(outputs, bias)


def _as_keras(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return keras.ops.add(outputs, keras.ops.reshape(bias, (1, 1, 1, -1)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (biases.added_in_rows, tf.add),
        (functools.partial(biases.added_in_rows, by_kernel=True), _as_keras),
    ],
)
def test_biases_and_their_gradients_are_the_same_to_the_bit(ours, theirs, known, channels) -> None:
    outputs = tf.random.stateless_normal((6, 16, 16, channels), [5, 6])
    bias = tf.constant([0.3, -1.0, 2.0][:channels])
    for a, b in zip(
        _gradients(ours, outputs, bias, known),
        _gradients(theirs, outputs, bias, known),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("filters", [1, 8])
@pytest.mark.parametrize("use_bias", [True, False])
def test_transposed_convolutions_in_training_are_kerass_to_the_bit(use_bias, filters) -> None:
    ours = convolution.Conv2DTranspose(filters, 5, 2, padding="same", use_bias=use_bias)
    inputs = tf.random.stateless_normal((4, 8, 8, 16), [7, 8])
    ours.build(inputs.shape)
    if use_bias:
        ours.bias.assign(tf.random.stateless_normal([filters], [9, 10]))

    def made(training: bool) -> list:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = ours(inputs, training=training)  # not in training Keras's own
            loss = tf.reduce_sum(outputs**2)
        weights = [weight.value for weight in ours.weights]
        return [outputs, *tape.gradient(loss, [inputs, *weights])]

    for a, b in zip(made(True), made(False), strict=True):
        np.testing.assert_array_equal(a, b)
