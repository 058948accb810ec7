"""Learning rates that callbacks of Keras move: both optimizers' move together, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

#: Keras's callbacks that set `model.optimizer.learning_rate`.
SCHEDULERS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
#: Batches of an epoch before which `Watch` looks: a look makes a GPU wait.
LOOKED_AT = 3


class TiedRates:
    """The learning rate of a second optimizer, which moves in proportion to the first's.

    Callbacks know `model.optimizer` alone. Who moves the second, or both, sets the proportion anew.
    """

    def __init__(self, first: keras.optimizers.Optimizer, second: keras.optimizers.Optimizer):
        self.first, self.second = first, second
        rates = [first.learning_rate, second.learning_rate]
        #: Whether both are numbers; one that follows from a schedule of its own cannot be moved.
        self.tied = all(isinstance(rate, keras.Variable) for rate in rates)
        if self.tied:
            # In no checkpoint: it begins with what the optimizers bring.
            self.seen = keras.Variable(
                tf.stack(2 * [tf.cast(tf.convert_to_tensor(rate), tf.float32) for rate in rates]),
                trainable=False,
                dtype="float32",
                aggregation="only_first_replica",
                name="rates_seen",
            )

    def follow(self) -> None:
        """Moves the second as far as the first has been moved since the last call."""
        if not self.tied:
            return
        first, second = (
            tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)
            for optimizer in (self.first, self.second)
        )
        seen_first, seen_second, of_first, of_second = tf.unstack(tf.convert_to_tensor(self.seen))
        set_anew = tf.not_equal(second, seen_second)
        of_first = tf.where(set_anew, first, of_first)
        of_second = tf.where(set_anew, second, of_second)
        moved = tf.not_equal(first, seen_first) & ~set_anew & (of_first > 0)
        second = tf.where(moved, tf.math.divide_no_nan(of_second * first, of_first), second)
        self.second.learning_rate.assign(second)
        self.seen.assign(tf.stack([first, second, of_first, of_second]))


class Watch(keras.callbacks.Callback):
    """Refuses a learning rate that another callback sets where every step sets it.

    One instance stands before the other callbacks and takes notes, its `after` behind them compares.
    """

    def __init__(self, because: str):
        super().__init__()
        self.because, self.noted = because, 0.0
        self.after = _WatchAfter(self)

    def note(self) -> None:
        """Notes the rate before the others are called."""
        self.noted = self.rate()

    def rate(self) -> float:
        """The first optimizer's learning rate now."""
        return float(self.model.optimizer.learning_rate.numpy())

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes it."""
        self.note()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Notes it."""
        self.note()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Notes it, before the first batches."""
        if batch < LOOKED_AT:
            self.note()


class _WatchAfter(keras.callbacks.Callback):
    def __init__(self, before: Watch):
        super().__init__()
        self.before = before

    def _compare(self) -> None:
        if self.before.rate() != self.before.noted:
            raise ValueError(
                f"a callback sets the learning rate, and {self.before.because} would overwrite it at the "
                "next step; leave one of the two out."
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._compare()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._compare()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if batch < LOOKED_AT:
            self._compare()


def watched(model: Any, callbacks: Any) -> Any:
    """The callbacks of a `fit`, checked, with a `Watch` around them where steps set the rates.

    Raises:
        ValueError: one sets learning rates that it cannot set.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        several: Sequence[Any] = callbacks.callbacks
    else:
        several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    several = [callback for callback in several if callback is not None]
    because = _what_sets_rates(model)
    for callback in several:
        if not isinstance(callback, SCHEDULERS):
            continue
        name = type(callback).__name__
        if because:
            raise ValueError(
                f"{because} sets the learning rates at every step and would overwrite what {name} sets: "
                "leave one of the two out."
            )
        tied = model.tied_rates
        if tied is not None and not tied.tied:
            raise ValueError(
                f"{name} cannot move both learning rates, of which one is a LearningRateSchedule: give "
                "compile numbers for both, or schedules for both and no such callback."
            )
    if not because or not several or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    watch = Watch(because)
    return [watch, *several, watch.after]


def _what_sets_rates(model: Any) -> str:
    """The setting by which every step sets the rates, as a keyword; nothing if none does."""
    settings = model.settings
    if settings.lr_schedule != "constant":
        return f"lr_schedule={settings.lr_schedule!r}"
    return "on_nonfinite='rollback'" if model.schedules.set_rates else ""
