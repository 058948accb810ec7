"""A data set of (x, y) is gone through once: where it shuffles, rows keep their own labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.factory import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(image_shape=(3,), compiled=False, classes=4, init_std=0.7)


@pytest.fixture(scope="module")
def data():
    x = np.random.RandomState(1).rand(32, 3).astype("float32")
    return x, np.arange(32) % 4


@pytest.mark.parametrize("batch", [None, 7, 32])
@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("hot", [False, True])
def test_each_row_goes_with_its_own_label(model, data, batch, batch_size, hot):
    x, y = data
    labels = np.eye(4, dtype="float32")[y] if hot else y
    shuffled = tf.data.Dataset.from_tensor_slices((x, labels)).shuffle(32, seed=3)
    shuffled = shuffled if batch is None else shuffled.batch(batch)
    expected = np.sort(model.score(x, labels=y))
    assert np.diff(expected).min() > 0  # what another label would give is told apart
    np.testing.assert_allclose(np.sort(model.score(shuffled, batch_size)), expected, rtol=1e-5)
    made = model.reconstruct(x, labels=y).numpy()
    found = model.reconstruct(shuffled, batch_size).numpy()
    np.testing.assert_allclose(
        found[np.argsort(found[:, 0])], made[np.argsort(made[:, 0])], atol=1e-6
    )


def test_what_cannot_be_paired_is_a_sentence(model, data):
    rows = tf.data.Dataset.from_tensor_slices(data)
    with pytest.raises(ValueError, match="has no end: take"):
        model.score(rows.repeat().batch(8))
    uneven = rows.batch(8).map(lambda x, y: (x, tf.concat([y, y], 0)))
    with pytest.raises(ValueError, match=r"8 rows of x and y of shape \(16,\)"):
        model.score(uneven)
    with pytest.raises(ValueError, match="data set is empty"):
        model.score(rows.take(0))


def test_iterators_and_pairs_are_refused_in_a_sentence(model, data):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return data

    for given in ((batch for batch in [data]), Batches(), data):
        with pytest.raises(
            ValueError, match=r"the data are a \w+, and no rows of one shape: an ar"
        ):
            model.score(given)
