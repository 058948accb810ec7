"""Distances between sets of images by the activations of a network, in bounded memory.

A network here is a `FeatureNetwork`: bytes of images in, features and logits out. The distances themselves
are TF-GAN's (`evaluation.tfgan`), but for the Frechet distance by networks of any scale; see `scores`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.evaluation import tfgan
from wae_tf.files import cache_folder, open_regular

Progress = Callable[[str], None]

#: Of `count_bias`: pictures at least, and numbers of them at most.
_LEAST, _POINTS = 64, 5


def _silent(line: str) -> None:
    pass


class Features(NamedTuple):
    """What a network says of n images."""

    features: np.ndarray  # float32 [n, d]
    logits: np.ndarray  # float32 [n, classes]


@dataclasses.dataclass(frozen=True)
class FeatureNetwork:
    """A network that tells images apart.

    Attributes:
        name: for the names of metrics, such as `mnist_classifier`.
        title: for people.
        identity: sha256 of its weights.
        settings: what else its numbers depend on, such as the resize.
        apply: uint8 [n, H, W, C] -> features [n, d], logits [n, classes]; [n, 0]: it has none.
        batch_size: images a call.
    """

    name: str
    title: str
    identity: str
    settings: dict[str, str]
    apply: Callable[[np.ndarray], tuple[Any, Any]]
    batch_size: int = 100


def features(
    network: FeatureNetwork,
    images: np.ndarray,
    *,
    batch_size: int | None = None,
    progress: Progress = _silent,
    what: str = "images",
) -> Features:
    """Activations of uint8 images [n, H, W, C]; a batch and the activations are all that is held.

    Raises:
        DataError: some are NaN or inf.
    """
    size = batch_size or network.batch_size
    rows: list[list[np.ndarray]] = [[], []]
    began = told = time.monotonic()
    for start in range(0, len(images), size):
        batch = np.asarray(images[start : start + size])
        for kept, values in zip(rows, network.apply(batch), strict=True):
            kept.append(np.asarray(values, np.float32))
        now = time.monotonic()
        if now - told > 10:
            told, done = now, start + len(batch)
            left = (now - began) / done * (len(images) - done)
            progress(f"{network.title}: {done:,} of {len(images):,} {what}, {left:,.0f} s left")
    made = Features(*(np.concatenate(parts) for parts in rows))
    bad = ~np.isfinite(made.features).all(axis=1) | ~np.isfinite(made.logits).all(axis=1)
    if bad.any():
        raise DataError(
            f"{network.title} gives NaN or inf for {bad.sum():,} of {len(images):,} {what}, first for number "
            f"{bad.argmax() + 1:,}: a network of finite numbers is expected."
        )
    return made


def content_hash(images: np.ndarray) -> str:
    """sha256 of an array's shape, type and bytes, read in pieces."""
    digest = hashlib.sha256(f"{images.shape} {images.dtype}".encode())
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]).data)
    return digest.hexdigest()


def _sum(made: Features) -> str:
    return " ".join(map(content_hash, made))


def cached_features(
    network: FeatureNetwork,
    images: np.ndarray,
    cache_dir: str | os.PathLike | None = None,
    *,
    progress: Progress = _silent,
    what: str = "images",
) -> Features:
    """`features`, kept in the cache under the hash of images, network and its settings.

    With a sum, for a bit may flip there too: what is not as it was written is made anew.
    """
    key = {
        "images": content_hash(images),
        "network": network.identity,
        "settings": network.settings,
        "version": 1,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    folder = cache_folder(cache_dir)
    file = folder / f"features-{network.name}-{digest[:24]}.npz"
    # Of a damaged file zipfile and NumPy raise almost anything.
    with contextlib.suppress(Exception):
        with open(open_regular(file), "rb") as handle, np.load(handle, allow_pickle=False) as kept:
            found = Features(kept["features"], kept["logits"])
            whole = str(kept["sum"]) == _sum(found)
        if whole and len(found.features) == len(found.logits) == len(images):
            progress(f"{network.title}: {len(images):,} {what} from the cache")
            return found
    made = features(network, images, progress=progress, what=what)
    part = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as new:
            np.savez(new, **made._asdict(), sum=np.array(_sum(made)))
        os.replace(part, file)
    except OSError as error:  # the numbers are there all the same
        progress(f"the cache folder {folder} cannot be written ({error.strerror or error})")
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return made


def moments(activations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] and unbiased covariance [d, d] of [n, d], in float64."""
    values = np.asarray(activations, np.float64)
    mean = values.mean(axis=0)
    values = values - mean
    with np.errstate(divide="ignore", invalid="ignore"):  # one row has no covariance: NaN
        return mean, values.T @ values / np.float64(len(values) - 1)


def frechet_of_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), by symmetric eigenvalues in float64.

    The trace of the root is that of (R C_b R)^(1/2) with R the symmetric root of C_a. NaN of moments that are
    not finite, as those of one row.
    """
    if not all(np.isfinite(part).all() for part in (mean_a, covariance_a, mean_b, covariance_b)):
        return math.nan
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariance_b @ root)
    trace = np.trace(covariance_a) + np.trace(covariance_b)
    trace -= 2 * np.sqrt(np.maximum(product, 0)).sum()
    return float(np.square(mean_a - mean_b).sum() + trace)


def frechet_of_rows(a: np.ndarray, b: np.ndarray) -> float:
    """`frechet_of_moments` of [n, d] and [m, d]."""
    return frechet_of_moments(*moments(a), *moments(b))


def count_bias(made: np.ndarray, real: np.ndarray) -> list[tuple[int, float]]:
    """(n, Frechet distance of the first n of `made` to all of `real`), n doubling up to all.

    A Frechet distance falls as n grows though nothing gets better: only equal counts compare.
    """
    counts: list[int] = []
    n = len(made)
    while n >= _LEAST and len(counts) < _POINTS:
        counts.append(n)
        n //= 2
    reference = moments(real)
    return [(n, frechet_of_moments(*moments(made[:n]), *reference)) for n in reversed(counts)]


def scores(made: Features, real: Features) -> dict[str, float]:
    """`frechet`, `kernel`, `kernel_error` of made against real images, `score` of the made ones.

    The Frechet distance is TF-GAN's where there are logits, of Inception and our classifiers. Of any other
    network it is `frechet_of_moments`: TF-GAN leaves out eigenvalues below 1e-10, as activations of a
    small scale have them.
    """
    kernel, error = tfgan.kernel_distance(real.features, made.features)
    classified = made.logits.shape[1] > 0
    frechet = tfgan.frechet_distance if classified else frechet_of_rows
    return {
        "frechet": frechet(real.features, made.features),
        "kernel": kernel,
        "kernel_error": error,
        "score": tfgan.classifier_score(made.logits) if classified else math.nan,
    }


def nearest(
    images: np.ndarray,
    train: np.ndarray,
    count: int = 3,
    block: int = 2000,
    *,
    unit: float = 255,
    dtype: tf.DType = tf.float32,
    seen: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest training images by Euclidean distance of pixels, block by block.

    Args:
        images: uint8 [n, H, W, C], or any numbers [n, ...].
        train: uint8 [N, H, W, C] or the like, may be a memory map.
        count: neighbours of each.
        block: training images held as floats at once.
        unit: what distances are divided by; 255: pixels in [0, 1].
        dtype: to search in; what is found is measured once more, in float64.
        seen: what a block of training images is turned into first, where they lie in other bytes.

    Returns:
        indices [n, count] and distances [n, count], nearest first.
    """
    count = min(count, len(train))
    flat = tf.cast(tf.constant(images.reshape(len(images), -1)), dtype)
    norms = tf.reduce_sum(tf.square(flat), axis=1, keepdims=True)
    best = np.full((len(images), count), np.inf)
    where = np.zeros((len(images), count), np.int64)
    for start in range(0, len(train), block):
        some = np.asarray(train[start : start + block])
        some = some if seen is None else seen(some)
        rows = tf.cast(tf.constant(some.reshape(-1, flat.shape[1])), dtype)
        squares = norms + tf.reduce_sum(tf.square(rows), axis=1)[None, :]
        squares -= 2 * tf.matmul(flat, rows, transpose_b=True)
        both = np.concatenate([best, squares.numpy()], axis=1)
        places = np.concatenate(
            [where, np.broadcast_to(np.arange(start, start + len(rows)), squares.shape)], axis=1
        )
        order = np.argsort(both, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(both, order, axis=1)
        where = np.take_along_axis(places, order, axis=1)
    # Squares that nearly cancel leave a copy some way off, 0.6 of 256x256 in colour: it is at 0.
    for row, image in enumerate(np.asarray(images)):
        some = np.asarray(train[where[row]])
        some = some if seen is None else seen(some)
        apart = some.reshape(count, -1).astype(np.float64) - image.reshape(-1)
        squares = np.square(apart).sum(axis=1)
        order = np.argsort(squares, kind="stable")
        best[row], where[row] = squares[order], where[row][order]
    return where, np.sqrt(best) / unit
