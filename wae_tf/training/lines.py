"""What a training shows: a table with a line an epoch, and on a terminal a bar below it."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import keras

from wae_tf import console
from wae_tf.training.programs import Length, steps_done

#: Seconds between two updates of the bar, and its length.
_EVERY, _BAR = 0.2, 20


def number(value: float) -> str:
    """A measure in at most nine characters."""
    return f"{value:.4f}" if 1e-2 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


class Table:
    """A line an epoch, below a head that says once what the columns are of.

    Args:
        length: of the run.
        adversary: whether there is one, with a column of its loss.
        tested: test images that each epoch is measured on.
        samples: images whose sharpness is told; 0: of data that have none.
    """

    def __init__(self, length: Length, adversary: bool, tested: int, samples: int):
        self.length, self.adversary = length, adversary
        self.tested, self.samples = tested, samples
        self._headed = False
        self._from: tuple[int, float] | None = None  # step and time of the end of the first epoch

    def row(self, row: dict[str, Any], images_per_second: float) -> None:
        """Shows an epoch.

        Args:
            row: of history.csv.
            images_per_second: NaN where nothing but the first call was made.
        """
        if not self._headed:
            self._head()
        step, now = row["step"], time.monotonic()
        left = "" if step >= self.length.total else "?"
        if self._from is None:
            self._from = step, now
        elif left:
            seconds = (now - self._from[1]) / (step - self._from[0])
            left = console.duration(seconds * (self.length.total - step))
        cells = [
            f"{row['epoch']}/{self.length.epochs}".rjust(8),
            f"{step:7d}",
            number(row["train_loss"]).rjust(9),
            number(row["test_reconstruction"]).rjust(10),
            number(row["test_penalty"]).rjust(9),
            *([number(row["train_adversary_loss"]).rjust(10)] if self.adversary else []),
            *([f"{row['sharpness']:10.5f}"] if self.samples else []),
            ("" if math.isnan(images_per_second) else f"{images_per_second:.0f}").rjust(9),
            left.rjust(7),
        ]
        console.progress("".join(cells).rstrip())

    def _head(self) -> None:
        self._headed = True
        what = f"test images, sharpness of the blurriest of {self.samples} samples"
        what = what if self.samples else "test rows"
        console.progress(f"cost and penalty of {self.tested} {what}")
        adversary = f"{'adversary':>10}" if self.adversary else ""
        sharpness = f"{'sharpness':>10}" if self.samples else ""
        console.progress(
            f"{'epoch':>8}{'step':>7}{'loss':>9}{'cost':>10}{'penalty':>9}{adversary}"
            f"{sharpness}{'images/s':>9}{'left':>7}"
        )


class Bar(keras.callbacks.Callback):
    """How far an epoch is, on a terminal; and that the first step is compiled, which takes long.

    Args:
        length: of the run.
    """

    def __init__(self, length: Length):
        super().__init__()
        self.length = length
        self._compiling = contextlib.ExitStack()
        self._compiled = False
        self._shown = 0.0
        self._first = 0  # calls of the epoch that compiled

    def on_train_begin(self, logs: dict | None = None) -> None:
        """The first call of the first `fit` compiles."""
        if not self._compiled:
            self._compiling.enter_context(console.working("compiling the training step"))

    def close(self) -> None:
        """Takes what is shown away, however the training ended."""
        self._compiling.close()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Where the epoch begins: one that is gone on with begins inside."""
        self._epoch, self._start, self._first = epoch, time.monotonic(), 0
        self._offset = self.length.within(int(self.model.step.numpy()))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar."""
        made = steps_done(batch, self.params)
        if not self._compiled:
            self._compiled = True
            self.close()
            self._start, self._offset = time.monotonic(), self._offset + made
            self._first = made
            return
        now = time.monotonic()
        if now - self._shown < _EVERY or not console.on_terminal():
            return
        self._shown = now
        steps = min(self.length.steps_per_epoch, self.length.total)
        done = made + self._offset - self._first
        pace = (now - self._start) / max(made - self._first, 1)
        filled = min(_BAR, _BAR * done // max(steps, 1))
        loss = "" if not logs else f"  loss {number(float(logs.get('loss', math.nan)))}"
        console.under_way(
            f"epoch {self._epoch + 1}/{self.length.epochs} [{'#' * filled:.<{_BAR}}] "
            f"{done}/{steps}  {_pace(pace)}{loss}"
        )


def _pace(seconds: float) -> str:
    return f"{seconds:.2f} s/step" if seconds >= 0.1 else f"{1000 * seconds:.1f} ms/step"
