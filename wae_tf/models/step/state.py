"""Variables of a training step that are no weights: in checkpoints, not trained, one on all replicas."""

from __future__ import annotations

from typing import Any

import keras


class State(keras.layers.Layer):
    """A layer of such variables alone: what a plain object holds is in no checkpoint."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.built = True

    def variable(
        self, name: str, shape: tuple[int, ...], value: float, dtype: str = "float32"
    ) -> keras.Variable:
        """A variable of this value; all replicas compute the same, and the first one's counts."""
        return self.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(value),
            dtype=dtype,
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )
