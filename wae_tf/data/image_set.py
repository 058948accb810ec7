"""The images of a data set, and what the readers of data sets share."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf import registry
from wae_tf.data import arrays, headers, keras_files, splits
from wae_tf.data import tfds as tfds_source
from wae_tf.errors import DataError

NUMPY_123 = "official: NumPy shuffle with seed 123"
#: How far below --data_dir a data set is looked for.
_LEVELS, _MOST = 3, 200


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images of one data set, split into train and test, as bytes; or other rows, as float32 [N, ...].

    Attributes:
        name: what --dataset calls it.
        train: uint8 [N, H, W, C], 0 to 255; decoded pictures are a read-only memory map.
        test: uint8 [M, H, W, C], likewise.
        train_labels: int64 [N], or None where the data set has none that we read.
        test_labels: int64 [M], or None.
        split: which split this is, in words.
        source: where the pixels came from, in words.
        skipped: files left out because they could not be read.
        left_out: what else was left out, and why, in words.
        classes: of how many classes the whole data set is, which may be more than those of a few first
            images; 0 where that is not known.
        zero_and_one: whether the files' pixels are 0 and 1, which are 0 and 255 here.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    split: str
    source: str
    skipped: tuple[str, ...] = ()
    left_out: str = ""
    classes: int = 0
    zero_and_one: bool = False

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C); of vectors (d,), of series (t, c), of volumes (d, h, w, c)."""
        return tuple(self.train.shape[1:])

    @property
    def of_pictures(self) -> bool:
        """Whether the rows are pictures, as bytes; others are float32 [N, ...]."""
        return len(self.image_shape) == 3


def layout(name: str) -> str:
    """What --data_dir holds, for messages."""
    return registry.fact("dataset", name, "layout", "")


def pooled(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    test: int,
    source: str,
    label: str = NUMPY_123,
) -> ImageSet:
    """Shuffles NumPy's way with seed 123 and cuts the last `test` images off."""
    order = splits.numpy_order(len(images))
    images, labels = arrays.in_order(images, order), labels[order]
    train, words = splits.cut(len(images), test)
    return ImageSet(
        name, images[:train], images[train:], labels[:train], labels[train:],
        f"{label}, {words}", source,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Parts:
    """Train and test as a data set's files have them.

    Attributes:
        train: uint8 [N, H, W, C].
        test: uint8 [M, H, W, C].
        train_labels: int64 [N].
        test_labels: int64 [M].
        source: where they came from, in words.
        zero_and_one: as of an ImageSet.
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray
    source: str
    zero_and_one: bool = False

    def pooled(self, name: str, test: int) -> ImageSet:
        """Both together, shuffled and cut as the official code does it."""
        images = np.concatenate([self.train, self.test])
        labels = np.concatenate([self.train_labels, self.test_labels])
        of_set = pooled(name, images, labels, test, self.source)
        return dataclasses.replace(of_set, zero_and_one=self.zero_and_one)

    def as_they_are(self, name: str, split: str) -> ImageSet:
        """The files' own train and test."""
        return ImageSet(
            name, self.train, self.test, self.train_labels, self.test_labels, split, self.source,
            zero_and_one=self.zero_and_one,
        )  # fmt: skip


def fetched(name: str, read: Callable[[Path], Parts]) -> ImageSet:
    """A small data set without --data_dir: train and test as TFDS, or else Keras, has them.

    Args:
        name: mnist, fashion_mnist or cifar10.
        read: reads the files that keras.datasets keeps.

    Raises:
        DataError: neither has it, and it cannot be downloaded.
    """
    try:
        builder = tfds_source.prepared_at_home(name)
        kept = None if builder else keras_files.kept(name)
    except tfds_source.NotThere:
        if (kept := keras_files.kept(name)) is None:
            raise
        builder = None
    if builder is None and kept is None:
        try:
            builder = tfds_source.prepare(name)
        except tfds_source.DownloadFailed:
            if (kept := keras_files.download(name)) is None:
                raise
    if builder is not None:
        return from_tfds(name, builder)
    assert kept is not None
    return read(kept).as_they_are(name, "keras.datasets' own train and test")


def from_tfds(name: str, builder: Any) -> ImageSet:
    """Train and test as TFDS has them, of a small data set."""
    train, train_labels = tfds_source.images_and_labels(builder, "train")
    test, test_labels = tfds_source.images_and_labels(builder, "test")
    source = f"TFDS {builder.info.full_name} in {builder.data_dir}"
    parts = Parts(train, test, train_labels, test_labels, source)
    return parts.as_they_are(name, "TFDS's own train and test")


def checked_test_size(test: int, count: int) -> int:
    """The number of test images, if it leaves one for training.

    Raises:
        DataError: it leaves none.
    """
    if not 0 < test < count:
        some = "1 is" if count == 2 else f"1 to {count - 1:,} are"
        raise DataError(
            f"--test_size={test} leaves no training image of {count:,}: {some} accepted."
        )
    return test


def first_file(folder: Path, names: Sequence[str], gzip: bool = True) -> Path | None:
    """The first of these files that is there, unpacked before gzipped.

    Some tools unpack a file into a folder of its name: that is looked into as well.
    """
    names = [*names, *(f"{name}.gz" for name in names if gzip)]
    for name in names:
        if (folder / name).is_file():
            return folder / name
        for inside in names:
            if (folder / name / inside).is_file():
                return folder / name / inside
    return None


def _folders_below(folder: Path) -> list[str]:
    """The folders inside a folder, _LEVELS deep and _MOST at the most, as paths relative to it."""
    found: list[str] = []
    for place, folders, _ in os.walk(folder):
        below = Path(place).relative_to(folder)
        if len(found) >= _MOST:
            break
        if len(below.parts) < _LEVELS:
            folders[:] = sorted(name for name in folders if not name.startswith("."))
        else:
            folders[:] = []
        if below.parts:
            found.append(below.as_posix())
    return found


def most_whole(
    folder: Path,
    usual: Sequence[str],
    parts_in: Callable[[Path], dict[str, Path]],
    count: int,
    may_be: Callable[[str], bool] = lambda below: True,
) -> dict[str, Path]:
    """The files of a data set, by part, where most of them are: in a usual place, or else deeper.

    Args:
        folder: --data_dir.
        usual: the folders below it that downloaders make.
        parts_in: those of the files that are in a folder.
        count: of all parts.
        may_be: whether a folder deeper below, by its path, may hold this data set; one is taken if it
            is the only one that has all parts.
    """
    best = max((parts_in(folder / below) for below in usual), key=len)
    if len(best) == count:
        return best
    deeper = [parts_in(folder / below) for below in _folders_below(folder) if may_be(below)]
    whole = [found for found in deeper if len(found) == count]
    return whole[0] if len(whole) == 1 else best


def wrong_layout(
    name: str, data_dir: Path, more: str = "", inside: Sequence[str] | None = None
) -> DataError:
    """What was found and what is expected.

    Args:
        name: of the data set.
        data_dir: --data_dir.
        more: the end of the sentence.
        inside: the files of a zip, where the data set may come in one.
    """
    if inside is not None:
        entries, none, advice = sorted(inside), "has no files but hidden ones", ""
    elif data_dir.is_file():
        return headers.not_that(data_dir, f"{name} expects {layout(name)}{more}")
    else:
        entries, none = sorted(entry.name for entry in data_dir.iterdir()), "is empty"
        advice = _known_as_other(data_dir, entries)
    found = f"has {', '.join(entries[:5])}" if entries else none
    if len(entries) > 5:
        found += f" and {len(entries) - 5:,} more"
    return DataError(f"{data_dir} {found}: {name} expects {layout(name)}{more}{advice}.")


def _known_as_other(folder: Path, entries: Sequence[str]) -> str:
    """What to do with the only file of a folder, where it is an archive or another's format."""
    files = [name for name in entries if not name.startswith(".")]
    if len(files) != 1 or not (folder / files[0]).is_file():
        return ""
    kind, advice = headers.kind_of(folder / files[0])
    return f"; {files[0]} is {kind}: {advice}" if advice else ""
