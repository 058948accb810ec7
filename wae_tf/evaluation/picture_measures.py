"""Measures of pictures: samples, reconstructions and data against test images, as numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from wae_tf.evaluation import bootstrap, distances, tfgan
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit

#: Images whose distance to the nearest training image is averaged, and neighbours of each.
SEARCHED, NEIGHBOURS = 200, 5
SLICED_SIDE = 8  # of the smallest images that TF-GAN's 7x7 patches fit
#: Resamples of a sliced Wasserstein distance, and the directions that they are taken along.
MOST_SLICED, DIRECTIONS = 20, 16

#: How the names of numbers begin that not every evaluation has: of samples, or of data without labels.
BEGINNINGS = ("sliced_wasserstein", "evaluated_samples", "nearest_train_samples")

#: Bytes of images to the bytes of what a model sees, as `reconstruction_quality.originals`.
Seen = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The pictures that are compared, uint8 [n, H, W, C] each, all as the model sees or makes them.

    Attributes:
        test: all test images, which the others are compared with.
        samples: decoded codes of a sampler.
        reconstructions: of the test images, in their order.
        data: the first training images, the column of data.
        tail: what the names of samples' numbers end in: "" or "_" and the sampler.
    """

    test: np.ndarray
    samples: np.ndarray
    reconstructions: np.ndarray
    data: np.ndarray
    tail: str = ""

    @property
    def equal_count(self) -> int:
        """How many samples compare with `data`: a distance falls as the number grows."""
        return min(len(self.samples), len(self.data))

    def counts(self) -> dict[str, float]:
        """How many pictures there are, as numbers of metrics.json."""
        return {
            f"evaluated_samples{self.tail}": len(self.samples),
            f"evaluated_samples{self.tail}_equal": self.equal_count,
            "evaluated_test": len(self.test),
            "evaluated_data": len(self.data),
        }

    def ending(self, part: str) -> str:
        """What the name of a number of samples, equal, reconstructions or data ends in."""
        return {"samples": self.tail, "equal": f"{self.tail}_equal"}.get(part, f"_{part}")


def decoded_bytes(model: Wae, codes: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """uint8 [n, H, W, C] of codes [n, z]: pictures as a file would hold them, batch by batch."""
    made = np.empty((len(codes), *model.image_shape), np.uint8)
    for start in range(0, len(codes), batch_size):
        part = passes.decoded(model, codes[start : start + batch_size], batch_size)
        pixels = to_unit(part, model.settings.pixel_range_of_data)
        made[start : start + len(part)] = np.rint(pixels * 255).astype(np.uint8)
    return made


def sliced_count(pictures: Pictures) -> int:
    """Of how many samples, and of as many data, the sliced Wasserstein distances are."""
    return min(len(pictures.test), pictures.equal_count, tfgan.SLICED_IMAGES)


def sliced_reconstructions(pictures: Pictures) -> int:
    """Of how many reconstructions, and as many other test images, they are."""
    return min(len(pictures.test) // 2, tfgan.SLICED_IMAGES)


def sliced_wasserstein(pictures: Pictures, resampling: Resampling) -> dict[str, float]:
    """sliced_wasserstein_SIDE of each level of the Laplacian pyramid, and `_ci95` of each.

    Args:
        pictures: that are compared; {} where they are too small.
        resampling: of the intervals, whose seed is that of the patches too; MOST_SLICED resamples
            at most are taken, along DIRECTIONS of TF-GAN's 147.
    """
    height, width = pictures.test.shape[1:3]
    if min(height, width) < SLICED_SIDE:
        return {}
    # Reconstructions are compared with other test images, or a copy would have an edge.
    half, count = len(pictures.test) // 2, sliced_count(pictures)
    other = sliced_reconstructions(pictures)
    pairs = {
        "samples": (pictures.test[:count], pictures.samples[:count]),
        "reconstructions": (pictures.test[:other], pictures.reconstructions[half:][:other]),
        "data": (pictures.test[:count], pictures.data[:count]),
    }
    few = dataclasses.replace(resampling, count=min(resampling.count, MOST_SLICED))
    numbers: dict[str, float] = {f"count_sliced_wasserstein{pictures.tail}": count}
    for part, (first, second) in pairs.items():
        found = tfgan.sliced_wasserstein(first, second, resampling.seed)
        names = [
            f"sliced_wasserstein_{min(height, width) // 2**level}{pictures.ending(part)}"
            for level in range(len(found))
        ]
        numbers |= {name: apart for name, (_, apart) in zip(names, found, strict=True)}
        widths = [math.nan] * len(found)
        if few.count > 1:
            drawn = few.weights(len(first), "test"), few.weights(len(second), part)
            patches = tfgan.projected_patches(first, second, DIRECTIONS, resampling.seed)
            widths = [
                bootstrap.sliced_interval(bootstrap.sliced(a, b, *drawn), tfgan.DIRECTIONS)
                for a, b in patches
            ]
        numbers |= {f"{name}_ci95": wide for name, wide in zip(names, widths, strict=True)}
    return numbers


def nearest_training_images(
    pictures: Pictures, train: np.ndarray, seen: Seen
) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances [n, NEIGHBOURS] of the training images nearest to the first samples."""
    return distances.nearest(pictures.samples[:SEARCHED], train, NEIGHBOURS, seen=seen)


def nearest_numbers(
    apart: np.ndarray, pictures: Pictures, train: np.ndarray, seen: Seen
) -> dict[str, float]:
    """Mean distance to the nearest training image, of samples and of test images (`data`).

    Args:
        apart: of the samples, as `nearest_training_images` gives it.
        pictures: test images and what the names end in.
        train: uint8 [N, H, W, C], may be a memory map.
        seen: its bytes to those that the model sees, a block at a time.
    """
    of_test = distances.nearest(np.asarray(pictures.test[:SEARCHED]), train, 1, seen=seen)[1]
    return {
        f"nearest_train_samples{pictures.tail}": float(apart[:, 0].mean()),
        "nearest_train_data": float(of_test.mean()),
    }
