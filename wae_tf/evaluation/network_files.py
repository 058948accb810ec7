"""Networks of others as files: their hashes, and handles that have to be downloaded first."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from wae_tf.errors import DataError, first_line

#: Where an ONNX file names another that holds a tensor: an entry of `external_data`, key and value.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)


class Unreachable(DataError):
    """A handle's network cannot be downloaded here."""


def is_handle(source: str) -> bool:
    """Whether a network is named by an address."""
    return source.startswith(("http://", "https://", "gs://"))


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(files: Iterable[Path]) -> str:
    """sha256 of the names and bytes of files."""
    lines = [f"{file.name} {hash_file(file)}" for file in files if file.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def hash_saved_model(folder: Path) -> str:
    """sha256 of a SavedModel's graph and variables."""
    return hash_files([folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))])


def hash_onnx(path: Path) -> str:
    """sha256 of an ONNX file, and of those beside that it names, which hold a large one's weights."""
    content, named = path.read_bytes(), set()
    for found in re.finditer(_LOCATION, content):
        size = found[1][0]  # of a name of under 128 bytes: a protobuf's varint of one
        named.add(os.fsdecode(content[found.end() : found.end() + size]))
    inside = (name for name in sorted(named) if "\0" not in name)
    return hash_files([path, *(path.parent / name for name in inside)])


def download(handle: str, flag: str) -> Path:
    """The folder that TF-Hub puts a handle's SavedModel into.

    Raises:
        Unreachable: TF-Hub is not there, or cannot fetch it.
    """
    try:
        import tensorflow_hub
    except Exception as error:  # missing, or broken in any way
        raise Unreachable(
            f"--{flag}={handle} needs tensorflow-hub, which cannot be imported "
            f"({type(error).__name__}: {first_line(error)}); give a file or folder instead."
        ) from error
    try:
        return Path(tensorflow_hub.resolve(handle))
    except Exception as error:  # urllib's, tarfile's and TensorFlow's own
        raise Unreachable(
            f"--{flag}={handle} cannot be downloaded ({type(error).__name__}): fetch it where "
            "there is a network, and give the file or folder instead."
        ) from error
