"""Penalties against float64 NumPy that follows the paper's formulas, and numbers by hand."""

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.objective import mmdpp, penalties, priors

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def distances(a, b):
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)


def reference_mmd(q, p, kernel):
    n = len(q)
    total = 2 * -kernel(distances(q, p)).mean()
    for sample in (q, p):
        k = kernel(distances(sample, sample))
        total += (k.sum() - np.trace(k)) / (n * (n - 1))
    return total


def imq(width, scales=SCALES):
    return lambda d: sum(width * s / (width * s + d) for s in scales)


@pytest.mark.parametrize("zdim", [1, 3, 16])
def test_imq_mmd_is_the_unbiased_sum_over_scales(rng, zdim):
    q, p = rng.randn(12, zdim) * 1.7 + 0.3, rng.randn(12, zdim)
    width = 2.0 * zdim
    expected = reference_mmd(q, p, imq(width))
    assert float(penalties.mmd(tf.constant(q), tf.constant(p), width=width)) == pytest.approx(
        expected, abs=1e-12
    )
    single = penalties.mmd(
        tf.constant(q, tf.float32), tf.constant(p, tf.float32), width=width, kernel="imq"
    )
    assert float(single) == pytest.approx(expected, abs=5e-6)


def test_imq_mmd_by_hand():
    # Two codes at 0 and 1, two prior points at 0 and 3, one scale, C = 2.
    q, p = tf.constant([[0.0], [1.0]]), tf.constant([[0.0], [3.0]])
    within = 2 / (2 + 1) + 2 / (2 + 9)
    across = (2 / 2 + 2 / (2 + 9) + 2 / (2 + 1) + 2 / (2 + 4)) * 2 / 4
    value = penalties.mmd(q, p, width=2.0, scales=(1.0,))
    assert float(value) == pytest.approx(within - across, abs=1e-6)


def test_mmd_of_a_sample_with_itself_is_negative():
    # The diagonal stays in the cross term alone: the estimate is unbiased, not nonnegative.
    q = tf.random.stateless_normal([20, 4], [1, 2])
    assert float(penalties.mmd(q, q, width=8.0)) < 0


def test_mmd_is_unbiased(rng):
    values = [
        float(
            penalties.mmd(tf.constant(rng.randn(10, 2)), tf.constant(rng.randn(10, 2)), width=4.0)
        )
        for _ in range(400)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_rbf_uses_the_official_medians(rng):
    q, p = rng.randn(9, 3), rng.randn(9, 3) * 2
    half = (81 - 9) // 2
    variance = np.sort(distances(q, p).ravel())[::-1][half - 1]
    variance += np.sort(distances(q, q).ravel())[::-1][half - 1]
    expected = reference_mmd(q, p, lambda d: np.exp(-d / 2 / variance))
    value = penalties.mmd(tf.constant(q), tf.constant(p), kernel="rbf", width=0.0)
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_gradient_flows_through_the_rbf_width(rng):
    q, p = tf.constant(rng.randn(6, 2)), tf.constant(rng.randn(6, 2))

    def value(codes):
        return penalties.mmd(codes, p, kernel="rbf", width=0.0)

    with tf.GradientTape() as tape:
        tape.watch(q)
        result = value(q)
    gradient = tape.gradient(result, q).numpy()
    step = np.zeros((6, 2))
    step[2, 1] = 1e-6
    numeric = (float(value(q + step)) - float(value(q - step))) / 2e-6
    assert gradient[2, 1] == pytest.approx(numeric, rel=1e-5)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize("coordinates", [False, True])
def test_mmdpp_against_loops(rng, kernel, coordinates):
    n, m, zdim, big_n, width = 4, mmdpp.CODES_AN_IMAGE, 2, 50, 4.0
    p, codes = rng.randn(n, zdim), rng.randn(n * m, zdim) * 1.3
    spaces = [slice(i, i + 1) for i in range(zdim)] if coordinates else [slice(None)]
    if kernel == "rbf":
        cross = np.concatenate([distances(p[:, s], codes[:, s]).ravel() for s in spaces])
        own = np.concatenate([distances(codes[:, s], codes[:, s]).ravel() for s in spaces])
        variance = np.sort(cross)[::-1][n // 2 - 1] + np.sort(own)[::-1][n // 2 - 1]
        kernels = [(1.0, lambda d: np.exp(-d / 2 / variance))]
    else:
        weight = big_n if coordinates else 1.0
        kernels = [(1.0, imq(width, (1.0,))), (weight, imq(width, (1.0 / big_n,)))]
    expected = 0.0
    for weight, k in kernels:
        for s in spaces:
            kp, kq = k(distances(p[:, s], p[:, s])), k(distances(codes[:, s], codes[:, s]))
            prior = sum(kp[i, j] for i in range(n) for j in range(n) if i != j) / n / (n - 1)
            other = one = 0.0
            for a in range(n * m):
                for b in range(n * m):
                    if a // m != b // m:
                        other += kq[a, b]
                    elif a != b:
                        one += kq[a, b]
            expected += weight * (
                prior
                - 2 * k(distances(p[:, s], codes[:, s])).mean()
                + other * (big_n - 1) / big_n / n / (n - 1) / m**2
                + one / n / m / (m - 1) / big_n
            )
    value = mmdpp.mmdpp(
        tf.constant(codes),
        tf.constant(p),
        data_size=big_n,
        kernel=kernel,
        width=width,
        coordinates=coordinates,
    )
    assert float(value) == pytest.approx(expected, rel=1e-10)


def test_many_codes_are_ten_in_a_row_for_each_image():
    mean = tf.constant([[1.0], [5.0]])
    logvar = tf.math.log(tf.constant([[4.0], [9.0]]))
    noise = tf.ones([20, 1])
    codes = mmdpp.many_codes(mean, logvar, noise).numpy()[:, 0]
    np.testing.assert_allclose(codes, [3.0] * 10 + [8.0] * 10, rtol=1e-6)


def test_official_trick_makes_n_by_n_logits():
    codes = tf.constant([[1.0, 2.0], [0.0, 3.0]])
    added = penalties.prior_log_density(codes, 2.0, "official").numpy()
    square, log2pi = np.array([5.0, 9.0]), np.log(2 * np.pi)
    np.testing.assert_allclose(added, -square / 8 - log2pi / 2 - np.log(4.0), rtol=1e-6)
    logits = tf.constant([[10.0], [20.0]]) + added
    assert logits.shape == (2, 2)
    assert float(logits[1, 0]) == pytest.approx(20 + added[0])


def test_fixed_trick_is_the_log_density():
    from scipy import stats

    codes = np.array([[1.0, 2.0, -1.0], [0.0, 3.0, 0.5]])
    added = penalties.prior_log_density(tf.constant(codes), 1.5, "fixed").numpy()
    expected = stats.norm(0, 1.5).logpdf(codes).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(added, expected, rtol=1e-10)


def test_gan_losses_by_hand():
    logits_p, logits_q = np.array([[0.5], [-2.0]]), np.array([[3.0], [-1.0]])

    def softplus(x):
        return np.log1p(np.exp(x))

    assert float(penalties.gan(tf.constant(logits_q))) == pytest.approx(softplus(-logits_q).mean())
    expected = 7.0 * (softplus(-logits_p).mean() + softplus(logits_q).mean())
    loss = penalties.adversary(
        tf.constant(logits_p), tf.constant(logits_q), tf.constant(7.0, tf.float64)
    )
    assert float(loss) == pytest.approx(expected)


def test_kl_against_numerical_integration():
    from scipy import integrate, stats

    mean, std, prior_std = 0.7, 0.4, 1.5
    q, p = stats.norm(mean, std), stats.norm(0, prior_std)
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -4, 6)
    logvar = tf.constant([[2 * np.log(std), 2 * np.log(prior_std)]], tf.float32)
    value = penalties.kl(tf.constant([[mean, 0.0]]), logvar, prior_std)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_moment_matching_divides_by_the_size_given(rng):
    q, p, size = rng.randn(5, 3), rng.randn(8, 3), 8
    cov = [((z - z.mean(0)).T @ (z - z.mean(0))) / (size - 1) for z in (p, q)]
    expected = ((p.mean(0) - q.mean(0)) ** 2).mean() + ((cov[0] - cov[1]) ** 2).mean()
    value = penalties.moment_matching(tf.constant(q), tf.constant(p))
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_priors():
    key = tf.constant([1, 2])
    normal = priors.sample("normal", 4000, 3, 2.0, key).numpy()
    assert normal.std() == pytest.approx(2.0, abs=0.05)
    sphere = priors.sample("sphere", 50, 3, 2.0, key).numpy()
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 2.0, rtol=1e-6)
    uniform = priors.sample("uniform", 4000, 3, 2.0, key).numpy()
    assert -2 <= uniform.min() < -1.9
    assert 1.9 < uniform.max() <= 2
    assert uniform.var() == pytest.approx(4 / 3, abs=0.05)
    np.testing.assert_array_equal(normal, priors.sample("normal", 4000, 3, 2.0, key).numpy())
    codes = tf.constant([[3.0, 4.0]])
    np.testing.assert_allclose(priors.into_support("sphere", codes), [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(
        priors.into_support("uniform", codes), np.tanh([[3.0, 4.0]]), rtol=1e-6
    )
    assert priors.kernel_width("normal", 5, 2.0) == 40.0
    assert priors.kernel_width("sphere", 5, 2.0) == 2.0
    assert priors.kernel_width("uniform", 5, 2.0) == 5.0


def test_blocks_of_rows_give_the_value_and_gradient_of_the_whole(monkeypatch, rng):
    q, p = (tf.constant(rng.randn(70, 5), tf.float64) for _ in range(2))

    @tf.function
    def both(q, p):
        with tf.GradientTape() as tape:
            tape.watch((q, p))
            value = penalties.mmd(q, p, width=10.0)
        return value, *tape.gradient(value, (q, p))

    whole = both(q, p)
    monkeypatch.setattr(penalties, "BLOCKWISE_ABOVE", 30)
    monkeypatch.setattr(penalties, "BLOCK_ROWS", 32)
    blocks = tf.function(both.python_function)(q, p)
    for expected, got in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_the_large_median_is_the_small_ones_entry(rng, monkeypatch):
    entries = rng.randn(40, 40).astype(np.float32)
    entries[3] = entries[4]  # ties
    entries[5, :3] = [0, -0.0, 1e-40]
    descending = np.sort(entries, axis=None)[::-1]
    q, p = (tf.constant(rng.randn(40, 3), tf.float32) for _ in range(2))

    @tf.function
    def kth(k):
        return penalties.kth_largest(tf.constant(entries), k)

    @tf.function
    def median(codes):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            value = penalties.mmd(codes, p, kernel="rbf", width=0.0)
        return value, tape.gradient(value, codes)

    small = [t.numpy() for t in tf.function(median.python_function)(q)]
    monkeypatch.setattr(penalties, "COUNTED_ABOVE", 30)
    for k in (1, 2, 700, 780, 1599, 1600):
        assert kth(tf.constant(k)).numpy() == descending[k - 1]
    value, gradient = median(q)
    assert value.numpy() == small[0]
    np.testing.assert_allclose(gradient, small[1], rtol=0, atol=1e-6 * np.abs(small[1]).max())


@pytest.mark.parametrize(
    "prior, middle", [("normal", [2, 2]), ("uniform", [2, 2]), ("sphere", [0.5**0.5, 0.5**0.5])]
)
def test_codes_on_a_line(prior, middle):
    first, last = np.array([[4.0, 0.0]] * 2), np.array([[0.0, 4.0]] * 2)
    found = priors.between(prior, first, last, np.array([[0.0], [0.5]]))
    np.testing.assert_allclose(found[0], [1, 0] if prior == "sphere" else [4, 0], atol=1e-6)
    np.testing.assert_allclose(found[1], middle, rtol=1e-6)


@pytest.mark.parametrize("zdim, width", [(8, 3e3), (2, 1e4), (512, 1e3)])
def test_mmd_of_wide_codes_is_finite_in_float32(zdim, width):
    for seed in range(10):
        drawn = np.random.RandomState(seed)
        q, p = drawn.randn(100, zdim) * width, drawn.randn(100, zdim)
        expected = reference_mmd(q, p, imq(2.0 * zdim))
        codes = tf.constant(q, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(codes)
            value = penalties.mmd(codes, tf.constant(p, tf.float32), width=2.0 * zdim)
        assert float(value) == pytest.approx(expected, abs=1e-3)
        assert np.isfinite(tape.gradient(value, codes)).all()
