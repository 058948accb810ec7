"""The files that keras.datasets keeps, where TFDS has not prepared the data set."""

import sys

import keras
import numpy as np
import pytest

from tests.real_files import cifar_batches, idx_files, keras_npz, noise, write
from wae_tf.data import keras_files, load
from wae_tf.data import tfds as tfds_source
from wae_tf.errors import DataError


@pytest.fixture
def nothing_prepared(tmp_path, monkeypatch):
    """No TFDS, no network, and a folder of Keras's that is ours."""
    pytest.importorskip("tensorflow_datasets")
    builder = tfds_source._builder
    home = str(tmp_path / "tfds")
    monkeypatch.setattr(tfds_source, "_builder", lambda name, root: builder(name, root or home))
    monkeypatch.setattr(tfds_source, "_reachable", lambda url: False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def never(*_, **__):
        raise AssertionError("a test would download")

    for name in ("mnist", "fashion_mnist", "cifar10"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", never)
    return tmp_path / "keras" / "datasets"


def kept_by_keras(name, datasets, rng):
    """The files as keras.datasets leaves them, of made images: train, test and their labels."""
    if name == "cifar10":
        images, labels = noise(rng, 24, 32, 32, 3), rng.randint(0, 10, 24)
        cifar_batches(datasets / "cifar-10-batches-py-target/cifar-10-batches-py", images, labels)
        return images[:20], images[20:], labels[:20], labels[20:]
    images, labels = noise(rng, 50, 28, 28), (np.arange(50) % 10).astype(np.uint8)
    if name == "mnist":
        keras_npz(datasets / "mnist.npz", images, labels, 30)
    else:
        for file, content in idx_files(images, labels, 30, packed=True).items():
            write(datasets / "fashion-mnist" / file, content)
    return images[:30, ..., None], images[30:, ..., None], labels[:30], labels[30:]


def total(images):
    return int(images.astype(np.int64).sum())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_keras_files_stand_in_for_tfds(name, nothing_prepared, rng):
    train, test, train_labels, test_labels = kept_by_keras(name, nothing_prepared, rng)
    loaded = load.load(name)
    assert (total(loaded.train), total(loaded.test)) == (total(train), total(test))
    np.testing.assert_array_equal(loaded.train, train)
    np.testing.assert_array_equal(loaded.test, test)
    np.testing.assert_array_equal(loaded.train_labels, train_labels)
    np.testing.assert_array_equal(loaded.test_labels, test_labels)
    assert loaded.split == "keras.datasets' own train and test"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_keras_reads_the_made_files_alike(name, tmp_path, rng, monkeypatch):
    """That these are the places where the installed Keras keeps its files."""
    kept_by_keras(name, tmp_path / "datasets", rng)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    asked = []
    module = sys.modules[getattr(keras.datasets, name).load_data.__module__]

    def get_file(fname, *_, cache_subdir="datasets", **__):
        asked.append(tmp_path / cache_subdir / fname)
        return str(asked[-1])

    monkeypatch.setattr(module, "get_file", get_file)
    if name == "cifar10":
        monkeypatch.setattr(
            module, "load_batch", lambda path: (_ for _ in ()).throw(LookupError(path))
        )
        with pytest.raises(LookupError, match="cifar-10-batches-py-target/cifar-10-batches-py"):
            module.load_data()
    else:
        module.load_data()
    assert all(path.exists() for path in asked)
    kept = keras_files.kept(name)
    assert kept is not None and any(
        path in (kept, *kept.parents, *kept.glob("*")) for path in asked
    )


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_keras_is_asked_to_download_only_after_tfds_has_tried(
    name, nothing_prepared, rng, monkeypatch
):
    with pytest.raises(DataError, match="cannot be reached to download it: give --data_dir"):
        load.load(name)  # offline: the fixture's load_data would raise

    class Fails:
        data_dir_root = "x"

        def is_prepared(self):
            return False

        def download_and_prepare(self):
            raise RuntimeError("moved")

    monkeypatch.setattr(tfds_source, "_builder", lambda name, root: Fails())
    monkeypatch.setattr(tfds_source, "_reachable", lambda url: True)
    with pytest.raises(DataError, match=r"TFDS could not prepare .*moved"):
        load.load(name)
    made = []
    monkeypatch.setattr(
        getattr(keras.datasets, name), "load_data",
        lambda: made.extend(kept_by_keras(name, nothing_prepared, rng)),
    )  # fmt: skip
    loaded = load.load(name)
    np.testing.assert_array_equal(loaded.train, made[0])


def test_tfds_of_the_same_images_gives_the_same_sums(nothing_prepared, tmp_path, rng, monkeypatch):
    train, test, train_labels, test_labels = kept_by_keras("mnist", nothing_prepared, rng)
    of_keras = load.load("mnist")
    tfds = pytest.importorskip("tensorflow_datasets")
    rows = {
        "train": [{"image": i, "label": n} for i, n in zip(train, train_labels, strict=True)],
        "test": [{"image": i, "label": n} for i, n in zip(test, test_labels, strict=True)],
    }
    monkeypatch.setattr(
        tfds.builder_cls("mnist"), "_split_generators",
        lambda self, manager: {part: iter(enumerate(some)) for part, some in rows.items()},
    )  # fmt: skip
    tfds.builder("mnist", data_dir=str(tmp_path / "tfds")).download_and_prepare()
    of_tfds = load.load("mnist")
    assert of_tfds.split == "TFDS's own train and test"
    for part in ("train", "test", "train_labels", "test_labels"):
        assert total(getattr(of_tfds, part)) == total(getattr(of_keras, part))
