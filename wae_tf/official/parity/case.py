"""A recorded case made again here: its model and inputs, and how its parts are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.models import by_name
from wae_tf.models.encoding import Noise
from wae_tf.models.wae import Wae
from wae_tf.official import options, weights
from wae_tf.official.parity import record
from wae_tf.official.parity.differences import OUTPUTS, Differences


class Case:
    """A recorded case on our side: its model, inputs and differences, and how parts are compared.

    Args:
        path: the record.
        precision: `float32`, or `float64` to see which difference is rounding.

    Raises:
        DataError: the record's inputs cannot be made here bit by bit.
    """

    def __init__(self, path: str, precision: str = "float32"):
        self.path = path
        self.meta, self.arrays = record.load(path)
        wrong = record.check_inputs(self.meta)
        if wrong:
            raise DataError(
                f"{path}: this NumPy makes other {', '.join(wrong)} than the recorder's."
            )
        self.opts = self.meta["opts"]
        self.config = options.config_of(self.opts, precision=precision)
        self.weights = record.make_weights(self.meta)
        self.model = by_name.from_config(
            self.config, tuple(self.meta["image_shape"]), self.meta["train_size"]
        )
        self.differences = Differences(self.meta["name"], self.meta, self.arrays)

    def _reset(self, nudge: int = 0) -> Wae:
        weights.assign(self.model, record.nudge(self.weights, nudge), "the record")
        return self.model

    def _tensor(self, value: Any) -> tf.Tensor:
        return tf.cast(tf.constant(value), self.model.full_dtype)

    def _noise(self, made: Mapping[str, np.ndarray], prefix: str = "noise/") -> Noise:
        kinds = {"pixels": "pixels", "code": "code", "codes_per_image": "many_codes"}
        return Noise(
            **{
                ours: self._tensor(made[prefix + theirs])
                for ours, theirs in kinds.items()
                if prefix + theirs in made
            }
        )

    def _moments(self, prefix: str) -> None:
        variables = weights.official_variables(self.model)
        for name in self.arrays:
            if name.startswith(prefix) and "/moving_" in name:
                self.differences.add("moments", name, variables[name[len(prefix) :]], OUTPUTS)

    # Passes.

    def _inputs(self) -> tuple[tf.Tensor, tf.Tensor, Noise]:
        made = record.make_inputs(self.meta)
        return self._tensor(made["images"]), self._tensor(made["prior_sample"]), self._noise(made)
