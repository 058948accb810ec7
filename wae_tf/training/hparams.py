"""A run's settings where TensorBoard's HParams page looks for them, so that runs compare."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.runs.folder import MAY_CHANGE

#: May change within a run, and say what was trained all the same.
_TOLD = ("epochs", "steps", "distribute", "early_stopping_patience")


def of(config: Config) -> dict[str, Any]:
    """The settings that numbers follow from, by the flags' names; no paths."""
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if (
            value is None
            or field.name == "plugins"
            or (field.name in MAY_CHANGE and field.name not in _TOLD)
        ):
            continue
        found[field.name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return found


def write(writer: tf.summary.SummaryWriter, config: Config) -> None:
    """Writes them as the run's trial; the scalars of its events are the metrics."""
    try:
        from tensorboard.plugins.hparams import api
    except ImportError as error:
        progress(f"the events have no HParams: tensorboard cannot be imported ({error})")
        return
    with writer.as_default(step=0):
        api.hparams(of(config), trial_id=config.folder)
