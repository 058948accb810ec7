"""Folders of pictures as people have them: endings, links, splits, classes, ranges, sizes."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from tests.real_files import both, encoded, noise, official_order, png, remade, write, zipped
from wae_tf import Config
from wae_tf.data import class_folders, load, picture_files
from wae_tf.errors import DataError, FlagError
from wae_tf.training import reading


def folder(path, **kwargs):
    return load.load("folder", data_dir=path, **kwargs)


def refused(sentence, path, **kwargs):
    with pytest.raises(DataError, match=sentence) as caught:
        folder(path, **kwargs)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


# --- Endings, links, and what is left out ---

#: Ending, Pillow's name of the format, options, whether it gives back the bytes it was given.
ENDINGS = [
    (".jfif", "JPEG", {}, False), (".jpe", "JPEG", {}, False), (".JPG", "JPEG", {}, False),
    (".ppm", "PPM", {}, True), (".pgm", "PPM", {"mode": "L"}, True), (".pnm", "PPM", {}, True),
    (".tga", "TGA", {}, True), (".pcx", "PCX", {}, True), (".sgi", "SGI", {}, True),
    (".dib", "DIB", {}, True), (".apng", "PNG", {}, True), (".ico", "ICO", {}, True),
    (".im", None, {}, None),
    (".webp", "WEBP", {"lossless": True}, True), (".avif", "AVIF", {}, False),
    (".jp2", "JPEG2000", {}, True), (".dds", "DDS", {}, True), (".qoi", "QOI", {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("ending", "kind", "options", "exact"), ENDINGS)
def test_every_format_that_pillow_reads(ending, kind, options, exact, tmp_path, rng):
    arrays = [noise(rng, 16, 16, 3) for _ in range(3)]
    png(tmp_path / "0.png", arrays[0])
    if kind is None:  # known by its ending only: not taken, and said
        write(tmp_path / f"1{ending}", b"x")
        png(tmp_path / "2.png", arrays[2])
        assert f"1 file that is no picture: 1 {ending}" in folder(tmp_path).left_out
        return
    if kind not in Image.SAVE and kind not in picture_files.formats():
        pytest.skip(f"this Pillow has no {kind}")
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    files = [encoded(array, kind, **options) for array in arrays[1:]]
    for number, content in enumerate(files, 1):
        write(tmp_path / f"{number}{ending}", content)
    want = [np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for content in files]
    if exact and options.get("mode") != "L":
        np.testing.assert_array_equal(want, arrays[1:])
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(both(loaded), official_order([arrays[0], *want]))
    assert not loaded.left_out


def test_wide_greys_are_divided_by_257(tmp_path):
    wide = np.array([[0, 65535, 257 * 77, 257 * 77 + 129]], ">u2")
    header = b"P5 4 1 65535\n"
    for name in "ab":
        write(tmp_path / f"{name}.pgm", header + wide.tobytes())
    np.testing.assert_array_equal(folder(tmp_path).train[0, 0, :, 0], [0, 255, 77, 78])


def test_programs_of_others_are_not_run(tmp_path, rng):
    """EPS would start Ghostscript."""
    image = Image.fromarray(noise(rng, 8, 8, 3))
    image.save(tmp_path / "a.eps")
    for name in "bc":
        image.save(tmp_path / f"{name}.png")
    assert len(both(folder(tmp_path))) == 2
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    refused(r"a\.png is .*not a picture that Pillow reads", tmp_path)


def test_linked_folders_are_followed_once(tmp_path, rng):
    arrays = noise(rng, 5, 6, 6, 3)
    elsewhere = tmp_path / "elsewhere"
    for i in (3, 4):
        png(elsewhere / "deep" / f"{i}.png", arrays[i])
    here = tmp_path / "here"
    for i in range(3):
        png(here / f"{i}.png", arrays[i])
    (here / "linked").symlink_to(elsewhere)
    (here / "twice").symlink_to(elsewhere / "deep")
    (here / "round").symlink_to(here)
    (here / "up").symlink_to(tmp_path)
    (elsewhere / "back").symlink_to(here)
    np.testing.assert_array_equal(both(folder(here)), official_order(arrays))


def test_what_is_left_out_is_said(tmp_path, rng):
    for i in range(4):
        png(tmp_path / f"{i}.png", noise(rng, 8, 8, 3))
    for name in ("a.txt", "b.txt", "c.json", "README", ".hidden"):
        write(tmp_path / name, b"x")
    np.save(tmp_path / "codes.npy", np.zeros(3))
    loaded = folder(tmp_path)
    told, endings = loaded.left_out.split(": ")
    assert told == "5 files that are no pictures"
    assert sorted(endings.split(", ")) == ["1 .json", "1 .npy", "1 without ending", "2 .txt"]


# --- Splits and classes ---


def split_folders(root, rng, parts, classes=("cat", "dog"), count=4):
    """root/part/class/number.png; returns name to array."""
    made = {}
    for part in parts:
        for kind in classes:
            for i in range(count):
                name = "/".join(filter(None, (part, kind, f"{i}.png")))
                made[name] = noise(rng, 6, 6, 3)
                png(root / name, made[name])
    return made


def of(made, part):
    return official_order([made[name] for name in sorted(made) if name.startswith(part)])


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "test"), ("Training", "Testing"), ("train", "val"), ("train", "validation"),
     ("train2017", "val2017"), ("train_images", "test_images"), ("a/train", "a/valid")],
)  # fmt: skip
def test_train_and_test_folders_are_honoured(train, test, tmp_path, rng):
    made = split_folders(tmp_path, rng, (train, test))
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(loaded.train, of(made, train))
    np.testing.assert_array_equal(loaded.test, of(made, test))
    names = [train.split("/")[-1], test.split("/")[-1]]
    assert loaded.split == (f"the folders' own: {names[0]}/ for training, {names[1]}/ for testing")


def test_of_three_parts_validation_is_left_out(tmp_path, rng):
    made = split_folders(tmp_path, rng, ("train", "val", "test"), count=3)
    png(tmp_path / "ground_truth" / "mask.png", noise(rng, 6, 6, 3))
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(loaded.train, of(made, "train"))
    np.testing.assert_array_equal(loaded.test, of(made, "test"))
    assert "6 pictures of val/ and 1 pictures of other folders left out" in loaded.split or (
        "1 pictures of other folders and 6 pictures of val/ left out" in loaded.split
    )
    fewer = folder(tmp_path, train_size=2, test_size=2)
    np.testing.assert_array_equal(fewer.test, loaded.test[:2])


def test_a_zip_with_its_own_folder_around(tmp_path, rng):
    made = split_folders(tmp_path / "x", rng, ("train", "test"))
    files = {f"./mine/{name}": (tmp_path / "x" / name).read_bytes() for name in made}
    loaded = folder(zipped(tmp_path / "mine.zip", files))
    np.testing.assert_array_equal(loaded.train, of(made, "train"))
    np.testing.assert_array_equal(loaded.test, of(made, "test"))


def test_one_part_alone_is_pooled(tmp_path, rng):
    made = split_folders(tmp_path, rng, ("train",))
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(both(loaded), of(made, "train"))
    assert "NumPy shuffle" in loaded.split


@pytest.mark.parametrize("parts", [("",), ("train", "test")])
def test_class_folders_are_labels(parts, tmp_path, rng):
    made = split_folders(tmp_path, rng, parts, classes=("a", "b", "c"), count=5)
    loaded = folder(tmp_path)
    class_of = {array.tobytes(): "abc".index(name.split("/")[-2]) for name, array in made.items()}
    for images, labels in (
        (loaded.train, loaded.train_labels), (loaded.test, loaded.test_labels),
    ):  # fmt: skip
        assert labels.dtype == np.int64
        assert [class_of[image.tobytes()] for image in images] == labels.tolist()
    assert "3 classes by their folders" in loaded.source


def test_labels_stay_with_their_pictures_where_some_are_skipped(tmp_path, rng):
    made = split_folders(tmp_path, rng, ("train", "test"), count=6)
    whole = (tmp_path / "train/cat/0.png").read_bytes()
    write(tmp_path / "train/cat/0.png", whole[:-40])  # its head is whole
    write(tmp_path / "test/dog/1.png", b"no")
    loaded = folder(tmp_path, skip_bad_images=True)
    class_of = {array.tobytes(): int("dog" in name) for name, array in made.items()}
    assert (len(loaded.train), len(loaded.test)) == (11, 11)
    got = [*loaded.train_labels, *loaded.test_labels]
    assert [class_of[image.tobytes()] for image in both(loaded)] == got


@pytest.mark.parametrize(
    "names",
    [
        ["a/1.png", "a/2.png", "b/1.png", "2.png"],  # one lies in none
        ["a/1.png", "a/2.png", "a/3.png"],  # one class
        ["a/1.png", "b/2.png", "c/3.png"],  # as many as pictures
        ["1.png", "2.png"],
    ],
)
def test_folders_that_are_no_classes(names):
    assert class_folders.labels(names, []) == {}
    assert class_folders.labels(["a/1.png", "a/2.png", "b/3.png", "b/4.png"], ["c/1.png"]) == {}


# --- Sizes, channels, the cache ---


def test_sizes_that_networks_cannot_have_are_found_before_decoding(tmp_path, rng, monkeypatch):
    for i in range(5):
        png(tmp_path / "x" / f"{i}.png", noise(rng, 218, 178, 3))
        png(tmp_path / "y" / f"{i}.png", noise(rng, 28, 28, 3))
    monkeypatch.setattr(picture_files, "decode_picture", None)  # never called
    config = {"dataset": "folder", "decoder_layers": 4, "cache_dir": str(tmp_path / "cache")}
    for name, most, side in (("x", 2, 64), ("y", 3, 32)):
        with pytest.raises(FlagError) as caught:
            reading.load_images(Config(data_dir=str(tmp_path / name), **config))
        assert str(caught.value).endswith(
            f"--decoder_layers={most} at most, of these images; --image_size={side} makes them fit."
        )
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_mixed_sizes_are_found_before_tensorflow(tmp_path, rng):
    for i in range(3):
        png(tmp_path / f"{i}.png", noise(rng, 8, 8 + i // 2, 3))
    with pytest.raises(DataError, match=r"2\.png is 9x8 but 0\.png is 8x8.*--image_size=N"):
        load.check("folder", data_dir=tmp_path)
    load.check("folder", data_dir=tmp_path, image_size=8)


def test_grey_in_colour_is_said_and_channels_choose(tmp_path, rng):
    greys = noise(rng, 4, 6, 6)
    for i, grey in enumerate(greys):
        png(tmp_path / "grey" / f"{i}.png", np.repeat(grey[..., None], 3, -1))
        png(tmp_path / "colour" / f"{i}.png", noise(rng, 6, 6, 3))
    loaded = folder(tmp_path / "grey")
    assert loaded.image_shape == (6, 6, 3) and "--channels=1 keeps one channel" in loaded.source
    one = folder(tmp_path / "grey", channels=1)
    np.testing.assert_array_equal(both(one)[..., 0], official_order(greys))
    assert "grey" not in one.source.split(" in ")[0] and "--channels" not in one.source
    assert "--channels" not in folder(tmp_path / "colour").source
    np.save(tmp_path / "x.npy", greys)
    np.testing.assert_array_equal(
        both(folder(tmp_path / "x.npy", channels=3)),
        np.repeat(official_order(greys)[..., None], 3, -1),
    )
    with pytest.raises(FlagError, match="--channels=2 is not 1 or 3"):
        folder(tmp_path / "grey", channels=2)
    with pytest.raises(FlagError, match="--channels goes with --dataset=folder only, not mnist"):
        load.load("mnist", data_dir=tmp_path, channels=1)


def test_a_file_remade_with_the_same_size_and_time_is_read_anew(tmp_path, rng):
    arrays = noise(rng, 2, 3, 4, 4)
    paths = [tmp_path / "a" / f"{i}.bmp" for i in range(3)]
    for path, array in zip(paths, arrays[0], strict=True):
        write(path, encoded(array, "BMP"))
    np.save(tmp_path / "x.npy", arrays[0])
    for place in (tmp_path / "a", tmp_path / "x.npy"):
        np.testing.assert_array_equal(both(folder(place))[..., 0], official_order(arrays[0]))
    before = os.stat(paths[0]).st_ctime_ns
    while os.stat(write(tmp_path / "clock", b"")).st_ctime_ns == before:
        pass  # the file system's clock ticks every few milliseconds
    for path, array in zip(paths, arrays[1], strict=True):
        remade(path, encoded(array, "BMP"))
    file = io.BytesIO()
    np.save(file, arrays[1])
    remade(tmp_path / "x.npy", file.getvalue())
    for place in (tmp_path / "a", tmp_path / "x.npy"):
        np.testing.assert_array_equal(both(folder(place))[..., 0], official_order(arrays[1]))


def test_skipping_is_not_advised_where_it_leaves_nothing(tmp_path, rng):
    for i in range(3):
        write(tmp_path / f"{i}.png", b"<html></html>")
    text = refused("0.png is a web page .*none of the pictures looked at can be used", tmp_path)
    assert "--skip_bad_images" not in text
    png(tmp_path / "3.png", noise(rng, 4, 4, 3))
    assert "--skip_bad_images" in refused("0.png is a web page", tmp_path)


def test_arrays_of_objects_and_channels_first(tmp_path, rng):
    ragged = np.array([noise(rng, 3, 3), noise(rng, 4, 4)], object)
    np.save(tmp_path / "x.npy", ragged, allow_pickle=True)
    refused("holds an array of objects .*pictures of several sizes.*np.stack", tmp_path)
    np.save(tmp_path / "x.npy", noise(rng, 4, 3, 8, 8))
    refused(r"np\.moveaxis\(images, 1, 3\) puts the channels last", tmp_path)
    (tmp_path / "x.npy").unlink()
    np.savez(tmp_path / "x.npz", images=ragged)
    refused("has no array of images", tmp_path)
    np.savez(tmp_path / "x.npz", a=noise(rng, 4, 8, 8), b=noise(rng, 4, 8, 8))
    refused(r"has 2 arrays of images \(`a` uint8 \[4, 8, 8\], `b`", tmp_path)


@pytest.mark.parametrize(
    ("train", "test"), [("seg_train", "seg_test"), ("train", "dev"), ("cat-train", "cat-test")]
)
def test_folders_with_a_word_before_train_and_test(train, test, tmp_path, rng):
    made = split_folders(tmp_path, rng, (train, test))
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(loaded.train, of(made, train))
    np.testing.assert_array_equal(loaded.test, of(made, test))
    assert sorted(set(loaded.train_labels)) == [0, 1]  # cat and dog, not the parts


def test_pictures_without_endings_are_told(tmp_path, rng):
    for i in range(3):
        write(tmp_path / f"a{i}", encoded(noise(rng, 4, 4, 3), "PNG"))
    refused(r"a0 is a picture without an ending: name it a0\.png", tmp_path)


def test_one_picture_is_not_an_array_of_narrow_ones(tmp_path, rng):
    np.save(tmp_path / "x.npy", noise(rng, 16, 16, 3))
    refused(r"holds uint8 \[16, 16, 3\]: .* this looks like one picture", tmp_path / "x.npy")


def test_shapes_and_pictures_whose_meaning_is_not_known_are_refused(tmp_path, rng):
    for shape in ((5, 8, 8, 4), (5, 8, 8, 2), (5,), (5, 2, 8, 8, 3)):
        np.save(tmp_path / "x.npy", noise(rng, *shape))
        refused(r"images are numbers of shape \[N, H, W\] or \[N, H, W, C\]", tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", x_train=noise(rng, 4, 8, 8), x_test=noise(rng, 2, 8, 8))
    refused("2 arrays of images .*: one of shape", tmp_path / "x.npz")
    for i in range(2):
        image = Image.fromarray(rng.rand(4, 4).astype(np.float32))
        image.save(tmp_path / f"{i}.tif")
    refused("has pixels of mode F: 8 or 16 bits a channel are accepted", tmp_path)


@pytest.mark.parametrize("ending", ["gif", "tif", "webp", "png"])
def test_the_first_of_several_frames_is_taken_and_said(ending, tmp_path, rng):
    frames = [Image.fromarray(noise(rng, 6, 6)).convert("RGB") for _ in range(3)]
    lossless = {"lossless": True} if ending == "webp" else {}
    for i in range(2):
        frames[i].save(tmp_path / f"{i}.{ending}", save_all=True, append_images=frames, **lossless)
    png(tmp_path / "2.png", np.asarray(frames[2]))
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(both(loaded), official_order([np.asarray(f) for f in frames]))
    assert "of 2 with several frames or pages the first" in loaded.source
