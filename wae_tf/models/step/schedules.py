"""Learning-rate and lambda schedules, computed inside the compiled step so that no step waits for Python."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wae_tf.config import milestones, schedule_speed

#: plateau (official wae.py:615-628): epochs before it starts, window of the minimum, patience, divisor,
#: floor.
PLATEAU_START, PLATEAU_WINDOW, PLATEAU_PATIENCE = 30, 20, 10
PLATEAU_DIVISOR, PLATEAU_FLOOR = 1.4, 1e-6

#: adaptive lambda: steps between updates (official wae.py:636-647).
LAMBDA_EVERY = 1000


def decay_table(schedule: str, epochs: int) -> np.ndarray:
    """The factor of the learning rate in each epoch (official wae.py:539-558).

    Args:
        schedule: `constant`, `manual`, `manual_smooth`, `plateau` (1 throughout: its decay
            depends on the losses), a number, or milestones: the product of the factors of those
            reached (torch 1.0's MultiStepLR, replication wae.py:267-274).
        epochs: number of epochs; `manual_smooth` divides by 100 over all of them.

    Returns:
        float64 [epochs].
    """
    epoch = np.arange(epochs, dtype=np.float64)
    speed = schedule_speed(schedule)
    if speed is not None:
        return 10.0 ** (-epoch / speed)
    reached = milestones(schedule)
    if reached is not None:
        return np.prod([np.where(epoch >= start, factor, 1.0) for start, factor in reached], axis=0)
    if schedule == "manual":
        return (
            1.0
            / np.where(epoch >= 30, 2.0, 1.0)
            / np.where(epoch >= 50, 5.0, 1.0)
            / np.where(epoch >= 100, 10.0, 1.0)
        )
    if schedule == "manual_smooth":
        return np.exp(np.log(100.0) / epochs) ** -(epoch + 1.0)
    return np.ones(epochs)


class Plateau:
    """The plateau rule, a batch at a time, with its state in variables (official wae.py:615-628).

    From epoch 30 on, a loss that is below the minimum of the last 20 epochs' losses resets the
    wait; after more than 10 epochs' batches without one the decay is divided by 1.4 (at least 1e-6).
    """

    def __init__(self, add_weight, steps_per_epoch: int):
        self.steps_per_epoch = steps_per_epoch
        window = PLATEAU_WINDOW * steps_per_epoch
        self.losses = add_weight("plateau_losses", (window,), "inf")
        self.wait = add_weight("plateau_wait", (), 0, "int64")
        self.decay = add_weight("plateau_decay", (), 1.0)

    def update(self, step: tf.Tensor, loss: tf.Tensor) -> None:
        """Takes the loss of a step (zero-based) into account."""
        losses = tf.convert_to_tensor(self.losses)
        wait, decay = tf.convert_to_tensor(self.wait), tf.convert_to_tensor(self.decay)
        waited = tf.where(loss < tf.reduce_min(losses), tf.zeros_like(wait), wait + 1)
        out_of_patience = waited > PLATEAU_PATIENCE * self.steps_per_epoch
        started = step // self.steps_per_epoch >= PLATEAU_START
        reduced = tf.maximum(decay / PLATEAU_DIVISOR, PLATEAU_FLOOR)
        self.decay.assign(tf.where(started & out_of_patience, reduced, decay))
        waited = tf.where(out_of_patience, tf.zeros_like(wait), waited)
        self.wait.assign(tf.where(started, waited, wait))
        slot = tf.cast(step % losses.shape[0], tf.int32)
        self.losses.assign(tf.tensor_scatter_nd_update(losses, [[slot]], [loss]))


def adapted_lambda(
    step: tf.Tensor, weight: tf.Tensor, reconstruction: tf.Tensor, penalty: tf.Tensor
) -> tf.Tensor:
    """The adaptive lambda after a step (zero-based): every 1000th is lambda/2 + cost/|penalty|/2."""
    adapted = 0.5 * weight + 0.5 * reconstruction / tf.abs(penalty)
    return tf.where((step + 1) % LAMBDA_EVERY == 0, adapted, weight)
