"""Archives and layouts as downloaders, servers and other tools leave them."""

import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tests.real_files import (
    OTHER_FILES,
    both,
    cifar_batches,
    closecrop,
    encoded,
    faces,
    idx,
    idx_files,
    keras_npz,
    noise,
    official_order,
    write,
    zipped,
)
from wae_tf.data import headers, load, picture_files
from wae_tf.errors import DataError

PUBLISHED = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


def refused(sentence, name, path, **kwargs):
    with pytest.raises(DataError, match=sentence) as caught:
        load.load(name, data_dir=path, **kwargs)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    with pytest.raises(DataError, match=sentence):
        load.check(name, data_dir=path, **kwargs)  # before TensorFlow is imported
    return text


# --- Files that are something else ---


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_is_called_what_it_is(kind, tmp_path):
    content = OTHER_FILES[kind]
    assert headers.kind(content)[0].startswith(kind)
    for name, file in (
        ("celeba", "img_align_celeba.zip"), ("folder", "pictures.zip"), ("dsprites", PUBLISHED),
        ("mnist", "mnist.npz"),
    ):  # fmt: skip
        path = write(tmp_path / name / file, content)
        text = refused("is ", name, path)
        assert kind in text and "cannot be read as a zip" not in text
    for path in (tmp_path / "celeba", tmp_path / "dsprites"):
        assert kind in refused("is ", path.name, path)


@pytest.mark.parametrize("kind", ["a web page (HTML)", "a tar.gz archive", "an HDF5 file"])
def test_parts_that_are_something_else(kind, tmp_path, rng):
    images, labels = noise(rng, 12, 28, 28), np.arange(12).astype(np.uint8)
    for name, content in idx_files(images, labels, 6).items():
        write(tmp_path / name, content)
    write(tmp_path / "t10k-images-idx3-ubyte", OTHER_FILES[kind])
    text = refused("t10k-images-idx3-ubyte (is|starts)", "mnist", tmp_path)
    assert kind.replace("tar.gz", "tar") in text  # gzip is unpacked on the way
    cifar_batches(tmp_path / "c", noise(rng, 12, 32, 32, 3), np.zeros(12, int))
    write(tmp_path / "c" / "data_batch_3", OTHER_FILES[kind])
    assert "data_batch_3" in refused(" is ", "cifar10", tmp_path / "c")


def test_a_zip_cut_short_says_so(tmp_path, rng):
    path = zipped(tmp_path / "img_align_celeba.zip", {"000001.jpg": noise(rng, 3000).tobytes()})
    path.write_bytes(path.read_bytes()[:-200])
    for name in ("celeba", "folder"):
        refused("is a zip whose end is missing or damaged .*: download it again", name, path)
    np.savez(tmp_path / "dsprites.npz", imgs=np.zeros((4, 64, 64), np.uint8))
    cut = (tmp_path / "dsprites.npz").read_bytes()[:-60]
    write(tmp_path / "dsprites.npz", cut)
    refused("a zip whose end is missing or damaged", "dsprites", tmp_path)


# --- CelebA ---


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_for_an_archive_does_not_hang(make, tmp_path):
    make(tmp_path / "img_align_celeba.zip")
    refused("img_align_celeba.zip is no regular file", "celeba", tmp_path)


def celeba_files(rng, numbers, kind="JPEG"):
    images = faces(rng, len(numbers))
    return {n: encoded(np.asarray(one), kind) for n, one in zip(numbers, images, strict=True)}


NUMBERS = (174314, 9461, 16555, 114573, 10609)  # in official order, the last two of the test set

SPELLINGS = {
    "dots": ("img_align_celeba.zip", "./img_align_celeba/{:06d}.jpg"),
    "backslashes": ("img_align_celeba.zip", "img_align_celeba\\{:06d}.jpg"),
    "capitals": ("img_align_celeba.zip", "img_align_celeba/{:06d}.JPG"),
    "jpeg": ("img_align_celeba.zip", "img_align_celeba/{:06d}.jpeg"),
    "from the root": ("img_align_celeba.zip", "/data/img_align_celeba/{:06d}.jpg"),
    "torchvision": ("celeba/img_align_celeba.zip", "img_align_celeba/{:06d}.jpg"),
    "Kaggle": ("archive.zip", "img_align_celeba/img_align_celeba/{:06d}.jpg"),
    "official": ("Img/img_align_celeba.zip", "img_align_celeba/{:06d}.jpg"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_celeba_zips_of_other_tools(spelling, tmp_path, rng):
    place, name = SPELLINGS[spelling]
    files = celeba_files(rng, NUMBERS)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    zipped(tmp_path / place, {name.format(n): content for n, content in files.items()})
    want = [picture_files.decode_celeba(files[n], "closecrop") for n in NUMBERS]
    for where in (tmp_path, tmp_path / place):
        load.check("celeba", data_dir=where)
        loaded = load.load("celeba", data_dir=where)
        np.testing.assert_array_equal(loaded.train, want[:3])
        np.testing.assert_array_equal(loaded.test, want[3:])


@pytest.mark.parametrize(
    "place", ["img_align_celeba", "celeba/img_align_celeba", "img_align_celeba_png"]
)
def test_celeba_as_png_is_exact(place, tmp_path, rng):
    images = dict(zip(NUMBERS, faces(rng, 5), strict=True))
    for number, image in images.items():
        write(tmp_path / place / f"{number:06d}.png", encoded(np.asarray(image), "PNG"))
    loaded = load.load("celeba", data_dir=tmp_path)
    np.testing.assert_array_equal(both(loaded), [closecrop(images[n]) for n in NUMBERS])
    assert "PNGs" in loaded.source
    large = load.load("celeba", data_dir=tmp_path, image_size=128)
    np.testing.assert_array_equal(both(large), [closecrop(images[n], 128) for n in NUMBERS])
    assert "closecrop at 128x128" in large.source


def test_celeba_resizecrop_at_128_keeps_the_official_proportions(rng):
    (image,) = faces(rng, 1)
    got = picture_files.decode_celeba(encoded(np.asarray(image), "PNG"), "resizecrop", 128)
    whole = np.asarray(image.resize((128, 156), picture_files.Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(got, whole[14:142])  # 78 and 7, doubled
    assert picture_files.celeba_rows(64) == (78, 7)


def test_celeba_under_other_names_or_sizes_is_offered_the_folder(tmp_path, rng):
    for name in ("10001_003.jpg", "10002_001.jpg"):
        write(tmp_path / "a" / name, encoded(noise(rng, 218, 178, 3), "JPEG"))
    text = refused("its 2 pictures have other names .10001_003.jpg.", "celeba", tmp_path / "a")
    assert "--dataset=folder --image_size=64 takes any" in text
    for number in range(1, 4):
        write(tmp_path / "b" / f"{number:06d}.jpg", encoded(noise(rng, 64, 64, 3), "JPEG"))
    text = refused("000001.jpg is 64x64 RGB: aligned CelebA images are", "celeba", tmp_path / "b")
    assert "--dataset=folder --image_size=64" in text and "--skip_bad_images" not in text


def test_celeba_pictures_of_other_names_are_told(tmp_path, rng):
    for number, content in celeba_files(rng, NUMBERS).items():
        write(tmp_path / f"{number:06d}.jpg", content)
    write(tmp_path / "me.jpg", encoded(noise(rng, 218, 178, 3), "JPEG"))
    loaded = load.load("celeba", data_dir=tmp_path)
    assert len(both(loaded)) == 5
    assert loaded.left_out == "1 picture not called 000001.jpg to 202599.jpg"


# --- MNIST ---


@pytest.fixture
def digits(rng):
    return noise(rng, 50, 28, 28), (np.arange(50) % 10).astype(np.uint8)


def is_pooled(loaded, images, labels):
    np.testing.assert_array_equal(both(loaded)[..., 0], official_order(images))
    got = np.concatenate([loaded.train_labels, loaded.test_labels])
    np.testing.assert_array_equal(got, official_order(labels))
    assert len(loaded.test) == 5 and loaded.split.startswith("official: NumPy shuffle")


@pytest.mark.parametrize(
    ("name", "place"),
    [("mnist", "MNIST/raw"), ("mnist", "raw"), ("mnist", "."), ("fashion_mnist", "FashionMNIST/raw"),
     ("fashion_mnist", "fashion-mnist")],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_where_downloaders_put_them(name, place, packed, digits, tmp_path):
    for file, content in idx_files(*digits, 30, packed).items():
        write(tmp_path / place / file, content)
    # torchvision leaves both, and another data set's files are no part of this one.
    other = {"mnist": "FashionMNIST/raw", "fashion_mnist": "MNIST/raw"}[name]
    for file in idx_files(*digits, 30, packed):
        write(tmp_path / other / file, idx(np.zeros((1, 28, 28), np.uint8)))
    load.check(name, data_dir=tmp_path)
    is_pooled(load.load(name, data_dir=tmp_path), *digits)


def test_compression_is_told_by_content(digits, tmp_path):
    plain, packed = (list(idx_files(*digits, 30, zip_).items()) for zip_ in (False, True))
    for (name, content), (zipped_name, zipped_content) in zip(plain, packed, strict=True):
        write(tmp_path / "unpacked by the server" / zipped_name, content)
        write(tmp_path / "named as if unpacked" / name, zipped_content)
    for place in tmp_path.iterdir():
        is_pooled(load.load("mnist", data_dir=place), *digits)


def test_files_in_folders_of_their_own_names(digits, tmp_path):
    """As 7-Zip unpacks them."""
    for name, content in idx_files(*digits, 30).items():
        write(tmp_path / name / name.replace("-idx", ".idx"), content)
    is_pooled(load.load("mnist", data_dir=tmp_path), *digits)
    images = np.random.RandomState(0).randint(0, 2, (20, 64, 64)).astype(np.uint8)
    (tmp_path / PUBLISHED).mkdir()
    np.savez(tmp_path / PUBLISHED / PUBLISHED, imgs=images)
    np.testing.assert_array_equal(
        both(load.load("dsprites", data_dir=tmp_path))[..., 0], official_order(images) * 255
    )


@pytest.mark.parametrize("form", ["bytes", "int64", "floats", "four dimensions", "Fortran order"])
def test_keras_npz_of_mnist(form, digits, tmp_path):
    images, labels = digits
    given = {
        "bytes": images, "int64": images.astype(np.int64), "floats": images / np.float32(255),
        "four dimensions": images[..., None], "Fortran order": np.asfortranarray(images),
    }[form]  # fmt: skip
    keras_npz(tmp_path / "mnist.npz", given, labels, 30)
    for place in (tmp_path, tmp_path / "mnist.npz"):
        load.check("mnist", data_dir=place)
        is_pooled(load.load("mnist", data_dir=place), images, labels)
    np.savez(tmp_path / "mnist.npz", x_train=given)
    refused("mnist.npz has no array `x_test`|has no array `y_train`", "mnist", tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda own: own + 0.5, "labels other than the whole numbers from 0 to 9"),
        (lambda own: own - 1, "labels other than the whole numbers from 0 to 9"),
        (lambda own: own + 1, "labels other than the whole numbers from 0 to 9"),
        (lambda own: own * np.nan, "labels other than the whole numbers from 0 to 9"),
        (lambda own: own.astype("M8[s]"), r"labels of type datetime64\[s\]"),
        (lambda own: own.astype(str), "labels of type <U"),
        (lambda own: own[:0], r"\[0\] labels for 30 images"),
    ],
)
def test_labels_that_are_no_digits_are_refused(change, sentence, digits, tmp_path):
    images, labels = digits[0], np.arange(len(digits[0])) % 10
    np.savez(
        tmp_path / "mnist.npz",
        x_train=images[:30], y_train=change(labels[:30]), x_test=images[30:], y_test=labels[30:],
    )  # fmt: skip
    with pytest.raises(DataError, match=sentence):
        load.load("mnist", data_dir=tmp_path)


def test_idx_labels_beyond_nine_are_refused(digits, tmp_path):
    for name, content in idx_files(digits[0], np.full_like(digits[1], 10), 30).items():
        write(tmp_path / name, content)
    with pytest.raises(
        DataError, match="ubyte has labels other than the whole numbers from 0 to 9"
    ):
        load.load("mnist", data_dir=tmp_path)


def test_black_and_white_digits_are_0_and_255(digits, tmp_path):
    images, labels = (digits[0] > 127).astype(np.uint8), digits[1]
    for name, content in idx_files(images, labels, 30).items():
        write(tmp_path / name, content)
    loaded = load.load("mnist", data_dir=tmp_path)
    is_pooled(loaded, images * 255, labels)
    assert "0 to 1 read as 0 to 255" in loaded.source


# --- CIFAR-10 ---


def arrays_for_labels(batch):
    return {**batch, b"labels": np.array(batch[b"labels"])}


REPICKLED = {
    "array of int64": arrays_for_labels,
    "array of big-endian int32": lambda b: {**b, b"labels": np.array(b[b"labels"], ">i4")},
    "array of bytes": lambda b: {**b, b"labels": np.array(b[b"labels"], np.uint8)},
    "column": lambda b: {**b, b"labels": np.array(b[b"labels"])[:, None]},
    "NumPy's numbers": lambda b: {**b, b"labels": [np.int64(x) for x in b[b"labels"]]},
    "Fortran order": lambda b: {**b, b"data": np.asfortranarray(b[b"data"])},
    "text keys": lambda b: {key.decode(): value for key, value in b.items()},
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", REPICKLED)
def test_cifar_pickled_again(form, protocol, tmp_path, rng):
    images, labels = noise(rng, 24, 32, 32, 3), rng.randint(0, 10, 24)
    cifar_batches(tmp_path, images, labels, protocol, REPICKLED[form])
    load.check("cifar10", data_dir=tmp_path)
    loaded = load.load("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(both(loaded), official_order(images))
    got = np.concatenate([loaded.train_labels, loaded.test_labels])
    np.testing.assert_array_equal(got, official_order(labels))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda b: {**b, b"labels": np.array([{}] * 4, object)}, "array of objects"),
        (lambda b: {**b, b"labels": [0.5] * 4}, "labels are float64"),
        (lambda b: {**b, b"data": b[b"data"].tolist()}, "data is list, no array"),
        (lambda b: {b"data": b[b"data"], b"fine_labels": [1] * 4}, "is a batch of CIFAR-100"),
    ],
)
def test_cifar_pickles_that_are_refused(change, sentence, tmp_path, rng):
    cifar_batches(tmp_path, noise(rng, 24, 32, 32, 3), np.zeros(24, int), 2, change)
    with pytest.raises(DataError, match=sentence) as caught:
        load.load("cifar10", data_dir=tmp_path)
    assert "_Pickled" not in str(caught.value)


# --- dSprites ---


@pytest.mark.parametrize("place", [PUBLISHED, f"dsprites-dataset/{PUBLISHED}", "dsprites.npz"])
@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_dsprites_under_its_published_name(place, dtype, tmp_path, rng):
    images = rng.randint(0, 2, (20, 64, 64)).astype(dtype)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    np.savez_compressed(tmp_path / place, imgs=images, latents_values=np.zeros(20))
    load.check("dsprites", data_dir=tmp_path)
    loaded = load.load("dsprites", data_dir=tmp_path)
    np.testing.assert_array_equal(
        both(loaded)[..., 0], official_order(images).astype(np.uint8) * 255
    )


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((20, 64, 64), np.uint8), "all images are black"),
        (np.full((20, 64, 64), b"\1"), r"\|S1 .*uint8 \[N, 64, 64\] of 0 and 1 is expected"),
    ],
)
def test_arrays_that_are_no_dsprites_are_refused(images, sentence, tmp_path):
    np.savez(tmp_path / "dsprites.npz", imgs=images)
    with pytest.raises(DataError, match=sentence):
        load.load("dsprites", data_dir=tmp_path)


# --- Before TensorFlow ---


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset=folder", "--data_dir=/nowhere"], "does not exist"),
        (["--dataset=folder", "--data_dir={tmp}/text"], "has a.txt: folder expects pictures"),
        (["--dataset=mnist", "--data_dir={tmp}/text"], "missing: train-images"),
        (["--dataset=celeba", "--data_dir={tmp}/page.zip"], "is a web page"),
        (["--dataset=folder", "--data_dir={tmp}/text", "--mode=classifier"], "folder expects"),
    ],
)
def test_data_errors_come_before_tensorflow(arguments, sentence, tmp_path):
    write(tmp_path / "text" / "a.txt", b"x")
    write(tmp_path / "page.zip", OTHER_FILES["a web page (HTML)"])
    code = (
        "import sys; from wae_tf import main; status = main.main(sys.argv[1:]); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(status)"
    )
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-c", code, *given, f"--work_dir={tmp_path / 'run'}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "data/MNIST/raw"),
        ("mnist", "MNIST_data"),
        ("fashion_mnist", "a/fashion-mnist/data"),
    ],
)
def test_idx_files_some_folders_below(name, place, digits, tmp_path):
    for file, content in idx_files(*digits, 30).items():
        write(tmp_path / place / file.replace("-ubyte", ".ubyte"), content)
    other = {"mnist": "FashionMNIST/raw", "fashion_mnist": "MNIST/raw"}[name]
    for file in idx_files(*digits, 30):
        write(tmp_path / "x" / other / file, idx(np.zeros((1, 28, 28), np.uint8)))
    is_pooled(load.load(name, data_dir=tmp_path), *digits)
    other_name = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}[name]
    shutil.rmtree(tmp_path / "x")
    if "fashion" in place or "MNIST" in place:
        with pytest.raises(DataError, match="missing: train-images"):
            load.check(other_name, data_dir=tmp_path)


def test_cifar_in_the_folder_of_its_archive(tmp_path, rng):
    images, labels = noise(rng, 60, 32, 32, 3), np.arange(60) % 10
    cifar_batches(tmp_path / "cifar-10-python" / "cifar-10-batches-py", images, labels)
    loaded = load.load("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(both(loaded), official_order(images))


def test_the_only_npz_of_a_folder_is_dsprites(tmp_path):
    images = np.random.RandomState(0).randint(0, 2, (20, 64, 64)).astype(np.uint8)
    np.savez(tmp_path / "dsprites (1).npz", imgs=images)
    np.testing.assert_array_equal(
        both(load.load("dsprites", data_dir=tmp_path))[..., 0], official_order(images) * 255
    )


def test_a_zip_of_a_folder_beside_is_read(tmp_path, rng):
    """As `zip -r faces.zip ../faces` spells its files."""
    path = tmp_path / "faces.zip"
    images = noise(rng, 4, 8, 8, 3)
    with zipfile.ZipFile(path, "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"../faces/{i}.png", encoded(image, "PNG"))
    loaded = load.load("folder", data_dir=path)
    np.testing.assert_array_equal(both(loaded), official_order(images))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.zip"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["a.txt", "b/c.csv"],
            r"z\.zip has a\.txt, b/c\.csv: folder expects pictures .* vectors\.$",
        ),
        ([".a.png", "__MACOSX/a.png"], r"z\.zip has no files but hidden ones: folder expects"),
        (["b/x.npy", "a.txt"], r"has a\.txt, b/x\.npy: .*; unpack it and give b/x\.npy\.$"),
    ],
)
def test_what_a_zip_has_is_told(names, said, tmp_path):
    """It was said to be a zip, where one is accepted."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    with pytest.raises(DataError, match=said):
        load.load("folder", data_dir=tmp_path / "z.zip")
    with pytest.raises(
        DataError, match=r"z\.zip has .*: celeba expects .*[^r]\.$"
    ):  # "its folder."
        load.load("celeba", data_dir=tmp_path / "z.zip")
