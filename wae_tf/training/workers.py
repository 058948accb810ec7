"""What the processes of one training agree on: flags, images, the run's folder, and when a signal ends it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console.interruption import SIGNALS, Interrupted, Stop
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.runs import checkpoints
from wae_tf.runs.flags_file import flags_by_name, flags_text
from wae_tf.runs.folder import RunFolder
from wae_tf.training import distribution, setup

#: Where things are, which may be another place on each machine.
_PLACES = ("work_dir", "data_dir", "cache_dir")
#: Seconds in which what the chief wrote is to be seen by the others: network file systems cache folders.
_SEEN_WITHIN = 15.0
#: What the chief says instead of a step where its run cannot begin.
_FAILED = -3


def check_flags(strategy: tf.distribute.Strategy, config: Config) -> None:
    """Ends all workers where one was given other flags than the chief.

    Raises:
        FlagError: one was; here, the sentence names them.
    """
    own = flags_by_name(flags_text(config))
    own = {name: value for name, value in own.items() if name not in _PLACES}
    text = json.dumps(own, sort_keys=True)
    if (chiefs := _where_one_differs(strategy, text)) is None:
        return
    theirs = json.loads(chiefs)
    if theirs == own:
        raise FlagError(
            "--distribute=multi_worker: another worker has other flags, and names them; give all the same."
        )
    named = ", ".join(
        f"--{name}={own.get(name, '')} here and {theirs.get(name, 'nothing')} at the chief"
        for name in sorted(own.keys() | theirs.keys())
        if own.get(name) != theirs.get(name)
    )
    raise FlagError(
        f"--distribute=multi_worker: this worker has other flags than the chief ({named}); give all the same."
    )


def check_images(strategy: tf.distribute.Strategy, facts: Callable[[], Mapping[str, int]]) -> None:
    """Ends all workers where one has other images than the chief.

    Args:
        strategy: of the workers.
        facts: gives what `setup.facts_of` says of this worker's.

    Raises:
        DataError: one has.
    """
    if distribution.is_single_process(strategy):
        return
    own = facts()
    if (chiefs := _where_one_differs(strategy, json.dumps(own, sort_keys=True))) is None:
        return
    differing = setup.parts_that_differ(json.loads(chiefs), own)
    if not differing:
        raise DataError(
            "--distribute=multi_worker: another worker has other images; give all the same."
        )
    raise DataError(
        f"--distribute=multi_worker: this worker has other images for {' and '.join(differing)} than the "
        "chief; give all the same."
    )


def start_of_chief(strategy: tf.distribute.Strategy, begin: Callable[[], int]) -> int:
    """The step at which the chief, who alone calls `begin`, begins.

    Raises:
        RunError: elsewhere, where `begin` raised on the chief.
    """
    if not distribution.is_chief(strategy):
        if (start := distribution.from_chief(strategy, 0)) == _FAILED:
            raise RunError("the chief cannot begin, and says why.")
        return start
    try:
        start = begin()
    except Exception:  # not a UserError alone: a disk that is full
        with contextlib.suppress(tf.errors.OpError):  # of others that are gone
            distribution.from_chief(strategy, _FAILED)
        raise
    return distribution.from_chief(strategy, start)


def check_folder(strategy: tf.distribute.Strategy, run: RunFolder, start: int) -> None:
    """Ends all workers where one does not see the run that the chief has begun, or goes on with.

    Raises:
        RunError: one does not.
    """
    if distribution.is_single_process(strategy):
        return

    def seen() -> str:
        try:
            flags = hashlib.sha256(run.flags.read_bytes()).hexdigest()
        except OSError:
            flags = ""
        return f"{flags} {checkpoints.sums_of(run.checkpoints, start) if start >= 0 else ''}"

    chiefs = _of_chief(strategy, seen())
    until = time.monotonic() + _SEEN_WITHIN
    while (own := seen()) != chiefs and time.monotonic() < until:
        time.sleep(0.2)
    if not distribution.any_of(strategy, [own != chiefs])[0]:
        return
    if own == chiefs:
        raise RunError(
            f"--work_dir={run.folder}: another worker does not see this folder; give one that all see."
        )
    raise RunError(
        f"--work_dir={run.folder} is not the folder that the chief sees; give one that all workers see."
    )


def _where_one_differs(strategy: tf.distribute.Strategy, text: str) -> str | None:
    """The chief's text where any worker has another; else None."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    differs = number != distribution.from_chief(strategy, number)
    return _of_chief(strategy, text) if distribution.any_of(strategy, [differs])[0] else None


def _of_chief(strategy: tf.distribute.Strategy, text: str) -> str:
    own = text.encode()
    size = distribution.from_chief(strategy, len(own))
    numbers = list(own[:size].ljust(size))
    return bytes(distribution.all_from_chief(strategy, numbers)).decode()


@contextlib.contextmanager
def alone_to_the_end(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Within, the chief works while the others wait in `wait_for_chief`; a signal to it is one to them."""
    try:
        yield
    except Interrupted as error:
        with contextlib.suppress(tf.errors.OpError):
            distribution.from_chief(strategy, error.status - 128)
        raise


def wait_for_chief(strategy: tf.distribute.Strategy) -> None:
    """Waits until all have done their work.

    Raises:
        Interrupted: elsewhere than on the chief, where a signal has ended the chief's.
    """
    try:
        number = distribution.from_chief(strategy, 0)
    except tf.errors.OpError:
        if not distribution.is_chief(strategy):
            raise  # the chief has nothing left to do
        return
    if number:
        raise Interrupted(
            number, "all steps are done and saved; the same command on all workers evaluates them."
        )


class StopTogether(Stop, keras.callbacks.Callback):
    """A signal to one worker is one to all, from the end of the same call of steps on.

    So the chief saves what all have trained, and none is left waiting for one that is gone. A `Stop` whose
    number is that of the signal that all know of; stands before everything else that looks at a step.

    Args:
        stop: notes this process's signals.
        strategy: of the workers.
    """

    def __init__(self, stop: Stop, strategy: tf.distribute.Strategy):
        keras.callbacks.Callback.__init__(self)
        Stop.__init__(self, stop.advice)
        self._stop, self._strategy = stop, strategy

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("patient", "advice") and "_stop" in self.__dict__:
            setattr(self._stop, name, value)  # whose own `number` others do not know of yet

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Asks the others."""
        self.patient = True  # from now on steps are worth waiting for
        if self.number is None:
            noted = distribution.any_of(self._strategy, [self._stop.number == n for n in SIGNALS])
            self.number = next((n for n, one in zip(SIGNALS, noted, strict=True) if one), None)

    def check(self) -> None:
        """Ends this process where all do, once all are here.

        Raises:
            Interrupted: a signal was agreed upon.
        """
        if self.number is not None:
            distribution.barrier(self._strategy)
            raise Interrupted(self._stop.number or self.number, self.advice)


class LeaveTogether(keras.callbacks.Callback):
    """Ends a worker that is not the chief, which saves meanwhile.

    Args:
        stop: what all have agreed upon.
        ends: whether an epoch ends at a step.
    """

    def __init__(self, stop: StopTogether, ends: Callable[[int], bool]):
        super().__init__()
        self.stop, self.ends = stop, ends

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Where the chief leaves within an epoch."""
        self.stop.advice = (
            "what the chief has saved stands; the same command on all workers goes on."
        )
        if not self.ends(int(self.model.step.numpy())):
            self.stop.check()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Where it leaves at an epoch's end."""
        self.stop.check()
