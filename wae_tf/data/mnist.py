"""MNIST and Fashion-MNIST: the official idx files, Keras's .npz, or TFDS."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from wae_tf.data import arrays, formats, image_set, ranges
from wae_tf.data import tfds as tfds_source
from wae_tf.data.arrays import NpzMember
from wae_tf.data.image_set import ImageSet, Parts
from wae_tf.errors import DataError
from wae_tf.registry import register

_KINDS = (
    ("train-images", "idx3"), ("train-labels", "idx1"),
    ("t10k-images", "idx3"), ("t10k-labels", "idx1"),
)  # fmt: skip
_NPZ = ("x_train", "y_train", "x_test", "y_test")
#: Sub-folders that downloaders make: torchvision's, Keras's, Hugging Face's.
_FOLDERS = {
    "mnist": (".", "raw", "MNIST/raw", "MNIST", "mnist"),
    "fashion_mnist": (".", "raw", "FashionMNIST/raw", "FashionMNIST", "fashion-mnist",
                      "fashion_mnist"),
}  # fmt: skip


def _find(name: str, data_dir: Path) -> Path | dict[str, Path]:
    """Keras's .npz, or the idx files by part.

    Raises:
        DataError: neither is there whole.
    """
    if data_dir.is_file():
        if arrays.is_npz(data_dir):
            return data_dir
        raise image_set.wrong_layout(name, data_dir)
    best = image_set.most_whole(
        data_dir, _FOLDERS[name], _idx_files, len(_KINDS), functools.partial(_is, name)
    )
    npz = image_set.first_file(data_dir, [f"{name}.npz", f"{name.replace('_', '-')}.npz"], False)
    if len(best) == len(_KINDS):
        return best
    if npz is not None:
        return npz
    missing = [part for part, _ in _KINDS if part not in best]
    raise image_set.wrong_layout(name, data_dir, "; missing: " + ", ".join(missing))


def _idx_files(folder: Path) -> dict[str, Path]:
    """Those of the four that are in a folder, by part."""
    names = {
        part: [f"{part}-{kind}-ubyte", f"{part}.{kind}-ubyte", f"{part}-{kind}.ubyte"]
        for part, kind in _KINDS
    }
    found = {part: image_set.first_file(folder, spelled) for part, spelled in names.items()}
    return {part: path for part, path in found.items() if path}


def _is(name: str, folder: str) -> bool:
    """Whether a folder's path does not say that it is another of the data sets in this format."""
    words = folder.lower()
    if name == "fashion_mnist":
        return "fashion" in words or "mnist" not in words
    return not any(other in words for other in ("fashion", "emnist", "kmnist", "qmnist"))


def check(name: str, data_dir: Path) -> None:
    """Refuses files that cannot be these data, by their headers."""
    try:
        found = _find(name, data_dir)
    except DataError:
        if tfds_source.may_be_in(name, data_dir):
            return
        raise
    if isinstance(found, Path):
        shapes = [(found, NpzMember(found, key).shape) for key in (_NPZ[0], _NPZ[2])]
    else:
        shapes = [(p, formats.idx_shape(p)) for part, p in found.items() if "images" in part]
    for path, shape in shapes:
        _check_shape(path, shape)


@register(
    "dataset",
    "mnist",
    help="handwritten digits",
    layout="the four idx files (train-images-idx3-ubyte and so on, gzipped or not), also in MNIST/raw, or "
    "Keras's mnist.npz",
    splits=("own",),
    check=check,
    tfds="mnist",
    tfds_file="https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
)
@register(
    "dataset",
    "fashion_mnist",
    help="pieces of clothing",
    layout="the four idx files (train-images-idx3-ubyte and so on, gzipped or not), also in "
    "FashionMNIST/raw",
    splits=("own",),
    check=check,
    tfds="fashion_mnist",
    tfds_file="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
)
def mnist(name: str, data_dir: Path | None, split: str = "official") -> ImageSet:
    """MNIST or Fashion-MNIST (official datahandler.py:400-473): their files, or TFDS."""
    if data_dir is None:
        return image_set.fetched(name, lambda place: _read(_find(name, place), place))
    try:
        found = _find(name, data_dir)
    except DataError:
        if (builder := tfds_source.prepared_in(name, data_dir)) is None:
            raise
        return image_set.from_tfds(name, builder)
    parts = _read(found, data_dir)
    if split == "own":
        return parts.as_they_are(name, "the idx files' own train and test")
    return parts.pooled(name, 10_000)


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if shape[1:] not in ((28, 28), (28, 28, 1)) or not shape[0]:
        raise DataError(f"{path} holds {list(shape)}: images of 28x28 are expected.")


def _read(found: Path | dict[str, Path], place: Path) -> Parts:
    if isinstance(found, Path):
        rows = {
            part: NpzMember(found, key).whole() for (part, _), key in zip(_KINDS, _NPZ, strict=True)
        }
        paths, source = dict.fromkeys(rows, found), f"the arrays of {found}"
    else:
        rows = {part: formats.read_idx(path) for part, path in found.items()}
        paths, source = found, f"idx files in {place}"
    for part in ("train", "t10k"):
        images, labels = rows[f"{part}-images"], rows[f"{part}-labels"]
        _check_shape(paths[f"{part}-images"], images.shape)
        path = paths[f"{part}-labels"]
        if labels.shape != (len(images),):
            raise DataError(f"{path} holds {list(labels.shape)} labels for {len(images):,} images.")
        rows[f"{part}-labels"] = formats.of_ten_classes(path, labels)
    # Together: what is black and white in one may be so in the other.
    train = len(rows["train-images"])
    both = [rows[f"{part}-images"].reshape(-1, 28, 28, 1) for part in ("train", "t10k")]
    numbers = np.concatenate(both)
    images, words = ranges.as_bytes(numbers, place)
    if words:
        source += f", {words}"
    return Parts(
        images[:train], images[train:], rows["train-labels"], rows["t10k-labels"], source,
        ranges.of_zero_and_one(numbers.dtype, words),
    )  # fmt: skip
