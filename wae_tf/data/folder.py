"""A folder of the user's own pictures, or a file of images, vectors, series or volumes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wae_tf.data import (
    archives,
    arrays,
    class_folders,
    decoding,
    headers,
    image_set,
    own_arrays,
    own_pictures,
    picture_files,
    ranges,
    vectors,
)
from wae_tf.data.archives import BadPicture, Files
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.data.writer import Accept
from wae_tf.errors import DataError, FlagError
from wae_tf.registry import register

_ARRAYS = (".npy", ".npz")


def _find(data_dir: Path) -> tuple[Files, list[str]] | Path:
    """The pictures of a folder or zip, or a file of arrays.

    Raises:
        DataError: neither is there.
    """
    if data_dir.is_file():
        kind, _ = headers.kind_of(data_dir)
        if kind == "an .npy file" or data_dir.suffix.lower() in _ARRAYS or arrays.is_npz(data_dir):
            return data_dir
        if kind != "a zip":
            raise headers.not_that(data_dir, f"folder expects {layout('folder')}")
    files = archives.open_files(data_dir)
    names = [name for name in files.names if picture_files.is_picture_name(name)]
    if names:
        return files, names
    of_arrays = [name for name in files.names if name.lower().endswith(_ARRAYS)]
    if data_dir.is_file():
        unpack = f"; unpack it and give {of_arrays[0]}" if of_arrays else ""
        more = _without_ending(files) + unpack + _of_runs(files)
        raise image_set.wrong_layout("folder", data_dir, more, files.names)
    if len(of_arrays) == 1 and vectors.file_in(data_dir / of_arrays[0]) is None:
        return data_dir / of_arrays[0]
    more = _without_ending(files) + _of_rows(files) + _of_runs(files)
    raise image_set.wrong_layout("folder", data_dir, more)


def _of_runs(files: Files) -> str:
    """Which folders were not looked into, as runs'."""
    return f"; {own_pictures.of_runs(files)} are no data" if files.runs else ""


def _of_rows(files: Files) -> str:
    """What to do with the only file of vectors, series or volumes, below other folders."""
    found = [name for name in files.names if name.lower().endswith(vectors.ENDINGS)]
    if len(found) != 1 or vectors.file_in(files.where / found[0]) is None:
        return ""
    return f"; give {files.where / found[0]} itself, which holds vectors, series or volumes"


def _without_ending(files: Files) -> str:
    """What to do with pictures whose names have no ending, which are known by it."""
    names = [name for name in files.names if not PurePosixPath(name).suffix]
    if not names:
        return ""
    try:
        ending = f".{picture_files.open_picture(files.read(names[0])).format or ''}".lower()
    except BadPicture:
        return ""
    return f"; {names[0]} is a picture without an ending: name it {PurePosixPath(names[0]).name}{ending}"


def check(data_dir: Path, image_size: int | None, skip_bad_images: bool) -> None:
    """Refuses what has no images, pictures of several sizes and arrays that are none, by headers."""
    if (of_vectors := vectors.file_in(data_dir)) is not None:
        _refuse_of_pictures(of_vectors, image_size, None)
        vectors.check(of_vectors)
        return
    found = _find(data_dir)
    if isinstance(found, Path):
        own_arrays.open_array(found)
        return
    files, names = found
    looks = decoding.look_at_some(files, names, picture_files.look, skip_bad_images)
    if image_size is None and not skip_bad_images:  # else some may be missing
        sizes = [look.size for look in looks]
        own_pictures.check_sizes(files, decoding.some_of(names), sizes)


@register(
    "dataset",
    "folder",
    help="pictures, vectors, series or volumes of your own",
    layout="pictures (jpg, png and whatever else Pillow reads), one .npy or .npz file of images, of "
    "vectors [n, d], of floats [n, t, c] or [n, d, h, w, c], or one .csv file of vectors",
    check=check,
    pixel_range="symmetric",
    flags=("image_size", "channels"),
)
def folder(
    data_dir: Path | None,
    cache_dir: str | None,
    image_size: int | None,
    channels: int | None,
    test_size: int | None,
    skip_bad_images: bool,
    accept: Accept = None,
) -> ImageSet:
    """Anyone's pictures: a folder or zip of them, or an array (grassli, official datahandler.py:615).

    Raises:
        DataError: no `data_dir`, nothing in it that can be read, or options that its files have no use for.
    """
    if data_dir is None:
        raise DataError(f"--dataset=folder needs --data_dir: a folder with {layout('folder')}.")
    if (of_vectors := vectors.file_in(data_dir)) is not None:
        _refuse_of_pictures(of_vectors, image_size, channels)
        rows, words_of_rows = vectors.read(of_vectors)
        if accept is not None:
            accept(rows.shape[1:])
        train, how = _cut(data_dir, len(rows), test_size, "row")
        left_out = arrays.left_out(of_vectors, vectors.are_rows)
        return _image_set(rows, None, train, how, words_of_rows, left_out=left_out)
    found = _find(data_dir)
    if isinstance(found, Path):
        images, words, of_ones = own_arrays.read(found, cache_dir, image_size, channels, accept)
        train, how = _cut(data_dir, len(images), test_size)
        words = [f"array {found}", *words]
        left_out = arrays.left_out(found, arrays.are_images)
        return _image_set(
            images, None, train, how, ", ".join(words), left_out=left_out, zero_and_one=of_ones
        )
    files, names = found
    split = class_folders.split(names)
    parts = [names] if split is None else [split.train, split.test]
    images, facts = own_pictures.decoded(
        files, parts, cache_dir, image_size, channels, skip_bad_images, accept
    )
    order = facts["order"]
    classes = class_folders.labels(parts[0], [] if split is None else split.test)
    words = [f"{sum(map(len, parts)):,} pictures in {files.where}", *facts["words"]]
    if classes:
        words.append(f"{1 + max(classes.values()):,} classes by their folders")
    labels = class_folders.in_order(classes, order) if classes else None
    if split is None:
        train, how = _cut(data_dir, len(images), test_size)
    else:
        of_training = set(split.train)
        train, how = sum(name in of_training for name in order), split.words
    return _image_set(
        images,
        labels,
        train,
        how,
        ", ".join(words),
        skipped=tuple(facts["skipped"]),
        left_out=own_pictures.left_out(files),
        zero_and_one=ranges.ZERO_AND_ONE in facts["words"],
    )


def _refuse_of_pictures(path: Path, image_size: int | None, channels: int | None) -> None:
    for flag, value in (("image_size", image_size), ("channels", channels)):
        if value is not None:
            raise FlagError(
                f"--{flag}={value} is of pictures, and {path} holds vectors, series or volumes; grey "
                "pictures are arrays [n, h, w, 1]."
            )


def _cut(data_dir: Path, count: int, test_size: int | None, what: str = "image") -> tuple[int, str]:
    """How many of the shuffled images are for training, and the split in words."""
    if count < 2:
        raise DataError(f"{data_dir} has {count} {what}: at least 2 are needed.")
    usual = min(10_000, max(2, count // 10), count - 1)
    test = usual if test_size is None else test_size
    train = count - image_set.checked_test_size(test, count)
    return train, f"NumPy shuffle with seed 123, last {test:,} test"


def _image_set(
    images: np.ndarray, labels: np.ndarray | None, train: int, split: str, source: str, **more: Any
) -> ImageSet:
    """Shuffled images, cut after `train` of them; `more` are other fields of an ImageSet."""
    of_train, of_test = (None, None) if labels is None else (labels[:train], labels[train:])
    return ImageSet(
        "folder", images[:train], images[train:], of_train, of_test, split, source, **more
    )
