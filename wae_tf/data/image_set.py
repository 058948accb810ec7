"""The images of a data set, and what the readers of data sets share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf import registry
from wae_tf.data import splits
from wae_tf.data import tfds as tfds_source
from wae_tf.errors import DataError

_NUMPY_123 = "official: NumPy shuffle with seed 123"


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images of one data set, split into train and test, as bytes.

    Attributes:
        name: what --dataset calls it.
        train: uint8 [N, H, W, C], 0 to 255; decoded pictures are a read-only memory map.
        test: uint8 [M, H, W, C], likewise.
        train_labels: int64 [N], or None where the data set has none that we read.
        test_labels: int64 [M], or None.
        split: which split this is, in words.
        source: where the pixels came from, in words.
        skipped: files left out because they could not be read.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    split: str
    source: str
    skipped: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.train.shape[1:])


def layout(name: str) -> str:
    """What --data_dir holds, for messages."""
    return registry.fact("dataset", name, "layout", "")


def pooled(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    test: int,
    source: str,
    label: str = _NUMPY_123,
) -> ImageSet:
    """Shuffles NumPy's way with seed 123 and cuts the last `test` images off."""
    order = splits.numpy_order(len(images))
    images, labels = images[order], labels[order]
    train, words = splits.cut(len(images), test)
    return ImageSet(
        name, images[:train], images[train:], labels[:train], labels[train:],
        f"{label}, {words}", source,
    )  # fmt: skip


def from_tfds(name: str, builder: Any) -> ImageSet:
    """Train and test as TFDS has them, of a small data set."""
    train, train_labels = tfds_source.images_and_labels(builder, "train")
    test, test_labels = tfds_source.images_and_labels(builder, "test")
    return ImageSet(
        name, train, test, train_labels, test_labels, "TFDS's own train and test",
        f"TFDS {builder.info.full_name} in {builder.data_dir}",
    )  # fmt: skip


def checked_test_size(test: int, count: int) -> int:
    """The number of test images, if it leaves one for training."""
    if not 0 < test < count:
        raise DataError(
            f"--test_size={test} leaves no training image of {count:,}: 1 to {count - 1:,} are "
            "accepted."
        )
    return test


def first_file(folder: Path, names: list[str], gzip: bool = True) -> Path | None:
    """The first of these files that is there, unpacked before gzipped."""
    for name in names + [f"{name}.gz" for name in names if gzip]:
        if (folder / name).is_file():
            return folder / name
    return None


def wrong_layout(name: str, data_dir: Path, more: str = "") -> DataError:
    """What was found and what is expected."""
    if data_dir.is_file():
        found = "is one file that is not that"
    else:
        entries = sorted(entry.name for entry in data_dir.iterdir())
        found = f"has {', '.join(entries[:5])}" if entries else "is empty"
        if len(entries) > 5:
            found += f" and {len(entries) - 5:,} more"
    return DataError(f"{data_dir} {found}: {name} expects {layout(name)}{more}.")
