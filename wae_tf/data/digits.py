"""scikit-learn's handwritten digits."""

from __future__ import annotations

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
    from sklearn.datasets import load_digits

    small = load_digits()
    eight_bits = np.rint(small.images * (255 / 16)).astype(np.uint8)
    size, bicubic = (28, 28), Image.Resampling.BICUBIC
    images = np.stack([np.asarray(Image.fromarray(i).resize(size, bicubic)) for i in eight_bits])
    test = image_set.checked_test_size(297 if test_size is None else test_size, len(images))
    return image_set.pooled(
        "digits", images[..., None], small.target.astype(np.int64), test,
        "scikit-learn's handwritten digits, 8x8 resized to 28x28", "NumPy shuffle with seed 123",
    )  # fmt: skip
