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
        self.means = {term: _Mean(name=term, dtype="float32") for term in terms}
        self.batches_tested = _Sum(name="tested", dtype="float32")
        # For curves that no mean has smoothed.
        self.latest = self.variable("latest", (len(terms),), 0, dtype)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """None, for what asks a layer: a model around the autoencoder would show its `loss` as its own."""
        return []

    @property
    def all(self) -> list[keras.metrics.Metric]:
        """Every metric, for Keras to reset."""
        return [*self.means.values(), self.batches_tested]

    def update(
        self, values: dict[str, tf.Tensor], count: int | tf.Tensor | None, of_penalty: int = 1
    ) -> dict[str, tf.Tensor]:
        """Takes a batch's terms into account.

        Args:
            values: the terms.
            count: its images, which count alike; None: batches count alike.
            of_penalty: the fewest codes that the penalty is of; of fewer it is not in its mean.

        Returns:
            the means of the terms given.
        """
        given = [term for term in self.terms if term in values]
        weight = None if count is None else tf.cast(count, self.latest.dtype)
        for term in given:
            of_term = weight
            if term == "penalty" and count is not None and of_penalty > 1:
                of_term = tf.where(count >= of_penalty, weight, 0)
            self.means[term].update_state(values[term], of_term)
        return {term: self.means[term].result() for term in given}

    def penalty_left_out(self) -> bool:
        """Whether a batch had fewer images than the penalty is of."""
        whole, of_penalty = (self.means[term].count for term in ("loss", "penalty"))
        return float(whole.numpy()) > float(of_penalty.numpy())

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
