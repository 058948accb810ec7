"""The networks by whose features pictures are compared, and what their numbers are called."""

from __future__ import annotations

from pathlib import Path

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import any_network, classifier, inception, network_files
from wae_tf.evaluation.distances import FeatureNetwork
from wae_tf.evaluation.network_measures import KINDS, OF_INCEPTION
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
        except network_files.Unreachable as error:
            missing.append(str(error))
    else:
        missing.append(inception.HOW)
    if options.features:
        try:
            shape = images.image_shape
            found.append(any_network.load(options.features, options.features_input, shape))
        except network_files.Unreachable as error:
            missing.append(str(error))
    folder = options.classifier
    if folder is None and images.test_labels is not None:
        folder = classifier.default_folder(images.name)
        # One that was trained on somebody's folder may be of other pictures: it has to be named.
        anyones = images.name == "folder"
        if anyones or not (Path(folder) / classifier.FACTS_FILE).is_file():
            missing.append(classifier.how(config))
            folder = None
    if folder:
        found.append(classifier.load(folder, config, images.image_shape))
    return found, missing


def _resize_tail(options: Options) -> str:
    # A resize other than the reference graph's is another score, and has another name.
    resize = options.inception_resize
    return "" if resize == RESIZES[0] else f"_{resize}"


def metric_names(network: FeatureNetwork, options: Options) -> dict[str, str]:
    """The keys in metrics.json of what is measured by a network, by kind (frechet, ..., score)."""
    names = {kind: f"{kind}_{network.name}" for kind in KINDS}
    if network.name != "inception":
        return names
    return {kind: name + _resize_tail(options) for kind, name in (names | OF_INCEPTION).items()}


def titles(network: FeatureNetwork, options: Options) -> dict[str, str]:
    """The same as a table calls them."""
    named = {kind: f"{title}, {network.title}" for kind, title in KINDS.items()}
    if network.name != "inception":
        return named
    tail = _resize_tail(options).replace("_", " (", 1)
    tail += ")" if tail else ""
    own = {"frechet": "FID", "kernel": "KID", "score": "Inception Score"}
    return {kind: f"{title}{tail}" for kind, title in (named | own).items()}
