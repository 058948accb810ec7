"""Wasserstein auto-encoders for TensorFlow 2 and Keras 3, equal to the official code number by number.

TensorFlow is imported when a model is first named, so that the command line can answer at once and
quiet TensorFlow's start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wae_tf.config import Config
from wae_tf.errors import DataError, FlagError, RunError, UserError

if TYPE_CHECKING:
    from wae_tf.models import Vae, Wae, WaeGan, WaeMmd, WaeMmdpp, WaeMmdppp, from_config

__version__ = "0.1.0"
__all__ = [
    "Config",
    "DataError",
    "FlagError",
    "RunError",
    "UserError",
    "Vae",
    "Wae",
    "WaeGan",
    "WaeMmd",
    "WaeMmdpp",
    "WaeMmdppp",
    "from_config",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("wae_tf.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
