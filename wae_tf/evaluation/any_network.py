"""The network of --features: any that makes an embedding of pictures."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.evaluation import network_files, network_formats, preprocessing
from wae_tf.evaluation.distances import FeatureNetwork
from wae_tf.evaluation.network_formats import Opened, Shape
from wae_tf.evaluation.prepared import prepared
from wae_tf.evaluation.preprocessing import Preprocessing
from wae_tf.files import of_user

#: Numbers of an embedding at most: a covariance of these takes half a gigabyte.
WIDEST = 8192
#: Characters of the hash in a score's name.
HASHED = 6


def load(source: str, given: Sequence[str], image_shape: tuple[int, ...]) -> FeatureNetwork:
    """The network, tried on two grey pictures.

    Args:
        source: see `network_formats.opened`.
        given: --features_input, which goes before the JSON file beside the network: its name with
            .json in place of .keras, .h5 or .onnx, or behind a folder's.
        image_shape: of the pictures that it will be given, [H, W, C].

    Raises:
        network_files.Unreachable: a handle that cannot be downloaded.
        DataError: it is not there, or makes no embedding of these pictures.
        FlagError: see `preprocessing.of`.
    """
    wanted = preprocessing.of(given, None if network_files.is_handle(source) else beside(source))
    opened = network_formats.opened(source, "features", wanted.signature)
    if len(opened.shapes) != 1:
        raise DataError(
            f"{opened.source} has {len(opened.shapes)} inputs; one, of pictures, is accepted."
        )
    wanted, shape = completed(wanted, opened.shapes[0], image_shape), opened.shapes[0]
    _check_channels(wanted, shape, opened.source)
    if opened.whole == "int8":
        raise DataError(f"{opened.source} takes int8, which bytes of 0 to 255 do not go into.")
    if opened.whole and not _are_bytes(*wanted.mean_and_std):
        raise DataError(
            f"{opened.source} takes whole numbers ({opened.whole}), to which pictures of another range than "
            "bytes would be rounded; accepted: --features_input=range=bytes, without mean= and std=."
        )
    fixed = shape[0] if shape else None

    def apply(images: np.ndarray) -> tuple[Any, Any]:
        count = len(images)
        if fixed:  # a network of a fixed number of pictures: the last ones are repeated
            images = np.take(images, np.arange(-(-count // fixed) * fixed), axis=0, mode="clip")
        parts = np.split(images, len(images) // fixed) if fixed else [images]
        rows = np.concatenate([embedded(opened, part, wanted) for part in parts])[:count]
        return rows, np.zeros((count, 0), np.float32)

    _check(apply, opened.source, image_shape)
    settings = wanted.told()
    if opened.whole:
        settings["rounded to"] = opened.whole
    path = Path(source.rstrip("/"))
    stem = f"{path.parent.name}_{path.stem}" if path.stem.isdigit() else path.stem  # of a version
    stem = re.sub(r"\W+", "_", (wanted.name or stem).lower()).strip("_")[:40] or "network"
    digest = hashlib.sha256(json.dumps([opened.identity, settings]).encode()).hexdigest()
    name = f"{stem}_{digest[:HASHED]}"
    return FeatureNetwork(
        name=name, title=name, identity=opened.identity, settings=settings, apply=apply
    )


def beside(source: str) -> Path:
    """The JSON file beside a network."""
    path = of_user(source)
    known = path.suffix in (".keras", ".h5", ".onnx")
    return path.with_suffix(".json") if known else path.with_name(f"{path.name}.json")


def completed(wanted: Preprocessing, shape: Shape, image_shape: tuple[int, ...]) -> Preprocessing:
    """With size, channels and layout as the network's input has them, where they were not given.

    Args:
        wanted: as given.
        shape: of the network's input; () where it is not known.
        image_shape: of the pictures, [H, W, C].
    """
    four = shape if len(shape) == 4 else (None,) * 4
    first = four[1] in (1, 3) and four[3] not in (1, 3)
    layout = wanted.layout or ("nchw" if first else "nhwc")
    height, width, channels = (four[i] for i in ((2, 3, 1) if layout == "nchw" else (1, 2, 3)))
    own = (height or image_shape[0], width or image_shape[1])
    return dataclasses.replace(
        wanted,
        layout=layout,
        size=wanted.size or own,
        channels=wanted.channels or (channels if channels in (1, 3) else 3),
    )


def _are_bytes(mean: Sequence[float], std: Sequence[float]) -> bool:
    """Whether (pixels - mean) / std of pixels in [0, 1] are bytes again once they are rounded."""
    return not any(mean) and all(abs(255 * one - 1) < 1e-3 for one in std)


def _check_channels(wanted: Preprocessing, shape: Shape, source: str) -> None:
    # Keras checks no more than its layers need: one that pools would take rows for channels.
    sides = ", ".join("any" if side is None else str(side) for side in shape)
    of_grey = len(shape) == 3 and wanted.channels == 1  # Keras makes [n, H, W] of [n, H, W, 1]
    if len(shape) not in (0, 4) and not of_grey:
        raise DataError(
            f"{source} takes arrays [{sides}], which pictures [n, H, W, C] are not"
            + (", but of --features_input=channels=1." if len(shape) == 3 else ".")
        )
    there = shape[1 if wanted.layout == "nchw" else 3] if len(shape) == 4 else None
    if there not in (None, wanted.channels):
        raise DataError(
            f"{source} takes arrays [{sides}], which pictures of {wanted.channels} channel"
            f"{'s' * (wanted.channels != 1)} as {wanted.layout} are not; accepted: 1 or 3 channels, as "
            "--features_input=channels= and layout= say."
        )
    for name, numbers in zip(("mean", "std"), wanted.mean_and_std, strict=True):
        if wanted.channels == 1 < len(numbers):
            raise DataError(
                f"{source} gets pictures of 1 channel, and {name} has {len(numbers)} numbers; accepted: one, "
                "as --features_input=mean= and std= say, or a range of one: unit, symmetric, bytes."
            )


def embedded(opened: Opened, images: np.ndarray, wanted: Preprocessing) -> np.ndarray:
    """float32 [n, d] of uint8 pictures [n, H, W, C].

    Raises:
        DataError: the output that was named is not there, or none is named of several; or it is nothing
            that can be pooled.
    """
    outputs = opened.call(prepared(tf.constant(images), wanted))
    name = wanted.output or next(iter(outputs))
    if name not in outputs or (wanted.output is None and len(outputs) > 1):
        raise DataError(
            f"{opened.source} has the outputs {', '.join(sorted(outputs))}; name the embedding by "
            "--features_input=output=NAME."
        )
    rows = np.asarray(outputs[name]).astype(np.float32)
    rows = _pooled(rows, wanted, opened.source)
    rows = rows.reshape(len(rows), -1) if rows.ndim else rows.reshape(1, 1)
    if wanted.normalize:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows


def _pooled(rows: np.ndarray, wanted: Preprocessing, source: str) -> np.ndarray:
    if wanted.pool == "none":
        return rows
    if rows.ndim == 3:
        return rows[:, 0] if wanted.pool == "first" else rows.mean(axis=1)
    if rows.ndim == 4 and wanted.pool == "mean":
        return rows.mean(axis=(2, 3) if wanted.layout == "nchw" else (1, 2))
    takes = "tokens [n, tokens, d]" + ", or a map of places" * (wanted.pool == "mean")
    raise DataError(
        f"{source} gives arrays {list(rows.shape)}, and --features_input=pool={wanted.pool} takes {takes}."
    )


def _check(apply: Any, source: str, image_shape: tuple[int, ...]) -> None:
    wants = "--features_input says what it wants: size, channels, layout, range"
    with network_formats.trying(source, wants):
        rows, _ = apply(np.full((2, *image_shape), 128, np.uint8))
        apply(np.full((3, *image_shape), 128, np.uint8))  # some are traced for a number of pictures
    if len(rows) != 2 or not 1 <= rows.shape[1] <= WIDEST:
        raise DataError(
            f"{source} gives {list(rows.shape)} numbers for 2 pictures; accepted: 1 to {WIDEST:,} for "
            "each (--features_input=output=NAME or pool=mean choose others)."
        )
    if not np.isfinite(rows).all():
        raise DataError(f"{source} gives NaN or inf for grey pictures.")
