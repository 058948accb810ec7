"""Wasserstein auto-encoders for TensorFlow 2 and Keras 3, equal to the official code number by number.

Every name is imported when it is first asked for, TensorFlow with the models or when Keras is there, so
that the command line can answer at once, signals too, and quiet TensorFlow's start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wae_tf.models.keras_classes import check_backend, register_once_keras_is_there

if TYPE_CHECKING:
    from wae_tf.cli.arguments import preset
    from wae_tf.config import Config
    from wae_tf.errors import DataError, FlagError, KeywordError, RunError, UserError
    from wae_tf.models.by_name import from_config
    from wae_tf.models.gan import WaeGan
    from wae_tf.models.mmd import WaeMmd
    from wae_tf.models.mmdpp import WaeMmdpp, WaeMmdppp
    from wae_tf.models.swd import WaeSwd
    from wae_tf.models.vae import Vae
    from wae_tf.models.wae import Wae
    from wae_tf.training.loading import load
    from wae_tf.training.pretraining import pretrain
    from wae_tf.training.train import train

__version__ = "0.1.0"
__all__ = [
    "Config",
    "DataError",
    "FlagError",
    "KeywordError",
    "RunError",
    "UserError",
    "Vae",
    "Wae",
    "WaeGan",
    "WaeMmd",
    "WaeMmdpp",
    "WaeMmdppp",
    "WaeSwd",
    "from_config",
    "load",
    "preset",
    "pretrain",
    "train",
]


#: Where the names are.
_HOMES = {
    "Config": "config",
    "DataError": "errors",
    "FlagError": "errors",
    "KeywordError": "errors",
    "RunError": "errors",
    "UserError": "errors",
    "Vae": "models.vae",
    "Wae": "models.wae",
    "WaeGan": "models.gan",
    "WaeMmd": "models.mmd",
    "WaeMmdpp": "models.mmdpp",
    "WaeMmdppp": "models.mmdpp",
    "WaeSwd": "models.swd",
    "from_config": "models.by_name",
    "load": "training.loading",
    "preset": "cli.arguments",
    "pretrain": "training.pretraining",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        if _HOMES[name].startswith(("models", "training")):
            check_backend()
        return getattr(importlib.import_module(f"wae_tf.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


register_once_keras_is_there()
