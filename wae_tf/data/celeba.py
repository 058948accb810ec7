"""CelebA: its aligned JPEGs, or TFDS."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import archives, cache, decoding, headers, image_set, picture_files, splits
from wae_tf.data import tfds as tfds_source
from wae_tf.data.archives import Files
from wae_tf.data.image_set import ImageSet
from wae_tf.data.writer import Accept, Writer
from wae_tf.errors import DataError
from wae_tf.registry import register

_NAME = re.compile(r"(?:.*/)?(\d{6})\.(?:jpe?g|png)", re.IGNORECASE)


def _find(data_dir: Path) -> tuple[Files, dict[int, str]] | None:
    """Aligned CelebA images in a folder or zip, also below it as CelebA and its mirrors ship them.

    Returns:
        The files and, by image number, their names; or None where there are none.

    Raises:
        DataError: the folder or zip is damaged.
    """
    for place in _places(data_dir):
        files = archives.open_files(place)
        numbered: dict[int, str] = {}
        for name in files.names:
            match = _NAME.fullmatch(name)
            if match and 1 <= int(match[1]) <= splits.CELEBA_IMAGES:
                numbered.setdefault(int(match[1]), name)
        if numbered:
            return files, numbered
    return None


def _places(data_dir: Path) -> Iterator[Path]:
    if data_dir.is_file():
        if headers.kind_of(data_dir)[0] != "a zip":
            raise image_set.wrong_layout("celeba", data_dir)
        yield data_dir
        return
    bases = [data_dir, *(data_dir / name for name in ("celeba", "CelebA", "Img"))]
    for base in bases:
        for name in ("img_align_celeba", "img_align_celeba_png", "img_align_celeba.zip"):
            if (base / name).exists():
                yield base / name
    yield data_dir
    for base in bases:
        if base.is_dir():
            yield from sorted(path for path in base.glob("*.zip") if path.is_file())


def _not_found(data_dir: Path) -> DataError:
    advice = ""
    names = archives.open_files(data_dir).names  # a folder or a zip: _find has listed it
    other = [name for name in names if picture_files.is_picture_name(name)]
    if other:
        advice = (
            f"; its {len(other):,} pictures have other names ({other[0]}): --dataset=folder "
            "--image_size=64 takes any, by the centre square, which is not the official crop"
        )
    inside = names if data_dir.is_file() else None
    return image_set.wrong_layout("celeba", data_dir, advice, inside)


def check(data_dir: Path, skip_bad_images: bool) -> None:
    """Refuses what has no CelebA images, or others than the aligned ones, by their headers.

    Raises:
        DataError: there are none, or others.
    """
    found = _find(data_dir)
    if found is not None:
        files, numbered = found
        names = list(numbered.values())
        decoding.look_at_some(files, names, picture_files.open_celeba, skip_bad_images)
    elif not tfds_source.may_be_in("celeba", data_dir):
        raise _not_found(data_dir)


@register(
    "dataset",
    "celeba",
    help="faces, 64x64",
    layout="the aligned 178x218 JPEGs 000001.jpg to 202599.jpg (any of them), in a folder, in "
    "img_align_celeba/ or in img_align_celeba.zip",
    check=check,
    pixel_range="symmetric",
    splits=("listing",),
    flags=("image_size", "crop"),
    tfds="celeb_a",
    tfds_file="https://drive.google.com",
)
def celeba(
    data_dir: Path | None,
    cache_dir: str | None,
    crop: str,
    image_size: int | None,
    skip_bad_images: bool,
    accept: Accept = None,
    split: str = "official",
) -> ImageSet:
    """CelebA (official datahandler.py:188-208, :587-613), 64x64 or `image_size`: its JPEGs, or TFDS.

    Raises:
        DataError: no such images, or some that cannot be read; --split=listing without its files.
    """
    found = None if data_dir is None else _find(data_dir)
    if split == "listing" and found is None:
        raise DataError(
            "--split=listing needs --data_dir with CelebA's JPEGs: it goes by their names."
        )
    side = image_size or 64
    decode = functools.partial(picture_files.decode_celeba, crop=crop, side=side)
    # What the pixels depend on; at 64 as it was before there were other sizes.
    key: dict[str, Any] = {"crop": crop, **({} if side == 64 else {"side": side})}
    how = crop if side == 64 else f"{crop} at {side}x{side}"
    if data_dir is None:
        builder = tfds_source.prepare("celeba")
        return _celeba_from_tfds(builder, cache_dir, decode, key, how, skip_bad_images, accept)
    if found is None:
        builder = tfds_source.prepared_in("celeba", data_dir) if data_dir.is_dir() else None
        if builder is not None:
            return _celeba_from_tfds(builder, cache_dir, decode, key, how, skip_bad_images, accept)
        raise _not_found(data_dir)
    files, numbered = found
    listing = split == "listing"
    order = np.arange(1, splits.CELEBA_IMAGES + 1) if listing else splits.celeba_order()
    official_test = set(order[-splits.CELEBA_TEST :].tolist())
    numbers = [number for number in order.tolist() if number in numbered]
    names = [numbered[number] for number in numbers]

    def fill(writer: Writer) -> dict[str, Any]:
        writer.start(len(names), (side, side, 3), accept)
        decoding.look_at_some(files, names, picture_files.open_celeba, skip_bad_images)
        items = ((name, functools.partial(files.read, name)) for name in names)
        return decoding.decode(writer, items, decode, skip_bad=skip_bad_images, where=files.where)

    key["files"] = files.fingerprint(names)
    if listing:
        key["order"] = "listing"
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    decoding.check_skipped(facts, skip_bad_images, files.where)
    kind = "PNGs" if names[0].lower().endswith(".png") else "JPEGs"
    skipped = set(facts["skipped"])
    source = f"{len(names):,} of CelebA's 202,599 {kind} in {files.where}, {how}"
    if listing:
        words = "in the order of their numbers, training and test images from the first on"
        return ImageSet(
            "celeba",
            images,
            images,
            None,
            None,
            words,
            source,
            tuple(facts["skipped"]),
            _left_out(files, names),
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
        lacking = "training" if test else "test"
        words += f", but none of the official {lacking} images is here, so {cut}"
    return ImageSet(
        "celeba", images[:train], images[train:], None, None, words, source,
        tuple(facts["skipped"]), _left_out(files, names),
    )  # fmt: skip


def _left_out(files: Files, names: list[str]) -> str:
    """How many pictures are not called as CelebA's."""
    pictures = sum(picture_files.is_picture_name(name) for name in files.names)
    others = pictures - len(names)
    several = f"{others:,} pictures" if others > 1 else "1 picture"
    return f"{several} not called 000001.jpg to 202599.jpg" if others else ""


def _celeba_from_tfds(
    builder: Any,
    cache_dir: str | None,
    decode: Callable[[bytes], np.ndarray],
    key: dict[str, Any],
    how: str,
    skip_bad_images: bool,
    accept: Accept,
) -> ImageSet:
    sizes = {split: builder.info.splits[split].num_examples for split in ("train", "test")}

    def items():
        for split in sizes:
            for index, data in enumerate(tfds_source.encoded_images(builder, split)):
                yield f"{split}/{index}", functools.partial(bytes, data)

    def fill(writer: Writer) -> dict[str, Any]:
        writer.start(sum(sizes.values()), (key.get("side", 64), key.get("side", 64), 3), accept)
        return decoding.decode(
            writer, items(), decode, skip_bad=skip_bad_images, where=builder.info.full_name
        )

    key = {**key, **tfds_source.fingerprint(builder)}
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    decoding.check_skipped(facts, skip_bad_images, builder.info.full_name)
    train = sum(name.startswith("train/") for name in facts["order"])
    return ImageSet(
        "celeba", images[:train], images[train:], None, None,
        "TFDS's own train and test (its validation images are left out)",
        f"TFDS {builder.info.full_name} in {builder.data_dir}, {how}", tuple(facts["skipped"]),
    )  # fmt: skip
