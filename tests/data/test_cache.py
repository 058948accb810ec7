"""The cache of decoded images: what is kept, what is built again, and what a failure leaves."""

import errno
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wae_tf.data import cache, picture_files, splits, writer
from wae_tf.data import load as load_module
from wae_tf.data.writer import Writer
from wae_tf.errors import DataError


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(10):
        Image.new("L", (4, 4), 20 * i).save(pictures / f"{i}.png")
    return pictures


def load(folder, cache_dir, **kwargs):
    return load_module.load("folder", data_dir=folder, cache_dir=str(cache_dir), **kwargs)


def values(images):
    return sorted(np.concatenate([images.train, images.test])[:, 0, 0, 0].tolist())


@pytest.fixture
def decodes(monkeypatch):
    """Counts the decoded images."""
    count = []
    put = Writer.put
    monkeypatch.setattr(
        Writer, "put", lambda self, images, place: (count.append(1), put(self, images, place))
    )
    return count


def test_images_are_decoded_once_and_again_when_files_change(folder, tmp_path, decodes):
    first = load(folder, tmp_path / "cache")
    assert decodes
    decodes.clear()
    second = load(folder, tmp_path / "cache", test_size=3)
    assert not decodes and values(first) == values(second) == list(range(0, 200, 20))
    assert isinstance(second.train, np.memmap) and second.train.base is not None
    with pytest.raises(ValueError, match="read-only"):
        second.train[0] = 1
    files = sorted(p.name.split(".")[-1] for p in (tmp_path / "cache").iterdir())
    assert files == ["json", "npy"]
    Image.new("L", (4, 4), 255).save(folder / "9.png")
    os.utime(folder / "9.png", (1, 1))
    assert values(load(folder, tmp_path / "cache"))[-1] == 255
    (folder / "8.png").unlink()
    assert len(values(load(folder, tmp_path / "cache"))) == 9
    assert load(folder, tmp_path / "cache", image_size=2).image_shape == (2, 2, 1)


def test_the_record_says_what_is_in_the_array(folder, tmp_path):
    loaded = load(folder, tmp_path / "cache")
    record = json.loads(next((tmp_path / "cache").glob("*.json")).read_text())
    assert record["shape"] == [10, 4, 4, 1]
    assert record["facts"]["skipped"] == []
    by_name = [int(name[0]) * 20 for name in record["facts"]["order"]]
    assert by_name == np.concatenate([loaded.train, loaded.test])[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("damage", ["truncated", "longer", "no facts", "torn facts", "other array"])
def test_a_damaged_cache_is_built_again(folder, tmp_path, decodes, damage):
    load(folder, tmp_path / "cache")
    array = next((tmp_path / "cache").glob("*.npy"))
    facts = array.with_suffix(".json")
    if damage == "truncated":
        array.write_bytes(array.read_bytes()[:-1])
    elif damage == "longer":
        array.write_bytes(array.read_bytes() + b"x")
    elif damage == "no facts":
        facts.unlink()
    elif damage == "torn facts":
        facts.write_text(facts.read_text()[:20])
    else:
        np.save(array, np.zeros((3, 4, 4, 1), np.uint8))
    decodes.clear()
    assert values(load(folder, tmp_path / "cache")) == list(range(0, 200, 20)) and decodes


def test_a_failure_leaves_nothing(folder, tmp_path):
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"5.png is damaged"):
        load(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_abandoned_part_is_removed_after_a_day(folder, tmp_path):
    load(folder, tmp_path / "cache")
    array = next((tmp_path / "cache").glob("*.npy"))
    old, new = (array.with_name(f"{array.stem}.npy.{i}.tmp") for i in "12")
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 1e5,) * 2)
    array.unlink()
    load(folder, tmp_path / "cache")
    assert not old.exists() and new.exists()


def test_a_cache_folder_that_cannot_be_written(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file.* cannot be written .*--cache_dir"):
        load(folder, tmp_path / "file")
    monkeypatch.setattr(
        writer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100})()
    )  # fmt: skip
    with pytest.raises(DataError, match=r"0\.0 GB free and the decoded images need"):
        load(folder, tmp_path / "cache")


def test_environment_names_the_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WAE_TF_CACHE", str(tmp_path / "other"))
    load_module.load("folder", data_dir=folder)
    assert len(list((tmp_path / "other").glob("folder-*.npy"))) == 1


def test_long_decoding_tells_how_far_it_is(folder, tmp_path, monkeypatch, capsys):
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(cache.time, "monotonic", lambda: next(clock))
    load(folder, tmp_path / "cache")
    shown = capsys.readouterr().err
    assert "folder: decoded 10 of 10 images, " in shown and "images/s, 0 s left" in shown


@pytest.fixture
def interrupted(folder, tmp_path, monkeypatch):
    """A decode that a signal has ended after six of ten pictures, in stretches of two."""
    decode, done = picture_files.decode_picture, []

    def limited(data, **kwargs):
        if len(done) == 6:
            raise KeyboardInterrupt
        done.append(1)
        return decode(data, **kwargs)

    monkeypatch.setattr(picture_files, "_CHUNK", 2)
    monkeypatch.setattr(writer, "_NOTED_EVERY", 0.0)
    monkeypatch.setattr(picture_files.os, "sched_getaffinity", lambda _: {0}, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(picture_files, "decode_picture", limited)
        with pytest.raises(KeyboardInterrupt):
            load(folder, tmp_path / "cache")
    return folder


def test_an_interrupted_decode_goes_on(interrupted, tmp_path, decodes, capsys):
    suffixes = sorted(p.suffix for p in (tmp_path / "cache").iterdir())
    assert suffixes == [".note", ".part"]
    resumed = load(interrupted, tmp_path / "cache")
    assert len(decodes) == 2  # stretches of two
    assert "folder: going on with 6 of 10 images decoded before" in capsys.readouterr().err
    whole = load(interrupted, tmp_path / "other")
    np.testing.assert_array_equal(resumed.train, whole.train)
    np.testing.assert_array_equal(resumed.test, whole.test)
    records = [
        json.loads(next((tmp_path / where).glob("*.json")).read_text())
        for where in ("cache", "other")
    ]
    assert records[0] == records[1]
    assert sorted(p.suffix for p in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


@pytest.mark.parametrize("damage", ["note torn", "part short", "other size", "files changed"])
def test_what_does_not_fit_is_decoded_anew(interrupted, tmp_path, decodes, damage):
    part, note = (next((tmp_path / "cache").glob(f"*.{kind}")) for kind in ("part", "note"))
    if damage == "note torn":
        note.write_text(note.read_text()[:-3])
    elif damage == "part short":
        part.write_bytes(part.read_bytes()[:50])
    elif damage == "other size":
        note.write_text(note.read_text().replace("[10, 4, 4, 1]", "[10, 4, 4, 3]"))
    else:
        os.utime(interrupted / "3.png", (1, 1))
    assert values(load(interrupted, tmp_path / "cache")) == list(range(0, 200, 20))
    assert len(decodes) == 5


def test_bad_pictures_stop_and_are_skipped_without_decoding_again(
    folder, tmp_path, monkeypatch, decodes
):
    monkeypatch.setattr(picture_files, "_CHUNK", 1)
    monkeypatch.setattr(writer, "_NOTED_EVERY", 0.0)
    order = [f"{i}.png" for i in splits.numpy_order(10)]
    for name in order[4], order[7]:
        (folder / name).write_bytes((folder / name).read_bytes()[:-30])
    with pytest.raises(DataError, match=f"{order[4]} is damaged"):
        load(folder, tmp_path / "cache")
    assert len(decodes) == 4
    decodes.clear()
    images = load(folder, tmp_path / "cache", skip_bad_images=True)
    assert len(decodes) == 4 and set(images.skipped) == {order[4], order[7]}
    assert len(values(images)) == 8
    again = load(folder, tmp_path / "cache", skip_bad_images=True)
    assert again.skipped == images.skipped


def test_two_processes_decode_beside_each_other(interrupted, tmp_path, decodes):
    """The second does not touch what the first has locked."""
    path = next((tmp_path / "cache").glob("*.part"))
    held = path.read_bytes()
    with cache._locked(path) as file:
        assert file is not None and cache._locked(path) is None
        assert values(load(interrupted, tmp_path / "cache")) == list(range(0, 200, 20))
        assert len(decodes) == 5
        assert path.read_bytes() == held


@pytest.mark.parametrize("damage", ["pixels", "empty", "facts", "key", "nesting"])
def test_a_damaged_cache_is_decoded_again(damage, tmp_path):
    made = []

    def fill(writer):
        made.append(1)
        writer.start(3, (2, 2, 1))
        writer.append(np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1))
        return {"names": ["a"]}

    whole, _ = cache.open_or_build(str(tmp_path), "x", {"k": 1}, fill)
    expected = np.array(whole)
    array, facts = next(tmp_path.glob("*.npy")), next(tmp_path.glob("*.json"))
    content = bytearray(array.read_bytes())
    if damage == "pixels":
        content[-3] ^= 8
        array.write_bytes(content)
    elif damage == "empty":
        array.write_bytes(b"")
    elif damage == "facts":
        facts.write_text(facts.read_text().replace('["a"]', '["b"]'))
    elif damage == "key":
        facts.write_text(facts.read_text().replace("digest", "digess"))
    else:
        facts.write_text("[" * 100_000)
    again, known = cache.open_or_build(str(tmp_path), "x", {"k": 1}, fill)
    np.testing.assert_array_equal(again, expected)
    assert known == {"names": ["a"]} and len(made) == 2
    cache.open_or_build(str(tmp_path), "x", {"k": 1}, fill)
    assert len(made) == 2


def test_what_another_user_has_begun_is_in_nobodys_way(folder, tmp_path, monkeypatch):
    """In a cache of several users; as root nothing is forbidden, so that opening it fails by hand."""
    load(folder, tmp_path / "cache")
    array = next((tmp_path / "cache").glob("*.npy"))
    array.unlink()
    begun = Path(f"{array}.part")
    begun.write_bytes(b"half")
    opened = os.open

    def refuse(path, flags, *mode, **places):
        if path == begun and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *mode, **places)

    monkeypatch.setattr(os, "open", refuse)
    assert load(folder, tmp_path / "cache").train.shape[1:] == (4, 4, 1)
    assert begun.read_bytes() == b"half"
    assert {path.suffix for path in begun.parent.iterdir()} == {".npy", ".json", ".part"}
