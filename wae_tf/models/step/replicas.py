"""What a replica needs of the global batch: its rows, and everybody's codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf import console

# What follows is called by a model's step, in the context of a replica or outside of any.


def replicas() -> int:
    """How many replicas share the batch here: 1 outside of a strategy's run."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def count(rows: tf.Tensor) -> int | tf.Tensor:
    """How many rows the global batch has, of which these are a replica's."""
    return (rows.shape[0] or tf.shape(rows)[0]) * replicas()


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


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """All replicas' parts [local rows, ...] in a row: [global rows, ...], differentiable."""
    return rows if replicas() == 1 else _whole(rows, summed(_padded(rows)))


def mean_and_gathered(
    value: tf.Tensor, parts: list[tf.Tensor]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The mean of a scalar over the replicas, and `gathered` parts, in one message; differentiable."""
    count = replicas()
    if count == 1:
        return value, parts
    distinct = list({id(part): part for part in parts}.values())
    total, *whole = summed([value, *map(_padded, distinct)])
    of = {id(part): _whole(part, rows) for part, rows in zip(distinct, whole, strict=True)}
    return total / count, [of[id(part)] for part in parts]


def _padded(rows: tf.Tensor) -> tf.Tensor:
    # Summed afterwards, since all_gather needs a device that several CPU workers do not have.
    size = tf.shape(rows)[0]
    around = [index() * size, (replicas() - 1 - index()) * size]
    return tf.pad(rows, [around, *([0, 0] for _ in rows.shape[1:])])


def _whole(part: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Rows of all replicas, of the shape that a replica's part says."""
    return tf.ensure_shape(rows, [part.shape[0] and part.shape[0] * replicas(), *part.shape[1:]])


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


def summed(value: Any) -> Any:
    """The sum over the replicas, differentiable; tensors of a list, alike in dtype, are one message."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def function(
    model: keras.Model, step: Callable[[Any], dict[str, tf.Tensor]], whole_too: bool = False
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """What `fit` or `evaluate` calls for the steps of an execution, on all replicas.

    Keras's own averages logs over replicas, which fails across workers; here every replica has the
    same logs, and the first one's are taken. TensorFlow may give replicas unequal parts of a last
    batch: they are shared out again.

    Args:
        model: whose strategy, and whose trust in its batches.
        step: of a replica, on its part of a batch.
        whole_too: a batch that replicas cannot share evenly is for one device, as a whole; without
            this it is left out, which is said.
    """
    strategy = model.distribute_strategy

    def on_all(batch: Any) -> dict[str, tf.Tensor]:
        logs = strategy.run(step, args=(batch,))
        return {k: strategy.experimental_local_results(v)[0] for k, v in logs.items()}

    def on_one(batch: Any) -> dict[str, tf.Tensor]:
        with strategy.scope():  # in no replica's context: there the batch is all there is
            return step(batch)

    if not model.run_eagerly:
        on_all, on_one = (
            tf.function(f, reduce_retracing=True, autograph=False) for f in (on_all, on_one)
        )
    logs: dict[str, tf.Tensor] = {}

    def several(iterator: Any) -> dict[str, tf.Tensor]:
        nonlocal logs
        for number in range(model.steps_per_execution):
            try:
                batch = next(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                if number:
                    break
                raise
            if not model.trusts_batches and is_single_process(strategy):
                batch, even = shared(strategy, batch)
                if not even and not whole_too:
                    _tell_of_rest(strategy, batch)
                    continue
                if not even:
                    logs = on_one(batch)
                    continue
            logs = on_all(batch)
        return logs

    return several


def is_single_process(strategy: tf.distribute.Strategy) -> bool:
    """Whether no other process takes part."""
    return strategy.cluster_resolver is None or strategy.cluster_resolver.task_type is None


def parts(strategy: tf.distribute.Strategy, batch: Any) -> list[Any]:
    """What each replica of this process has of a batch; a list of one where it is not spread."""
    leaves = tf.nest.flatten(batch)
    of_leaves = [strategy.experimental_local_results(leaf) for leaf in leaves]
    count = max(map(len, of_leaves))
    return [
        tf.nest.pack_sequence_as(batch, [those[min(i, len(those) - 1)] for those in of_leaves])
        for i in range(count)
    ]


def rows(batch: Any) -> int:
    """How many rows a batch, or a part of one, has."""
    leaves = [leaf for leaf in tf.nest.flatten(batch) if _is_array(leaf) and len(leaf.shape)]
    return max((leaf.shape[0] for leaf in leaves), default=0)


def shared(strategy: tf.distribute.Strategy, batch: Any) -> tuple[Any, bool]:
    """A batch with as many rows on each replica, and True; or, where that cannot be, as a whole."""
    count = strategy.num_replicas_in_sync
    spread = parts(strategy, batch)
    if len(spread) == count and len({rows(part) for part in spread}) == 1:
        return batch, True
    whole = tf.nest.map_structure(
        lambda *leaves: tf.concat(leaves, 0) if _is_array(leaves[0]) else leaves[0], *spread
    )
    size, rest = divmod(rows(whole), count)
    if rest:
        return whole, False

    def own(context: Any) -> Any:
        start = context.replica_id_in_sync_group * size
        return tf.nest.map_structure(
            lambda leaf: leaf[start : start + size] if _is_array(leaf) else leaf, whole
        )

    return strategy.experimental_distribute_values_from_function(own), True


def _is_array(leaf: Any) -> bool:
    return bool(getattr(leaf, "shape", None))


def _tell_of_rest(strategy: tf.distribute.Strategy, batch: Any) -> None:
    console.warn(
        f"a batch of {rows(batch)} images was left out of training, since "
        f"{strategy.num_replicas_in_sync} replicas cannot share it evenly."
    )
