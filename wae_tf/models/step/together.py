"""Several steps of `fit` as one program of XLA, where a call is to make several."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf.settings import devices


def function(
    model: keras.Model, step: Callable[[Any], dict[str, tf.Tensor]]
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """What `fit` calls for the steps of an execution: the loop over them is inside of the program.

    So weights stay in place between steps, as in a run (`training.programs`); Keras's own function calls a
    program a step. What is left at the end of the data goes by the same program, but on GPUs, where the
    number of steps is a constant of it; a last batch of fewer images goes by another, alone.

    Args:
        model: with `steps_per_execution` above 1, and `running_means`, whose results the step returns.
        step: on a batch.
    """
    fixed = devices.has_gpu()  # else it waits at the end of each step for the host to hear of it
    strategy = model.distribute_strategy  # of one device, in whose scope `fit` may be called

    @tf.function(jit_compile=True, autograph=False)
    def one(batch: Any) -> dict[str, tf.Tensor]:
        strategy.run(step, args=(batch,))
        return model.running_means.results()

    @tf.function(jit_compile=True, autograph=False)
    def several(batches: list[Any], count: tf.Tensor) -> dict[str, tf.Tensor]:
        leaves = [tf.nest.flatten(batch) for batch in batches]  # None: no labels or weights
        stacked = [
            None if same[0] is None else tf.stack(same) for same in zip(*leaves, strict=True)
        ]
        end = len(batches) if fixed else count

        def body(number: tf.Tensor) -> tf.Tensor:
            parts = [None if part is None else part[number] for part in stacked]
            strategy.run(step, args=(tf.nest.pack_sequence_as(batches[0], parts),))
            return number + 1

        tf.while_loop(lambda number: number < end, body, [0], parallel_iterations=1)
        return model.running_means.results()

    def call(iterator: Any) -> dict[str, tf.Tensor]:
        most = model.steps_per_execution
        batches = list(itertools.islice(iterator, most))
        if not batches:
            raise StopIteration
        first = _shapes(batches[0])
        alike = list(itertools.takewhile(lambda batch: _shapes(batch) == first, batches))
        if len(alike) == 1 or (fixed and len(alike) < most):
            alike = []
        logs: dict[str, tf.Tensor] = {}
        if alike:
            filled = alike + [alike[-1]] * (most - len(alike))  # a program takes as many each time
            logs = several(filled, tf.constant(len(alike)))
        for batch in batches[len(alike) :]:
            logs = one(batch)
        return logs

    return call


def _shapes(batch: Any) -> list[Any]:
    return [getattr(part, "shape", None) for part in tf.nest.flatten(batch)]
