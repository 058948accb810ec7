"""How many steps a call of the compiled function makes, and the program that makes them."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.models import operations
from wae_tf.models.wae import Wae

#: Floating-point operations of the steps that one call makes, where --steps_per_execution does not say:
#: a quarter of a second of two cores, or of a GPU at a tenth of an H100's TF32 peak. More than 20 steps
#: a call bring no more.
EXECUTION_ON_CPU, EXECUTION_ON_GPU, MOST_STEPS_PER_EXECUTION = 5e10, 1e13, 20


def largest_divisor(number: int, at_most: int) -> int:
    """The largest divisor of a number that is not above `at_most`."""
    return max(d for d in range(1, min(number, at_most) + 1) if number % d == 0)


def usual_steps_per_execution(model: Wae) -> int:
    """Steps that are over in about a quarter of a second: a signal and the screen wait no longer."""
    config = model.config
    if model.distribute_strategy.num_replicas_in_sync > 1:  # there each step is a call anyway
        return 1
    gpu = bool(tf.config.list_physical_devices("GPU"))
    most = EXECUTION_ON_GPU if gpu else EXECUTION_ON_CPU
    steps = int(most / operations.operations(model, config.batch_size))
    return max(1, min(steps, MOST_STEPS_PER_EXECUTION))


def spans(start: int, total: int, steps_per_epoch: int) -> list[tuple[int, int, int, int]]:
    """What is left from step `start` to `total`: the rest of an epoch, whole ones, a part of one.

    Returns:
        tuples (first step, first epoch, last epoch, steps an epoch), epochs counted from 0, the
        last one excluded.
    """
    found = []
    if start % steps_per_epoch and start < total:
        epoch = start // steps_per_epoch
        end = min((epoch + 1) * steps_per_epoch, total)
        found.append((start, epoch, epoch + 1, end - start))
        start = end
    first, last = start // steps_per_epoch, total // steps_per_epoch
    if last > first:
        found.append((start, first, last, steps_per_epoch))
        start = last * steps_per_epoch
    if start < total:
        found.append((start, last, last + 1, total - start))
    return found
