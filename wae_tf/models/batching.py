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


def over_labelled(
    function: Callable[[tf.Tensor, Any], tf.Tensor],
    data: Any,
    labels: Any,
    rank: int,
    batch_size: int | None,
    labelled: bool = True,
) -> tf.Tensor:
    """As `over`, of rows and their labels: a function of both.

    Args:
        function: of rows [n, ...] and labels [n] or [n, k].
        data: as for `over`; a data set may hold the labels, as y.
        labels: [N] or [N, k], or one for all rows; None: those of a data set.
        rank: of a batch of rows.
        batch_size: as for `over`.
        labelled: whether the model has classes; else y of a data set is no label and is left.

    Raises:
        ValueError: as `over`, or not as many labels as rows.
    """
    if not tf.executing_eagerly():
        return function(tf.convert_to_tensor(data), labels)
    if labels is None:
        if not (labelled and isinstance(data, tf.data.Dataset)):
            return over(lambda rows: function(rows, None), data, rank, batch_size)
        data, labels = _both(data, rank, batch_size)
    labels = labels.numpy() if tf.is_tensor(labels) else np.asarray(labels)
    done = 0

    def next_of(rows: Any) -> tf.Tensor:
        nonlocal done
        count = rows.shape[0] if rows.shape else 1
        own = labels[done : done + count] if labels.ndim else np.full(count, labels)
        done += count
        if len(own) != count:
            raise ValueError(f"labels has {len(labels)} rows, and there are more to go with.")
        return function(rows, own)

    made = over(next_of, data, rank, batch_size)
    if labels.ndim and done != len(labels):
        raise ValueError(f"labels has {len(labels)} rows, and there are {done} to go with.")
    return made


def _both(data: tf.data.Dataset, rank: int, batch_size: int | None) -> tuple[Any, Any]:
    """The rows and the labels of a data set of (x, y)."""
    spec = data.element_spec
    if not (isinstance(spec, tuple) and len(spec) > 1):
        raise ValueError(
            "the data set has no labels: give labels=, or a data set of (x, y), y the labels."
        )
    rows = data.map(lambda *parts: (_rows_of(*parts), parts[1]))
    if rows.element_spec[0].shape.rank == rank - 1:
        rows = rows.batch(batch_size or BATCH_SIZE)
    found = np.concatenate([np.asarray(y) for _, y in rows])
    return rows.map(lambda x, y: x), found


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
