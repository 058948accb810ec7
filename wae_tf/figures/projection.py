"""The plane of the latent space in which the codes look least like the prior.

The official code picks, for its Pz-vs-Qz picture, the two orthonormal directions P that maximise

    || cov(codes P) - prior_scale^2 I ||_F^2 + || mean(codes P) ||^2

by Adam on two free vectors (v, u) that Gram-Schmidt makes orthonormal. cov(codes P) is
P' cov(codes) P and mean(codes P) is P' mean(codes), so that the cost of a step does not depend on
the number of codes.

The official code does so for a normal prior and zdim > 2; for other priors it plots `codes[:, :2]`.
"""

from __future__ import annotations

import numpy as np

_CHECK_EVERY = 10  # steps between two looks at the objective


def least_gaussian_plane(
    codes: np.ndarray,
    prior_scale: float = 1.0,
    seed: int = 0,
    restarts: int = 3,
    max_steps: int = 5000,
    *,
    learning_rate: float = 1e-3,
    tolerance: float = 1e-2,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the [zdim, 2] orthonormal columns (v, u) on which `codes` look least Gaussian.

    Each restart draws v and u from N(0, 1), climbs with Adam as TensorFlow 1 defines it and stops
    once ten steps change the objective by less than `tolerance` of itself, or after `max_steps`;
    the best restart is kept. The defaults are the official ones, and they stop early: the plane
    holds most of what is least Gaussian, but is not the exact maximum. `tolerance=0` climbs for
    all `max_steps`. `start` [2, zdim] gives v and u instead of drawing them.

    The result is a pure function of the arguments. Two-dimensional codes have one plane, the
    identity; one-dimensional ones are put on the first axis, with a second column of zeros.

    Raises:
        ValueError: codes that are no finite matrix, no restarts, or fewer than 0 steps.
    """
    mean, covariance = _moments(codes)
    if restarts < 1 or max_steps < 0:
        raise ValueError(
            f"restarts must be at least 1 and max_steps at least 0, got {restarts} and {max_steps}."
        )
    zdim = mean.size
    if zdim <= 2 and start is None:
        return np.eye(zdim, 2)
    rng = np.random.default_rng(seed % 2**64)
    found = []
    for _ in range(restarts):
        drawn = rng.standard_normal((2, zdim))
        vectors = drawn if start is None else np.array(start, np.float64)
        vectors = _climb(
            vectors, mean, covariance, prior_scale, max_steps, learning_rate, tolerance
        )
        value, _, plane = _value_and_gradient(vectors, mean, covariance, prior_scale)
        found.append((value, plane))
    return max(found, key=lambda one: one[0])[1]


def objective(codes: np.ndarray, plane: np.ndarray, prior_scale: float = 1.0) -> float:
    """Returns how far `codes @ plane` is from the prior's covariance and zero mean.

    `plane` is [zdim, 2]; the covariance divides by n - 1.
    """
    mean, covariance = _moments(codes)
    plane = np.asarray(plane, np.float64)
    if plane.shape != (mean.size, 2):
        raise ValueError(
            f"plane must have shape [{mean.size}, 2] for codes of {mean.size} dimensions, "
            f"got {list(plane.shape)}."
        )
    gap = plane.T @ covariance @ plane - prior_scale**2 * np.eye(2)
    return float(np.sum(gap**2) + np.sum((mean @ plane) ** 2))


def _moments(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean [zdim] and the covariance [zdim, zdim] of codes [n, zdim], in float64."""
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or codes.shape[0] < 2 or codes.shape[1] < 1:
        raise ValueError(
            f"codes must have shape [n, zdim] with n of 2 or more, got {list(codes.shape)}."
        )
    if not np.isfinite(codes).all():
        raise ValueError("codes must be finite, got a NaN or an infinity.")
    mean = codes.mean(axis=0)
    centred = codes - mean
    return mean, centred.T @ centred / (codes.shape[0] - 1)


def _length(vector: np.ndarray) -> float:
    """The vector's length, but at least 1e-6, as TensorFlow's l2_normalize has it.

    Of one dimension nothing is left beside the first vector: the second is zero then.
    """
    return max(float(np.sqrt(vector @ vector)), 1e-6)


def _value_and_gradient(
    vectors: np.ndarray, mean: np.ndarray, covariance: np.ndarray, prior_scale: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Returns the objective, its gradient [2, zdim] in (v, u), and the plane [zdim, 2]."""
    v, u = vectors
    v_length = _length(v)
    p = v / v_length
    overlap = u @ p
    rest = u - overlap * p
    rest_length = _length(rest)
    q = rest / rest_length

    plane = np.stack([p, q], axis=1)
    turned = covariance @ plane
    gap = plane.T @ turned
    gap[0, 0] -= prior_scale**2
    gap[1, 1] -= prior_scale**2
    shift = mean @ plane
    value = (gap * gap).sum() + shift @ shift

    # d value / d plane, then back through the two normalisations.
    by_plane = 4.0 * turned @ gap + 2.0 * np.outer(mean, shift)
    by_p, by_q = by_plane.T
    by_rest = (by_q - (by_q @ q) * q) / rest_length
    along = by_rest @ p
    by_u = by_rest - along * p
    by_p = by_p - overlap * by_rest - along * u
    by_v = (by_p - (by_p @ p) * p) / v_length
    return float(value), np.stack([by_v, by_u]), plane


def _climb(
    vectors: np.ndarray,
    mean: np.ndarray,
    covariance: np.ndarray,
    prior_scale: float,
    max_steps: int,
    learning_rate: float,
    tolerance: float,
) -> np.ndarray:
    """Returns the vectors after Adam's ascent: beta1 .9, beta2 .999, epsilon 1e-8 as in TF 1."""
    first = np.zeros_like(vectors)
    second = np.zeros_like(vectors)
    previous = np.inf
    value, gradient, _ = _value_and_gradient(vectors, mean, covariance, prior_scale)
    for step in range(1, max_steps + 1):
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient * gradient - second)
        rate = learning_rate * np.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
        vectors = vectors + rate * first / (np.sqrt(second) + 1e-8)
        value, gradient, _ = _value_and_gradient(vectors, mean, covariance, prior_scale)
        if step % _CHECK_EVERY == 0:
            if np.isfinite(previous) and abs(value - previous) < tolerance * abs(previous):
                break
            previous = value
    return vectors
