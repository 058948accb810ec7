"""Codes to decode, counts and steps: what cannot be used is a sentence, in a graph too where it knows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.factory import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(image_shape=(4,), compiled=False, init_std=0.5)


@pytest.mark.parametrize("count", [-1, 2.5, "3", True, None, [3], np.float32(2), np.ones(1, int)])
def test_counts_that_are_refused(model, count):
    with pytest.raises(ValueError, match=r"^count=.* is not accepted: 0 up, a whole number\.$"):
        model.sample(count)


@pytest.mark.parametrize("seed", [1.5, "1", True, [1], np.ones(1, int)])
def test_seeds_that_are_refused(model, seed):
    with pytest.raises(ValueError, match=r"^seed=.* is not accepted: a whole number\.$"):
        model.sample(1, seed=seed)


@pytest.mark.parametrize("seed", [-2, np.int64(-2), tf.constant(-2), -2 + 2**64])
def test_seeds_that_are_accepted(model, seed):
    np.testing.assert_array_equal(model.sample(2, seed=seed), model.sample(2, seed=-2))


@pytest.mark.parametrize("count", [3, np.int64(3), np.array(3), tf.constant(3)])
def test_counts_that_are_accepted(model, count):
    np.testing.assert_array_equal(model.sample(count, seed=1), model.sample(3, seed=1))


def test_no_samples(model):
    assert model.sample(0).shape == (0, 4)


def test_a_graph_may_ask_for_as_many_as_it_likes(model):
    counted = tf.function(lambda count: model.sample(count, seed=1), autograph=False)
    np.testing.assert_allclose(counted(tf.constant(3)), model.sample(3, seed=1), atol=1e-6)


def test_in_a_graph_every_class_is_in_turn_too():
    model = tiny_model(image_shape=(4,), compiled=False, classes=2, init_std=0.5)
    expected = model.sample(5, seed=1)
    for count in (5, tf.constant(5)):
        made = tf.function(lambda count=count: model.sample(count, seed=1), autograph=False)()
        np.testing.assert_allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (np.zeros(3), r"has shape \(3,\), and this model takes \[n, 3\]: that is one code, not a batch"),
        (np.zeros((2, 4)), r"has shape \(2, 4\), and this model takes \[n, 3\]\.$"),
        (np.array([[0, 0, 0], [0, np.nan, 0], [np.inf, 0, 0]]), "not finite, in 2 of 3 rows, first in row 1"),
        (None, "no array of numbers"),
        ("x", "of type string, is no array of numbers"),
    ],
)  # fmt: skip
def test_codes_that_are_refused(model, codes, sentence):
    with pytest.raises(ValueError, match=f"^codes of decode.*{sentence}"):
        model.decode(codes)


def test_a_graph_decodes_what_it_does_not_know(model):
    codes = np.random.RandomState(0).randn(5, 3).astype("float32")
    decoded = tf.function(
        model.decode, input_signature=[tf.TensorSpec([None, None])], autograph=False
    )
    np.testing.assert_allclose(decoded(codes), model.decode(codes), atol=1e-6)
    of_one = tf.function(model.decode, input_signature=[tf.TensorSpec([3])], autograph=False)
    with pytest.raises(ValueError, match="that is one code"):
        of_one.get_concrete_function()


def test_codes_with_labels_behind_them():
    model = tiny_model(image_shape=(4,), compiled=False, classes=2)
    both = np.concatenate([np.zeros((2, 3)), np.eye(2)], 1).astype("float32")
    np.testing.assert_array_equal(model.decode(both), model.decode(np.zeros((2, 3)), [0, 1]))
    with pytest.raises(ValueError, match=r"has shape \(2, 5\), and this model takes \[n, 3\]"):
        model.decode(both, [0, 1])
    with pytest.raises(ValueError, match=r"^labels of sample goes from 2 to 2"):
        model.sample(2, labels=2)


@pytest.mark.parametrize("steps", [2.5, "4", True, 1, None])
def test_steps_that_are_refused(model, steps):
    with pytest.raises(ValueError, match=r"^steps=.* is not accepted: 2 up, a whole number\.$"):
        model.interpolate(np.zeros((2, 4)), np.ones((2, 4)), steps)


def test_ends_that_are_not_finite(model):
    with pytest.raises(ValueError, match=r"^last of interpolate holds numbers that are not finite"):
        model.interpolate(np.zeros((1, 3)), np.full((1, 3), np.nan))


def test_ends_are_codes_or_data_of_any_kind(model):
    codes, data = np.eye(3, dtype="float32"), np.eye(3, 4, dtype="float32")
    for ends in (codes, data):
        expected = model.interpolate(ends, ends[::-1], 4)
        others = [ends.tolist(), list(ends), tf.constant(ends), keras.Variable(ends)]
        for other in others:
            np.testing.assert_array_equal(model.interpolate(other, ends[::-1], 4), expected)
    unknown = [tf.TensorSpec([None, 3]), tf.TensorSpec([None, 3])]
    way = tf.function(lambda a, b: model.interpolate(a, b, 4), unknown, autograph=False)
    expected = model.interpolate(codes, codes[::-1], 4)
    np.testing.assert_allclose(way(codes, codes[::-1]), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("first", "fields", "sentence"),
    [
        (np.zeros(3), {}, r"^first of interpolate has shape \(3,\).*that is one code"),
        (np.zeros(4), {}, r"^first of interpolate has shape \(4,\).*that is one image"),
        (np.zeros((2, 3)), {"labels": [1]}, "^labels of interpolate: .* made without classes"),
    ],
)
def test_ends_that_are_refused(model, first, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.interpolate(first, first, **fields)
