"""Images from TensorFlow Datasets: prepared on this machine, or downloaded now."""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf.errors import DataError

#: Our name: TFDS's, and where TFDS downloads from.
SOURCES = {
    "mnist": ("mnist", "https://storage.googleapis.com"),
    "fashion_mnist": (
        "fashion_mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "cifar10": ("cifar10", "https://www.cs.toronto.edu"),
    "celeba": ("celeb_a", "https://drive.google.com"),
    "dsprites": ("dsprites", "https://github.com"),
}  # fmt: skip


def prepared_in(dataset: str, root: Path) -> Any | None:
    """The builder of a data set prepared in a TFDS folder, or None."""
    name = SOURCES[dataset][0]
    if not (root / name).is_dir():
        return None
    builder = _builder(name, str(root))
    return builder if builder.is_prepared() else None


def prepare(dataset: str, layout: str) -> Any:
    """The builder of a prepared data set in TFDS's own folder, downloaded first if need be.

    Args:
      dataset: our name of the data set.
      layout: what --data_dir would have to hold, for messages.

    Raises:
      DataError: it is not there and the download cannot start or fails.
    """
    name, url = SOURCES[dataset]
    builder = _builder(name, None)
    if builder.is_prepared():
        return builder
    instead = f"give --data_dir with {layout}, or a folder where TFDS has prepared {name}"
    # Asked first: without a network TFDS itself tries for minutes.
    if not _reachable(url):
        raise DataError(
            f"{dataset} is not in {builder.data_root} and {url} cannot be reached to download it: "
            f"{instead}."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # every source fails in its own way
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise DataError(f"TFDS could not prepare {name} ({reason}): {instead}.") from error
    return builder


def images_and_labels(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A small data set's split: uint8 [N, H, W, C] and int64 [N]."""
    import tensorflow_datasets as tfds

    rows = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, shuffle_files=False))
    return rows["image"], rows["label"].astype(np.int64)


def encoded_images(builder: Any, split: str) -> Iterator[bytes]:
    """The files' bytes of a split, in TFDS's order."""
    import tensorflow_datasets as tfds

    rows = builder.as_dataset(
        split=split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()}
    )
    for row in rows.prefetch(64):
        yield row["image"].numpy()


def image_pieces(builder: Any, split: str, rows: int) -> Iterator[np.ndarray]:
    """A split's images in order, uint8 [at most `rows`, H, W, C] at a time."""
    import tensorflow_datasets as tfds

    decoders = tfds.decode.PartialDecoding({"image": True})
    images = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)
    for piece in images.batch(rows).prefetch(2):
        yield piece["image"].numpy()


def fingerprint(builder: Any) -> dict[str, Any]:
    """What identifies a prepared data set, for the cache's key."""
    sizes = {name: info.num_examples for name, info in sorted(builder.info.splits.items())}
    return {"tfds": builder.info.full_name, "folder": str(builder.data_dir), "sizes": sizes}


def _builder(name: str, root: str | None) -> Any:
    logging.getLogger("absl").debug("opening TFDS builder %s", name)
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=root)
    except Exception as error:
        raise DataError(f"TFDS cannot open {name} in {root or 'its folder'} ({error}).") from error


def _reachable(url: str) -> bool:
    """Whether a server answers within a few seconds, through a proxy where one is set."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=4).close()
    except urllib.error.HTTPError as error:
        return error.code < 500 and error.code not in (403, 407)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return True
