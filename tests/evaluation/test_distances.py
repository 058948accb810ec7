"""Distances: against scipy and closed forms, TF-GAN's against ours, and what they must not depend on."""

import os

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.data import load
from wae_tf.evaluation import distances, tfgan
from wae_tf.evaluation.distances import FeatureNetwork


def scipy_frechet(a, b):
    linalg = pytest.importorskip("scipy.linalg")
    mean_a, mean_b = a.mean(0), b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(cov_a @ cov_b)
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a + cov_b - 2 * root.real))


@pytest.fixture
def activations(rng):
    mix = rng.standard_normal((24, 24))
    real = rng.standard_normal((700, 24)) @ mix
    made = rng.standard_normal((500, 24)) @ (mix + 0.3 * rng.standard_normal((24, 24))) + 0.5
    return real, made


def ours(a, b):
    return distances.frechet_of_moments(*distances.moments(a), *distances.moments(b))


def test_three_implementations_agree(activations):
    expected = scipy_frechet(*activations)
    assert expected > 10
    assert ours(*activations) == pytest.approx(expected, rel=1e-9)
    assert tfgan.frechet_distance(*activations) == pytest.approx(expected, rel=1e-7)


def test_tfgan_agrees_with_ours_where_covariances_are_singular(rng):
    # Fewer images than features, as with Inception's 2048 and a small test set.
    a, b = rng.standard_normal((40, 64)), 1.3 * rng.standard_normal((50, 64)) + 0.2
    assert tfgan.frechet_distance(a, b) == pytest.approx(ours(a, b), rel=1e-6)


def test_gaussians_of_known_distance():
    # |m|^2 + sum (s_a - s_b)^2 for diagonal covariances: 4 * 4 + 4 * (2 - 0.5)^2 = 25.
    zero, two, eye = np.zeros(4), np.full(4, 2.0), np.eye(4)
    assert distances.frechet_of_moments(zero, 4 * eye, two, 0.25 * eye) == pytest.approx(25)


def test_known_distance_from_samples(rng):
    a = 2.0 * rng.standard_normal((200_000, 4))
    b = 0.5 * rng.standard_normal((200_000, 4)) + 2.0
    assert tfgan.frechet_distance(a, b) == pytest.approx(25, rel=0.01)


def test_a_set_is_at_no_distance_from_itself(activations):
    real, _ = activations
    assert abs(tfgan.frechet_distance(real, real)) < 1e-8 * np.trace(np.cov(real.T))
    assert tfgan.frechet_distance(real, real[::-1]) < 1e-8 * np.trace(np.cov(real.T))


def test_frechet_is_biased_by_the_count_and_kernel_is_not(rng):
    real = rng.standard_normal((4000, 32))
    made = rng.standard_normal((4000, 32))  # the same distribution: the truth is 0
    points = distances.count_bias(made, real)
    assert [n for n, _ in points] == [250, 500, 1000, 2000, 4000]
    values = [value for _, value in points]
    assert values == sorted(values, reverse=True)
    assert values[0] > 4 * values[-1] > 0
    value, error = tfgan.kernel_distance(made, real, block=125)
    assert abs(value) < 4 * error


def test_kernel_distance_against_a_direct_estimate(rng):
    a, b = rng.standard_normal((60, 5)), rng.standard_normal((60, 5)) + 1

    def kernel(x, y):
        return (x @ y.T / 5 + 1) ** 3

    def off(k):
        return (k.sum() - np.trace(k)) / (60 * 59)

    expected = off(kernel(a, a)) + off(kernel(b, b)) - 2 * kernel(a, b).mean()
    value, error = tfgan.kernel_distance(a, b)
    assert value == pytest.approx(expected, rel=1e-10)
    assert np.isnan(error)


def test_classifier_score_of_sure_and_unsure_classifiers():
    sure = 50 * np.eye(10)[np.arange(200) % 10]
    assert tfgan.classifier_score(sure) == pytest.approx(10)
    assert tfgan.classifier_score(np.zeros((200, 10))) == pytest.approx(1)
    assert tfgan.classifier_score(np.tile(sure[:1], (200, 1))) == pytest.approx(1)
    # Classes without any probability in float64, in all rows.
    never = np.where(sure[:, :5], -1e4, 0.0)
    assert tfgan.classifier_score(never * 1.0) == pytest.approx(tfgan.classifier_score(never / 100))
    assert tfgan.classifier_score([[0.0, -2000.0], [0.0, -1000.0]]) == pytest.approx(1)


def edges(images):
    x = tf.cast(images, tf.float32) / 255.0
    x = tf.nn.avg_pool2d(tf.abs(tf.image.sobel_edges(x)[..., 0]), 4, 4, "VALID")
    x = tf.reshape(x, [tf.shape(x)[0], -1])
    return x[:, :20], x[:, :3]


NETWORK = FeatureNetwork(name="edges", title="edges", identity="1", settings={}, apply=edges)


@pytest.fixture(scope="module")
def digits():

    return load.load("digits").train


def test_noise_is_far_and_data_is_near(digits, rng):
    noise = rng.randint(0, 256, (600, *digits.shape[1:])).astype(np.uint8)
    real = distances.features(NETWORK, digits[:600])
    near = tfgan.frechet_distance(distances.features(NETWORK, digits[600:1200]).features, real[0])
    far = tfgan.frechet_distance(distances.features(NETWORK, noise).features, real[0])
    assert far > 50 * near


def test_batches_do_not_matter(digits):
    whole = distances.features(NETWORK, digits[:300], batch_size=300)
    for size in (1, 7, 128):
        parts = distances.features(NETWORK, digits[:300], batch_size=size)
        np.testing.assert_allclose(parts.features, whole.features, rtol=1e-6, atol=1e-7)
        assert tfgan.frechet_distance(parts.features, digits_half := whole.features[::2]) == (
            pytest.approx(tfgan.frechet_distance(whole.features, digits_half), rel=1e-6)
        )


def test_features_are_cached_by_content(tmp_path, digits):
    calls = []

    def counted(images):
        calls.append(len(images))
        return edges(images)

    network = FeatureNetwork("edges", "edges", "1", {}, counted)
    first = distances.cached_features(network, digits[:150], tmp_path)
    again = distances.cached_features(network, digits[:150].copy(), tmp_path)
    assert calls == [100, 50]
    np.testing.assert_array_equal(first.features, again.features)
    changed = digits[:150].copy()
    changed[7, 3, 3] ^= 1
    distances.cached_features(network, changed, tmp_path)
    other = FeatureNetwork("edges", "edges", "1", {"resize": "other"}, counted)
    distances.cached_features(other, digits[:150], tmp_path)
    distances.cached_features(
        FeatureNetwork("edges", "edges", "2", {}, counted), digits[:150], tmp_path
    )
    assert sum(calls) == 4 * 150
    for file in tmp_path.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:1000])
    distances.cached_features(network, digits[:150], tmp_path)  # torn: computed again
    assert sum(calls) == 5 * 150


def test_a_flipped_bit_of_cached_features_is_noticed(tmp_path):
    """Of the bits that name, measure and pack the arrays, most of which no check sum of a zip is over."""
    images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
    network = FeatureNetwork(
        "sums", "sums", "1", {}, lambda a: (a[:, 0, 0] * 1.5, a[:, 0, 0] * 2.5)
    )
    expected = distances.cached_features(network, images, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    content = file.read_bytes()
    for place in range(0, len(content), 3):
        flipped = content[place] ^ 1 << place % 8
        file.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        found = distances.cached_features(network, images, tmp_path)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype and one.tobytes() == other.tobytes(), place
    file.unlink()
    os.mkfifo(file)
    assert len(distances.cached_features(network, images, tmp_path).features) == 8


def test_sliced_wasserstein_tells_data_from_noise(digits, rng):
    noise = rng.randint(0, 256, (200, 64, 64, 3)).astype(np.uint8)
    state = np.random.get_state()[1].copy()
    same = tfgan.sliced_wasserstein(digits[:200], digits[200:400], seed=3)
    apart = tfgan.sliced_wasserstein(digits[:200], noise[:, :28, :28, :1], seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert apart[0][1] > 3 * same[0][1]
    assert tfgan.sliced_wasserstein(digits[:200], digits[200:400], seed=3) == same
    assert len(tfgan.sliced_wasserstein(noise[:20], noise[20:40])) == 3  # 64, 32, 16
    flat = np.zeros((20, 28, 28, 1), np.uint8)  # flat patches divide by zero in TF-GAN itself
    assert np.isfinite(tfgan.sliced_wasserstein(flat, flat)).all()
    assert np.isfinite(tfgan.sliced_wasserstein(noise[:20, :50, :37], noise[20:40, :50, :37])).all()


def test_nearest_training_images(rng):
    train = rng.randint(0, 256, (500, 6, 6, 1)).astype(np.uint8)
    images = train[[17, 499, 3]].copy()
    images[0, 0, 0] ^= 3
    where, apart = distances.nearest(images, train, 4, block=64)
    assert where.shape == apart.shape == (3, 4)
    assert where[:, 0].tolist() == [17, 499, 3]
    flat = (train.reshape(500, -1) / 255.0, images.reshape(3, -1) / 255.0)
    direct = np.linalg.norm(flat[1][:, None] - flat[0][None], axis=-1)
    np.testing.assert_array_equal(where, np.argsort(direct, axis=1)[:, :4])
    np.testing.assert_allclose(apart, np.sort(direct, axis=1)[:, :4], atol=2e-3)


class Recorded:
    """An array that is only ever read in slices, as a memory map too large to hold."""

    def __init__(self, images):
        self.images, self.most = images, 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        part = self.images[rows]
        self.most = max(self.most, len(part))
        return part


def test_images_are_streamed_and_progress_is_told(digits, monkeypatch):
    ticks = iter(range(0, 10_000, 6))
    monkeypatch.setattr(distances.time, "monotonic", lambda: next(ticks))
    source, lines = Recorded(digits[:95]), []
    found = distances.features(NETWORK, source, batch_size=10, progress=lines.append, what="tests")
    assert found.features.shape == (95, 20)
    assert source.most == 10
    assert lines == [  # told every other batch: 6 seconds each by this clock, told after 10
        "edges: 20 of 95 tests, 45 s left",
        "edges: 40 of 95 tests, 33 s left",
        "edges: 60 of 95 tests, 21 s left",
        "edges: 80 of 95 tests, 9 s left",
        "edges: 95 of 95 tests, 0 s left",
    ]
