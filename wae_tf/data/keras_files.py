"""The files that keras.datasets keeps: the same images as TFDS has, where TFDS has not prepared them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from wae_tf.console import progress
from wae_tf.errors import first_line

#: By data set: where below Keras's folder, in its present release first, and a file of it.
_PLACES = {
    "mnist": (("datasets/mnist.npz", ""),),
    "fashion_mnist": (("datasets/fashion-mnist", "train-images-idx3-ubyte.gz"),),
    "cifar10": (
        ("datasets/cifar-10-batches-py-target/cifar-10-batches-py", "test_batch"),
        ("datasets/cifar-10-batches-py", "test_batch"),
    ),
}


def kept(dataset: str) -> Path | None:
    """The file or folder that keras.datasets has downloaded before, or None."""
    for place, file in _PLACES.get(dataset, ()):
        path = _home() / place
        if (path / file if file else path).is_file():
            return path
    return None


def download(dataset: str) -> Path | None:
    """Lets keras.datasets download a data set; None where it cannot."""
    progress(f"TFDS could not prepare {dataset}; keras.datasets downloads it")
    try:
        importlib.import_module(f"keras.datasets.{dataset}").load_data()
    except Exception as error:  # every source fails in its own way
        progress(f"keras.datasets could not either ({first_line(error)})")
        return None
    return kept(dataset)


def _home() -> Path:
    """Keras's folder, as keras.src.backend.config finds it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"
