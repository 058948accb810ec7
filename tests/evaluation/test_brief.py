"""Numbers of a trained model after training and by --mode=evaluate are of the same things."""

import json

import numpy as np
import pytest

import wae_tf
from tests.factory import tiny
from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import brief, codes, full, picture_measures, rows
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.options import Options
from wae_tf.evaluation.picture_measures import Pictures
from wae_tf.models import passes
from wae_tf.runs.folder import RunFolder

TINY = tiny(8, zdim=2, seed=5)


@pytest.fixture(scope="module")
def model():
    return wae_tf.WaeMmd((8, 8, 1), **TINY)


@pytest.fixture(scope="module")
def pixels():
    made = np.random.RandomState(3).randint(0, 256, (1250, 8, 8, 1)).astype(np.uint8)
    made[1000:] //= 8  # darker: the codes of all test images are not those of the first 1,000
    return made


def test_moments_by_hand():
    found = codes.moments(np.array([[0.0, 2.0], [4.0, 2.0], [2.0, 8.0]]), prior_std=2.0)
    assert found["code_mean_max"] == pytest.approx(2.0)
    assert found["code_std_min"] == pytest.approx(np.sqrt(8 / 3) / 2)
    assert found["code_std_max"] == pytest.approx(np.sqrt(8.0) / 2)


def test_moments_are_of_all_test_codes_and_samples_of_the_runs_seed(model, pixels):
    found = brief.evaluate(model, pixels, batch_size=50)
    every = passes.codes(model, pixels, 50)
    std = passes.prior_std(model)
    for name, value in codes.moments(every, std).items():
        assert found[name] == pytest.approx(value)
    assert found["code_mean_max"] != pytest.approx(
        codes.moments(every[:1000], std)["code_mean_max"]
    )
    values = brief.sharpness(passes.samples(model, 1000, 50, seed=5))
    assert found["sharpness_samples"] == pytest.approx(float(values.min()))
    assert found["sharpness_samples_mean"] == pytest.approx(float(values.mean()))
    other = brief.sharpness(passes.samples(model, 1000, 50, seed=0))
    assert found["sharpness_samples_mean"] != pytest.approx(float(other.mean()), rel=1e-7)
    assert "penalty" not in found


def test_the_whole_evaluation_says_the_same_under_the_same_keys(model, pixels, tmp_path):
    images = ImageSet("tiny", pixels[:200], pixels, None, None, "made", "all")
    config = Config(**TINY, batch_size=50, pictures=20, picture_columns=5)
    run = RunFolder(tmp_path)
    before = run.update_metrics(brief.evaluate(model, pixels, batch_size=50))
    assessment = full.evaluate(model, config, images, Options(eval_samples=60, bootstrap=0), run)
    after = json.loads(run.metrics.read_text())
    assert {name: after[name] for name in before} == pytest.approx(before, rel=1e-6)
    assert after["penalty"] == after["test_penalty"]
    assert assessment.metrics == run.read_metrics()
    assert "samples drawn with seed 5" in dict(assessment.facts)["sharpness"]


def test_rows_follow_from_numbers():
    numbers = {"kid": 0.4, "kid_ci95": 0.125, "kid_equal": 0.5, "kid_equal_ci95": 0.25}
    numbers |= {"kid_reconstructions": 1.0, "kid_reconstructions_ci95": float("nan")}
    numbers |= {"kid_data": 2.0, "kid_data_ci95": 0.125}
    three = [np.zeros((count, 8, 8, 1), np.uint8) for count in (2000, 30, 1500)]
    pictures = Pictures(three[1], *three)
    first, every = rows.network_rows(numbers, {"frechet": "kid"}, {"frechet": "KID"}, pictures)
    assert (first.samples, first.reconstructions, first.data) == ("0.5 ± 0.25", "1", "2 ± 0.12")
    assert first.count == "1,500 / 30 / 1,500"  # samples and data: equal counts side by side
    assert (every.quantity, every.samples, every.data) == ("KID, all samples", "0.4 ± 0.12", None)
    assert every.count == "2,000"
    near = {"nearest_train_samples_gmm": 1.5, "nearest_train_data": 0.5}
    row = rows.nearest_row(near, "_gmm", (200, 30))
    assert (row.samples, row.count) == ("1.5", "200 / – / 30")


def test_nearest_numbers_are_means_of_distances():
    train = np.zeros((3, 1, 1, 1), np.uint8)
    test = np.full((2, 1, 1, 1), 255, np.uint8)
    pictures = picture_measures.Pictures(test, test, test, train, tail="_gmm")
    found = picture_measures.nearest_numbers(np.array([[0.25], [0.75]]), pictures, train)
    assert found == {"nearest_train_samples_gmm": 0.5, "nearest_train_data": pytest.approx(1.0)}


def test_sliced_wasserstein_is_of_equal_counts_and_has_intervals(monkeypatch):
    seen = []

    def counted(first, second, seed):
        seen.append((len(first), len(second)))
        return [(0.0, float(second.mean()))]

    monkeypatch.setattr(picture_measures.tfgan, "sliced_wasserstein", counted)
    made = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1) * np.ones((1, 16, 16, 1), np.uint8)
    pictures = Pictures(made[:30], made, made[:30], made[:20])
    found = picture_measures.sliced_wasserstein(pictures, Resampling(4, 0))
    # samples, as many as there are data; reconstructions, against the other half; data
    assert seen == [(20, 20), (15, 15), (20, 20)]
    assert found["sliced_wasserstein_16"] == np.arange(20).mean()
    assert found["count_sliced_wasserstein"] == 20
    assert 0 < found["sliced_wasserstein_16_ci95"] < 10
    for few in (0, 1):
        found = picture_measures.sliced_wasserstein(pictures, Resampling(few, 0))
        assert np.isnan(found["sliced_wasserstein_16_ci95"])
