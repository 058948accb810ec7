"""TF-GAN's evaluation functions on arrays of activations; the only file that touches TF-GAN.

`import tensorflow_gan` 2.1.0 fails under today's TensorFlow: its estimator part needs
`tf.estimator`. Its `python.eval` part does not, so it is imported below packages that hold nothing
but a search path. Nothing of TF-GAN is changed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import RunError, first_line

#: Images at most for the sliced Wasserstein distance: 64 patches of 7x7x3 floats an image are held.
SLICED_IMAGES = 2048
#: TF-GAN's defaults: patches of an image, their side, directions, the least side of a pyramid's level.
PATCHES, PATCH, DIRECTIONS, LEAST_SIDE = 64, 7, 7 * 7 * 3, 16


def _stub(name: str, folder: Path) -> types.ModuleType:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return importlib.util.module_from_spec(spec)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # TF-GAN calls functions that TensorFlow has deprecated; its users can do nothing about it.
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@functools.cache
def _eval() -> Any:
    """The module `tensorflow_gan.python.eval`.

    Raises:
        RunError: TF-GAN is not installed, or of a version that cannot be imported.
    """
    if "tensorflow_gan" not in sys.modules:
        spec = importlib.util.find_spec("tensorflow_gan")
        if spec is None or not spec.submodule_search_locations:
            raise RunError(
                "TF-GAN, which Frechet, kernel and sliced Wasserstein distances need, is not installed: pip "
                "install 'tensorflow-gan>=2.1,<2.2'."
            )
        folder = Path(spec.submodule_search_locations[0])
        package, python = "tensorflow_gan", "tensorflow_gan.python"
        sys.modules[package] = _stub(package, folder)
        sys.modules[python] = _stub(python, folder / "python")
        vars(sys.modules[package])["python"] = sys.modules[python]
    try:
        with warnings.catch_warnings():  # of its own age, which -W error makes errors
            warnings.simplefilter("ignore")
            return importlib.import_module("tensorflow_gan.python.eval")
    except Exception as error:  # broken in any way
        if sys.flags.optimize > 1:
            raise RunError(
                "TF-GAN, which Frechet, kernel and sliced Wasserstein distances need, reads docstrings, "
                "which python -OO and PYTHONOPTIMIZE=2 leave out; run it without, or with -O."
            ) from error
        raise RunError(
            f"TF-GAN, which Frechet, kernel and sliced Wasserstein distances need, cannot be imported "
            f"({type(error).__name__}: {first_line(error)}): pip install 'tensorflow-gan>=2.1,<2.2'."
        ) from error


def require() -> None:
    """Says before work that needs TF-GAN that it is not there.

    Raises:
        RunError: it is not.
    """
    _eval()


def _tensor(activations: np.ndarray, dtype: tf.DType = tf.float64) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(activations), dtype)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """`frechet_classifier_distance_from_activations` of [n, d] and [m, d], in float64 (1706.08500).

    Biased upwards at finite n and m: compare at equal counts only.
    """
    function = _eval().frechet_classifier_distance_from_activations
    return float(function(_tensor(a), _tensor(b)))


def kernel_distance(a: np.ndarray, b: np.ndarray, block: int = 1024) -> tuple[float, float]:
    """`kernel_classifier_distance_and_std_from_activations` of [n, d] and [m, d] (1801.01401).

    Returns:
        the distance, an unbiased block estimate, and its standard error (NaN if there is but one
        block: fewer than `block` rows).
    """
    function = _eval().kernel_classifier_distance_and_std_from_activations
    with _quiet():
        value, error = function(_tensor(a), _tensor(b), max_block_size=block)
    return float(value), float(error)


def classifier_score(logits: np.ndarray) -> float:
    """`classifier_score_from_logits` of [n, classes]: exp E KL(p(y|x) || p(y)) (1606.03498).

    Logits so far below a row's largest that their classes have no probability in float64 count as one of
    1e-260: TF-GAN takes 0 log(0 / 0) for no number.
    """
    logits = np.asarray(logits, np.float64)
    floor = logits.max(axis=1, keepdims=True) - 600.0
    return float(_eval().classifier_score_from_logits(_tensor(np.maximum(logits, floor))))


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # TF-GAN draws patches from NumPy's global generator and projections from TensorFlow's.
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    tf.random.set_seed(seed % 2**63)
    try:
        yield
    finally:
        np.random.set_state(state)


def _square(images: np.ndarray) -> np.ndarray:
    # The pyramid halves the side while it is at least 2 * LEAST_SIDE, and wants even sides for that.
    side = min(images.shape[1:3])
    if side >= LEAST_SIDE:
        levels = int(np.log2(side)) - int(np.log2(LEAST_SIDE))
        side -= side % 2**levels
    top, left = (images.shape[1] - side) // 2, (images.shape[2] - side) // 2
    return images[:, top : top + side, left : left + side]


def sliced_wasserstein(
    real: np.ndarray, generated: np.ndarray, seed: int = 0
) -> list[tuple[float, float]]:
    """`sliced_wasserstein_distance` of uint8 images [n, H, W, C] and [m, H, W, C] (1710.10196).

    The first min(n, m, SLICED_IMAGES) of both are used, their centre square where they are not
    square; grey ones become three equal channels. TF-GAN divides each patch by its own deviation,
    which is zero on flat ground: noise of one grey level, uniform, is added to both sides first.
    Sets TensorFlow's global seed.

    Returns:
        (distance among real images, distance of generated ones) at each level of the Laplacian
        pyramid, from the full resolution downwards.
    """
    with _seeded(seed), _quiet():
        scores = _eval().sliced_wasserstein_distance(
            *_prepared(real, generated, seed), resolution_min=LEAST_SIDE
        )
    return [(float(among), float(apart)) for among, apart in scores]


def _prepared(real: np.ndarray, generated: np.ndarray, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    """As many of both, square, three channels, noise of a grey level added, in [0, 1]."""
    count = min(len(real), len(generated), SLICED_IMAGES)
    rng = np.random.default_rng(seed % 2**64)

    def prepared(images: np.ndarray) -> tf.Tensor:
        images = _square(np.asarray(images[:count])).astype(np.float32)
        images += rng.random(images.shape, np.float32)
        tensor = tf.convert_to_tensor(images / 256.0)
        if tensor.shape[-1] == 1:
            return tf.image.grayscale_to_rgb(tensor)
        return tensor[..., :3]

    return prepared(real), prepared(generated)


def projected_patches(
    real: np.ndarray,
    generated: np.ndarray,
    directions: int,
    seed: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What `sliced_wasserstein` sorts, along fewer directions, by TF-GAN's pyramid and patches.

    Args:
        real: as there, as is what is not told here.
        generated: as there.
        directions: random ones; TF-GAN takes DIRECTIONS.
        seed: of noise, patches and directions.

    Yields:
        of each level of the pyramid float32 [directions, images, patches of an image] of both.
    """
    _eval()
    parts = importlib.import_module("tensorflow_gan.python.eval.sliced_wasserstein")
    rng = np.random.default_rng([seed % 2**63, directions])
    with _seeded(seed), _quiet():
        sets = _prepared(real, generated, seed)
        side = int(sets[0].shape[1])
        levels = int(np.log2(side)) - int(np.log2(min(LEAST_SIDE, side))) + 1
        for pair in zip(*(parts.laplacian_pyramid(one, levels) for one in sets), strict=True):
            along = rng.standard_normal((PATCH * PATCH * 3, directions), np.float32)
            along /= np.sqrt(np.square(along).sum(axis=0))
            made = []
            for level in pair:
                patches = parts._normalize_patches([parts._batch_to_patches(level, PATCHES, PATCH)])
                along_each = tf.matmul(along, patches, transpose_a=True, transpose_b=True).numpy()
                made.append(along_each.reshape(directions, len(level), PATCHES))
            yield made[0], made[1]
