"""PSNR, SSIM and LPIPS of pairs of pictures: numbers by hand, and what cannot be had."""

import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import wae_tf
from tests.factory import tiny
from wae_tf.errors import DataError
from wae_tf.evaluation import lpips, reconstruction_quality
from wae_tf.evaluation.bootstrap import Resampling


def flat(*values, side=12):
    return np.stack([np.full((side, side, 1), value, np.uint8) for value in values])


def test_psnr_by_hand():
    # 20 log10(255 / 5) = 34.1514; a difference of 255 is 0 dB; none is infinitely many.
    found = reconstruction_quality.psnr(flat(100, 0, 7), flat(105, 255, 7))
    np.testing.assert_allclose(found, [34.151404, 0.0, np.inf], atol=1e-4)


def test_ssim_of_flat_pictures_by_hand():
    # Without variance it is (2 a b + c1) / (a^2 + b^2 + c1), c1 = (0.01 * 255)^2.
    a, b, c1 = 100.0, 130.0, 2.55**2
    found = reconstruction_quality.ssim(flat(100, 50), flat(130, 50))
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    np.testing.assert_allclose(found, [expected, 1], atol=1e-4)  # float32: E x^2 - (E x)^2


def test_ssim_by_its_definition(rng):
    first, second = rng.randint(0, 256, (2, 1, 11, 11, 1)).astype(np.uint8)  # one window
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = (part[0, ..., 0].astype(float) for part in (first, second))
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * x * x).sum() - mean_x**2, (window * y * y).sum() - mean_y**2
    both = (window * x * y).sum() - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    expected *= (2 * both + c2) / (var_x + var_y + c2)
    assert reconstruction_quality.ssim(first, second)[0] == pytest.approx(expected, abs=1e-4)


def test_numbers_are_means_with_intervals():
    first, second = flat(*[100] * 40), flat(*[105] * 20, *[110] * 20)
    found = reconstruction_quality.numbers(first, second, None, Resampling(200, 3))
    low, high = 20 * math.log10(255 / 10), 20 * math.log10(255 / 5)
    assert found["test_psnr"] == pytest.approx((low + high) / 2, rel=1e-5)
    # The spread of a mean of 40, half of them each: 1.96 (high - low) / 2 / sqrt(40).
    assert found["test_psnr_ci95"] == pytest.approx(1.96 * (high - low) / 2 / 40**0.5, rel=0.15)
    assert "test_lpips" not in found
    small = reconstruction_quality.numbers(first[:, :10], second[:, :10], None, Resampling(0, 0))
    assert set(small) == {"test_psnr", "test_psnr_ci95"}  # no window of 11 fits
    assert math.isnan(small["test_psnr_ci95"])


def test_what_is_compared_is_what_the_model_was_given(rng):
    images = rng.randint(50, 100, (3, 6, 6, 1)).astype(np.uint8)
    plain = wae_tf.WaeMmd((6, 6, 1), **tiny(8))
    assert reconstruction_quality.originals(plain, images) is images
    stretched = wae_tf.WaeMmd((6, 6, 1), **tiny(8, pixel_range="stretched"))
    found = reconstruction_quality.originals(stretched, images)
    assert found.min(axis=(1, 2, 3)).tolist() == [0, 0, 0]
    assert found.max(axis=(1, 2, 3)).tolist() == [255, 255, 255]


def test_the_reports_runs_are_measured_as_their_models_see_images(rng, monkeypatch):
    folder = Path(__file__).parents[2] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    report_runs = importlib.import_module("report_runs")
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)
    seen = []
    monkeypatch.setattr(
        report_runs.tfgan, "sliced_wasserstein", lambda *pair: (seen.append(pair), [(0, 1.5)])[1]
    )
    monkeypatch.setattr(report_runs, "SAMPLES", 5)
    dull = rng.randint(80, 151, (5, 8, 8, 1)).astype(np.uint8)
    model = wae_tf.WaeMmd((8, 8, 1), **tiny(8, pixel_range="stretched"))
    images = SimpleNamespace(test=dull)
    found = report_runs.measures(None, model, images, None, seed=0)
    assert found["sliced_8"] == 1.5
    ((test, _, _),) = seen
    np.testing.assert_array_equal(test, reconstruction_quality.originals(model, dull))
    assert (test.min(), test.max()) == (0, 255)


@pytest.fixture(scope="module")
def squared(tmp_path_factory):
    """A network of two pictures: the mean squared difference."""
    first, second = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    apart = keras.layers.GlobalAveragePooling2D()((first - second) ** 2)
    path = tmp_path_factory.mktemp("lpips") / "squared.keras"
    made = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(apart)
    keras.Model([first, second], made).save(path)
    return path


def test_lpips_network_sees_both_pictures_in_its_range(squared):
    network = lpips.load(str(squared), (12, 12, 1))
    found = network.distances(flat(0, 255, 51), flat(255, 255, 0))
    # In [-1, 1], over three channels: 3 * 2^2, 0, 3 * 0.4^2.
    np.testing.assert_allclose(found, [12, 0, 0.48], rtol=1e-4)
    assert network.said == "pictures of 12x12 in [-1, 1]"
    assert len(network.identity) == 64
    numbers = reconstruction_quality.numbers(
        flat(0), flat(255), network.distances, Resampling(0, 0)
    )
    assert numbers["test_lpips"] == pytest.approx(12)


def test_networks_that_are_no_lpips_are_sentences(tmp_path):
    def sentence(*layers):
        keras.Model(*layers).save(tmp_path / "net.keras")
        with pytest.raises(DataError) as error:
            lpips.load(str(tmp_path / "net.keras"), (12, 12, 1))
        return str(error.value)

    first, second = keras.Input((12, 12, 3)), keras.Input((12, 12, 3))
    assert "has 1 input; two, of pictures, are" in sentence(first, keras.layers.Flatten()(first))
    assert "gives not one distance for two pictures" in sentence([first, second], first - second)
    pooled = keras.layers.GlobalAveragePooling2D()(first + second)
    summed = keras.layers.Dense(1, kernel_initializer="ones")(pooled)
    assert "apart from itself, not 0" in sentence([first, second], summed)
    with pytest.raises(DataError, match="--lpips=/nowhere is not there"):
        lpips.load("/nowhere", (12, 12, 1))


def test_an_lpips_network_that_gives_nan_is_a_sentence(tmp_path, rng):
    first, second = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    apart = keras.ops.mean(keras.ops.square(first - second), axis=(1, 2, 3))
    keras.Model([first, second], keras.ops.log(1 - 1e6 * apart)).save(tmp_path / "nan.keras")
    network = lpips.load(str(tmp_path / "nan.keras"), (8, 8, 3))
    pictures = rng.randint(0, 256, (2, 3, 8, 8, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="NaN or inf for 3 of 3 pairs"):
        network.distances(*pictures)
