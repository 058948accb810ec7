"""Rows of data as pictures of a page, files dropped on it as rows, codes as text and files."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from wae_tf.data import picture_files
from wae_tf.figures import drawing
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit


def takes_pictures(model: Wae) -> bool:
    """Whether a picture file can be made a row of this model's data."""
    if not model.of_pictures or model.settings.pixel_range_of_data == "any":
        return False
    return model.image_shape[-1] in (1, 3)


def as_row(model: Wae, data: bytes, zero_and_one: bool = False) -> np.ndarray:
    """A picture file as a row uint8 [H, W, C]: of another shape, its centre is cut out and resized.

    Args:
        model: one that `takes_pictures`.
        data: of the file, of any kind that Pillow reads.
        zero_and_one: one without pixels above 1 is read as of 0 and 255.

    Raises:
        BadPicture: it is no picture.
    """
    height, width, channels = model.image_shape
    stretch = zero_and_one and picture_files.largest(data) <= 1
    pixels = picture_files.decode_picture(data, grey=channels == 1, stretch=stretch)
    if pixels.shape[:2] == (height, width):
        return pixels
    scale = min(pixels.shape[0] / height, pixels.shape[1] / width)
    # Of a few pixels for a long shape a side would be rounded to none.
    rows, columns = (max(1, round(scale * side)) for side in (height, width))
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    pixels = pixels[top : top + rows, left : left + columns]
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(height, width, channels)


def pictures(model: Wae, rows: np.ndarray, side: int) -> list[np.ndarray]:
    """Rows of data as pictures uint8 [h, w, 3].

    Args:
        model: whose data they are.
        rows: [n, ...], uint8 or floats in the model's range.
        side: about which the longer side is to be, in pixels; small ones grow by a whole factor. Data
            that are no pictures are drawn as lines, all of a call on one scale.
    """
    if not model.of_pictures:
        return _lines(np.asarray(rows, np.float32), side)
    rows = _unit(model, rows)
    zoom = max(1, side // max(model.image_shape[:2]))
    return [drawing.rgb(row) for row in drawing.enlarge(rows, zoom)]


def _unit(model: Wae, rows: np.ndarray) -> np.ndarray:
    """Pictures [n, H, W, C] as floats in [0, 1]; of any numbers, from the least of a call to the largest."""
    pixels = np.asarray(model.as_pixels(rows))
    if model.settings.pixel_range_of_data != "any":
        return to_unit(pixels, model.settings.pixel_range_of_data)
    low, high = _ends(pixels)
    return ((pixels.astype(np.float64) - low) / (high - low or 1.0)).astype(np.float32)


def _ends(rows: np.ndarray) -> tuple[float, float]:
    """The least and the largest of the finite numbers: a code far out may be decoded to others too."""
    finite = rows[np.isfinite(rows)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _lines(rows: np.ndarray, side: int) -> list[np.ndarray]:
    low, high = _ends(rows)
    room = 0.05 * (high - low) or 1.0
    drawn = []
    for row in rows:
        figure = drawing.new_figure(side / drawing.DPI, 0.75 * side / drawing.DPI)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        channels = row.reshape(row.shape[0], -1)
        axes.plot(channels, linewidth=1, marker="" if len(channels) > 1 else "o")
        axes.set_ylim(low - room, high + room)
        axes.tick_params(labelsize=6)
        picture = Image.open(io.BytesIO(drawing.png(figure)))
        drawn.append(np.asarray(picture.convert("RGB")))
    return drawn


def as_text(code: np.ndarray) -> str:
    """A code as it is read back by `of_text`: every digit of a float32 that matters."""
    return ", ".join(str(number) for number in np.asarray(code, np.float32))


def of_text(text: str, zdim: int) -> np.ndarray:
    """A code [z] of numbers separated by commas, blanks or lines.

    Raises:
        ValueError: it is not one finite number for each coordinate, as a sentence.
    """
    words = [word for word in re.split(r"[\s,;\[\]()]+", text) if word]
    try:
        with np.errstate(over="ignore"):
            code = np.array([float(word) for word in words], np.float32)
    except ValueError as error:
        raise ValueError(f"a code is numbers, and {str(error).split(': ')[-1]} is none.") from error
    if len(code) != zdim:
        raise ValueError(f"a code of this model is {zdim} finite numbers, not {len(code)}.")
    if not np.isfinite(code).all():
        place = int(np.flatnonzero(~np.isfinite(code))[0])
        raise ValueError(f"a code is finite numbers, and {words[place]} is none in float32.")
    return code


def as_markdown(text: str) -> str:
    """Text as Markdown that shows it as it is: the paths of titles may have any character."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def write_codes(folder: Path, codes: np.ndarray) -> list[Path]:
    """Writes codes [n, z] as codes.npy and codes.csv, with a head line z0,z1,...; returns the paths."""
    files = [folder / "codes.npy", folder / "codes.csv"]
    np.save(files[0], codes)
    lines = [",".join(f"z{i}" for i in range(codes.shape[1]))]
    lines += [",".join(map(str, code)) for code in codes]
    files[1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files
