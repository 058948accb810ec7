"""Batch norm whose gradient is one kernel where training runs on a CPU."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.networks.wide_rows import WideRows
from wae_tf.settings import devices


@keras.saving.register_keras_serializable("wae_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` that goes through memory a few times less on CPUs.

    What it computes from a batch is Keras's and the official code's (official ops.py:16-24), op for op: other
    rounding would put units of the relu that follows on the other side of zero. Its gradient, some
    ten ops when derived, each of which reads and writes the batch, is `FusedBatchNormGradV3`:
    the same sums, in a fifth of the time. Elsewhere (float64, flat inputs, masks, replicas, GPUs,
    where XLA fuses those ops) the gradient is derived. Replicas exchange the moments' three sums in one
    message each way, where Keras sends three and, for the gradient, two.

    Args:
        unbiased: whether the moving variance takes the batch's variance over n - 1, as PyTorch's
            does, instead of over n.
        **kwargs: of `keras.layers.BatchNormalization`.
    """

    def __init__(self, *, unbiased: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.unbiased = unbiased

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Normalises by the batch's moments when training, else by the moving ones.

        Args:
            inputs: [n, H, W, C] or [n, C].
            training: which moments; those of the batch move the moving ones.
            mask: as Keras's.
        """
        if self.unbiased and training and self.trainable:
            return self._moving_unbiased(inputs, mask)
        return self._normalised(inputs, training, mask)

    def get_config(self) -> dict[str, Any]:
        """What `keras.saving` needs to make this layer again."""
        return super().get_config() | {"unbiased": self.unbiased}

    def _moving_unbiased(self, inputs: Any, mask: Any) -> tf.Tensor:
        # What the batch's biased variance has moved, by n / (n - 1) of it.
        before = tf.identity(tf.convert_to_tensor(self.moving_variance))
        outputs = self._normalised(inputs, True, mask)
        shape = tf.shape(inputs)
        count = tf.reduce_prod(shape[:-1])
        if self.synchronized:
            count *= tf.distribute.get_strategy().num_replicas_in_sync
        count = tf.cast(count, self.variable_dtype)
        kept = before * self.momentum
        moved = tf.convert_to_tensor(self.moving_variance) - kept
        self.moving_variance.assign(kept + moved * (count / (count - 1.0)))
        return outputs

    def _moments(self, inputs: Any, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        context = tf.distribute.get_replica_context() if self.synchronized else None
        if context is None or mask is not None:
            return super()._moments(inputs, mask)
        axes = self._reduction_axes
        count = tf.cast(tf.size(inputs, tf.int64) // inputs.shape[self.axis], inputs.dtype)
        own = [tf.reduce_sum(inputs, axes), tf.reduce_sum(tf.square(inputs), axes), count]
        total, squares, count = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
        mean = tf.math.divide_no_nan(total, count)
        return mean, tf.maximum(tf.math.divide_no_nan(squares, count) - tf.square(mean), 0.0)

    def _normalised(self, inputs: Any, training: bool | None, mask: Any) -> tf.Tensor:
        derived = (
            not (training and self.trainable)
            or len(inputs.shape) != 4
            or mask is not None
            or self.synchronized
            or getattr(self, "renorm", False)  # Keras has none before 3.14
            or not (self.scale and self.center)
            or self.axis not in (-1, 3)
            or self.variable_dtype != "float32"
            or inputs.dtype == "float64"
            or devices.has_gpu()
        )
        if derived:
            return super().call(inputs, training=training, mask=mask)
        images = tf.cast(inputs, tf.float32)
        rows = WideRows(images)
        mean, variance = map(tf.stop_gradient, _moments(images, rows))
        for moving, moment in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + moment * (1.0 - self.momentum))

        @tf.custom_gradient
        def normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                found = tf.raw_ops.FusedBatchNormGradV3(
                    y_backprop=upstream,
                    x=x,
                    scale=gamma,
                    reserve_space_1=mean,
                    reserve_space_2=variance,
                    reserve_space_3=tf.zeros([0]),
                    epsilon=self.epsilon,
                    is_training=True,
                )
                return found.x_backprop, found.scale_backprop, found.offset_backprop

            factor = tf.math.rsqrt(variance + self.epsilon) * gamma  # as tf.nn.batch_normalization
            moved = rows.of(x) * rows.each(factor) + rows.each(beta - mean * factor)
            return rows.back(moved), gradient

        outputs = normalised(images, *map(tf.convert_to_tensor, (self.gamma, self.beta)))
        return tf.cast(outputs, self.compute_dtype)


def _moments(images: tf.Tensor, rows: WideRows) -> tuple[tf.Tensor, tf.Tensor]:
    """As `tf.nn.moments`, of each channel of float32 images [n, H, W, C]."""
    mean = tf.reduce_mean(images, [0, 1, 2])
    squares = tf.math.squared_difference(rows.of(images), rows.each(mean))
    return mean, tf.reduce_mean(rows.back(squares), [0, 1, 2])
