"""The batch norm with a gradient of its own against Keras's, value by value."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from wae_tf.networks.batch_norm import FusedBatchNormalization


def _stepped(kind: type, shape: tuple[int, ...], dtype: str = "float32", **more: bool) -> list:
    """What a training step of the layer gives: outputs, moving moments, gradients."""
    layer = kind(momentum=0.9, epsilon=1e-5, dtype=dtype, **more)
    layer.build((None, *shape[1:]))
    rng = np.random.default_rng(5)
    layer.gamma.assign(rng.normal(1, 0.3, shape[-1]))
    layer.beta.assign(rng.normal(0, 0.3, shape[-1]))
    inputs = tf.constant(rng.normal(0.4, 2.0, shape), tf.float32)
    weights = tf.constant(rng.normal(size=shape), tf.float32)

    @tf.function
    def step() -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(weights * tf.cast(outputs, tf.float32))
        return outputs, tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])

    outputs, gradients = step()
    return [outputs, layer.moving_mean.value, layer.moving_variance.value, *gradients]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_equals_the_derived_gradient(dtype: str) -> None:
    own = _stepped(FusedBatchNormalization, (16, 5, 7, 6), dtype)
    keras_ = _stepped(keras.layers.BatchNormalization, (16, 5, 7, 6), dtype)
    # Half precision rounds once more, and may fall the other way.
    limit = 2**-9 if dtype == "mixed_float16" else 0
    for ours, theirs in zip(own[:3], keras_[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)
    # Rounding of the upstream gradient apart, which in half precision is that of the outputs.
    for ours, theirs in zip(own[3:], keras_[3:], strict=True):
        least = 2e-6 * float(tf.reduce_max(tf.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(least, limit))


@pytest.mark.parametrize("shape", [(8, 6), (8, 3, 3, 6)])
def test_float64_and_flat_inputs_are_kerass(shape: tuple[int, ...]) -> None:
    for dtype in ("float32", "float64"):
        own = _stepped(FusedBatchNormalization, shape, dtype)
        theirs = _stepped(keras.layers.BatchNormalization, shape, dtype)
        for a, b in zip(own, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_by_hand() -> None:
    """Two images of one pixel, 1 and 3: mean 2, biased variance 1."""
    layer = FusedBatchNormalization(momentum=0.9, epsilon=0.0)
    outputs = layer(tf.constant([1.0, 3.0], shape=(2, 1, 1, 1)), training=True)
    np.testing.assert_allclose(np.ravel(outputs), [-1, 1])
    np.testing.assert_allclose(layer.moving_mean, [0.2], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 * 1 + 0.1 * 1], rtol=1e-6)
    layer.trainable = False  # frozen: normalises by the moving moments, which stay
    frozen = layer(tf.constant([0.2], shape=(1, 1, 1, 1)), training=True)
    np.testing.assert_allclose(np.ravel(frozen), [0], atol=1e-6)


def test_saved_and_loaded(tmp_path) -> None:
    model = keras.Sequential([keras.Input((2, 2, 3)), FusedBatchNormalization(name="norm")])
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 3)).astype("float32")
    model(images, training=True)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model(images), loaded(images))
