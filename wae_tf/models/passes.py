"""Many images through a model, a batch at a time: codes, reconstructions, samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.console import interruption
from wae_tf.models import labels as labels_module
from wae_tf.models.wae import Wae
from wae_tf.objective import priors


def in_batches(function: Callable, array: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """function(batch) over the rows of an array, put together; a batch is all that is in memory."""
    parts = [np.asarray(function(part)) for part in slices(array, batch_size)]
    return np.concatenate(parts)


def slices(array: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The rows of an array, `batch_size` at a time."""
    for start in range(0, len(array), batch_size):
        interruption.check()
        yield np.asarray(array[start : start + batch_size])


def compiled(
    model: Wae, function: Callable, rows: np.ndarray, indexed: bool = False, labelled: bool = False
) -> Callable:
    """A function of rows (of the batch's index, of labels) as a tf.function.

    Traced once a model, and anew where its weights are others, as Keras's `quantize` makes them.
    """
    weights = model.weights
    of, functions = model.__dict__.get("_evaluation_functions", ([], {}))
    if [*map(id, of)] != [*map(id, weights)]:  # of objects that are kept: no id is another's since
        functions = {}
        model.__dict__["_evaluation_functions"] = (weights, functions)
    name = (function.__name__, rows.shape[1:], str(rows.dtype))
    if name not in functions:
        signature = [tf.TensorSpec([None, *rows.shape[1:]], rows.dtype)]
        if indexed:
            signature.append(tf.TensorSpec([], tf.int64))
        if labelled:
            signature.append(tf.TensorSpec([None], tf.int64))
        functions[name] = tf.function(function, input_signature=signature, autograph=False)
    return functions[name]


def codes(model: Wae, images: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """A sample of Q_Z, float32 [n, z]: a gaussian or implicit encoder's noise is in it.

    So the official code plots and reconstructs (official wae.py:657-678); `Wae.encode` gives means.
    Images are uint8 or float in the model's pixel range.
    """

    def sampled(batch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        noise = model.draw_noise(tf.shape(batch)[0], index, "test", training=False)
        return model.encoding(model.as_pixels(batch), noise, training=False).codes

    function = compiled(model, sampled, images, indexed=True)
    batches = enumerate(slices(images, batch_size))
    return np.concatenate([function(b, tf.constant(i, tf.int64)).numpy() for i, b in batches])


def reconstructions(
    model: Wae, images: np.ndarray, batch_size: int = 100, labels: np.ndarray | None = None
) -> np.ndarray:
    """float32 [n, H, W, C] in the model's pixel range, decoded from `codes`; labels [n], of classes."""
    return decoded(model, joined(model, codes(model, images, batch_size), labels), batch_size)


def samples(
    model: Wae,
    count: int,
    batch_size: int = 100,
    *,
    seed: int,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [count, H, W, C] decoded from a prior sample that follows from the seed.

    Of a model with classes by labels [count]; None: every class in turn.
    """
    prior_sample = model.sample_prior(count, streams.key(seed, "sample", 0)).numpy()
    if labels is None:
        labels = labels_module.in_turn(model, count)
    return decoded(model, joined(model, prior_sample, labels), batch_size)


def joined(model: Wae, codes: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """What the decoder takes: of a model with classes codes and labels, float32 [n, z + classes].

    Of a model without, the codes, whatever the labels: those of its data.
    """
    if not model.settings.classes:
        return codes
    return labels_module.joined(model, codes, labels).numpy()


def decoded(model: Wae, codes: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """float32 [n, H, W, C] of codes [n, z], `joined` where there are classes."""
    return in_batches(compiled(model, model.decode, codes), codes, batch_size)


def prior_std(model: Wae) -> float:
    """Standard deviation of one coordinate of the prior."""
    settings = model.settings
    shape = {"normal": 1.0, "sphere": settings.zdim**-0.5, "uniform": 3**-0.5}[settings.prior]
    return shape * priors.unit(settings.prior_scale)


def first(labels: np.ndarray | None, count: int) -> np.ndarray | None:
    """The first so many of labels, where there are some."""
    return None if labels is None else labels[:count]
