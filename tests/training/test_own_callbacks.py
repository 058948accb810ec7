"""What a user's callback is told where an epoch's end is made up for."""

import os
import signal

import keras
import numpy as np
import pytest

from tests.factory import SHORT, TINY
from wae_tf.config import Config
from wae_tf.console.interruption import Interrupted
from wae_tf.training import train


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == 2:  # the last of the epoch: its test is not waited for
            os.kill(os.getpid(), signal.SIGTERM)


class Usual(keras.callbacks.Callback):
    """As those of Keras: it keeps what an epoch's beginning tells, and asks for params."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append(("train", self.params["epochs"], self.params["steps"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.began = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.told.append((self.began, epoch))


def test_a_callback_hears_of_the_beginning_of_an_epoch_that_is_made_up_for(tmp_path):
    config = Config(
        **TINY | SHORT | {"train_size": 100}, dataset="digits", epochs=2, pretrain=False,
        work_dir=str(tmp_path / "run"),
    )  # fmt: skip
    assert config.batch_size == 50
    with pytest.raises(Interrupted):
        train.train(config, [Kill()])
    usual = Usual()
    assert train.train(config, [usual])["steps"] == 4
    assert usual.told == [("train", 2, 2), (0, 0), (1, 1)]


class Stop(keras.callbacks.Callback):
    """A signal after a step; what is told of batches on the way."""

    def __init__(self, at):
        super().__init__()
        self.at, self.told = at, []

    def on_train_batch_begin(self, batch, logs=None):
        self.told.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.told.append(("end", batch))
        if int(self.model.step.numpy()) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


class Spoil(keras.callbacks.Callback):
    """Damages a checkpoint, and then a weight, before the first step."""

    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint = checkpoint

    def on_train_batch_begin(self, batch, logs=None):
        if self.checkpoint is not None:
            for path in self.checkpoint.glob("model*"):
                path.write_bytes(b"damaged")
            self.checkpoint = None
            self.model.encoder.trainable_variables[0].assign(
                np.full(self.model.encoder.trainable_variables[0].shape, np.nan)
            )


@pytest.mark.slow
@pytest.mark.parametrize("jit", [False, True])
def test_batches_count_from_where_an_epoch_is_gone_on_with_and_no_rollback_overruns_it(
    tmp_path, jit
):
    """Seven steps are left after the first stop, four after the second, seven again after the roll back."""

    def run(several, *own):
        config = Config(
            **TINY | SHORT | {"train_size": 400}, dataset="digits", epochs=1, pretrain=False, jit=jit,
            steps_per_execution=several, on_nonfinite="rollback", work_dir=str(tmp_path / "run"),
        )  # fmt: skip
        return train.train(config, list(own))

    for several, at in ((1, 1), (3 if jit else 1, 4)):
        stop = Stop(at)
        with pytest.raises(Interrupted):
            run(several, stop)
    assert stop.told[0] == ("begin", 1) and stop.told[-1] == ("end", 3)
    stop = Stop(None)
    metrics = run(4, stop, Spoil(tmp_path / "run/checkpoints/step-00000004"))
    assert metrics["steps"] == 8 and metrics["rollbacks"] == 1
    assert stop.told[0] == ("begin", 4) and stop.told[-1] == ("end", 7)
