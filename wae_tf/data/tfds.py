"""Images from TensorFlow Datasets: prepared on this machine, or downloaded now."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf import registry
from wae_tf.errors import DataError, first_line

_PATIENCE = 8.0  # seconds


class DownloadFailed(DataError):
    """TFDS began to download a data set and could not finish it."""


class NotThere(DataError):
    """tensorflow-datasets cannot be imported."""


def prepared_at_home(dataset: str) -> Any | None:
    """The builder of a data set prepared in TFDS's own folder, or None.

    Raises:
        NotThere: there is no TFDS.
    """
    builder = _builder(dataset, None)
    return builder if builder.is_prepared() else None


def prepared_in(dataset: str, root: Path) -> Any | None:
    """The builder of a data set prepared in a TFDS folder, or None."""
    name = registry.fact("dataset", dataset, "tfds")
    if not (root / name).is_dir():
        return None
    builder = _builder(dataset, str(root))
    return builder if builder.is_prepared() else None


def may_be_in(dataset: str, root: Path) -> bool:
    """Whether a folder looks like TFDS's with this data set, without asking TFDS."""
    below = root / registry.fact("dataset", dataset, "tfds")
    return any(any(below.glob(f"{depth}dataset_info.json")) for depth in ("*/", "*/*/"))


def check_home(dataset: str) -> None:
    """Refuses a data set that is not in TFDS's own folder and cannot be downloaded; does not ask TFDS.

    Raises:
        DataError: as `prepare`.
    """
    name, url = (registry.fact("dataset", dataset, fact) for fact in ("tfds", "tfds_file"))
    place = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    home = Path(place).expanduser()
    elsewhere = "://" in place or (home / name).exists()
    if elsewhere or importlib.util.find_spec("tensorflow_datasets") is None:
        return  # TFDS itself is asked later
    if not _reachable(url):
        raise _unreachable(dataset, home)


def _unreachable(dataset: str, home: Any) -> DataError:
    url = registry.fact("dataset", dataset, "tfds_file")
    return DataError(
        f"{dataset} is not in {home} and {url} cannot be reached to download it: "
        f"{_instead(dataset)}."
    )


def _instead(dataset: str) -> str:
    name, layout = (registry.fact("dataset", dataset, fact) for fact in ("tfds", "layout"))
    return f"give --data_dir with {layout}, or a folder where TFDS has prepared {name}"


def prepare(dataset: str) -> Any:
    """The builder of a prepared data set in TFDS's own folder, downloaded first if need be.

    Raises:
        DataError: it is not there and the download cannot start.
        DownloadFailed: the download fails.
    """
    name, url = (registry.fact("dataset", dataset, fact) for fact in ("tfds", "tfds_file"))
    builder = _builder(dataset, None)
    if builder.is_prepared():
        return builder
    # Asked first: without a network TFDS itself tries for minutes.
    if not _reachable(url):
        raise _unreachable(dataset, builder.data_dir_root)
    try:
        builder.download_and_prepare()
    except Exception as error:  # every source fails in its own way
        raise DownloadFailed(
            f"TFDS could not prepare {name} ({first_line(error)}): {_instead(dataset)}."
        ) from error
    return builder


def images_and_labels(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A small data set's split: uint8 [N, H, W, C] and int64 [N]."""
    with _one_sentence(builder):
        rows = builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)
        return rows["image"].numpy(), rows["label"].numpy().astype(np.int64)


def encoded_images(builder: Any, split: str) -> Iterator[bytes]:
    """The files' bytes of a split, in TFDS's order."""
    import tensorflow_datasets as tfds

    with _one_sentence(builder):
        rows = builder.as_dataset(
            split=split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()}
        )
        for row in rows.prefetch(64):
            yield row["image"].numpy()


def image_pieces(builder: Any, rows: int) -> Iterator[np.ndarray]:
    """The training images in order, uint8 [at most `rows`, H, W, C] at a time."""
    import tensorflow_datasets as tfds

    decoders = tfds.decode.PartialDecoding({"image": True})
    with _one_sentence(builder):
        images = builder.as_dataset(split="train", shuffle_files=False, decoders=decoders)
        for piece in images.batch(rows).prefetch(2):
            yield piece["image"].numpy()


def fingerprint(builder: Any) -> dict[str, Any]:
    """What identifies a prepared data set, for the cache's key."""
    sizes = {name: info.num_examples for name, info in sorted(builder.info.splits.items())}
    return {"tfds": builder.info.full_name, "folder": str(builder.data_dir), "sizes": sizes}


@contextlib.contextmanager
def _one_sentence(builder: Any) -> Iterator[None]:
    """Turns TensorFlow's errors about damaged records into one of ours."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, AssertionError, OSError) as error:
        raise DataError(
            f"{builder.data_dir} cannot be read ({first_line(error)}): remove it and let TFDS prepare "
            "it again."
        ) from error


def _builder(dataset: str, root: str | None) -> Any:
    name, layout = (registry.fact("dataset", dataset, fact) for fact in ("tfds", "layout"))
    try:
        import tensorflow_datasets as tfds
    except Exception as error:  # missing, or broken in any way
        raise NotThere(
            f"{dataset} {f'in {root}' if root else 'without --data_dir'} needs tensorflow-datasets, which "
            f"cannot be imported ({type(error).__name__}: {first_line(error)}): pip install "
            f"'tensorflow-datasets>=4.9.10,<4.10' importlib_resources, or give --data_dir with {layout}."
        ) from error
    try:
        return tfds.builder(name, data_dir=root)
    except Exception as error:
        raise DataError(
            f"TFDS cannot open {name} in {root or 'its folder'} ({first_line(error)})."
        ) from error


def _reachable(url: str) -> bool:
    """Whether a server offers a file, within a few seconds; through a proxy where one is set."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=4).close()
            answers.append(True)
        except urllib.error.HTTPError as error:
            answers.append(error.code == 405)  # refuses HEAD, but it is there
        except (OSError, http.client.HTTPException, ValueError):
            answers.append(False)

    # In a thread, for looking up a name has no timeout of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return bool(answers and answers[0])
