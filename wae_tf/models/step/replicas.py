"""What a replica needs of the global batch: its rows, and everybody's codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# What follows is called by a model's step, in the context of a replica or outside of any.


def replicas() -> int:
    """How many replicas share the batch here: 1 outside of a strategy's run."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def index() -> tf.Tensor:
    """The number of this replica, from 0."""
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)


def own_rows(rows: tf.Tensor | None) -> tf.Tensor | None:
    """This replica's part of a tensor [global rows, ...] that all replicas have."""
    count = replicas()
    if count == 1 or rows is None:
        return rows
    size = rows.shape[0] // count if rows.shape[0] else tf.shape(rows)[0] // count
    own = rows[index() * size : (index() + 1) * size]
    return tf.ensure_shape(own, [size if rows.shape[0] else None, *rows.shape[1:]])


def gathered(rows: tf.Tensor | None) -> tf.Tensor | None:
    """All replicas' parts [local rows, ...] in a row: [global rows, ...], differentiable.

    Zero-padded and summed, since all_gather needs a device that several CPU workers do not have.
    """
    count = replicas()
    if count == 1 or rows is None:
        return rows
    size = tf.shape(rows)[0]
    around = [index() * size, (count - 1 - index()) * size]
    padded = tf.pad(rows, [around, *([0, 0] for _ in rows.shape[1:])])
    known = rows.shape[0] and rows.shape[0] * count
    return tf.ensure_shape(summed(padded), [known, *rows.shape[1:]])


def mean(value: tf.Tensor) -> tf.Tensor:
    """The mean over the replicas, differentiable."""
    count = replicas()
    return value if count == 1 else summed(value) / count


def spoiled_together(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients, all NaN where any replica has one that is not finite: all skip that step."""
    if replicas() == 1:
        return gradients
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
    spoiled = summed(tf.where(finite, 0.0, 1.0)) > 0
    return [g * tf.cast(tf.where(spoiled, math.nan, 1.0), g.dtype) for g in gradients]


def summed(value: tf.Tensor) -> tf.Tensor:
    """The sum over the replicas, differentiable."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def train_function(model: keras.Model) -> Callable[[Any], dict[str, tf.Tensor]]:
    """What `fit` calls for the steps of an execution, on all replicas.

    Keras's own averages logs over replicas, which fails across workers; here every replica has the
    same logs, and the first one's are taken.
    """
    strategy = model.distribute_strategy

    def on_all(batch: Any) -> dict[str, tf.Tensor]:
        logs = strategy.run(model.train_step, args=(batch,))
        return {k: strategy.experimental_local_results(v)[0] for k, v in logs.items()}

    step = on_all if model.run_eagerly else tf.function(on_all, reduce_retracing=True)

    def several(iterator: Any) -> dict[str, tf.Tensor]:
        for _ in range(model.steps_per_execution):
            logs = step(next(iterator))
        return logs

    return several
