"""What the benchmarks count by hand is counted right."""

import importlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from wae_tf import errors

FOLDER = Path(__file__).parents[1] / "benchmarks"
#: What those import that run under another Python.
PEERS = {
    "torch_speed": ["torch"],
    "pythae_worker": ["torch", "pythae"],
    "pythae_images": ["torch", "pythae"],
    "jax_speed": ["jax", "flax", "optax"],
}


@pytest.fixture
def benchmark(monkeypatch):
    """Imports one, as Python does that runs it: with its folder first."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_benchmark_finds_what_it_imports(name, benchmark, monkeypatch):
    for peer in PEERS.get(name, []):
        pytest.importorskip(peer)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # some set what TensorFlow reads
    benchmark(name)


@pytest.mark.parametrize(
    ("name", "flags", "sentence"),
    [
        ("where", ["--out={tmp}/a", "--work=mnist_mmd,x"], "x is not known; accepted: mnist_small_"),
        ("half_speed", ["--data_dir=x", "--precisions=float8"], "float8 is not known; accepted: fl"),
        ("hostile", ["--kinds=x"], "--kinds: x is not known; accepted: requests, flags."),
        ("replicas", ["--models=x"], "x is not known; accepted: "),
        ("replicas", ["--replicas=1,0"], "'0' is not a whole number from 1 on."),
        ("replicas", ["--delays=-1"], "'-1' is not a number from 0 on."),
        ("scaling", ["--batches=a"], "'a' is not a whole number from 1 on."),
        ("forks", ["--runs=a"], "--runs: 'a' is not a whole number from 0 on."),
        ("faults", ["--out={tmp}", "--kinds=x"], "x is not known; accepted: signals, "),
        ("serving", ["--json={tmp}"], "is a folder, or in none that is there."),
        ("matrix", ["--envs=x", "--json={tmp}/none/a"], "is a folder, or in none that is there."),
        ("decoding", ["--celeba_dir=x", "--official_dir=x"], "--official_python go together"),
        ("celeba_memory", ["--out=x"], "--celeba_dir and --official_python are needed"),
        ("precision", ["--out=x", "--data_dir=x", "--seeds=1"], "--seeds=2 or more, float32, and"),
        ("precision", ["--out=x", "--data_dir=x", "--precisions=mixed_bfloat16"], "float32, and"),
        ("replication", ["--out={tmp}"], "--data_dir, --celeba_dir or both are needed"),
        ("report_runs", ["--out={tmp}"], "--data_dir, --celeba_dir or both are needed"),
        ("stability", ["--out=x", "--data_dir=x", "--seeds=0"], "from 1 on"),
        (
            "training_parity",
            ["--out=x", "--official_dir=x", "--official_python=x", "--data_dir=x", "--penalties=x"],
            "x is not known; accepted: mmd, gan.",
        ),
    ],
)  # fmt: skip
def test_wrong_flags_are_a_sentence(
    name, flags, sentence, benchmark, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    flags = [flag.format(tmp=tmp_path) for flag in flags]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *flags])
    with pytest.raises(SystemExit) as ended:
        benchmark(name).main() if name != "serving" else benchmark(name)._main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (errors.DataError("no such data."), 1, "bench.py: no such data."),
        (errors.FlagError("no such flag."), 2, "bench.py: no such flag."),
        (
            FileExistsError(17, "File exists", "out"),
            1,
            "bench.py: out cannot be used: File exists.",
        ),
        (subprocess.CalledProcessError(3, ["a", "b"]), 1, "bench.py: a b ended with status 3."),
        (KeyboardInterrupt(), 130, "bench.py: stopped."),
    ],
)
def test_what_ends_a_benchmark_is_a_sentence(
    error, status, sentence, benchmark, monkeypatch, capsys
):
    common = benchmark("common")
    monkeypatch.setattr(sys, "argv", ["/some/bench.py"])

    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        common.program(main)
    assert (ended.value.code, capsys.readouterr().err) == (status, f"{sentence}\n")
    with pytest.raises(SystemExit) as ended:
        common.program(lambda: None)
    assert ended.value.code is None
    with pytest.raises(ZeroDivisionError):
        common.program(lambda: 1 / 0)


def test_rows_are_not_gone_on_with_under_other_settings(benchmark, tmp_path):
    hold_to = benchmark("common").hold_to
    hold_to(tmp_path / "settings.json", {"steps": 2, "arch": "mlp"})
    hold_to(tmp_path / "settings.json", {"steps": 2, "arch": "mlp"})
    with pytest.raises(SystemExit, match=r"--steps=3: what lies beside .*settings.json is of 2;"):
        hold_to(tmp_path / "settings.json", {"steps": 3, "arch": "mlp"})
    assert '"steps": 2' in (tmp_path / "settings.json").read_text()


def test_precisions_are_compared_that_were_trained(benchmark):
    precision = benchmark("precision")
    others = dict.fromkeys((*precision.QUANTITIES, "skipped_steps", "ms_a_step"), 1.0)
    rows = [
        {"model": "vae", "precision": p, "seed": seed, **others, "sharpness": seed + apart}
        for p, apart in (("float32", 0.0), ("mixed_bfloat16", 10.0))
        for seed in (0, 1)
    ]
    head, _, *lines = precision.table(rows).splitlines()
    assert head.count("|") == 7 and "float16" not in head.replace("bfloat16", "")
    assert {line.count("|") for line in lines} == {7}
    (line,) = [line for line in lines if "sharpness" in line]
    assert line.endswith("| +14.1 | no |")


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


def test_older_bce_has_a_lower_bound(benchmark):
    older = benchmark("report_runs").bce_older
    images, made = np.float32([-1.0, 0.25]), np.float32([0.0, 0.5])
    # -(-1 log 1e-12 + 2 log 1) = log 1e-12, and log 2.
    found = older(images.reshape(2, 1, 1, 1), made.reshape(2, 1, 1, 1)).numpy()
    assert found == pytest.approx([math.log(1e-12), math.log(2.0)], rel=1e-6)
    assert older(images.reshape(1, 1, 2, 1), made.reshape(1, 1, 2, 1)).shape == (1,)


def test_seeds_are_counted_together(benchmark):
    row = {
        "lr": 1e-3, "zdim": 8, "seed": 0, "variant": "as written", "squared_error": 70.0, "mmd_min": -15.0,
        "mmd_max": 2.0, "at_the_clamp": 0.5, "exact_mmd": 0.5, "code_width": 3.0, "directions": 2.0,
        "spread": 0.6, "negative": 0.25, "negative_of_normals": 0.125,
    }  # fmt: skip
    other = row | {"seed": 1, "squared_error": 80.0, "mmd_min": -1.0, "code_width": 1.0}
    why = benchmark("why_unstable")
    text = why.tables([], [row, other])
    assert (
        "| 8 | 0.001 | as written | 2 | 70 to 80 | -15 to 2 | 50.0% | 0.5 | 1 to 3 | 2 | 0.6 | 25.0% |"
        " 12.5% | 1 of 2 | 1 of 2 |" in text
    )
    # Two directions alike, and a third in which nothing varies.
    corners = np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]])
    assert why.directions(corners) == pytest.approx(2.0)
    assert math.isnan(why.directions(np.full_like(corners, math.inf)))
    codes, prior = np.float32([[2.0], [0.1]]), np.float32([[1.0], [-1.0]])
    # Pair (i, j): |y_i|^2 + |x_j|^2 - 2 x_i y_j = [1 + 4 - 4, 1 + .01 + 4, 1 + 4 - .2, 1 + .01 + .2].
    assert why.negative(codes, prior) == 0.0
    # With y = 1 and 1 the second is 1 + .01 - 4 < 0.
    assert why.negative(codes, np.abs(prior)) == 0.25
    assert math.isnan(why.negative(np.full_like(codes, math.inf), prior))
    like = why.normals_like(np.tile(np.float32([[1.0, 3.0], [3.0, 3.0]]), (500, 1)))
    assert like.shape == (1000, 2) and like.std(axis=0) == pytest.approx([1.0, 0.0], abs=0.05)
    assert why.span([math.nan, 2.0, 1.0]) == "1 to 2" and why.span([math.nan]) == "none finite"


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


def test_holm_by_hand(benchmark):
    two_sides = benchmark("two_sides")
    # Sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1, and never below the one before.
    assert two_sides.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert two_sides.holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])


def test_two_sides_against_scipy(benchmark):
    two_sides = benchmark("two_sides")
    generator = np.random.default_rng(0)
    first, second = generator.normal(5, 1, 30), generator.normal(5.4, 2, 20)
    got = two_sides.compare("q", first, second)
    welch = stats.ttest_ind(second, first, equal_var=False)
    assert (got.t, got.t_p) == pytest.approx((welch.statistic, welch.pvalue))
    assert got.spread_p == pytest.approx(stats.levene(first, second, center="median").pvalue)
    ends = welch.confidence_interval(0.9)
    pooled = ((first.var(ddof=1) + second.var(ddof=1)) / 2) ** 0.5
    assert (got.low, got.high) == pytest.approx((ends.low / pooled, ends.high / pooled))
    assert two_sides.verdict(got, 1.0, 1.0) == "no difference found"
    assert two_sides.verdict(got, 1.0, 0.01) == "different"


def test_equal_takes_enough_runs(benchmark):
    two_sides = benchmark("two_sides")
    few, many = np.tile([1.0, 2.0], 12), np.tile([1.0, 2.0], 60)
    assert not two_sides.compare("q", few, few).equivalent
    assert two_sides.verdict(two_sides.compare("q", many, many), 1.0, 1.0) == "equal"


def test_sides_without_spread(benchmark):
    two_sides = benchmark("two_sides")
    assert two_sides.verdict(two_sides.compare("q", [1, 1], [1, 1]), 1.0, 1.0) == "equal"
    other = two_sides.compare("q", [1, 1], [2, 2])
    assert other.t_p == 0 and two_sides.verdict(other, other.t_p, 1.0) == "different"


def test_turns_count_whole_calls_of_a_turn_and_compare_round_by_round(benchmark, tmp_path):
    turns = benchmark("turns")
    contender = object.__new__(turns.Contender)
    contender.marks = tmp_path / "marks.txt"
    contender.marks.write_text("20 1.0\n40 1.2\n60 1.6\n80 5.0\n100 9.1\n120 9.2\n14")
    contender.turns = [(0.9, 2.0), (4.0, 6.0), (9.0, 10.0)]
    # Of 20 steps in 0.2 and 0.4 s; no whole call; in 0.1 s. What is half written does not count.
    first, second, third = contender.of_turns()
    assert first == pytest.approx(0.015) and math.isnan(second) and third == pytest.approx(0.005)
    ratio, error = turns.compared([1.0, 2.0, math.nan, 4.0], [2.0, 2.0, 1.0, 6.0])
    assert ratio == 1.5  # of 2, 1 and 1.5
    assert error == pytest.approx(0.5 / 3**0.5)


def test_marks_are_written_where_the_environment_says(benchmark, tmp_path, monkeypatch):
    common = benchmark("common")
    common.mark(1)
    monkeypatch.setenv("SPEED_MARKS", str(tmp_path / "marks.txt"))
    common.mark(20)
    common.mark(40)
    steps = [line.split()[0] for line in (tmp_path / "marks.txt").read_text().splitlines()]
    assert steps == ["20", "40"]
