"""Callbacks of the user's own, as if the run were one `fit`, and what of theirs ends it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.errors import KeywordError, RunError, first_line, of_a_file
from wae_tf.models.step.replicas import is_single_process
from wae_tf.training import distribution
from wae_tf.training.programs import Length, steps_done


def listed(callbacks: Any) -> list[keras.callbacks.Callback]:
    """What a caller gives as callbacks: several, one, or None.

    Raises:
        KeywordError: something else.
    """
    if callbacks is None or isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [] if callbacks is None else [callbacks]
    several = isinstance(callbacks, list | tuple)
    for one in callbacks if several else [callbacks]:
        if isinstance(one, keras.callbacks.Callback):
            continue
        found = f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"
        raise KeywordError(
            f"callbacks {'holds' if several else 'is'} {found}; accepted: instances of "
            "keras.callbacks.Callback, in a list."
        )
    return list(callbacks)


class OwnCallbacks(keras.callbacks.Callback):
    """Passes on what Keras tells: one beginning and one end, whatever parts a run is fitted in.

    Args:
        callbacks: any of Keras's or derived from them.
        length: of the run.

    Raises:
        RunError: from `fit`, when a file of theirs cannot be used.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], length: Length):
        super().__init__()
        self.callbacks, self.length = list(callbacks), length
        self._begun = False
        self._before = 0  # steps of the epoch that another process, or a roll back, has left done
        #: Whether callbacks have moved weights between epochs, where other workers do not see it.
        self.moved_weights = False
        self._weights: int | None = None  # a sum of them, where there are others

    def set_model(self, model: keras.Model) -> None:
        """Each knows the model."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Those of the whole run, not of the part that is fitted now."""
        super().set_params(params)
        whole = {"epochs": self.length.epochs, "steps": self.length.steps_per_epoch}
        for callback in self.callbacks:
            callback.set_params((params or {}) | whole)

    def _pass_on(self, hook: str, *args: Any) -> None:
        for callback in self.callbacks:
            try:
                getattr(callback, hook)(*args)
            except (OSError, tf.errors.OpError) as error:  # not to be told of the run's own folder
                name, reason = of_a_file(error) or ("", first_line(error))
                raise RunError(
                    f"the callback {type(callback).__name__} failed: {type(error).__name__}: "
                    f"{name}{': ' * bool(name)}{reason}; what was saved stands, and the same call goes on "
                    "from there."
                ) from error

    def on_train_begin(self, logs: dict | None = None) -> None:
        """At the beginning of the first part."""
        if not self._begun:
            self._begun = True
            self._weights = self._sum()
            self._pass_on("on_train_begin", logs)

    def begin_again(self, epoch: int) -> None:
        """Before the end of an epoch whose steps another process has made: as Keras begins one."""
        self.set_params({"verbose": 0})
        self.on_train_begin()
        self.on_epoch_begin(epoch)

    def end(self) -> None:
        """The run's end, which only its caller knows."""
        if self._begun:
            self._pass_on("on_train_end", None)

    def _sum(self) -> int | None:
        if not self.callbacks or is_single_process(self.model.distribute_strategy):
            return None
        found = 0
        for weight in self.model.weights:
            found = zlib.crc32(weight.numpy().tobytes(), found)
        return found

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """As Keras; one that is gone on with begins inside, and its batches count from there."""
        self._before = self.length.within(int(self.model.step.numpy()))
        self._pass_on("on_epoch_begin", epoch, logs)
        self.moved_weights = self._weights is not None and self._weights != self._sum()
        self._weights = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """As Keras, with the numbers of the test in the logs."""
        self._weights = self._sum()
        self._pass_on("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """As Keras: before a call of the compiled function, of one step or several."""
        self._pass_on("on_train_batch_begin", self._before + batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """As Keras: after such a call; an epoch's last call may be shorter than the others."""
        done = self._before + steps_done(batch, self.params)
        self._pass_on("on_train_batch_end", done - 1, logs)


class FollowChief(keras.callbacks.Callback):
    """Every worker takes the learning rates that the chief's callbacks have set; stands after those.

    Args:
        own: this worker's, none elsewhere than on the chief.

    Raises:
        RunError: from `fit`, where they have moved weights, which stay the chief's.
    """

    def __init__(self, own: OwnCallbacks):
        super().__init__()
        self.own = own

    def _follow(self) -> None:
        optimizers = [self.model.optimizer, getattr(self.model, "adversary_optimizer", None)]
        found = [getattr(optimizer, "learning_rate", None) for optimizer in optimizers]
        rates = [rate for rate in found if isinstance(rate, keras.Variable)]
        if not rates:  # they follow from schedules
            return
        own = np.array([float(rate.numpy()) for rate in rates], np.float64)
        bits = distribution.all_from_chief(
            self.model.distribute_strategy, own.view(np.int64).tolist()
        )
        for rate, before, value in zip(rates, own, np.array(bits).view(np.float64), strict=True):
            if value != before:
                rate.assign(value)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """After `LearningRateScheduler`, and what the epoch's end before has set."""
        if distribution.from_chief(self.model.distribute_strategy, int(self.own.moved_weights)):
            raise RunError(
                "a callback has moved weights, which other workers do not have: with several workers "
                "callbacks may move learning rates and end training."
            )
        self._follow()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Before a call of steps."""
        self._follow()


class EndTogether(keras.callbacks.Callback):
    """Ends training on all workers at the epoch whose end the chief's callbacks asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Nobody has asked yet."""
        self._asked = False

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Other workers go on to the epoch's end, so this one does too."""
        if self.model.stop_training:
            self._asked, self.model.stop_training = True, False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """The chief says."""
        asked = int(self._asked or self.model.stop_training)
        self.model.stop_training = bool(
            distribution.from_chief(self.model.distribute_strategy, asked)
        )
