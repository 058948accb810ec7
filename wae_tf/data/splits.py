"""The official train and test splits: NumPy's shuffle with seed 123, and Python 2's for CelebA."""

from __future__ import annotations

import functools
import random

import numpy as np

SEED = 123
CELEBA_IMAGES = 202_599
CELEBA_TEST = 20_000


def numpy_order(count: int) -> np.ndarray:
    """The order into which `np.random.seed(123); np.random.shuffle(X)` puts `count` rows.

    official datahandler.py:386-389, :441-446, :570-575, :624-628. The shuffle draws the same swaps whatever
    the rows are, so images and labels keep together.

    Returns:
        int64 [count]: entry i is the row that comes to place i.
    """
    return np.random.RandomState(SEED).permutation(count)


@functools.lru_cache(maxsize=1)
def celeba_order() -> np.ndarray:
    """CelebA's image numbers in the order of Python 2's `random.seed(123); random.shuffle(paths)`.

    official datahandler.py:594-600. Python 3's shuffle draws otherwise, so Python 2's is written out here;
    `random.random()` itself has not changed.

    Returns:
        read-only int64 [202599]: numbers 1 to 202599; the last 20,000 are the official test set.
    """
    draw = random.Random(SEED).random
    order = list(range(1, CELEBA_IMAGES + 1))
    for i in reversed(range(1, CELEBA_IMAGES)):
        j = int(draw() * (i + 1))
        order[i], order[j] = order[j], order[i]
    numbers = np.array(order)
    numbers.flags.writeable = False
    return numbers


def cut(count: int, official_test: int) -> tuple[int, str]:
    """Where to cut shuffled images into train and test.

    Returns:
        The number of training images, and words for the test set: the last `official_test`, or the
        last tenth (at least one image) where there are no more images than that.
    """
    if count > official_test:
        return count - official_test, f"last {official_test:,} test"
    test = max(1, count // 10)
    return count - test, f"last {test:,} test (a tenth: there are only {count:,} images)"
