"""Keras's fit over a run: its callbacks, its epochs, and back to a checkpoint after a bad step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import keras

from wae_tf.config import Config
from wae_tf.console.interruption import Stop
from wae_tf.data.image_set import ImageSet
from wae_tf.models import operations
from wae_tf.models.step import rates
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints, integrity
from wae_tf.runs.folder import RunFolder
from wae_tf.training import callbacks, distribution, lines, programs, resuming
from wae_tf.training.best import Best
from wae_tf.training.callbacks import BadStep
from wae_tf.training.drawing import Figures
from wae_tf.training.feeding import Feed
from wae_tf.training.own_callbacks import EndTogether, FollowChief, OwnCallbacks
from wae_tf.training.programs import Calls, KeptPrograms, Length
from wae_tf.training.workers import LeaveTogether, StopTogether, alone_to_the_end


class _Watchers:
    """The callbacks of a run, and what of them its metrics need.

    The chief's write; other workers compute the same and only guard.
    """

    def __init__(
        self,
        model: Wae,
        config: Config,
        images: ImageSet,
        run: RunFolder,
        length: Length,
        stop: Stop,
        state: dict[str, Any],
        own: Sequence[keras.callbacks.Callback],
    ):
        self.chief = distribution.is_chief(model.distribute_strategy)
        tested = config.tested(len(images.test))
        self.best = Best(config, length, tested)
        watched = rates.watched(model, list(own)) if own and self.chief else ()
        self.own = OwnCallbacks(watched, length)
        alone = distribution.is_single_process(model.distribute_strategy)
        last: list[keras.callbacks.Callback] = []
        if not alone:  # a program may have given callbacks to the chief alone
            watches = distribution.any_of(model.distribute_strategy, [bool(own)])[0]
            last += [FollowChief(self.own)] if watches else []
            last += [EndTogether()] if watches or config.early_stopping_patience else []
        self.run, self.model = run, model
        self.over = False  # whether an epoch's end that was made up for ended training
        self.speed = callbacks.Speed(config.batch_size)
        self.curves = callbacks.Curves(length)
        self._began = time.perf_counter() - state.get("seconds", 0.0)
        self.all: list[keras.callbacks.Callback] = [callbacks.StopOnBadStep(), self.speed]
        if not alone:
            stop = agreed = StopTogether(stop, model.distribute_strategy)
            self.all.insert(0, agreed)
        self.stop = stop
        if not self.chief:
            self.all += [LeaveTogether(agreed, length.ends), *last]
            self.restore(state)
            return
        self.bar = lines.Bar(length)
        samples = min(config.pictures, 100) if model.of_pictures else 0
        table = lines.Table(length, "adversary_loss" in model.terms, tested, samples)
        self.checkpoints = callbacks.Checkpoints(
            config,
            run,
            model,
            ends=length.ends,
            state=lambda: {
                "curves": self.curves.data,
                "seconds": self.seconds,
                **integrity.kept(run, config),
                "row": {k: float(v) for k, v in self.report.row.items()},
                "owed": self.report.owed,
                "best": self.best.state,
            },
            stop=stop,
            best=self.best,
        )
        self.report = callbacks.Report(
            config,
            run,
            images,
            self.curves,
            self.speed,
            table,
            # With several processes an epoch's end is everyone's.
            self.checkpoints if alone else None,
        )
        self.figures = Figures(config, run, images, self.report, self.checkpoints)
        # The user's own after the numbers of the test, and before the weights are saved, which they
        # may have moved; figures after those, so that none of them costs an epoch.
        self.all += [self.bar, self.curves, self.report, self.best, self.own, self.checkpoints]
        self.all += [self.figures, KeptPrograms(), *last]
        self.restore(state)
        for watcher in self.all:
            watcher.set_model(model)  # there may be no step left to fit, and still a figure to draw

    def restore(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint's state knows; {} at the beginning."""
        self.curves.restore(state.get("curves", {}))
        self.best.restore(state.get("best", {}))
        self.best.forget_unless(checkpoints.steps(self.run.checkpoints))
        if self.chief:
            self.report.row = state.get("row", {})  # history.csv has it rounded
            self.checkpoints.saved = int(self.model.step.numpy())  # a damaged one was set aside
            # Fewer than before make room for the next, where a disk is full.
            checkpoints.prune(self.run.checkpoints, *self.checkpoints.kept())

    def make_up(self, state: dict[str, Any], length: Length) -> None:
        """Ends the epoch whose test or figures a signal did not wait for, as if it had waited."""
        if not self.chief:
            return
        step = int(self.model.step.numpy())
        # An epoch that --steps had cut short may go on now.
        if (owed := state.get("owed")) and length.ends(step):
            self.model.stop_training = False
            self.own.begin_again(int(owed["epoch"]))
            self.report.make_up(owed, [self.best, self.own])
            self.over = self.model.stop_training
        epoch, within = divmod(step, length.steps_per_epoch)
        if not within:
            self.figures.catch_up(epoch)

    @property
    def seconds(self) -> float:
        """Of the run until now, without the time between its parts."""
        return time.perf_counter() - self._began

    def close(self) -> None:
        """Ends what is shown of a step that is under way."""
        if self.chief:
            self.bar.close()


def fit(
    model: Wae,
    config: Config,
    images: ImageSet,
    feed: Feed,
    run: RunFolder,
    length: Length,
    stop: Stop,
    state: dict[str, Any],
    own: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Trains up to the last step, a last epoch cut short if need be, or until a callback ends it.

    Args:
        model: compiled, at the step to go on from.
        config: of the run.
        images: to test on.
        feed: of its training images.
        run: where to write.
        length: steps an epoch, and in all.
        stop: notes signals.
        state: that of the checkpoint, {} at the beginning.
        own: callbacks of the user's.

    Raises:
        RunError: a step went wrong (and could not be rolled back), or a file cannot be written.
        Interrupted: a signal came; all is saved.
    """
    stop.check()
    watchers = _Watchers(model, config, images, run, length, stop, state, own)
    watchers.make_up(state, length)
    while True:
        try:
            with stop.deferring(patient=False):  # until a step has come to its end
                _fit_what_is_left(model, feed, length, watchers)
                _save_the_end(model, watchers)
            break
        except BadStep as bad:
            state = resuming.roll_back(model, config, run, bad)
            calls = Calls.of(model, config, length, int(model.step.numpy()), images.train)
            if calls != feed.calls:  # other steps are left than those that they came out with
                feed.calls = calls
                programs.take(model, calls)
            watchers.restore(state)
            watchers.stop.check()  # no call of steps may come to a good end
            watchers.make_up(state, length)
        finally:
            watchers.close()
    done = length.until(int(model.step.numpy()))
    if not watchers.chief:  # which alone calls the user's callbacks
        return {"steps": done.total, "epochs": done.epochs}
    every = config.figure_every
    due = done.within(done.total) or done.epochs % every if every else 0
    with alone_to_the_end(model.distribute_strategy):
        watchers.own.end()
        if due and watchers.figures.drawn != done.epochs:
            watchers.figures.draw(done.epochs)
    return _metrics(model, run, done, watchers)


def _fit_what_is_left(model: Wae, feed: Feed, length: Length, watchers: _Watchers) -> None:
    # A run that had ended so, before it was stopped or where that was made up for.
    over = watchers.best.over or watchers.over  # the chief alone makes up for an end
    over = bool(distribution.from_chief(model.distribute_strategy, int(over)))
    for start, first_epoch, last_epoch, steps in length.spans(int(model.step.numpy())):
        if over:
            return
        means = [v.numpy() for v in checkpoints.means_of(model)] if length.within(start) else []
        model.fit(
            feed.from_step(start, steps),
            initial_epoch=first_epoch,
            epochs=last_epoch,
            steps_per_epoch=steps,
            callbacks=[callbacks.Means(means), *watchers.all],
            verbose=0,  # the bar and the table are ours
            shuffle=False,
        )
        over = model.stop_training


def _save_the_end(model: Wae, watchers: _Watchers) -> None:
    saved, step = 0, int(model.step.numpy())
    if watchers.chief:
        watchers.checkpoints.save()
        watchers.checkpoints.leave()
        saved = watchers.checkpoints.saved
    if distribution.from_chief(model.distribute_strategy, saved) < step:
        # A finite loss can have had such a gradient; elsewhere the next step's loss shows it.
        raise BadStep(step, "weights not finite")


def _metrics(model: Wae, run: RunFolder, length: Length, watchers: _Watchers) -> dict[str, Any]:
    history = run.read_history()
    row = watchers.report.row or {name: [math.nan, *column][-1] for name, column in history.items()}
    return {
        "steps": length.total,
        "epochs": length.epochs,
        "parameters": operations.parameter_count(model),
        "images_per_second": watchers.speed.images_per_second,
        **{name: row[name] for name in ("train_loss", "train_reconstruction", "train_penalty")},
        "wae_lambda": float(model.wae_lambda.numpy()),
        "rollbacks": int(model.schedules.rollbacks.numpy()),
        "skipped_steps": model.skipped_steps(),
        "seconds": watchers.seconds,
        **({"best_step": watchers.best.step} if watchers.best.step else {}),
    }
