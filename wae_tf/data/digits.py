"""scikit-learn's handwritten digits."""

from __future__ import annotations

import gzip
import importlib.util
import io
from pathlib import Path

import numpy as np

from wae_tf.data import image_set
from wae_tf.data.image_set import ImageSet
from wae_tf.registry import register


@register(
    "dataset",
    "digits",
    help="scikit-learn's 1,797 handwritten digits; needs no files",
    data_dir="none",
)
def digits(test_size: int | None) -> ImageSet:
    """scikit-learn's 1,797 handwritten digits of 8x8, resized to 28x28 (Pillow, bicubic)."""
    from PIL import Image

    small, labels = _rows()
    eight_bits = np.rint(small * (255 / 16)).astype(np.uint8)
    size, bicubic = (28, 28), Image.Resampling.BICUBIC
    images = np.stack([np.asarray(Image.fromarray(i).resize(size, bicubic)) for i in eight_bits])
    test = image_set.checked_test_size(297 if test_size is None else test_size, len(images))
    return image_set.pooled(
        "digits", images[..., None], labels, test,
        "scikit-learn's handwritten digits, 8x8 resized to 28x28", "NumPy shuffle with seed 123",
    )  # fmt: skip


def _rows() -> tuple[np.ndarray, np.ndarray]:
    """The images, float64 [1797, 8, 8] of 0 to 16, and their labels, int64.

    From scikit-learn's own file where that lies as it does in 1.9: importing what reads it takes two
    seconds, which every run on digits would wait for.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            table = np.loadtxt(io.BytesIO(gzip.decompress(file.read_bytes())), delimiter=",")
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images, bunch.target.astype(np.int64)
