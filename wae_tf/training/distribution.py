"""Many devices: the strategy that --distribute names, its chief, and data spread over its replicas.

Every replica holds a part of the rows of the global batch, in the order of the replicas. What must
see the whole batch (penalties, pretraining moments, the logged terms) is computed by every replica
from gathered codes, so that all replicas know the same numbers and R replicas give those of one
device.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError, first_line
from wae_tf.models.step.replicas import gathered, index, is_single_process, summed


def make_strategy(config: Config) -> tf.distribute.Strategy:
    """The strategy of --distribute; for `none` TensorFlow's default, which does nothing.

    For `multi_worker` it must be made before anything else of TensorFlow is used; it waits until
    all workers of TF_CONFIG are there.

    Raises:
        FlagError: TF_CONFIG is missing or damaged, or the replicas cannot share the batch evenly.
        RunError: the workers cannot find each other.
    """
    if config.distribute == "none":
        return tf.distribute.get_strategy()
    if config.distribute == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = [d.name for d in gpus or tf.config.list_logical_devices("CPU")]
        # The default collectives fail on several logical CPUs (steps_per_execution, XLA).
        across = None if gpus else tf.distribute.ReductionToOneDevice()
        strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=across)
    else:
        _check_tf_config()
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.OpError as error:
            raise RunError(
                "--distribute=multi_worker: the workers of TF_CONFIG did not come together: "
                f"{first_line(error)}"
            ) from error
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % replicas:
        raise FlagError(
            f"--batch_size={config.batch_size} cannot be shared evenly by {replicas} replicas; "
            f"accepted: multiples of {replicas}."
        )
    return strategy


def _check_tf_config() -> None:
    text = os.environ.get("TF_CONFIG", "")
    example = (
        '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", '
        '"index": 0}}'
    )
    try:
        known = json.loads(text)
        workers, index = known["cluster"]["worker"], known["task"]["index"]
        good = 0 <= index < len(workers) and known["task"]["type"] == "worker"
        good = good and isinstance(workers, list) and all(isinstance(w, str) for w in workers)
        good = good and isinstance(index, int) and not isinstance(index, bool)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise FlagError(
            f"--distribute=multi_worker needs the environment variable TF_CONFIG like {example}, "
            "another index on each worker; worker 0 is the chief."
        )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes checkpoints, figures and metrics."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type is None or resolver.task_id in (0, None)


def from_chief(strategy: tf.distribute.Strategy, number: int) -> int:
    """The chief's number, on every worker."""
    if is_single_process(strategy):
        return number

    @tf.function(autograph=False)
    def agree() -> Any:
        def own() -> tf.Tensor:
            return summed(tf.where(index() == 0, tf.constant(number, tf.int64), 0))

        return strategy.experimental_local_results(strategy.run(own))[0]

    return int(agree())


def barrier(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker is here: a worker that leaves early would look dead to the others."""
    if is_single_process(strategy):
        return

    @tf.function(autograph=False)
    def meet() -> Any:
        return strategy.run(lambda: gathered(tf.zeros([1, 1])))

    meet()


@contextlib.contextmanager
def lost_worker_as_run_error(strategy: tf.distribute.Strategy):
    """Turns the loss of another worker into a sentence.

    Raises:
        RunError: a collective operation failed since a worker is gone.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError,
        tf.errors.InternalError, tf.errors.DeadlineExceededError,
    ) as error:  # fmt: skip
        if is_single_process(strategy):
            raise
        raise RunError(
            "another worker is gone; start all workers again with the same flags to go on from the "
            "last checkpoint."
        ) from error


def distributed_dataset(
    strategy: tf.distribute.Strategy,
    batch_size: int,
    make: Callable[[tuple[int, int]], tf.data.Dataset],
) -> Any:
    """A data set for fit or iteration, each of whose elements is spread over the replicas.

    Args:
        strategy: from `make_strategy`.
        batch_size: rows of the global batch, a multiple of the replicas.
        make: makes the data set of rows [first, last) of every global batch, given (first, last).

    Returns:
        The whole batches' data set for one replica, else a distributed one.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return make((0, batch_size))

    def of_pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        rows = local * batch_size // replicas
        first = context.input_pipeline_id * rows

        # An element a local replica, in turn.
        @tf.autograph.experimental.do_not_convert
        def shared(*parts: tf.Tensor) -> Any:
            several = [tf.reshape(p, [local, rows // local, *p.shape[1:]]) for p in parts]
            return tuple(several) if len(several) > 1 else several[0]

        part = make((first, first + rows)).map(shared)
        return part.unbatch().prefetch(local)

    return strategy.distribute_datasets_from_function(of_pipeline)
