"""What the benchmarks count by hand is counted right."""

import importlib.util
from pathlib import Path

import pytest

from wae_tf import models
from wae_tf.config import Config

FOLDER = Path(__file__).parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_operations_of_a_step_by_hand():
    config = Config(
        model="wae_gan", zdim=3, encoder_filters=4, decoder_filters=4, encoder_layers=2,
        decoder_layers=2, adversary_filters=5, adversary_layers=2, filter_size=4,
    )  # fmt: skip
    model = models.from_config(config, (8, 8, 1), 100)
    # Multiply-adds an image. Encoder: 8x8 -> 4x4x2 -> 2x2x4 -> 3; decoder: 3 -> 4x4x4, a transposed
    # convolution to 8x8x2 (each of 4x4 inputs meets 4x4 places), one of stride 1 to 8x8x1.
    first = 4 * 4 * 16 * 1 * 2
    encoder = first + 2 * 2 * 16 * 2 * 4 + 16 * 3
    decoder = 3 * 64 + 4 * 4 * 16 * 4 * 2 + 8 * 8 * 16 * 2 * 1
    adversary_first = 3 * 5
    adversary = adversary_first + 5 * 5 + 5
    expected = 2 * 10 * (3 * (encoder + decoder) - first)
    expected += 2 * 10 * (2 * adversary + 2 * (3 * adversary - adversary_first) + encoder)
    assert load("speed").operations(model, 10) == pytest.approx(expected)


@pytest.mark.parametrize(
    "row, why",
    [
        ({}, ""),
        ({"squared_error": "", "sharpness_ratio": ""}, "not finite"),
        ({"code_mean_max": 0.6}, "codes off"),
        ({"mmd_sigmas": 101}, "codes off"),
        ({"squared_error": 0.09}, "not learned"),
        ({"sharpness_ratio": 0.09}, "blurred"),
    ],
)
def test_what_counts_as_failed(row, why):
    good = {
        "model": "wae_mmd", "sweep": "detail", "value": "official", "squared_error": "0.02",
        "code_mean_max": 0.1, "code_std_min": 0.9, "code_std_max": 1.1, "mmd_sigmas": "3",
        "sharpness_ratio": 0.2,
    }  # fmt: skip
    rows = [good, {**good, "sweep": "lr", "value": "1", **row}]
    load("stability").judge(rows, mean_image=0.07)
    assert rows[0]["why"] == ""
    assert (rows[1]["why"], rows[1]["collapsed"]) == (why, int(bool(why)))
