"""Loads a data set by its name: checks what was asked for, then asks its reader."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf import registry
from wae_tf.config import CROPS, Config
from wae_tf.data import headers, keras_files, tfds
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.data.writer import Accept
from wae_tf.errors import DataError, FlagError
from wae_tf.files import of_user


def load(
    dataset: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | None = None,
    crop: str = "closecrop",
    split: str = "official",
    image_size: int | None = None,
    channels: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    skip_bad_images: bool = False,
    accept: Accept = None,
) -> ImageSet:
    """Loads a data set. Decoding happens once; later calls map the cache.

    Args:
        dataset: a name that is registered; the package's own are the files of wae_tf/data.
        data_dir: folder or file in the official layout (`layout` of its entry), or a folder where TFDS
            has prepared it. None: TFDS's own folder or its download; `digits` needs none.
        cache_dir: where decoded images are kept; None: $WAE_TF_CACHE or ~/.cache/wae_tf.
        crop: celeba: `closecrop` or `resizecrop` (official datahandler.py:194-207), or `squash`
            (replication preprocess.py:20).
        split: `official`; `own`, the files' own train and test (mnist, fashion_mnist, cifar10); or
            `listing`, all images by number, so that the first train_size and the first test_size
            overlap (celeba; replication utils.py:16-19).
        image_size: folder: crop pictures to the centre square and resize to this side; celeba: the
            official crop at this side instead of 64.
        channels: folder: 1 for grey, 3 for colour; None: as the pictures are.
        train_size: keep the first so many training images.
        test_size: keep the first so many test images; for digits and folder, where no test images are
            told apart, the number of test images.
        skip_bad_images: leave out files that cannot be decoded, and list them in `skipped`.
        accept: raises on a shape, (H, W, C) of pictures, that is of no use, before they are decoded.

    Returns:
        The images, uint8 0 to 255, or the rows of data that are no pictures, float32, shuffled and split
        as `split` says.

    Raises:
        DataError: the files are missing, damaged, of another layout, or fewer than asked for.
        FlagError: a value is not accepted whatever the files.
    """
    path = _checked(dataset, data_dir, crop, split, image_size, channels, train_size, test_size)
    with _as_sentence(data_dir or dataset):
        images = _read(
            registry.get("dataset", dataset),
            name=dataset,
            data_dir=path,
            cache_dir=cache_dir,
            crop=crop,
            split=split,
            image_size=image_size,
            channels=channels,
            test_size=test_size,
            skip_bad_images=skip_bad_images,
            accept=accept,
        )
    _check_set(dataset, images)
    return _first(images, train_size, test_size)


def check(
    dataset: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    crop: str = "closecrop",
    split: str = "official",
    image_size: int | None = None,
    channels: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    skip_bad_images: bool = False,
) -> None:
    """What `load` would refuse by paths, layouts and first bytes; imports no TensorFlow.

    A data set without --data_dir is looked for where TFDS and Keras keep theirs.

    Raises:
        DataError: as `load`.
        FlagError: as `load`.
    """
    path = _checked(dataset, data_dir, crop, split, image_size, channels, train_size, test_size)
    look = registry.load("dataset", dataset).facts.get("check")
    if path is None:
        if registry.fact("dataset", dataset, "tfds") and keras_files.kept(dataset) is None:
            tfds.check_home(dataset)
        return
    if look is None:
        return
    with _as_sentence(data_dir):
        _read(
            look,
            name=dataset,
            data_dir=path,
            crop=crop,
            image_size=image_size,
            channels=channels,
            skip_bad_images=skip_bad_images,
        )


@contextlib.contextmanager
def _as_sentence(where: object) -> Iterator[None]:
    """Turns an OSError into a DataError: a folder that may not be looked into, a link to itself."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or where} cannot be read ({error.strerror or error})."
        ) from error


def _checked(
    dataset: str,
    data_dir: str | os.PathLike[str] | None,
    crop: str,
    split: str,
    image_size: int | None,
    channels: int | None,
    train_size: int | None,
    test_size: int | None,
) -> Path | None:
    """The path of --data_dir, if it is there and the data set has one."""
    facts = registry.entry("dataset", dataset).facts
    if crop not in CROPS:
        raise FlagError(f"--crop={crop} is not one of {', '.join(CROPS)}.")
    Config(dataset=dataset, split=split)  # which split goes with which data set
    asked: dict[str, Any] = {"image_size": image_size, "channels": channels}
    asked["crop"] = None if crop == CROPS[0] else crop
    for flag, value in asked.items():
        if value is not None and flag not in facts.get("flags", ()):
            those = " or ".join(registry.having("dataset", "flags", flag))
            raise FlagError(f"--{flag} goes with --dataset={those} only, not {dataset}.")
    if channels not in (None, 1, 3):
        raise FlagError(f"--channels={channels} is not 1 or 3.")
    for flag, value in {
        "image_size": image_size, "train_size": train_size, "test_size": test_size,
    }.items():  # fmt: skip
        if value is not None and value < 1:
            raise FlagError(f"--{flag}={value} must be at least 1.")
    path = None
    # "" is none, as `tfds` and the presets have it.
    if data_dir and facts.get("data_dir") != "none":
        path = of_user(data_dir)
        try:
            there = path.exists()
        except OSError as error:  # a folder above that may not be looked into
            raise DataError(f"--data_dir={data_dir} cannot be read: {error.strerror}.") from error
        if not there:
            raise DataError(
                f"--data_dir={data_dir} does not exist: {dataset} expects {layout(dataset)}."
            )
        if not path.is_dir() and not path.is_file():  # a pipe or a device might never end
            raise DataError(
                f"--data_dir={data_dir} is neither a file nor a folder: {dataset} expects "
                f"{layout(dataset)}."
            )
        if path.is_file() and facts.get("data_dir") == "folder":
            with _as_sentence(data_dir):
                raise headers.not_that(path, f"{dataset} expects a folder with {layout(dataset)}")
    return path


def _read(reader: Callable[..., Any], **settings: Any) -> Any:
    """Calls a reader or its check with those of the settings that it asks for by name."""
    wanted = inspect.signature(reader).parameters
    return reader(**{name: value for name, value in settings.items() if name in wanted})


def _check_set(dataset: str, images: Any) -> None:
    """Refuses what no run could use, from a reader of somebody's own.

    Raises:
        DataError: no ImageSet, rows of another type or of two shapes, or fewer labels than rows.
    """
    expected = "an ImageSet of uint8 [n, H, W, C] or float32 [n, ...] is expected"
    if not isinstance(images, ImageSet):
        raise DataError(f"--dataset={dataset} gives a {type(images).__name__}: {expected}.")
    for part in ("train", "test"):
        rows, labels = getattr(images, part), getattr(images, f"{part}_labels")
        for name, own in ((part, rows), (f"{part}_labels", labels)):
            may_lack = name != part and own is None
            if not (isinstance(own, np.ndarray) or may_lack):
                raise DataError(
                    f"--dataset={dataset} gives a {type(own).__name__} as `{name}`: {expected}, in arrays."
                )
        if (
            rows.dtype.newbyteorder("=") not in (np.uint8, np.float32)
            or rows.shape[1:] != images.image_shape
        ):
            raise DataError(
                f"--dataset={dataset} gives {rows.dtype} {list(rows.shape)} as `{part}`: {expected}, "
                "with rows of one shape."
            )
        of_pictures = registry.fact("dataset", dataset, "pixel_range", "unit") != "any"
        if of_pictures and rows.dtype == np.float32 and rows.ndim == 4 and rows.max(initial=0) > 1:
            raise DataError(
                f"--dataset={dataset} gives pictures as floats up to {rows.max():g} in `{part}`: bytes, "
                "uint8, are expected."
            )
        if labels is not None and len(labels) != len(rows):
            raise DataError(
                f"--dataset={dataset} gives {len(labels):,} labels for {len(rows):,} rows of `{part}`."
            )


def _first(images: ImageSet, train_size: int | None, test_size: int | None) -> ImageSet:
    """The first images of each part."""
    both = [own for own in (images.train_labels, images.test_labels) if own is not None]
    changes: dict[str, Any] = {
        "classes": 1 + max((int(own.max(initial=-1)) for own in both), default=-1)
    }
    words = []
    for part, size in (("train", train_size), ("test", test_size)):
        rows, labels = getattr(images, part), getattr(images, f"{part}_labels")
        if size is None or size == len(rows):
            continue
        if size > len(rows):
            raise DataError(
                f"--{part}_size={size} is more than the {len(rows):,} {part} images of "
                f"{images.name}: at most {len(rows)} is accepted."
            )
        changes[part] = rows[:size]
        changes[f"{part}_labels"] = None if labels is None else labels[:size]
        words.append(f"first {size:,} of {len(rows):,} {part} images")
    if words:
        changes["split"] = "; ".join([images.split, *words])
    return dataclasses.replace(images, **changes)
