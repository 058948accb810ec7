"""How long a step takes on this machine, by its operations and the speed of a product here."""

from __future__ import annotations

import functools
import math
import time

import tensorflow as tf

from wae_tf.settings import devices

#: The part of a large matrix product's speed that a step's products have, of small steps and of large
#: ones, by their operations: 90% to 95% were measured of the wide networks (docs/performance.md), a
#: third to a half of narrow ones.
_OF_PEAK = ((1e10, 0.35), (1e11, 0.9))
#: Seconds of a step that are none of its products', on a CPU and on a GPU.
_BESIDES, _BESIDES_ON_GPU = 1e-3, 3e-4


def operations_a_second() -> float:
    """Of a matrix product in float32 here, in TF32 where TensorFlow is to; measured once a process."""
    return _measured(tf.config.experimental.tensor_float_32_execution_enabled())


@functools.cache
def _measured(tf32: bool) -> float:
    """The best of a few."""
    side = 4096 if devices.has_gpu() else 768
    matrix = tf.random.stateless_uniform((side, side), (0, 0))
    best = math.inf
    for _ in range(4):
        start = time.perf_counter()
        tf.matmul(matrix, matrix)[0, 0].numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def seconds_a_step(step_operations: float) -> float:
    """About how long a step takes on this machine, as busy as it is now."""
    (small, low), (large, high) = _OF_PEAK
    place = math.log(max(step_operations, 1.0) / small) / math.log(large / small)
    part = low + (high - low) * min(max(place, 0.0), 1.0)
    besides = _BESIDES_ON_GPU if devices.has_gpu() else _BESIDES
    return step_operations / (part * operations_a_second()) + besides
