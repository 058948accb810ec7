"""Kept programs of XLA: whole ones of this kind of machine alone, and a run never fails by them."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.factory import tiny_run
from wae_tf.runs import compiled
from wae_tf.settings import processor

ROOT = Path(__file__).parents[2]


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Begins a process that has not imported TensorFlow; gives its folder, or None."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name : A\nflags : avx2\n\nmodel name : B\n")
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo)
    monkeypatch.setattr(compiled, "sys", SimpleNamespace(modules={}))

    def begin(given=""):
        monkeypatch.setenv("TF_XLA_FLAGS", given)
        monkeypatch.setattr(compiled, "_own", None)
        if not compiled.start(tmp_path / "cache"):
            assert os.environ["TF_XLA_FLAGS"] == given and compiled._own is None
            return None
        assert f"--tf_xla_persistent_cache_directory={compiled._own}" in os.environ["TF_XLA_FLAGS"]
        return compiled._own

    return begin


def kept():
    return sorted(path for path in compiled._kept.iterdir() if not path.name.startswith("."))


def test_what_one_process_compiled_the_next_one_has(process):
    own = process("--tf_xla_max_cluster_size=9")
    assert os.environ["TF_XLA_FLAGS"].startswith("--tf_xla_max_cluster_size=9 --tf_xla_pers")
    assert not [*own.iterdir()]
    (own / "a.pb").write_bytes(b"program")
    compiled.keep()
    compiled.keep()
    assert len(kept()) == 1
    again = process("--tf_xla_max_cluster_size=9")
    assert again != own and (again / "a.pb").read_bytes() == b"program"
    assert not [*process("").iterdir()]  # with other flags it may be another program


@pytest.mark.parametrize("damage", [b"", b"prog", b"programs", None])
def test_what_is_damaged_is_removed(process, damage):
    (process() / "a.pb").write_bytes(b"program")
    compiled.keep()
    (path,) = kept()
    if damage is None:  # a name that says nothing true
        path = path.rename(path.with_suffix(".0000"))
    else:
        path.write_bytes(damage)
    assert not [*process().iterdir()] and not kept()


@pytest.mark.parametrize("links", [True, False])
def test_of_two_programs_of_one_name_neither_is_written_over(process, monkeypatch, links):
    process()
    contents = {b"program of one", b"program of another"}
    for content in contents:
        (compiled._kept / f"a.pb.{compiled._sum(content)}").write_bytes(content)
    if not links:
        monkeypatch.setattr(compiled.os, "link", lambda *_: (_ for _ in ()).throw(OSError()))
    own = process()
    assert {path.read_bytes() for path in kept()} == contents
    assert all(compiled._sum(path.read_bytes()) == path.suffix[1:] for path in kept())
    assert (own / "a.pb").read_bytes() in contents


def test_the_folder_of_a_training_that_lives_stays(process):
    own = process()
    (own / "a.pb").write_bytes(b"being written")
    left = own.parent / ".new-of-a-killed-one"
    left.mkdir()
    for path in (own, left):
        os.utime(path, (0, 0))
    assert process() != own
    assert (own / "a.pb").read_bytes() == b"being written"
    assert not left.exists()


def test_what_is_not_ours_is_left_alone(process):
    process()
    os.mkfifo(compiled._kept / "pipe.pb.123")
    (compiled._kept / "folder.pb.123").mkdir()
    (compiled._kept / "notes.txt").write_text("mine")
    (compiled._kept / ".b.pb.123.77.88").write_bytes(b"half written by another")
    before = {*compiled._kept.iterdir()}
    assert not [*process().iterdir()]
    assert before < {*compiled._kept.iterdir()}


def test_another_processor_has_another_folder(process):
    process()
    folder = compiled._kept
    for text in ("model name : A\nflags : avx2 avx512f\n", "model name : C\nflags : avx2\n"):
        processor.CPUINFO.write_text(text)
        process()
        assert compiled._kept != folder
    processor.CPUINFO.write_text("model name : A\n")
    assert process() is None


def test_a_folder_where_others_write_is_not_trusted(process):
    process()
    compiled._kept.chmod(0o777)
    assert process() is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_without_room_nothing_is_kept(process, monkeypatch, number):
    def full(*_):
        raise OSError(number, "no room")

    monkeypatch.setattr(compiled.os, "posix_fallocate", full)
    assert process() is None


def test_a_cache_that_cannot_be_written_is_none(process, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    said = []
    monkeypatch.setattr(compiled, "progress", said.append)
    assert process() is None
    assert said == [
        f"--cache_dir={tmp_path / 'cache'} keeps none of XLA's programs: Not a directory"
    ]


def test_a_folder_that_the_user_named_stays(process):
    assert process("--tf_xla_persistent_cache_directory=/elsewhere") is None
    assert process("--tf_xla_persistent_cache_directory=") is None


def test_what_was_used_longest_ago_goes(process, monkeypatch):
    monkeypatch.setattr(compiled, "_MOST", 25)
    own = process()
    for name in "abc":
        (own / f"{name}.pb").write_bytes(name.encode() * 10)
        compiled.keep()
        for age, path in enumerate(sorted(kept(), reverse=True)):
            os.utime(path, (1e9 - age, 1e9 - age))
    assert [path.name[0] for path in kept()] == ["b", "c"]


@pytest.mark.slow
@pytest.mark.processes
def test_a_second_start_takes_the_first_ones_program_with_another_seed_and_rate_too(tmp_path):
    if not processor.Path("/proc/cpuinfo").is_file():
        pytest.skip("the processor is not known")

    def run(name, **more):
        folders = {"work_dir": tmp_path / name, "cache_dir": tmp_path / "cache"}
        flags = tiny_run(jit=True, epochs=1, **folders, **more)
        subprocess.run(
            [sys.executable, "-m", "wae_tf.main", *flags], cwd=ROOT, check=True, capture_output=True
        )
        files = (tmp_path / "cache" / "xla").glob("*/[!.]*")
        history = (tmp_path / name / "history.csv").read_text().splitlines()[1]
        return {path.name for path in files}, history.split(",")[:5]

    first, second, other = run("a"), run("b"), run("c", seed=7, lr=0.01)
    assert first == second and first[0]
    assert other[0] == first[0] and other[1] != first[1]
