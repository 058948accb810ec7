"""Batches of training images, each a pure function of (seed, step)."""

from __future__ import annotations

import os
import weakref
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.errors import DataError
from wae_tf.pixels import check_range, to_float

#: Bytes of images that a tensor may hold: of an array, which is in memory anyway, and of a mapped file,
#: whose rows are read by position instead, so that memory does not grow with the images.
MOST_IN_MEMORY, MOST_MAPPED_IN_MEMORY = 256 << 20, 32 << 20


def batch_indices(
    seed: int, step: Any, size: int, batch_size: int, stream: str = "batches"
) -> tf.Tensor:
    """Which images make the batch of a step: distinct, uniform, a pure function of (seed, step).

    As the official code draws them afresh each iteration (official wae.py:573), there is no epoch's
    permutation. Runs eagerly, in tf.function and in tf.data; not under XLA (tf.unique).

    Args:
        seed: the run's seed, any int.
        step: the step's number, an int or an integer scalar tensor.
        size: the number of images.
        batch_size: how many to draw.
        stream: of `streams`, what the batches are for.

    Returns:
        int64 [batch_size], values in [0, size).

    Raises:
        DataError: the batch is larger than the data.
    """
    _check_batch(size, batch_size)
    key = streams.key(seed, stream, step)
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


def rows_in_order(step: Any, size: int, batch_size: int) -> tf.Tensor:
    """Which images make the batch of a step where an epoch goes through them in order.

    The last batch of an epoch is a partial one if they do not come out even.

    Args:
        step: the step's number, an int or an integer scalar tensor.
        size: the number of images.
        batch_size: images of a whole batch.

    Returns:
        int64 [batch_size], or fewer.
    """
    _check_batch(size, batch_size)
    start = tf.cast(step, tf.int64) % -(-size // batch_size) * batch_size
    return tf.range(start, tf.minimum(start + batch_size, size))


def comes_out_even(size: int, batch_size: int, order: str) -> bool:
    """Whether all batches are of one size: those that are drawn are; in order, where they divide."""
    return order != "in_order" or size % batch_size == 0


def _indices(
    seed: int, step: Any, size: int, batch_size: int, order: str, stream: str
) -> tf.Tensor:
    """int64 [batch_size], of a known shape where all batches are of one size."""
    if order != "in_order":
        return batch_indices(seed, step, size, batch_size, stream)
    known = batch_size if comes_out_even(size, batch_size, order) else None
    return tf.ensure_shape(rows_in_order(step, size, batch_size), [known])


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


def image_batches(
    images_uint8: np.ndarray | tf.Tensor,
    *,
    batch_size: int,
    seed: int,
    pixel_range: str,
    start_step: int = 0,
    rows: tuple[int, int] | None = None,
    order: str = "random",
    stream: str = "batches",
    labels: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Endless training batches; element k depends on (seed, start_step + k) alone.

    A run that resumes at a step therefore sees what an uninterrupted one sees.

    Args:
        images_uint8: uint8 [N, H, W, C] or floats [N, ...], an array or from `in_memory`; a large memory
            map is read by rows from its file, so that its pages never count as the process's memory.
            Floats are taken as they are.
        batch_size: images a batch.
        seed: the run's seed, any int.
        pixel_range: see to_float.
        start_step: the first step.
        rows: (first, last): only these rows of each batch, as a worker of several needs them.
        order: `random`, as `batch_indices` draws, or `in_order`, as `rows_in_order` says.
        stream: of `streams`, what the batches are for.
        labels: int64 [N], of each image.

    Returns:
        A data set of float32 [batch_size, ...], or [last - first, ...], prefetched; with labels, of
        these and int64 [batch_size].

    Raises:
        DataError: the batch is larger than the data.
    """
    size, shape, dtype = len(images_uint8), images_uint8.shape[1:], images_uint8.dtype
    first, last = rows or (0, batch_size)
    _check_batch(size, batch_size)
    check_range(pixel_range)
    held = images_uint8 if tf.is_tensor(images_uint8) else in_memory(images_uint8)
    reader = None
    if tf.is_tensor(held):

        def gather(indices: tf.Tensor) -> tf.Tensor:
            return tf.gather(held, indices)

    else:
        reader = row_reader(images_uint8)
        # TensorFlow keeps a numpy_function's callable for good: of it, it gets what does not keep the images.
        known = weakref.ref(reader)

        def read(indices: np.ndarray) -> np.ndarray:
            return known()(indices)  # type: ignore[misc]  # the data set, so its iterators, keep it

        def gather(indices: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(read, [indices], dtype, stateful=False)

    def floats(rows: tf.Tensor) -> tf.Tensor:
        return to_float(rows, pixel_range) if rows.dtype == tf.uint8 else tf.cast(rows, tf.float32)

    @tf.autograph.experimental.do_not_convert  # the conversion takes longer than all else here
    def batch(step: tf.Tensor) -> Any:
        rows_of_batch = _indices(seed, step, size, batch_size, order, stream)[first:last]
        made = floats(tf.ensure_shape(gather(rows_of_batch), [*rows_of_batch.shape, *shape]))
        return made if labels is None else (made, tf.gather(tf.constant(labels), rows_of_batch))

    found = tf.data.Dataset.counter(start_step).map(
        batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    found._reader = reader  # what is made of a data set, iterators too, refers to it
    return found.prefetch(tf.data.AUTOTUNE)


def index_batches(
    size: int,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    rows: tuple[int, int] | None = None,
    order: str = "random",
) -> tf.data.Dataset:
    """The indices that `image_batches` takes, for a model that holds the images on its device.

    Args:
        size: the number of images.
        batch_size: images a batch.
        seed: the run's seed, any int.
        start_step: the first step.
        rows: (first, last): only these rows of each batch.
        order: `random` or `in_order`, as there.

    Returns:
        A data set of int64 [batch_size] or [last - first], prefetched.

    Raises:
        DataError: the batch is larger than the data.
    """
    first, last = rows or (0, batch_size)
    _check_batch(size, batch_size)

    @tf.autograph.experimental.do_not_convert
    def indices(step: tf.Tensor) -> tf.Tensor:
        return _indices(seed, step, size, batch_size, order, "batches")[first:last]

    found = tf.data.Dataset.counter(start_step).map(
        indices, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return found.prefetch(tf.data.AUTOTUNE)


def together(found: tf.data.Dataset, steps: int, epoch: int) -> tf.data.Dataset:
    """Batches of one size in elements of several, none of which is of two epochs.

    Args:
        found: endless, from the beginning of an epoch on, or of the rest of one that is gone on with.
        steps: batches of an element.
        epoch: batches of each such epoch, of which the last element has what is left.

    Returns:
        A data set of the same with [k, ...] before each shape, k `steps` at most.
    """
    if epoch % steps == 0:
        return found.batch(steps, drop_remainder=True)
    elements = -(-epoch // steps)

    def element(number: tf.Tensor, batch: Any) -> tf.Tensor:
        return number // epoch * elements + number % epoch // steps

    def size(element: tf.Tensor) -> tf.Tensor:
        last = element % elements == elements - 1
        return tf.where(last, tf.constant(epoch % steps, tf.int64), steps)

    def several(element: tf.Tensor, numbered: tf.data.Dataset) -> tf.data.Dataset:
        return numbered.map(lambda number, batch: batch).batch(steps)

    do_not_convert = tf.autograph.experimental.do_not_convert  # which takes long
    element, size, several = map(do_not_convert, (element, size, several))
    return found.enumerate().group_by_window(element, several, window_size_func=size)


def row_reader(images: np.ndarray) -> Any:
    """A function int64 [k] -> rows [k, ...] that reads rows, a mapped file's by position."""
    root = _root(images)
    in_order = images.flags.c_contiguous and hasattr(os, "preadv")
    if not (isinstance(root, np.memmap) and in_order):
        return lambda indices: images[indices]
    address = [a.__array_interface__["data"][0] for a in (images, root)]
    name, start = str(root.filename), root.offset + address[0] - address[1]
    row_shape, row_bytes = images.shape[1:], images[0].nbytes
    file = os.open(name, os.O_RDONLY)

    def read(indices: np.ndarray) -> np.ndarray:
        rows = np.empty((len(indices), *row_shape), images.dtype)
        for place in np.argsort(indices):  # along the file, for disks that turn
            offset = start + int(indices[place]) * row_bytes
            if os.preadv(file, [rows[place]], offset) != row_bytes:
                raise OSError(f"{name} is shorter than it was")
        return rows

    weakref.finalize(read, os.close, file)
    return read


def _check_batch(size: int, batch_size: int) -> None:
    if not 1 <= batch_size <= size:
        raise DataError(
            f"--batch_size={batch_size} does not fit {size:,} training images: 1 to {size} is "
            "accepted."
        )
