"""The networks by whose features pictures are compared, and what their numbers are called."""

from __future__ import annotations

from pathlib import Path

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import classifier, inception
from wae_tf.evaluation.distances import FeatureNetwork
from wae_tf.evaluation.options import RESIZES, Options


def networks(
    options: Options, config: Config, images: ImageSet
) -> tuple[list[FeatureNetwork], list[str]]:
    """The networks that can be had, and a sentence for each that cannot.

    Raises:
        DataError: one that was named is not there or does not fit.
    """
    found: list[FeatureNetwork] = []
    missing: list[str] = []
    if options.inception:
        try:
            found.append(inception.load(options.inception, options.inception_resize))
        except inception.Unreachable as error:
            missing.append(str(error))
    else:
        missing.append(inception.HOW)
    folder = options.classifier
    if folder is None and images.test_labels is not None:
        folder = classifier.default_folder(images.name)
        # One that was trained on somebody's folder may be of other pictures: it has to be named.
        anyones = images.name == "folder"
        if anyones or not (Path(folder) / classifier.FACTS_FILE).is_file():
            missing.append(classifier.how(images.name))
            folder = None
    if folder:
        found.append(classifier.load(folder, config, images.image_shape))
    return found, missing


def metric_names(network: FeatureNetwork, options: Options) -> dict[str, str]:
    """The keys in metrics.json of a network's distances, by kind (frechet, kernel, score)."""
    if network.name != "inception":
        return {kind: f"{kind}_{network.name}" for kind in ("frechet", "kernel", "score")}
    # A resize other than the reference graph's is another score, and has another name.
    resize = options.inception_resize
    tail = "" if resize == RESIZES[0] else f"_{resize}"
    names = {"frechet": "fid", "kernel": "kid", "score": "inception_score"}
    return {kind: name + tail for kind, name in names.items()}


def titles(network: FeatureNetwork, options: Options) -> dict[str, str]:
    """The same as a table calls them."""
    if network.name != "inception":
        return {
            "frechet": f"Frechet distance, {network.title}",
            "kernel": f"kernel distance, {network.title}",
            "score": f"classifier score, {network.title}",
        }
    resize = options.inception_resize
    tail = "" if resize == RESIZES[0] else f" ({resize})"
    return {"frechet": f"FID{tail}", "kernel": f"KID{tail}", "score": f"Inception Score{tail}"}
