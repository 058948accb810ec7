"""WAE-GAN with an adversary or optimizers of one's own: passes, frozen weights, averages of weights."""

import keras
import numpy as np
import pytest
from keras import layers

import wae_tf
from tests.factory import tiny_model


@pytest.fixture
def vectors(rng):
    return rng.rand(24, 4).astype("float32")


def adversary(*between):
    return keras.Sequential([keras.Input((3,)), layers.Dense(5), *between, layers.Dense(1)])


def gan(*between, **fields):
    return tiny_model(
        wae_tf.WaeGan, (4,), compiled=False, adversary=adversary(*between), init_std=0.5, **fields
    )


def values(network):
    return [weight.numpy() for weight in network.weights]


def test_evaluate_leaves_an_own_adversary_as_it_is(vectors):
    model = gan(layers.BatchNormalization(), layers.Dropout(0.5))
    model.compile()
    model.fit(vectors, batch_size=8, verbose=0)
    before = values(model.adversary)
    found = [model.evaluate(vectors, batch_size=8, verbose=0, return_dict=True) for _ in range(2)]
    assert found[0] == found[1]
    for one, other in zip(before, values(model.adversary), strict=True):
        np.testing.assert_array_equal(one, other)
    # Its logits are those of inference: the penalty by hand.
    codes = model.encode(vectors[:8])
    logits = model.adversary(codes, training=False).numpy()
    tested = model.evaluate(vectors[:8], batch_size=8, verbose=0, return_dict=True)
    assert tested["penalty"] == pytest.approx(np.log1p(np.exp(-logits)).mean(), rel=1e-5)


def test_training_moves_its_moments_still(vectors):
    model = gan(norm := layers.BatchNormalization())
    model.compile()
    model.fit(vectors, batch_size=8, verbose=0)
    assert np.abs(norm.moving_mean).max() > 1e-4


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_fixed_adversary_is_trained_against(vectors, precision):
    model = gan(precision=precision)
    model.adversary.trainable = False
    model.compile()
    before = [values(network) for network in (model.encoder, model.adversary)]
    history = model.fit(vectors, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(history["adversary_loss"]).all()
    assert any((a != b).any() for a, b in zip(before[0], values(model.encoder), strict=True))
    for one, other in zip(before[1], values(model.adversary), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.advice() is None


def test_one_optimizer_for_both_is_refused():
    one = keras.optimizers.Adam()
    scaled = keras.optimizers.LossScaleOptimizer
    for pair in ((one, one), (scaled(one), scaled(one)), (scaled(one), one)):
        with pytest.raises(ValueError, match=r"one Adam for both .*: two optimizers are needed"):
            gan().compile(*pair)
    gan().compile("adam", "adam")
    gan().compile(one)


def test_averages_of_the_adversarys_weights_are_its_weights_in_the_end(vectors):
    seen = []

    class AtEnd(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            seen.append(values(self.model.adversary))

    def fitted(callbacks=AtEnd, **fields):
        keras.utils.set_random_seed(1)
        model = gan()
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.5, **fields))
        one = callbacks()
        if isinstance(one, keras.callbacks.CallbackList):
            one.set_model(model)
        model.fit(vectors, batch_size=12, epochs=1, shuffle=False, verbose=0, callbacks=one)
        return values(model.adversary)

    def step_by_step():
        keras.utils.set_random_seed(1)
        model = gan()
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.5))
        made = []
        for start in (0, 12):
            model.train_on_batch(vectors[start : start + 12])
            made.append(values(model.adversary))
        return made

    first, second = step_by_step()
    # Keras's average begins with the first step's weights.
    by_hand = [0.9 * one + 0.1 * other for one, other in zip(first, second, strict=True)]
    for callbacks in (AtEnd, lambda: keras.callbacks.CallbackList([AtEnd()], add_history=True)):
        found = fitted(callbacks, use_ema=True, ema_momentum=0.9)
        for expected, one, at_end in zip(by_hand, found, seen.pop(), strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(at_end, one)
    plain = fitted()
    for expected, one in zip(second, plain, strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)


def test_no_step_leaves_the_weights(vectors):
    model = gan()
    model.compile("sgd", keras.optimizers.SGD(0.5, use_ema=True))
    before = values(model.adversary)
    model.fit(vectors, epochs=0, verbose=0)
    for one, other in zip(before, values(model.adversary), strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_regularizers_are_in_its_step(vectors):
    def trained(**last):
        keras.utils.set_random_seed(1)
        model = gan(layers.Dense(5, name="between", **last), seed=1)
        model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1))
        kernel = model.adversary.get_layer("between").kernel
        before = kernel.numpy()
        model.fit(vectors[:8], batch_size=8, verbose=0)
        return before, kernel.numpy()

    before, plain = trained()
    same, moved = trained(kernel_regularizer=keras.regularizers.L2(0.5))
    np.testing.assert_array_equal(before, same)
    # 2 x 0.5 of the kernel besides, at rate 0.1.
    np.testing.assert_allclose(moved - plain, -0.1 * before, atol=1e-6)
