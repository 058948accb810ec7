"""The gradients of a recorded case, and which of them are zero in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from wae_tf.models.wae import Noise
from wae_tf.objective import penalties
from wae_tf.official import weights
from wae_tf.official.parity import record
from wae_tf.official.parity.case import Case
from wae_tf.official.parity.differences import GRADIENTS, GRADIENTS_1D

#: Of the largest gradient: in float64 one that is zero is 1e-14 of it at most (measured over 100 cases),
#: and of others that are small 1e-8 is.
ZERO = 1e-12
#: Of itself: a gradient that is zero is moved by so much, and mostly by all, when the weights move by one
#: rounding. Of one with digits of its own a hundredth would be 170,000 roundings.
MOVED = 1e-2


class Gradients(Case):
    """A case's gradients, ours and how they are compared."""

    def __init__(self, path: str, precision: str = "float32"):
        super().__init__(path, precision)
        self._double: Gradients | None = None
        self._made_exactly: dict[str, dict[str, np.ndarray]] = {}

    def _ours(self, prefix: str, nudge: int = 0) -> dict[str, np.ndarray]:
        """Our gradients of what the record's are below this prefix, by official names."""
        model = self._reset(nudge)
        if prefix == "grad/pretrain/":
            images, prior_sample, noise = self._pretraining_inputs()
            return self._gradient_of(
                lambda: penalties.moment_matching(
                    model.encoding(images, noise, training=True).codes, prior_sample
                ),
                ("encoder",),
            )
        images, prior_sample, noise = self._inputs()
        if prefix == "grad/adv/":
            return self._gradient_of(
                lambda: model.adversary_loss(images, prior_sample, noise), ("z_adversary",)
            )
        return self._gradient_of(
            lambda: model.objective(images, prior_sample, noise)["loss"], ("encoder", "generator")
        )

    def _gradient_of(
        self, function: Callable[[], tf.Tensor], scopes: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        named = {
            name: variable
            for name, variable in weights.official_variables(self.model).items()
            if name.split("/")[0] in scopes and variable.trainable
        }
        with tf.GradientTape() as tape:
            loss = function()
        gradients = tape.gradient(
            loss, [v.value for v in named.values()], unconnected_gradients="zero"
        )
        return {name: g.numpy() for name, g in zip(named, gradients, strict=True)}

    def _pretraining_inputs(self) -> tuple[tf.Tensor, tf.Tensor, Noise]:
        made = record.make_inputs(self.meta)
        images = self._tensor(made["pretrain/images"])
        prior_sample = self._tensor(made["pretrain/prior_sample"])
        return images, prior_sample, self._noise(made, "pretrain/noise/")

    def _compare(self, quantity: str, prefix: str, mine: Mapping[str, np.ndarray]) -> None:
        tolerance = GRADIENTS_1D if self.opts["z_test"] == "mmdppp" else GRADIENTS
        recorded = {n[len(prefix) :]: a for n, a in self.arrays.items() if n.startswith(prefix)}
        largest: dict[str, float] = {}
        for name, value in recorded.items():
            scope = name.split("/")[0]
            largest[scope] = max(largest.get(scope, 0.0), float(np.abs(value).max()))
        overall = max(largest.values(), default=0.0)
        for name in recorded:
            # The true gradient of a bias that a batch norm centres is zero.
            centred = self.config.batch_norm and weights.feeds_batch_norm(name, self.weights)
            scale = largest[name.split("/")[0]] if centred else None
            row = self.differences.row(quantity, prefix + name, mine[name], tolerance, scale)
            if not row.ok and np.any(mine[name]) and self._is_zero(prefix, name, overall):
                row = self.differences.row(quantity, prefix + name, mine[name], GRADIENTS, overall)
            self.differences.keep(row)

    def _is_zero(self, prefix: str, name: str, overall: float) -> bool:
        """Whether both codes find a gradient that is rounding alone, of terms as large as others'.

        So it is of a unit that the relu before its batch norm never cuts, and of codes on a sphere of
        one dimension. The official side says so by its floor, ours by float64. One that is lost here is
        no rounding but 0, from nudged weights too: nobody asks then.
        """
        own = float(np.abs(self.arrays[prefix + name]).max(initial=0.0))
        if self.differences.floors.get(prefix + name, 0.0) <= MOVED * own:
            return False
        return float(np.abs(self._exact(prefix)[name]).max(initial=0.0)) <= ZERO * overall

    def _exact(self, prefix: str) -> dict[str, np.ndarray]:
        """Our gradients in float64, made once."""
        if prefix not in self._made_exactly:
            if self._double is None:
                same = self.config.precision == "float64"
                self._double = self if same else type(self)(self.path, "float64")
            self._made_exactly[prefix] = self._double._ours(prefix)
        return self._made_exactly[prefix]
