"""How many steps a call of the compiled function makes, and the program that makes them in one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import Config
from wae_tf.models import operations
from wae_tf.models.wae import Wae
from wae_tf.runs import compiled

#: Floating-point operations of the steps that one call makes, where --steps_per_execution does not say:
#: a quarter of a second of two cores, or of a GPU at a tenth of an H100's TF32 peak. More than 20 steps
#: a call bring no more.
CALL_ON_CPU, CALL_ON_GPU, MOST_STEPS_PER_CALL = 5e10, 1e13, 20


@dataclasses.dataclass(frozen=True)
class Length:
    """How long a run is."""

    steps_per_epoch: int
    total: int  # steps

    @classmethod
    def of(cls, config: Config, train_images: int) -> Length:
        """That of the config: epochs of train_images // batch_size steps, cut short by --steps."""
        per_epoch = config.steps_an_epoch(train_images)
        total = config.epochs * per_epoch
        return cls(per_epoch, total if config.steps is None else min(total, config.steps))

    @property
    def epochs(self) -> int:
        """Epochs, a last one that is cut short among them."""
        return -(-self.total // self.steps_per_epoch)

    def until(self, step: int) -> Length:
        """That of a run that ended at a step."""
        return Length(self.steps_per_epoch, step)

    def ends(self, step: int) -> bool:
        """Whether an epoch ends at a step."""
        return step % self.steps_per_epoch == 0 or step == self.total

    def spans(self, start: int) -> list[tuple[int, int, int, int]]:
        """What is left from step `start` on: the rest of an epoch, whole ones, a part of one.

        Returns:
            tuples (first step, first epoch, last epoch, steps an epoch), epochs counted from 0, the
            last one excluded.
        """
        found, per_epoch, total = [], self.steps_per_epoch, self.total
        if start % per_epoch and start < total:
            epoch = start // per_epoch
            end = min((epoch + 1) * per_epoch, total)
            found.append((start, epoch, epoch + 1, end - start))
            start = end
        first, last = start // per_epoch, total // per_epoch
        if last > first:
            found.append((start, first, last, per_epoch))
            start = last * per_epoch
        if start < total:
            found.append((start, last, last + 1, total - start))
        return found


def largest_divisor(number: int, at_most: int) -> int:
    """The largest divisor of a number that is not above `at_most`."""
    return max(d for d in range(1, min(number, at_most) + 1) if number % d == 0)


def usual_steps_per_call(model: Wae, batch_size: int) -> int:
    """Steps that are over in about a quarter of a second: a signal and the screen wait no longer."""
    if model.distribute_strategy.num_replicas_in_sync > 1:  # there each step is a call anyway
        return 1
    gpu = bool(tf.config.list_physical_devices("GPU"))
    most = CALL_ON_GPU if gpu else CALL_ON_CPU
    steps = int(most / operations.operations(model, batch_size))
    return max(1, min(steps, MOST_STEPS_PER_CALL))


def steps_per_call(model: Wae, config: Config, length: Length, start: int) -> tuple[int, int]:
    """How many steps a call makes, and how many it would make if all that is left were divisible.

    Keras runs whole calls only: one that does not divide what is left would overrun it.
    """
    lengths = [steps for *_, steps in length.spans(start)] or [1]
    most = config.steps_per_execution
    if most is None:
        most = usual_steps_per_call(model, config.batch_size)
        lengths.append(config.save_every_steps or 0)  # no save comes late
    return largest_divisor(math.gcd(*lengths), most), most


def make_one_program(model: Wae, most: int) -> None:
    """Lets `fit` take a data set whose elements are all batches [steps, n, ...] of a call.

    XLA then compiles the loop over the steps, not a step: weights stay where they are from step to
    step, and nothing is launched in between. One program serves every number of steps, so resuming
    with another number computes the same, and every seed, so that one that was kept does.

    Args:
        model: whose `program` is set.
        most: the most steps that an element may have.
    """

    @tf.function(jit_compile=True, autograph=False)
    def steps(batches: Any, count: tf.Tensor) -> dict[str, tf.Tensor]:
        def step(number: tf.Tensor) -> tf.Tensor:
            model.train_step(tf.nest.map_structure(lambda part: part[number], batches))
            return number + 1

        with streams.seed_as_input():
            tf.while_loop(lambda number: number < count, step, [0], parallel_iterations=1)
        return model.running_means.results()

    @tf.function(autograph=False)
    def call(iterator: Any) -> dict[str, tf.Tensor]:
        batches = iterator.get_next()
        count = tf.shape(tf.nest.flatten(batches)[0])[0]

        def filled(part: tf.Tensor) -> tf.Tensor:
            rest = [[0, 0]] * (len(part.shape) - 1)
            part = tf.pad(part, [[0, most - count], *rest])
            return tf.ensure_shape(part, [most, *part.shape[1:]])

        return steps(tf.nest.map_structure(filled, batches), count)

    program: Callable[[Any], dict[str, tf.Tensor]] = call
    model.program = program
    model.train_function = None


class KeptPrograms(keras.callbacks.Callback):
    """Keeps what XLA has compiled for the next start of the same training."""

    _due = True

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """After the first call, which compiles."""
        if self._due:
            self._due = False
            compiled.keep()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """After a test, which compiles too."""
        compiled.keep()
