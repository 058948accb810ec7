"""Numbers of a trained model on test images: cost, penalty, sharpness, moments of the codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from wae_tf.evaluation import codes, off_prior
from wae_tf.models import labels as labels_module
from wae_tf.models import passes
from wae_tf.models.inputs import TO_IMAGES, Aim
from wae_tf.models.wae import Wae
from wae_tf.objective import costs
from wae_tf.settings import shapes

#: Samples, and at most as many data and reconstructions, whose sharpness is measured.
SHARPNESS_OF = 1000


def sharpness(images: np.ndarray) -> np.ndarray:
    """`costs.sharpness` of each image, float32 [n]; images float, in the model's pixel range."""
    return passes.in_batches(costs.sharpness, images, 500)


def test_terms(
    model: Wae, images: np.ndarray, batch_size: int = 100, labels: np.ndarray | None = None
) -> dict[str, float]:
    """Reconstruction cost and penalty on test images, the encoder's noise included as official.

    Args:
        model: the model.
        images: [n, H, W, C], uint8 or float in the model's pixel range.
        batch_size: the penalty is the mean over full batches of this size, since it depends on it.
        labels: int64 [n], which a model with classes needs.

    Returns:
        `test_reconstruction`, the mean over all images; `test_penalty`; and `test_loss`, what
        training makes small: the first, lambda times the second, and whatever else the loss has. The
        first is there as --batch_divisor makes it of a full batch, the mean where that has as many images.
    """
    wae_lambda, divisor = float(model.wae_lambda.numpy()), model.settings.batch_divisor

    def terms(batch: tf.Tensor, index: tf.Tensor, *own: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = model.as_pixels(batch)
        found = model.test_terms(pixels, index, _aim(model, *own))
        return {"penalty": found["penalty"], **model.of_means(pixels, found)}

    batches = _batches(model, images, labels, batch_size)
    function = passes.compiled(model, terms, images, True, bool(model.settings.classes))
    total, rest, penalties = 0.0, 0.0, []
    for index, (batch, *own) in enumerate(batches):
        values = function(tf.convert_to_tensor(batch), tf.constant(index, tf.int64), *own)
        total += float(values["reconstruction"]) * len(batch)
        terms_of_loss = float(values["reconstruction"]) + wae_lambda * float(values["penalty"])
        rest += (float(values["loss"]) - terms_of_loss) * len(batch)
        if len(batch) == min(batch_size, len(images)):
            measured = len(batch) >= model.least_codes
            penalties.append(float(values["penalty"]) if measured else math.nan)
    reconstruction, penalty = total / len(images), float(np.mean(penalties))
    share = min(batch_size, len(images)) / divisor if divisor else 1.0
    return {
        "test_reconstruction": reconstruction,
        "test_penalty": penalty,
        "test_loss": share * reconstruction + wae_lambda * penalty + rest / len(images),
    }


def _batches(
    model: Wae, images: np.ndarray, labels: np.ndarray | None, batch_size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Images, and labels where the model has classes, `batch_size` at a time."""
    of_images = passes.slices(images, batch_size)
    if not model.settings.classes:
        return ((batch,) for batch in of_images)
    if labels is None:
        raise ValueError(f"labels is missing: {labels_module.wanted(model)}.")
    return zip(of_images, passes.slices(labels, batch_size), strict=True)


def _aim(model: Wae, *own: tf.Tensor) -> Aim:
    return Aim(labels=labels_module.one_hot(model, own[0], "labels")) if own else TO_IMAGES


def least_sharpness(model: Wae, images: np.ndarray) -> float:
    """The minimum that the official log has; NaN of data that are no pictures."""
    return float(sharpness(images).min()) if model.of_pictures else math.nan


def sharpness_of(images: np.ndarray, what: str) -> dict[str, float]:
    """`sharpness_{what}`, the minimum as the official log has it, and `sharpness_{what}_mean`."""
    values = sharpness(images)
    return {
        f"sharpness_{what}": float(values.min()),
        f"sharpness_{what}_mean": float(values.mean()),
    }


def sharpnesses(
    model: Wae,
    test: np.ndarray,
    *,
    batch_size: int = 100,
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """`sharpness_of` samples, drawn with the run's seed, of reconstructions and of data.

    Args:
        model: the model.
        test: uint8 [n, H, W, C]; of at most the first SHARPNESS_OF.
        batch_size: images a call.
        labels: int64 [n], which a model with classes needs.

    Returns:
        Nothing of data that are no pictures, which have no edges.
    """
    if not model.of_pictures:
        return {}
    some, own = np.asarray(test[:SHARPNESS_OF]), passes.first(labels, SHARPNESS_OF)
    samples = passes.samples(model, SHARPNESS_OF, batch_size, seed=model.settings.seed)
    return {
        **sharpness_of(samples, "samples"),
        **sharpness_of(passes.reconstructions(model, some, batch_size, own), "reconstructions"),
        **sharpness_of(passes.in_batches(model.as_pixels, some, batch_size), "data"),
    }


def test_line(
    model: Wae, images: np.ndarray, batch_size: int, labels: np.ndarray | None = None
) -> dict[str, float]:
    """The replication report's test: `loss` and `blur` over batches in order (replication wae.py:527-570).

    Args:
        model: the model.
        images: [n, H, W, C], uint8 or float in the model's pixel range.
        batch_size: images a batch; a partial last one counts as much as the others.
        labels: int64 [n], which a model with classes needs.

    Returns:
        `loss`, the mean of the total losses; `blur`, see `costs.whole_batch_sharpness`, of the
        last batch's reconstructions.
    """

    def line(batch: tf.Tensor, index: tf.Tensor, *own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, pixels = tf.shape(batch)[0], model.as_pixels(batch)
        noise = model.draw_noise(count, index, "test", training=False)
        loss = model.test_terms(pixels, index, _aim(model, *own))["loss"]
        codes = model.encoding(pixels, noise, training=False).codes
        return loss, costs.whole_batch_sharpness(model.decode(codes, *own))

    batches = _batches(model, images, labels, batch_size)
    function = passes.compiled(model, line, images, True, bool(model.settings.classes))
    found = [
        function(tf.convert_to_tensor(batch), tf.constant(index, tf.int64), *own)
        for index, (batch, *own) in enumerate(batches)
    ]
    losses = [float(loss) for loss, _ in found]
    return {"loss": float(np.mean(losses)), "blur": float(found[-1][1])}


def evaluate(
    model: Wae,
    test: np.ndarray,
    *,
    batch_size: int = 100,
    test_codes: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """The flat table of numbers that metrics.json holds.

    Args:
        model: the model.
        test: uint8 [n, H, W, C], all test images.
        batch_size: images a call.
        test_codes: `passes.codes` of all test images, where they are known already.
        labels: int64 [n], which a model with classes needs.
        progress: is called with a line before each part.

    Returns:
        What `test_terms`, `sharpnesses` and, of the codes of all test images, `codes.moments` and
        `off_prior.flag` give.
    """
    progress(f"reconstructing {len(test)} test {shapes.kind_of(model.image_shape).many}")
    terms = test_terms(model, test, batch_size, labels)
    if model.of_pictures:
        progress(f"sharpness of {SHARPNESS_OF} samples")
    sharp = sharpnesses(model, test, batch_size=batch_size, labels=labels)
    if test_codes is None:
        test_codes = passes.codes(model, test, batch_size)
    moments = codes.moments(test_codes, passes.prior_std(model))
    return {**terms, **sharp, **moments, **off_prior.flag(moments, len(test_codes))}
