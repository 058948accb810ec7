"""What is done to pictures before a network sees them, as flags or a file beside it say; no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wae_tf.errors import DataError, FlagError
from wae_tf.errors.suggestions import did_you_mean
from wae_tf.evaluation import preprocessing_values
from wae_tf.files import read_text


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What a network wants; a key of --features_input or of the JSON file each.

    Attributes:
        size: (height, width) of its pictures; None: the network's own, or the pictures'.
        resize: bilinear: at half-pixel centres; bilinear_antialias, bicubic: the same with antialias and
            rounded to bytes, as Pillow's; tf1_bilinear: as TensorFlow 1's.
        range: one of preprocessing_values.RANGES.
        mean: of pictures in [0, 1], a number a channel or one for all; in place of the range's.
        std: likewise.
        channels: 1 or 3; None: the network's own, or 3.
        layout: nhwc or nchw; None: as its input's shape says.
        output: the name of the embedding, where there are several.
        signature: of a SavedModel that has several.
        pool: of tokens [n, tokens, d]: none: all of them; first: the class token; mean, also over the
            places of a map [n, h, w, d], or [n, d, h, w] with the layout nchw.
        normalize: divide each embedding by its length, as CLIP's are for CMMD.
        name: in the names of the scores; None: the file's.
    """

    size: tuple[int, int] | None = None
    resize: str = "bilinear"
    range: str = "unit"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: int | None = None
    layout: str | None = None
    output: str | None = None
    signature: str | None = None
    pool: str = "none"
    normalize: bool = False
    name: str | None = None

    @property
    def mean_and_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What pictures in [0, 1] are shifted and divided by: its own numbers, else the range's."""
        mean, std = preprocessing_values.RANGES[self.range]
        return self.mean or mean, self.std or std

    def told(self) -> dict[str, str]:
        """What the numbers depend on besides the network, as text."""
        said = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key != "name" and value not in (None, "none", False)
        }
        if self.mean and self.std:
            del said["range"]
        if self.resize in preprocessing_values.OF_PILLOW:
            said["resize"] += " in bytes"
        return {
            key: ("x" if key == "size" else " ").join(map(str, value))
            if isinstance(value, tuple)
            else str(value)
            for key, value in said.items()
        }


def of(given: Sequence[str], beside: Path | None = None) -> Preprocessing:
    """What --features_input says, above what the JSON file beside the network says.

    Args:
        given: KEY=VALUE each.
        beside: the file, which need not be there; None: no file.

    Raises:
        FlagError: a key or value of the flag is not accepted.
        DataError: the file cannot be read, or a key or value there is not accepted.
    """
    fields: dict[str, Any] = {}
    if beside and beside.exists():
        try:
            known = json.loads(read_text(beside))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{beside} cannot be read as JSON.") from error
        if not isinstance(known, dict):
            raise DataError(f'{beside} is no JSON object such as {{"size": 224}}.')
        try:
            fields |= _checked(known, f"{beside}: ")
        except FlagError as error:
            raise DataError(str(error)) from error
    pairs = [text.partition("=") for text in given]
    for key, equals, _ in pairs:
        if not equals:
            raise FlagError(f"--features_input={key} is no KEY=VALUE; accepted: such as size=224.")
    return Preprocessing(**fields | _checked({k: v for k, _, v in pairs}, "--features_input="))


def _checked(known: Mapping[str, Any], where: str) -> dict[str, Any]:
    keys = [field.name for field in dataclasses.fields(Preprocessing)]
    made = {}
    for key, value in known.items():
        if key not in keys:
            raise FlagError(
                f"{where}{key} is not known; accepted: {', '.join(keys)}{did_you_mean(key, keys)}"
            )
        try:
            made[key] = preprocessing_values.READ[key](value)
        except (ValueError, TypeError) as error:
            raise FlagError(
                f"{where}{key}={value} is not accepted; {preprocessing_values.ACCEPTED[key]}."
            ) from error
    return made
