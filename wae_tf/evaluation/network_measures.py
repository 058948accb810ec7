"""What a network's activations say of pictures: distances, manifolds and scores, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from wae_tf.errors import DataError
from wae_tf.evaluation import bootstrap, distances, kernels, manifolds
from wae_tf.evaluation.bootstrap import Resampling
from wae_tf.evaluation.distances import FeatureNetwork, Features, Progress
from wae_tf.evaluation.picture_measures import Pictures

#: What is measured by a network, and what a table calls it.
KINDS = {
    "frechet": "Frechet distance",
    "kernel": "kernel distance",
    "gaussian_mmd": "Gaussian MMD x 1000",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "score": "classifier score",
}
#: What three of them are called of Inception.
OF_INCEPTION = {"frechet": "fid", "kernel": "kid", "score": "inception_score"}
#: How the names of a network's numbers begin, of how many pictures they are among them.
BEGINNINGS = (*KINDS, *OF_INCEPTION.values(), "count")
#: What the name of half the width of a number's 95% interval ends in.
INTERVAL = "_ci95"
#: Numbers of embeddings no further apart than this part of their largest are the same, but for rounding.
SAME = 1e-6
#: Rows at most of measures of all pairs, whose time grows with their square.
PAIRED = 10_000


def features(
    network: FeatureNetwork, pictures: Pictures, cache_dir: str | None, progress: Progress
) -> dict[str, Features]:
    """Activations of test, samples, reconstructions and data; those of data sets are cached.

    Raises:
        DataError: some are NaN or inf; or those of the test images, which differ, are all the same: such
            a network would find everything perfect.
    """
    test = distances.cached_features(
        network, pictures.test, cache_dir, what="test images", progress=progress
    )
    spread, size = np.ptp(test.features, axis=0), np.abs(test.features).max(axis=0)
    if (spread <= SAME * size).all() and (pictures.test != pictures.test[0]).any():
        raise DataError(
            f"{network.title} gives the same for all {len(pictures.test):,} test images: a network that "
            "tells pictures apart is expected (--features_input=range= says which pixels it wants)."
        )
    return {
        "test": test,
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
    resampling: Resampling,
    progress: Progress,
) -> dict[str, float]:
    """Distances of samples, reconstructions and data to the test images.

    Args:
        found: what `features` gives.
        names: `feature_networks.metric_names` of the network.
        pictures: whose numbers they are.
        network: for the lines of progress.
        resampling: of the intervals.
        progress: is called with a line before each part.

    Returns:
        A number of each kind and part, and half the width of its 95% interval under the same name
        with `_ci95`; the part `equal` is of as many samples as there are `data`. How many both are
        is `count_` and the network's name.
    """
    equal = pictures.equal_count
    parts = {part: found[part] for part in ("samples", "reconstructions", "data")}
    if equal < len(parts["samples"].features):
        parts["equal"] = Features(*(rows[:equal] for rows in found["samples"]))
    counted = names["precision"].replace("precision", "count", 1)
    numbers: dict[str, float] = {
        f"{counted}{pictures.ending('samples')}": len(parts["samples"].features),
        f"{counted}{pictures.ending('equal')}": equal,
    }
    for part, made in parts.items():
        progress(f"{network.title}: distances of {len(made.features):,} {_called(part)}")
        measured = scores(made, found["test"], _set_of(part), resampling)
        numbers[f"{names['kernel']}_error{pictures.ending(part)}"] = measured.pop("error")[0]
        for kind, (value, interval) in measured.items():
            numbers[f"{names[kind]}{pictures.ending(part)}"] = value
            numbers[f"{names[kind]}{pictures.ending(part)}{INTERVAL}"] = interval
    if "equal" not in parts:
        of_samples, of_equal = pictures.ending("samples"), pictures.ending("equal")
        for name in [names[kind] for kind in names if names[kind] + of_samples in numbers]:
            for end in ("", INTERVAL):
                numbers[f"{name}{of_equal}{end}"] = numbers[f"{name}{of_samples}{end}"]
    return numbers


def _called(part: str) -> str:
    return "samples, as many as of data" if part == "equal" else part


def _set_of(part: str) -> str:
    """The name of a part's draws: a reconstruction is drawn with its original."""
    return {"reconstructions": "test", "equal": "samples"}.get(part, part)


def scores(
    made: Features, real: Features, name: str, resampling: Resampling
) -> dict[str, tuple[float, float]]:
    """Every kind of number of made pictures against real ones, and half the width of its interval.

    `error` is the kernel distance's own, over its blocks, as TF-GAN has it.

    Args:
        made: activations; without logits there is no `score`.
        real: activations.
        name: of the made ones, see `Resampling.weights`; the real ones are `test`.
        resampling: of the intervals.
    """
    rows, others = made.features, real.features
    drawn = (resampling.weights(len(others), "test"), resampling.weights(len(rows), name))
    near_real, near_made = map(bootstrap.part_of_the_way, drawn)
    some = (others[:PAIRED], rows[:PAIRED])
    values: dict[str, np.ndarray] = {
        "kernel": kernels.kid(others, rows, near_real, near_made),
        "gaussian_mmd": kernels.cmmd(*some, near_real[:, :PAIRED], near_made[:, :PAIRED]),
    }
    if made.logits.shape[1]:
        values["score"] = bootstrap.score(made.logits, near_made)
    measured = {kind: (float(v[0]), bootstrap.interval(v)) for kind, v in values.items()}
    of_balls = manifolds.scores(*some, *(weights[:, :PAIRED] for weights in drawn))
    measured |= {kind: (float(v[0]), bootstrap.half_width(v)) for kind, v in of_balls.items()}
    by_tfgan = distances.scores(made, real)
    interval = bootstrap.frechet(rows, others, near_made, near_real)
    for kind in {"kernel", "score"} & set(values):
        measured[kind] = (by_tfgan[kind], measured[kind][1])
    measured["frechet"] = (by_tfgan["frechet"], interval)
    measured["error"] = (by_tfgan["kernel_error"], math.nan)
    return measured
