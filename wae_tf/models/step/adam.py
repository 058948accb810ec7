"""Adam as one kernel a variable: TensorFlow's own, the one the official code ran."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("wae_tf")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` whose update of a variable is one op, `ResourceApplyAdam`.

    Keras composes the same update of some fifteen small ops a variable, each of which reads and
    writes memory; the fused kernel is that of `tf.train.AdamOptimizer`, which the official code
    used (official wae.py:372-373). State, names and learning-rate handling are Keras's, so checkpoints of
    either can be read by the other.

    Raises:
        ValueError: amsgrad, which the kernel does not have.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        self._share(None)
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("FusedAdam has no amsgrad; use keras.optimizers.Adam.")

    def _share(self, found: dict[tf.DType, dict[str, tf.Tensor]] | None) -> None:
        # Not by Keras's __setattr__, which would track the dictionary for checkpoints.
        object.__setattr__(self, "_of_this_step", found)

    def _backend_update_step(self, *args: Any, **kwargs: Any) -> None:
        one = tf.distribute.get_strategy().num_replicas_in_sync == 1
        self._share({} if one else None)  # replicas have tensors of their own
        try:
            super()._backend_update_step(*args, **kwargs)
        finally:
            self._share(None)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable and its two moments in place."""
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        dtype = variable.dtype
        shared = self._shared(learning_rate, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            grad=tf.cast(gradient, dtype),
            **shared,
        )

    def _shared(self, learning_rate: Any, dtype: tf.DType) -> dict[str, tf.Tensor]:
        """What the updates of all variables take alike: a fifth of a small step's ops otherwise."""
        if self._of_this_step is not None and dtype in self._of_this_step:
            return self._of_this_step[dtype]
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        found = {
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "lr": tf.cast(learning_rate, dtype),
            "beta1": beta_1,
            "beta2": beta_2,
            "epsilon": tf.constant(self.epsilon, dtype),
        }
        if self._of_this_step is not None:
            self._of_this_step[dtype] = found
        return found
