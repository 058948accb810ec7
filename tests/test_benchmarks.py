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


def test_the_reports_runs_are_its_flags_and_their_lines_count_from_1(benchmark, tmp_path):
    runs = benchmark("report_runs")
    options = runs.argparse.Namespace(
        out=str(tmp_path), data_dir="mnist", celeba_dir="celeba", filters=16, adversary_filters=None,
        celeba_train_size=128, celeba_test_size=64, seed=0,
    )  # fmt: skip
    configs = {
        run: runs.config_of(run, options, 3) for d in ("mnist", "celeba") for run in runs.runs_of(d)
    }
    assert len(configs) == 14
    for dataset in ("mnist", "celeba"):
        as_run, corrected, paper = (
            configs[runs.Run(dataset, "wae_mmd", kind)]
            for kind in ("as run", "corrected", "paper's settings")
        )
        differ = {k for k, v in vars(as_run).items() if getattr(corrected, k) != v}
        assert differ == {"mmd_distances", "work_dir"}
        assert paper.lr == 1e-3 and paper.encoder_arch == as_run.encoder_arch
        assert (paper.split, paper.crop) == (as_run.split, as_run.crop)
    report, ours = tmp_path / "report.csv", tmp_path / "test_line.csv"
    report.write_text("epoch,loss,blur,fid\n0,130.5,0.01,0\n1,111.5,0.02,0\n3181\n")
    ours.write_text("epoch,loss,blur\n1,258.5,0.03\n")
    assert runs.test_lines(report) == {1: (130.5, 0.01), 2: (111.5, 0.02)}
    assert runs.test_lines(ours) == {1: (258.5, 0.03)}
    assert runs.test_lines(tmp_path / "none.csv") == {}


def test_seeds_are_counted_together(benchmark):
    row = {
        "lr": 1e-3, "seed": 0, "variant": "as written", "squared_error": 70.0, "mmd_min": -15.0,
        "mmd_max": 2.0, "at_the_clamp": 0.5, "exact_mmd": 0.5, "code_width": 3.0,
    }  # fmt: skip
    other = row | {"seed": 1, "squared_error": 80.0, "mmd_min": -1.0, "code_width": 1.0}
    text = benchmark("why_unstable").tables([], [row, other])
    assert (
        "| 0.001 | as written | 2 | 70 to 80 | -15 to 2 | 50.0% | 0.5 | 1 to 3 | 1 of 2 | 1 of 2 |"
        in text
    )


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
