"""Networks of the user's own: what is read from them, saved with them, and refused in a sentence."""

import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import wae_tf
from tests.factory import tiny_model
from wae_tf.models.step import replicas
from wae_tf.networks import official

D, Z = 5, 2
FIXED = """
import keras, numpy as np, wae_tf
x = np.random.default_rng(0).normal(size=(300, 6)).astype("float32")
first, last, vectors = x[:4], x[4:8], x
encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)])
decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(6)])
model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder, wae_lambda=10.0)
model = wae_tf.WaeGan(encoder=encoder, decoder=decoder, adversary=None)
model.compile()
model.fit(vectors, epochs=20, batch_size=128, verbose=0)
codes = model.encode(x, batch_size=256)
x2 = model.decode(codes); new = model.sample(10, seed=1)
path = model.interpolate(first, last, steps=10)
score = model.score(x, batch_size=256)
model.save("wae.keras"); again = wae_tf.load("wae.keras")
print(*(list(each.shape) for each in (codes, x2, new, path, score)))
np.testing.assert_array_equal(again.encode(x), codes)
np.testing.assert_allclose(score, 0.05 * np.sum((x - x2) ** 2, 1), rtol=1e-5)
np.testing.assert_allclose(path[:, 0], model.reconstruct(first), atol=1e-5)
np.testing.assert_allclose(path[:, -1], model.reconstruct(last), atol=1e-5)
"""


@pytest.mark.processes
def test_the_usage_of_the_documentation_in_a_fresh_process(tmp_path):
    command = [sys.executable, "-W", "error:::wae_tf", "-c", FIXED]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[300, 2] [300, 6] [10, 6] [4, 10, 6] [300]"


def dense(inputs, outputs, **last):
    return keras.Sequential([keras.Input((inputs,)), layers.Dense(outputs, **last)])


def pair(**last):
    return {"encoder": dense(D, Z), "decoder": dense(Z, D, **last)}


@keras.saving.register_keras_serializable("tests")
class Branches(layers.Layer):
    """Two branches, one with dropout, and batch norm of their sum."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.a, self.b = layers.Dense(units), layers.Dense(units, "tanh")
        self.drop, self.norm = layers.Dropout(0.3), layers.BatchNormalization(momentum=0.8)

    def call(self, x, training=False):
        return self.norm(self.a(x) + self.drop(self.b(x), training=training), training=training)

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("tests")
class Encoder(keras.Model):
    """A subclassed network with a head for the mean and one for the log-variance."""

    def __init__(self, zdim, **kwargs):
        super().__init__(**kwargs)
        self.zdim = zdim
        self.body, self.mean, self.spread = Branches(7), layers.Dense(zdim), layers.Dense(zdim)

    def call(self, x, training=False):
        x = self.body(x, training=training)
        return {"mean": self.mean(x), "spread": self.spread(x)}

    def get_config(self):
        return super().get_config() | {"zdim": self.zdim}


def subclassed():
    encoder = Encoder(Z)
    encoder(np.zeros((1, D), "float32"))
    given = keras.Input((Z,))
    branch = layers.Dropout(0.2)(layers.Dense(6, "relu")(given))
    made = layers.Dense(D)(layers.Concatenate()([branch, layers.Dense(3)(given)]))
    adversary = keras.Sequential([keras.Input((Z,)), layers.Dropout(0.1), layers.Dense(1)])
    return {"encoder": encoder, "decoder": keras.Model(given, made), "adversary": adversary}


@pytest.fixture
def vectors(rng):
    return rng.standard_normal((24, D)).astype("float32")


def trained(model, x, steps=3):
    for _ in range(steps):
        model.train_on_batch(x)
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


def test_training_goes_on_bit_by_bit_after_a_reload(vectors, tmp_path):
    model = wae_tf.WaeGan(**subclassed(), seed=3)
    assert (model.image_shape, model.settings.zdim) == ((D,), Z)
    assert model.settings.encoder_noise == "gaussian"
    model.compile()
    before = model.encode(vectors).numpy()
    trained(model, vectors)
    assert not np.array_equal(model.encode(vectors), before)
    model.save(tmp_path / "own.keras")
    again = wae_tf.load(tmp_path / "own.keras")
    pairs = zip(trained(model, vectors), trained(again, vectors), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    states = [m.adversary_optimizer.variables for m in (model, again)]
    assert all(np.array_equal(one, other) for one, other in zip(*states, strict=True))
    # Dropout is on: without it the same step has other gradients.
    model.encoder.body.drop.rate = 0.0
    model.make_train_function(force=True)
    pairs = zip(trained(model, vectors), trained(again, vectors), strict=True)
    assert not all(np.array_equal(one, other) for one, other in pairs)


def test_optimizers_of_ones_own_are_saved_with_their_state(vectors, tmp_path):
    model = wae_tf.WaeGan(**pair())
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.RMSprop(0.01))
    trained(model, vectors)
    model.save(tmp_path / "own.keras")
    again = wae_tf.load(str(tmp_path / "own.keras"))
    assert [type(update.optimizer).__name__ for update in again.updates] == ["SGD", "RMSprop"]
    pairs = zip(trained(model, vectors), trained(again, vectors), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 8, 3), (9,)], ids=str)
def test_the_official_networks_given_without_a_shape_are_the_same_model(shape, rng):
    ours = tiny_model(wae_tf.WaeGan, shape, seed=5, encoder_noise="gaussian")
    build = (official.build_encoder, official.build_decoder)
    encoder, decoder = (make(ours.settings, shape) for make in build)
    given = wae_tf.WaeGan(
        encoder=encoder, decoder=decoder, seed=5, adversary_filters=8, adversary_layers=1
    )
    given.compile()
    x = rng.rand(16, *shape).astype("float32")
    for one, other in zip(trained(ours, x), trained(given, x), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(ours.reconstruct(x), given.reconstruct(x))


@pytest.mark.parametrize(
    ("last", "output", "expected"),
    [
        ({}, None, ("any", "linear")),
        ({}, "linear", ("any", "linear")),
        ({}, "unit", ("unit", "sigmoid")),
        ({}, "symmetric", ("symmetric", "tanh")),
        ({"activation": "sigmoid"}, None, ("unit", "linear")),
        ({"activation": "sigmoid"}, "unit", ("unit", "linear")),
        ({"activation": "tanh"}, None, ("symmetric", "linear")),
        ({"activation": "relu"}, "linear", ("any", "linear")),
    ],
)
def test_what_the_last_layer_means(last, output, expected, vectors):
    model = wae_tf.WaeMmd(**pair(**last), output=output)
    settings = model.settings
    assert (settings.pixel_range_of_data, settings.output_of_decoder) == expected
    codes = model.encode(np.clip(vectors, 0, 1))
    bare = model.decoder(codes)
    squash = {"sigmoid": keras.ops.sigmoid, "tanh": keras.ops.tanh, "linear": lambda x: x}
    np.testing.assert_array_equal(model.decode(codes), squash[expected[1]](bare))


def test_of_pictures_a_sigmoid_is_seen_through_a_reshape_and_the_rest_are_logits():
    def decoder(**last):
        return keras.Sequential(
            [keras.Input((Z,)), layers.Dense(12, **last), layers.Reshape((2, 2, 3))]
        )

    encoder = keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(Z)])
    found = [
        wae_tf.WaeMmd(encoder=encoder, decoder=decoder(**last)).settings.output_of_decoder
        for last in ({"activation": "sigmoid"}, {})
    ]
    assert found == ["linear", "sigmoid"]
    with pytest.raises(ValueError, match=r"last layer is a relu.*give output="):
        wae_tf.WaeMmd(encoder=encoder, decoder=decoder(activation="relu"))


def test_cross_entropy_of_a_decoder_with_a_sigmoid(rng):
    x = rng.rand(8, D).astype("float32")
    model = wae_tf.WaeMmd(**pair(activation="sigmoid"), cost="bce")
    p = model.reconstruct(x).numpy().astype("float64")
    by_hand = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(model.score(x), by_hand, rtol=1e-4)
    bare = wae_tf.WaeMmd(**pair(), output="unit", cost="bce")
    p = bare.reconstruct(x).numpy().astype("float64")
    by_hand = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(bare.score(x), by_hand, rtol=1e-4)


def unbuilt():
    return keras.Sequential([layers.Dense(Z)])


def several():
    inputs = [keras.Input((D,)), keras.Input((D,))]
    return keras.Model(inputs, layers.Dense(Z)(layers.Add()(inputs)))


class Broken(layers.Layer):
    def build(self, shape):
        self.built = True

    def call(self, x):
        raise RuntimeError("broken by design")


def broken():
    layer = Broken()
    layer.build((None, D))
    return layer


def other(**changes):
    return lambda: pair() | {name: made() for name, made in changes.items()}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (other(encoder=unbuilt), "encoder is not built.*keras.Input"),
        (other(decoder=unbuilt), "decoder is not built.*call it on a batch"),
        (other(encoder=several), "encoder takes 2 tensors; accepted: a network of one input"),
        (other(encoder=lambda: len), "encoder is a builtin_function_or_method; accepted: a Keras 3"),
        (other(encoder=lambda: dense(D, Z + 1)), r"zdim=3, and the decoder takes \[n, 2\]"),
        (other(decoder=lambda: dense(Z, D + 1)), r"gives \[n, 6\], and the data are \[n, 5\]"),
        (other(encoder=broken), r"cannot be called on \[n, 5\] \(RuntimeError"),
        (other(image_shape=lambda: (D + 1,)), r"takes \[n, 5\], and the data are \[n, 6\]"),
        (other(zdim=lambda: 9), "zdim=9 does not fit the networks, whose codes have 2"),
        (other(output=lambda: "sigmoid"), "output=sigmoid is not known; accepted: linear, unit"),
        (other(encoder_noise=lambda: "gaussian"), "encoder_noise=gaussian needs an encoder that"),
        (other(adversary=lambda: dense(Z, 1)), "WaeMmd has no adversary"),
        (lambda: {"zdim": 2}, "image_shape is missing"),
        (lambda: {"encoder": dense(D, Z), "encoder_arch": "dcgan", "decoder_arch": "dcgan"},
         "takes pictures only, not data of"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_sentence_at_construction(given, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        wae_tf.WaeMmd(**given())
    assert "\n" not in str(caught.value)


def test_an_adversary_that_does_not_fit():
    with pytest.raises(ValueError, match=r"adversary gives \[n, 3\]; accepted: logits, \[n, 1\]"):
        wae_tf.WaeGan(**pair(), adversary=dense(Z, 3))
    with pytest.raises(ValueError, match="encoder_noise=gaussian needs an encoder"):
        wae_tf.Vae(**pair())


def test_networks_assigned_after_construction_are_refused(vectors):
    model = wae_tf.WaeMmd(**pair())
    for name in ("encoder", "decoder"):
        with pytest.raises(ValueError, match=f"the {name} of a model is fixed when it is made"):
            setattr(model, name, dense(D, D))
    with pytest.raises(ValueError, match="has no adversary"):
        model.adversary = dense(Z, 1)
    with pytest.raises(ValueError, match="the adversary of a model is fixed"):
        wae_tf.WaeGan(**pair()).adversary = dense(Z, 1)


class Unsavable(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function, self.dense = function, layers.Dense(Z)

    def call(self, x):
        return self.function(self.dense(x))


def test_a_network_without_a_config_is_a_sentence_at_save(vectors, tmp_path):
    encoder = Unsavable(keras.ops.tanh)
    encoder(vectors)
    model = wae_tf.WaeMmd(encoder=encoder, decoder=dense(Z, D))
    model.compile()
    trained(model, vectors)
    with pytest.raises(ValueError, match=r"the encoder, a Unsavable, cannot be saved.*get_config"):
        model.save(tmp_path / "own.keras")


@pytest.mark.parametrize(
    "shape",
    [(7, 3), *(pytest.param(shape, marks=pytest.mark.slow) for shape in ((2, 3, 2, 1), (4,)))],
    ids=str,
)
def test_series_volumes_and_vectors_with_the_networks_of_settings(shape, rng, tmp_path):
    x = rng.standard_normal((12, *shape)).astype("float32")
    model = wae_tf.WaeMmd(shape, zdim=2, encoder_filters=8, decoder_filters=8)
    assert model.settings.encoder_arch == model.settings.decoder_arch == "mlp"
    model.compile()
    trained(model, x)
    model.fit(x, batch_size=6, verbose=0)
    made = model.reconstruct(x)
    by_hand = 0.05 * np.sum((x - made.numpy()) ** 2, axis=tuple(range(1, x.ndim)))
    np.testing.assert_allclose(model.score(x), by_hand, rtol=1e-5)
    model.save(tmp_path / "any.keras")
    np.testing.assert_array_equal(wae_tf.load(tmp_path / "any.keras").reconstruct(x), made)


@pytest.mark.parametrize(
    ("last", "fields", "expected"),
    [
        ([layers.Activation("sigmoid")], {"pixel_range": "unit"}, ("unit", "linear")),
        ([layers.Activation("sigmoid")], {"pixel_range": "symmetric"}, ("symmetric", "linear")),
        ([layers.Activation("tanh")], {"pixel_range": "symmetric"}, ("symmetric", "linear")),
        # As mixed precision's users end a network, and layers that keep the range.
        ([layers.Activation("sigmoid"), layers.Activation("linear")], {}, ("unit", "linear")),
        ([layers.Activation("tanh"), layers.Resizing(2, 2)], {}, ("symmetric", "linear")),
        ([layers.BatchNormalization()], {}, ("unit", "sigmoid")),
        ([layers.Rescaling(1.0)], {"output": "unit"}, ("unit", "linear")),
        ([layers.Rescaling(1.0)], {"decoder_output": "sigmoid"}, ("unit", "sigmoid")),
        ([layers.Rescaling(1.0)], {"pixel_range": "any"}, ("any", "linear")),
    ],
)  # fmt: skip
def test_of_pictures_nothing_is_squashed_twice(last, fields, expected):
    encoder = keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(Z)])
    network = [keras.Input((Z,)), layers.Dense(12), layers.Reshape((2, 2, 3)), *last]
    model = wae_tf.WaeMmd(encoder=encoder, decoder=keras.Sequential(network), **fields)
    settings = model.settings
    assert (settings.pixel_range_of_data, settings.output_of_decoder) == expected


@pytest.mark.parametrize("fields", [{}, {"pixel_range": "unit"}])
@pytest.mark.parametrize(
    ("last", "name"),
    [(keras.ops.sigmoid, "Sigmoid"), (layers.ReLU(1), "ReLU"), (layers.Rescaling(2.0), "Rescaling")],
)  # fmt: skip
def test_of_pictures_an_end_that_is_not_known_is_asked_about(last, name, fields):
    encoder = keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(Z)])
    codes = keras.Input((Z,))
    decoder = keras.Model(codes, last(layers.Reshape((2, 2, 3))(layers.Dense(12)(codes))))
    with pytest.raises(
        ValueError, match=f"last layer is a {name}, which does not say.*give output="
    ):
        wae_tf.WaeMmd(encoder=encoder, decoder=decoder, **fields)


def test_a_tanh_does_not_go_with_pixels_from_0():
    encoder = keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(Z)])
    network = [keras.Input((Z,)), layers.Dense(12, "tanh"), layers.Reshape((2, 2, 3))]
    with pytest.raises(ValueError, match=r"pixel_range=unit does not fit.*tanh"):
        wae_tf.WaeMmd(encoder=encoder, decoder=keras.Sequential(network), pixel_range="unit")


def test_what_layers_add_is_in_the_loss(vectors):
    def fitted(**first):
        keras.utils.set_random_seed(0)
        hidden = layers.Dense(6, name="hidden", **first)
        encoder = keras.Sequential([keras.Input((D,)), hidden, layers.Dense(Z)])
        model = wae_tf.WaeMmd(encoder=encoder, decoder=dense(Z, D), wae_lambda=1.0)
        model.compile(keras.optimizers.SGD(0.01))
        before = hidden.kernel.numpy()
        batch = {"batch_size": len(vectors), "verbose": 0}
        tested = dict(zip(model.metrics_names, model.evaluate(vectors, **batch), strict=True))
        history = model.fit(vectors, **batch).history
        return before, hidden, tested, {name: values[0] for name, values in history.items()}

    def added(found):
        return found["loss"] - found["reconstruction"] - found["penalty"]

    kernel, plain, tested, trained = fitted()
    assert added(tested) == pytest.approx(0, abs=1e-6)
    before, hidden, tested, trained = fitted(kernel_regularizer=keras.regularizers.L2(0.5))
    by_hand = 0.5 * np.square(before).sum()
    assert added(tested) == pytest.approx(by_hand, rel=1e-5)
    assert added(trained) == pytest.approx(by_hand, rel=1e-5)
    # And in the gradient: 2 x 0.5 of the kernel, at rate 0.01.
    np.testing.assert_allclose(hidden.kernel - plain.kernel, -0.01 * kernel, atol=1e-6)
    before, hidden, tested, trained = fitted(activity_regularizer=keras.regularizers.L1(0.5))
    assert added(tested) > 0.01


def test_what_another_replica_adds_meanwhile_is_its_own(vectors, monkeypatch):
    encoder = dense(D, Z, activity_regularizer=keras.regularizers.L2(0.5))
    model = wae_tf.WaeMmd(encoder=encoder, decoder=dense(Z, D), wae_lambda=0.0)
    model.compile(run_eagerly=True)
    found = model.evaluate(vectors, verbose=0, batch_size=len(vectors), return_dict=True)
    gathered = replicas.mean_and_gathered

    def waiting(
        value, parts
    ):  # the other replica's thread calls the same layers while this one waits
        model.encoder(np.zeros((len(vectors), D), "float32"))
        return gathered(value, parts)

    monkeypatch.setattr(replicas, "mean_and_gathered", waiting)
    meanwhile = model.evaluate(vectors, verbose=0, batch_size=len(vectors), return_dict=True)
    assert found["loss"] > found["reconstruction"] + 0.01
    assert meanwhile == found


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (
            lambda codes: keras.ops.sum(codes, 1),
            r"of shape \[.*\]; accepted: one number",
        ),
        (lambda codes: None, "is None; accepted: a number"),
    ],
)
def test_a_penalty_that_is_no_number_is_told(penalty, message, vectors):
    class Own(wae_tf.WaeMmd):
        def penalty(self, encoding, prior_sample, noise):
            return penalty(encoding.codes)

    model = Own(**pair())
    model.compile()
    with pytest.raises(ValueError, match=message):
        model.fit(vectors, batch_size=4, verbose=0)


def test_frozen_official_networks_stay_so(vectors, tmp_path):
    model = wae_tf.WaeMmd((D,), zdim=2, encoder_filters=4, decoder_filters=4)
    model.encoder.trainable = False
    model.decoder.get_layer("h0_lin").trainable = False
    model.compile()
    model.fit(vectors, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    again = wae_tf.load(tmp_path / "model.keras")
    assert not again.encoder.trainable
    assert not again.decoder.get_layer("h0_lin").trainable
    names = [v.path for v in model.trainable_variables]
    assert [v.path for v in again.trainable_variables] == names
    assert again.optimizer.iterations.numpy() == model.optimizer.iterations.numpy()
    for one in (model, again):
        one.fit(vectors, batch_size=4, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("half", "told"), [("float16", "Adam's epsilon"), ("bfloat16", "stands still")]
)
def test_weights_in_half_are_told_of_before_they_are_trained(half, told, rng):
    def networks(dtype):
        return {
            name: keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, dtype=dtype)])
            for name in ("encoder", "decoder")
        }

    x = rng.randn(8, 4).astype("float32")
    model = wae_tf.WaeMmd(**networks(half))
    model.compile()
    with pytest.warns(UserWarning, match=f"weights of the encoder are {half}.*{told}"):
        model.fit(x, verbose=0)
    mixed = wae_tf.WaeMmd(**networks(f"mixed_{half}"))
    mixed.compile()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "weights of the")
        mixed.fit(x, verbose=0)


def test_the_class_without_a_penalty_says_so(rng):
    model = wae_tf.Wae((4,), zdim=2)
    model.compile()
    with pytest.raises(NotImplementedError, match="Wae has no penalty: make a WaeMmd"):
        model.fit(rng.randn(8, 4).astype("float32"), verbose=0)
