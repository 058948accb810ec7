"""Numbers of a trained model on test images: cost, penalty, sharpness, moments of the codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import costs


def sharpness(images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """`costs.sharpness` of each image, float32 [n]; images float, in the model's pixel range."""
    return passes.in_batches(costs.sharpness, images, batch_size)


def terms_on(model: Wae, images: np.ndarray, batch_size: int = 100) -> dict[str, float]:
    """Reconstruction cost and penalty on test images, the encoder's noise included as official.

    Args:
        model: the model.
        images: [n, H, W, C], uint8 or float in the model's pixel range.
        batch_size: the penalty is the mean over full batches of this size, since it depends on it.

    Returns:
        `test_reconstruction`, the mean over all images, and `penalty`.
    """

    def terms(batch: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(batch)[0]
        key = streams.key(model.config.seed, "test/prior", index)
        noise = model.draw_noise(count, index, "test", training=False)
        prior_sample = model.sample_prior(count, key)
        return model.losses(model.as_pixels(batch), prior_sample, noise, training=False)

    function = passes.compiled(model, terms, images, indexed=True)
    total, penalties = 0.0, []
    for index, batch in enumerate(passes.slices(images, batch_size)):
        values = function(tf.convert_to_tensor(batch), tf.constant(index, tf.int64))
        total += float(values["reconstruction"]) * len(batch)
        if len(batch) == min(batch_size, len(images)):
            penalties.append(float(values["penalty"]))
    return {"test_reconstruction": total / len(images), "penalty": float(np.mean(penalties))}


def test_line(model: Wae, images: np.ndarray, batch_size: int) -> dict[str, float]:
    """The replication report's test: `loss` and `blur` over batches in order (replication wae.py:527-571).

    Args:
        model: the model.
        images: [n, H, W, C], uint8 or float in the model's pixel range.
        batch_size: images a batch; a partial last one counts as much as the others.

    Returns:
        `loss`, the mean of the total losses; `blur`, see `costs.whole_batch_sharpness`, of the
        last batch's reconstructions.
    """

    def line(batch: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, pixels = tf.shape(batch)[0], model.as_pixels(batch)
        noise = model.draw_noise(count, index, "test", training=False)
        prior_sample = model.sample_prior(
            count, streams.key(model.config.seed, "test/prior", index)
        )
        loss = model.losses(pixels, prior_sample, noise, training=False)["loss"]
        codes = model.encoding(pixels, noise, training=False).codes
        return loss, costs.whole_batch_sharpness(model.decode(codes))

    function = passes.compiled(model, line, images, indexed=True)
    found = [
        function(tf.convert_to_tensor(batch), tf.constant(index, tf.int64))
        for index, batch in enumerate(passes.slices(images, batch_size))
    ]
    losses = [float(loss) for loss, _ in found]
    return {"loss": float(np.mean(losses)), "blur": float(found[-1][1])}


def evaluate(
    model: Wae,
    test: np.ndarray,
    *,
    batch_size: int = 100,
    sample_count: int = 1000,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """The flat table of numbers that metrics.json holds.

    Args:
        model: the model.
        test: uint8 [n, H, W, C], all test images.
        batch_size: images a call.
        sample_count: samples (and at most as many data and reconstructions) for sharpness.
        progress: is called with a line before each part.

    Returns:
        test_reconstruction, penalty; sharpness_{samples,reconstructions,data}, the minimum as the
        official log has it, and ..._mean; code_mean_max and code_std_{min,max}: the largest
        absolute mean, smallest and largest standard deviation of a coordinate of the codes over
        the prior's standard deviation.
    """
    progress(f"reconstructing {len(test)} test images")
    metrics = terms_on(model, test, batch_size)
    some = np.asarray(test[:sample_count])
    progress(f"sharpness of {sample_count} samples")
    pictures = {
        "samples": passes.samples(model, sample_count, batch_size),
        "reconstructions": passes.reconstructions(model, some, batch_size),
        "data": passes.in_batches(model.as_pixels, some, batch_size),
    }
    for name, images in pictures.items():
        values = sharpness(images)
        metrics[f"sharpness_{name}"] = float(values.min())
        metrics[f"sharpness_{name}_mean"] = float(values.mean())
    latent = passes.codes(model, some, batch_size) / passes.prior_std(model)
    metrics["code_mean_max"] = float(np.abs(latent.mean(axis=0)).max())
    metrics["code_std_min"] = float(latent.std(axis=0).min())
    metrics["code_std_max"] = float(latent.std(axis=0).max())
    return metrics
