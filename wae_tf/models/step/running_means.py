"""Metrics that every replica moves by the same numbers."""

from __future__ import annotations

from typing import Any

import keras


class _SameOnEveryReplica:
    """A metric that every replica moves by the same numbers.

    Keras's keep a part on each replica and add them up when read, over the network where there are
    several workers: the chief could not save a checkpoint without the others.
    """

    def add_variable(self, *args: Any, **kwargs: Any) -> keras.Variable:
        return super().add_variable(*args, **(kwargs | {"aggregation": "only_first_replica"}))


class Mean(_SameOnEveryReplica, keras.metrics.Mean):
    """The mean of the values that a replica gives."""


class Sum(_SameOnEveryReplica, keras.metrics.Sum):
    """The sum of the values that a replica gives."""
