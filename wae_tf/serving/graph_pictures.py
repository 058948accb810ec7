"""Pillow's work as TensorFlow ops, for models that are served without it.

Pictures are decoded, cropped and scaled as in training (`data.picture_files`). SavedModels hold these ops,
so a server needs no code of this project.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from wae_tf.config import Config
from wae_tf.data.picture_files import celeba_rows
from wae_tf.serving.graph_checks import MOST_BYTES, MOST_PIXELS, check
from wae_tf.serving.graph_loops import in_parts

_CELEBA = (218, 178)  # height, width of an aligned CelebA image
# The signature and the head of the first chunk: libpng would skip unknown ones before IHDR, and then
# bytes 16 to 24 were not the size.
_PNG = tuple(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
_JPEG = (0xFF, 0xD8, 0xFF)


def bounded(image_bytes: tf.Tensor) -> tf.Tensor:
    """Strings [n], once their bytes, and their pixels by their headers, are seen to be few enough."""
    total = tf.reduce_sum(tf.cast(tf.strings.length(image_bytes), tf.int64))
    light = check(total <= MOST_BYTES, f"image_bytes: at most {MOST_BYTES} bytes a request are "
                  "accepted, not", total)  # fmt: skip
    with tf.control_dependencies([light]):
        sizes = tf.map_fn(size, image_bytes, fn_output_signature=tf.TensorSpec([2], tf.int64))
    pixels = tf.reduce_sum(_pixels(sizes))
    with tf.control_dependencies([_few(pixels)]):
        return tf.identity(image_bytes)


def _pixels(sizes: tf.Tensor) -> tf.Tensor:
    """Height times width of sizes int64 [..., 2]."""
    # A PNG's header can say 2^32 - 1, whose square would wrap to a negative int64.
    return tf.reduce_prod(tf.minimum(sizes, 1 << 20), axis=-1)


def _few(pixels: tf.Tensor) -> tf.Operation | None:
    # A small file may unpack into a picture that fills the memory.
    return check(pixels <= MOST_PIXELS, f"image_bytes: at most {MOST_PIXELS // 10**6} million "
                 "pixels a request are accepted, not", pixels)  # fmt: skip


def picture(
    data: tf.Tensor,
    config: Config | None,
    image_shape: tuple[int, int, int],
    zero_and_one: bool = False,
) -> tf.Tensor:
    """A JPEG or PNG as training sees it.

    Its size is read from its header, and it is decoded only if the model takes that size. JPEGs are
    decoded by libjpeg's accurate integer transform and pictures scaled by Pillow's own Lanczos
    arithmetic: equal to Pillow's bytes. EXIF orientation is not applied, and 16-bit PNGs lose their
    lower byte, where training rounds.

    Args:
        data: string scalar, the file's bytes.
        config: dataset, crop and image_size decide on cropping and scaling; None: neither.
        image_shape: (H, W, C) of the model, C 1 or 3. A picture of this size is taken as it is.
        zero_and_one: pictures whose pixels are 0 and 1 are read as of 0 and 255.

    Returns:
        uint8 [H, W, C].
    """
    height, width, channels = image_shape
    found = size(data)
    fits = tf.reduce_all(found == [height, width])
    dataset, crop = (None, "") if config is None else (config.dataset, config.crop)
    any_size = config is not None and dataset == "folder" and config.image_size is not None
    if any_size:
        guard = _few(_pixels(found))
    elif dataset == "celeba":
        official = tf.reduce_all(found == _CELEBA)
        accepted = f"218x178 (an aligned CelebA image) or {height}x{width}"
        guard = check(fits | official, f"image_bytes: a picture of {accepted} pixels, height x "
                      "width, is expected, not of", found)  # fmt: skip
    else:
        guard = check(fits, f"image_bytes: a picture of {height}x{width} pixels, height x width, is "
                      "expected, not of", found)  # fmt: skip
    with tf.control_dependencies([guard]):
        pixels = decoded(tf.identity(data))
        if zero_and_one:
            pixels = ones_as_white(data, pixels)

    def finished(part: tf.Tensor) -> tf.Tensor:
        return grey(over_white(part)) if channels == 1 else over_white(part)

    if any_size:
        pixels = lanczos(_centre_square(pixels), height, width, finished)
    elif dataset == "celeba":
        pixels = finished(pixels)
        pixels = tf.cond(fits, lambda: pixels, lambda: _celeba(pixels, crop, height))
    else:
        pixels = finished(pixels)
    return tf.ensure_shape(pixels, image_shape)


def _head(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The first 26 bytes as int32, zeros behind a shorter file, and whether they are a PNG's."""
    head = tf.cast(tf.io.decode_raw(data[None], tf.uint8, fixed_length=26)[0], tf.int32)
    return head, tf.reduce_all(head[: len(_PNG)] == _PNG)


def size(data: tf.Tensor) -> tf.Tensor:
    """int64 [height, width] from the header of a JPEG's or PNG's bytes, nothing being decoded."""
    head, is_png = _head(data)
    is_jpeg = tf.reduce_all(head[: len(_JPEG)] == _JPEG)
    known = check(is_png | is_jpeg, "image_bytes: a JPEG or PNG file is expected; it starts with",
                  head[:8])  # fmt: skip

    def png_size() -> tf.Tensor:
        places = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
        sides = tf.reshape(tf.cast(head[16:24], tf.int64), [2, 4])
        return tf.reduce_sum(sides * places, axis=1)[::-1]  # the width comes first in IHDR

    def jpeg_size() -> tf.Tensor:
        return tf.cast(tf.image.extract_jpeg_shape(data)[:2], tf.int64)

    with tf.control_dependencies([known]):
        return tf.cond(is_png, png_size, jpeg_size)


def decoded(data: tf.Tensor) -> tf.Tensor:
    """uint8 [h, w, 4] of a JPEG's or PNG's bytes, a string scalar: red, green, blue, opacity."""
    head, is_png = _head(data)

    def png() -> tf.Tensor:
        # Asked for four channels of grey of few bits, TensorFlow gives 1, 3 or 15 for opaque, not 255.
        rgba = tf.io.decode_png(data, channels=4)
        return tf.cond(head[24] < 8, lambda: _opaque_or_clear(rgba), lambda: rgba)

    return tf.cond(
        is_png,
        lambda: tf.cond(head[25] == 3, lambda: _of_palette(data), png),
        lambda: _opaque(tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
    )


def _opaque_or_clear(rgba: tf.Tensor) -> tf.Tensor:
    opacity = tf.cast(rgba[..., 3:] != 0, tf.uint8) * tf.constant(255, tf.uint8)
    return tf.concat([rgba[..., :3], opacity], axis=-1)


def ones_as_white(data: tf.Tensor, rgba: tf.Tensor) -> tf.Tensor:
    """A picture without pixels above 1 as one of 0 and 255, and opaque; another as it is.

    Args:
        data: string scalar, the file's bytes.
        rgba: uint8 [h, w, 4], what `decoded` makes of them.
    """
    # picture_files._stretched.
    head, is_png = _head(data)
    wide = is_png & (head[25] == 0) & (head[24] == 16)  # the upper byte of a 1 is 0

    def white(levels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cast(levels != 0, tf.uint8) * tf.constant(255, tf.uint8)
        return tf.reduce_max(levels) <= 1, pixels

    none_above, pixels = tf.cond(
        wide,
        lambda: white(tf.io.decode_png(data, channels=3, dtype=tf.uint16)),
        lambda: white(rgba[..., :3]),
    )
    return tf.cond(none_above, lambda: _opaque(pixels), lambda: rgba)


def _of_palette(data: tf.Tensor) -> tf.Tensor:
    # As of grey of few bits, but opacities may be any here.
    pixels = tf.io.decode_png(data, channels=0)  # four where the palette has opacities, else three
    rgba = tf.cond(tf.shape(pixels)[2] == 4, lambda: pixels, lambda: _opaque(pixels))
    return tf.ensure_shape(rgba, [None, None, 4])


def _opaque(rgb: tf.Tensor) -> tf.Tensor:
    return tf.pad(rgb, [[0, 0], [0, 0], [0, 1]], constant_values=255)


def over_white(rgba: tf.Tensor) -> tf.Tensor:
    """uint8 [h, w, 3] of uint8 [h, w, 4]: Pillow's alpha_composite over an opaque white ground."""
    # libImaging/AlphaComposite.c.
    rgba = tf.cast(rgba, tf.int32)
    alpha = rgba[..., 3:]
    mixed = (rgba[..., :3] * alpha + 255 * (255 - alpha)) * 128 + 0x4000
    shift = tf.bitwise.right_shift
    return tf.cast(shift(shift(shift(mixed, 8) + mixed, 8), 7), tf.uint8)


def grey(pixels: tf.Tensor) -> tf.Tensor:
    """uint8 [h, w, 1] of uint8 [h, w, 3], Pillow's mode L (libImaging/Convert.c)."""
    weighted = tf.cast(pixels, tf.int32) * [19595, 38470, 7471]
    total = tf.reduce_sum(weighted, axis=-1, keepdims=True) + 0x8000
    return tf.cast(tf.bitwise.right_shift(total, 16), tf.uint8)


def _celeba(pixels: tf.Tensor, crop: str, side: int) -> tf.Tensor:
    # picture_files.decode_celeba; official datahandler.py:188-208.
    if crop == "squash":
        return resized(pixels, side, side, _triangle, 1.0)
    if crop == "closecrop":
        return lanczos(pixels[39:179, 19:159], side, side)
    height, top = celeba_rows(side)
    return lanczos(pixels, height, side)[top : top + side]


def _centre_square(pixels: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(pixels)
    side = tf.minimum(shape[0], shape[1])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def lanczos(
    pixels: tf.Tensor,
    height: int,
    width: int,
    first: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """uint8 [h, w, C] resized to [height, width, C], to the byte as Pillow's LANCZOS does it.

    (tf.image.resize with lanczos3 and antialias is up to 6/255 away: it does not round between the
    two passes nor its weights.)

    Args:
        pixels: uint8 [h, w, any].
        height: of the result.
        width: of the result.
        first: makes uint8 [rows, w, C] of some rows of them, pixel by pixel.
    """
    return resized(pixels, height, width, _lanczos3, 3.0, first)


def resized(
    pixels: tf.Tensor,
    height: int,
    width: int,
    kernel: Callable[[tf.Tensor], tf.Tensor],
    support: float,
    first: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """uint8 [h, w, C] resized to [height, width, C], to the byte as Pillow does with this filter.

    Args:
        pixels: uint8 [h, w, any].
        height: of the result.
        width: of the result.
        kernel: the filter, a function of distances in new pixels.
        support: the distance at which it ends.
        first: see `lanczos`.
    """
    # Columns first, then rows, each rounded to bytes: libImaging/Resample.c.
    shape = tf.shape(pixels)
    columns = _weights(shape[1], width, kernel, support)

    def narrowed(part: tf.Tensor) -> list[tf.Tensor]:
        sums = tf.einsum("ow,hwc->hoc", columns, tf.cast(first(part), tf.float64))
        return [tf.cast(_bytes(sums), tf.uint8)]

    channels = first(tf.zeros([1, 1, pixels.shape[-1]], tf.uint8)).shape[-1]
    # Some rows at a time: a large picture as float64 is 24 times its bytes.
    (pixels,) = in_parts(narrowed, pixels, [(width, channels)], tf.uint8)
    rows = _weights(shape[0], height, kernel, support)
    sums = tf.einsum("oh,hwc->owc", rows, tf.cast(pixels, tf.float64))
    return tf.cast(_bytes(sums), tf.uint8)


def _bytes(sums: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.floor((sums + 2.0**21) / 2.0**22), 0.0, 255.0)


def _weights(
    size: tf.Tensor, new: int, kernel: Callable[[tf.Tensor], tf.Tensor], reach: float
) -> tf.Tensor:
    """Pillow's 22-bit weights, whole numbers in float64 [new, size]: sums of them are exact."""
    scale = tf.cast(size, tf.float64) / new
    stretch = tf.maximum(scale, 1.0)
    support = reach * stretch
    centre = (tf.range(new, dtype=tf.float64) + 0.5)[:, None] * scale
    place = tf.range(tf.cast(size, tf.float64), dtype=tf.float64)[None]
    first = tf.maximum(tf.floor(centre - support + 0.5), 0.0)
    last = tf.floor(centre + support + 0.5)
    x = (place - centre + 0.5) / stretch
    inside = (place >= first) & (place < last) & (x >= -reach) & (x < reach)
    weights = tf.where(inside, kernel(x), tf.zeros_like(x))
    weights *= 2.0**22 / tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.sign(weights) * tf.floor(tf.abs(weights) + 0.5)


def _lanczos3(x: tf.Tensor) -> tf.Tensor:
    return _sinc(x) * _sinc(x / 3.0)


def _triangle(x: tf.Tensor) -> tf.Tensor:
    return 1.0 - tf.abs(x)


def _sinc(x: tf.Tensor) -> tf.Tensor:
    one = tf.ones_like(x)
    safe = tf.where(x == 0.0, one, x) * math.pi
    return tf.where(x == 0.0, one, tf.sin(safe) / safe)
