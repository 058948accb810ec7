"""Schedules of learning rates and lambda, inside the compiled step: no step waits for Python."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.models.step.state import State
from wae_tf.settings import Settings
from wae_tf.settings.lr_schedules import milestones, schedule_speed

#: plateau (official wae.py:615-627): epochs before it starts, window of the minimum, patience, divisor,
#: floor.
PLATEAU_START, PLATEAU_WINDOW, PLATEAU_PATIENCE = 30, 20, 10
PLATEAU_DIVISOR, PLATEAU_FLOOR = 1.4, 1e-6

#: manual (official wae.py:542-548): from which epoch on it divides by what, besides.
MANUAL = ((30, 2.0), (50, 5.0), (100, 10.0))

#: adaptive lambda: steps between updates (official wae.py:636-647).
LAMBDA_EVERY = 1000


def decay_factor(schedule: str, epochs: int, epoch: tf.Tensor) -> tf.Tensor:
    """The factor of the learning rate in an epoch (official wae.py:540-556).

    Args:
        schedule: `constant`, `manual`, `manual_smooth`, `plateau` (1 throughout: its decay
            depends on the losses), a number, or milestones: the product of the factors of those
            reached (a MultiStepLR has one for all, replication wae.py:265-270).
        epochs: number of epochs; `manual_smooth` divides by 100 over all of them.
        epoch: float64, of any shape, counted from 0; after the last one it stays as it was there.

    Returns:
        float64, of the same shape.
    """
    epoch = tf.minimum(epoch, epochs - 1.0)
    speed = schedule_speed(schedule)
    if speed is not None:
        return tf.pow(tf.constant(10.0, tf.float64), -epoch / speed)
    if schedule == "manual_smooth":
        root = math.exp(math.log(100.0) / epochs)
        return tf.pow(tf.constant(root, tf.float64), -(epoch + 1.0))
    factor = tf.ones_like(epoch)
    if schedule == "manual":
        for start, divisor in MANUAL:
            factor = tf.where(epoch >= start, factor / divisor, factor)
    for start, part in milestones(schedule) or ():
        if start < epochs:  # it may be any whole number
            factor = tf.where(epoch >= start, factor * part, factor)
    return factor


def decay_table(schedule: str, epochs: int) -> np.ndarray:
    """`decay_factor` of each epoch, float64 [epochs]."""
    return decay_factor(schedule, epochs, tf.range(epochs, dtype=tf.float64)).numpy()


class Plateau(State):
    """The plateau rule, a batch at a time, with its state in variables (official wae.py:615-627).

    From epoch 30 on, a loss that is below the minimum of the last 20 epochs' losses resets the
    wait; after more than 10 epochs' batches without one the decay is divided by 1.4 (at least 1e-6).
    """

    def __init__(self, steps_per_epoch: int):
        super().__init__(name="plateau")
        self._begin(steps_per_epoch)

    def _begin(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.recent_losses = self.variable(
            "recent_losses", (PLATEAU_WINDOW * steps_per_epoch,), math.inf
        )
        self.wait = self.variable("wait", (), 0, "int64")
        self.decay = self.variable("decay", (), 1.0)

    def follow(self, steps_per_epoch: int) -> None:
        """Takes epochs of another length, as long as it has seen no loss.

        Raises:
            ValueError: it has.
        """
        if steps_per_epoch == self.steps_per_epoch:
            return
        if tf.reduce_any(tf.math.is_finite(tf.convert_to_tensor(self.recent_losses))):
            raise ValueError(
                f"lr_schedule=plateau keeps the losses of epochs of {self.steps_per_epoch} steps; an "
                f"epoch of {steps_per_epoch} needs a new model, or the same batch_size."
            )
        for name in ("recent_losses", "wait", "decay"):  # all, for they are saved in this order
            delattr(self, name)
        self._begin(steps_per_epoch)

    def update(self, step: tf.Tensor, epoch: tf.Tensor, loss: tf.Tensor) -> None:
        """Takes the loss of a step, in an epoch (both counted from 0), into account."""
        losses = tf.convert_to_tensor(self.recent_losses)
        wait, decay = tf.convert_to_tensor(self.wait), tf.convert_to_tensor(self.decay)
        waited = tf.where(loss < tf.reduce_min(losses), tf.zeros_like(wait), wait + 1)
        out_of_patience = waited > PLATEAU_PATIENCE * self.steps_per_epoch
        started = epoch >= PLATEAU_START
        reduced = tf.maximum(decay / PLATEAU_DIVISOR, PLATEAU_FLOOR)
        self.decay.assign(tf.where(started & out_of_patience, reduced, decay))
        waited = tf.where(out_of_patience, tf.zeros_like(wait), waited)
        self.wait.assign(tf.where(started, waited, wait))
        slot = tf.cast(step % losses.shape[0], tf.int32)
        self.recent_losses.assign(tf.tensor_scatter_nd_update(losses, [[slot]], [loss]))


class Schedules(State):
    """Lambda and the factor of both learning rates, as functions of the step.

    The length of an epoch and their number are those of the training: `set_length`, which `fit`
    calls, must come before a step where the learning rate is not constant.

    Args:
        settings: lr_schedule, lambda_schedule, wae_lambda, on_nonfinite.
    """

    def __init__(self, settings: Settings):
        super().__init__(name="schedules")
        self.settings = settings
        self.wae_lambda = self.variable(
            "wae_lambda", (), settings.wae_lambda, settings.full_precision
        )
        # --on_nonfinite=rollback halves the first and counts in the second.
        self.lr_factor = self.variable("lr_factor", (), 1.0)
        self.rollbacks = self.variable("rollbacks", (), 0, "int64")
        self.length: tuple[int, int] | None = None
        self.length_given = False  # by a caller, so that `fit` leaves it alone
        self.plateau: Plateau | None = None
        self._start = (0, 0)

    @property
    def follow_epochs(self) -> bool:
        """Whether the learning rate depends on the length of an epoch."""
        return self.settings.lr_schedule != "constant"

    @property
    def set_rates(self) -> bool:
        """Whether every step sets the optimizers' learning rates."""
        return self.follow_epochs or self.settings.on_nonfinite == "rollback"

    def set_length(
        self,
        steps_per_epoch: int,
        epochs: int,
        *,
        first_step: int = 0,
        first_epoch: int = 0,
        given: bool = True,
    ) -> None:
        """Says how long the training is.

        Args:
            steps_per_epoch: steps of an epoch.
            epochs: their number, over which manual_smooth spreads.
            first_step: the step at which epoch `first_epoch` begins.
            first_epoch: counted from 0.
            given: leave it so in `fit`, which otherwise sets its own.

        Raises:
            ValueError: a plateau whose window of losses was of another length.
        """
        self.length_given = given
        self.length = (max(1, steps_per_epoch), max(1, epochs))
        self._start = (first_step, first_epoch)
        if self.settings.lr_schedule != "plateau":
            return
        if self.plateau is None:
            self.plateau = Plateau(self.length[0])
        self.plateau.follow(self.length[0])

    def set_length_of_fit(
        self, model: keras.Model, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Says how long a call of `model.fit(*args, **kwargs)` is.

        Raises:
            ValueError: the data do not say how many batches they have.
        """
        call = inspect.signature(keras.Model.fit).bind(model, *args, **kwargs)
        call.apply_defaults()
        asked = call.arguments
        steps = asked["steps_per_epoch"] or batches(
            asked["x"], asked["batch_size"], asked["validation_split"]
        )
        if steps is None:
            raise ValueError(
                f"lr_schedule={self.settings.lr_schedule} needs the number of batches of an epoch, "
                "which the data do not tell: give fit steps_per_epoch."
            )
        self.set_length(
            steps,
            asked["epochs"],
            first_step=int(model.step.numpy()),
            first_epoch=asked["initial_epoch"],
            given=False,
        )

    def epoch(self, step: tf.Tensor) -> tf.Tensor:
        """The epoch of a step, both counted from 0.

        Raises:
            ValueError: no length of an epoch is known.
        """
        if self.length is None:
            raise ValueError(
                f"lr_schedule={self.settings.lr_schedule} needs the length of an epoch: `fit` sets "
                "it; in a loop of your own call model.schedules.set_length(steps_per_epoch, epochs)."
            )
        first_step, first_epoch = self._start
        return (step - first_step) // self.length[0] + first_epoch

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """The factor of both learning rates at a step, without that of rollbacks."""
        if not self.follow_epochs:
            return tf.constant(1.0)
        if self.plateau is not None:
            return tf.convert_to_tensor(self.plateau.decay)
        epoch = tf.cast(self.epoch(step), tf.float64)  # raises where no length is known
        schedule, (_, epochs) = self.settings.lr_schedule, self.length or (1, 1)
        return tf.cast(decay_factor(schedule, epochs, epoch), tf.float32)

    def rate(self, step: tf.Tensor) -> tf.Tensor:
        """The factor of both learning rates at a step."""
        return self.decay(step) * tf.convert_to_tensor(self.lr_factor)

    def note(self, step: tf.Tensor, terms: dict[str, tf.Tensor]) -> None:
        """Takes a step's terms into account: the plateau, and the adaptive lambda."""
        if self.plateau is not None:
            self.plateau.update(step, self.epoch(step), tf.cast(terms["loss"], tf.float32))
        if self.settings.lambda_schedule == "adaptive":
            weight = tf.convert_to_tensor(self.wae_lambda)
            self.wae_lambda.assign(
                adapted_lambda(step, weight, terms["reconstruction"], terms["penalty"])
            )


def batches(x: Any, batch_size: int | None, validation_split: float = 0.0) -> int | None:
    """How many batches `fit` makes of x in an epoch; None where x does not say."""
    if isinstance(x, tf.data.Dataset | tf.distribute.DistributedDataset):
        count = int(x.cardinality() if callable(x.cardinality) else x.cardinality)
        return count if count > 0 else None
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    if hasattr(x, "shape"):
        rows = int(x.shape[0] * (1 - (validation_split or 0)))
        return math.ceil(rows / (batch_size or 32))  # Keras's batch size
    return len(x) if hasattr(x, "__len__") else None


def adapted_lambda(
    step: tf.Tensor, weight: tf.Tensor, reconstruction: tf.Tensor, penalty: tf.Tensor
) -> tf.Tensor:
    """The adaptive lambda after a step (zero-based): every 1000th is lambda/2 + cost/|penalty|/2.

    A step without a penalty leaves it as it is.
    """
    adapted = 0.5 * weight + 0.5 * reconstruction / tf.abs(penalty)
    due = ((step + 1) % LAMBDA_EVERY == 0) & tf.not_equal(penalty, 0.0)
    return tf.where(due, adapted, weight)
