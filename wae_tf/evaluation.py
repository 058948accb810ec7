"""Numbers of a trained model on test images: cost, penalty, sharpness, moments of the codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from wae_tf import costs, streams
from wae_tf.models import Wae


def in_batches(function: Callable, array: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """function(batch) over the rows of an array, put together; a batch is all that is in memory."""
    parts = [np.asarray(function(part)) for part in _slices(array, batch_size)]
    return np.concatenate(parts)


def _slices(array: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(array), batch_size):
        yield np.asarray(array[start : start + batch_size])


def _compiled(model: Wae, function: Callable, rows: np.ndarray, indexed: bool = False) -> Callable:
    """A function of rows (and of the batch's index) as a tf.function, traced once a model."""
    functions = model.__dict__.setdefault("_evaluation_functions", {})
    name = (function.__name__, rows.shape[1:], str(rows.dtype))
    if name not in functions:
        signature = [tf.TensorSpec([None, *rows.shape[1:]], rows.dtype)]
        if indexed:
            signature.append(tf.TensorSpec([], tf.int64))
        functions[name] = tf.function(function, input_signature=signature)
    return functions[name]


def codes(model: Wae, images: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """A sample of Q_Z, float32 [n, z]: a gaussian or implicit encoder's noise is in it.

    So the official code plots and reconstructs (wae.py:671-690); `Wae.encode` gives means.
    Images are uint8 or float in the model's pixel range.
    """

    def sampled(batch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        noise = model.draw_noise(tf.shape(batch)[0], index, "test", training=False)
        return model.encoding(model.as_pixels(batch), noise, training=False).codes

    function = _compiled(model, sampled, images, indexed=True)
    batches = enumerate(_slices(images, batch_size))
    return np.concatenate([function(b, tf.constant(i, tf.int64)).numpy() for i, b in batches])


def reconstructions(model: Wae, images: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """float32 [n, H, W, C] in the model's pixel range, decoded from `codes`."""
    return decoded(model, codes(model, images, batch_size), batch_size)


def samples(model: Wae, count: int, batch_size: int = 100, seed: int = 0) -> np.ndarray:
    """float32 [count, H, W, C] decoded from a prior sample that follows from the seed."""
    prior_sample = model.sample_prior(count, streams.key(seed, "sample", 0))
    return decoded(model, prior_sample.numpy(), batch_size)


def decoded(model: Wae, latent: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """float32 [n, H, W, C] of codes [n, z]."""
    return in_batches(_compiled(model, model.decode, latent), latent, batch_size)


def sharpness(images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """`costs.sharpness` of each image, float32 [n]; images float, in the model's pixel range."""
    return in_batches(costs.sharpness, images, batch_size)


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

    function = _compiled(model, terms, images, indexed=True)
    total, penalties = 0.0, []
    for index, batch in enumerate(_slices(images, batch_size)):
        values = function(tf.convert_to_tensor(batch), tf.constant(index, tf.int64))
        total += float(values["reconstruction"]) * len(batch)
        if len(batch) == min(batch_size, len(images)):
            penalties.append(float(values["penalty"]))
    return {"test_reconstruction": total / len(images), "penalty": float(np.mean(penalties))}


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
        "samples": samples(model, sample_count, batch_size),
        "reconstructions": reconstructions(model, some, batch_size),
        "data": in_batches(model.as_pixels, some, batch_size),
    }
    for name, images in pictures.items():
        values = sharpness(images)
        metrics[f"sharpness_{name}"] = float(values.min())
        metrics[f"sharpness_{name}_mean"] = float(values.mean())
    latent = codes(model, some, batch_size) / prior_std(model)
    metrics["code_mean_max"] = float(np.abs(latent.mean(axis=0)).max())
    metrics["code_std_min"] = float(latent.std(axis=0).min())
    metrics["code_std_max"] = float(latent.std(axis=0).max())
    return metrics


def prior_std(model: Wae) -> float:
    """Standard deviation of one coordinate of the prior."""
    config = model.config
    shape = {"normal": 1.0, "sphere": config.zdim**-0.5, "uniform": 3**-0.5}[config.prior]
    return shape * config.prior_scale
