"""Pictures and seeds in the graph against Pillow and `streams`: equal, not near."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wae_tf import Config, streams
from wae_tf.data import picture_files
from wae_tf.serving import graph_pictures, graph_seeds


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def smooth(rng, width, height):
    noise = rng.randint(0, 256, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("crop", ["closecrop", "resizecrop"])
def test_celeba_pixels_are_the_trained_ones(crop, side, rng):
    config = Config(dataset="celeba", crop=crop, image_size=side)
    in_a_graph = tf.function(lambda data: graph_pictures.picture(data, config, (side, side, 3)))
    for quality in (60, 90, 95):
        data = encoded(smooth(rng, 178, 218), "JPEG", quality=quality)
        expected = picture_files.decode_celeba(data, crop, side)
        np.testing.assert_array_equal(in_a_graph(tf.constant(data)), expected)


def test_folder_pixels_are_the_trained_ones(rng):
    modes = ["RGB", "RGBA", "L", "LA", "P"]
    for index in range(36):
        side = int(rng.randint(4, 60))
        config = Config(dataset="folder", data_dir="x", image_size=side)
        height, width = rng.randint(1, 120, 2)
        image = Image.fromarray(rng.randint(0, 256, (height, width, 4)).astype(np.uint8))
        image = image.convert(modes[index % len(modes)])
        files = [encoded(image, "PNG")]
        if image.mode in ("RGB", "L"):
            files.append(encoded(image, "JPEG", quality=80))
        for data in files:
            for channels in (1, 3):
                expected = picture_files.decode_picture(data, channels == 1, side)
                got = graph_pictures.picture(tf.constant(data), config, (side, side, channels))
                np.testing.assert_array_equal(got, expected, err_msg=f"{image.mode} {index}")


def test_a_picture_of_the_models_size_is_taken_as_it_is(rng):
    pixels = rng.randint(0, 256, (64, 64, 3)).astype(np.uint8)
    data = tf.constant(encoded(Image.fromarray(pixels), "PNG"))
    for config in (
        Config(dataset="celeba"),
        Config(dataset="folder", data_dir="x", image_size=64),
        Config(dataset="folder", data_dir="x"),
    ):
        np.testing.assert_array_equal(graph_pictures.picture(data, config, (64, 64, 3)), pixels)


def test_palettes_of_few_colours_are_opaque(rng):
    """An index of 1, 2, 4 or 8 bits, without opacities and with."""
    config = Config(dataset="folder", data_dir="x", image_size=9)
    in_a_graph = tf.function(lambda data: graph_pictures.picture(data, config, (9, 9, 3)))
    image = Image.fromarray(rng.randint(0, 256, (9, 12, 3)).astype(np.uint8))
    for colours, bits in ((2, 1), (4, 2), (16, 4), (200, 8)):
        few = image.quantize(colours)
        for options in ({}, {"transparency": bytes(range(0, 11 * colours, 11)[:20])}):
            data = encoded(few, "PNG", **options)
            assert data[24] == bits and data[25] == 3
            expected = picture_files.decode_picture(data, False, 9)
            got = in_a_graph(tf.constant(data))
            np.testing.assert_array_equal(got, expected, err_msg=f"{colours} {options}")
    # All but transparent, as TensorFlow has the opacity of an opaque one, is white all the same.
    faint = encoded(Image.new("P", (9, 9)), "PNG", transparency=bytes([1]))
    assert (in_a_graph(tf.constant(faint)).numpy() >= 254).all()
    assert (in_a_graph(tf.constant(encoded(Image.new("P", (9, 9)), "PNG"))).numpy() == 0).all()


def grey_png(bits, levels, clear=None):
    """A grey PNG of few bits, which Pillow does not write; the level `clear` is transparent."""

    def chunk(name, content):
        sum_of_both = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", sum_of_both)

    height, width = levels.shape
    of_bits = np.unpackbits(levels[..., None].astype(np.uint8), axis=-1)[..., -bits:]
    rows = np.packbits(of_bits.reshape(height, -1), axis=1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))]
    chunks += [(b"tRNS", struct.pack(">H", clear))] if clear is not None else []
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in [*chunks, (b"IEND", b"")])


@pytest.mark.parametrize(
    ("bits", "clear"), [(1, None), (2, None), (4, None), (1, 0), (1, 1), (4, 0)]
)
def test_grey_of_few_bits_is_stretched_and_opaque(bits, clear, rng):
    data = grey_png(bits, rng.randint(0, 2**bits, (9, 13)), clear)
    config = Config(dataset="folder", data_dir="x", image_size=6)
    for channels in (1, 3):
        expected = picture_files.decode_picture(data, channels == 1, 6)
        assert expected.max() > 100
        got = graph_pictures.picture(tf.constant(data), config, (6, 6, channels))
        np.testing.assert_array_equal(got, expected)


def test_pixels_of_0_and_1_are_read_as_the_trained_ones(rng):
    """Grey, with opacity, wide, in colour and of a palette; what has pixels above 1 is as it is."""
    mask = rng.randint(0, 2, (9, 12)).astype(np.uint8)
    colour = rng.randint(0, 2, (9, 12, 3)).astype(np.uint8)
    palette = Image.fromarray(mask)
    palette.putpalette([0, 0, 0, 1, 0, 1])
    faint = Image.merge("LA", [Image.fromarray(mask), Image.fromarray(200 * mask)])
    images = [Image.fromarray(mask), faint, Image.fromarray(colour), palette]
    images.append(Image.fromarray(mask.astype(np.uint16)))
    config = Config(dataset="folder", data_dir="x", image_size=5)
    for channels in (1, 3):

        def read(data, channels=channels):
            return graph_pictures.picture(data, config, (5, 5, channels), zero_and_one=True)

        in_a_graph = tf.function(read)
        for image in images:
            data = encoded(image, "PNG")
            expected = picture_files.decode_picture(data, channels == 1, 5, stretch=True)
            assert expected.max() > 50
            np.testing.assert_array_equal(in_a_graph(tf.constant(data)), expected, image.mode)
        for other in (255 * mask, 2 * mask, 257 * mask.astype(np.uint16), 0 * mask):
            data = encoded(Image.fromarray(other), "PNG")
            expected = picture_files.decode_picture(data, channels == 1, 5)
            np.testing.assert_array_equal(in_a_graph(tf.constant(data)), expected)


def huge_png():
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    return head + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a JPEG or PNG file is expected"),
        (b"GIF89a and more", "a JPEG or PNG file is expected"),
        (huge_png(), "a picture of 218x178"),
        (encoded(Image.new("RGB", (5, 4)), "PNG"), "a picture of 218x178"),
    ],
)
def test_other_bytes_are_an_error_with_a_sentence(data, sentence):
    config = Config(dataset="celeba")
    in_a_graph = tf.function(lambda data: graph_pictures.picture(data, config, (64, 64, 3)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        in_a_graph(tf.constant(data))


def test_keys_are_those_of_the_streams():
    seeds = [0, 1, 9, 10, 123_456, 2**31, 2**63 - 1]
    keys = tf.function(graph_seeds.sample_keys)(tf.constant(seeds, tf.int64))
    np.testing.assert_array_equal(keys, [streams.key(seed, "sample", 0) for seed in seeds])


def test_a_header_whose_pixels_wrap_does_not_pay_for_the_others():
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff" * 8 + bytes(9)
    large = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (5000).to_bytes(4, "big") * 2 + bytes(9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="pixels"):
        graph_pictures.bounded(tf.constant([large, large, huge]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="pixels"):
        graph_pictures.bounded(tf.constant([huge]))
