"""What the benchmarks count by hand is counted right."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_the_places_of_faults_are_there(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    kinds = importlib.import_module("fault_kinds")
    runs = importlib.import_module("fault_runs")
    assert kinds.PHASES.keys() == runs.MODES.keys()
    for place in (place for places in kinds.PHASES.values() for place in places):
        assert callable(getattr(*runs.found(place))), place


def test_what_counts_as_survived(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    ended = importlib.import_module("fault_runs").Ended
    assert ended(143, "", "wae_tf: stopped").judged((143,)).lost == ""
    assert "status 0" in ended(0, "", "").judged((143,)).lost
    assert "0 sentences" in ended(1, "", "Killed").judged((1,)).lost
    assert "2 sentences" in ended(1, "", "wae_tf: a\nwae_tf: b").judged((1,)).lost
    assert ended(0, "", "").judged((0,), "a file").lost == "a file"
    assert ended(1, "", "Traceback (most recent call last)").judged((1,)).traceback
