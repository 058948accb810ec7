"""What of earlier evaluations stays in metrics.json, and what would pass for this one's."""

import json

import pytest

from wae_tf.evaluation import any_data, comparison
from wae_tf.runs.folder import RunFolder

A, B = (f"sha256 {letter * 64}; split x" for letter in "ab")
LATER = "; of an earlier evaluation"
NUMBERS = {"evaluated_step": 15, "test_psnr": 20.0, "nearest_train_samples_gmm": 3.0}
DATA = ("data", "digits, last 297; from x")


def evaluated(folder, step=15, data=DATA[1], network=A):
    """A run whose last evaluation was of samples of the prior, with a classifier and a network."""
    run = RunFolder(folder)
    run.folder.mkdir(exist_ok=True)
    run.update_metrics(
        {
            "evaluated_step": step,
            "test_psnr": 10.0,
            "test_rows_sum": 7,
            "steps": 15,
            "sharpness_samples": 0.1,
            "nearest_train_samples": 5.0,
            "frechet_digits_classifier": 1.0,
            "frechet_digits_classifier_ci95": 0.1,
            "count_net_0b91c3": 400,
            "kernel_net_0b91c3_error": 0.2,
        }
    )
    facts = [("data", data), ("digits classifier", network), ("net_0b91c3", A)]
    run.evaluation_file.write_text(json.dumps({"facts": facts}))
    return run


OWN = {"test_psnr", "evaluated_step", "test_rows_sum", "steps", "sharpness_samples"}
OTHERS = {
    "nearest_train_samples",
    "frechet_digits_classifier",
    "frechet_digits_classifier_ci95",
    "count_net_0b91c3",
    "kernel_net_0b91c3_error",
}


def test_numbers_of_the_same_stay_with_their_networks(tmp_path):
    run, said = evaluated(tmp_path), []
    metrics, facts = any_data.merged(run, NUMBERS, [DATA, ("PSNR and SSIM", "x")], said.append)
    assert set(metrics) == OWN | OTHERS | {"nearest_train_samples_gmm"}
    assert metrics["test_psnr"] == 20
    assert facts[2:] == [(name, A + LATER) for name in ("digits classifier", "net_0b91c3")]
    run.evaluation_file.write_text(json.dumps({"facts": facts}))
    assert any_data.merged(run, NUMBERS, facts[:2], said.append) == (metrics, facts)
    assert not said


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ({"step": 7}, "of step 7"),
        ({"data": "digits, last 297; from y"}, "of other data, or of these elsewhere"),
    ],
)
def test_numbers_of_others_are_taken_out_and_told(before, why, tmp_path):
    run, said = evaluated(tmp_path, **before), []
    metrics, facts = any_data.merged(run, NUMBERS, [DATA], said.append)
    assert set(metrics) == OWN | {"nearest_train_samples_gmm"}
    assert set(run.read_metrics()) == set(metrics)
    assert facts == [DATA]
    (line,) = said
    assert f"no longer has 5 numbers of an earlier evaluation, {why}: " in line


def test_numbers_by_another_network_of_the_name_are_taken_out(tmp_path):
    run, said = evaluated(tmp_path), []
    numbers = {**NUMBERS, "frechet_digits_classifier_gmm": 2.0}
    facts = [DATA, ("digits classifier", B)]
    metrics, facts = any_data.merged(run, numbers, facts, said.append)
    gone = {"frechet_digits_classifier", "frechet_digits_classifier_ci95"}
    assert set(metrics) == (OWN | OTHERS | set(numbers)) - gone
    assert dict(facts) == {"data": DATA[1], "digits classifier": B, "net_0b91c3": A + LATER}
    assert (
        "2 numbers of an earlier evaluation, by another network called digits classifier" in said[0]
    )


@pytest.mark.parametrize("content", ["", "[]", '{"facts": 3}'])
def test_of_a_damaged_evaluation_nothing_is_known(content, tmp_path):
    run, said = evaluated(tmp_path), []
    run.evaluation_file.write_text(content)
    metrics, _ = any_data.merged(run, NUMBERS, [DATA], said.append)
    assert set(metrics) == OWN | {"nearest_train_samples_gmm"}
    assert len(said) == 1
    assert comparison.sum_in("bilinear") == ""


def test_a_first_evaluation_says_nothing(tmp_path):
    said = []
    metrics, facts = any_data.merged(RunFolder(tmp_path), NUMBERS, [DATA], said.append)
    assert metrics == NUMBERS
    assert facts == [DATA]
    assert not said
