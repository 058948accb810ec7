"""Many devices: the strategy that --distribute names, its chief, and data spread over its replicas.

Every replica holds a part of the rows of the global batch, in the order of the replicas. What must
see the whole batch (penalties, pretraining moments, the logged terms) is computed by every replica
from gathered codes, so that all replicas know the same numbers and R replicas give those of one
device.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import interruption
from wae_tf.console.interruption import Interrupted, Stop
from wae_tf.errors import FlagError, RunError, first_line
from wae_tf.models.step.replicas import index, is_single_process, summed
from wae_tf.training import meeting


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
        meeting.wait(*meeting.cluster())
        try:
            with interruption.by_system():  # TensorFlow answers none while it waits
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


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes checkpoints, figures and metrics."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type is None or resolver.task_id in (0, None)


def from_chief(strategy: tf.distribute.Strategy, number: int) -> int:
    """The chief's number, on every worker."""
    return all_from_chief(strategy, [number])[0]


def all_from_chief(strategy: tf.distribute.Strategy, numbers: Sequence[int]) -> list[int]:
    """The chief's numbers, on every worker; all give as many."""
    if is_single_process(strategy):
        return list(numbers)
    return _asked(strategy, True)(numbers)


def any_of(strategy: tf.distribute.Strategy, facts: Sequence[bool]) -> list[bool]:
    """Of each fact whether it holds on any worker."""
    if is_single_process(strategy):
        return list(facts)
    return [count > 0 for count in _asked(strategy, False)([int(fact) for fact in facts])]


@functools.lru_cache(maxsize=2)
def _asked(
    strategy: tf.distribute.Strategy, of_chief: bool
) -> Callable[[Sequence[int]], list[int]]:
    """Sums numbers over replicas, or gives those of the first; one graph for all that are as many."""

    @tf.function(autograph=False)
    def agree(numbers: tf.Tensor) -> Any:
        def own(numbers: tf.Tensor) -> tf.Tensor:
            given = numbers if not of_chief else tf.where(index() == 0, numbers, 0)
            return summed(tf.identity(given))  # on a replica's device

        return strategy.experimental_local_results(strategy.run(own, args=(numbers,)))[0]

    return lambda numbers: [int(n) for n in agree(tf.constant(numbers, tf.int64)).numpy()]


def barrier(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker is here: a worker that leaves early would look dead to the others."""
    any_of(strategy, [True])


@contextlib.contextmanager
def lost_worker_as_run_error(strategy: tf.distribute.Strategy, stop: Stop) -> Iterator[None]:
    """Turns the loss of another worker into a sentence.

    Raises:
        RunError: a collective operation failed since a worker is gone.
        Interrupted: a signal came here too.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError,
        tf.errors.InternalError, tf.errors.DeadlineExceededError,
    ) as error:  # fmt: skip
        if is_single_process(strategy):
            raise
        if stop.number is not None:
            advice = "the same command on all workers goes on from the last checkpoint."
            raise Interrupted(stop.number, advice) from error
        raise RunError(
            "another worker is gone, and may say why; start all workers again with the same flags, which "
            "begins, or goes on from the last checkpoint."
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
