"""Wasserstein auto-encoders for TensorFlow 2 and Keras 3, equal number by number to the official code."""

from wae_tf.config import Config
from wae_tf.errors import DataError, FlagError, RunError, UserError
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
