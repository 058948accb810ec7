"""Numbers of a trained model after training and by --mode=evaluate are of the same things."""

import json

import numpy as np
import pytest

import wae_tf
from tests.factory import tiny
from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import (
    brief,
    codes,
    distances,
    facts,
    full,
    of_vectors,
    picture_measures,
    reconstruction_quality,
    rows,
)
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


def test_measures_of_pairs_are_of_ten_thousand_pictures_at_most():
    numbers = {f"{kind}{end}": 1.0 for kind in ("f", "k", "g") for end in ("_equal", "_data", "")}
    numbers |= {f"{kind}_reconstructions": 1.0 for kind in "fkg"}
    one = np.zeros((1, 8, 8, 1), np.uint8)
    many = [np.broadcast_to(one, (count, 8, 8, 1)) for count in (20_000, 8_000, 12_000)]
    names = {"frechet": "f", "kernel": "k", "gaussian_mmd": "g", "coverage": "g"}
    found = rows.network_rows(numbers, names, names, Pictures(many[1], *many))
    whole, paired = "12,000 / 8,000 / 12,000", "10,000 / 8,000 / 10,000"
    assert [row.count for row in found] == [whole, "20,000", whole, paired, paired]


@pytest.mark.parametrize("made", [wae_tf.WaeMmd, wae_tf.Vae])
def test_with_a_divisor_a_partial_batch_counts_by_its_images(made, pixels):
    """The same weights with and without: 64 + 40 images of 8x8, divided by 64."""
    found = {}
    for divisor in (None, 64):
        one = made((8, 8, 1), **{**TINY, "batch_divisor": divisor})
        found[divisor] = brief.test_terms(one, pixels[:104], 64)
    for name in ("test_reconstruction", "test_penalty", "test_loss"):
        assert found[64][name] == pytest.approx(found[None][name], rel=1e-5)
    one = made((8, 8, 1), **{**TINY, "batch_divisor": 32})
    again = brief.test_terms(one, pixels[:104], 64)
    mean = found[None]["test_reconstruction"]
    assert again["test_reconstruction"] == pytest.approx(mean, rel=1e-5)
    # A training's batch of 64 is divided by 32: its loss has the cost twice.
    penalty = float(one.wae_lambda.numpy()) * again["test_penalty"]
    assert again["test_loss"] == pytest.approx(2 * mean + penalty, rel=1e-5)
    first = float(brief.test_line(one, pixels[:64], 64)["loss"])  # the report's own line stays
    assert first == pytest.approx(brief.test_terms(one, pixels[:64], 64)["test_loss"], rel=1e-5)


def test_stretched_pictures_are_measured_as_the_model_sees_them(tmp_path, monkeypatch):
    """A model that copies its training images, dull ones, is 0 away from them and from test images."""
    dull = np.random.RandomState(1).randint(80, 151, (40, 8, 8, 1)).astype(np.uint8)
    fields = {**TINY, "pixel_range": "stretched"}
    copies = reconstruction_quality.originals(wae_tf.WaeMmd((8, 8, 1), **fields), dull)
    monkeypatch.setattr(full, "decoded_bytes", lambda model, codes, size: copies[: len(codes)])
    images = ImageSet("tiny", dull, dull, None, None, "made", "all")
    config = Config(**fields, batch_size=40, pictures=20, picture_columns=5)
    drawn, seen = [], []
    monkeypatch.setattr(full, "_draw", lambda *_: None)
    monkeypatch.setattr(full.of_model, "draw_neighbours", lambda *given: drawn.append(given))
    pool = distances.FeatureNetwork(
        "pool",
        "pool",
        "0" * 64,
        {},
        lambda x: (seen.append(x), (pooled(x), np.zeros((len(x), 0))))[1],
    )
    monkeypatch.setattr(full.feature_networks, "networks", lambda *_: ([pool], []))
    options = Options(eval_samples=40, bootstrap=0)
    run = RunFolder(tmp_path)
    made = full.evaluate(wae_tf.WaeMmd((8, 8, 1), **fields), config, images, options, run)
    numbers = made.metrics
    assert numbers["nearest_train_samples"] == numbers["nearest_train_data"] == 0
    assert {(x.min(), x.max()) for x in seen} == {(0, 255)}
    for end in ("", "_reconstructions", "_data"):
        assert numbers[f"frechet_pool{end}"] == pytest.approx(0, abs=1e-9)
        assert numbers[f"precision_pool{end}"] == 1
    assert numbers["sliced_wasserstein_8"] == numbers["sliced_wasserstein_8_data"]
    ((_, samples, near, where),) = drawn
    np.testing.assert_array_equal(near[where[:, 0]], samples)
    told = dict(made.facts)
    assert told["compared with"].startswith("the 40 test images, as bytes, stretched as the model")
    assert told["L2 distance"].startswith("mean over 40 samples, pixels in [0, 1]; ")
    assert "20 of the first half" in told["sliced Wasserstein"]


def pooled(pictures):
    return pictures.reshape(len(pictures), 2, 4, 2, 4).mean(axis=(2, 4)).reshape(len(pictures), 4)


def test_vectors_say_how_many_there_are_so_that_runs_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(of_vectors.of_vectors, "draw_interpolations", lambda *_: None)
    monkeypatch.setattr(of_vectors.of_vectors, "draw_traversals", lambda *_: None)
    vectors = np.random.RandomState(0).standard_normal((70, 4)).astype(np.float32)
    images = ImageSet("own", vectors[:40], vectors[40:], None, None, "made", "all")
    fields = {**TINY, "pixel_range": "any"}
    model, config = wae_tf.WaeMmd((4,), **fields), Config(**fields, batch_size=40)
    options, run = Options(eval_samples=60, bootstrap=2), RunFolder(tmp_path)
    made = of_vectors.evaluate(model, config, images, options, run)
    counted = {"evaluated_samples": 60, "evaluated_samples_equal": 40, "evaluated_data": 40}
    counted |= {"evaluated_test": 30, "count_rows": 60, "count_rows_equal": 40}
    assert {name: made.metrics[name] for name in counted} == counted
    assert dict(made.facts)["L2 distance"] == (
        "mean over 60 samples; in the column of data, over 30 test vectors"
    )
    assert "over 2 bootstrap resamples" in dict(made.facts)["±"]
    options = Options(eval_samples=60, bootstrap=0)
    made = of_vectors.evaluate(model, config, images, options, run)
    assert "Frechet distance" in dict(made.facts)
    assert "±" not in dict(made.facts)
    monkeypatch.setattr(of_vectors, "WIDEST", 3)
    made = of_vectors.evaluate(model, config, images, options, RunFolder(tmp_path / "wide"))
    assert "frechet_rows" not in made.metrics
    assert not {"Frechet distance", "±"} & set(dict(made.facts))
    assert made.left_out[1] == (
        "The Frechet distance of the rows: they have 4 numbers each, and a covariance is taken of 3 at most."
    )


def test_facts_of_sliced_distances_and_of_counts_say_what_is_used():
    images = np.zeros((150, 8, 8, 1), np.uint8)
    shown = ImageSet("tiny", images, images, None, None, "made", "all")
    pictures = Pictures(images, np.zeros((400, 8, 8, 1), np.uint8), images, images)
    options = Options(eval_samples=400, bootstrap=100)
    told = dict(facts.of_pictures(Config(), shown, options, pictures, [], None, 1))
    assert told["L2 distance"] == (
        "mean over 200 samples, pixels in [0, 1]; in the column of data, over 150 test images"
    )
    assert (
        "compared with their own originals, but by sliced Wasserstein distances; "
        in told["columns"]
    )
    assert (
        "of 150 samples, or data, and as many test images; of 75 recon"
        in told["sliced Wasserstein"]
    )
    assert "75 of the first half" in told["sliced Wasserstein"]
    assert "over 100 bootstrap resamples" in told["±"]
    assert (
        "sliced Wasserstein distances: 20 resamples along 16 of their 147 directions" in told["±"]
    )
    assert told["compared with"] == "the 150 test images, as bytes"
    labelled = ImageSet("tiny", images, images, np.zeros(150), np.zeros(150), "made", "all")
    told = dict(facts.of_pictures(Config(), labelled, options, pictures, [], None, 1))
    assert "sliced" not in str(told)


def test_nearest_numbers_are_means_of_distances():
    train = np.zeros((3, 1, 1, 1), np.uint8)
    test = np.full((2, 1, 1, 1), 255, np.uint8)
    pictures = picture_measures.Pictures(test, test, test, train, tail="_gmm")
    apart = np.array([[0.25], [0.75]])
    found = picture_measures.nearest_numbers(apart, pictures, train, lambda block: block)
    assert found == {"nearest_train_samples_gmm": 0.5, "nearest_train_data": pytest.approx(1.0)}
    found = picture_measures.nearest_numbers(apart, pictures, train, lambda block: block + 204)
    assert found["nearest_train_data"] == pytest.approx(0.2)


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
