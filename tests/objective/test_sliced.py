"""The sliced Wasserstein distance against POT, float64 NumPy and numbers by hand."""

import numpy as np
import pytest
import tensorflow as tf

from wae_tf import streams
from wae_tf.objective import sliced


def by_numpy(q, p, along):
    """W_2^2 of each direction by the quantiles, one direction at a time; their mean."""
    return np.mean([np.mean((np.sort(q @ d) - np.sort(p @ d)) ** 2) for d in along])


def drawn(rng, n=13, zdim=5, count=7):
    along = rng.randn(count, zdim)
    return (
        rng.randn(n, zdim) * 1.7 + 0.3,
        rng.randn(n, zdim),
        along / np.linalg.norm(along, axis=1, keepdims=True),
    )


@pytest.mark.parametrize("zdim", [1, 2, 16])
def test_it_is_the_mean_of_the_one_dimensional_distances(rng, zdim):
    q, p, along = drawn(rng, zdim=zdim)
    expected = by_numpy(q, p, along)
    value = sliced.sliced_wasserstein(tf.constant(q), tf.constant(p), along)
    assert float(value) == pytest.approx(expected, rel=1e-13)
    single = (tf.constant(a, tf.float32) for a in (q, p, along))
    assert float(sliced.sliced_wasserstein(*single)) == pytest.approx(expected, rel=1e-5)


def test_it_is_pots_squared(rng):
    ot = pytest.importorskip("ot")
    for n in (2, 13, 100):
        q, p, along = drawn(rng, n=n)
        pots = ot.sliced_wasserstein_distance(q, p, projections=along.T, p=2)
        value = sliced.sliced_wasserstein(tf.constant(q), tf.constant(p), along)
        assert float(value) == pytest.approx(pots**2, rel=1e-12)


def test_by_hand():
    # Along x: 0, 4 against 1, 3; along y: 0, 0 against 2, 2.
    q, p = tf.constant([[4.0, 0.0], [0.0, 0.0]]), tf.constant([[1.0, 2.0], [3.0, 2.0]])
    along = tf.eye(2)
    assert float(sliced.sliced_wasserstein(q, p, along)) == pytest.approx(((1 + 1) + (4 + 4)) / 4)
    # Divided as if the batch had 8 codes.
    value = sliced.sliced_wasserstein(q, p, along, divisor=8)
    assert float(value) == pytest.approx(10 / 2 / 8)


def test_the_gradient_moves_each_code_towards_its_partner(rng):
    q, p, along = drawn(rng)
    codes = tf.constant(q)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        value = sliced.sliced_wasserstein(codes, tf.constant(p), along)
    gradient = tape.gradient(value, codes).numpy()
    expected = np.zeros_like(q)
    for d in along:
        partner = np.empty(len(q))
        partner[np.argsort(q @ d)] = np.sort(p @ d)
        expected += 2 * (q @ d - partner)[:, None] * d / len(q) / len(along)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)


def test_of_a_sample_with_itself_in_any_order_it_is_zero(rng):
    q, _, along = drawn(rng)
    value = sliced.sliced_wasserstein(tf.constant(q), tf.constant(q[::-1].copy()), along)
    assert float(value) < 1e-30


def test_directions_are_uniform_on_the_sphere_and_follow_from_the_key():
    key = streams.key(0, "autoencoder/penalty", 5)
    along = sliced.directions(20_000, 3, key).numpy()
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1, rtol=1e-6)
    # Mean 0 and covariance 1/3, each within 4 deviations of its estimate.
    assert np.abs(along.mean(0)).max() < 4 * (1 / 3 / 20_000) ** 0.5
    assert np.abs(along.T @ along / 20_000 - np.eye(3) / 3).max() < 4 * (4 / 45 / 20_000) ** 0.5
    np.testing.assert_array_equal(along, sliced.directions(20_000, 3, key))
    other = sliced.directions(20_000, 3, streams.key(0, "autoencoder/penalty", 6))
    assert np.abs(along - other).max() > 1


def test_between_two_normals_it_is_known():
    # Each projection of N(m, 1) is normal with mean m.d: W_2^2 = (m.d)^2, in the mean |m|^2 / z.
    keys = ([1, 2], [3, 4])
    q, p = (tf.random.stateless_normal([20_000, 4], key, dtype=tf.float64) for key in keys)
    mean = tf.constant([1.0, 2.0, 0.0, -1.0], tf.float64)
    along = sliced.directions(500, 4, tf.constant([5, 6]))
    value = float(sliced.sliced_wasserstein(q + mean, p, along))
    expected = float(tf.reduce_mean(tf.linalg.matvec(tf.cast(along, tf.float64), mean) ** 2))
    assert value == pytest.approx(expected, rel=0.03)
    assert expected == pytest.approx(6 / 4, rel=0.15)
