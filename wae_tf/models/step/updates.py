"""An optimizer and what it moves: loss scaling, replicas, learning rates, updates left out."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models.step import replicas
from wae_tf.models.step.adam import FusedAdam
from wae_tf.networks.builder import float32_by_default
from wae_tf.settings import Settings


def make_optimizer(settings: Settings, learning_rate: float) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name (official wae.py:367-375)."""
    with float32_by_default():
        if settings.optimizer == "sgd":
            return keras.optimizers.SGD(learning_rate)
        return FusedAdam(
            learning_rate,
            beta_1=settings.adam_beta1,
            beta_2=settings.adam_beta2,
            epsilon=settings.adam_epsilon,
        )


def loss_scaled(optimizer: Any, settings: Settings) -> keras.optimizers.Optimizer:
    """The optimizer, wrapped for float16: Keras would wrap the first of a model's two alone.

    Raises:
        ValueError: nothing that Keras makes an optimizer of.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except (KeyError, TypeError):  # a dict of another form; Keras has sentences for the rest
        raise ValueError(
            f"compile was given the optimizer {optimizer!r}; accepted: an optimizer, its name, or what "
            "keras.optimizers.serialize gives of one."
        ) from None
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if settings.precision == "mixed_float16" and not wrapped:
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class Update:
    """One of the updates of a step: an optimizer and the variables that it moves.

    Args:
        optimizer: as `loss_scaled` gives it; it is built here, so that its state can be restored.
        variables: what it moves.
        learning_rate: what `set_rate` multiplies.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: list[keras.Variable],
        learning_rate: float,
    ):
        self.optimizer, self.variables = optimizer, variables
        with tf.init_scope():  # an input of graphs: a program that was compiled serves every rate
            self.learning_rate = tf.constant(learning_rate, tf.float32)
        #: Steps of the model that this optimizer had no part in and that were not left out either.
        self.by_others = 0
        optimizer.build(variables)

    def set_rate(self, factor: tf.Tensor) -> None:
        """Sets the optimizer's learning rate to this factor of the one that it began with."""
        self.optimizer.learning_rate.assign(self.learning_rate * factor)

    def scaled(self, loss: tf.Tensor) -> tf.Tensor:
        """What to take the gradients of, inside the tape.

        Every replica has the global loss, and Keras sums their gradients.
        """
        count = replicas.replicas()
        return self.optimizer.scale_loss(loss if count == 1 else loss / count)

    def apply(self, gradients: list[tf.Tensor]) -> None:
        """Moves the variables by the gradients of `scaled`."""
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras asks each replica of its own gradients, before they are summed.
            gradients = replicas.spoiled_together(gradients)
        self.optimizer.apply(gradients, self.variables)

    def skipped(self, steps: int) -> int:
        """How many of so many updates were left out, since their gradients overflowed half."""
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        if not (scaled and self.variables):
            return 0
        return steps - self.by_others - self._taken()

    def begin(self, steps: int, skipped: int) -> None:
        """Says after how many of the model's steps it begins, and how many were left out until then."""
        self.by_others = steps - skipped - self._taken()

    def _taken(self) -> int:
        """Steps that this optimizer has taken, those included whose gradients it only accumulates."""
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return int(inner.variables[0].numpy())  # `iterations` counts what it accumulates as one
