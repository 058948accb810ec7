"""Paths of an export: where it goes, and which it does not tell."""

import json

import pytest

from tests.factory import TINY, tiny_model
from wae_tf import Config, FlagError
from wae_tf.runs.folder import RunFolder
from wae_tf.serving import export, model_card


@pytest.fixture(scope="module")
def small():
    return tiny_model(compiled=False)


def test_a_folder_below_home_is_there(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run, seen = RunFolder(tmp_path / "run"), []
    monkeypatch.setattr(export, "export", lambda model, folder, **rest: seen.append(folder))
    export.export_run(run, small, Config(**TINY), "~/served")
    export.export_run(run, small, Config(**TINY))
    assert seen == [tmp_path / "served", tmp_path / "run" / "saved_model"]
    with pytest.raises(FlagError, match="--export_dir=~nobody_here/x begins with a home folder"):
        export.export_run(run, small, Config(**TINY), "~nobody_here/x")


def test_the_card_says_when_its_metrics_are_of_another_step(small):
    """As of --checkpoint=best: metrics.json is of the run's end."""
    for metrics, told in (
        ({}, False), ({"steps": 0, "evaluated_step": None}, False), ({"steps": 7}, True),
        ({"steps": 0, "evaluated_step": 5}, True),
    ):  # fmt: skip
        notes = model_card.model_card(small, Config(**TINY), {}, metrics)["notes"]
        assert any("The model is of step 0." in note for note in notes) == told


def test_the_card_names_no_path_of_the_training_machine(small):
    config = Config(**TINY, dataset="folder", data_dir="/secret/data", cache_dir="/secret/cache",
                    work_dir="/secret/run", init_from_official="/secret/weights-1")  # fmt: skip
    assert "secret" not in json.dumps(model_card.model_card(small, config, {}, {}))
