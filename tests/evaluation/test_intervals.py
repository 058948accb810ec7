"""Kernel distances, manifolds and their intervals: against packages' numbers, formulas and other draws."""

import numpy as np
import pytest

from wae_tf.evaluation import bootstrap, distances, kernels, manifolds, network_measures, tfgan
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.distances import Features


@pytest.fixture(scope="module")
def rows():
    """Activations whose numbers were recorded from torch-fidelity 0.4.0 and prdc 0.2."""
    rng = np.random.RandomState(7)
    return rng.standard_normal((250, 12)), 1.1 * rng.standard_normal((250, 12)) + 0.2


def ones(*sets):
    return [np.ones((1, len(rows))) for rows in sets]


def test_distances_are_torch_fidelitys(rows):
    real, made = rows
    assert distances.frechet_of_rows(made, real) == pytest.approx(1.0891972091855031, rel=1e-9)
    (kid,) = kernels.kid(real, made, *ones(*rows))  # one subset of all 250
    assert kid == pytest.approx(0.16724276500128799, rel=1e-9)
    # kernel_rbf of sigma 10 with mmd_est="biased", times CMMD's 1,000.
    assert kernels.cmmd(real, made, *ones(*rows))[0] == pytest.approx(5.640596414334009, rel=1e-9)


def test_manifolds_are_prdcs_and_torch_fidelitys(rows):
    found = manifolds.scores(*rows, *ones(*rows))
    # torch-fidelity's prc_neighborhood is 3; prdc's nearest_k was 5.
    expected = {"precision": 0.62, "recall": 0.888, "density": 0.6584, "coverage": 0.916}
    assert {kind: v[0] for kind, v in found.items()} == pytest.approx(expected, rel=1e-12)


def test_manifolds_by_their_definition(rng):
    real, made = rng.standard_normal((40, 3)), rng.standard_normal((33, 3)) + 0.5
    found = manifolds.scores(real, made, *ones(real, made))

    def ball(points, k):
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        return np.sort(apart, axis=1)[:, k]  # the first is the point itself

    apart = np.linalg.norm(real[:, None] - made[None], axis=-1)
    wide = ball(real, 5)[:, None]
    assert found["precision"][0] == (apart <= ball(real, 3)[:, None]).any(0).mean()
    assert found["recall"][0] == (apart <= ball(made, 3)[None]).any(1).mean()
    assert found["density"][0] == pytest.approx((apart < wide).sum() / (5 * 33))
    assert found["coverage"][0] == (apart < wide).any(1).mean()


def test_cmmd_by_its_definition(rng):
    x, y = 5 * rng.standard_normal((30, 4)), 5 * rng.standard_normal((20, 4)) + 3

    def mean(a, b):
        return np.exp(-np.square(a[:, None] - b[None]).sum(-1) / 200).mean()

    expected = 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))
    assert kernels.cmmd(x, y, *ones(x, y))[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("counts", "block"), [((90, 70), 1024), ((90, 70), 40), ((50, 101), 25)])
def test_kernel_distance_of_blocks_is_tfgans(rng, counts, block):
    x, y = (rng.standard_normal((count, 6)) for count in counts)
    expected, _ = tfgan.kernel_distance(x, y, block=block)
    assert kernels.kid(x, y, *ones(x, y), block)[0] == pytest.approx(expected, abs=1e-10)


def test_a_resample_is_of_the_rows_that_it_draws(rows):
    real, made = (part[:60] for part in rows)
    weights = Resampling(3, 5)
    u, v = weights.weights(60, "test"), weights.weights(60, "samples")
    assert (u[0] == 1).all()
    assert (u.sum(axis=1) == 60).all()
    twice = [np.repeat(part, w[2].astype(int), axis=0) for part, w in ((real, u), (made, v))]
    again = kernels.cmmd(*twice, *ones(*twice))[0]
    assert kernels.cmmd(real, made, u, v)[2] == pytest.approx(again, rel=1e-10)
    moments = bootstrap._moments(np.asarray(real), u[2])
    for value, expected in zip(moments, distances.moments(twice[0]), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-12)
    logits = made[:, :4]
    score = bootstrap.score(logits, v)
    assert score[0] == pytest.approx(tfgan.classifier_score(logits), rel=1e-6)
    assert score[2] == pytest.approx(tfgan.classifier_score(twice[1][:, :4]), rel=1e-6)


def test_draws_follow_from_seed_and_name():
    draws = Resampling(4, 1).weights(50, "test")
    np.testing.assert_array_equal(draws, Resampling(4, 1).weights(50, "test"))
    assert (draws != Resampling(4, 2).weights(50, "test")).any()
    assert (draws != Resampling(4, 1).weights(50, "samples")).any()


def test_intervals_are_as_wide_as_other_draws_are_apart():
    def drawn(seed):
        rng, none = np.random.RandomState(seed), np.zeros((250, 0), np.float32)
        made, real = rng.standard_normal((250, 5)) * 1.3 + 0.3, rng.standard_normal((250, 5))
        return Features(made, none), Features(real, none)

    values = {}
    for seed in range(16):
        for kind, (value, _) in network_measures.scores(
            *drawn(seed), "samples", Resampling(0, 0)
        ).items():
            values.setdefault(kind, []).append(value)
    measured = network_measures.scores(*drawn(1), "samples", Resampling(100, 0))
    for kind in ("frechet", "kernel", "gaussian_mmd", *manifolds.KINDS):
        ratio = measured[kind][1] / (1.96 * np.std(values[kind], ddof=1))
        # A resample has fewer balls than the set, and their radii: these intervals are rough.
        assert 0.6 < ratio < (2.8 if kind in manifolds.KINDS else 1.5), kind


def test_intervals_near_0_are_not_those_of_repeated_rows():
    """Two sets of one distribution: whole resamples would be 2 to 3 times too wide."""

    def drawn(seed):
        rng = np.random.RandomState(seed)
        return rng.standard_normal((150, 32)), rng.standard_normal((300, 32))

    apart = [distances.frechet_of_rows(*drawn(seed)) for seed in range(30)]
    weights = (Resampling(60, 0).weights(n, name) for n, name in ((150, "a"), (300, "b")))
    near = map(bootstrap.part_of_the_way, weights)
    ratio = bootstrap.frechet(*drawn(31), *near) / (1.96 * np.std(apart, ddof=1))
    assert 0.8 < ratio < 2


def test_the_cost_of_intervals_is_bounded():
    assert bootstrap.frechet_resamples(11_500, 64, 100) == 100
    assert bootstrap.frechet_resamples(20_000, 768, 100) == 100
    assert bootstrap.frechet_resamples(20_000, 2048, 100) == 11
    assert bootstrap.frechet_resamples(20_000, 2048, 0) == 0


def test_without_resamples_there_are_no_intervals(rows):
    made = Features(rows[1], np.zeros((250, 0), np.float32))
    real = Features(rows[0], np.zeros((250, 0), np.float32))
    measured = network_measures.scores(made, real, "samples", Resampling(0, 0))
    assert "score" not in measured  # no logits
    assert all(np.isnan(interval) for _, interval in measured.values())


def test_too_few_rows_have_no_manifold(rng):
    few, many = rng.standard_normal((5, 3)), rng.standard_normal((9, 3))
    assert np.isnan(manifolds.scores(few, many, *ones(few, many))["recall"]).all()


def test_a_set_is_as_far_from_a_small_scale_as_from_a_large_one(rows):
    # TF-GAN leaves out eigenvalues below 1e-10; a network of --features may have activations so small.
    none = np.zeros((250, 0), np.float32)
    real, made = (Features(1e-4 * part, none) for part in rows)
    assert 1e8 * distances.scores(made, real)["frechet"] == pytest.approx(1.0891972, rel=1e-6)


def test_sliced_distances_by_weights_by_hand():
    a, b = np.array([[[0.0], [2.0]]]), np.array([[[5.0], [1.0]]])
    weights_a, weights_b = np.array([[1, 1], [2, 0], [1, 1]]), np.array([[1, 1], [1, 1], [0, 2]])
    # sorted: (0, 2) and (1, 5); (0, 0) and (1, 5); (0, 2) and (1, 1)
    np.testing.assert_allclose(bootstrap.sliced(a, b, weights_a, weights_b), [[2, 3, 1]])
    two = np.concatenate([a, a + 3]), np.concatenate([b, b + 3])  # a direction each
    np.testing.assert_allclose(bootstrap.sliced(*two, weights_a, weights_b), [[2, 3, 1]] * 2)


def test_projected_patches_have_tfgans_distance():
    images = np.random.RandomState(2).randint(0, 256, (400, 16, 16, 1))
    images[200:, 4:12] //= 3
    first, second = np.split(images.astype(np.uint8), 2)
    ((_, expected),) = tfgan.sliced_wasserstein(first, second, seed=1)
    ((a, b),) = tfgan.projected_patches(first, second, tfgan.DIRECTIONS, seed=1)
    assert a.shape == b.shape == (147, 200, 64)
    apart = bootstrap.sliced(a, b, np.ones((1, 200)), np.ones((1, 200)))
    np.testing.assert_allclose(  # the mean difference of sorted projections
        apart[:3, 0],
        np.abs(np.sort(a[:3].reshape(3, -1)) - np.sort(b[:3].reshape(3, -1))).mean(axis=1),
        rtol=1e-5,
    )
    assert apart.mean() == pytest.approx(expected, rel=0.05)  # other patches and directions


def test_a_sliced_interval_is_of_as_many_directions_as_the_distance(rng):
    together = 3.0 * rng.standard_normal(4000)
    values = together + 8.0 * rng.standard_normal((16, 4000))
    expected = 1.959964 * np.sqrt(9 + 64 / 147)
    assert bootstrap.sliced_interval(values, 147) == pytest.approx(expected, rel=0.05)
    assert np.isnan(bootstrap.sliced_interval(values[:, :2], 147))
