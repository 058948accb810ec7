"""Several steps of `fit` as one program of XLA, where a call is to make several."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf.settings import devices

#: Steps of a program at most, of which a longer call runs several: XLA's compiling grows faster than they
#: (3,000 took 30 s), and all batches of a program are in memory at once.
MOST_STEPS = 200


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

    def run(batch: Any) -> None:
        # By the strategy, of one device, in whose scope `fit` may be called.
        model.distribute_strategy.run(step, args=(batch,))

    @tf.function(jit_compile=True, autograph=False)
    def one(batch: Any) -> dict[str, tf.Tensor]:
        run(batch)
        return model.running_means.results()

    @tf.function(jit_compile=True, autograph=False)
    def several(batches: list[Any], count: tf.Tensor) -> dict[str, tf.Tensor]:
        whole = tf.nest.map_structure(  # None: no labels or weights
            lambda *same: None if same[0] is None else tf.stack(same), *batches
        )
        loop(run, whole, len(batches) if fixed else count)
        return model.running_means.results()

    def part(batches: list[Any], most: int) -> dict[str, tf.Tensor]:
        """The steps of batches, `most` at most."""
        first = _shapes(batches[0])
        alike = list(itertools.takewhile(lambda batch: _shapes(batch) == first, batches))
        if len(alike) == 1:
            alike = []
        logs: dict[str, tf.Tensor] = {}
        if alike:
            # Where the number is no constant a program takes as many each time.
            filled = alike if fixed else alike + [alike[-1]] * (most - len(alike))
            logs = several(filled, tf.constant(len(alike)))
        for batch in batches[len(alike) :]:
            logs = one(batch)
        return logs

    def call(iterator: Any) -> dict[str, tf.Tensor]:
        left, logs = model.steps_per_execution, None
        most = -(-left // -(-left // MOST_STEPS))  # programs of a call, about alike
        while batches := [as_given(b) for b in itertools.islice(iterator, min(most, left))]:
            left -= len(batches)
            logs = part(batches, most)
        if logs is None:
            raise StopIteration
        return logs

    return call


def loop(step: Callable[[Any], Any], batches: Any, end: int | tf.Tensor) -> None:
    """Steps on the first `end` of batches [k, n, ...], as a loop of the program that is traced."""

    def body(number: tf.Tensor) -> list[tf.Tensor]:
        step(tf.nest.map_structure(lambda part: None if part is None else part[number], batches))
        return [number + 1]

    tf.while_loop(lambda number: number < end, body, [tf.constant(0)], parallel_iterations=1)


def as_given(batch: Any) -> Any:
    """A batch with None for what Keras's data sets have as an empty Optional."""
    return tf.nest.map_structure(
        lambda part: None if isinstance(part, tf.experimental.Optional) else part, batch
    )


def _shapes(batch: Any) -> list[Any]:
    return [getattr(part, "shape", None) for part in tf.nest.flatten(batch)]
