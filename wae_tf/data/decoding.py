"""Pictures decoded once into the cache, bad ones named or skipped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.data import picture_files
from wae_tf.data.archives import BadPicture, Files
from wae_tf.data.picture_files import LEAVE_OUT
from wae_tf.data.writer import Writer
from wae_tf.errors import DataError

#: Pictures looked at before all are decoded.
_SOME = 64


def some_of(names: Sequence[str]) -> list[str]:
    """Up to 64 of the names, evenly."""
    return list(names[:: max(1, len(names) // _SOME)])[:_SOME]


def look_at_some(
    files: Files, names: Sequence[str], look: Callable[[bytes], Any], skip_bad: bool
) -> list[Any]:
    """Looks at some pictures before all are decoded.

    Args:
        files: the folder or zip.
        names: of all pictures.
        look: what to do with the bytes; raises BadPicture.
        skip_bad: bad pictures are left out later, and said then.

    Returns:
        What `look` returned, of those that can be used.

    Raises:
        DataError: one cannot be used, and `skip_bad` is off.
    """
    found, bad = [], None
    for name in some_of(names):
        try:
            found.append(look(files.read(name)))
        except BadPicture as error:
            bad = bad or f"{files.where / name} {error}"
    if bad and not skip_bad:
        none = "; none of the pictures looked at can be used"
        raise DataError(bad + (f"; {LEAVE_OUT}." if found else f"{none}."))
    return found


def decode(
    writer: Writer, items: Any, function: Any, *, skip_bad: bool, where: object
) -> dict[str, Any]:
    """Decodes pictures into the cache, in order; returns the names that came and that did not.

    Those that an interrupted process has decoded are there already.

    Raises:
        DataError: a picture cannot be read and `skip_bad` is not set, or fewer than two can.
    """

    def decoded(data: bytes) -> np.ndarray:
        image = function(data)
        if image.shape != writer.shape:  # somebody wrote it between
            size, before = (f"{shape[1]}x{shape[0]}" for shape in (image.shape, writer.shape))
            raise BadPicture(f"is {size}, and was {before} when its head was read")
        return image

    items, skipped = iter(items), list(writer.skipped)
    before = [name for name, _ in itertools.islice(items, writer.taken)]
    order = [name for name in before if name not in set(skipped)]
    for good, images, bad in picture_files.map_in_order(
        items, decoded, skip_bad=skip_bad, where=where
    ):
        if images:
            writer.append(np.stack(images))
        order += good
        skipped += bad
        writer.note(len(order) + len(skipped), skipped)
    if len(order) < 2:
        raise DataError(
            f"{where} has {len(order)} readable image{'' if len(order) == 1 else 's'} "
            f"({len(skipped):,} cannot be read): at least 2 are needed."
        )
    return {"order": order, "skipped": skipped}


def check_skipped(facts: dict[str, Any], skip_bad: bool, where: object) -> None:
    """A cache made with --skip_bad_images serves a run without it only if nothing was skipped.

    Raises:
        DataError: something was skipped, and `skip_bad` is not set.
    """
    if facts["skipped"] and not skip_bad:
        bad = facts["skipped"]
        raise DataError(
            f"{Path(str(where)) / bad[0]} could not be decoded ({len(bad):,} such files): "
            "--skip_bad_images leaves them out."
        )
