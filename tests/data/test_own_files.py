"""Files of one's own: tables beside pictures, capital endings, arrays of no numbers, turned pictures."""

import io
import shutil
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.real_files import both, encoded, noise, official_order, png, write
from wae_tf.data import cache, load, picture_files, vectors
from wae_tf.errors import DataError, FlagError


@pytest.mark.parametrize("below", ["", "images/", "images/a/"])
@pytest.mark.parametrize("name", ["labels.csv", "Labels.CSV", "features.npy"])
def test_a_table_beside_pictures_is_left_out(name, below, tmp_path, rng):
    """As competitions ship them: train.csv above images/."""
    for i in range(4):
        png(tmp_path / below / f"{i}.png", noise(rng, 8, 8, 3))
    if name.endswith(".npy"):
        np.save(tmp_path / name, np.zeros((4, 3), np.float32))
    else:
        (tmp_path / name).write_text("id,label\n0.png,1\n")
    assert vectors.file_in(tmp_path) is None
    load.check("folder", data_dir=tmp_path, image_size=4)
    loaded = load.load("folder", data_dir=tmp_path, image_size=4)
    assert both(loaded).shape == (4, 4, 4, 3)
    assert loaded.left_out == f"1 file that is no picture: 1 {name[-4:].lower()}"
    # Named itself, it is what is read.
    assert vectors.file_in(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ["T.CSV", "T.Tsv", "T.NPY", "T.NPZ"])
def test_endings_may_be_capitals(name, inside, tmp_path, rng):
    rows = rng.normal(size=(6, 3)).astype(np.float32)
    with (tmp_path / name).open("wb") as file:
        if name == "T.NPY":
            np.save(file, rows)
        elif name == "T.NPZ":
            np.savez(file, rows=rows)
        else:
            np.savetxt(file, rows, delimiter="," if name == "T.CSV" else "\t")
    loaded = load.load("folder", data_dir=tmp_path / name if inside else tmp_path)
    np.testing.assert_allclose(both(loaded), official_order(rows), rtol=1e-6)


def test_images_of_an_array_with_a_capital_ending(tmp_path, rng):
    images = noise(rng, 5, 8, 8)
    with (tmp_path / "I.NPY").open("wb") as file:
        np.save(file, images)
    loaded = load.load("folder", data_dir=tmp_path)
    np.testing.assert_array_equal(both(loaded)[..., 0], official_order(images))


@pytest.mark.parametrize("save", [np.save, np.savez])
@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([["a", "b"], ["c", "d"]]), "<U1"),
        (np.ones((4, 3)) * 1j, "complex128"),
        (np.zeros((4, 3), "M8[s]"), "datetime64[s]"),
        (np.zeros((4, 3), [("a", "i4")]), "[('a', '<i4')]"),
    ],
)
def test_arrays_of_no_numbers_are_a_sentence(array, kind, save, tmp_path):
    path = tmp_path / ("x.npy" if save is np.save else "x.npz")
    save(path, array)
    for reads in (load.check, load.load):
        with pytest.raises(DataError) as caught:
            reads("folder", data_dir=path)
        assert str(caught.value) == f"{path} holds {kind}: vectors are real numbers."


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_a_sentence_without_a_warning(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.0, 2.0], [1e300, 0.0]]))
    with pytest.raises(DataError, match="no finite float32 in 1 of 2 rows, first in row 2"):
        load.load("folder", data_dir=tmp_path)


def test_a_table_may_begin_with_empty_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n\na;b\n1;2\n\n3;4\n")
    assert sorted(both(load.load("folder", data_dir=path)).tolist()) == [[1, 2], [3, 4]]
    path.write_text("\n\n1;2\n\n3;x\n")
    with pytest.raises(DataError, match="line 5, column 2: 'x' is no number"):
        load.load("folder", data_dir=path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,,3\n4,5,6\n7,8,9\n", "line 1, column 2: '' is no number"),
        ("1,NA,3\n4,5,6\n7,8,9\n", "line 1, column 2: 'NA' is no number"),
        ("a,b\n1,2020_01\n", "line 2, column 2: '2020_01' is no number"),
    ],
)
def test_a_first_row_that_lacks_a_number_is_not_taken_for_names(text, said, tmp_path):
    """It was left out without a word."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        load.load("folder", data_dir=tmp_path)
    (tmp_path / "t.csv").write_text("year,2019,2020\n0,1,2\n1,3,4\n")
    assert both(load.load("folder", data_dir=tmp_path)).shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        ((9, 8, 8, 4), "u1", "; images[..., :3] leaves the fourth channel out."),
        ((0, 8, 8), "u1", "with C 1 or 3."),
        ((9, 8, 8, 1), "c8", "with C 1 or 3."),
        ((9, 3, 8, 8), "u1", "; np.moveaxis(images, 1, 3) puts the channels last."),
    ],
)
def test_advice_on_arrays_is_of_their_kind(shape, kind, said, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(shape, kind))
    with pytest.raises(DataError) as caught:
        load.check("folder", data_dir=tmp_path / "x.npy")
    assert str(caught.value).endswith(said)


def test_a_damaged_array_of_a_whole_npz_is_not_said_to_be_cut(tmp_path, rng):
    path = tmp_path / "x.npz"
    np.savez(path, images=noise(rng, 5, 8, 8))
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not an .npz file \(a zip damaged: Bad CRC-32"):
        load.check("folder", data_dir=path)


def turned_six(kind):
    """A picture of 3 by 2 pixels that its orientation turns, and how it is to be seen."""
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 12
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels, kind, exif=exif), np.rot90(pixels, -1)


@pytest.mark.parametrize(("kind", "ending"), [("TIFF", "tif"), ("PNG", "png"), ("WEBP", "webp")])
def test_turned_pictures_are_whole(kind, ending, tmp_path):
    """Pillow turns the pixels of TIFF by itself, and in some releases the size before that."""
    options = {"lossless": True} if kind == "WEBP" else {}
    content, upright = turned_six(kind)
    if options:
        exif = Image.Exif()
        exif[0x0112] = 6
        content = encoded(np.rot90(upright), kind, exif=exif, **options)
    for i in range(4):
        write(tmp_path / f"{i}.{ending}", content)
    assert picture_files.look(content).size == (2, 3)
    loaded = load.load("folder", data_dir=tmp_path)
    np.testing.assert_array_equal(both(loaded), np.stack([upright] * 4))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(np.arange(18, dtype=np.uint8).reshape(2, 3, 3), "PNG", exif=exif)
    want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(picture_files.decode_picture(content, grey=False), want)


def test_damaged_tags_are_no_reason_to_refuse_a_turned_picture():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    content = encoded(np.zeros((16, 24, 3), np.uint8), "JPEG", exif=exif)
    # The text of the maker is said to be the width, which Pillow cannot write as a number.
    damaged = content.replace(b"\x01\x0f\x00\x02", b"\x01\x00\x00\x02")
    assert damaged != content
    assert picture_files.look(damaged).size == (16, 24)
    assert picture_files.decode_picture(damaged, grey=False).shape == (24, 16, 3)


def test_a_picture_that_changes_while_it_is_read_is_named(tmp_path, rng, monkeypatch):
    for i in range(4):
        png(tmp_path / f"{i}.png", noise(rng, 8, 6, 3))
    zeros_and_ones = picture_files.largest

    def meanwhile(data):
        png(tmp_path / "2.png", noise(rng, 6, 8, 3))  # as many pixels, in other rows
        return zeros_and_ones(data)

    monkeypatch.setattr(picture_files, "largest", meanwhile)
    with pytest.raises(DataError, match=r"2.png is 8x6, and was 6x8 when its head was read"):
        load.load("folder", data_dir=tmp_path)
    loaded = load.load("folder", data_dir=tmp_path, image_size=4)
    assert both(loaded).shape == (4, 4, 4, 3)


def test_the_cache_takes_images_of_the_announced_shape_alone(tmp_path):
    def fill(writer):
        writer.start(2, (8, 6, 3))
        writer.append(np.zeros((2, 6, 8, 3), np.uint8))
        return {}

    with pytest.raises(ValueError, match=r"\(6, 8, 3\) where \(8, 6, 3\)"):
        cache.open_or_build(str(tmp_path), "x", {}, fill)


def test_a_folder_whose_name_is_no_text_is_read(tmp_path, rng):
    """Its own name need not be given: a link to it, or a folder above, may be."""
    folder = tmp_path / "bad\udcff"
    try:
        folder.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("names are text on this file system")
    for i in range(3):
        png(folder / f"{i}.png", noise(rng, 8, 8, 3))
    (tmp_path / "link").symlink_to(folder)
    assert len(both(load.load("folder", data_dir=tmp_path / "link"))) == 3


def test_tables_as_pandas_and_r_write_them(tmp_path):
    """A column that counts rows, and names that count columns, were read as data."""
    rows = [[0.5, 2.0, 7.0], [1.5, 3.0, 8.0], [2.5, 4.0, 9.0]]
    path = tmp_path / "t.csv"

    def read(head, first):
        lines = [",".join(map(str, [*first(i), *row])) for i, row in enumerate(rows)]
        path.write_text("\n".join([head, *lines]) + "\n")
        return load.load("folder", data_dir=path)

    for counted in (lambda i: [i], lambda i: [f'"{i + 1}"']):
        loaded = read('"",a,b,c', counted)
        np.testing.assert_array_equal(both(loaded), official_order(np.array(rows)))
        assert "without their first column, which has no name and counts the rows" in loaded.source
    assert both(read(",a,b,c", lambda i: [i * 2])).shape == (3, 4)  # no count
    loaded = read("0,1,2", lambda i: [])
    np.testing.assert_array_equal(both(loaded), official_order(np.array(rows)))
    assert "of which the first line, 0 to 2, is the names of the columns" in loaded.source
    # Whole numbers may begin so.
    path.write_text("0,1,2\n3,4,5\n6,7,8\n")
    loaded = load.load("folder", data_dir=path)
    np.testing.assert_array_equal(both(loaded), official_order(np.arange(9).reshape(3, 3)))


def test_commas_in_quoted_names_are_not_what_stands_between_columns(tmp_path):
    (tmp_path / "t.csv").write_text('"a, in m";"b, c, d, e"\n1;2\n3;4\n')
    assert sorted(both(load.load("folder", data_dir=tmp_path)).tolist()) == [[1, 2], [3, 4]]


def test_vectors_in_a_folder_of_the_folder_are_told(tmp_path, rng):
    (tmp_path / "a").mkdir()
    for name in ("x.npy", "x.csv"):
        path = tmp_path / "a" / name
        if name == "x.npy":
            np.save(path, rng.normal(size=(4, 3)))
        else:
            np.savetxt(path, rng.normal(size=(4, 3)), delimiter=",")
        for reads in (load.check, load.load):
            with pytest.raises(DataError, match=f"; give {path} itself, which holds vectors"):
                reads("folder", data_dir=tmp_path)
        path.unlink()


def test_bytes_called_npy_are_told_without_the_advice_to_unpickle_them(tmp_path, rng):
    noise(rng, 4, 8, 8).tofile(tmp_path / "x.npy")
    with pytest.raises(DataError) as caught:
        load.load("folder", data_dir=tmp_path)
    assert str(caught.value).endswith("x.npy is a file of another kind: an .npy file is expected.")


@pytest.mark.parametrize("shape", [(9, 4, 5), (9, 4, 4, 3), (9, 6), (9, 5, 2), (9, 3, 3, 3, 1)])
def test_arrays_in_fortran_order_are_read(shape, tmp_path, rng):
    rows = rng.rand(*shape).astype(np.float32)
    if len(shape) in (3, 4) and shape[-1] != 2:
        rows = np.round(rows * 255).astype(np.uint8)
    found = []
    for name, save in (("x.npy", np.save), ("x.npz", np.savez), ("y.npz", np.savez_compressed)):
        for order in "CF":
            path = tmp_path / order / name
            path.parent.mkdir(exist_ok=True)
            save(path, np.asarray(rows, order=order))
            found.append(both(load.load("folder", data_dir=path)))
    for other in found:
        np.testing.assert_array_equal(other, found[0])


def test_images_beside_a_table_whose_names_need_another_version_of_npy(tmp_path, rng):
    table = np.zeros(9, [("größe", "f4"), ("高さ", "f4")])
    images = rng.randint(0, 256, (9, 8, 8, 3)).astype(np.uint8)
    with pytest.warns(UserWarning, match="3.0"):
        np.savez(tmp_path / "x.npz", images=images, table=table)
    found = load.load("folder", data_dir=tmp_path / "x.npz")
    assert len(both(found)) == 9 and "`table`" in found.left_out


def test_an_array_in_fortran_order_that_does_not_fit_is_a_sentence(tmp_path, rng, monkeypatch):
    np.savez(tmp_path / "x.npz", np.asfortranarray(rng.randint(0, 256, (9, 8, 8), np.uint8)))
    monkeypatch.setattr("wae_tf.settings.memory.available", lambda: 500)
    with pytest.raises(FlagError, match=r"Fortran order, would take about .* memory"):
        load.load("folder", data_dir=tmp_path / "x.npz")


def test_a_first_line_of_numbers_and_words_is_said_to_be_names(tmp_path):
    (tmp_path / "x.csv").write_text("0x10,2\n3,4\n5,6\n7,8\n")
    loaded = load.load("folder", data_dir=tmp_path / "x.csv")
    assert len(both(loaded)) == 3 and "first line, numbers and words, is read as" in loaded.source


@pytest.mark.parametrize("shape", [(9, 4, 5), (9, 6)])
def test_arrays_beside_the_one_that_is_read_are_said(shape, tmp_path, rng):
    rows = rng.randint(0, 256, shape).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x=rows, y=np.arange(9))
    loaded = load.load("folder", data_dir=tmp_path / "x.npz")
    assert loaded.left_out == "the other arrays of x.npz: `y` int64 [9]"
    np.savez(tmp_path / "x.npz", x=rows)
    assert not load.load("folder", data_dir=tmp_path / "x.npz").left_out


def a_run(place, rng):
    """What a run leaves, in part."""
    place.joinpath("figures").mkdir(parents=True)
    png(place / "figures" / "curves.png", noise(rng, 20, 30, 3))
    np.save(place / "samples.npy", noise(rng, 4, 8, 8))
    write(place / "flags.flags", b"--dataset=folder\n")
    write(place / "history.csv", b"step\n")


def test_runs_below_pictures_are_no_data(tmp_path, rng):
    """--data_dir=. and --work_dir=runs/..., started twice: figures are not trained on."""
    for i in range(3):
        png(tmp_path / f"{i}.png", noise(rng, 8, 8, 3))
    before = load.load("folder", data_dir=tmp_path)
    a_run(tmp_path / "runs" / "first", rng)
    after = load.load("folder", data_dir=tmp_path)
    np.testing.assert_array_equal(before.train, after.train)
    assert after.left_out == "the files of the run runs/first"
    a_run(tmp_path / "runs" / "second", rng)
    write(tmp_path / "labels.csv", b"1,2\n")
    assert load.load("folder", data_dir=tmp_path).left_out == (
        "1 file that is no picture: 1 .csv; the files of 2 runs, as runs/first"
    )


@pytest.mark.parametrize("name", ["images.npy", "vectors.npy"])
def test_runs_below_an_array_are_no_data(name, tmp_path, rng):
    rows = noise(rng, 9, 8, 8) if name == "images.npy" else rng.normal(size=(9, 4))
    np.save(tmp_path / name, rows)
    before = load.load("folder", data_dir=tmp_path)
    a_run(tmp_path / "runs" / "first", rng)
    np.testing.assert_array_equal(before.train, load.load("folder", data_dir=tmp_path).train)


def test_the_head_of_a_png_is_read_without_its_pixels(rng, monkeypatch):
    """Pillow decodes a PNG to look for EXIF behind its pixels."""
    plain = encoded(noise(rng, 6, 8, 3), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(noise(rng, 6, 8, 3), "PNG", exif=exif)
    late = io.BytesIO(turned).getvalue()
    at = late.index(b"eXIf") - 4
    size = 12 + int.from_bytes(late[at : at + 4], "big")
    late = late[:at] + late[at + size : -12] + late[at : at + size] + late[-12:]
    assert picture_files.look(turned).size == picture_files.look(late).size == (6, 8)

    def no_pixels(self):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", no_pixels)
    loads = picture_files.look(plain)
    assert loads.size == (8, 6)


@pytest.mark.parametrize("shape", [(-5, 8, 8, 3), (-5, 4)])
def test_an_array_of_a_negative_length_is_a_sentence(shape, tmp_path):
    head = io.BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, facts)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue())
    with pytest.raises(DataError, match=r"x\.npz.*(cannot be|is not)"):
        load.load("folder", data_dir=tmp_path / "x.npz")


def raw_png(size, bits, colour, rows, clear):
    """A PNG by hand: Pillow writes none of 2 and 4 bits of grey, or of 16 of colour."""

    def chunk(kind, body):
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, body)
        for kind, body in [
            (b"IHDR", head), (b"tRNS", clear), (b"IDAT", zlib.compress(rows)), (b"IEND", b""),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "colour", "row", "clear", "expected"),
    [
        (1, 0, [0b01000000], [0, 1], [0, 255]),
        (1, 0, [0b01000000], [0, 0], [255, 255]),
        (2, 0, [0b01100000], [0, 1], [255, 170]),
        (4, 0, [0x3A], [0, 3], [255, 170]),
        (8, 0, [3, 10], [0, 3], [255, 10]),
        (16, 0, [3, 7, 10, 10], [3, 7], [255, 10]),
        (8, 2, [1, 2, 3, 4, 5, 6], [0, 1, 0, 2, 0, 3], [255, 5]),
        (16, 2, [1, 9, 2, 9, 3, 9, 4, 0, 5, 0, 6, 0], [1, 9, 2, 9, 3, 9], [255, 5]),
    ],
)
def test_the_transparent_level_of_a_png_is_laid_over_white(bits, colour, row, clear, expected):
    data = raw_png((2, 1), bits, colour, bytes([0, *row]), bytes(clear))
    found = picture_files.decode_picture(data, grey=colour == 0)
    assert found[0, :, found.shape[2] // 2].tolist() == expected  # grey, or green


def test_a_class_with_a_file_that_a_classifier_has_too_is_data(tmp_path, rng):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            png(tmp_path / name / f"{i}.png", noise(rng, 8, 8, 3))
    write(tmp_path / "b" / "classifier.json", b"{}")
    images = load.load("folder", data_dir=tmp_path)
    assert len(images.train) + len(images.test) == 6


def test_runs_in_a_zip_or_alone_are_no_data(tmp_path, rng):
    a_run(tmp_path / "photos" / "runs" / "first", rng)
    with pytest.raises(DataError, match="the files of the run runs/first are no data"):
        load.load("folder", data_dir=tmp_path / "photos")
    for i in range(3):
        png(tmp_path / "photos" / f"{i}.png", noise(rng, 8, 8, 3))
    zipped = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "photos")
    images = load.load("folder", data_dir=zipped)
    assert len(images.train) + len(images.test) == 3
    assert images.left_out == "the files of the run runs/first"
