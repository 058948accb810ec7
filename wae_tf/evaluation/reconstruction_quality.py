"""PSNR, SSIM and LPIPS of reconstructions, picture by picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wae_tf.evaluation import bootstrap
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit

#: The window of tf.image.ssim: smaller pictures have no SSIM.
WINDOW = 11
_BATCH = 100

Pairwise = Callable[[np.ndarray, np.ndarray], np.ndarray]


def originals(model: Wae, images: np.ndarray) -> np.ndarray:
    """Images as bytes of what the model is given: of --pixel_range=stretched, not the data's own.

    Args:
        model: whose pixel range it is.
        images: [n, H, W, C], may be a memory map.

    Returns:
        uint8 [n, H, W, C], the images themselves where nothing changes; a batch of floats is in memory.
    """
    pixel_range = model.settings.pixel_range_of_data
    if pixel_range in ("unit", "symmetric") and images.dtype == np.uint8:
        return images

    def seen(batch: np.ndarray) -> np.ndarray:
        pixels = to_unit(np.asarray(model.as_pixels(batch)), pixel_range)
        return np.rint(pixels * 255).astype(np.uint8)

    return passes.in_batches(seen, images)


def psnr(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """tf.image.psnr, dB, of each pair of uint8 [n, H, W, C]: [n]; inf of equal pictures."""
    return _pairwise(lambda a, b: tf.image.psnr(a, b, max_val=255), first, second)


def ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """tf.image.ssim of each pair of uint8 [n, H, W, C], H and W at least WINDOW: [n].

    Its defaults are the paper's (Wang et al. 2004): a Gaussian window of 11 pixels, sigma 1.5,
    k1 0.01, k2 0.03; the mean over channels.
    """
    return _pairwise(lambda a, b: tf.image.ssim(a, b, max_val=255), first, second)


def _pairwise(function: Callable, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    starts = range(0, len(first), _BATCH)
    pairs = ((tf.constant(x[i : i + _BATCH]) for x in (first, second)) for i in starts)
    return np.concatenate([np.asarray(function(*pair)) for pair in pairs])


def numbers(
    first: np.ndarray, second: np.ndarray, lpips: Pairwise | None, resampling: Resampling
) -> dict[str, float]:
    """The means over pairs of pictures, and half the widths of their intervals.

    Args:
        first: originals, uint8 [n, H, W, C].
        second: their reconstructions.
        lpips: see `lpips.load`; None: it is left out.
        resampling: of the intervals; a pair is drawn together.

    Returns:
        test_psnr, test_ssim (not of pictures below WINDOW), test_lpips, and each with `_ci95`.
    """
    measures: dict[str, Pairwise] = {"test_psnr": psnr}
    if min(first.shape[1:3]) >= WINDOW:
        measures["test_ssim"] = ssim
    if lpips is not None:
        measures["test_lpips"] = lpips
    made: dict[str, float] = {}
    for name, measure in measures.items():
        made[name], made[f"{name}_ci95"] = bootstrap.mean(measure(first, second), resampling)
    return made
