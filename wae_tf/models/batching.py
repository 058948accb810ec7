"""Data of any length through a function of a batch: what is in memory at once follows from batch_size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models.inputs import image_of, whole
from wae_tf.models.values import NotFiniteError

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
        ValueError: a batch_size below 1, a data set without an end, or no data of a kind above.
    """
    if not tf.executing_eagerly():
        return function(tf.convert_to_tensor(data))
    return _together(_counted(function, _batches(data, rank, _size(batch_size))))


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
        data: as for `over`; a data set may hold the labels, as y. It is gone through once: where it
            shuffles, each time has an order of its own.
        labels: [N] or [N, k], or one for all rows; None: those of a data set.
        rank: of a batch of rows.
        batch_size: as for `over`.
        labelled: whether the model has classes; else y of a data set is no label and is left.

    Raises:
        ValueError: as `over`, or not as many labels as rows.
    """
    if not tf.executing_eagerly():
        return function(tf.convert_to_tensor(data), labels)
    if labels is None and labelled and isinstance(data, tf.data.Dataset):
        pairs = _labelled_batches(data, rank, _size(batch_size))
        return _together(function(rows, own) for rows, own in pairs)
    if labels is None:
        return over(lambda rows: function(rows, None), data, rank, batch_size)
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


def _counted(function: Callable[[Any], tf.Tensor], batches: Iterable[Any]) -> Iterator[tf.Tensor]:
    """function(batch) of each; rows that are not finite are told by their place in the data."""
    done = 0
    for batch in batches:
        try:
            yield function(batch)
        except NotFiniteError as error:
            if not done:
                raise
            raise NotFiniteError(error.name, error.bad, done) from None
        done += batch.shape[0] if batch.shape else 1


def _size(batch_size: int | None) -> int:
    return BATCH_SIZE if batch_size is None else whole("batch_size", batch_size, 1)


def _together(parts: Iterable[tf.Tensor]) -> tf.Tensor:
    made = list(parts)
    if len(made) == 1:
        return made[0]
    if not made:
        raise ValueError("there are no data: the data set is empty.")
    with tf.device("/cpu:0"):
        return tf.concat(made, 0)


def _labelled_batches(data: tf.data.Dataset, rank: int, size: int) -> Iterator[tuple[Any, Any]]:
    """Rows and their labels, of a data set of (x, y)."""
    spec = data.element_spec
    if not (isinstance(spec, tuple) and len(spec) > 1):
        raise ValueError(
            "the data set has no labels: give labels=, or a data set of (x, y), y the labels."
        )
    pairs = _ended(data).map(lambda *parts: (_rows_of(*parts), parts[1]))
    if pairs.element_spec[0].shape.rank == rank - 1:
        pairs = pairs.batch(size)
    for rows, own in pairs:
        own = np.asarray(own)
        if own.shape[:1] != rows.shape[:1]:
            raise ValueError(
                f"a batch of the data set has {rows.shape[0]} rows of x and y of shape {own.shape}: y of "
                "as many rows are accepted."
            )
        yield from zip(_slices(rows, size), _slices(own, size), strict=True)


def _ended(data: tf.data.Dataset) -> tf.data.Dataset:
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("the data set has no end: take(n) of it, or leave repeat() out.")
    return data


def _batches(data: Any, rank: int, size: int) -> Iterator[Any]:
    if isinstance(data, tf.data.Dataset):
        data = _ended(data).map(_rows_of)
        if data.element_spec.shape.rank == rank - 1:
            data = data.batch(size)
        for part in data:
            yield from _slices(part, size)
        return
    if isinstance(data, Mapping):
        data = _rows_of(data)
    if not hasattr(data, "shape"):
        data = as_array(data)
    # One row or anything else that is no batch: the function says what it expects.
    yield from _slices(data, size) if len(data.shape) == rank else (data,)


def as_array(data: Any) -> np.ndarray:
    """A sequence of rows as an array.

    Raises:
        ValueError: an iterator, or parts of several shapes, such as (x, y).
    """
    kept: ValueError | None = None
    if not isinstance(data, Iterator | keras.utils.PyDataset):
        try:
            return np.asarray(data)
        except ValueError as error:
            kept = error
    raise ValueError(
        f"the data are a {type(data).__name__}, and no rows of one shape: an array, a tensor, a list of "
        "rows or a tf.data.Dataset is accepted."
    ) from kept


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
