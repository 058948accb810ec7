"""A folder of the user's own pictures, or an .npy of images."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import cache, decoding, formats, image_set, picture_files, splits
from wae_tf.data.cache import Writer
from wae_tf.data.image_set import ImageSet, layout
from wae_tf.data.picture_files import Files
from wae_tf.errors import DataError
from wae_tf.registry import register


@register(
    "dataset",
    "folder",
    help="pictures of your own",
    layout="pictures (jpg, png, bmp, gif, webp, tif), or one .npy file of images",
    pixel_range="symmetric",
    flags=("image_size",),
)
def folder(
    data_dir: Path | None,
    cache_dir: str | None,
    image_size: int | None,
    test_size: int | None,
    skip_bad_images: bool,
) -> ImageSet:
    """Anyone's pictures: a folder or zip of them, or an .npy file (grassli, official datahandler.py:615)."""
    if data_dir is None:
        raise DataError(f"--dataset=folder needs --data_dir: a folder with {layout('folder')}.")
    if data_dir.suffix == ".npy" and data_dir.is_file():
        images, facts, source = _from_npy(data_dir, cache_dir, image_size)
    else:
        files = Files(data_dir)
        names = [name for name in files.names if picture_files.is_picture_name(name)]
        arrays = [name for name in files.names if name.endswith(".npy")]
        if names:
            images, facts = _from_pictures(files, names, cache_dir, image_size, skip_bad_images)
            source = f"{len(names):,} pictures in {data_dir}"
        elif len(arrays) == 1 and data_dir.is_dir():
            images, facts, source = _from_npy(data_dir / arrays[0], cache_dir, image_size)
        else:
            raise image_set.wrong_layout("folder", data_dir)
    if len(images) < 2:
        raise DataError(f"{data_dir} has {len(images)} image: at least 2 are needed.")
    usual = min(10_000, max(2, len(images) // 10), len(images) - 1)
    test = usual if test_size is None else test_size
    train = len(images) - image_set.checked_test_size(test, len(images))
    return ImageSet(
        "folder", images[:train], images[train:], None, None,
        f"NumPy shuffle with seed 123, last {test:,} test", source, tuple(facts["skipped"]),
    )  # fmt: skip


def _from_pictures(
    files: Files,
    names: list[str],
    cache_dir: str | None,
    image_size: int | None,
    skip_bad_images: bool,
) -> tuple[np.ndarray, dict[str, Any]]:
    def items(some: list[str]):
        return ((name, functools.partial(files.read, name)) for name in some)

    def fill(writer: Writer) -> dict[str, Any]:
        # Sizes and channels first, from the files' heads: the array's shape must be known.
        good, looks, bad = [], [], []
        for some_good, some_looks, some_bad in picture_files.map_in_order(
            items(names), picture_files.look, skip_bad=skip_bad_images, where=files.where
        ):
            good += some_good
            looks += some_looks
            bad += some_bad
        if not good:
            raise DataError(f"None of the {len(names):,} pictures in {files.where} can be read.")
        grey = all(is_grey for is_grey, _ in looks)
        width, height = looks[0][1]
        for name, (_, size) in zip(good, looks, strict=True):
            if image_size is None and size != (width, height):
                raise DataError(
                    f"{files.where / name} is {size[0]}x{size[1]} but {good[0]} is "
                    f"{width}x{height}: pictures of one size are expected, or --image_size=N, "
                    "which crops and resizes them to N x N."
                )
        if image_size is not None:
            width = height = image_size
        writer.start(len(good), (height, width, 1 if grey else 3))
        shuffled = [good[i] for i in splits.numpy_order(len(good))]
        facts = decoding.decode(
            writer, items(shuffled),
            functools.partial(picture_files.decode_picture, grey=grey, image_size=image_size),
            skip_bad=skip_bad_images, where=files.where,
        )  # fmt: skip
        return {**facts, "skipped": sorted(bad + facts["skipped"])}

    key = {"size": image_size, "files": files.fingerprint(names)}
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    decoding.check_skipped(facts, skip_bad_images, files.where)
    return images, facts


def _from_npy(
    path: Path, cache_dir: str | None, image_size: int | None
) -> tuple[np.ndarray, dict[str, Any], str]:
    source = formats.open_npy(path)
    source = source.reshape(*source.shape[:3], -1)
    height, width, channels = source.shape[1:]

    def fill(writer: Writer) -> dict[str, Any]:
        from PIL import Image

        out = (height, width) if image_size is None else (image_size, image_size)
        writer.start(len(source), (*out, channels))
        place_of_row = np.argsort(splits.numpy_order(len(source)))
        rows = max(1, (16 << 20) // (height * width * channels))
        largest = 0.0
        for start in range(0, len(source), rows):
            piece = np.asarray(source[start : start + rows])
            low, high = float(piece.min()), float(piece.max())
            largest = max(largest, high)
            if not (low >= 0 and high <= 255):  # NaN fails too
                raise DataError(
                    f"{path} has values from {low:g} to {high:g}: pixels lie within 0 to 255."
                )
            piece = np.rint(piece).astype(np.uint8)
            for image, place in zip(piece, place_of_row[start:], strict=False):
                if image_size is not None:
                    square = Image.fromarray(image.squeeze(-1) if channels == 1 else image)
                    image = np.asarray(picture_files.centre_square(square, image_size))
                writer.put(image, int(place))
        if source.dtype.kind == "f" and largest <= 1:
            raise DataError(
                f"{path} has values from 0 to {largest:g}: pixels lie within 0 to 255, so "
                "multiply by 255."
            )
        return {"skipped": []}

    stat = path.stat()
    key = {"file": str(path.resolve()), "size": stat.st_size, "time": stat.st_mtime_ns,
           "image_size": image_size}  # fmt: skip
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    return images, facts, f"array {path}"
