"""Measures of pictures: samples, reconstructions and data against test images, as numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from wae_tf.evaluation import distances, tfgan
from wae_tf.evaluation.distances import FeatureNetwork, Features, Progress
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit

#: Images whose distance to the nearest training image is averaged, and neighbours of each.
SEARCHED, NEIGHBOURS = 200, 5
SLICED_SIDE = 8  # of the smallest images that TF-GAN's 7x7 patches fit


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The pictures that are compared, uint8 [n, H, W, C] each.

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

    def ending(self, part: str) -> str:
        """What the name of a number of samples, reconstructions or data ends in."""
        return self.tail if part == "samples" else f"_{part}"


def decoded_bytes(model: Wae, codes: np.ndarray, batch_size: int = 100) -> np.ndarray:
    """uint8 [n, H, W, C] of codes [n, z]: pictures as a file would hold them, batch by batch."""
    made = np.empty((len(codes), *model.image_shape), np.uint8)
    for start in range(0, len(codes), batch_size):
        part = passes.decoded(model, codes[start : start + batch_size], batch_size)
        pixels = to_unit(part, model.settings.pixel_range_of_data)
        made[start : start + len(part)] = np.rint(pixels * 255).astype(np.uint8)
    return made


def features(
    network: FeatureNetwork, pictures: Pictures, cache_dir: str | None, progress: Progress
) -> dict[str, Features]:
    """Activations of test, samples, reconstructions and data; those of data sets are cached."""
    return {
        "test": distances.cached_features(
            network, pictures.test, cache_dir, what="test images", progress=progress
        ),
        "samples": distances.features(network, pictures.samples, what="samples", progress=progress),
        "reconstructions": distances.features(
            network, pictures.reconstructions, what="images", progress=progress
        ),
        "data": distances.cached_features(
            network, pictures.data, cache_dir, what="images", progress=progress
        ),
    }


def by_network(
    found: Mapping[str, Features],
    names: Mapping[str, str],
    pictures: Pictures,
    network: FeatureNetwork,
    progress: Progress,
) -> dict[str, float]:
    """Distances of samples, reconstructions and data to the test images.

    Args:
        found: what `features` gives.
        names: `feature_networks.metric_names` of the network.
        pictures: whose numbers they are.
        network: for the lines of progress.
        progress: is called with a line before each part.
    """
    numbers: dict[str, float] = {}
    for part in ("samples", "reconstructions", "data"):
        progress(f"{network.title}: distances of {part}")
        scores = distances.scores(network, found[part], found["test"])
        end = pictures.ending(part)
        numbers |= {f"{name}{end}": scores[kind] for kind, name in names.items()}
        numbers[f"{names['kernel']}_error{end}"] = scores["kernel_error"]
    return numbers


def sliced_wasserstein(pictures: Pictures, seed: int) -> dict[str, float]:
    """sliced_wasserstein_SIDE of each level of the Laplacian pyramid; {} of images too small."""
    height, width = pictures.test.shape[1:3]
    if min(height, width) < SLICED_SIDE:
        return {}
    # Reconstructions are compared with other test images, or a copy would have an edge.
    half = len(pictures.test) // 2
    pairs = {
        "samples": (pictures.test, pictures.samples),
        "reconstructions": (pictures.test[:half], pictures.reconstructions[half:]),
        "data": (pictures.test, pictures.data),
    }
    return {
        f"sliced_wasserstein_{min(height, width) // 2**level}{pictures.ending(part)}": apart
        for part, (first, second) in pairs.items()
        for level, (_, apart) in enumerate(tfgan.sliced_wasserstein(first, second, seed))
    }


def nearest_training_images(pictures: Pictures, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances [n, NEIGHBOURS] of the training images nearest to the first samples."""
    return distances.nearest(pictures.samples[:SEARCHED], train, NEIGHBOURS)


def nearest_numbers(apart: np.ndarray, pictures: Pictures, train: np.ndarray) -> dict[str, float]:
    """Mean distance to the nearest training image, of samples and of test images (`data`)."""
    of_test = distances.nearest(np.asarray(pictures.test[:SEARCHED]), train, 1)[1]
    return {
        f"nearest_train_samples{pictures.tail}": float(apart[:, 0].mean()),
        "nearest_train_data": float(of_test.mean()),
    }
