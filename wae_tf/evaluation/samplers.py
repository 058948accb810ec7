"""Samples: from the prior, a mixture fitted to training codes, or improved.

Improved: gradient descent of codes towards fixed points of the autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from wae_tf import registry, streams
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.errors.suggestions import did_you_mean
from wae_tf.evaluation.options import SAMPLERS, check_sampler
from wae_tf.models import passes
from wae_tf.models.encoding import Noise
from wae_tf.models.wae import Wae
from wae_tf.networks.builder import float32_by_default
from wae_tf.objective import costs

#: official improved_wae.py:19-23, :65 and :114: steps at most, steps between looks, codes at once, the
#: relative change of the loss that ends a batch, Adam's first decay (its rate is the model's lr).
STEPS, LOOK_EVERY, BATCH, STOP_BELOW, BETA1 = 200, 50, 100, 0.1, 0.9


def codes_of(model: Wae, free: tf.Tensor, sphere_axis: str = "code") -> tf.Tensor:
    """Codes on the prior's support of free vectors [n, z], which descent moves.

    sphere_axis: `code` normalises each code; `batch` each coordinate over the batch, as the
    official code does (official improved_wae.py:42).
    """
    settings = model.settings
    if settings.prior == "sphere":
        axis = 1 if sphere_axis == "code" else 0
        free = free / (tf.norm(free, axis=axis, keepdims=True) + 1e-8)
    return tf.cast(settings.prior_scale, free.dtype) * free


def loss_of(
    model: Wae, codes: tf.Tensor, noise: Noise | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """The cost between decoded codes and their reconstruction, both contrast-normalised; the images.

    A gaussian encoder's mean is decoded; an implicit one's noise is used if given.
    """
    images = model.decode(codes)
    if noise is None or model.settings.encoder_noise == "gaussian":
        noise = Noise()
    again = model.decode(model.encoding(images, noise, training=False).codes)
    normalized = costs.contrast_normalized
    return model.cost(normalized(images), normalized(again)), images


class Descent:
    """Descent of one batch of codes; `descend` may be called again with new codes.

    Args:
        model: the model; its weights do not change.
        rows: codes a batch.
        sphere_axis: see `codes_of`.
        fixed_noise: an implicit encoder's noise, the same in every step (None: drawn afresh).
    """

    def __init__(
        self,
        model: Wae,
        rows: int = BATCH,
        sphere_axis: str = "code",
        fixed_noise: Noise | None = None,
    ):
        if registry.fact("cost", model.settings.cost, "logits"):
            raise ValueError(f"improved sampling needs a distance: {model.settings.cost} has none.")
        self.model, self.sphere_axis, self.fixed_noise = model, sphere_axis, fixed_noise
        shape = (rows, model.settings.zdim)
        self.free = keras.Variable(np.zeros(shape), dtype=model.full_dtype, name="free_codes")
        with float32_by_default():
            self.optimizer = keras.optimizers.Adam(model.settings.lr, beta_1=BETA1, epsilon=1e-8)
        self.optimizer.build([self.free])
        self._compiled_step = tf.function(self._step, autograph=False)
        self._compiled_look = tf.function(self._look, autograph=False)

    def _noise(self, index: tf.Tensor) -> Noise:
        if self.fixed_noise is not None:
            return self.fixed_noise
        return self.model.draw_noise(self.free.shape[0], index, "improved", training=False)

    def _codes(self) -> tf.Tensor:
        return codes_of(self.model, tf.convert_to_tensor(self.free), self.sphere_axis)

    def _step(self, index: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss, _ = loss_of(self.model, self._codes(), self._noise(index))
        self.optimizer.apply(tape.gradient(loss, [self.free.value]), [self.free])

    def _look(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        codes = self._codes()
        loss, images = loss_of(self.model, codes, self._noise(index))
        return loss, codes, images

    def descend(
        self, start: np.ndarray, first_index: int = 0
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[int, float]]]:
        """Descends from free vectors until a look finds little change (official improved_wae.py:89-119).

        Args:
            start: float [rows, z].
            first_index: number of the first step in the noise's stream.

        Returns:
            codes [rows, z], images [rows, H, W, C] in the model's pixel range, and the looks as
            (step, loss).
        """
        self.free.assign(start)
        for variable in self.optimizer.variables:  # a fresh Adam for each batch, rate kept
            if variable is not self.optimizer.learning_rate:
                variable.assign(tf.zeros(variable.shape, variable.dtype))
        looks: list[tuple[int, float]] = []
        for step in range(STEPS):
            index = tf.constant(first_index + step, tf.int64)
            self._compiled_step(index)
            if step == 0 or step % LOOK_EVERY == LOOK_EVERY - 1:
                loss, codes, images = self._compiled_look(index)
                looks.append((step, float(loss)))
                if not looks[-1][1]:  # of images of one value each
                    break
                if step and abs(looks[-1][1] - looks[-2][1]) / abs(looks[-2][1]) < STOP_BELOW:
                    break
        return codes.numpy(), images.numpy(), looks


def improved(
    model: Wae,
    count: int,
    *,
    seed: int = 0,
    sphere_axis: str = "code",
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Samples whose codes have descended towards fixed points (official improved_wae.py:18-128).

    The official code starts normal and sphere priors from standard normals and cannot run for a
    uniform prior (it reads z before setting it); here that starts from the prior's own box.

    Args:
        model: the model.
        count: number of samples.
        seed: the starting codes follow from it.
        sphere_axis: `code`, or `batch` as the official code.
        progress: is called with a line after each batch.

    Returns:
        codes [count, z] and images float32 [count, H, W, C] in the model's pixel range.
    """
    descent = Descent(model, BATCH, sphere_axis)
    codes, images = [], []
    batches = -(-count // BATCH)
    for batch in range(batches):
        key = streams.key(seed, "improved/start", batch)
        shape = [BATCH, model.settings.zdim]
        if model.settings.prior == "uniform":
            start = tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")
        else:
            start = tf.random.stateless_normal(shape, key, alg="philox")
        made = descent.descend(start, batch * STEPS)
        codes.append(made[0])
        images.append(made[1])
        looks = made[2]
        progress(
            f"batch {batch + 1} of {batches}: loss {looks[0][1]:.5f} at the first step, "
            f"{looks[-1][1]:.5f} at step {looks[-1][0] + 1}"
        )
    return np.concatenate(codes)[:count], np.concatenate(images)[:count]


#: The Gaussian mixture of the RAE paper (arXiv 1903.12436), and the training codes it is fitted to.
COMPONENTS, MIXTURE_CODES = 10, 50_000


def mixture(model: Wae, train: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Codes [count, z] of a Gaussian mixture fitted to the codes of training images.

    On sphere and uniform priors they are brought back into the prior's support.

    Args:
        model: the model.
        train: uint8 [n, H, W, C]; the first MIXTURE_CODES are encoded.
        count: number of codes.
        seed: the fit and the draws follow from it.

    Raises:
        DataError: there is one training image.
        RunError: codes are not finite.
    """
    from sklearn.mixture import GaussianMixture

    settings = model.settings
    if len(train) < 2:
        raise DataError(
            f"--sampler=gmm is fitted to the codes of training images, and there is {len(train)}: at least "
            "2 are needed."
        )
    fitted = passes.codes(model, train[:MIXTURE_CODES]).astype(np.float64)
    if not np.isfinite(fitted).all():
        raise RunError(
            "--sampler=gmm is fitted to the codes of training images, and this model's are not all finite."
        )
    distinct = len(np.unique(fitted, axis=0))  # of a collapsed encoder one
    components = min(COMPONENTS, len(fitted) // 2, distinct)
    chosen = GaussianMixture(components, random_state=seed % 2**32).fit(fitted)
    drawn, _ = chosen.sample(count)
    # In the order of the components as drawn: shuffled, since estimates take blocks.
    drawn = np.random.default_rng(seed % 2**32).permutation(drawn).astype(np.float32)
    if settings.prior == "sphere":
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.clip(drawn, -1.0, 1.0) if settings.prior == "uniform" else drawn


def draw_labels(model: Wae, of_data: np.ndarray | None, count: int, seed: int) -> np.ndarray | None:
    """Labels int64 [count] as frequent as in the data [n]; None of a model without classes."""
    if of_data is None or not model.settings.classes:
        return None
    return np.random.default_rng(seed % 2**32).choice(of_data, count)


def draw_codes(
    model: Wae,
    sampler: str,
    count: int,
    train: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    seed: int = 0,
    sphere_axis: str = "code",
    progress: Callable[[str], None] = lambda line: None,
) -> np.ndarray:
    """Codes float32 [count, z] to decode into samples; of a model with classes joined to labels.

    Args:
        model: the model.
        sampler: one of SAMPLERS: `prior`; `gmm`, see `mixture`; `improved`, see `improved`.
        count: number of codes.
        train: uint8 training images, for `gmm`.
        labels: int64 [count], of the codes, which a model with classes needs; else they are left.
        seed: everything random follows from it.
        sphere_axis: of `improved`.
        progress: of `improved`.

    Raises:
        FlagError: a sampler that is not known or does not fit the model.
    """
    if sampler == "prior":
        prior_sample = model.sample_prior(count, streams.key(seed, "sample", 0)).numpy()
        return passes.joined(model, prior_sample, labels)
    if sampler == "gmm":
        return passes.joined(model, mixture(model, train, count, seed=seed), labels)
    if sampler != "improved":
        raise FlagError(
            f"--sampler={sampler} is not known; accepted: {', '.join(SAMPLERS)}"
            + did_you_mean(sampler, SAMPLERS)
        )
    settings = model.settings
    check_sampler(sampler, model.of_pictures, conditional=settings.classes > 0, cost=settings.cost)
    return improved(model, count, seed=seed, sphere_axis=sphere_axis, progress=progress)[0]
