"""Each data set from files made here, its official split, and what is said of bad files."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wae_tf.data import dsprites, formats, load, picture_files, splits
from wae_tf.data import tfds as tfds_source
from wae_tf.data.archives import BadPicture
from wae_tf.errors import DataError


def permutation(count):
    return np.random.RandomState(123).permutation(count)


def refused(sentence, *args, **kwargs):
    """The sentence of a DataError: one line, one full stop at its end."""
    with pytest.raises(DataError, match=sentence) as caught:
        load.load(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and "Traceback" not in text
    return text


# --- Splits, against what Python 2.7 and NumPy 1.16 gave for the official lines ---


def test_numpy_order_is_the_old_numpys():
    order = splits.numpy_order(70000)
    assert order[:4].tolist() == [21971, 16953, 48447, 42344]
    assert order[-3:].tolist() == [17730, 28030, 15725]
    assert (
        hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
        == "48e5e24ee7f7a4b2b2fb01e8f9f9fcf88f77481fffbcae86815d2c9c691ff0b5"
    )
    # It is the order of a shuffle in place, of images too.
    images = np.arange(70000).reshape(-1, 1, 1)
    np.random.RandomState(123).shuffle(images)
    np.testing.assert_array_equal(images.ravel(), order)


# sha256 of the names, one a line, as Python 2.7.18 shuffled them.
PYTHON_2 = "accb01d33ece6dabaa2e1da26bf4d2ab0e84810c42d53f07330eb8abd140a7f6"


def test_celeba_order_is_python_2s():
    order = splits.celeba_order()
    assert order[:3].tolist() == [174314, 9461, 16555]
    assert (order[-20000], order[-1]) == (114573, 10609)
    assert hashlib.sha256("\n".join(f"{i:06d}.jpg" for i in order).encode()).hexdigest() == PYTHON_2
    np.testing.assert_array_equal(np.sort(order), np.arange(1, 202600))


# --- MNIST ---


def idx(array):
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path, rng):
    """The four files, some gzipped: 30 + 20 images whose first pixel is their number."""
    images = rng.randint(0, 256, (50, 28, 28)).astype(np.uint8)
    images[:, 0, 0] = np.arange(50)
    labels = (np.arange(50) % 10).astype(np.uint8)
    for part, rows in (("train", slice(0, 30)), ("t10k", slice(30, 50))):
        with gzip.open(tmp_path / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(idx(images[rows]))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels[rows]))
    return tmp_path, images


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_is_pooled_and_shuffled(mnist, name):
    folder, images = mnist
    loaded = load.load(name, data_dir=folder)
    order = permutation(50)
    np.testing.assert_array_equal(loaded.train[..., 0], images[order[:45]])
    np.testing.assert_array_equal(loaded.test[..., 0], images[order[45:]])
    np.testing.assert_array_equal(loaded.train_labels, order[:45] % 10)
    np.testing.assert_array_equal(loaded.test_labels, order[45:] % 10)
    assert loaded.train_labels.dtype == np.int64 and loaded.train.dtype == np.uint8
    assert loaded.split == (
        "official: NumPy shuffle with seed 123, last 5 test (a tenth: there are only 50 images)"
    )


def test_the_last_10000_of_mnist_are_test(tmp_path):
    numbers = np.arange(10_050)
    images = np.zeros((10_050, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = numbers // 256, numbers % 256
    for part, rows in (("train", slice(0, 9000)), ("t10k", slice(9000, None))):
        (tmp_path / f"{part}-images.idx3-ubyte").write_bytes(idx(images[rows]))
        labels = (numbers[rows] % 10).astype(np.uint8)
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(idx(labels))
    loaded = load.load("mnist", data_dir=tmp_path)
    order = permutation(10_050)
    np.testing.assert_array_equal(
        loaded.test[:, 0, 0, 0].astype(int) * 256 + loaded.test[:, 0, 1, 0], order[50:]
    )
    np.testing.assert_array_equal(loaded.test_labels, order[50:] % 10)
    assert loaded.split == "official: NumPy shuffle with seed 123, last 10,000 test"


def test_bad_idx_files(mnist):
    folder, images = mnist
    labels = folder / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-5])
    assert str(labels) in refused(
        "25 bytes after its header where 30 are", "mnist", data_dir=folder
    )
    labels.write_bytes(whole + b"x")
    refused("more bytes after its header where 30", "mnist", data_dir=folder)
    labels.write_bytes(b"\x89PNG" + whole)
    refused("starts with 89504e47: an idx file", "mnist", data_dir=folder)
    labels.write_bytes(b"")
    refused("starts with nothing", "mnist", data_dir=folder)
    labels.write_bytes(whole[:6])
    refused("ends within its header of 8 bytes", "mnist", data_dir=folder)
    labels.write_bytes(idx(np.zeros(29, np.uint8)))
    refused(r"holds \[29\] labels for 30 images", "mnist", data_dir=folder)
    labels.write_bytes(idx(np.zeros((30, 28, 28), np.uint8)))
    refused("labels for 30 images", "mnist", data_dir=folder)
    labels.write_bytes(struct.pack(">II", 0x801, 2**32 - 1))
    refused("announces 4,294,967,295 bytes", "mnist", data_dir=folder)
    labels.unlink()
    text = refused("missing: train-labels", "mnist", data_dir=folder)
    assert "t10k-images-idx3-ubyte.gz" in text and "mnist expects the four idx files" in text
    labels.write_bytes(whole)
    packed = folder / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:400])
    refused("train-images-idx3-ubyte.gz cannot be read", "mnist", data_dir=folder)
    packed.write_bytes(b"not gzip")
    refused("is a text file: an idx file of images starts", "mnist", data_dir=folder)
    packed.unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(images[:30, :20]))
    refused(r"holds \[30, 20, 28\]: images of 28x28", "mnist", data_dir=folder)


LAYOUT_NAMES = ("mnist", "cifar10", "celeba", "dsprites", "folder")


@pytest.mark.parametrize("name", LAYOUT_NAMES)
def test_what_may_not_be_read_is_a_sentence(name, tmp_path, monkeypatch):
    """As a folder of mode 000, which root may read all the same."""
    locked = tmp_path / "locked"
    locked.mkdir()
    real = Path.is_file

    def refuse(path, *args, **named):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", lambda p: real(p) if p == locked else refuse(p))
    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(os, "walk", refuse)
    sentence = r"cannot be read( as a folder)? \(.*Permission denied"
    refused(sentence, name, data_dir=locked, cache_dir=tmp_path / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", LAYOUT_NAMES)
def test_a_locked_folder_is_a_sentence(name, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    refused("cannot be read", name, data_dir=locked, cache_dir=tmp_path / "cache")


def test_links_in_circles_are_followed_once(tmp_path, rng):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        pixels = rng.randint(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "round").symlink_to(folder)
    images = load.load("folder", data_dir=folder, cache_dir=tmp_path / "cache")
    assert len(images.train) + len(images.test) == 3
    (folder / "itself.png").symlink_to(folder / "itself.png")
    refused(r"itself\.png", "folder", data_dir=folder, cache_dir=tmp_path / "cache")


def test_missing_and_empty_folders(tmp_path):
    refused("does not exist: mnist expects the four idx", "mnist", data_dir=tmp_path / "no")
    for name in ("mnist", "cifar10", "celeba", "dsprites", "folder"):
        refused(f"is empty: {name} expects", name, data_dir=tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    for name in ("mnist", "cifar10", "celeba", "dsprites", "folder"):
        refused(f"has notes.txt: {name} expects", name, data_dir=tmp_path)
    refused("is a text file: cifar10 expects a folder", "cifar10", data_dir=tmp_path / "notes.txt")
    refused("is a text file: celeba expects", "celeba", data_dir=tmp_path / "notes.txt")
    refused("is not an .npz file .a text file", "dsprites", data_dir=tmp_path / "notes.txt")
    refused("--dataset=folder needs --data_dir", "folder")


# --- CIFAR-10 ---


def cifar_images(rng, count=200):
    return rng.randint(0, 256, (6 * count, 32, 32, 3)).astype(np.uint8), rng.randint(
        0, 10, 6 * count
    )


CIFAR_PARTS = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


@pytest.mark.parametrize("kind", ["protocol 2", "protocol 4", "binary"])
def test_cifar_is_pooled_and_shuffled(tmp_path, rng, kind):
    images, labels = cifar_images(rng)
    folder = tmp_path / ("cifar-10-batches-bin" if kind == "binary" else "cifar-10-batches-py")
    folder.mkdir()
    for i, part in enumerate(CIFAR_PARTS):
        rows = slice(200 * i, 200 * i + 200)
        flat = images[rows].transpose(0, 3, 1, 2).reshape(200, 3072)
        if kind == "binary":
            records = np.concatenate([labels[rows, None].astype(np.uint8), flat], 1)
            (folder / f"{part}.bin").write_bytes(records.tobytes())
        else:
            batch = {b"data": np.ascontiguousarray(flat), b"labels": labels[rows].tolist()}
            (folder / part).write_bytes(pickle.dumps(batch, int(kind[-1])))
    loaded = load.load("cifar10", data_dir=tmp_path)
    order = permutation(1200)
    np.testing.assert_array_equal(loaded.train, images[order[:200]])
    np.testing.assert_array_equal(loaded.test, images[order[200:]])
    np.testing.assert_array_equal(loaded.test_labels, labels[order[200:]])
    assert loaded.split == "official: NumPy shuffle with seed 123, last 1,000 test"


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    victim = tmp_path / "victim"

    class Evil:
        def __reduce__(self):
            return (victim.write_text, ("pwned",))

    class Import:
        def __reduce__(self):
            return (eval, ("1",))

    for thing, asks in ((Evil(), "getattr"), (Import(), "eval"), (np.float64, "numpy.float64")):
        path = tmp_path / "batch"
        path.write_bytes(pickle.dumps({b"data": thing, b"labels": []}, 2))
        with pytest.raises(DataError, match=f"asks for .*{asks}: only NumPy arrays"):
            formats.read_cifar_batch(path)
    assert not victim.exists()


def test_bad_cifar_files(tmp_path):
    path = tmp_path / "data_batch_1"
    good = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 9]}
    for batch, sentence in (
        ({**good, b"data": np.zeros((2, 3072))}, r"data is float64 \[2, 3072\] for 2 labels"),
        ({**good, b"data": np.zeros((2, 3071), np.uint8)}, r"data is uint8 \[2, 3071\]"),
        ({**good, b"labels": [0]}, r"data is uint8 \[2, 3072\] for 1 labels"),
        ({**good, b"labels": [0, 10]}, "labels other than the whole numbers from 0 to 9"),
        ({b"data": good[b"data"]}, "labels"),
        ([1], "not a CIFAR-10 batch"),
    ):
        path.write_bytes(pickle.dumps(batch, 2))
        with pytest.raises(DataError, match=sentence):
            formats.read_cifar_batch(path)
    path.write_bytes(pickle.dumps(good, 2)[:1000])
    with pytest.raises(DataError, match="data_batch_1 is not a CIFAR-10 batch"):
        formats.read_cifar_batch(path)
    refused("has data_batch_1: .*missing: data_batch_2", "cifar10", data_dir=tmp_path)
    binary = tmp_path / "x.bin"
    binary.write_bytes(bytes(3072))
    with pytest.raises(DataError, match="3,072 bytes: a CIFAR-10 batch has 3,073"):
        formats.read_cifar_batch(binary)


# --- dSprites ---


def test_dsprites_are_streamed_shuffled_and_stretched(tmp_path, rng, monkeypatch):

    monkeypatch.setattr(dsprites, "_PIECE", 7)
    images = rng.randint(0, 2, (60, 64, 64)).astype(np.uint8)
    # The release also carries a pickled array, which must not be touched.
    np.savez_compressed(tmp_path / "dsprites.npz", imgs=images, metadata=np.array({"a": 1}))
    loaded = load.load("dsprites", data_dir=tmp_path)
    order = permutation(60)
    np.testing.assert_array_equal(loaded.train[..., 0], images[order[:54]] * 255)
    np.testing.assert_array_equal(loaded.test[..., 0], images[order[54:]] * 255)
    assert loaded.split.endswith("last 6 test (a tenth: there are only 60 images)")
    assert isinstance(loaded.train, np.memmap) and not loaded.train.flags.writeable
    assert loaded.zero_and_one


def test_bad_dsprites(tmp_path):
    path = tmp_path / "dsprites.npz"
    np.savez(path, pictures=np.zeros(3))
    refused("has no array `imgs`; it has pictures", "dsprites", data_dir=tmp_path)
    np.savez(path, imgs=np.zeros((4, 32, 32), np.uint8))
    refused(r"`imgs` is uint8 \[4, 32, 32\]: uint8 \[N, 64, 64\]", "dsprites", data_dir=tmp_path)
    np.savez(path, imgs=np.full((4, 64, 64), 7, np.uint8))
    refused("pixels other than 0 and 1", "dsprites", data_dir=tmp_path)
    np.savez(path, imgs=np.array([{}], object))
    refused("array `imgs` holds an array of objects", "dsprites", data_dir=tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.zeros((4, 64, 64), np.uint8))
        archive.writestr("imgs.npy", buffer.getvalue()[:-4096])
    refused("ends after 0 of the 4 images announced", "dsprites", data_dir=path)


# --- CelebA ---


def face(rng, size=(178, 218)):
    """A smooth random picture, so that JPEG and resizing leave something to compare."""
    small = Image.fromarray(rng.randint(0, 256, (8, 8, 3)).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


# 3 official training images and 2 official test images, in official order.
NUMBERS = (174314, 9461, 16555, 114573, 10609)


@pytest.fixture
def celeba(tmp_path, rng):
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in NUMBERS:
        (folder / f"{number:06d}.jpg").write_bytes(jpeg(face(rng), quality=95))
    (folder / "readme.txt").write_text("not an image")
    return folder


def closecrop(image):
    return np.asarray(image.crop((19, 39, 159, 179)).resize((64, 64), Image.Resampling.LANCZOS))


def resizecrop(image):
    return np.asarray(image.resize((64, 78), Image.Resampling.LANCZOS))[7:71]


@pytest.mark.parametrize("crop", [closecrop, resizecrop])
def test_celeba_has_the_official_order_membership_and_crop(celeba, crop):
    want = [crop(Image.open(celeba / f"{number:06d}.jpg")) for number in NUMBERS]
    for place in (celeba.parent, celeba):
        loaded = load.load("celeba", data_dir=place, crop=crop.__name__)
        np.testing.assert_array_equal(loaded.train, want[:3])
        np.testing.assert_array_equal(loaded.test, want[3:])
    assert loaded.split == (
        "official: Python 2 shuffle with seed 123 of all 202,599, last 20,000 test "
        "(2 of them are here)"
    )
    assert f"5 of CelebA's 202,599 JPEGs in {celeba}, {crop.__name__}" == loaded.source


def test_celeba_crops_by_hand():
    # A ramp along x: value x. The box starts at 19 and each new pixel covers 140 / 64 old ones.
    ramp = np.broadcast_to(np.arange(178, dtype=np.uint8)[None, :, None], (218, 178, 3))
    got = picture_files.decode_celeba(
        jpeg(Image.fromarray(ramp), quality=100, subsampling=0), "closecrop"
    )
    middle = 19 + (np.arange(64) + 0.5) * 140 / 64 - 0.5
    assert np.abs(got[32, 3:-3, 0] - middle[3:-3]).max() <= 2
    # A ramp along y: rows 7 to 71 of 78, each 218 / 78 old rows.
    ramp = np.broadcast_to(np.arange(218, dtype=np.uint8)[:, None, None], (218, 178, 3))
    got = picture_files.decode_celeba(
        jpeg(Image.fromarray(ramp), quality=100, subsampling=0), "resizecrop"
    )
    middle = (np.arange(7, 71) + 0.5) * 218 / 78 - 0.5
    assert np.abs(got[:, 32, 0] - middle).max() <= 2


def test_celeba_from_the_zip_equals_the_folder(celeba, tmp_path):
    archive = tmp_path / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(celeba.iterdir()):
            file.write(path, f"img_align_celeba/{path.name}")
        file.writestr("__MACOSX/img_align_celeba/000007.jpg", b"resource fork")
        file.writestr("img_align_celeba/._000008.jpg", b"resource fork")
    want = load.load("celeba", data_dir=celeba)
    for place in (archive, tmp_path):
        loaded = load.load("celeba", data_dir=place)
        np.testing.assert_array_equal(loaded.train, want.train)
        np.testing.assert_array_equal(loaded.test, want.test)


def test_celeba_without_a_test_image_here(celeba):
    for number in NUMBERS[3:]:
        (celeba / f"{number:06d}.jpg").unlink()
    loaded = load.load("celeba", data_dir=celeba)
    assert (len(loaded.train), len(loaded.test)) == (2, 1)
    assert "none of the official test images is here, so last 1 test (a tenth" in loaded.split
    np.testing.assert_array_equal(
        loaded.test[0], closecrop(Image.open(celeba / f"{NUMBERS[2]:06d}.jpg"))
    )


def test_bad_celeba_files_are_named_or_skipped(celeba, rng):
    path = celeba / "009461.jpg"
    whole = path.read_bytes()
    small = jpeg(face(rng, (64, 64)))
    grey = jpeg(face(rng).convert("L"))
    for content, sentence in (
        (b"", "is empty"),
        (b"hello", "is a text file, not a JPEG or PNG picture"),
        (whole[: len(whole) // 2], "is damaged .image file is truncated"),
        (small, "is 64x64 RGB: aligned CelebA images are 178x218 RGB"),
        (grey, "is 178x218 L: aligned"),
    ):
        path.write_bytes(content)
        text = refused(sentence, "celeba", data_dir=celeba)
        assert text.startswith(str(path)) and "--skip_bad_images" in text
        loaded = load.load("celeba", data_dir=celeba, skip_bad_images=True)
        assert loaded.skipped == ("009461.jpg",)
        assert (len(loaded.train), len(loaded.test)) == (2, 2)
        for i, number in enumerate((174314, 16555)):
            want = closecrop(Image.open(celeba / f"{number:06d}.jpg"))
            np.testing.assert_array_equal(loaded.train[i], want)
    for file in celeba.glob("*.jpg"):
        file.write_bytes(b"no")
    refused("0 readable images .5 cannot", "celeba", data_dir=celeba, skip_bad_images=True)


def test_bad_zips(celeba, tmp_path):
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(celeba.glob("*.jpg")):
            file.write(path, path.name)
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 2] ^= 0xFF  # a wrong check sum
    archive.write_bytes(raw)
    refused(r"faces.zip/\d{6}.jpg cannot be read .*CRC", "celeba", data_dir=archive)
    archive.write_bytes(raw[:-30])
    refused("faces.zip is a zip whose end is missing or damaged", "celeba", data_dir=archive)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("000001.jpg", bytes(50_000_001))
        file.writestr("000002.jpg", b"")
    refused("000001.jpg has 50000001 bytes, more than 50 MB", "celeba", data_dir=archive)


# --- Folders of pictures ---


def test_folder_is_sorted_shuffled_and_recursive(tmp_path, rng):
    arrays = rng.randint(0, 256, (20, 5, 6, 3)).astype(np.uint8)
    for i, array in enumerate(arrays):
        place = tmp_path / ("b" if i % 2 else "a")
        place.mkdir(exist_ok=True)
        Image.fromarray(array).save(place / f"{i:02d}.{('png', 'bmp', 'tif')[i % 3]}")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    by_name = np.concatenate([arrays[::2], arrays[1::2]])
    order = permutation(20)
    loaded = load.load("folder", data_dir=tmp_path)
    np.testing.assert_array_equal(loaded.train, by_name[order[:18]])
    np.testing.assert_array_equal(loaded.test, by_name[order[18:]])
    more = load.load("folder", data_dir=tmp_path, test_size=5)
    np.testing.assert_array_equal(more.test, by_name[order[15:]])
    assert loaded.split == "NumPy shuffle with seed 123, last 2 test"


def save(image, path, **options):
    image.save(path, **options)
    return path.read_bytes()


def test_modes_become_eight_bits(tmp_path):
    """One picture of two pixels in each mode; the expected bytes are worked out by hand."""
    path = tmp_path / "x.png"
    rgba = Image.fromarray(np.uint8([[[200, 100, 0, 255], [200, 100, 0, 51]]]))
    # 51 / 255 = 0.2 of the colour, 0.8 of white.
    want = [[[200, 100, 0], [244, 224, 204]]]
    np.testing.assert_array_equal(picture_files.decode_picture(save(rgba, path), False), want)
    wide = Image.fromarray(np.uint16([[0, 65535], [257 * 77, 257 * 77 + 129]]))
    np.testing.assert_array_equal(
        picture_files.decode_picture(save(wide, path), True)[..., 0], [[0, 255], [77, 78]]
    )
    clear = save(wide, path, transparency=257 * 77)  # the value that is white
    np.testing.assert_array_equal(
        picture_files.decode_picture(clear, True)[..., 0], [[0, 255], [255, 78]]
    )
    assert picture_files.look(path.read_bytes())[0]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    np.testing.assert_array_equal(
        picture_files.decode_picture(save(palette, path), False), [[[10, 20, 30], [40, 50, 60]]]
    )
    np.testing.assert_array_equal(
        picture_files.decode_picture(save(palette, path, transparency=1), False),
        [[[10, 20, 30], [255, 255, 255]]],
    )
    one_bit = Image.fromarray(np.array([[True, False]]))
    np.testing.assert_array_equal(
        picture_files.decode_picture(save(one_bit, path), True), [[[255], [0]]]
    )
    grey_alpha = Image.fromarray(np.uint8([[[100, 255], [100, 0]]]))
    np.testing.assert_array_equal(
        picture_files.decode_picture(save(grey_alpha, path), True), [[[100], [255]]]
    )
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = picture_files.decode_picture(jpeg(cmyk, quality=100), False)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 3
    # EXIF says: turn by 90 degrees.
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(Image.fromarray(np.uint8([[[9, 9, 9], [200, 0, 0]]])), path, exif=exif)
    np.testing.assert_array_equal(
        picture_files.decode_picture(turned, False), [[[9, 9, 9]], [[200, 0, 0]]]
    )
    assert picture_files.look(turned)[1] == (1, 2)
    lab = save(Image.new("LAB", (1, 1), (255, 128, 128)), tmp_path / "lab.tif")  # white
    for grey in (True, False):
        assert picture_files.decode_picture(lab, grey).min() >= 254
    floats = save(Image.fromarray(np.float32([[0.5]])), tmp_path / "x.tif")
    with pytest.raises(BadPicture, match="mode F: 8 or 16 bits"):
        picture_files.decode_picture(floats, False)


def test_channels_follow_the_pictures(tmp_path):
    for i in range(3):
        Image.new("L", (4, 4), 50 * i).save(tmp_path / f"{i}.png")
    assert load.load("folder", data_dir=tmp_path).image_shape == (4, 4, 1)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "3.png")
    loaded = load.load("folder", data_dir=tmp_path)
    assert loaded.image_shape == (4, 4, 3)
    pixels = np.concatenate([loaded.train, loaded.test])[:, 0, 0].tolist()
    assert sorted(pixels) == [[0, 0, 0], [1, 2, 3], [50, 50, 50], [100, 100, 100]]


def test_sizes_must_agree_or_be_made_to(tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.png")
    stripes = np.zeros((8, 20, 3), np.uint8)
    stripes[:, 6:14] = 200  # the centre square
    Image.fromarray(stripes).save(tmp_path / "b.png")
    text = refused("b.png is 20x8 but a.png is 8x8", "folder", data_dir=tmp_path)
    assert "--image_size=N" in text
    loaded = load.load("folder", data_dir=tmp_path, image_size=4)
    both = np.concatenate([loaded.train, loaded.test])
    assert both.shape == (2, 4, 4, 3)
    assert sorted(both.reshape(2, -1).mean(1)) == [9, 200]


def test_bad_pictures_are_named_or_skipped(tmp_path):
    for i in range(4):
        Image.new("RGB", (4, 4), (60 * i,) * 3).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_text("no picture")
    text = refused("bad.png is a text file, not a picture", "folder", data_dir=tmp_path)
    assert text.startswith(str(tmp_path / "bad.png"))
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:-30])
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    loaded = load.load("folder", data_dir=tmp_path, skip_bad_images=True)
    assert loaded.skipped == ("bad.png", "cut.png", "gone.png")
    # The same cache, now without leave to skip.
    refused("bad.png could not be decoded .3 such files", "folder", data_dir=tmp_path)
    assert sorted(np.concatenate([loaded.train, loaded.test])[:, 0, 0, 0]) == [0, 60, 120, 180]


def test_npy_files(tmp_path, rng):
    path = tmp_path / "grassli.npy"
    order = permutation(30)
    for array in (
        rng.randint(0, 256, (30, 6, 6, 3)).astype(np.uint8),
        rng.randint(0, 256, (30, 6, 6, 1)).astype(np.float32),
        rng.randint(0, 256, (30, 6, 6, 1)),
    ):
        np.save(path, array)
        want = array.reshape(30, 6, 6, -1)[order]
        for place in (path, tmp_path):
            loaded = load.load("folder", data_dir=place, test_size=5)
            np.testing.assert_array_equal(loaded.train, want[:25])
            np.testing.assert_array_equal(loaded.test, want[25:])
    assert load.load("folder", data_dir=path, image_size=3).image_shape == (3, 3, 1)
    for array, sentence in (
        (np.zeros(3), r"holds float64 \[3\]: images are numbers of shape"),
        (np.zeros((3, 4, 4, 2)), "with C 1 or 3"),
        (np.full((3, 4, 4), 256), "has values from 256 to 256: pixels lie within 0 to 255"),
        (np.full((3, 4, 4, 1), -1.0), "has values from -1 to -1"),
        (np.full((3, 4, 4, 1), np.nan), "has values from nan"),
        (np.array([{}] * 3, object), "holds an array of objects"),
        (np.full((1, 4, 4), 99, np.uint8), "has 1 image: at least 2"),
    ):
        np.save(path, array)
        refused(sentence, "folder", data_dir=path)
    path.write_bytes(path.read_bytes()[:-3])
    refused("is not a whole .npy file", "folder", data_dir=path)


# --- TFDS ---


@pytest.fixture
def tfds(monkeypatch):
    """TensorFlow Datasets, whose builders take their examples from `make`."""
    tfds = pytest.importorskip("tensorflow_datasets")

    def make(name, root, examples):
        builder_class = tfds.builder_cls(name)
        with monkeypatch.context() as patch:
            patch.setattr(
                builder_class, "_split_generators",
                lambda self, manager: {k: iter(enumerate(v)) for k, v in examples.items()},
            )  # fmt: skip
            tfds.builder(name, data_dir=str(root)).download_and_prepare()

    return make


def test_a_folder_prepared_by_tfds(tfds, tmp_path, rng):
    images = rng.randint(0, 256, (9, 28, 28, 1)).astype(np.uint8)
    rows = [{"image": image, "label": i} for i, image in enumerate(images)]
    tfds("mnist", tmp_path, {"train": rows[:6], "test": rows[6:]})
    loaded = load.load("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(loaded.train, images[loaded.train_labels])
    np.testing.assert_array_equal(loaded.test, images[loaded.test_labels])
    assert sorted(loaded.train_labels) == [0, 1, 2, 3, 4, 5]
    assert sorted(loaded.test_labels) == [6, 7, 8]
    assert loaded.split == "TFDS's own train and test"
    refused("expects data_batch_1", "cifar10", data_dir=tmp_path)


def test_dsprites_prepared_by_tfds(tfds, tmp_path, rng):
    images = rng.randint(0, 2, (20, 64, 64, 1)).astype(np.uint8)
    names = ("color", "shape", "scale", "orientation", "x_position", "y_position")
    rest = {f"label_{n}": 0 for n in names[1:]} | {f"value_{n}": 0.0 for n in names[1:]}
    tfds("dsprites", tmp_path, {"train": [{"image": i, **rest} for i in images]})
    loaded = load.load("dsprites", data_dir=tmp_path)
    both = np.concatenate([loaded.train, loaded.test])
    assert sorted(i.tobytes() for i in both) == sorted((i * 255).tobytes() for i in images)
    assert "only a train split" in loaded.split and len(loaded.test) == 2


def test_celeba_prepared_by_tfds_has_the_official_crop(tfds, tmp_path, rng):
    builder = pytest.importorskip("tensorflow_datasets").builder("celeb_a", data_dir=str(tmp_path))
    landmarks = {name: 0 for name in builder.info.features["landmarks"]}
    attributes = {name: False for name in builder.info.features["attributes"]}
    files = []
    for i in range(5):
        files.append(tmp_path / f"{i}.jpg")
        files[-1].write_bytes(jpeg(face(rng)))
    rest = {"landmarks": landmarks, "attributes": attributes, "identity": {"Identity_No": 0}}
    rows = [{"image": str(file), **rest} for file in files]
    tfds("celeb_a", tmp_path, {"train": rows[:3], "validation": rows[3:4], "test": rows[4:]})
    loaded = load.load("celeba", data_dir=tmp_path)
    want = [closecrop(Image.open(file)) for file in files]
    assert sorted(i.tobytes() for i in loaded.train) == sorted(i.tobytes() for i in want[:3])
    np.testing.assert_array_equal(loaded.test, want[4:])
    assert "validation images are left out" in loaded.split


def test_without_a_network_it_says_so_at_once(monkeypatch, tmp_path):
    pytest.importorskip("tensorflow_datasets")
    builder = tfds_source._builder
    monkeypatch.setattr(tfds_source, "_builder", lambda name, root: builder(name, str(tmp_path)))
    monkeypatch.setattr(tfds_source.urllib.request, "urlopen", _no_network)
    for name in ("mnist", "fashion_mnist", "cifar10", "celeba", "dsprites"):
        text = refused("cannot be reached to download it: give --data_dir with", name)
        assert str(tmp_path) in text
    monkeypatch.setattr(tfds_source, "_reachable", lambda url: True)

    class Fails:
        def is_prepared(self):
            return False

        def download_and_prepare(self):
            raise RuntimeError("checksum\nmore lines")

    monkeypatch.setattr(tfds_source, "_builder", lambda name, root: Fails())
    refused(r"TFDS could not prepare celeb_a \(checksum\): give --data_dir", "celeba")


def _no_network(*_, **__):
    raise OSError("no network")
