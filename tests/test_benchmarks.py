"""What the benchmarks count by hand is counted right."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Imports one, as Python does that runs it: with its folder first."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


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
def test_what_counts_as_failed(row, why, benchmark):
    good = {
        "model": "wae_mmd", "sweep": "detail", "value": "official", "squared_error": "0.02",
        "code_mean_max": 0.1, "code_std_min": 0.9, "code_std_max": 1.1, "mmd_sigmas": "3",
        "sharpness_ratio": 0.2,
    }  # fmt: skip
    rows = [good, {**good, "sweep": "lr", "value": "1", **row}]
    benchmark("stability").judge(rows, mean_image=0.07)
    assert rows[0]["why"] == ""
    assert (rows[1]["why"], rows[1]["collapsed"]) == (why, int(bool(why)))


def test_rows_are_written_and_shown(benchmark, tmp_path):
    common = benchmark("common")
    common.write_rows(tmp_path / "a.csv", [{"x": 1, "y": "b"}, {"x": 2}])
    assert (tmp_path / "a.csv").read_text().split() == ["x,y", "1,b", "2,"]
    assert common.markdown(["x", "y"], [(1, "b")]) == "| x | y |\n| --- | --- |\n| 1 | b |"
    assert 0 < common.memory_mb("VmRSS") <= common.memory_mb()
