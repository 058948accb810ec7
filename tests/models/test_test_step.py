"""`test_step` and `evaluate`: the objective's terms on test batches, by hand and from objective.*."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny
from wae_tf import streams
from wae_tf.objective import costs, penalties, priors

SMALL = tiny(8, adversary_filters=4, init_std=0.3, seed=4)
TERMS = ("loss", "reconstruction", "penalty")


def numbers(terms):
    return {name: float(terms[name]) for name in TERMS}


@pytest.fixture
def by_hand():
    """Images of two pixels whose code is the pixels; the decoder's logits are the code."""

    def network(shape, target):
        given = keras.Input(shape)
        return keras.Model(given, keras.layers.Reshape(target)(given))

    model = wae_tf.WaeMmd(
        (2, 1, 1), encoder=network((2, 1, 1), (2,)), decoder=network((2,), (2, 1, 1)),
        zdim=2, wae_lambda=30.0, mmd_scales=(1.0,), cost="l2sq",
    )  # fmt: skip
    model.sample_prior = lambda count, key: tf.constant([[0.0, 1.0], [0.0, 0.0]])
    model.compile(run_eagerly=True)
    return model


def test_a_batch_by_hand(by_hand):
    first = np.array([[0.0, 0.0], [1.0, 0.0]], "float32").reshape(2, 2, 1, 1)
    # Of 0 the reconstruction is 1/2, of 1 it is 1 / (1 + 1/e). The official scale of l2sq is 0.05.
    cost = 0.05 * (0.5 + (1 - 1 / (1 + np.exp(-1))) ** 2 + 0.25) / 2
    # k(d) = 4 / (4 + d): 4/5 within the codes and within the prior sample; across 4/5, 1, 2/3, 4/5.
    penalty = (2 * 4 / 5 + 2 * 4 / 5) / 2 - 2 * (4 / 5 + 1 + 2 / 3 + 4 / 5) / 4
    assert penalty == pytest.approx(-1 / 30)
    expected = {"loss": cost - 1, "reconstruction": cost, "penalty": -1 / 30}
    assert numbers(by_hand.test_step(first)) == pytest.approx(expected, rel=1e-5)

    # Codes 0 and 0: 1 within, 4/5 within the prior sample, across 4/5 and 1 twice: nothing is left.
    second = by_hand.test_step(np.zeros((2, 2, 1, 1), "float32"))
    mean = {
        "loss": (cost - 1 + 0.025) / 2,
        "reconstruction": (cost + 0.025) / 2,
        "penalty": -1 / 60,
    }
    assert numbers(second) == pytest.approx(mean, rel=1e-5)


def terms_of(model, images, index):
    """The terms of a test batch, put together from the parts of objective.*."""
    settings = model.settings
    scale, shape = settings.prior_scale, (len(images), settings.zdim)
    key = streams.key(settings.seed, "test/prior", index)
    prior_sample = priors.sample(settings.prior, *shape, scale, key)
    outputs = model.encoder(images, training=False)
    codes = mean = outputs["mean"]
    if settings.encoder_noise == "gaussian":
        key = streams.key(settings.seed, "test/code", index)
        noise = tf.random.stateless_normal(shape, key, alg="philox")
        codes = mean + noise * tf.sqrt(1e-8 + tf.exp(outputs["spread"]))
    logits = model.decoder(codes, training=False)
    made = tf.sigmoid(logits)
    cost = costs.reconstruction(settings.cost, images, made, logits, settings.scale_of_cost)
    if isinstance(model, wae_tf.Vae):
        penalty = penalties.kl(mean, outputs["spread"], scale)
    elif isinstance(model, wae_tf.WaeGan):
        penalty = penalties.gan(model.adversary(codes))
    else:
        width = priors.kernel_width(settings.prior, settings.zdim, scale)
        penalty = penalties.mmd(codes, prior_sample, width=width)
    loss = cost + settings.wae_lambda * penalty
    return {"loss": float(loss), "reconstruction": float(cost), "penalty": float(penalty)}


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (wae_tf.WaeMmd, {"wae_lambda": 7.0, "prior_scale": 1.5, "encoder_noise": "add_noise"}),
        (wae_tf.WaeGan, {"wae_lambda": 3.0, "encoder_noise": "gaussian", "cost": "l1"}),
        pytest.param(wae_tf.Vae, {"prior_scale": 2.0}, marks=pytest.mark.slow),
    ],
)
def test_evaluate_is_the_mean_over_batches_and_changes_nothing(cls, fields, rng):
    model = cls((4, 4, 1), data_size=12, **(SMALL | fields))
    model.compile()
    images = rng.rand(12, 4, 4, 1).astype("float32")
    model.fit(
        images, batch_size=4, epochs=2, shuffle=False, verbose=0
    )  # moves batch norm's moments
    before = [weight.numpy() for weight in (*model.encoder.weights, *model.decoder.weights)]
    step = int(model.step.numpy())

    batches = [terms_of(model, images[4 * i : 4 * i + 4], i) for i in range(3)]
    expected = {name: np.mean([batch[name] for batch in batches]) for name in TERMS}
    found = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert numbers(found) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    again = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert numbers(again) == pytest.approx(numbers(found), rel=1e-6)  # threads add up in any order
    assert len({batch["loss"] for batch in batches}) == 3

    after = [weight.numpy() for weight in (*model.encoder.weights, *model.decoder.weights)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert int(model.step.numpy()) == step == 6


def test_a_last_batch_of_fewer_images_is_a_mean_with_a_divisor_too(rng):
    x = rng.rand(10, 5).astype("float32")
    model = wae_tf.WaeMmd((5,), zdim=2, encoder_filters=4, decoder_filters=4, batch_divisor=4)
    model.compile()
    found = dict(zip(model.metrics_names, model.evaluate(x, batch_size=4, verbose=0), strict=True))
    made = model.reconstruct(x).numpy()
    by_hand = 0.05 * np.square(made - x).sum(1).mean()  # official wae.py:342
    assert found["reconstruction"] == pytest.approx(by_hand, rel=1e-5)
