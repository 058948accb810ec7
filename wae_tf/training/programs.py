"""How many steps a call of the compiled function makes, and the program that makes them in one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import Config
from wae_tf.data.batches import comes_out_even
from wae_tf.models import operations
from wae_tf.models.step import together
from wae_tf.models.wae import Wae
from wae_tf.runs import compiled
from wae_tf.settings import devices
from wae_tf.training import feeding, pace

#: Floating-point operations of the steps that one call makes on a CPU, where --steps_per_execution does not
#: say: a quarter of a second of two cores. More than 20 steps a call bring no more there.
CALL_ON_CPU, MOST_STEPS_ON_CPU = 5e10, 20
#: On a GPU, by how long a step should take. Between two calls it waits for some milliseconds, as long as it
#: needs for some ten steps of a small network.
SECONDS_OF_CALL, MOST_STEPS_ON_GPU = 0.25, 100
#: Steps of a call above which a GPU is better off with a constant number of them than with more: by what
#: was measured of waiting (docs/performance.md), not tried.
EVEN_ON_GPU = 8
#: Bytes of a call's batches as floats, where the images are too many for the device to hold.
MOST_FED = 256 << 20


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

    def within(self, step: int) -> int:
        """How many steps of its epoch have been made after a step; 0 between epochs."""
        return step % self.steps_per_epoch

    def ends(self, step: int) -> bool:
        """Whether an epoch ends at a step."""
        return not self.within(step) or step == self.total

    def spans(self, start: int) -> list[tuple[int, int, int, int]]:
        """What is left from step `start` on: the rest of an epoch, whole ones, a part of one.

        Returns:
            tuples (first step, first epoch, last epoch, steps an epoch), epochs counted from 0, the
            last one excluded.
        """
        found, per_epoch, total = [], self.steps_per_epoch, self.total
        if self.within(start) and start < total:
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


def usual_steps_per_call(model: Wae, batch_size: int, held: bool = True) -> int:
    """Steps that are over in about a quarter of a second: a signal and the screen wait no longer.

    Args:
        model: built.
        batch_size: images a step.
        held: whether the device holds the images; else a call's batches are fed to it.
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:  # there each step is a call anyway
        return 1
    count = operations.operations(model, batch_size)
    if devices.has_gpu():
        steps, most = int(SECONDS_OF_CALL / pace.seconds_a_step(count)), MOST_STEPS_ON_GPU
    else:
        steps, most = int(CALL_ON_CPU / count), MOST_STEPS_ON_CPU
    if not held:
        most = min(most, MOST_FED // (4 * batch_size * math.prod(model.image_shape)))
    return max(1, min(steps, most))


@dataclasses.dataclass(frozen=True)
class Calls:
    """The calls of the compiled function that a run is made of."""

    each: int  # steps of a call; of an epoch's last one, what is left, where they are uneven
    most: int  # steps that a call may have
    one_program: bool  # whether a call's steps are one program, which takes their batches together
    even: bool = True

    @classmethod
    def of(
        cls, model: Wae, config: Config, length: Length, start: int, images: np.ndarray
    ) -> Calls:
        """Those of what is left of a run.

        Keras's own loop runs whole calls only: one that does not divide an epoch would overrun it. A
        program takes the batches that it is given, so an epoch of a prime number of steps is no slower.

        Args:
            model: built.
            config: of the run.
            length: of the run.
            start: steps that are done.
            images: uint8 [N, H, W, C], to train on.
        """
        lengths = [steps for *_, steps in length.spans(start)] or [1]
        most, saves = config.steps_per_execution, 0
        if most is None:
            held = feeding.device_can_hold(images, one_program=True)
            most = usual_steps_per_call(model, config.batch_size, held)
            saves = config.save_every_steps or 0  # no save comes late
        else:  # of more than an epoch no call is: a program has room for `most` batches, used or not
            most = min(most, max(length.steps_per_epoch, 2))
        # A partial batch is of another shape than the batches that one program takes together.
        one_program = (
            model.usual_jit
            and most > 1
            and model.distribute_strategy.num_replicas_in_sync == 1
            and comes_out_even(len(images), config.batch_size, config.batch_order)
        )
        each, longest = largest_divisor(math.gcd(*lengths, saves), most), max(lengths)
        enough = EVEN_ON_GPU if devices.has_gpu() else most / 2
        if one_program and each <= min(enough, longest / 2):
            if not saves:
                each = -(-longest // -(-longest // most))  # as few calls as can be, about alike
            elif config.save_every == 1:  # saves are counted from each epoch's end, as calls are
                each = min(largest_divisor(saves, most), longest)
        return cls(each, most, one_program, even=not any(n % each for n in lengths))


def take(model: Wae, calls: Calls) -> None:
    """Has a compiled model make these calls from its next `fit` on."""
    model.steps_per_execution, model.train_function = calls.each, None
    if calls.one_program:
        make_one_program(model, calls)


def make_one_program(model: Wae, calls: Calls) -> None:
    """Lets `fit` take a data set whose elements are all batches [steps, n, ...] of a call.

    XLA then compiles the loop over the steps, not a step: weights stay where they are from step to
    step, and nothing is launched in between. On a CPU one program serves every number of steps, so resuming
    with another number computes the same, and every seed, so that one that was kept does. On a GPU the
    number is a constant of the program where all calls have the same: else it waits at the end of each
    step for the host to hear of it.

    Args:
        model: whose `program` is set.
        calls: of the run.
    """
    fixed = devices.has_gpu() and calls.even
    length = calls.each if fixed else calls.most
    names = list(model.running_means.means)

    @tf.function(jit_compile=True, autograph=False)
    def steps(batches: Any, count: tf.Tensor) -> tf.Tensor:
        with streams.seed_as_input():
            together.loop(model.train_step, batches, length if fixed else count)
        means = model.running_means.results()
        return tf.stack([means[name] for name in names])

    @tf.function(autograph=False)
    def call(iterator: Any) -> dict[str, tf.Tensor]:
        batches = iterator.get_next()
        count = tf.shape(tf.nest.flatten(batches)[0])[0]

        def filled(part: tf.Tensor) -> tf.Tensor:
            if not fixed:
                rest = [[0, 0]] * (len(part.shape) - 1)
                part = tf.pad(part, [[0, length - count], *rest])
            return tf.ensure_shape(part, [length, *part.shape[1:]])

        means = steps(tf.nest.map_structure(filled, batches), count)
        with tf.device("CPU:0"):  # Keras reads them one by one: from a GPU each would be waited for
            return dict(zip(names, tf.unstack(tf.identity(means)), strict=True))

    program: Callable[[Any], dict[str, tf.Tensor]] = call
    model.program = program  # which `make_train_function` takes whatever there was


def steps_done(batch: int, params: dict[str, Any]) -> int:
    """Steps of an epoch that are done at the end of a call: Keras counts whole calls.

    Args:
        batch: as `on_train_batch_end` is told.
        params: of a callback, Keras's.
    """
    return min(batch + 1, params["steps"])


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
