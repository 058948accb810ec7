"""Brings the codes' moments near the prior's before training: the encoder alone."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf import console, streams
from wae_tf.data.batches import image_batches
from wae_tf.errors import RunError
from wae_tf.models import inputs, pretraining
from wae_tf.models.wae import Wae
from wae_tf.pixels import black_and_white
from wae_tf.training import distribution

#: official wae.py:451, the pretraining loss below which it stops.
PRETRAINED_BELOW = 0.1
#: Seconds without a line, off a terminal.
_SILENCE = 20.0
_COMPILING = "compiling the encoder's pretraining"


def _checked(model: Wae, images: Any, steps: int, size: int) -> np.ndarray:
    """The images, of a type that batches are made of."""
    if not isinstance(model, Wae):
        raise ValueError(f"pretrain takes a model of wae_tf, not a {type(model).__name__}.")
    for name, value, least in (("steps", steps, 1), ("size", size, 2)):
        inputs.whole(name, value, least)
    images = inputs.image_of(images, "images of pretrain")
    if isinstance(images, tf.data.Dataset) or not hasattr(images, "shape"):
        raise ValueError(
            f"pretrain takes an array, of which it draws batches itself, not a {type(images).__name__}."
        )
    images = images.numpy() if tf.is_tensor(images) else np.asanyarray(images)
    inputs.shown_images(model, images[: max(size, 1)], "x of pretrain")
    inputs.check_values(model, images, "x of pretrain")
    replicas = model.distribute_strategy.num_replicas_in_sync
    if min(len(images), size) < replicas:
        raise ValueError(
            f"{replicas} replicas cannot share {min(len(images), size)} images of pretrain."
        )
    images = black_and_white(images, model.settings.pixel_range_of_data)
    return images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)


def pretrain(
    model: Wae,
    images: np.ndarray,
    progress: Callable[[str], None] = console.progress,
    *,
    steps: int = 200,
    size: int = 1000,
    check: Callable[[], None] = lambda: None,
) -> float:
    """Brings the codes' moments near the prior's: encoder alone, an optimizer of its own.

    As the official code (official wae.py:429-452): until the loss is below 0.1; the learning rate
    does not decay. The model's step counter does not move.

    Args:
        model: the model, changed in place.
        images: array [n, H, W, C], uint8 or float in the model's pixel range.
        progress: is called with a line now and then, and at the end.
        steps: at most so many, 1 up.
        size: images a step, and codes of the prior sample (official wae.py:432-438), 2 up.
        check: is called before each step, and may raise to end it there.

    Returns:
        the last loss.

    Raises:
        RunError: the loss is not finite.
        ValueError: no model of wae_tf, images that it cannot take, or steps or a size out of range.
    """
    for name, function in (("progress", progress), ("check", check)):
        if not callable(function):
            raise ValueError(
                f"{name} of pretrain is a {type(function).__name__}; accepted: a function."
            )
    images = _checked(model, images, steps, size)
    settings, strategy = model.settings, model.distribute_strategy
    with strategy.scope():
        update = pretraining.make_update(model)
    batch_size = min(len(images), size)
    batch_size -= batch_size % strategy.num_replicas_in_sync

    def replica_step(batch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        key = streams.key(settings.seed, "pretrain/prior", index)
        prior_sample = model.sample_prior(size, key)
        noise = model.draw_noise(batch_size, index, "pretrain")
        return pretraining.step(
            model, update, tf.cast(batch, model.full_dtype), prior_sample, noise
        )

    @tf.function(autograph=False)
    def everywhere(batch: Any, index: tf.Tensor) -> tf.Tensor:
        loss = strategy.run(replica_step, args=(batch, index))
        return strategy.experimental_local_results(loss)[0]

    def part(rows: tuple[int, int]) -> tf.data.Dataset:
        return image_batches(
            images,
            batch_size=batch_size,
            seed=settings.seed,
            stream="pretrain/batches",
            pixel_range=settings.pixel_range_of_data,
            rows=rows,
        )

    said = shown = time.monotonic()
    batches = iter(distribution.distributed_dataset(strategy, batch_size, part))
    loss = math.nan
    for index in range(steps):
        check()
        first = index == 0
        with console.working(_COMPILING) if first else contextlib.nullcontext():
            loss = float(everywhere(next(batches), tf.constant(index, tf.int64)))
        if not math.isfinite(loss):
            raise RunError(
                f"the run stopped: the pretraining loss is not finite at step {index + 1}; try a "
                "smaller --lr, or --nopretrain."
            )
        now = time.monotonic()
        if now - said > _SILENCE and not console.on_terminal():
            said = now
            progress(f"pretraining the encoder: step {index + 1}, loss {loss:.4f}")
        if now - shown > 0.2:
            shown = now
            console.under_way(
                f"pretraining the encoder: step {index + 1} of {steps} at most, loss {loss:.4f} "
                f"(until below {PRETRAINED_BELOW})"
            )
        if loss < PRETRAINED_BELOW:
            break
    progress(f"pretrained the encoder for {index + 1} steps, loss {loss:.4f}")
    return loss
