"""What enters a model: what is refused, in a sentence, and what it does with the rest; numbers by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.pixels import black_and_white


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(7).rand(8, 6, 6, 1).astype("float32")


def bytes_of(images):
    return (images * 255).astype("uint8")


WRONG = {
    "0..255": (lambda x: x * 255, r"floats from .* and this model takes uint8, or floats in \[0, 1\]"),
    "-1..1": (lambda x: x * 2 - 1, "pixel_range='symmetric' takes"),
    "a little over": (lambda x: x / x.max() + 2e-3, "floats from"),
    "int64": (lambda x: bytes_of(x).astype("int64"), r"of type int64.*astype\('uint8'\)"),
    "NaN": (lambda x: np.where(np.arange(8).reshape(8, 1, 1, 1) == 3, np.nan, x), "first in row 3"),
    "infinite": (lambda x: np.where(np.arange(8).reshape(8, 1, 1, 1) == 0, np.inf, x), "first in row 0"),
    "a size": (lambda x: x[:, :5], r"shape \(8, 5, 6, 1\), and this model takes \[n, 6, 6, 1\]"),
    "no channel": (lambda x: x[..., 0], "adds the channel"),
    "a dictionary": (lambda x: {"a": x}, "dictionary of 'a': images are taken from 'image'"),
    "nothing": (lambda x: x[:0], "is empty|no data"),
    "a list": (lambda x: [x, x], "list of 2 arrays|has shape"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_a_model_cannot_take_is_a_sentence_and_moves_nothing(model, images, kind):
    make, words = WRONG[kind]
    wrong = make(images)
    before = model.encoder.get_weights()
    for name, method in {
        "fit": lambda: model.fit(wrong, verbose=0, shuffle=False),
        "evaluate": lambda: model.evaluate(wrong, verbose=0),
        "predict": lambda: model.predict(wrong, verbose=0),
        "encode": lambda: model.encode(wrong),
        "reconstruct": lambda: model.reconstruct(wrong),
        "pretrain": lambda: wae_tf.pretrain(model, wrong),
        "train_on_batch": lambda: model.train_on_batch(wrong),
    }.items():
        with pytest.raises(ValueError, match=words) as caught:
            method()
        assert "\n" not in str(caught.value), name
    for old, new in zip(before, model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Pages(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = self.images[4 * index : 4 * index + 4]
        return rows, np.zeros(len(rows))


def rows(images):
    return tf.data.Dataset.from_tensor_slices(images)


def fours(images):
    return [images[start : start + 4] for start in range(0, len(images), 4)]


#: Three batches, of 4, 4 and 2 images, and how many steps an epoch takes of them if they do not tell.
WAYS = {
    "array": (lambda x: x, None),
    "tensor": (tf.constant, None),
    "list": (lambda x: [x], None),
    "dictionary": (lambda x: {"image": x, "label": np.zeros(10)}, None),
    "tf.data": (lambda x: rows(x).batch(4), None),
    "TFDS": (lambda x: rows({"image": x}).batch(4), None),
    "labelled": (lambda x: rows((x, np.arange(10))).batch(4), None),
    "of unknown length": (lambda x: rows(x).batch(4).filter(lambda batch: True), None),
    "without end": (lambda x: rows(x).batch(4).repeat(), 3),
    "PyDataset": (Pages, None),
    "generator": (lambda x: ((part,) for part in 9 * fours(x)), 3),
    "bare generator": (lambda x: (part for part in 9 * fours(x)), 3),
    "generator of lists": (lambda x: ([part, np.zeros(len(part))] for part in 9 * fours(x)), 3),
    "generator of dictionaries": (lambda x: ({"image": part} for part in 9 * fours(x)), 3),
    "NumPy iterator": (lambda x: rows(x).batch(4).repeat().as_numpy_iterator(), 3),
}


@pytest.fixture(scope="module")
def reused():
    """A model, and what makes it new: its weights, optimizer and counters as they were."""
    model = tiny_model(init_std=0.2)
    variables = [*model.variables, *model.optimizer.variables]
    kept = [variable.numpy() for variable in variables]

    def begin_again():
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
        return model

    return begin_again


@pytest.fixture(scope="module")
def ten():
    return np.random.RandomState(8).rand(10, 6, 6, 1).astype("float32")


@pytest.mark.filterwarnings("ignore:.*shuffle=True:UserWarning", "ignore:Your input:UserWarning")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_is_checked_and_gives_the_same_numbers(reused, of_array, ten, way):
    make, steps = WAYS[way]
    pixels = bytes_of(ten)
    common = {"verbose": 0, "shuffle": False, "steps_per_epoch": steps}
    common["batch_size"] = (
        None if isinstance(make(pixels), (tf.data.Dataset, Pages)) or steps else 4
    )
    model = reused()
    with pytest.raises(ValueError, match="x of fit holds floats"):
        model.fit(make(ten * 255), **common)
    found = model.fit(make(pixels), epochs=2, **common).history
    assert found == of_array
    # No batch was lost to the look, and none that was not there counted.
    assert int(model.step.numpy()) == int(model.optimizer.iterations.numpy()) == 6


@pytest.fixture(scope="module")
def of_array(reused, ten):
    return (
        reused().fit(bytes_of(ten), batch_size=4, epochs=2, verbose=0, shuffle=False).history.copy()
    )


@pytest.mark.filterwarnings("ignore:Your input:UserWarning")
@pytest.mark.parametrize("way", ["of unknown length", "PyDataset"])
def test_so_do_evaluate_predict_and_validation_data(reused, ten, way):
    make, steps = WAYS[way]
    pixels = bytes_of(ten)
    model = reused()
    whole = model.evaluate(pixels, batch_size=4, verbose=0, return_dict=True)
    made = model.predict(pixels, batch_size=4, verbose=0)
    assert model.evaluate(make(pixels), steps=steps, verbose=0, return_dict=True) == whole
    np.testing.assert_array_equal(model.predict(make(pixels), steps=steps, verbose=0), made)

    class Still(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            reused()

    logs = model.fit(
        pixels, batch_size=10, epochs=2, verbose=0, callbacks=[Still()],
        validation_data=make(pixels), validation_steps=steps,
    ).history  # fmt: skip
    assert {name: logs[f"val_{name}"] for name in whole} == {n: [v, v] for n, v in whole.items()}


def test_data_whose_end_is_not_known_count_no_step_beyond_it(ten):
    """Where all shapes are known nothing of a step's counters depends on its batch."""
    data = rows(ten[:8]).batch(4, drop_remainder=True).filter(lambda batch: True)
    model = tiny_model(wae_tf.WaeGan, init_std=0.2)
    two = model.fit(data, epochs=2, verbose=0).history
    assert [int(u.optimizer.iterations.numpy()) for u in model.updates] == [4, 4]
    assert int(model.step.numpy()) == 4
    known = tiny_model(wae_tf.WaeGan, init_std=0.2)
    assert known.fit(rows(ten[:8]).batch(4), epochs=2, verbose=0).history == two


def test_bool_is_black_and_white_and_rounding_is_no_fault(model, images):
    white = images > 0.5
    np.testing.assert_array_equal(model.encode(white), model.encode(white.astype("float32")))
    model.encode(images.clip(0, 1) * (1 + 5e-5))
    np.testing.assert_array_equal(model.encode(list(images)), model.encode(images))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_variable_is_its_value(model, images):
    for call in (model.encode, model.score, model.reconstruct):
        np.testing.assert_array_equal(call(keras.Variable(images)), call(images))
    expected = model.evaluate(images, verbose=0)
    assert model.evaluate(keras.Variable(images), verbose=0) == expected


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "encode"])
@pytest.mark.parametrize("kind", [object, str])
def test_arrays_of_no_numbers_are_a_sentence(model, images, method, kind):
    with pytest.raises(ValueError, match=f"^x of {method}.* of type "):
        getattr(model, method)(images.astype(kind))


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_data_without_end_are_a_sentence_where_no_steps_are_given(model, images, method):
    data = tf.data.Dataset.from_tensor_slices(images).batch(4).repeat()
    words = "give steps_per_epoch=" if method == "fit" else "give steps="
    with pytest.raises(ValueError, match=f"^x of {method} has no end: {words}"):
        getattr(model, method)(data, verbose=0)
    if method == "fit":
        with pytest.raises(
            ValueError, match=r"^validation_data has no end: give validation_steps="
        ):
            model.fit(images, validation_data=data, verbose=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"batch_size": 0}, "batch_size=0 is not accepted: 1 up"),
        ({"batch_size": 8.0}, "batch_size=8.0 is not accepted"),
        ({"epochs": "2"}, "epochs='2' is not accepted: 0 up"),
        ({"steps_per_epoch": -1}, "steps_per_epoch=-1 is not accepted"),
        ({"validation_split": 1.5}, "validation_split=1.5 is not accepted: 0 up, below 1"),
        ({"class_weight": [1, 2]}, "class_weight is a list; accepted: a dictionary"),
        ({"sample_weight": np.array(["a"] * 8)}, "sample_weight of fit has words"),
    ],
)
def test_numbers_of_a_call_that_are_none(model, images, fields, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        model.fit(images, verbose=0, **fields)


def test_bools_are_bytes_only_where_data_have_a_range():
    mask = np.array([True, False])
    for bools in (mask, tf.constant(mask)):
        np.testing.assert_array_equal(black_and_white(bools, "unit"), np.array([255, 0], np.uint8))
        assert black_and_white(bools, "any") is bools
    assert black_and_white(mask.astype(np.uint8), "unit").max() == 1


def test_a_model_of_another_range_says_so(images):
    symmetric = tiny_model(pixel_range="symmetric")
    symmetric.encode(images * 2 - 1)
    with pytest.raises(ValueError, match=r"\[-1, 1\] \(pixel_range='symmetric'\).*divide by 255"):
        symmetric.encode(images * 255)


def test_validation_data_that_are_none_are_refused(model, images):
    for data, sentence in (
        (images[:0], r"x of validation_data is empty: of shape \(0, "),
        (list(images[:4]), "validation_data is a list of 4 parts; accepted: x, "),
        ((), "validation_data is a tuple of 0 parts"),
    ):
        with pytest.raises(ValueError, match=sentence):
            model.fit(images, verbose=0, validation_data=data)


def test_validation_data_are_checked_by_their_name(model, images):
    for wrong in (images * 255, (images * 255, images), tf.data.Dataset.from_tensors(images * 255)):
        with pytest.raises(ValueError, match="x of validation_data holds floats"):
            model.fit(images, verbose=0, validation_data=wrong)


def test_ranges_of_pretrain(model, images):
    for fields, words in (({"steps": 0}, "steps=0"), ({"size": 1}, "size=1")):
        with pytest.raises(ValueError, match=words):
            wae_tf.pretrain(model, images, **fields)
    with pytest.raises(ValueError, match="takes an array"):
        wae_tf.pretrain(model, tf.data.Dataset.from_tensor_slices(images))
    # Bytes and the floats that they stand for are the same images.
    losses = [
        wae_tf.pretrain(tiny_model(), given, steps=2, size=8)
        for given in (bytes_of(images), bytes_of(images) / np.float64(255))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


# y, sample_weight, class_weight.


def by_hand(**fields):
    """Images of two pixels whose code is the pixels; of a code the decoder makes sigmoid(code)."""

    def network(shape, target):
        given = keras.Input(shape)
        return keras.Model(given, keras.layers.Reshape(target)(given))

    model = wae_tf.WaeMmd(
        (2, 1, 1), encoder=network((2, 1, 1), (2,)), decoder=network((2,), (2, 1, 1)),
        zdim=2, wae_lambda=30.0, mmd_scales=(1.0,), cost="l2sq", recon_scale=1.0, **fields,
    )  # fmt: skip
    model.sample_prior = lambda count, key: tf.constant([[0.0, 1.0], [0.0, 0.0]])[:count]
    model.compile()
    return model


TWO = np.array([[0.0, 0.0], [1.0, 0.0]], "float32").reshape(2, 2, 1, 1)
#: Costs of the reconstructions of TWO, (1/2, 1/2) and (0.731, 1/2), held against TWO.
COSTS = (0.5, (1 - 1 / (1 + np.exp(-1))) ** 2 + 0.25)


def reconstruction(model, *args, **kwargs):
    return model.evaluate(*args, **kwargs, verbose=0, return_dict=True)["reconstruction"]


def test_reconstructions_are_held_against_y_by_hand():
    model = by_hand()
    assert reconstruction(model, TWO) == pytest.approx(sum(COSTS) / 2)
    white = np.ones_like(TWO)
    # (1/2 - 1)^2 twice, then (0.731 - 1)^2 and (1/2 - 1)^2.
    expected = (0.5 + (1 - 1 / (1 + np.exp(-1))) ** 2 + 0.25) / 2
    assert reconstruction(model, TWO, white) == pytest.approx(expected)
    assert reconstruction(model, TWO, white.astype("uint8") * 255) == pytest.approx(expected)
    # Labels are not used.
    for labels in (np.array([3, 4]), np.eye(2), np.array(["a", "b"]), [3, 4]):
        assert reconstruction(model, TWO, labels) == pytest.approx(sum(COSTS) / 2)


@pytest.mark.slow
def test_a_noisy_image_is_trained_towards_the_clean_one():
    rng = np.random.RandomState(0)
    clean = np.zeros((64, 6, 6, 1), "float32")
    clean[:, 2:4] = 1
    noisy = np.clip(clean + rng.uniform(-0.5, 0.5, clean.shape), 0, 1).astype("float32")
    model = tiny_model(wae_lambda=0.0, lr=0.02, init_std=0.1)
    model.fit(noisy, clean, epochs=30, batch_size=16, verbose=0)
    made = model.reconstruct(noisy)
    assert np.abs(made - clean).mean() < 0.3 * np.abs(noisy - clean).mean()


def test_weights_weigh_the_cost_by_hand():
    model = by_hand()
    weights = np.array([3.0, 1.0])
    expected = (3 * COSTS[0] + COSTS[1]) / 2  # as Keras: the weights' sum does not divide
    plain = model.evaluate(TWO, verbose=0, return_dict=True)
    found = model.evaluate(TWO, sample_weight=weights, verbose=0, return_dict=True)
    assert found["reconstruction"] == pytest.approx(expected)
    assert found["penalty"] == pytest.approx(plain["penalty"])  # of the batch
    assert found["loss"] == pytest.approx(expected + 30 * found["penalty"])
    assert reconstruction(model, TWO, TWO, sample_weight=weights) == pytest.approx(expected)
    data = tf.data.Dataset.from_tensor_slices((TWO, [0, 1], weights)).batch(2)
    assert reconstruction(model, data) == pytest.approx(expected)


@pytest.mark.slow
def test_weights_are_kept_in_every_way_in(reused):
    images = np.random.RandomState(1).rand(8, 6, 6, 1).astype("float32")
    labels, weights = np.arange(8) % 2, np.array([2.0, 0.5] * 4, "float32")
    data = tf.data.Dataset.from_tensor_slices((images, labels))
    common = {"verbose": 0, "shuffle": False}

    def losses(*args, **kwargs):
        return reused().fit(*args, **common, **kwargs).history.copy()

    weighed = losses(images, batch_size=4, sample_weight=weights)
    assert weighed["reconstruction"] != losses(images, batch_size=4)["reconstruction"]
    for other in (
        losses(images, labels, batch_size=4, class_weight={0: 2.0, 1: 0.5}),
        losses(images, np.eye(2)[labels], batch_size=4, class_weight={0: 2.0, 1: 0.5}),
        losses(data.batch(4), class_weight={0: 2.0, 1: 0.5}),
    ):
        assert other["reconstruction"] == pytest.approx(weighed["reconstruction"])
    valid = losses(images, batch_size=4, validation_data=(images, None, weights))
    tested = reused()
    tested.fit(images, batch_size=4, **common)
    expected = tested.evaluate(images, sample_weight=weights, verbose=0, return_dict=True)
    assert valid["val_reconstruction"][0] == pytest.approx(expected["reconstruction"], rel=1e-5)
    assert reconstruction(tested, images) != pytest.approx(expected["reconstruction"], rel=1e-3)


REFUSED = {
    "class_weight of words": (
        {"y": np.array(list("aabbccdd")), "class_weight": {0: 1.0}}, "as y, which has words",
    ),
    "y of another shape": ({"y": np.zeros((8, 5, 6, 1))}, r"y of fit has shape \(8, 5, 6, 1\)"),
    "y without a channel": ({"y": np.zeros((8, 6, 6))}, "y of fit has shape"),
    "y out of range": ({"y": np.full((8, 6, 6, 1), 9.0)}, "y of fit holds floats"),
    "y a dictionary": ({"y": {"label": np.zeros(8)}}, "y of fit is a dict"),
    "weights a pixel": ({"sample_weight": np.ones((8, 6, 6, 1))}, "sample_weight of fit has shape"),
    "negative weights": ({"sample_weight": -np.ones(8)}, "accepted: 0 up"),
    "class_weight alone": ({"class_weight": {0: 1.0}}, "class_weight needs labels"),
    "class_weight of images": (
        {"y": np.zeros((8, 6, 6, 1)), "class_weight": {0: 1.0}}, "class_weight needs labels",
    ),
}  # fmt: skip


class Table:
    """What a table of pandas or polars has, neither of which is installed with the package."""

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.rows, dtype)

    def __len__(self):
        return len(self.rows)

    def to_numpy(self):
        return self.rows


def test_tables_and_dates_that_are_no_numbers():
    model = tiny_model(image_shape=(2,))
    words = Table(np.array([[1.0, "a"]] * 4, object))
    sentence = (
        r"x of fit, of type Table, .* shape: to_numpy\('float32'\) makes one of a table of num"
    )
    with pytest.raises(ValueError, match=sentence):
        model.fit(words)
    dates = np.arange(4).astype("datetime64[s]")
    with pytest.raises(ValueError, match=r"x of fit, of type datetime64\[s\], is no array of num"):
        model.fit(np.stack([dates, dates], 1))
    rows = np.zeros((4, 2), "float32")
    for labels in (dates, Table(np.array(list("abcd"), object))):  # which such a model does not use
        assert model.fit(rows, labels, verbose=0).history


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_meaning_is_refused(model, images, kind):
    given, words = REFUSED[kind]
    with pytest.raises(ValueError, match=words):
        model.fit(images, verbose=0, **given)


def test_compile_refuses_what_it_would_ignore():
    model = tiny_model(compiled=False)
    for fields in ({"loss": "mse"}, {"metrics": ["mae"]}, {"weighted_metrics": ["mae"]}):
        with pytest.raises(ValueError, match=f"{next(iter(fields))}=...\\) would have no effect"):
            model.compile(**fields)
    with pytest.raises(ValueError, match="'mse' is the adversary's optimizer"):
        model.compile("adam", "mse")
    for steps in (0, "2", 1.5, None):
        with pytest.raises(
            ValueError, match=r"^steps_per_execution=.* not accepted: 1 up, a whole"
        ):
            model.compile(steps_per_execution=steps)
    for optimizer in ({"learning_rate": 0.1}, {"class_name": "Adam", "config": 3}):
        with pytest.raises(
            ValueError, match=r"^compile was given the optimizer .*; accepted: an opt"
        ):
            model.compile(optimizer)
    half = tiny_model(compiled=False, precision="mixed_float16")
    with pytest.raises(ValueError, match=r"auto_scale_loss=False.*precision=mixed_float16"):
        half.compile(auto_scale_loss=False)
    half.compile(auto_scale_loss=True)
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    model.compile("adam", auto_scale_loss=False, metrics=[])


def test_a_function_is_traced_once(images):
    class Counted(wae_tf.WaeMmd):
        traces = 0

        def train_step(self, batch):
            type(self).traces += 1
            return super().train_step(batch)

    model = tiny_model(Counted)
    for _ in range(2):
        model.fit(images, batch_size=3, epochs=2, verbose=0)
    assert Counted.traces == 1
    model.fit(images, np.arange(8), batch_size=3, verbose=0)
    model.fit(images, images, batch_size=3, verbose=0)  # of y of any rank it would be neither


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_data_set_of_single_images_with_labels_is_told_to_be_batched(method, rng):
    model = tiny_model()
    images = rng.random((4, 6, 6, 1)).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices((images, np.arange(4)))
    with pytest.raises(ValueError, match=r"that is one image, not a batch; .*\.batch\("):
        getattr(model, method)(rows, verbose=0)
