"""The epoch that tested best: its checkpoint is kept, and training ends when none is better for long."""

from __future__ import annotations

import math
from typing import Any

import keras

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.training.programs import Length


class Best(keras.callbacks.Callback):
    """Follows the measure of --best_by over the whole epochs of a run, of the chief's worker.

    Its memory is part of every checkpoint, so a run that is stopped and gone on with keeps the same
    checkpoint and ends at the same epoch as one that is not. An epoch that --steps cuts short does
    not count, as it is trained to its end where the run goes on.

    Args:
        config: best_by, early_stopping_patience, keep_best.
        length: where epochs end.
        tested: how many test images an epoch is measured on.
    """

    def __init__(self, config: Config, length: Length, tested: int):
        super().__init__()
        self.config, self.length, self.tested = config, length, tested
        self.restore({})

    def restore(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint holds; of another --best_by or other test images, nothing."""
        state = state if _is_of(state, self.config, self.tested) else {}
        self.value = math.inf if state.get("value") is None else float(state["value"])
        self.step, self.epoch = int(state.get("step", 0)), int(state.get("epoch", 0))
        self.waited = int(state.get("waited", 0))
        self.now = False

    def forget_unless(self, kept: list[int]) -> None:
        """Begins anew if the best checkpoint is to be kept and is not among those there."""
        if self.config.keep_best and self.step and self.step not in kept:
            self.restore({})

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it, JSON values."""
        return {
            "by": self.config.best_by,
            "tested": self.tested,
            "value": self.value if math.isfinite(self.value) else None,
            "step": self.step,
            "epoch": self.epoch,
            "waited": self.waited,
        }

    @property
    def over(self) -> bool:
        """Whether as many epochs as --early_stopping_patience were no better."""
        return is_over(self.state, self.config, self.tested)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Compares; training ends if it has waited for long enough."""
        step = int(self.model.step.numpy())
        self.now = False
        if self.length.within(step):
            return
        value = float((logs or {})[self.config.best_by])
        if value < self.value:
            self.value, self.step, self.epoch, self.waited = value, step, epoch + 1, 0
            self.now = True
        else:
            self.waited += 1
        if self.over:
            progress(
                f"epoch {epoch + 1}: {self.config.best_by} has not been below that of epoch "
                f"{self.epoch} ({self.value:.4f}) for {self.waited} epochs; training ends"
            )
            self.model.stop_training = True


def _is_of(state: dict[str, Any], config: Config, tested: int) -> bool:
    """Whether a state is of the same --best_by, on as many test images, which older ones do not say."""
    return state.get("by") == config.best_by and state.get("tested", tested) == tested


def is_over(state: dict[str, Any], config: Config, tested: int) -> bool:
    """Whether training had ended, by the state of a checkpoint's `Best`, as the config has it now."""
    patience = config.early_stopping_patience
    waited = state.get("waited", 0) if _is_of(state, config, tested) else 0
    return patience is not None and waited >= patience
