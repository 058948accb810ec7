"""Keras's loops over batches: the first is looked at, replicas share each, and images count alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import console
from wae_tf.models import calls, inputs, labels
from wae_tf.models.compiling import CompiledAutoencoder
from wae_tf.models.looking import Looking
from wae_tf.models.step import rates, replicas, together
from wae_tf.models.step.running_means import RunningMeans


class Loop(CompiledAutoencoder):
    """What `keras.Model.fit`, `evaluate` and `predict` ask of a model with steps of its own."""

    #: Whether batches are taken as they are: `training.feeding` says so of its own, which are right.
    trusts_batches = False
    #: What `fit` runs instead of Keras's loop over steps: `training.programs` sets it.
    program: Callable[[Any], dict[str, tf.Tensor]] | None = None
    train_function: Any  # Keras's, as are the next two
    test_function: Any
    predict_function: Any
    running_means: RunningMeans
    weighs_classes = False  #: whether `fit` was given a class_weight
    _told_of_penalty = False

    # Methods of keras.Model.

    @calls.as_keras(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`; a learning rate that is not constant follows its epochs.

        Raises:
            ValueError: data that the model cannot take; such a schedule, and data whose length is not
                known, or a callback that sets learning rates too.
        """
        asked = calls.bound(keras.Model.fit, self, args, kwargs)
        if not self.trusts_batches:
            asked["class_weight"] = calls.usable_class_weight(self, asked)
            self._check_labels(asked, "fit")
            calls.make_usable(asked, "fit")
            calls.check_whole_calls(self, asked, "steps_per_epoch", "x")
            calls.check_whole_calls(self, asked, "validation_steps", "validation_data")
            tested = asked["validation_data"]
            if isinstance(tested, list | tuple) and len(tested) in (2, 3):
                self._check_labels({"x": tested[0], "y": tested[1]}, "validation_data")
            asked["validation_data"] = calls.usable_validation(tested, asked["validation_steps"])
            self.weighs_classes = asked["class_weight"] is not None
            self._look_at("train_function", "fit")
            self._look_at("test_function", "validation_data")
        if self.schedules.follow_epochs and not self.schedules.length_given:
            one = {"x": inputs.image_of(asked["x"], "x of fit")}
            self.schedules.set_length_of_fit(self, (), asked | one)
            self.train_function = None  # where it begins and ends are constants of it
        asked["callbacks"] = rates.watched(self, asked["callbacks"])
        if self.adversary_optimizer is not None:
            asked["callbacks"] = _with_finalizing(self, asked["callbacks"])
        with calls.naming_loaders(asked):
            history = super().fit(**asked)
        if self.tied_rates is not None and not self.schedules.set_rates:
            self.tied_rates.follow()  # what was moved after the last step
        self._tell_of_penalty()
        return history

    @calls.as_keras(keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`: means over all images, in the order of `metrics_names`.

        Raises:
            ValueError: something that the model cannot take.
        """
        asked = calls.bound(keras.Model.evaluate, self, args, kwargs)
        within_fit = asked.pop("kwargs", {})
        if not within_fit:
            self._check_labels(asked, "evaluate")
            calls.make_usable(asked, "evaluate")
            calls.check_whole_calls(self, asked, "steps", "x")
            self._look_at("test_function", "evaluate")
        with calls.naming_loaders(asked):
            found = super().evaluate(**asked, **within_fit)
        self._tell_of_penalty()
        return found

    @calls.as_keras(keras.Model.predict)
    def predict(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """As `keras.Model.predict`: the reconstructions.

        Raises:
            ValueError: something that the model cannot take.
        """
        asked = calls.bound(keras.Model.predict, self, args, kwargs)
        calls.make_usable(asked, "predict")
        calls.check_whole_calls(self, asked, "steps", "x")
        self._look_at("predict_function", "predict")
        with calls.naming_loaders(asked):
            return super().predict(**asked)

    @calls.as_keras(keras.Model.train_on_batch)
    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`; every batch is looked at."""
        calls.usable_class_weight(self, calls.bound(keras.Model.train_on_batch, self, args, kwargs))
        self.weighs_classes = False  # looked at above
        self._look_at("train_function", "train_on_batch")
        return super().train_on_batch(*args, **kwargs)

    @calls.as_keras(keras.Model.test_on_batch)
    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`; every batch is looked at."""
        self._look_at("test_function", "test_on_batch")
        return super().test_on_batch(*args, **kwargs)

    @calls.as_keras(keras.Model.predict_on_batch)
    def predict_on_batch(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """As `keras.Model.predict_on_batch`; every batch is looked at."""
        self._look_at("predict_function", "predict_on_batch")
        made = super().predict_on_batch(*args, **kwargs)
        return made[: len(made) // self._replicas]  # each replica has made the whole

    def predict_step(self, batch: Any) -> tf.Tensor:
        """The reconstructions of a batch, of which nothing but the images is used."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        own = {"labels": y} if self.settings.classes else {}
        return self(inputs.as_images(self, inputs.image_of(x, "x"), "x"), **own)

    def _check_labels(self, asked: dict[str, Any], what: str) -> None:
        """Looks at all labels of a model with classes, which are known; a weight alone makes none up.

        Raises:
            ValueError: they cannot be used.
        """
        y, of_arrays = asked["y"], hasattr(inputs.image_of(asked["x"], f"x of {what}"), "shape")
        if self.settings.classes and (of_arrays or y is not None):
            labels.one_hot(self, y, f"y of {what}, the labels,")

    # The compiled functions.

    def make_train_function(self, force: bool = False) -> Callable[[Any], dict[str, tf.Tensor]]:
        """Keras's compiled step; one for many replicas; of several steps; or the program that was set."""
        if self.program is not None:
            self.train_function = self.program  # its batches are together
        elif self.train_function is None or force:
            self.train_function = Looking(self, "train_function")
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[[Any], dict[str, tf.Tensor]]:
        """As `make_train_function`; what replicas cannot share is tested on one device."""
        if self.test_function is None or force:
            self.test_function = Looking(self, "test_function")
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Callable[[Any], tf.Tensor]:
        """Keras's compiled reconstruction."""
        if self.predict_function is None or force:
            self.predict_function = Looking(self, "predict_function")
        return self.predict_function

    def _function(self, name: str) -> Callable:
        if self._replicas > 1 and name != "predict_function":
            train = name == "train_function"
            step = self.train_step if train else self.test_step
            return replicas.function(self, step, whole_too=not train)
        if name == "train_function" and self._several_in_one:
            return together.function(self, self.train_step)
        kept = getattr(self, name)
        getattr(super(), f"make_{name}")(force=True)
        found = getattr(self, name)
        setattr(self, name, kept)
        return found

    @property
    def _several_in_one(self) -> bool:
        """Whether the steps of a call are one program: XLA's, and of a step whose logs are known."""
        where = next(cls for cls in type(self).__mro__ if "train_step" in vars(cls)).__module__
        known = where.startswith("wae_tf.") and "train_step" not in vars(self)
        several = self.steps_per_execution > 1 and not self.run_eagerly
        return known and several and self.jit_compile

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # Keras would take a first batch away, and of replicas the mean of its parts, which may differ
        # in size; everything is built by the constructor.
        return

    @property
    def least_codes(self) -> int:
        """The fewest codes that the penalty is of; of fewer it is left out."""
        return 1

    @property
    def _replicas(self) -> int:
        return self.distribute_strategy.num_replicas_in_sync

    def _look_at(self, name: str, method: str) -> None:
        """Says that a method begins: the first batch that the function gets is to be looked at."""
        setattr(self, f"_{name}_is_for", method)
        function = getattr(self, name)
        if isinstance(function, Looking):
            function.due = True

    def once_there_is(self, batch: tf.Tensor) -> contextlib.AbstractContextManager:
        """A context in which nothing of a step begins before its batch has come.

        Keras finds the end of data of unknown length by running its compiled step once more, and what
        does not need the batch, such as adding 1 to counters, may have happened when that fails.
        """
        if self.trusts_batches:
            return contextlib.nullcontext()
        return tf.control_dependencies([batch])

    # Means over an epoch.

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means of the objective's terms over an epoch."""
        return list(self.running_means.means.values())

    def reset_metrics(self) -> None:
        """Begins new means."""
        self._tell_of_penalty()
        for metric in self.running_means.all:
            metric.reset_state()

    def _tell_of_penalty(self) -> None:
        if self.least_codes == 1 or self.trusts_batches or self._told_of_penalty:
            return
        if self.running_means.penalty_left_out():
            self._told_of_penalty = True
            console.warn(
                f"a batch of fewer than {self.least_codes} images has no penalty, which is of pairs of "
                "codes: it was left out of that batch's loss, and that batch of the penalty's mean."
            )


class _Finalizing(keras.callbacks.Callback):
    """Ends a `fit` for the adversary where Keras has just ended it for encoder and decoder."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model.finalize_adversary()


def _with_finalizing(model: Loop, callbacks: Any) -> Any:
    """The callbacks with `_Finalizing` before them, since others save or restore weights at the end."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        return [_Finalizing(), *(callback for callback in several if callback is not None)]
    if not any(isinstance(callback, _Finalizing) for callback in callbacks.callbacks):
        first = _Finalizing()
        first.set_model(model)
        callbacks.callbacks.insert(0, first)
    return callbacks
