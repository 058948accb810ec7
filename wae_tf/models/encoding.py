"""What the encoder's outputs and the noise of a pass make of images: codes and their distribution."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from wae_tf import streams
from wae_tf.models.pixel_noise import pixel_noise
from wae_tf.models.step import replicas
from wae_tf.objective import priors
from wae_tf.settings import Settings

#: Bound of the log-variance (official wae.py:61), or of the standard deviation (replication wae.py:170).
BOUND = 50.0


class Noise(NamedTuple):
    """The random numbers of one pass of the encoder; None where its kind of noise is not used."""

    pixels: tf.Tensor | None = None  # [n, H, W, C], added to the images: encoder_noise add_noise
    code: tf.Tensor | None = None  # [n, z], standard normal: gaussian and implicit
    codes_per_image: tf.Tensor | None = None  # [10 n, z], standard normal: MMD++
    again: tf.Tensor | None = None  # [n, z], as code, for the second pass of penalty_codes=fresh
    penalty: tf.Tensor | None = None  # int32 [2], the key of what the penalty draws for itself

    def of_own_rows(self) -> Noise:
        """This replica's rows; what is of the global batch is the penalty's."""
        return Noise(replicas.own_rows(self.pixels), replicas.own_rows(self.code))


class Encoding(NamedTuple):
    """What the encoder says of images: the sampled codes and, if gaussian, their distribution."""

    codes: tf.Tensor  # [n, z]
    mean: tf.Tensor | None = None  # [n, z]
    logvar: tf.Tensor | None = None  # [n, z], clipped but for encoder_clip=std_at_most
    matrix: tf.Tensor | None = None  # [n, z, z], implicit noise
    training: bool = True  # whether the pass is one of training

    def gathered(self, value: tf.Tensor) -> tuple[Encoding, tf.Tensor]:
        """That of the global batch; and a scalar's mean over the replicas, in the same message."""
        there = {n: v for n, v in self._asdict().items() if n != "training" and v is not None}
        mean, whole = replicas.mean_and_gathered(value, list(there.values()))
        return self._replace(**dict(zip(there, whole, strict=True))), mean


def draw_noise(
    settings: Settings,
    image_shape: tuple[int, ...],
    count: int | tf.Tensor,
    step: tf.Tensor,
    stream: str,
    *,
    training: bool,
    codes_per_image: int = 0,
) -> Noise:
    """The noise of one pass of the encoder, a function of (seed, stream, step).

    Args:
        settings: encoder_noise, zdim and seed.
        image_shape: (H, W, C).
        count: images of the pass.
        step: an integer scalar.
        stream: `autoencoder`, `adversary`, `pretrain`, `test` or `improved`, which differ.
        training: noise on images is of training alone (official models.py:8-16).
        codes_per_image: so many codes of each image the penalty draws besides (MMD++).
    """
    full = settings.full_precision

    def key(kind: str) -> tf.Tensor:
        return streams.key(settings.seed, f"{stream}/{kind}", step)

    def normal(kind: str, rows: Any) -> tf.Tensor:
        shape = [rows, settings.zdim]
        return tf.cast(tf.random.stateless_normal(shape, key(kind), alg="philox"), full)

    pixels = code = None
    if settings.encoder_noise == "add_noise" and training:
        pixels = pixel_noise([count, *image_shape], key("pixels"), full)
    if settings.encoder_noise in ("gaussian", "implicit"):
        code = normal("code", count)
    many = normal("many", count * codes_per_image) if codes_per_image else None
    # Of passes with a penalty alone.
    fresh = settings.penalty_codes == "fresh" and f"{stream}/again" in streams.STREAMS
    again = normal("again", count) if fresh else None
    penalty = key("penalty") if f"{stream}/penalty" in streams.STREAMS else None
    return Noise(pixels, code, many, again, penalty)


def sampled(outputs: dict[str, tf.Tensor], noise: Noise, settings: Settings) -> Encoding:
    """Codes of the encoder's outputs with the noise given; without it, means (official wae.py:52-69).

    Args:
        outputs: `mean` [n, z]; `spread` [n, z], the second head of a gaussian encoder; `matrix`
            [n, z, z] of an implicit one (official models.py:52-61).
        noise: of this pass.
        settings: encoder_clip, prior.
    """
    mean = codes = outputs["mean"]
    logvar = matrix = None
    if "spread" in outputs:
        logvar = outputs["spread"]
        if settings.encoder_clip == "std_at_most":
            std = tf.minimum(tf.exp(0.5 * logvar), BOUND)
        else:
            logvar = tf.clip_by_value(logvar, -BOUND, BOUND)
            std = tf.sqrt(1e-8 + tf.exp(logvar))
        if noise.code is not None:
            codes += noise.code * std
    if "matrix" in outputs:
        matrix = outputs["matrix"]
        if noise.code is not None:
            codes += tf.einsum("ni,nij->nj", noise.code, matrix)
    return Encoding(priors.into_support(settings.prior, codes), mean, logvar, matrix)
