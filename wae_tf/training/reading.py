"""A Config's images: read, and checked against its networks and batches; imports no TensorFlow.

So the command line reads them before TensorFlow, whose import takes seconds, and what is wrong with
them is said at once.
"""

from __future__ import annotations

import functools
from typing import Any

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.data import load, tfds
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import DataError, FlagError
from wae_tf.files import of_user
from wae_tf.networks import fitting
from wae_tf.settings import shapes
from wae_tf.settings.checks import OF_PAIRS

#: What `ahead` has read, until `load_images` takes it: what was asked for, and the images.
_read: list[tuple[Any, ImageSet]] = []


def load_images(config: Config, *, of_model: bool = True, trains: bool = False) -> ImageSet:
    """The config's images, with a line on where they come from.

    Args:
        config: of a run, or of a mode without one.
        of_model: they must fit the config's networks.
        trains: and its batches.

    Raises:
        DataError: they cannot be had, or fewer than two are for testing.
        FlagError: fewer training images than a batch takes.
    """
    asked = _asked(config, of_model, trains)
    while _read:
        of, images = _read.pop()
        if of == asked:
            return images
    return _load(config, of_model, trains)


def ahead(config: Config, *, of_model: bool = True, trains: bool = False) -> None:
    """Reads what the next `load_images` of the same will return, if that needs no TensorFlow.

    Where it does, what can be told from paths and first bytes is checked alone.

    Args:
        config: of `load_images`.
        of_model: of `load_images`.
        trains: of `load_images`.

    Raises:
        DataError: of `load_images`.
        FlagError: of `load_images`.
    """
    load.check(config.dataset, **config.of_data)
    if _needs_no_tensorflow(config):
        _read[:] = [(_asked(config, of_model, trains), _load(config, of_model, trains))]


def _asked(config: Config, of_model: bool, trains: bool) -> Any:
    fit = (config.settings if of_model else None, config.batch_size if trains else None)
    return config.dataset, config.of_data, config.cache_dir, fit


def _needs_no_tensorflow(config: Config) -> bool:
    own = registry.entry("dataset", config.dataset)
    if not own.module.startswith("wae_tf."):
        return False  # nobody knows what a plugin imports
    if own.facts.get("tfds") is None:
        return True
    if not config.data_dir:
        return False
    return not tfds.may_be_in(config.dataset, of_user(config.data_dir))


def _load(config: Config, of_model: bool, trains: bool) -> ImageSet:
    images = load.load(
        config.dataset,
        **config.of_data,
        cache_dir=config.cache_dir,
        accept=functools.partial(_check_shape, config) if of_model else None,
    )
    if of_model:
        _check_shape(config, images.image_shape)
    _check_count(config, images, of_model, trains)
    shape = "x".join(map(str, images.image_shape))
    kind = shapes.kind_of(images.image_shape)
    progress(
        f"{images.name}: {len(images.train)} training and {len(images.test)} test {kind.many} of {shape}"
        f"; {images.split}; from {images.source}"
    )
    if images.skipped:
        count = len(images.skipped)
        several = f"s, the first {images.skipped[0]}" if count > 1 else f", {images.skipped[0]}"
        progress(f"skipped {count} unreadable image{several}")
    if images.left_out:
        progress(f"left out {images.left_out}")
    return images


def _check_count(config: Config, images: ImageSet, of_model: bool, trains: bool) -> None:
    """Refuses fewer images than are needed; names the flags that can help, where any can.

    Raises:
        DataError: too few, whatever the flags, or for testing.
        FlagError: fewer training images than a batch takes.
    """
    train, test = len(images.train), len(images.test)
    needed = 2 if of_model and config.model in OF_PAIRS else 1
    # Two for testing would leave enough for training.
    enough = config.test_size is not None and train + test - 2 >= needed
    if test < 2:
        other = ", or a larger --test_size" if enough else ""
        raise DataError(
            f"{images.source} leave {test} test image: at least 2 are needed, for the penalty and the "
            f"figures; give more images{other}."
        )
    if train >= (config.batch_size if trains else needed):
        return
    many = f"{train} training image{'s' * (train != 1)}"
    if train >= needed:
        raise FlagError(
            f"--batch_size={config.batch_size} is larger than the {many} of {config.dataset}; accepted: "
            f"{needed}{f' to {train}' * (train > needed)}."
        )
    other = ", or a smaller --test_size" if enough else ""
    if config.train_size == train:
        other = ", or a larger --train_size"
    raise DataError(
        f"{images.source} leave {many}: at least {needed} are needed for --model={config.model}; give "
        f"more images{other}."
    )


def _check_shape(config: Config, image_shape: tuple[int, ...]) -> None:
    """Refuses a shape that the networks cannot have; says which --image_size they can, if one can be had.

    Raises:
        FlagError: networks and images do not fit.
    """
    if len(image_shape) != 3 and config.pixel_range_of_data != "any":
        raise FlagError(
            f"--pixel_range={config.pixel_range_of_data} is of pictures, and the data are rows of "
            f"{list(image_shape)}; accepted: any."
        )
    if len(image_shape) != 3 and config.test_line:
        raise FlagError(
            f"--test_line is of pictures, whose blur it tells, and the data are rows of {list(image_shape)}."
        )
    if len(image_shape) == 3 and config.pixel_range_of_data == "any":
        raise FlagError(
            "--pixel_range=any is of rows of numbers, and the data are pictures, whose bytes have a range; "
            "accepted: auto, symmetric, unit, stretched."
        )
    try:
        fitting.check(config.settings, image_shape)
    except FlagError as error:
        known = registry.fact("dataset", config.dataset, "flags", ())
        if "image_size" not in known or len(image_shape) != 3:
            raise
        usual = min(64, *image_shape[:2])
        for side in sorted((16, 32, 64, 128, 256), key=lambda side: abs(side - usual)):
            if _fits(config, (side, side, image_shape[2])):
                text = str(error).rstrip(".")
                raise FlagError(f"{text}; --image_size={side} makes them fit.") from error
        raise


def _fits(config: Config, image_shape: tuple[int, ...]) -> bool:
    try:
        fitting.check(config.settings, image_shape)
    except FlagError:
        return False
    return True
