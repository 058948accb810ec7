"""Images that use a small part of their type's range: stretched where that is certain, else refused."""

import numpy as np
import pytest
from PIL import Image

from tests.data.test_real_folders import folder, refused
from tests.real_files import both, noise, official_order, png


def test_pictures_of_0_and_1_are_stretched_before_they_are_resized(tmp_path, rng):
    masks = rng.randint(0, 2, (6, 12, 12)).astype(np.uint8)
    for i, mask in enumerate(masks):
        png(tmp_path / "masks" / f"{i}.png", mask)
        png(tmp_path / "right" / f"{i}.png", mask * np.uint8(255))
    for options in ({}, {"image_size": 6}):
        loaded = folder(tmp_path / "masks", **options)
        want = folder(tmp_path / "right", **options)
        np.testing.assert_array_equal(both(loaded), both(want))
        assert "pixels of 0 and 1 read as 0 and 255" in loaded.source
        assert "read as" not in want.source
        assert (loaded.zero_and_one, want.zero_and_one) == (True, False)
    np.testing.assert_array_equal(both(folder(tmp_path / "masks"))[..., 0],
                                  official_order(masks) * 255)  # fmt: skip


def test_palettes_of_masks_keep_their_colours(tmp_path):
    image = Image.new("P", (4, 4))
    image.putpalette([0, 0, 0, 200, 10, 30])
    image.putpixel((1, 1), 1)
    for name in "ab":
        image.save(tmp_path / f"{name}.png")
    loaded = folder(tmp_path)
    np.testing.assert_array_equal(loaded.train[0, 1, 1], [200, 10, 30])
    assert "read as" not in loaded.source


def test_one_bright_picture_among_masks(tmp_path, rng):
    for i in range(200):
        png(tmp_path / f"{i:03d}.png", rng.randint(0, 2, (4, 4)).astype(np.uint8))
    png(tmp_path / "151.png", noise(rng, 4, 4))  # not one of those looked at first
    refused(r"151\.png has pixels above 1", tmp_path)
    png(tmp_path / "150.png", noise(rng, 4, 4))  # one of them
    assert "read as" not in folder(tmp_path).source


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((4, 4), 12, np.uint8), "within 0 to 12 of 255, nearly black"),
        (np.full((4, 4), 4095, np.uint16), "within 0 to 16 of 255, nearly black"),
        (np.full((4, 4), 0, np.uint8), "are black"),
    ],
)
def test_nearly_black_pictures_are_refused(array, sentence, tmp_path):
    for name in "ab":
        png(tmp_path / f"{name}.png", array)
    refused(sentence, tmp_path)


@pytest.mark.parametrize(
    ("dtype", "scale", "words"),
    [
        (np.uint8, 1, "0 to 1 read as 0 to 255"), (np.int64, 1, "0 to 1 read as 0 to 255"),
        (bool, 1, "False and True read as 0 and 255"), (np.float32, 1, "0 to 1 read as 0 to 255"),
        (np.float64, 255, ""), (np.uint16, 65535, "16 bits divided by 257"), (np.uint16, 255, ""),
        (">u2", 65535, "16 bits divided by 257"), (">f8", 255, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_other_ranges(dtype, scale, words, packed, tmp_path, rng):
    masks = rng.randint(0, 2, (9, 5, 5))
    array = (masks * scale).astype(dtype)
    if array.dtype.kind == "f":
        array = array[..., None]  # of three axes they would be series
    path = tmp_path / ("x.npz" if packed else "x.npy")
    if packed:
        np.savez_compressed(path, images=array, labels=np.arange(9))
    else:
        np.save(path, array)
    for place in (path, tmp_path):
        loaded = folder(place)
        np.testing.assert_array_equal(both(loaded)[..., 0], official_order(masks) * 255)
        assert loaded.source == f"array {path}" + (words and f", {words}")
        assert loaded.zero_and_one == (scale == 1 and array.dtype.kind != "f")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array([0.0, 1.0, -1.0]), r"from -1 to 1: .*, or 0 to 1; give \(x \+ 1\) / 2"),
        (np.array([0, 16]), r"from 0 to 16, which is nearly black: .*multiply by 15\.94"),
        (np.array([0, 4095], np.uint16), r"0 to 4095: pixels lie .*multiply by 0\.06227"),
        (np.array([0]), "no values but 0: all images are black"),
        (np.array([0.0, np.inf]), "from 0 to inf: pixels lie within"),
    ],
)
def test_ranges_that_are_not_certain_are_a_sentence(array, sentence, tmp_path):
    np.save(tmp_path / "x.npy", np.resize(array, (3, 4, 4, 1)).astype(array.dtype))
    refused(sentence, tmp_path)


def test_floats_are_rounded_to_bytes(tmp_path):
    unit = np.linspace(0, 1, 256, dtype=np.float32)
    np.save(tmp_path / "x.npy", np.stack([unit.reshape(16, 16, 1)] * 2))
    np.testing.assert_array_equal(both(folder(tmp_path))[0].ravel(), np.arange(256))


def test_floats_that_use_a_tenth_of_their_range_are_a_sentence(tmp_path, rng):
    np.save(tmp_path / "x.npy", (0.1 * rng.rand(6, 4, 4, 1)).astype(np.float32))
    refused("nearly black where 1 is white: multiply by", tmp_path / "x.npy")
