"""The formats of an export, checked before TensorFlow is imported or anything is written."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from wae_tf.errors import FlagError, RunError
from wae_tf.errors.suggestions import did_you_mean

FORMATS = ("savedmodel", "litert", "onnx")


def check(formats: Sequence[str], classes: int) -> None:
    """Checks the formats that an export is asked for.

    Args:
        formats: of --export_formats.
        classes: of the model.

    Raises:
        FlagError: an unknown format, or one that has no labels.
        RunError: a converter is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise FlagError(
                f"--export_formats={name} is not known; accepted: {', '.join(FORMATS)}"
                + did_you_mean(name, FORMATS)
            )
    if classes and set(formats) - {"savedmodel"}:
        raise FlagError(
            "--export_formats=litert and onnx are of models without classes; accepted: savedmodel."
        )
    if "onnx" in formats and importlib.util.find_spec("tf2onnx") is None:
        raise RunError("--export_formats=onnx needs tf2onnx: pip install 'wae_tf[onnx]'.")
