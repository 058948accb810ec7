"""encode, decode, reconstruct, sample, interpolate and score: a batch at a time, of any source of data."""

import numpy as np
import pytest
import tensorflow as tf

from tests.factory import tiny_model
from wae_tf.models import batching
from wae_tf.models.encoding import Noise


@pytest.fixture(scope="module")
def model():
    return tiny_model(compiled=False)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((23, 6, 6, 1), "float32")


def sources(images):
    labels = np.arange(len(images))
    rows = tf.data.Dataset.from_tensor_slices
    return {
        "array": images,
        "tensor": tf.constant(images),
        "list": list(images),
        "rows": rows(images),
        "batches": rows(images).batch(10),
        "labelled": rows((images, labels)).batch(4),
        "dictionaries": rows({"image": images, "label": labels}).batch(9),
    }


@pytest.mark.parametrize("source", sources(np.zeros((1, 6, 6, 1), "float32")))
@pytest.mark.parametrize("batch_size", [None, 1, 7, 23, 100])
def test_every_source_and_size_of_batches_gives_the_same(model, images, source, batch_size):
    data = sources(images)[source]
    seen = []
    codes = batching.over(
        lambda rows: seen.append(len(rows)) or model.encode(rows), data, 4, batch_size
    )
    assert sum(seen) == 23
    assert max(seen) <= (batch_size or batching.BATCH_SIZE)
    whole = model.encoding(tf.constant(images), Noise(), training=False).codes
    np.testing.assert_allclose(codes, whole, atol=1e-6)
    np.testing.assert_allclose(model.encode(data, batch_size), whole, atol=1e-6)
    assert tf.is_tensor(model.score(data, batch_size))


def test_the_methods_agree_with_each_other(model, images):
    codes = model.encode(images, batch_size=5)
    made = model.decode(codes, batch_size=3)
    np.testing.assert_allclose(model.reconstruct(images, batch_size=4), made, atol=1e-6)
    by_hand = 0.05 * np.sum((images - made.numpy()) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(model.score(images, batch_size=6), by_hand, rtol=1e-5)
    new = model.sample(9, seed=2)
    np.testing.assert_allclose(model.sample(9, seed=2, batch_size=4), new, atol=1e-6)


def test_uint8_is_scaled_in_batches_too(model, images):
    pixels = np.round(images * 255).astype("uint8")
    codes = model.encode(pixels, batch_size=6)
    np.testing.assert_allclose(codes, model.encode(pixels / np.float32(255)), atol=1e-6)


def test_interpolation_is_straight_and_keeps_its_ends(model, images):
    path = model.interpolate(images[:3], images[3:6], steps=5, batch_size=4)
    assert path.shape == (3, 5, 6, 6, 1)
    first, last = model.encode(images[:3]), model.encode(images[3:6])
    np.testing.assert_allclose(path[:, 0], model.decode(first), atol=1e-6)
    np.testing.assert_allclose(path[:, 2], model.decode((first + last) / 2), atol=1e-6)
    np.testing.assert_allclose(path, model.interpolate(first, last, 5), atol=1e-6)
    with pytest.raises(ValueError, match="steps=1 is not accepted: 2 up"):
        model.interpolate(images[:1], images[1:2], steps=1)
    with pytest.raises(ValueError, match="first and last are 2 and 1 rows"):
        model.interpolate(images[:2], images[:1])


def test_interpolation_follows_the_sphere(images):
    ends = np.eye(3, dtype="float32")
    half = np.array([[0.5**0.5, 0.5**0.5, 0]], "float32")
    model = tiny_model(compiled=False, prior="sphere", init_std=0.3)
    path = model.interpolate(ends[:1], ends[1:2], 3)[0]
    np.testing.assert_allclose(path[1], model.decode(half)[0], atol=1e-6)
    np.testing.assert_allclose(path[2], model.decode(ends[1:2])[0], atol=1e-6)


def test_what_cannot_be_batched_is_a_sentence(model, images):
    rows = tf.data.Dataset.from_tensor_slices(images)
    for data, sentence in (
        (rows.repeat(), "has no end"),
        (rows.take(0), "there are no data"),
        (rows.map(lambda row: {"x": row}), "a dictionary of 'x'.*from 'image'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            model.encode(data)
    for batch_size in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=f"batch_size={batch_size} is not accepted"):
            model.encode(images, batch_size)
