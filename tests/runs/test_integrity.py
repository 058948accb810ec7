"""One flipped bit in a file of a run is named and put right, or refused."""

import json
import os
import shutil
import time

import pytest

from tests.factory import tiny_run
from wae_tf import files, main
from wae_tf.errors import RunError
from wae_tf.runs import integrity
from wae_tf.runs.folder import RunFolder
from wae_tf.serving import export

TINY = tiny_run(epochs=2, pretrain=False, pictures=4, picture_columns=2, test_line=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main.main([f"--work_dir={folder}", *TINY]) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def mended(run):
    lines = []
    integrity.mend(run, lines.append)
    return lines


def test_a_whole_run_is_left_alone(run):
    assert mended(run) == []


def flips(content):
    """The content with one bit flipped, at places all over it."""
    for place in range(0, len(content), max(1, len(content) // 60)):
        yield bytes([*content[:place], content[place] ^ 1 << place % 7, *content[place + 1 :]])


def test_a_flipped_bit_of_flags_is_put_right(run):
    content = run.flags.read_bytes()
    may = [f"--{name}" for name in integrity.MAY_CHANGE]
    seen = 0
    for damaged in flips(content):
        run.flags.write_bytes(damaged)
        lines = mended(run)
        changed = set(damaged.splitlines()) - set(content.splitlines())
        free = all(line.decode(errors="replace").startswith(("#", *may)) for line in changed)
        if not free:
            assert lines and "put right from the checkpoint of step 8" in lines[0], changed
            flags = [line for line in content.splitlines() if not line.startswith(b"#")]
            assert run.flags.read_bytes().splitlines() == flags
            seen += 1
    assert seen > 30


def test_flags_that_are_no_text_are_put_right_by_training_too(run, capsys):
    content = run.flags.read_text()
    run.flags.write_bytes(b"\xff\xfe\0")
    assert main.main([f"--work_dir={run.folder}", *TINY]) == 0
    shown = capsys.readouterr().out
    assert "put right from the checkpoint of step 8" in shown and "nothing to do" in shown
    assert run.flags.read_text() == content.partition("\n")[2]


def test_a_flipped_bit_of_history_is_put_right(run):
    content = run.history.read_bytes()
    rows = run.read_history()
    for damaged in flips(content):
        run.history.write_bytes(damaged)
        assert mended(run) or rows == run.read_history()
        assert run.read_history() == rows


def test_a_known_row_of_another_step_is_no_later_one(run):
    content = run.history.read_bytes()
    rows = run.read_history()
    later = content.splitlines()[-1].replace(b"2,8,", b"3,12,", 1)
    run.history.write_bytes(content.replace(b"2,8,", b"2,9,", 1) + later + b"\r\n")
    assert mended(run)
    assert run.read_history()["step"] == [*rows["step"], 12]


def test_a_row_that_vanished_comes_back(run):
    lines = run.history.read_text().splitlines()
    run.history.write_text("\n".join([lines[0], lines[2]]) + "\n")
    assert "history.csv is not what was written" in mended(run)[0]
    assert run.read_history()["epoch"] == [1, 2]


def test_a_flipped_bit_of_the_test_line_is_put_right(run):
    content = run.test_line.read_bytes()
    for damaged in (*flips(content), b"", b"\xff" * 40, b"9" * 200_000):
        run.test_line.write_bytes(damaged)
        mended(run)  # but for what is no row
        rows = [line for line in run.test_line.read_bytes().split() if b"," in line]
        assert rows == content.split()


def test_a_mode_reads_the_flags_that_were_put_right(run, capsys):
    text = run.flags.read_text()
    run.flags.write_text(text.replace("--prior_scale=1.0", "--prior_scale=9.0"))
    arguments = [f"--work_dir={run.folder}", "--mode=sample", "--num_samples=2"]
    assert main.main(arguments) == 0
    assert "of --prior_scale; put right" in capsys.readouterr().out
    assert "--prior_scale=9.0" in (run.folder / "flags.flags.damaged").read_text()


@pytest.mark.parametrize(
    "text", ['{"a": "x"}', '{"a": [1]}', "[1]", "[" * 100_000, '{"a": 1' + "0" * 400 + "}", "{"]
)
def test_metrics_that_are_no_numbers_are_refused(text, tmp_path):
    run = RunFolder(tmp_path)
    run.metrics.write_text(text)
    with pytest.raises(RunError, match="cannot be read as a JSON object of numbers"):
        run.read_metrics()


def test_a_flipped_number_of_metrics_is_refused(tmp_path):
    run = RunFolder(tmp_path)
    run.update_metrics({"fid": 12.5})
    assert run.read_metrics() == {"fid": 12.5}
    run.metrics.write_text(run.metrics.read_text().replace("12.5", "92.5"))
    with pytest.raises(RunError, match="is not what was written"):
        run.read_metrics()
    run.metrics.write_text(json.dumps({"fid": 3.0}))  # of an older run, without a checksum
    assert run.read_metrics() == {"fid": 3.0}


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "test_line.csv", ".lock"])
def test_a_pipe_in_place_of_a_file_does_not_hang(name, run, capsys):
    (run.folder / name).unlink(missing_ok=True)
    os.mkfifo(run.folder / name)
    assert main.main([f"--work_dir={run.folder}", *TINY, "--epochs=3"]) == 1
    assert "no regular file" in capsys.readouterr().err


def test_events_that_are_no_folder_are_refused(run, capsys):
    shutil.rmtree(run.events)
    run.events.write_text("x")
    assert main.main([f"--work_dir={run.folder}", *TINY, "--epochs=3"]) == 1
    assert "events is no folder" in capsys.readouterr().err


def test_what_killed_exports_left_goes_and_long_numbers_are_no_versions(tmp_path):
    old, held, new = (tmp_path / f".{number}.new" for number in (123, 124, 125))
    for path in (old, held, new, tmp_path / ("9" * 20), tmp_path / "7"):
        path.mkdir()
    for path in (old, held):
        os.utime(path, (time.time() - 60, time.time() - 60))
    with files.held_folder(held):  # by an export that is under way
        export._sweep(tmp_path)
    assert not old.exists() and held.exists() and new.exists()
    assert export._publish(new, tmp_path, {}).name == "8"
    (tmp_path / str(export.MOST)).mkdir()
    new.mkdir()
    with pytest.raises(RunError, match="the highest that TF Serving takes"):
        export._publish(new, tmp_path, {})


def test_what_killed_writers_left_goes_after_an_hour(tmp_path):
    names = (".a.png.12.34", ".new-xyz", ".hidden", "a.12.34", ".b.png.12.34")
    for name in names:
        (tmp_path / name).mkdir() if name.startswith(".new") else (tmp_path / name).touch()
        if not name.startswith(".b"):
            os.utime(tmp_path / name, (0, 0))
    files.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "a.12.34", ".b.png.12.34"}
