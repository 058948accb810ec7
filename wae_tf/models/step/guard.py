"""Watches the steps from inside the compiled function: bad numbers, and an adversary that has won."""

from __future__ import annotations

import math
from collections.abc import Iterable

import keras
import tensorflow as tf

from wae_tf.models.step.state import State

#: Codes whose root mean square is so many times the prior's standard deviation have exploded.
CODES_EXPLODED = 1e4
#: An adversary whose loss is below this part of lambda * 2 log 2, balance, has won: the codes learn
#: next to nothing from it.
ADVERSARY_WON = 0.02


class Guard(State):
    """Notes the first step whose terms are not finite, or whose codes have exploded.

    Args:
        terms: the terms of the objective that it looks at, in the order of its bits.
    """

    def __init__(self, terms: tuple[str, ...]):
        super().__init__(name="guard")
        self.terms = terms
        self.bad_step = self.variable("bad_step", (), -1, "int64")  # -1: none
        self.bad_terms = self.variable("bad_terms", (), 0, "int64")  # which terms, as bits

    def note(self, step: tf.Tensor, terms: dict[str, tf.Tensor]) -> None:
        """Takes a step (zero-based) into account; `terms` has `code_width` besides."""
        values = tf.stack([tf.cast(terms[term], tf.float64) for term in self.terms])
        wide = terms["code_width"] > CODES_EXPLODED
        bad = tf.cast(tf.concat([~tf.math.is_finite(values), [wide]], axis=0), tf.int64)
        bits = tf.reduce_sum(bad * [2**i for i in range(bad.shape[0])])
        first = (tf.convert_to_tensor(self.bad_step) < 0) & (bits > 0)
        self.bad_terms.assign(tf.where(first, bits, self.bad_terms))
        self.bad_step.assign(tf.where(first, step, self.bad_step))

    def first_bad_step(self) -> tuple[int, list[str]] | None:
        """The first step (counted from 1) that went wrong and what was wrong there, or None."""
        step, bits = int(self.bad_step.numpy()), int(self.bad_terms.numpy())
        if step < 0:
            return None
        names = [f"{term} not finite" for term in self.terms]
        names.append(f"codes over {CODES_EXPLODED:g} times as wide as the prior")
        return step + 1, [name for i, name in enumerate(names) if bits >> i & 1]


class AdversaryWatch(State):
    """Notes since when the adversary's loss, or its gradient, has been next to nothing."""

    def __init__(self) -> None:
        super().__init__(name="adversary_watch")
        self.since = self.variable("since", (), -1, "int64")  # -1: it has not
        self.fault = self.variable("fault", (), 0, "int64")  # 1: the loss, 2: the gradient

    def note(
        self, step: tf.Tensor, loss: tf.Tensor, gradient: tf.Tensor, weight: tf.Tensor | float
    ) -> None:
        """Takes a step (zero-based) into account.

        Args:
            step: its number.
            loss: the adversary's, multiplied by `weight`.
            gradient: of the adversary's first layer.
            weight: lambda, or --adversary_weight.
        """
        balance = tf.abs(tf.cast(weight, loss.dtype)) * (
            2 * math.log(2)
        )  # lambda may be negative, and the loss with it
        won = tf.abs(loss) < ADVERSARY_WON * balance
        dead = (balance > 0) & tf.reduce_all(tf.equal(gradient, 0))
        fault = tf.cast(tf.where(won, 1, tf.where(dead, 2, 0)), tf.int64)
        same = tf.equal(fault, tf.convert_to_tensor(self.fault))
        since = tf.where(fault > 0, step, tf.constant(-1, tf.int64))
        self.since.assign(tf.where(same, self.since, since))
        self.fault.assign(fault)

    def advice(self) -> tuple[int, str] | None:
        """The step (counted from 1) since which something looks wrong, and what to do; or None."""
        since, fault = int(self.since.numpy()), int(self.fault.numpy())
        if since < 0:
            return None
        return since + 1, (
            "the adversary tells codes from the prior at once, and they learn little from it: try a "
            "smaller --lr_adv."
            if fault == 1
            else "the adversary says the same of every code and learns no more: its units are dead, "
            "try a smaller --lr_adv or another --seed."
        )


def finite(networks: Iterable[keras.Model | None]) -> bool:
    """Whether all weights and moving moments of the networks are."""
    return all(
        bool(tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(variable))))
        for network in networks
        if network is not None
        for variable in network.weights
        if variable.dtype.startswith(("float", "bfloat"))
    )
