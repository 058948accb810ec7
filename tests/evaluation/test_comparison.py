"""--mode=compare: runs of other models and data, never evaluated, damaged; the table and the page."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from wae_tf import main
from wae_tf.config import Config
from wae_tf.evaluation import comparison, comparison_limits, comparison_rows
from wae_tf.runs.folder import RunFolder


def run(folder, metrics, rows=3, facts=True, **fields):
    """A run's folder as training and evaluation leave it, without the weights."""
    made = RunFolder(folder)
    made.create(Config(**fields))
    made.update_metrics({"steps": 10 * rows, "train_sum": 1, **metrics})
    for epoch in range(1, rows + 1):
        row = {
            "epoch": epoch,
            "step": 10 * epoch,
            "test_reconstruction": 1 / epoch,
            "train_penalty": 0.1,
        }
        made.append_history(row)
    if facts:
        made.evaluation_file.write_text(json.dumps({"facts": [["net", f"sha256 {'a' * 64}; x"]]}))
    return made


@pytest.fixture
def two(tmp_path):
    first = {
        "test_psnr": 20.0,
        "test_psnr_ci95": 0.2,
        "evaluated_test": 50,
        "count_net": 90,
    }
    first |= {"count_net_equal": 90, "frechet_net": 3.0, "frechet_net_ci95": 0.25}
    first |= {"frechet_net_equal": 3.0, "frechet_net_equal_ci95": 0.25, "parameters": 12345}
    other = first | {"test_psnr": 21.0, "frechet_net": 2.6, "recall_net": float("nan")}
    picture = Image.fromarray(np.full((8, 8, 3), 200, np.uint8))
    for name, metrics, model in (("a", first, "wae_mmd"), ("b", other, "wae_gan")):
        made = run(tmp_path / name, metrics, model=model, zdim=4)
        picture.save(made.figures / "samples.png")
    return tmp_path


def compare(folder, *names):
    runs = ",".join(str(folder / name) for name in names)
    return main.main(["--mode=compare", f"--runs={runs}", f"--work_dir={folder / 'out'}"])


def test_the_table_says_numbers_intervals_and_flags_that_differ(two, capsys):
    assert compare(two, "a", "b") == 0
    text = capsys.readouterr().out
    assert re.search(r"test_psnr +20 ± 0.2 +21 ± 0.2 +higher", text)
    assert re.search(r"frechet_net +3 ± 0.25 +2.6 ± 0.25 +lower", text)
    assert re.search(r"recall_net +–  +higher", text)
    assert re.search(r"parameters +12,345 +12,345", text)
    assert "frechet_net_equal" not in text  # no run has more samples than data
    assert re.search(r"--model +wae_mmd +wae_gan", text)
    assert "--zdim" not in text
    assert "--work_dir" not in text
    assert "Counts differ" not in text
    assert "never evaluated" not in text


def test_best_is_what_is_better_by_both_intervals(two):
    runs = comparison.read([str(two / "a"), str(two / "b")], print)
    told, _ = comparison_rows.rows(runs)
    best = {row.name: row.best for row in told}
    assert best["test_psnr"] == 1  # 20 ± 0.2 and 21 ± 0.2
    assert best["frechet_net"] is None  # 3 ± 0.25 and 2.6 ± 0.25
    assert best["parameters"] is None
    # Of other counts no distance is best, however far apart.
    runs[1].metrics.update(count_net=1000, frechet_net=0.1)
    told, _ = comparison_rows.rows(runs)
    assert {row.name: row.best for row in told}["frechet_net"] is None
    assert "frechet_net_equal" in {row.name for row in told}  # not the same number any more
    (said,) = [text for text in comparison_limits.sentences(runs) if text.startswith("Counts")]
    assert said.startswith("Counts differ (count_net): ")
    assert said.endswith("as those do whose names end in _equal.")
    runs[1].metrics["count_net_equal"] = 1000
    (said,) = [text for text in comparison_limits.sentences(runs) if text.startswith("Counts")]
    assert said.endswith("; give --eval_samples.")


def test_penalties_and_losses_of_other_kinds_are_named(two):
    runs = comparison.read([str(two / "a"), str(two / "b")], print)

    def said(flags, facts=None):
        alike = {"model": "wae_mmd"}
        changed = dataclasses.replace(
            runs[1], flags=runs[0].flags | alike | flags, facts=facts or {"penalty": "of 100"}
        )
        first = dataclasses.replace(
            runs[0], flags=runs[0].flags | alike, facts={"penalty": "of 100"}
        )
        return "\n".join(comparison_limits.sentences([first, changed]))

    assert "enalt" not in said({})
    assert "Penalties, and losses with them, are not of one kind (--model)." in said(
        {"model": "vae"}
    )
    assert "are not of one kind (--prior_scale, --batch_size)" in said(
        {"batch_size": "50", "prior_scale": "2.0"}
    )
    assert "means over batches of different sizes" in said({}, {"penalty": "of 50"})
    assert "Losses weigh the penalty differently (--wae_lambda)." in said({"wae_lambda": "1.0"})


@pytest.mark.parametrize("model", ["vae", "wae_gan"])
def test_penalties_of_each_code_are_of_one_kind_whatever_no_penalty_reads(two, model):
    runs = comparison.read([str(two / "a"), str(two / "b")], print)

    def said(**flags):
        of = {"model": model, "mmd_kernel": "imq", "batch_size": "100"}
        made = [of | {"batch_divisor": flags.pop("batch_divisor", "")}, of | flags]
        made[1]["batch_divisor"] = made[0]["batch_divisor"]
        both = [
            dataclasses.replace(run, flags=runs[0].flags | own, facts={})
            for run, own in zip(runs, made, strict=True)
        ]
        return "\n".join(comparison_limits.sentences(both))

    assert "Penalties" not in said(batch_size="50", mmd_kernel="rbf")
    assert "not in one unit (--batch_size)" in said(batch_size="50", batch_divisor="100")


def best(runs):
    return {row.name: row.best for row in comparison_rows.rows(runs)[0]}


def test_numbers_of_other_networks_images_and_unknown_counts_have_no_best(tmp_path):
    apart = {
        name: value
        for what in (
            "test_psnr",
            "test_lpips",
            "frechet_net",
            "fid",
            "recall_inception",
            "frechet_rows",
        )
        for name, value in ((what, 9.0), (f"{what}_ci95", 0.1))
    }
    near = {name: value if name.endswith("_ci95") else 1.0 for name, value in apart.items()}
    rows = {"count_rows": 300, "evaluated_test": 30}
    for name, metrics in (("a", apart), ("b", near)):
        run(tmp_path / name, metrics | rows)
    runs = comparison.read([str(tmp_path / "a"), str(tmp_path / "b")], print)
    names = {name for name in apart if not name.endswith("_ci95")}
    found = {name: best(runs)[name] for name in names}
    assert found == dict.fromkeys(names, 1) | {"test_psnr": 0, "recall_inception": 0}

    def without(*refused, metrics=None, facts=None, flags=None):
        changed = dataclasses.replace(
            runs[1],
            metrics=runs[1].metrics | (metrics or {}),
            facts=runs[1].facts | (facts or {}),
            flags=runs[1].flags | (flags or {}),
        )
        found = best([runs[0], changed])
        assert {name for name in names if found[name] is None} == set(refused)

    other = f"sha256 {'b' * 64}; y"
    without("frechet_net", facts={"net": other})
    for one, title, of_title in (
        (runs[0], "LPIPS", ["test_lpips"]),
        (runs[0], "Inception", ["fid", "recall_inception"]),
    ):
        one.facts[title] = f"sha256 {'a' * 64}; x"
        without(facts={title: one.facts[title]})
        without(*of_title, facts={title: other})
    without(*names, metrics={"train_sum": 2})
    without("frechet_rows", metrics={"count_rows": 10_000})
    without(*names, flags={"pixel_range": "stretched"})
    del runs[1].metrics["count_rows"]  # of an older evaluation
    without("frechet_rows")


def test_the_page_is_one_whole_file(two):
    assert compare(two, "a", "b") == 0
    page = (two / "out" / "comparison.html").read_text()
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures]
    assert sizes[1:] == [(8, 8), (8, 8)]  # behind the curves, samples in columns
    assert sizes[0][0] > 800
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in page
    assert str(two) not in page
    assert '<td class="n best">21 ± 0.2</td>' in page
    assert page.count("<section") == page.count("</section>")
    for text in (
        "Training curves",
        "Flags that differ",
        "<code>--model</code>",
        "All other numbers",
    ):
        assert text in page


def test_runs_of_other_data_that_were_never_evaluated(two, capsys):
    run(two / "c", {}, rows=0, facts=False, dataset="mnist", cost="bce", recon_scale=1.0)
    assert compare(two, "a", "c") == 0
    text = capsys.readouterr().out
    assert "The runs are of other data (--dataset" in text
    assert "Costs and losses are not in one unit (--cost" in text
    assert f"c was never evaluated; --mode=evaluate --work_dir={two / 'c'} does it." in text
    assert "c has no epoch behind it" in text
    assert "not drawn in this run" in (two / "out" / "comparison.html").read_text()


def test_a_run_that_lost_its_evaluation_is_not_said_to_have_had_none(two, capsys):
    run(two / "c", {"evaluated_step": 3}, facts=False)
    assert compare(two, "a", "c") == 0
    text = capsys.readouterr().out
    again = f"--mode=evaluate --work_dir={two / 'c'}"
    assert (
        f"c has no evaluation.json, which says what its numbers are of; {again} writes it." in text
    )
    assert "never evaluated" not in text


def test_other_networks_of_one_name_and_older_evaluations_are_told(two, capsys):
    (two / "b" / "evaluation.json").write_text(
        json.dumps({"facts": [["net", f"sha256 {'b' * 64}"]]})
    )
    RunFolder(two / "b").update_metrics({"evaluated_step": 20, "train_sum": 2})
    assert compare(two, "a", "b") == 0
    text = capsys.readouterr().out
    assert "net is not the same network in all runs" in text
    assert "b was evaluated at step 20 of 30" in text
    assert "The runs are of other images, though their flags are the same." in text


def test_names_are_paths_where_folders_have_one_name(two, tmp_path):
    run(tmp_path / "deep" / "a", {}, facts=False)
    runs = comparison.read([str(two / "a"), str(tmp_path / "deep" / "a")], print)
    assert [one.name for one in runs] == [str(two / "a"), str(tmp_path / "deep" / "a")]


@pytest.mark.parametrize(
    ("names", "status", "sentence"),
    [
        (["a"], 2, "names 1 run; accepted: folders of 2 to 12 runs"),
        (["a", "a"], 2, "a twice."),
        (["a", "nothing"], 1, "nothing holds no run: it has no flags.flags"),
        (["a", *"bcdefghijklm"], 2, "names 13 runs"),
    ],
)
def test_what_is_not_two_runs_is_a_sentence(two, capsys, names, status, sentence):
    assert compare(two, *names) == status
    text = capsys.readouterr().err
    assert text.startswith("wae_tf: --runs")
    assert sentence in text


def test_a_folder_for_flags_is_not_what_was_meant(two, capsys):
    (two / "odd" / "flags.flags").mkdir(parents=True)
    assert compare(two, "a", "odd") == 1
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("flags.flags", b"\xff\xfe", "flags.flags cannot be read as text"),
        ("flags.flags", b"nothing\n", "flags.flags is damaged: it names no data set and model"),
        ("metrics.json", b"[", "metrics.json cannot be read as a JSON object of numbers"),
        ("history.csv", b"epoch,step\n1,x\n", "history.csv cannot be read as a table of numbers"),
        ("evaluation.json", b"{}", "evaluation.json is damaged; --mode=evaluate"),
    ],
)
def test_a_damaged_run_is_a_sentence(two, capsys, file, content, sentence):
    (two / "b" / file).write_bytes(content)
    assert compare(two, "a", "b") == 1
    assert sentence in capsys.readouterr().err
    assert not (two / "out").exists()


def test_flags_of_other_modes_are_refused(two, capsys):
    arguments = ["--mode=compare", f"--runs={two / 'a'},{two / 'b'}", "--dataset=mnist"]
    assert main.main(arguments) == 2
    assert "--dataset is not used by --mode=compare" in capsys.readouterr().err
    assert main.main(["--runs=a,b"]) == 2
    assert (
        "--runs is not used by --mode=train; it goes with --mode=compare" in capsys.readouterr().err
    )
    assert main.main(["--mode=compare", f"--runs={two / 'a'},gs://place/b"]) == 2
    assert "gs://place/b is an address; copy the run's folder here" in capsys.readouterr().err
    (two / "file").write_text("x")
    arguments = [*arguments[:2], f"--work_dir={two / 'file'}"]
    assert main.main(arguments) == 1
    assert f"--work_dir={two / 'file'} cannot be written to" in capsys.readouterr().err
