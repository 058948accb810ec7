"""MNIST and Fashion-MNIST: the official idx files, or TFDS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wae_tf.data import formats, image_set
from wae_tf.data import tfds as tfds_source
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.errors import DataError
from wae_tf.registry import register


@register(
    "dataset",
    "mnist",
    help="handwritten digits",
    layout="the four idx files (train-images-idx3-ubyte and so on, gzipped or not)",
    data_dir="folder",
    splits=("own",),
    tfds="mnist",
    tfds_file="https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
)
@register(
    "dataset",
    "fashion_mnist",
    help="pieces of clothing",
    layout="the four idx files (train-images-idx3-ubyte and so on, gzipped or not)",
    data_dir="folder",
    splits=("own",),
    tfds="fashion_mnist",
    tfds_file="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
)
def mnist(name: str, data_dir: Path | None, split: str = "official") -> ImageSet:
    """MNIST or Fashion-MNIST (official datahandler.py:400-473): idx files, or TFDS."""
    if data_dir is None:
        return image_set.from_tfds(name, tfds_source.prepare(name, layout(name)))
    found = {
        part: image_set.first_file(data_dir, [f"{part}-{kind}-ubyte", f"{part}.{kind}-ubyte"])
        for part, kind in (
            ("train-images", "idx3"), ("train-labels", "idx1"),
            ("t10k-images", "idx3"), ("t10k-labels", "idx1"),
        )
    }  # fmt: skip
    missing = [part for part, path in found.items() if path is None]
    if missing:
        builder = tfds_source.prepared_in(name, data_dir)
        if builder is not None:
            return image_set.from_tfds(name, builder)
        raise image_set.wrong_layout(name, data_dir, "; missing: " + ", ".join(missing))
    arrays = {part: formats.read_idx(path) for part, path in found.items() if path}
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images"], arrays[f"{part}-labels"]
        if images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
            raise DataError(
                f"{found[f'{part}-images']} holds {list(images.shape)}: images of 28x28 are "
                "expected."
            )
        if labels.shape != (len(images),):
            raise DataError(
                f"{found[f'{part}-labels']} holds {list(labels.shape)} labels for "
                f"{len(images):,} images."
            )
    source = f"idx files in {data_dir}"
    if split == "own":
        return ImageSet(
            name,
            arrays["train-images"][..., None],
            arrays["t10k-images"][..., None],
            arrays["train-labels"].astype(np.int64),
            arrays["t10k-labels"].astype(np.int64),
            split="the idx files' own train and test",
            source=source,
        )
    images = np.concatenate([arrays["train-images"], arrays["t10k-images"]])[..., None]
    labels = np.concatenate([arrays["train-labels"], arrays["t10k-labels"]]).astype(np.int64)
    return image_set.pooled(name, images, labels, 10_000, source)
