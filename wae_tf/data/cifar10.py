"""CIFAR-10: its pickled or binary batches, or TFDS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wae_tf.data import formats, image_set
from wae_tf.data import tfds as tfds_source
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.registry import register


@register(
    "dataset",
    "cifar10",
    help="photographs of ten kinds of things, 32x32",
    layout="data_batch_1 to data_batch_5 and test_batch (pickled, or .bin)",
    data_dir="folder",
    splits=("own",),
    tfds="cifar10",
    tfds_file="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
)
def cifar10(data_dir: Path | None, split: str = "official") -> ImageSet:
    """CIFAR-10 (official datahandler.py:541-585): its batches, or TFDS."""
    if data_dir is None:
        return image_set.from_tfds("cifar10", tfds_source.prepare("cifar10", layout("cifar10")))
    parts = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for folder in (data_dir, data_dir / "cifar-10-batches-py", data_dir / "cifar-10-batches-bin"):
        found = {
            part: image_set.first_file(folder, [part, f"{part}.bin"], gzip=False) for part in parts
        }
        if any(found.values()):
            break
    missing = [part for part, path in found.items() if path is None]
    if missing:
        builder = tfds_source.prepared_in("cifar10", data_dir)
        if builder is not None:
            return image_set.from_tfds("cifar10", builder)
        raise image_set.wrong_layout("cifar10", data_dir, "; missing: " + ", ".join(missing))
    batches = [formats.read_cifar_batch(path) for path in found.values() if path]
    source = f"CIFAR-10 batches in {folder}"
    if split == "own":
        (train, test), (train_labels, test_labels) = (
            (np.concatenate(arrays[:-1]), arrays[-1]) for arrays in zip(*batches, strict=True)
        )
        words = "the batches' own train and test"
        return ImageSet("cifar10", train, test, train_labels, test_labels, words, source)
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return image_set.pooled("cifar10", images, labels, 1_000, source)
