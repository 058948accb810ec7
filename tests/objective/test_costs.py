"""Reconstruction costs and sharpness by hand."""

import numpy as np
import pytest
import tensorflow as tf

from wae_tf import registry
from wae_tf.objective import costs


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        # Differences of the two images: (1, 2) and (0, 3).
        ("l2sq", 0.05 * (5 + 9) / 2),
        ("l2", 0.2 * (np.sqrt(5) + 3) / 2),
        ("l1", 0.02 * (3 + 3) / 2),
        ("mse", (5 / 2 + 9 / 2) / 2),
    ],
)
def test_costs_by_hand(cost, expected):
    images = tf.constant([1.0, 2.0, 0.0, 3.0], shape=[2, 1, 2, 1])
    value = costs.reconstruction(
        cost, images, tf.zeros_like(images), None, registry.fact("cost", cost, "scale", 1.0)
    )
    assert float(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda squares: None, "a NoneType"),
        (tf.reduce_sum, r"of shape \[\]"),
        (lambda squares: squares, r"of shape \[2, 1, 2, 1\]"),
        (lambda squares: tf.reduce_sum(squares, [2, 3]), r"of shape \[2, 1\]"),
    ],
)
def test_a_cost_of_ones_own_is_a_number_an_image(made, found, monkeypatch):
    monkeypatch.setattr(registry, "get", lambda kind, name: lambda x, y, z: made((x - y) ** 2))
    images = tf.zeros([2, 1, 2, 1])
    for of in (costs.reconstruction, costs.each):
        with pytest.raises(
            ValueError, match=f"^cost=own gives {found}; accepted: a number an image"
        ):
            of("own", images, images, None, 1.0)


def test_l2_has_a_gradient_at_zero():
    images = tf.zeros([1, 1, 2, 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = costs.reconstruction("l2", images, tf.zeros([1, 1, 2, 1]), None, 0.2)
    assert float(value) == pytest.approx(0.2 * 1e-4)
    assert np.isfinite(tape.gradient(value, images)).all()


def test_bce_is_summed_over_pixels():
    logits = tf.constant([0.0, 2.0], shape=[1, 1, 2, 1])
    images = tf.constant([1.0, 0.25], shape=[1, 1, 2, 1])
    p = 1 / (1 + np.exp(-2.0))
    expected = -np.log(0.5) - 0.25 * np.log(p) - 0.75 * np.log(1 - p)
    value = costs.reconstruction("bce", images, tf.sigmoid(logits), logits, 1.0)
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_sharpness_against_scipy(rng):
    from scipy import signal

    images = rng.rand(3, 9, 8, 3).astype("float32")
    laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    grey = images @ np.array([0.2989, 0.5870, 0.1140])
    expected = [signal.convolve2d(g, laplace, mode="valid").var() for g in grey]
    np.testing.assert_allclose(costs.sharpness(images), expected, rtol=1e-4)
    expected = [signal.convolve2d(g, laplace, mode="valid").var() for g in images[..., 0]]
    np.testing.assert_allclose(costs.sharpness(images[..., :1]), expected, rtol=1e-4)


def test_contrast_normalized_has_unit_deviation(rng):
    images = rng.rand(2, 5, 5, 3).astype("float32") * np.array([1.0, 7.0]).reshape(2, 1, 1, 1)
    result = costs.contrast_normalized(tf.constant(images, tf.float32)).numpy()
    np.testing.assert_allclose(result.std(axis=(1, 2, 3)), 1.0, rtol=1e-5)
