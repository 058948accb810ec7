import numpy as np
import pytest

from wae_tf.figures import projection
from wae_tf.figures.projection import least_gaussian_plane, objective


def codes_with_one_wide_direction(n=400, zdim=6, deviation=5.0, seed=1):
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(zdim)
    direction /= np.linalg.norm(direction)
    codes = rng.standard_normal((n, zdim))
    return codes + np.outer(deviation * rng.standard_normal(n), direction), direction


def test_objective_by_hand():
    # On the first two axes: mean (1, 2/3); centred x is (-1, 0, 1), y is (-2/3, 4/3, -2/3), so the
    # covariance (over n - 1 = 2) is [[1, 0], [0, 4/3]]. Minus I: 1/9. Plus 1 + 4/9 of the mean.
    codes = np.array([[0.0, 0.0, 7.0], [1.0, 2.0, -7.0], [2.0, 0.0, 9.0]])
    assert objective(codes, np.eye(3, 2)) == pytest.approx(1 / 9 + 1 + 4 / 9)
    # Prior scale 2: (1 - 4)^2 + (4/3 - 4)^2 and the same mean.
    assert objective(codes, np.eye(3, 2), 2.0) == pytest.approx(9 + 64 / 9 + 13 / 9)


def test_objective_equals_the_centring_matrix_form():
    rng = np.random.default_rng(0)
    codes, plane = rng.standard_normal((30, 5)) + 0.3, rng.standard_normal((5, 2))
    centring = np.eye(30) - np.ones((30, 30)) / 30
    points = codes @ plane
    covariance = points.T @ (centring @ centring) @ points / 29
    expected = np.sum((covariance - 2.25 * np.eye(2)) ** 2) + np.sum(points.mean(axis=0) ** 2)
    assert objective(codes, plane, 1.5) == pytest.approx(expected, rel=1e-12)


def test_gradient_matches_finite_differences():
    rng = np.random.default_rng(3)
    mean, covariance = projection._moments(rng.standard_normal((50, 5)) * [1, 2, 3, 1, 0.5] + 0.7)
    vectors = rng.standard_normal((2, 5))
    _, gradient, _ = projection._value_and_gradient(vectors, mean, covariance, 1.3)
    for index in np.ndindex(2, 5):
        step = np.zeros((2, 5))
        step[index] = 1e-5
        above, below = (
            projection._value_and_gradient(vectors + sign * step, mean, covariance, 1.3)[0]
            for sign in (1, -1)
        )
        assert gradient[index] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-7)


def test_value_is_the_objective_at_an_orthonormal_plane():
    rng = np.random.default_rng(4)
    codes, (v, u) = rng.standard_normal((40, 4)), (rng.standard_normal((2, 4)))
    moments = projection._moments(codes)
    value, _, plane = projection._value_and_gradient(np.stack([v, u]), *moments, 1.0)
    np.testing.assert_allclose(plane.T @ plane, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(plane[:, 0], v / np.linalg.norm(v), atol=1e-12)  # v first
    assert plane[:, 1] @ u > 0
    assert value == pytest.approx(objective(codes, plane), rel=1e-12)


def test_first_step_is_adams():
    # Adam's first step is rate * g / (|g| + epsilon / sqrt(1 - beta2)), about rate * sign(g).
    rng = np.random.default_rng(5)
    moments = projection._moments(rng.standard_normal((40, 4)) * 2)
    vectors = rng.standard_normal((2, 4))
    gradient = projection._value_and_gradient(vectors, *moments, 1.0)[1]
    moved = projection._climb(vectors, *moments, 1.0, 1, 1e-3, 1e-2) - vectors
    expected = 1e-3 * gradient / (np.abs(gradient) + 1e-8 / np.sqrt(1e-3))
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_plane_holds_the_wide_direction():
    codes, direction = codes_with_one_wide_direction()
    plane = least_gaussian_plane(codes)
    assert plane.shape == (6, 2)
    np.testing.assert_allclose(plane.T @ plane, np.eye(2), atol=1e-12)
    assert np.linalg.norm(plane.T @ direction) > 0.95

    to_the_end = least_gaussian_plane(codes, tolerance=0, restarts=1)
    assert np.linalg.norm(to_the_end.T @ direction) > 0.995
    widest = np.linalg.eigh(np.cov(codes.T))[1][:, -2:]
    assert objective(codes, to_the_end) > 0.99 * objective(codes, widest)


def test_plane_holds_a_shifted_mean():
    codes = np.random.default_rng(2).standard_normal((400, 5))
    codes[:, 3] += 4.0
    plane = least_gaussian_plane(codes, tolerance=0, restarts=1)
    assert np.linalg.norm(plane[3]) > 0.99


def test_pure_function_of_the_seed():
    codes, _ = codes_with_one_wide_direction()
    np.random.seed(0)
    first = least_gaussian_plane(codes, seed=7)
    np.random.seed(1)
    np.testing.assert_array_equal(first, least_gaussian_plane(codes, seed=7))
    assert not np.array_equal(first, least_gaussian_plane(codes, seed=8))


def test_more_restarts_are_never_worse():
    codes, _ = codes_with_one_wide_direction(zdim=12, deviation=1.0)
    values = [objective(codes, least_gaussian_plane(codes, restarts=r)) for r in (1, 2, 3, 6)]
    assert values == sorted(values)


def test_stops_when_ten_steps_bring_less_than_the_tolerance():
    codes, _ = codes_with_one_wide_direction()
    # Any change is below a tolerance of 1000 times the value: stopped at the second look, step 20.
    loose = least_gaussian_plane(codes, restarts=1, tolerance=1e3)
    twenty = least_gaussian_plane(codes, restarts=1, tolerance=0, max_steps=20)
    np.testing.assert_array_equal(loose, twenty)


def test_few_dimensions():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(least_gaussian_plane(rng.standard_normal((9, 2))), np.eye(2))
    np.testing.assert_array_equal(least_gaussian_plane(rng.standard_normal((9, 1))), [[1.0, 0.0]])


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (np.zeros((1, 3)), r"n of 2 or more, got \[1, 3\]"),
        (np.zeros(3), r"shape \[n, zdim\]"),
        (np.array([[0.0, np.nan], [1.0, 1.0]]), "must be finite"),
    ],
)
def test_unusable_codes(codes, words):
    with pytest.raises(ValueError, match=words):
        least_gaussian_plane(codes)


def test_unusable_arguments():
    with pytest.raises(ValueError, match=r"plane must have shape \[3, 2\]"):
        objective(np.zeros((4, 3)), np.eye(2))
    with pytest.raises(ValueError, match="restarts must be at least 1"):
        least_gaussian_plane(np.zeros((4, 3)), restarts=0)


def test_one_dimension_climbed_from_given_vectors_stays_on_its_axis(rng):
    codes = rng.standard_normal((30, 1)) * 2
    for steps in (0, 10):
        plane = least_gaussian_plane(
            codes, restarts=1, max_steps=steps, start=np.array([[0.5], [-3.0]])
        )
        np.testing.assert_allclose(plane, [[1.0, 0.0]], atol=1e-9)


def test_any_seed_gives_a_plane(rng):
    codes = rng.standard_normal((30, 3))
    for seed in (-1, 2**70):
        plane = least_gaussian_plane(codes, seed=seed, restarts=1, max_steps=1)
        assert np.isfinite(plane).all()
