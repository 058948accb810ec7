"""A Config's images and model, and what a run notes of them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.data import batches
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import FlagError
from wae_tf.models import by_name, operations
from wae_tf.models.wae import Wae
from wae_tf.official import weights
from wae_tf.runs import checkpoints, integrity, measures
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import devices, memory, shapes
from wae_tf.training import reading

#: Bytes of images up to which all are summed: some tenths of a second.
MOST_SUMMED = 256 << 20


def with_classes(config: Config, images: ImageSet) -> Config:
    """The config, which knows how many classes these images have where it is conditional.

    Raises:
        FlagError: they have no labels, or others than the config's.
    """
    if not (config.conditional or config.classes):
        return config
    if images.train_labels is None or images.test_labels is None:
        raise FlagError(
            f"--conditional needs labels, and there are none ({images.source}); accepted: digits, mnist, "
            "fashion_mnist, cifar10, and folder with a sub-folder of pictures for each class."
        )
    if config.init_from_official:
        raise FlagError(
            "--conditional goes without --init_from_official: the official decoder takes no labels."
        )
    classes = max(2, 1 + max(int(images.train_labels.max()), int(images.test_labels.max())))
    if config.classes and config.classes < classes:
        raise FlagError(
            f"--classes={config.classes} is fewer than the {classes} classes of {images.name}; leave it "
            "out, and --conditional finds them."
        )
    classes = config.classes or max(images.classes, classes)
    return dataclasses.replace(config, conditional=True, classes=classes)


def build(config: Config, images: ImageSet) -> Wae:
    """The config's model for these images, not yet compiled.

    Raises:
        FlagError: networks and images do not fit, or a batch does not fit into memory.
    """
    model = by_name.from_config(config, images.image_shape, len(images.train))
    model.schedules.length_given = True  # the run's, in whatever parts it is fitted
    if not devices.has_gpu():
        _check_memory(config, model, len(images.train))
    return model


def _check_memory(config: Config, model: Wae, train_images: int) -> None:
    """Checks that the outputs of all layers, which the gradient needs, fit into memory."""
    encoder, decoder = map(operations.numbers_kept, (model.encoder, model.decoder))
    passes = {"batch_size": encoder + decoder}
    if config.pretrains:
        passes["pretrain_size"] = encoder
    for name, of_an_image in passes.items():
        count = min(getattr(config, name), train_images)
        memory.require(
            4 * of_an_image * count,
            f"--{name}={count}: the outputs of the layers for so many images",
            f"--{name}, or fewer filters",
        )


def read_official(model: Wae, prefix: str) -> None:
    """Takes the weights of the official checkpoint of this prefix.

    Raises:
        DataError: no such checkpoint, or one of other networks.
    """
    weights.read_checkpoint(model, prefix)
    progress(f"took the weights of the official checkpoint {prefix}")


def adopt(config: Config, prefix: str) -> None:
    """Makes a run folder of the official checkpoint of this prefix, so that every mode can work on it.

    Raises:
        UserError: bad data, a folder in use, no such checkpoint.
    """
    run = RunFolder(config.folder)
    images = reading.load_images(config)
    config = with_classes(config, images)
    model = build(config, images)
    read_official(model, prefix)
    create(run, config, images)
    model.compile()
    checkpoints.save(run.checkpoints, model, integrity.kept(run, config), config.keep_checkpoints)


def create(run: RunFolder, config: Config, images: ImageSet, overwrite: bool = False) -> None:
    """Makes the run's folder, and notes there what the model is built for."""
    run.create(config, overwrite)
    run.update_metrics(facts_of(config, images))


def facts_of(config: Config, images: ImageSet) -> dict[str, int]:
    """What a run notes of its images: their shape and number, and sums of both parts.

    Pixels of 0 and 1 are noted, for what reads pictures without the data. With classes the labels
    have sums too. `train_sum` is of a thousand training images, and all their
    labels: what runs of before the other sums have.
    """
    shape = dict(zip(shapes.kind_of(images.image_shape).sizes, images.image_shape, strict=True))
    parts = {
        "train": (images.train, images.train_labels),
        "test": (images.test, images.test_labels),
    }
    of_labels = {
        f"{part}_labels_sum": zlib.crc32(labels.tobytes())
        for part, (_, labels) in parts.items()
        if config.classes and labels is not None
    }
    return {
        **shape,
        "train_images": len(images.train),
        "train_sum": _sum(images.train, of_labels.get("train_labels_sum", 0), most=0),
        **{f"{part}_rows_sum": _sum(rows) for part, (rows, _) in parts.items()},
        **of_labels,
        **({measures.ZERO_AND_ONE: 1} if images.zero_and_one else {}),
    }


def _sum(rows: np.ndarray, found: int = 0, most: int = MOST_SUMMED) -> int:
    """A sum of all rows, or, where they are more than `most` bytes, of a thousand; goes on from `found`."""
    every = 1 if rows.nbytes <= most else max(1, len(rows) // 1000)
    # By position: touching a mapped file's pages would map much of it.
    read, chosen = batches.row_reader(rows), np.arange(0, len(rows), every)
    for start in range(0, len(chosen), 100):
        found = zlib.crc32(np.ascontiguousarray(read(chosen[start : start + 100])).data, found)
    return found


def parts_that_differ(known: Mapping[str, Any], facts: Mapping[str, int]) -> list[str]:
    """Which images are others than a run has noted, as far as it has.

    Args:
        known: the numbers of its metrics.json.
        facts: of the images that are there now.

    Returns:
        of `training` and `test`.
    """
    # An older run has the thousand alone.
    train = "train_rows_sum" if "train_rows_sum" in known else "train_sum"
    names = {
        "training": ("train_images", train, "train_labels_sum"),
        "test": ("test_rows_sum", "test_labels_sum"),
    }
    both = facts.keys() & known.keys()
    return [
        part for part, of in names.items() if any(n in both and known[n] != facts[n] for n in of)
    ]
