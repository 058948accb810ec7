"""Labels joined to the decoder's input: every model and call, what is refused, saving and serving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.models.encoding import Noise
from wae_tf.models.inputs import Aim
from wae_tf.serving import export

GAUSSIAN = {"encoder_noise": "gaussian"}
KINDS = {
    "WaeMmd": {}, "WaeGan": {}, "WaeSwd": {}, "Vae": {}, "WaeMmdpp": GAUSSIAN, "WaeMmdppp": GAUSSIAN,
}  # fmt: skip


def small(name="WaeMmd"):
    return tiny_model(getattr(wae_tf, name), (5,), zdim=2, classes=3, **KINDS[name])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 48)
    return (rng.random((48, 5)) + y[:, None]).astype("float32"), y


@pytest.fixture(scope="module")
def model(data):
    model = small()
    model.fit(*data, epochs=2, batch_size=16, verbose=0)
    return model


@pytest.mark.parametrize(
    "name",
    [
        *("WaeMmd", "WaeGan", "WaeMmdpp"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("WaeSwd", "Vae", "WaeMmdppp")),
    ],
)
def test_every_model_learns_with_labels(name, data):
    model = small(name)
    assert model.decoder.input_shape == (None, 5)
    before = model.decoder.get_weights()[0].copy()
    history = model.fit(*data, epochs=1, batch_size=24, verbose=0, validation_data=data).history
    assert np.isfinite(history["val_loss"]).all()
    moved = np.abs(model.decoder.get_weights()[0] - before).max(axis=1)
    assert (moved > 0).all()  # the rows of the labels among them


def test_the_objective_by_hand(model, data):
    x, y = (part[:6] for part in data)
    prior_sample = model.sample_prior(6, tf.constant([1, 2]))
    hot = np.eye(3, dtype="float32")[y]
    terms = model.objective(
        tf.constant(x), prior_sample, Noise(), False, Aim(labels=tf.constant(hot))
    )
    made = model.decoder(np.concatenate([model.encoder(x)["mean"], hot], axis=1)).numpy()
    by_hand = model.settings.scale_of_cost * ((made - x) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(terms["reconstruction"], by_hand, rtol=1e-5)
    with pytest.raises(ValueError, match="y, the labels, is missing"):
        model.objective(tf.constant(x), prior_sample, Noise())


def test_calls_take_labels(model, data):
    x, y = data
    codes = model.encode(x)
    made = model.decode(codes, y)
    assert np.abs(made - model.decode(codes, (y + 1) % 3)).max() > 1e-3
    pairs = tf.data.Dataset.from_tensor_slices((x, y))
    for again in (
        model.reconstruct(x, labels=y), model.reconstruct(x, 10, y), model.reconstruct(pairs),
        model.reconstruct(pairs.batch(7), 5), model.decode(codes, np.eye(3)[y]),
        model.decode(codes, y[:, None], 10), model.predict(pairs.batch(16), verbose=0),
    ):  # fmt: skip
        np.testing.assert_allclose(again, made, atol=1e-6)
    np.testing.assert_allclose(model.decode(codes, 1), model.decode(codes, [1] * 48), atol=1e-6)
    cost = model.settings.scale_of_cost * ((made - x) ** 2).numpy().sum(axis=1)
    np.testing.assert_allclose(model.score(x, labels=y), cost, rtol=1e-4)
    np.testing.assert_allclose(
        model.sample(4, seed=1), model.sample(4, seed=1, labels=[0, 1, 2, 0]), atol=1e-6
    )
    way = model.interpolate(x[:2], x[2:4], steps=3, labels=[0, 2])
    np.testing.assert_allclose(way[:, 0], model.decode(codes[:2], [0, 2]), atol=1e-6)


def test_y_of_every_kind_trains_alike(data):
    x, y = data
    weights = []
    for own in (y, y[:, None], np.eye(3, dtype="float32")[y], y.astype("uint8")):
        model = small()
        model.fit(x, own, batch_size=24, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for others in weights[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], others, strict=True))


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (None, "y of fit, the labels, is missing|y, the labels, is missing"),
        (np.arange(48) % 4, "goes from 0 to 3, and this model has classes=3"),
        (np.arange(48) % 3 - 1, "goes from -1 to 1"),
        (np.zeros(48), "is of type float64"),
        (np.zeros((48, 5), "float32"), r"has shape \(48, 5\)"),
        (np.ones((48, 3)), "is not one-hot"),
        (np.array(["a", "b", "c"] * 16), "is of type <U1"),
    ],
)
def test_labels_that_cannot_be_used_are_a_sentence(y, sentence, data):
    model = small()
    with pytest.raises(ValueError, match=sentence):
        model.fit(data[0], y, batch_size=24, verbose=0)


def test_labels_of_other_ways_in_are_looked_at_too(data):
    x, y = data
    model = small()
    words = np.array(["a", "b", "c"] * 16)
    pairs = tf.data.Dataset.from_tensor_slices((x, np.where(np.arange(48) < 30, y, 7)))
    for given, kind, sentence in (
        ({"x": x, "sample_weight": np.ones(48)}, ValueError, "y of fit, the labels, is missing"),
        ({"x": x, "y": y, "validation_data": (x, words)}, ValueError, "y of validation_data, the"),
        (
            {"x": pairs.batch(12)},
            ValueError,
            "y of fit, the labels, of a later batch has some that are",
        ),
        ({"x": (x[:8] for _ in range(2))}, ValueError, "the labels, is missing"),
    ):
        with pytest.raises(kind, match=sentence):
            model.fit(**given, batch_size=24, verbose=0)
    for method in ("evaluate", "predict"):
        with pytest.raises(
            ValueError, match=f"y of {method}, the labels, of a later batch has some"
        ):
            getattr(model, method)(pairs.batch(12), verbose=0)
    with pytest.raises(ValueError, match="y of evaluate, the labels, is missing"):
        model.evaluate(x, verbose=0)
    with pytest.raises(ValueError, match="y of predict, the labels, is missing"):
        model.predict(x, verbose=0)


def test_calls_say_what_is_wrong_with_labels(model, data):
    x, y = data
    codes = model.encode(x)
    for call, sentence in (
        (lambda: model.decode(codes), "labels of decode is missing: this model has classes=3"),
        (lambda: model.decode(codes, y[:5]), "labels has 5 rows"),
        (lambda: model.decode(codes, 3), "goes from 3 to 3"),
        (lambda: model.reconstruct(x), "labels of reconstruct is missing"),
        (lambda: model.reconstruct(x, labels=np.r_[y, y]), "labels has 96 rows, and there are 48"),
        (lambda: model.reconstruct(tf.data.Dataset.from_tensor_slices(x)), "has no labels"),
        (lambda: model.score(x), "labels of score is missing"),
        (lambda: model.interpolate(x[:2], x[2:4]), "labels of interpolate is missing"),
        (lambda: model.sample(3, labels=["a", "b", "c"]), "is of type <U1"),
        (lambda: model(x), "labels of the model's call is missing"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    plain = tiny_model()
    with pytest.raises(ValueError, match="was made without classes"):
        plain.sample(3, labels=[0, 1, 2])
    for classes, sentence in ((1, "classes=1 tells nothing apart"), (-1, "too small")):
        with pytest.raises(ValueError, match=sentence):
            wae_tf.WaeMmd((5,), classes=classes)


def own(width):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((width,)), keras.layers.Dense(5)])
    return {"encoder": encoder, "decoder": decoder}


def test_own_networks_take_code_and_label_joined(data, tmp_path):
    model = wae_tf.WaeMmd(**own(7), classes=3)
    assert model.settings.zdim == 4
    assert wae_tf.WaeMmd((5,), decoder=own(7)["decoder"], classes=3).settings.zdim == 4
    model.compile()
    model.fit(*data, batch_size=24, verbose=0)
    model.save(tmp_path / "wae.keras")
    again = wae_tf.load(tmp_path / "wae.keras")
    for one in (model, again):
        one.fit(*data, batch_size=24, verbose=0, shuffle=False)
    pairs = zip(model.get_weights(), again.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    with pytest.raises(
        ValueError, match=r"joined, 4 \+ 3 = 7 numbers, and this one takes \[n, 4\]"
    ):
        wae_tf.WaeMmd(**own(4), classes=3)


@pytest.mark.slow
def test_signatures_take_labels(model, data, tmp_path):
    x, y = (part[:3] for part in data)
    export.export(model, tmp_path)
    served = tf.saved_model.load(str(tmp_path / "1")).signatures
    codes, y64 = model.encode(x), tf.constant(y)
    made = served["decode"](codes=codes, labels=y64)["images"]
    np.testing.assert_allclose(made, model.decode(codes, y), atol=1e-6)
    again = served["serving_default"](images=tf.constant(x), labels=y64)["images"]
    np.testing.assert_allclose(again, made, atol=1e-6)
    one = tf.constant([2, 1], tf.int32)
    samples = served["sample_int32"](count=one, seed=one, labels=tf.constant([0, 2]))["images"]
    np.testing.assert_allclose(samples[0], model.sample(2, seed=2, labels=0), atol=1e-5)
    for wrong, sentence in (([0, 1, 3], "0 to 2 are accepted"), ([0], "same number of rows")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
            served["decode"](codes=codes, labels=tf.constant(wrong, tf.int64))
    with pytest.raises(wae_tf.FlagError, match="of models without classes"):
        export.export(model, tmp_path, formats=("savedmodel", "litert"))
