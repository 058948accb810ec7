"""The evaluation of a run: latent statistics, samplers, classifier, table, report; from the command line."""

import json
import re

import keras
import numpy as np
import pytest

import wae_tf
from tests.evaluation import test_inception
from tests.factory import tiny, tiny_run
from wae_tf import main
from wae_tf.errors import FlagError
from wae_tf.evaluation import any_data, feature_networks, page_parts, samplers, tfgan
from wae_tf.evaluation.codes import mmd, null_std, statistics
from wae_tf.evaluation.options import Options
from wae_tf.models import passes
from wae_tf.objective import penalties, priors
from wae_tf.runs.folder import RunFolder

TINY = tiny_run(train_size=300, test_size=80, pretrain=False, steps=12, figure_every=10)
FEW = "--bootstrap=10"
SMALL = tiny(8)


def small(**fields):
    return wae_tf.WaeMmd((8, 8, 1), **{**SMALL, **fields})


@pytest.mark.parametrize("block", [7, 1000])
def test_blockwise_mmd_is_the_penalty(rng, block):
    codes, sample = rng.standard_normal((2, 60, 3))
    width = priors.kernel_width("normal", 3, 1.0)
    expected = float(penalties.mmd(codes, sample, width=width))
    assert mmd(codes, sample, width, block) == pytest.approx(expected, abs=1e-12)


def test_null_spread_is_that_of_repetitions_and_falls_as_1_over_n():
    model = small()
    direct = null_std(model, 400, repeats=60)
    scaled = null_std(model, 400, repeats=60, rows=100)
    assert scaled == pytest.approx(direct, rel=0.45)
    assert null_std(model, 100, repeats=60) == pytest.approx(4 * scaled)


def test_statistics_tell_the_prior_from_other_codes(rng):
    model = small(prior_scale=2.0)
    good = statistics(model, 2 * rng.standard_normal((1500, 3)).astype(np.float32))
    assert abs(good["mmd_test_sigmas"]) < 5
    assert good["code_mean_max"] < 0.1
    assert 0.9 < good["code_std_min"] <= good["code_std_max"] < 1.1
    assert good["code_correlation_max"] < 0.1
    bad = 2 * rng.standard_normal((1500, 3)).astype(np.float32) * [1, 1, 0.2] + [0, 2, 0]
    bad = statistics(model, bad.astype(np.float32))
    assert bad["mmd_test_sigmas"] > 50
    assert bad["code_mean_max"] == pytest.approx(1, abs=0.1)
    assert bad["code_std_min"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("prior", ["normal", "sphere", "uniform"])
def test_mixture_follows_the_training_codes(rng, prior):
    model = small(prior=prior)
    train = rng.randint(0, 256, (400, 8, 8, 1)).astype(np.uint8)
    drawn = samplers.mixture(model, train, 2000, seed=4)
    codes = passes.codes(model, train)
    assert drawn.shape == (2000, 3)
    assert drawn.dtype == np.float32
    spread = 0.15 * codes.std(axis=0).max() + 1e-3
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=spread)
    np.testing.assert_array_equal(drawn, samplers.mixture(model, train, 2000, seed=4))
    assert np.abs(drawn - samplers.mixture(model, train, 2000, seed=5)).max() > 0
    if prior == "sphere":
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, rtol=1e-5)


def test_samplers_are_named(rng):
    model = small()
    train = rng.randint(0, 256, (100, 8, 8, 1)).astype(np.uint8)
    codes = samplers.draw_codes(model, "prior", 5, train, seed=2)
    np.testing.assert_allclose(
        passes.decoded(model, codes), passes.samples(model, 5, seed=2), rtol=1e-6
    )
    with pytest.raises(FlagError, match="--sampler=best is not known; accepted: prior, gmm"):
        samplers.draw_codes(model, "best", 5, train)
    with pytest.raises(FlagError, match="--cost=bce has none"):
        samplers.draw_codes(small(cost="bce"), "improved", 5, train)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A classifier and an evaluated run, made on the command line."""
    root = tmp_path_factory.mktemp("assess")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAE_TF_CACHE", str(root / "cache"))
        classifier = f"--work_dir={root / 'classifier'}"
        assert main.main(["--mode=classifier", "--classifier_steps=80", classifier]) == 0
        arguments = [*TINY, f"--work_dir={root / 'run'}", "--evaluate_at_end"]
        arguments += [f"--classifier={root / 'classifier'}", "--eval_samples=300", FEW]
        assert main.main(arguments) == 0
    return root


def evaluate(folder, *arguments):
    return main.main(
        ["--mode=evaluate", f"--work_dir={folder / 'run'}", "--eval_samples=120", FEW, *arguments]
    )


def test_classifier_says_how_good_it_is(folder):
    facts = json.loads((folder / "classifier" / "classifier.json").read_text())
    assert facts["dataset"] == "digits"
    assert facts["test_accuracy"] > 0.8
    assert facts["test_images"] == 297
    assert len(facts["sha256"]) == 64


def test_metrics_are_flat_numbers(folder):
    metrics = RunFolder(folder / "run").read_metrics()
    for column in ("", "_reconstructions", "_data"):
        for kind in ("frechet", "kernel", "score"):
            assert metrics[f"{kind}_digits_classifier{column}"] is not None
    assert all(value is None or isinstance(value, (int, float)) for value in metrics.values())
    assert not any(name.startswith(("fid", "kid", "inception")) for name in metrics)
    assert metrics["frechet_digits_classifier"] > 3 * metrics["frechet_digits_classifier_data"]
    assert metrics["frechet_digits_classifier"] > metrics["frechet_digits_classifier_ci95"] > 0
    for kind in ("precision", "recall", "coverage"):
        assert 0 <= metrics[f"{kind}_digits_classifier_data"] <= 1
    assert metrics["test_psnr"] > 5
    assert -1 <= metrics["test_ssim"] <= 1
    for name in ("mmd_test", "mmd_test_null_std", "sharpness_samples_mean", "nearest_train_data"):
        assert metrics[name] > 0 or name == "mmd_test"


def test_evaluation_says_what_its_numbers_are_of(folder):
    evaluation = json.loads((folder / "run" / "evaluation.json").read_text())
    facts = dict(evaluation["facts"])
    assert "300 by sampler prior" in facts["columns"]
    assert "test accuracy" in facts["digits classifier"]
    assert re.search("sha256 [0-9a-f]{64}", facts["digits classifier"])
    assert "--inception=NETWORK" in evaluation["left_out"][0]
    (title, points), (other, real) = evaluation["bias"]
    assert title == "Frechet distance, digits classifier, samples"
    assert other == "Frechet distance, digits classifier, data"
    assert [n for n, _ in points] == [n for n, _ in real] == [75, 150, 300]
    # Real pictures of the same kind: what is left falls with the count, so it was bias.
    assert real[0][1] > 1.5 * real[-1][1] > 0


def test_report_is_one_whole_page(folder):
    page = (folder / "run" / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 9
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in re.sub(r"https://tfhub\.dev\S*", "", page)
    for text in ("Frechet distance, digits classifier", "--zdim=3", "tensorflow-gan", "Left out"):
        assert text in page
    assert "its sharpness and L2 distance are of test images." in page
    assert str(folder) not in page


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_a_figure_that_is_no_picture_is_a_line_of_the_page(content, tmp_path):
    (tmp_path / "data.png").write_bytes(content)
    assert "data.png is no whole PNG" in page_parts.picture_of_file(tmp_path / "data.png", "", "")


@pytest.mark.slow
def test_evaluation_repeats_itself(folder, capsys):
    before = RunFolder(folder / "run").read_metrics()
    classifier = f"--classifier={folder / 'classifier'}"
    assert evaluate(folder, classifier, "--eval_samples=300") == 0
    after = RunFolder(folder / "run").read_metrics()
    for name in ("frechet_digits_classifier", "mmd_test", "nearest_train_samples"):
        assert after[name] == pytest.approx(before[name], rel=1e-5), name
    assert "Frechet distance, digits classifier" in capsys.readouterr().out


def test_samples_and_data_side_by_side_are_as_many(folder, tmp_path):
    """Twice as many samples as training images: a tile compares as many of both, and says so."""
    network = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.AveragePooling2D(7)])
    network.save(tmp_path / "pool.keras")
    flags = [f"--features={tmp_path / 'pool.keras'}", "--eval_samples=600", "--bootstrap=5"]
    assert evaluate(folder, *flags) == 0
    metrics = RunFolder(folder / "run").read_metrics()
    (name,) = [key for key in metrics if re.fullmatch("frechet_pool_[0-9a-f]{6}", key)]
    assert metrics["evaluated_samples"] == 600
    assert metrics["evaluated_samples_equal"] == metrics["evaluated_data"] == 300
    evaluation = json.loads((folder / "run" / "evaluation.json").read_text())
    by_title = {row["quantity"]: row for row in evaluation["rows"]}
    row = by_title[f"Frechet distance, {name.removeprefix('frechet_')}"]
    assert row["count"] == "300 / 80 / 300"
    assert row["samples"].startswith(f"{metrics[f'{name}_equal']:.4g} ± ")
    assert by_title[f"{row['quantity']}, all samples"]["data"] is None
    page = (folder / "run" / "report.html").read_text()
    tile = page.partition('<div class="tiles">')[2].partition("<h2>")[0]
    assert f"data {row['data']}; 300 each" in tile
    assert "all samples" not in tile
    assert f"{metrics['test_psnr']:.4g} ± " in by_title["PSNR, dB"]["reconstructions"]


@pytest.mark.parametrize("sampler", ["gmm", pytest.param("improved", marks=pytest.mark.slow)])
def test_other_samplers_have_names_of_their_own(folder, sampler):
    before = RunFolder(folder / "run").read_metrics()
    assert evaluate(folder, f"--sampler={sampler}", f"--classifier={folder / 'classifier'}") == 0
    after = RunFolder(folder / "run").read_metrics()
    for name in ("frechet_digits_classifier", "sharpness_samples_mean"):
        assert after[name] == pytest.approx(before[name], rel=1e-5)
        tail = name.replace("samples", f"samples_{sampler}")
        tail = tail if tail != name else f"{name}_{sampler}"
        assert after[tail] != after[name]
    assert f"sampler {sampler}" in (folder / "run" / "report.html").read_text()


def test_a_local_inception_is_used_and_named(folder, tmp_path, monkeypatch):
    # The whole distance decomposes matrices of 2048 x 2048: minutes on a busy machine.
    whole = tfgan.frechet_distance
    monkeypatch.setattr(tfgan, "frechet_distance", lambda a, b: whole(a[:, :32], b[:, :32]))

    saved = test_inception.save(tmp_path / "saved", test_inception.tiny)
    flags = [f"--inception={saved}", "--inception_resize=bicubic", "--eval_samples=30"]
    flags += ["--bootstrap=0"]  # nor of 11 resamples
    assert evaluate(folder, *flags) == 0
    metrics = RunFolder(folder / "run").read_metrics()
    assert {"fid_bicubic", "kid_bicubic", "inception_score_bicubic"} <= set(metrics)
    assert "fid" not in metrics
    facts = dict(json.loads((folder / "run" / "evaluation.json").read_text())["facts"])
    assert "bicubic to 299x299" in facts["Inception"]


@pytest.mark.slow
def test_what_not_every_evaluation_measures_is_known_as_an_evaluations(
    folder, tmp_path, monkeypatch
):
    """So that the next one, of another step, takes it out of metrics.json."""
    measured, merged = [], any_data.merged

    def noted(run, numbers, *others):
        measured.append(numbers)
        return merged(run, numbers, *others)

    monkeypatch.setattr(any_data, "merged", noted)
    monkeypatch.chdir(tmp_path)  # where no classifier is
    pictures = [keras.Input((28, 28, 1)) for _ in range(2)]
    flat = [keras.layers.Flatten()(one) for one in pictures]
    difference = keras.layers.Subtract()(flat)
    apart = keras.layers.Dot(1)([difference, difference])
    keras.Model(pictures, apart).save(tmp_path / "apart.keras")
    keras.Model(pictures[0], keras.layers.Dense(4)(flat[0])).save(tmp_path / "net.keras")
    networks = [f"--classifier={folder / 'classifier'}"]
    networks += ["--features=net.keras", "--lpips=apart.keras"]
    for given in ([], [*networks, "--sampler=gmm", "--bootstrap=2"]):
        assert evaluate(folder, *given) == 0
    plain, whole = map(set, measured)
    only_some = whole - plain
    assert {"test_lpips", "sharpness_samples_gmm_mean"} <= only_some
    assert any(name.startswith("coverage_net_") for name in only_some)
    inception = feature_networks.FeatureNetwork("inception", "Inception", "", {}, len)
    options = Options(inception="x", inception_resize="bicubic")
    only_some |= set(feature_networks.metric_names(inception, options).values())
    assert not [name for name in only_some if not any_data.OF_EVALUATION.fullmatch(name)]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--sampler=best"], 2, "--sampler=best is not known; accepted: prior, gmm, improved"),
        (["--eval_samples=1"], 2, "--eval_samples=1 is too small"),
        (["--inception_resize=x"], 2, "--inception_resize=x is not known"),
        (["--inception=/nowhere"], 1, "--inception=/nowhere is not there"),
        (["--classifier=/nowhere"], 1, "--classifier=/nowhere holds no classifier"),
        (["--features=/nowhere"], 1, "--features=/nowhere is not there"),
        (["--features=x", "--features_input=size=x"], 2, "size=x is not accepted; accepted: 224,"),
        (["--lpips=/nowhere"], 1, "--lpips=/nowhere is not there"),
        (["--lpips="], 2, "--lpips= is empty"),
        (["--bootstrap=-1"], 2, "--bootstrap=-1 is not accepted; accepted: 0, and 2 to 10,000"),
        (["--sphere_axis=z"], 2, "--sphere_axis=z is not known; accepted: code, batch"),
    ],
)
def test_errors_are_sentences(folder, capsys, arguments, status, sentence):
    assert evaluate(folder, *arguments) == status
    assert sentence in capsys.readouterr().err


def test_classifier_of_other_images_and_without_labels(folder, tmp_path, capsys):
    facts = json.loads((folder / "classifier" / "classifier.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    del facts["sum"]  # as facts of before they had one
    (other / "classifier.json").write_text(json.dumps({**facts, "dataset": "mnist"}))
    (other / facts["network"]).write_bytes((folder / "classifier" / facts["network"]).read_bytes())
    assert evaluate(folder, f"--classifier={other}") == 1
    assert "knows mnist images" in capsys.readouterr().err
    images = np.full((40, 16, 16, 3), 99, np.uint8)
    np.save(tmp_path / "images.npy", images)
    arguments = ["--mode=classifier", "--dataset=folder", f"--data_dir={tmp_path / 'images.npy'}"]
    arguments += ["--test_size=10", f"--work_dir={tmp_path / 'c'}"]
    assert main.main(arguments) == 1
    assert "needs labels, and folder has none" in capsys.readouterr().err


@pytest.mark.slow
def test_unlabelled_images_have_a_sliced_wasserstein_distance(tmp_path, rng):
    images = rng.randint(0, 256, (90, 32, 32, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    arguments = [*TINY, "--dataset=folder", f"--data_dir={tmp_path / 'images.npy'}"]
    arguments = [a for a in arguments if not a.startswith(("--train_size", "--batch_size"))]
    arguments += ["--batch_size=10", "--test_size=40", f"--work_dir={tmp_path / 'run'}"]
    assert (
        main.main(
            [*arguments, "--evaluate_at_end", "--eval_samples=50", "--steps=4", "--bootstrap=0"]
        )
        == 0
    )
    metrics = RunFolder(tmp_path / "run").read_metrics()
    for side in (32, 16):
        assert metrics[f"sliced_wasserstein_{side}"] > 0
        assert metrics[f"sliced_wasserstein_{side}_data"] > 0
    sliced = [name for name in metrics if "sliced" in name]
    assert all(map(any_data.OF_EVALUATION.fullmatch, sliced))
