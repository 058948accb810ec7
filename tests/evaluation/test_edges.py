"""What an evaluation meets at its edges: copies, one row, equal pictures, networks that give NaN."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from tests.factory import tiny_model, tiny_run
from wae_tf import Config, main
from wae_tf.cli.arguments import parse
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.evaluation import (
    any_data,
    bootstrap,
    distances,
    network_measures,
    reconstruction_quality,
    rows,
    samplers,
    tables,
)
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.distances import FeatureNetwork, Features
from wae_tf.evaluation.options import Options
from wae_tf.runs import checkpoints
from wae_tf.settings import memory
from wae_tf.training import resuming

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.mark.parametrize("side", [8, 160])
def test_a_copy_of_a_training_image_is_at_distance_0(side):
    """By sums of squares in float32 it was up to 0.6 of the distance between black and white away."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (12, side, side, 3), np.uint8)
    near = train[[7, 3, 7]].copy()
    near[2] ^= 1  # each byte by one
    where, apart = distances.nearest(near, train, 3, block=5)
    assert where[:, 0].tolist() == [7, 3, 7]
    assert apart[:, 0].tolist() == pytest.approx([0, 0, side * 3**0.5 / 255], abs=1e-12)
    flat = train.reshape(12, -1).astype(np.float64)
    exact = np.sqrt(((near.reshape(3, 1, -1) - flat) ** 2).sum(axis=2)) / 255
    np.testing.assert_allclose(apart, np.sort(exact, axis=1)[:, :3], rtol=1e-12)
    inverted = distances.nearest(255 - near, train, 1, seen=lambda some: 255 - some)
    assert inverted[0][:, 0].tolist() == [7, 3, 7]
    assert inverted[1][0, 0] == 0


def rows_of(count, seed):
    rng = np.random.default_rng(seed)
    return Features(rng.normal(size=(count, 8)).astype("f4"), np.zeros((count, 0), "f4"))


@pytest.mark.parametrize("counts", [(1, 5), (5, 1), (1, 1), (2, 3)])
def test_few_rows_have_numbers_or_nan(counts):
    made, real = (rows_of(count, seed) for seed, count in enumerate(counts))
    found = network_measures.scores(made, real, "samples", Resampling(4, 0))
    assert math.isfinite(found["frechet"][0]) == (min(counts) > 1)
    assert math.isfinite(found["frechet"][1]) == (min(counts) > 1)
    assert math.isnan(found["precision"][0])
    assert math.isfinite(found["gaussian_mmd"][0])


def test_equal_pictures_are_told_as_infinitely_alike():
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1), np.uint8)
    others = images.copy()
    others[0] ^= 9
    found = reconstruction_quality.numbers(images, others, None, Resampling(20, 0))
    assert found["test_psnr"] == math.inf
    assert math.isnan(found["test_psnr_ci95"])
    assert rows.quality_rows(found, 4)[0].reconstructions == "inf"
    assert bootstrap.mean(np.full(4, math.inf), Resampling(20, 0))[0] == math.inf
    assert tables.number(math.nan) == tables.number(None) == "–"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_gives_nan_is_a_sentence(value):
    def apply(images):
        made = np.ones((len(images), 4), np.float32)
        made[images[:, 0, 0, 0] == 200] = value
        return made, np.zeros((len(images), 0))

    network = FeatureNetwork("net", "net_1", "0", {}, apply, batch_size=3)
    images = np.zeros((8, 4, 4, 1), np.uint8)
    assert distances.features(network, images).features.shape == (8, 4)
    images[[4, 6]] = 200
    with pytest.raises(
        DataError, match="net_1 gives NaN or inf for 2 of 8 samples, first for number 5"
    ):
        distances.features(network, images, what="samples")


def test_a_network_that_tells_no_pictures_apart_is_a_sentence(tmp_path):
    def apply(images):
        return np.full((len(images), 4), 0.3, np.float32), np.zeros((len(images), 0))

    def apart(images):  # by some numbers, beside a large one that is always the same
        rows = images.reshape(len(images), -1)[:, :3]
        return np.concatenate([rows / 255, np.full((len(rows), 1), 1e7)], axis=1)

    network = FeatureNetwork("net", "net_1", "0", {}, apply)
    pictures = np.arange(64, dtype=np.uint8).reshape(4, 4, 4, 1)
    given = SimpleNamespace(
        test=pictures, samples=pictures, reconstructions=pictures, data=pictures
    )
    with pytest.raises(DataError, match="net_1 gives the same for all 4 test images"):
        network_measures.features(network, given, str(tmp_path), print)
    wide = FeatureNetwork("net", "net_2", "1", {}, lambda x: (apart(x), np.zeros((len(x), 0))))
    assert len(network_measures.features(wide, given, str(tmp_path), print)) == 4
    given.test = np.zeros_like(pictures)  # which are the same themselves
    assert len(network_measures.features(network, given, str(tmp_path), print)) == 4


def test_of_one_picture_there_is_no_interval():
    """It was told as ± 0: as certain as could be."""
    weights = Resampling(5, 0).weights(1, "test")
    assert weights[0] == 1
    assert np.isnan(weights[1:]).all()
    mean, wide = bootstrap.mean(np.array([3.0]), Resampling(5, 0))
    assert (mean, math.isnan(wide)) == (3.0, True)
    patches = np.random.default_rng(0).normal(size=(2, 4, 1, 6)).astype("f4")
    along = bootstrap.sliced(*patches, weights, weights)
    assert np.isfinite(along[:, 0]).all()
    assert math.isnan(bootstrap.sliced_interval(along, 100))
    found = network_measures.scores(rows_of(1, 0), rows_of(9, 1), "samples", Resampling(5, 0))
    assert math.isfinite(found["gaussian_mmd"][0])
    assert math.isnan(found["gaussian_mmd"][1])


def test_a_mixture_of_one_code_is_a_sentence():
    with pytest.raises(
        DataError, match=r"--sampler=gmm is fitted to .*, and there is 1: at least 2"
    ):
        samplers.mixture(SimpleNamespace(settings=None), np.zeros((1, 4, 4, 1), np.uint8), 3)


def test_codes_that_are_not_finite_have_no_mixture():
    model = tiny_model()
    model.encoder.set_weights([np.nan * weights for weights in model.encoder.get_weights()])
    with pytest.raises(RunError, match=r"--sampler=gmm is fitted to .* not all finite"):
        samplers.mixture(model, np.zeros((4, 6, 6, 1), np.uint8), 3)


@pytest.mark.filterwarnings("error")
def test_a_mixture_has_no_more_components_than_there_are_codes():
    """Of a collapsed encoder, whose codes are one; k-means warned of clusters that it could not find."""
    model = tiny_model(zdim=3)
    model.encoder.set_weights([0 * weights for weights in model.encoder.get_weights()])
    codes = samplers.mixture(model, np.zeros((40, 6, 6, 1), np.uint8), 5)
    # Its variance is scikit-learn's floor of 1e-6.
    np.testing.assert_allclose(codes, 0.0, atol=0.01)


def test_descent_ends_where_all_images_are_of_one_value():
    """Whose contrast is 0, as is then the loss, by which it was divided."""
    model = tiny_model()
    model.decoder.set_weights([0 * weights for weights in model.decoder.get_weights()])
    codes, images = samplers.improved(model, 2)
    assert codes.shape == (2, 3)
    assert (images == images[0, 0, 0, 0]).all()


@pytest.mark.filterwarnings("default")
def test_a_checkpoint_of_nan_is_a_sentence_in_every_mode(tmp_path, capsys):
    folder = f"--work_dir={tmp_path / 'run'}"
    assert main.main([folder, *tiny_run(steps=2, pretrain=False)]) == 0
    model = resuming.restore_model(parse(["--mode=sample", folder])[1])
    model.decoder.set_weights([np.nan * weights for weights in model.decoder.get_weights()])
    model.step.assign(3)
    checkpoints.save(tmp_path / "run" / "checkpoints", model, {}, 3)
    for mode in ("evaluate", "sample", "interpolate", "export"):
        assert main.main([f"--mode={mode}", folder]) == 1
        assert "step-00000003 holds weights that are not finite" in capsys.readouterr().err
    assert main.main(["--mode=sample", "--num_samples=2", "--checkpoint=2", folder]) == 0


def test_more_than_the_memory_holds_is_a_sentence(monkeypatch):
    model = SimpleNamespace(image_shape=(10, 10, 1), of_pictures=True)
    many = Options(eval_samples=10_000)
    monkeypatch.setattr(memory, "available", lambda: 999_999)  # of codes alone 960,000
    with pytest.raises(FlagError, match=r"^--eval_samples=10000 would take about 0\.0 GB .*; give"):
        any_data.measured(model, Config(zdim=8), None, many, print)
    assert len(Resampling(4, 0).weights(10_000, "test")) == 5
    with pytest.raises(
        FlagError, match=r"^--bootstrap=5 of 10,000 rows would .* --eval_samples\.$"
    ):
        Resampling(5, 0).weights(10_000, "test")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"inception_resize": "bicubic"}, "--inception_resize goes with --inception=NETWORK"),
        ({"sphere_axis": "batch"}, "--sphere_axis goes with --sampler=improved"),
        ({"sphere_axis": "batch", "sampler": "gmm"}, "--sphere_axis goes with --sampler=improved"),
        ({"features_input": ("size=8",)}, "--features_input goes with --features=NETWORK"),
    ],
)
def test_options_that_would_do_nothing_are_refused(given, said):
    with pytest.raises(FlagError, match=said):
        Options(**given)
    Options(sphere_axis="batch", sampler="improved")
    Options(inception_resize="bicubic", inception="x")
