"""Images for training: load a data set as bytes, and draw batches that are pure functions of (seed, step)."""

from __future__ import annotations

import dataclasses
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf import datasets, streams
from wae_tf.config import DATASETS
from wae_tf.datasets import ImageSet
from wae_tf.errors import DataError, FlagError

__all__ = [
    "DATASETS",
    "DEFAULT_PIXEL_RANGE",
    "ImageSet",
    "batch_indices",
    "batches",
    "index_batches",
    "load",
    "looked_up",
    "row_reader",
    "to_float",
    "to_unit",
]

CROPS = ("closecrop", "resizecrop")

#: The range in which a data set is trained, configs.py's `input_normalize_sym`.
DEFAULT_PIXEL_RANGE = {
    name: "symmetric" if name in ("celeba", "folder") else "unit" for name in DATASETS
}

#: Bytes of images that a tensor may hold: of an array, which is in memory anyway, and of a mapped file,
#: whose rows are read by position instead, so that memory does not grow with the images.
MOST_IN_MEMORY, MOST_MAPPED_IN_MEMORY = 256 << 20, 32 << 20


def load(
    dataset: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | None = None,
    crop: str = "closecrop",
    image_size: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    skip_bad_images: bool = False,
) -> ImageSet:
    """Loads a data set. Decoding happens once; later calls map the cache.

    Args:
      dataset: one of DATASETS.
      data_dir: folder or file in the official layout (datasets.LAYOUTS), or a folder where TFDS
        has prepared it. None: TFDS's own folder or its download; `digits` needs none.
      cache_dir: where decoded images are kept; None: $WAE_TF_CACHE or ~/.cache/wae_tf.
      crop: celeba: `closecrop` or `resizecrop` (datahandler.py:194-207).
      image_size: folder: crop pictures to the centre square and resize to this side.
      train_size: keep the first so many training images.
      test_size: keep the first so many test images; for digits and folder, which have no official
        split, the number of test images.
      skip_bad_images: leave out files that cannot be decoded, and list them in `skipped`.

    Returns:
      The images, uint8 0 to 255, shuffled and split as `split` says.

    Raises:
      DataError: the files are missing, damaged, of another layout, or fewer than asked for.
      FlagError: a value is not accepted whatever the files.
    """
    if dataset not in DATASETS:
        raise FlagError(f"--dataset={dataset} is not one of {', '.join(DATASETS)}.")
    if crop not in CROPS:
        raise FlagError(f"--crop={crop} is not one of {', '.join(CROPS)}.")
    if image_size is not None and dataset != "folder":
        raise FlagError(f"--image_size goes with --dataset=folder only, not {dataset}.")
    for flag, value in {
        "image_size": image_size, "train_size": train_size, "test_size": test_size,
    }.items():  # fmt: skip
        if value is not None and value < 1:
            raise FlagError(f"--{flag}={value} must be at least 1.")
    path = None
    if data_dir is not None and dataset != "digits":
        path = Path(data_dir).expanduser()
        try:
            there = path.exists()
        except OSError as error:  # a folder above that may not be looked into
            raise DataError(f"--data_dir={data_dir} cannot be read: {error.strerror}.") from error
        if not there:
            raise DataError(
                f"--data_dir={data_dir} does not exist: {dataset} expects "
                f"{datasets.LAYOUTS[dataset]}."
            )
        if not path.is_dir() and not path.is_file():  # a pipe or a device might never end
            raise DataError(
                f"--data_dir={data_dir} is neither a file nor a folder: {dataset} expects "
                f"{datasets.LAYOUTS[dataset]}."
            )
        if path.is_file() and dataset in ("mnist", "fashion_mnist", "cifar10"):
            raise DataError(
                f"--data_dir={data_dir} is a file: {dataset} expects a folder with "
                f"{datasets.LAYOUTS[dataset]}."
            )
    try:
        if dataset == "digits":
            images = datasets.digits(test_size)
        elif dataset in ("mnist", "fashion_mnist"):
            images = datasets.mnist(dataset, path)
        elif dataset == "cifar10":
            images = datasets.cifar10(path)
        elif dataset == "celeba":
            images = datasets.celeba(path, cache_dir, crop, skip_bad_images)
        elif dataset == "dsprites":
            images = datasets.dsprites(path, cache_dir)
        else:
            images = datasets.folder(path, cache_dir, image_size, test_size, skip_bad_images)
    except OSError as error:  # a folder within that may not be looked into, a link to itself
        where = error.filename or data_dir or dataset
        raise DataError(f"{where} cannot be read ({error.strerror or error}).") from error
    return _first(images, train_size, test_size)


def _first(images: ImageSet, train_size: int | None, test_size: int | None) -> ImageSet:
    """The first images of each part."""
    changes: dict[str, Any] = {}
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


def batch_indices(seed: int, step: Any, size: int, batch_size: int) -> tf.Tensor:
    """Which images make the batch of a step: distinct, uniform, a pure function of (seed, step).

    As the official code draws them afresh each iteration (wae.py:573), there is no epoch's
    permutation. Runs eagerly, in tf.function and in tf.data; not under XLA (tf.unique).

    Args:
      seed: the run's seed, any int.
      step: the step's number, an int or an integer scalar tensor.
      size: the number of images.
      batch_size: how many to draw.

    Returns:
      int64 [batch_size], values in [0, size).

    Raises:
      DataError: the batch is larger than the data.
    """
    _check_batch(size, batch_size)
    key = streams.key(seed, "batches", step)
    if 4 * batch_size > size:
        # The places of the largest of `size` draws.
        ranks = tf.random.stateless_uniform(
            [size], key, minval=None, maxval=None, dtype=tf.int32, alg="philox"
        )
        return tf.cast(tf.math.top_k(ranks, batch_size).indices, tf.int64)
    # Twice as many draws as needed, duplicates dropped: at batch_size <= size / 4 they fall short
    # with a chance below 1e-20. For that case the first indices stand behind them.
    draws = tf.random.stateless_uniform(
        [2 * batch_size + 32], key, maxval=size, dtype=tf.int64, alg="philox"
    )
    draws = tf.concat([draws, tf.range(batch_size, dtype=tf.int64)], 0)
    return tf.reshape(tf.unique(draws).y[:batch_size], [batch_size])


def fits_in_memory(images_uint8: np.ndarray) -> bool:
    """Whether a tensor may hold the images."""
    mapped = isinstance(_root(images_uint8), np.memmap)
    return images_uint8.nbytes <= (MOST_MAPPED_IN_MEMORY if mapped else MOST_IN_MEMORY)


def _root(images: np.ndarray) -> np.ndarray:
    """The array that this one is a part of."""
    while isinstance(images.base, np.ndarray):
        images = images.base
    return images


def in_memory(images_uint8: np.ndarray) -> np.ndarray | tf.Tensor:
    """The images as a tensor that several `batches` can share; as they are where that is too much."""
    if not fits_in_memory(images_uint8):
        return images_uint8
    with tf.device("/cpu:0"):
        return tf.constant(images_uint8)


def batches(
    images_uint8: np.ndarray | tf.Tensor,
    *,
    batch_size: int,
    seed: int,
    pixel_range: str,
    start_step: int = 0,
    rows: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Endless training batches; element k depends on (seed, start_step + k) alone.

    A run that resumes at a step therefore sees what an uninterrupted one sees.

    Args:
      images_uint8: uint8 [N, H, W, C], an array or from `in_memory`; a large memory map is read by
        rows from its file, so that its pages never count as the process's memory.
      batch_size: images a batch.
      seed: the run's seed, any int.
      pixel_range: `symmetric` or `unit`, see to_float.
      start_step: the first step.
      rows: (first, last): only these rows of each batch, as a worker of several needs them.

    Returns:
      A data set of float32 [batch_size, H, W, C], or [last - first, H, W, C], prefetched.

    Raises:
      DataError: the batch is larger than the data.
    """
    size, shape = len(images_uint8), images_uint8.shape[1:]
    first, last = rows or (0, batch_size)
    _check_batch(size, batch_size)
    _check_range(pixel_range)
    held = images_uint8 if tf.is_tensor(images_uint8) else in_memory(images_uint8)
    if tf.is_tensor(held):

        def gather(indices: tf.Tensor) -> tf.Tensor:
            return tf.gather(held, indices)

    else:
        read = row_reader(images_uint8)

        def gather(indices: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(read, [indices], tf.uint8, stateful=False)

    def batch(step: tf.Tensor) -> tf.Tensor:
        bytes_ = gather(batch_indices(seed, step, size, batch_size)[first:last])
        return to_float(tf.ensure_shape(bytes_, [last - first, *shape]), pixel_range)

    return (
        tf.data.Dataset.counter(start_step)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def index_batches(
    size: int,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    rows: tuple[int, int] | None = None,
    steps: int | None = None,
) -> tf.data.Dataset:
    """The indices that `batches` draws, for a model that holds the images on its device.

    Args:
      size: the number of images.
      batch_size: images a batch.
      seed: the run's seed, any int.
      start_step: the first step.
      rows: (first, last): only these rows of each batch.
      steps: so many batches in an element.

    Returns:
      A data set of int64 [batch_size] or [last - first], with `steps` before it, prefetched.

    Raises:
      DataError: the batch is larger than the data.
    """
    first, last = rows or (0, batch_size)
    _check_batch(size, batch_size)

    def indices(step: tf.Tensor) -> tf.Tensor:
        return batch_indices(seed, step, size, batch_size)[first:last]

    def several(step: tf.Tensor) -> tf.Tensor:
        return tf.stack([indices(step + number) for number in range(steps)])

    return (
        tf.data.Dataset.counter(start_step, steps or 1)
        .map(several if steps else indices, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def looked_up(images_uint8: tf.Tensor, pixel_range: str) -> tf.Tensor:
    """As to_float of a tensor, by a table: on GPUs, where float64 is slow.

    Args:
      images_uint8: uint8 of any shape.
      pixel_range: `symmetric` or `unit`.
    """
    _check_range(pixel_range)
    return tf.gather(tf.constant(_TABLES[pixel_range]), tf.cast(images_uint8, tf.int32))


def row_reader(images: np.ndarray) -> Any:
    """A function int64 [k] -> uint8 [k, H, W, C] that reads rows, a mapped file's by position."""
    root = _root(images)
    mapped = isinstance(root, np.memmap) and images.flags.c_contiguous and hasattr(os, "preadv")
    if not mapped:
        return lambda indices: images[indices]
    address = [a.__array_interface__["data"][0] for a in (images, root)]
    start = root.offset + address[0] - address[1]
    row_shape, row_bytes = images.shape[1:], images[0].nbytes
    file = os.open(root.filename, os.O_RDONLY)

    def read(indices: np.ndarray) -> np.ndarray:
        rows = np.empty((len(indices), *row_shape), np.uint8)
        for place in np.argsort(indices):  # along the file, for disks that turn
            offset = start + int(indices[place]) * row_bytes
            if os.preadv(file, [rows[place]], offset) != row_bytes:
                raise OSError(f"{root.filename} is shorter than it was")
        return rows

    weakref.finalize(read, os.close, file)
    return read


def to_float(images_uint8: Any, pixel_range: str) -> Any:
    """Bytes to the floats that networks see, equal to the official code's (datahandler.py:176, :272, :439).

    Args:
      images_uint8: uint8 of any shape, NumPy array or tensor.
      pixel_range: `symmetric` for [-1, 1], `unit` for [0, 1].

    Returns:
      float32 of the same shape: the official float64 `x / 255` or `(x / 255 - 0.5) * 2`, rounded.
    """
    _check_range(pixel_range)
    if not tf.is_tensor(images_uint8):
        images = np.asarray(images_uint8)
        if images.dtype != np.uint8:
            raise TypeError(f"to_float takes uint8 images, not {images.dtype}")
        return _TABLES[pixel_range][images]
    if images_uint8.dtype != tf.uint8:
        raise TypeError(f"to_float takes uint8 images, not {images_uint8.dtype.name}")
    # float64 on purpose: TensorFlow's optimizer turns a float32 division by a constant into a
    # product that differs for 126 of the 256 bytes.
    images = tf.cast(images_uint8, tf.float64) / 255.0
    return tf.cast((images - 0.5) * 2.0 if pixel_range == "symmetric" else images, tf.float32)


def to_unit(images_float: Any, pixel_range: str) -> Any:
    """Floats of networks to [0, 1], for pictures; what lies outside is clipped.

    Args:
      images_float: floats of any shape, NumPy array or tensor, in `pixel_range`.
      pixel_range: `symmetric` or `unit`.

    Returns:
      float32 of the same shape and kind.
    """
    _check_range(pixel_range)
    tensor = tf.is_tensor(images_float)
    images = tf.cast(images_float, tf.float32) if tensor else np.asarray(images_float, np.float32)
    if pixel_range == "symmetric":
        images = (images + 1.0) * 0.5
    return tf.clip_by_value(images, 0.0, 1.0) if tensor else np.clip(images, 0.0, 1.0)


def _tables() -> dict[str, np.ndarray]:
    unit = np.arange(256) / 255.0
    return {"unit": unit.astype(np.float32), "symmetric": ((unit - 0.5) * 2).astype(np.float32)}


_TABLES = _tables()


def _check_range(pixel_range: str) -> None:
    if pixel_range not in _TABLES:
        raise FlagError(f"--pixel_range={pixel_range} is not one of symmetric, unit.")


def _check_batch(size: int, batch_size: int) -> None:
    if not 1 <= batch_size <= size:
        raise DataError(
            f"--batch_size={batch_size} does not fit {size:,} training images: 1 to {size} is "
            "accepted."
        )
