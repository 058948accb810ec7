"""What a training will take: said before it begins, from its operations and a product's speed here."""

from __future__ import annotations

import dataclasses
import time

from wae_tf.config import Config
from wae_tf.console import duration
from wae_tf.models import by_name, operations
from wae_tf.models.wae import Wae
from wae_tf.settings import devices, memory, processor
from wae_tf.training import pace
from wae_tf.training.programs import Length

#: Bytes of a process that has imported TensorFlow and Keras.
_OF_IMPORTS = 6e8
#: Filters that a CPU trains in minutes, and seconds above which that is said.
_NARROW, _LONG = 64, 3600.0


def memory_of(model: Wae, batch_size: int) -> float:
    """About how many bytes training takes: weights, moments, layers' outputs and their gradients."""
    weights = memory.BYTES_OF_A_WEIGHT * model.count_params()
    kept = 8 * batch_size * sum(map(operations.numbers_kept, (model.encoder, model.decoder)))
    return _OF_IMPORTS + weights + kept


def lines(model: Wae, config: Config, length: Length, start: int) -> list[str]:
    """What to say before training.

    Args:
        model: built.
        config: of the run.
        length: of the run.
        start: steps that are done.
    """
    steps = length.total - start
    if steps <= 0:
        return []
    replicas = model.distribute_strategy.num_replicas_in_sync
    count = operations.operations(model, config.batch_size)
    step = pace.seconds_a_step(count / replicas)
    seconds = steps * step
    end = time.localtime(time.time() + seconds)
    epochs = "1 epoch" if length.epochs == 1 else f"{length.epochs} epochs"
    gpu = devices.has_gpu()
    half = None if gpu else processor.on_half(config.precision)
    found = [
        f"{epochs} of {length.steps_per_epoch} steps, {steps:,} to go: about "
        f"{duration(seconds)}, until "
        f"{time.strftime('%H:%M' if seconds < 43200 else '%a %d %b %H:%M', end)}",
        f"(estimated{' as in float32' if half else ''}: {_short(step)} a step of {count / 1e9:,.3g} GFLOP"
        f"{_memory(model, config.batch_size)})",
    ]
    if half:
        found.append(half)
    widths = (config.encoder_filters, config.decoder_filters)
    if seconds > _LONG and min(widths) > _NARROW and not gpu and start == 0:
        narrow = dataclasses.replace(config, encoder_filters=_NARROW, decoder_filters=_NARROW)
        small = by_name.from_config(narrow, model.image_shape, model.data_size or 1)
        less = steps * pace.seconds_a_step(operations.operations(small, config.batch_size))
        found.append(
            f"--encoder_filters={_NARROW} --decoder_filters={_NARROW} would take about "
            f"{duration(less)}; these presets are meant for a GPU"
        )
    return found


def _memory(model: Wae, batch_size: int) -> str:
    try:
        return f"; about {memory_of(model, batch_size) / 1e9:.1f} GB of memory"
    except AttributeError:  # a network without layers' outputs, of a user's own
        return ""


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
