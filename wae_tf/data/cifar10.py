"""CIFAR-10: its pickled or binary batches, or TFDS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wae_tf.data import formats, image_set, ranges
from wae_tf.data import tfds as tfds_source
from wae_tf.data.image_set import ImageSet, Parts
from wae_tf.errors import DataError
from wae_tf.registry import register

_PARTS = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
#: Sub-folders of the archives, and of Keras's.
_FOLDERS = (
    ".", "cifar-10-batches-py", "cifar-10-batches-bin",
    "cifar-10-batches-py-target/cifar-10-batches-py",
)  # fmt: skip


def _find(data_dir: Path) -> list[Path]:
    """The six batches.

    Raises:
        DataError: some are missing.
    """
    best = image_set.most_whole(data_dir, _FOLDERS, _batches, len(_PARTS))
    missing = [part for part in _PARTS if part not in best]
    if missing:
        raise image_set.wrong_layout("cifar10", data_dir, "; missing: " + ", ".join(missing))
    return [best[part] for part in _PARTS]


def _batches(folder: Path) -> dict[str, Path]:
    """Those of the six that are in a folder, by name."""
    found = {part: image_set.first_file(folder, [part, f"{part}.bin"]) for part in _PARTS}
    return {part: path for part, path in found.items() if path}


def check(data_dir: Path) -> None:
    """Refuses a folder without the batches, and files that are something else."""
    try:
        paths = _find(data_dir)
    except DataError:
        if tfds_source.may_be_in("cifar10", data_dir):
            return
        raise
    for path in paths:
        formats.check_cifar_batch(path)


@register(
    "dataset",
    "cifar10",
    help="photographs of ten kinds of things, 32x32",
    layout="data_batch_1 to data_batch_5 and test_batch (pickled, or .bin)",
    data_dir="folder",
    splits=("own",),
    check=check,
    tfds="cifar10",
    tfds_file="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
)
def cifar10(data_dir: Path | None, split: str = "official") -> ImageSet:
    """CIFAR-10 (official datahandler.py:541-585): its batches, or TFDS."""
    if data_dir is None:
        return image_set.fetched("cifar10", lambda place: _read(_find(place)))
    try:
        paths = _find(data_dir)
    except DataError:
        if (builder := tfds_source.prepared_in("cifar10", data_dir)) is None:
            raise
        return image_set.from_tfds("cifar10", builder)
    parts = _read(paths)
    if split == "own":
        return parts.as_they_are("cifar10", "the batches' own train and test")
    return parts.pooled("cifar10", 1_000)


def _read(paths: list[Path]) -> Parts:
    images, labels = zip(*(formats.read_cifar_batch(path) for path in paths), strict=True)
    pixels, words = ranges.as_bytes(np.concatenate(images), paths[0].parent)
    train = len(pixels) - len(images[-1])
    source = f"CIFAR-10 batches in {paths[0].parent}" + (words and f", {words}")
    return Parts(pixels[:train], pixels[train:], np.concatenate(labels[:-1]), labels[-1], source)
