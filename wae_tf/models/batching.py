"""Data of any length through a function of a batch: what is in memory at once follows from batch_size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models.inputs import image_of

#: Rows at once where nobody says: under 100 MB of the widest layers of the official networks.
BATCH_SIZE = 256


def over(
    function: Callable[[tf.Tensor], tf.Tensor], data: Any, rank: int, batch_size: int | None
) -> tf.Tensor:
    """function(batch) of all batches, put together.

    Args:
        function: of rows [n, ...], gives as many rows.
        data: NumPy array (a memory map is read piece by piece), tensor, sequence of rows, or a
            tf.data.Dataset of rows or of batches, alone, with labels, or in a dictionary under
            "image". Inside a tf.function: a tensor, taken as a whole.
        rank: of a batch.
        batch_size: rows at once; None: 256. Larger batches of a data set are cut.

    Returns:
        a tensor, in the machine's own memory where there were several batches.

    Raises:
        ValueError: a batch_size below 1, or a data set without an end.
    """
    if not tf.executing_eagerly():
        return function(tf.convert_to_tensor(data))
    size = BATCH_SIZE if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"batch_size={batch_size} is not accepted: 1 up, a whole number.")
    made = [function(batch) for batch in _batches(data, rank, int(size))]
    if len(made) == 1:
        return made[0]
    if not made:
        raise ValueError("there are no data: the data set is empty.")
    with tf.device("/cpu:0"):
        return tf.concat(made, 0)


def _batches(data: Any, rank: int, size: int) -> Iterator[Any]:
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the data set has no end: take(n) of it, or leave repeat() out.")
        data = data.map(_rows_of)
        if data.element_spec.shape.rank == rank - 1:
            data = data.batch(size)
        for part in data:
            yield from _slices(part, size)
        return
    if isinstance(data, Mapping):
        data = _rows_of(data)
    if not hasattr(data, "shape"):
        data = np.asarray(data)
    # One row or anything else that is no batch: the function says what it expects.
    yield from _slices(data, size) if len(data.shape) == rank else (data,)


def _slices(rows: Any, size: int) -> Iterator[Any]:
    count = rows.shape[0]
    if count <= size:
        yield rows
        return
    for start in range(0, count, size):
        yield rows[start : start + size]


def _rows_of(*element: Any) -> Any:
    first = keras.utils.unpack_x_y_sample_weight(element[0] if len(element) == 1 else element)[0]
    return image_of(first, "x")
