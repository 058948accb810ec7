"""dSprites: its .npz, or TFDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import archives, cache, image_set, splits
from wae_tf.data import tfds as tfds_source
from wae_tf.data.arrays import NpzMember
from wae_tf.data.image_set import NUMPY_123, ImageSet
from wae_tf.data.writer import Writer
from wae_tf.errors import DataError
from wae_tf.registry import register

_PIECE = 4096  # rows of packed images at a time

#: As it is published, and what copies of it are called.
_NAMES = (
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", "dsprites.npz",
    "dsprites_ndarray_co1sh3sc6or2_64x64.npz",
)  # fmt: skip


def _find(data_dir: Path) -> Path | None:
    if data_dir.is_file():
        return data_dir
    for folder in (data_dir, data_dir / "dsprites-dataset", data_dir / "dsprites"):
        if path := image_set.first_file(folder, _NAMES, gzip=False):
            return path
    # As browsers and people rename it, where it is the only one.
    others = [path for path in data_dir.glob("*.npz") if path.is_file()]
    return others[0] if len(others) == 1 else None


def _open(path: Path) -> NpzMember:
    member = NpzMember(path, "imgs")
    numbers = member.dtype.kind in "bui" and member.dtype.itemsize == 1
    if member.shape[1:] != (64, 64) or not numbers or member.shape[0] < 2:
        raise DataError(
            f"{path}: `imgs` is {member.dtype} {list(member.shape)}: uint8 [N, 64, 64] of 0 "
            "and 1 is expected."
        )
    return member


def check(data_dir: Path) -> None:
    """Refuses files that cannot be dSprites, by their headers.

    Raises:
        DataError: they cannot.
    """
    path = _find(data_dir)
    if path is not None:
        _open(path)
    elif not tfds_source.may_be_in("dsprites", data_dir):
        raise image_set.wrong_layout("dsprites", data_dir)


@register(
    "dataset",
    "dsprites",
    help="shapes, 64x64, black and white",
    layout="dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz or dsprites.npz",
    check=check,
    tfds="dsprites",
    tfds_file="https://github.com/deepmind/dsprites-dataset",
)
def dsprites(data_dir: Path | None, cache_dir: str | None) -> ImageSet:
    """dSprites, 64x64 with pixels 0 and 255 (official datahandler.py:376-398): its .npz, or TFDS.

    Raises:
        DataError: no such files, or other images in them.
    """
    path: Path | None = None
    builder: Any = None
    if data_dir is None:
        builder = tfds_source.prepare("dsprites")
    else:
        path = _find(data_dir)
        builder = None if path else tfds_source.prepared_in("dsprites", data_dir)
        if path is None and builder is None:
            raise image_set.wrong_layout("dsprites", data_dir)

    if path is not None:
        member = _open(path)
        count, where = member.shape[0], str(path)
        key = archives.mark(path)
    else:
        count = builder.info.splits["train"].num_examples
        where = f"TFDS {builder.info.full_name} in {builder.data_dir}"
        key = tfds_source.fingerprint(builder)

    def fill(writer: Writer) -> dict[str, Any]:
        writer.start(count, (64, 64, 1))
        place_of_row = np.argsort(splits.numpy_order(count))
        done, most = 0, 0
        pieces = member.pieces(_PIECE) if path else tfds_source.image_pieces(builder, _PIECE)
        for piece in pieces:
            piece = piece.view(np.uint8).reshape(-1, 64, 64, 1)
            most = max(most, int(piece.max(initial=0)))
            if most > 1:
                raise DataError(f"{where} has pixels other than 0 and 1: it is not dSprites.")
            for image, place in zip(piece * np.uint8(255), place_of_row[done:], strict=False):
                writer.put(image, int(place))
            done += len(piece)
        if done != count:
            raise DataError(f"{where} has {done:,} images where {count:,} are announced.")
        if not most:
            raise DataError(f"{where} has no values but 0: all images are black.")
        return {"count": count}

    images, _ = cache.open_or_build(cache_dir, "dsprites", key, fill)
    train, words = splits.cut(count, 10_000)
    label = NUMPY_123 if path else "TFDS has only a train split: NumPy shuffle with seed 123"
    return ImageSet(
        "dsprites", images[:train], images[train:], None, None, f"{label}, {words}", where,
        zero_and_one=True,
    )  # fmt: skip
