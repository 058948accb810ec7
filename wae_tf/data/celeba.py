"""CelebA at 64x64: its aligned JPEGs, or TFDS."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import cache, decoding, image_set, picture_files, splits
from wae_tf.data import tfds as tfds_source
from wae_tf.data.cache import Writer
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.errors import DataError
from wae_tf.registry import register


@register(
    "dataset",
    "celeba",
    help="faces, 64x64",
    layout="the aligned 178x218 JPEGs 000001.jpg to 202599.jpg (any of them), in a folder, in "
    "img_align_celeba/ or in img_align_celeba.zip",
    pixel_range="symmetric",
    splits=("listing",),
    tfds="celeb_a",
    tfds_file="https://drive.google.com",
)
def celeba(
    data_dir: Path | None,
    cache_dir: str | None,
    crop: str,
    skip_bad_images: bool,
    split: str = "official",
) -> ImageSet:
    """CelebA at 64x64 (official datahandler.py:188-208, :587-613): its JPEGs, or TFDS."""
    if split == "listing" and (data_dir is None or picture_files.find_celeba(data_dir) is None):
        raise DataError(
            "--split=listing needs --data_dir with CelebA's JPEGs: it goes by their names."
        )
    if data_dir is None:
        builder = tfds_source.prepare("celeba", layout("celeba"))
        return _celeba_from_tfds(builder, cache_dir, crop, skip_bad_images)
    found = picture_files.find_celeba(data_dir)
    if found is None:
        builder = tfds_source.prepared_in("celeba", data_dir) if data_dir.is_dir() else None
        if builder is not None:
            return _celeba_from_tfds(builder, cache_dir, crop, skip_bad_images)
        raise image_set.wrong_layout("celeba", data_dir)
    files, numbered = found
    listing = split == "listing"
    order = np.arange(1, splits.CELEBA_IMAGES + 1) if listing else splits.celeba_order()
    official_test = set(order[-splits.CELEBA_TEST :].tolist())
    numbers = [number for number in order.tolist() if number in numbered]
    names = [numbered[number] for number in numbers]

    def fill(writer: Writer) -> dict[str, Any]:
        writer.start(len(names), (64, 64, 3))
        items = ((name, functools.partial(files.read, name)) for name in names)
        return decoding.decode(
            writer, items, functools.partial(picture_files.decode_celeba, crop=crop),
            skip_bad=skip_bad_images, where=files.where,
        )  # fmt: skip

    key = {"crop": crop, "files": files.fingerprint(names)}
    if listing:
        key["order"] = "listing"
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    decoding.check_skipped(facts, skip_bad_images, files.where)
    skipped = set(facts["skipped"])
    source = f"{len(names):,} of CelebA's 202,599 JPEGs in {files.where}, {crop}"
    if listing:
        words = "in the order of their numbers, training and test images from the first on"
        return ImageSet(
            "celeba", images, images, None, None, words, source, tuple(facts["skipped"])
        )
    kept = [number for number in numbers if numbered[number] not in skipped]
    test = sum(number in official_test for number in kept)
    words = "official: Python 2 shuffle with seed 123 of all 202,599"
    if 0 < test < len(kept):
        train = len(kept) - test
        words += f", last 20,000 test ({test:,} of them are here)" if test < 20_000 else (
            ", last 20,000 test"
        )  # fmt: skip
    else:
        train, cut = splits.cut(len(kept), len(kept))
        side = "training" if test else "test"
        words += f", but none of the official {side} images is here, so {cut}"
    return ImageSet(
        "celeba", images[:train], images[train:], None, None, words, source,
        tuple(facts["skipped"]),
    )  # fmt: skip


def _celeba_from_tfds(
    builder: Any, cache_dir: str | None, crop: str, skip_bad_images: bool
) -> ImageSet:
    sizes = {split: builder.info.splits[split].num_examples for split in ("train", "test")}

    def items():
        for split in sizes:
            for index, data in enumerate(tfds_source.encoded_images(builder, split)):
                yield f"{split}/{index}", functools.partial(bytes, data)

    def fill(writer: Writer) -> dict[str, Any]:
        writer.start(sum(sizes.values()), (64, 64, 3))
        return decoding.decode(
            writer, items(), functools.partial(picture_files.decode_celeba, crop=crop),
            skip_bad=skip_bad_images, where=builder.info.full_name,
        )  # fmt: skip

    key = {"crop": crop, **tfds_source.fingerprint(builder)}
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    decoding.check_skipped(facts, skip_bad_images, builder.info.full_name)
    train = sum(name.startswith("train/") for name in facts["order"])
    return ImageSet(
        "celeba", images[:train], images[train:], None, None,
        "TFDS's own train and test (its validation images are left out)",
        f"TFDS {builder.info.full_name} in {builder.data_dir}, {crop}", tuple(facts["skipped"]),
    )  # fmt: skip
