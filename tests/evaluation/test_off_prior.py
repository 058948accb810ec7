"""Codes far from the prior at the end of a run are said, with what the stability study advises."""

import json

import pytest

from tests.factory import tiny_run
from wae_tf.config import Config
from wae_tf.evaluation import codes, off_prior
from wae_tf.main import main


@pytest.mark.parametrize(
    ("shift", "width", "off"),
    [(0, 1, 0), (0, 0.15, 1), (0, 3, 1), (1, 1, 1), (0.3, 0.7, 0), (-0.8, 1, 1)],
)
def test_the_bounds_are_those_of_the_stability_study(rng, shift, width, off):
    found = codes.moments(2.0 * (shift + width * rng.standard_normal((2000, 8))), prior_std=2.0)
    assert off_prior.flag(found, 2000) == {"codes_off_prior": off}


def test_few_codes_of_the_prior_itself_are_not_blamed(rng):
    for count in (2, 5, 20, 60):
        for _ in range(50):
            found = codes.moments(rng.standard_normal((count, 64)), prior_std=1.0)
            assert not off_prior.flag(found, count)["codes_off_prior"]


def test_the_sentence_has_the_models_advice():
    metrics = {
        "codes_off_prior": 1.0,
        "code_std_min": 0.152,
        "code_std_max": 0.7,
        "code_mean_max": 0.31,
    }
    said = off_prior.sentence(metrics, Config(model="wae_gan"))
    assert "standard deviations 0.15 to 0.70 of the prior's, means up to 0.31" in said
    assert "--wae_lambda=0.1" in said
    vae = off_prior.sentence(metrics, Config(model="vae", encoder_noise="gaussian"))
    assert vae.endswith("more steps, or a larger --wae_lambda.")
    assert off_prior.sentence(metrics | {"codes_off_prior": 0.0}, Config()) == ""
    assert off_prior.sentence({}, Config()) == ""  # metrics of an older run


def test_a_run_whose_codes_are_off_says_so_everywhere(tmp_path, capsys):
    run = tmp_path / "run"
    flags = tiny_run(model="wae_gan", epochs=1, wae_lambda=0.0, pretrain=False, figure_every=0)
    start = [f"--work_dir={run}", *flags, "--init_std=0.001"]
    assert main(start) == 0
    said = capsys.readouterr().out.splitlines()
    (line,) = [line for line in said if line.startswith("the codes are far from the prior")]
    assert "a weaker penalty (--wae_lambda=0.1, or --recon_scale=1)" in line
    assert said.index(line) > next(i for i, text in enumerate(said) if text.startswith("done"))
    assert json.loads((run / "metrics.json").read_text())["codes_off_prior"] == 1
