"""The means of the objective's terms over an epoch, and the terms of the last step."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models.step.state import State


class _SameOnEveryReplica(keras.metrics.Metric):
    """A metric that every replica moves by the same numbers.

    Keras's keep a part on each replica and add them up when read, over the network where there are
    several workers: the chief could not save a checkpoint without the others.
    """

    def add_variable(self, *args: Any, **kwargs: Any) -> keras.Variable:
        return super().add_variable(*args, **(kwargs | {"aggregation": "only_first_replica"}))


class _Mean(_SameOnEveryReplica, keras.metrics.Mean):
    pass


class _Sum(_SameOnEveryReplica, keras.metrics.Sum):
    pass


class RunningMeans(State):
    """Means since Keras last reset them, at the beginning of an epoch.

    Args:
        terms: their names, `loss` first.
        dtype: of `latest`.
    """

    def __init__(self, terms: tuple[str, ...], dtype: str):
        super().__init__(name="running_means")
        self.terms = terms
        self.means = {term: _Mean(name=term) for term in terms}
        self.batches_tested = _Sum(name="tested")
        # For curves that no mean has smoothed.
        self.latest = self.variable("latest", (len(terms),), 0, dtype)

    @property
    def all(self) -> list[keras.metrics.Metric]:
        """Every metric, for Keras to reset."""
        return [*self.means.values(), self.batches_tested]

    def update(self, values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Takes a batch's terms into account; returns the means of those given."""
        given = [term for term in self.terms if term in values]
        for term in given:
            self.means[term].update_state(values[term])
        return {term: self.means[term].result() for term in given}

    def results(self) -> dict[str, tf.Tensor]:
        """All means."""
        return {term: mean.result() for term, mean in self.means.items()}

    def note_latest(self, values: dict[str, tf.Tensor]) -> None:
        """Keeps the terms of this step."""
        self.latest.assign(tf.stack([values[term] for term in self.terms]))

    def next_test_batch(self) -> tf.Tensor:
        """The number of this test batch since the last reset, from 0: an int64 scalar."""
        index = tf.cast(self.batches_tested.result(), tf.int64)
        self.batches_tested.update_state(1.0)
        return index
