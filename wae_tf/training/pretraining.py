"""Brings the codes' moments near the prior's before training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.console import say
from wae_tf.data.batches import image_batches
from wae_tf.errors import RunError
from wae_tf.models.wae import Wae
from wae_tf.training import distribution

#: official wae.py:449, the pretraining loss below which it stops.
PRETRAINED_BELOW = 0.1


def pretrain(model: Wae, images: np.ndarray, report: Callable[[str], None] = say) -> float:
    """Brings the codes' moments near the prior's: encoder alone, an optimizer of its own.

    As the official code (official wae.py:428-452): at most `pretrain_steps` steps, until the loss is below
    0.1; the learning rate does not decay. The model's step counter does not move.

    Args:
        model: the model, changed in place.
        images: uint8 [n, H, W, C].
        report: is called with a line at the end.

    Returns:
        the last loss.

    Raises:
        RunError: the loss is not finite.
    """
    config = model.config
    strategy = model.distribute_strategy
    with strategy.scope():
        optimizer = model.make_optimizer(config.lr)
        if config.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.encoder.trainable_variables)
    size = min(len(images), config.pretrain_size)
    size -= size % strategy.num_replicas_in_sync

    def replica_step(batch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        key = streams.key(config.seed, "pretrain/prior", index)
        prior_sample = model.sample_prior(config.pretrain_size, key)
        noise = model.draw_noise(size, index, "pretrain")
        return model.pretrain_step(optimizer, tf.cast(batch, model.full), prior_sample, noise)

    @tf.function
    def step(batch: Any, index: tf.Tensor) -> tf.Tensor:
        loss = strategy.run(replica_step, args=(batch, index))
        return strategy.experimental_local_results(loss)[0]

    def part(rows: tuple[int, int]) -> tf.data.Dataset:
        return image_batches(
            images,
            batch_size=size,
            seed=config.seed,
            stream="pretrain/batches",
            pixel_range=config.pixel_range_of_data,
            rows=rows,
        )

    batches = iter(distribution.distributed_dataset(strategy, size, part))
    loss = math.nan
    for index in range(config.pretrain_steps):
        loss = float(step(next(batches), tf.constant(index, tf.int64)))
        if not math.isfinite(loss):
            raise RunError(
                f"the run stopped: the pretraining loss is not finite at step {index + 1}; try a "
                "smaller --lr, or --nopretrain."
            )
        if index and index % 50 == 0:
            report(f"pretraining the encoder: step {index}, loss {loss:.4f}")
        if loss < PRETRAINED_BELOW:
            break
    report(f"pretrained the encoder for {index + 1} steps, loss {loss:.4f}")
    return loss
