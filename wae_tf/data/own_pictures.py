"""The pictures of a folder or zip, decoded into the cache in shuffled order."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from wae_tf.data import cache, decoding, picture_files, ranges, splits
from wae_tf.data.archives import Files
from wae_tf.data.writer import Accept, Writer
from wae_tf.errors import DataError


def decoded(
    files: Files,
    parts: Sequence[Sequence[str]],
    cache_dir: str | None,
    image_size: int | None,
    channels: int | None,
    skip_bad_images: bool,
    accept: Accept,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Pictures from the cache, or decoded now, each part shuffled and one behind the other.

    Args:
        files: the folder or zip.
        parts: names: all, or those for training and those for testing.
        cache_dir: the cache's folder.
        image_size: crop to the centre square and resize to this side.
        channels: 1 or 3; None: 1 if all are grey.
        skip_bad_images: leave out what cannot be decoded.
        accept: see `Writer.start`.

    Returns:
        uint8 [N, H, W, C], and `order`: the names of these; `skipped`; `words`: what was done.

    Raises:
        DataError: pictures of several sizes, bad ones, or all of them nearly black.
    """
    names = [name for part in parts for name in part]

    def fill(writer: Writer) -> dict[str, Any]:
        decoding.look_at_some(files, names, picture_files.look, skip_bad_images)
        looks, bad = _look_at_all(files, names, skip_bad_images)
        good = list(looks)
        if image_size is None:
            check_sizes(files, good, [look.size for look in looks.values()])
        width, height = (image_size, image_size) if image_size else looks[good[0]].size
        grey = channels == 1 or (channels is None and all(look.grey for look in looks.values()))
        writer.start(len(good), (height, width, 1 if grey else 3), accept)
        stretch = _zeros_and_ones(files, good)
        facts = decoding.decode(
            writer, _items(files, _shuffled(parts, looks)),
            functools.partial(picture_files.decode_picture, grey=grey, image_size=image_size,
                              stretch=stretch),
            skip_bad=skip_bad_images, where=files.where,
        )  # fmt: skip
        words = [ranges.ZERO_AND_ONE] if stretch else []
        if several := sum(look.several for look in looks.values()):
            words.append(f"of {several:,} with several frames or pages the first")
        _check_light(writer, files.where)
        if channels is None and not grey and _is_grey(writer):
            words.append("all grey though stored in colour (--channels=1 keeps one channel)")
        return {**facts, "skipped": sorted(bad + facts["skipped"]), "words": words}

    key = {"size": image_size, "files": files.fingerprint(names), "channels": channels,
           "parts": [len(part) for part in parts]}  # fmt: skip
    if any(name.lower().endswith((".tif", ".tiff")) for name in names):
        key["turned"] = "by their tags"  # before, turned ones came scrambled
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    decoding.check_skipped(facts, skip_bad_images, files.where)
    return images, facts


def check_sizes(files: Files, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
    """Refuses pictures of several sizes, given as (width, height).

    Raises:
        DataError: there are several.
    """
    width, height = sizes[0] if sizes else (0, 0)
    for name, size in zip(names, sizes, strict=True):
        if size != (width, height):
            raise DataError(
                f"{files.where / name} is {size[0]}x{size[1]} but {names[0]} is {width}x{height}: "
                "pictures of one size are expected, or --image_size=N, which crops and resizes "
                "them to N x N."
            )


def of_runs(files: Files) -> str:
    """The folders of runs, whose files are no data, in words; empty where there are none."""
    if len(files.runs) > 1:
        return f"the files of {len(files.runs):,} runs, as {files.runs[0]}"
    return f"the files of the run {files.runs[0]}" if files.runs else ""


def left_out(files: Files) -> str:
    """How many files of which endings are no pictures, and runs; empty where there are none."""
    runs = of_runs(files)
    others = [name for name in files.names if not picture_files.is_picture_name(name)]
    if not others:
        return runs
    endings = collections.Counter(
        PurePosixPath(name).suffix.lower() or "without ending" for name in others
    )
    told = [f"{count:,} {ending}" for ending, count in endings.most_common(6)]
    more = len(endings) - len(told)
    several = f"{len(others):,} files that are no pictures" if len(others) > 1 else (
        "1 file that is no picture"
    )  # fmt: skip
    told_all = f"{several}: {', '.join(told)}" + (f" and {more} more endings" if more else "")
    return f"{told_all}; {runs}" if runs else told_all


def _items(files: Files, names: Iterable[str]):
    return ((name, functools.partial(files.read, name)) for name in names)


def _look_at_all(
    files: Files, names: Sequence[str], skip_bad_images: bool
) -> tuple[dict[str, picture_files.Look], list[str]]:
    """What the head of each says, and the names of those that are bad."""
    looks: dict[str, picture_files.Look] = {}
    bad: list[str] = []
    for good, some_looks, some_bad in picture_files.map_in_order(
        _items(files, names), picture_files.look, skip_bad=skip_bad_images, where=files.where
    ):
        looks.update(zip(good, some_looks, strict=True))
        bad += some_bad
    if not looks:
        raise DataError(f"None of the {len(names):,} pictures in {files.where} can be read.")
    return looks, bad


def _shuffled(parts: Sequence[Sequence[str]], good: Any) -> list[str]:
    kept = [[name for name in part if name in good] for part in parts]
    return [part[i] for part in kept for i in splits.numpy_order(len(part))]


def _zeros_and_ones(files: Files, names: Sequence[str]) -> bool:
    """Whether the pixels are 0 and 1: as some masks are stored, and nearly black as bytes."""
    found = decoding.look_at_some(files, names, picture_files.largest, skip_bad=True)
    return max(found, default=0) == 1


def _check_light(writer: Writer, where: object) -> None:
    most = 0
    for piece in writer.pieces():
        most = max(most, int(piece.max(initial=0)))
        if most >= ranges.DARK:
            return
    if most == 0:
        raise DataError(f"All pictures in {where} are black.")
    raise DataError(
        f"The pixels of all pictures in {where} lie within 0 to {most} of 255, nearly black: save "
        "them with the whole range."
    )


def _is_grey(writer: Writer) -> bool:
    return all((piece == piece[..., :1]).all() for piece in writer.pieces())
