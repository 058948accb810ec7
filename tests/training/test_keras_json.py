"""Numbers and checkpoints are the same whatever keras.json has as `floatx`."""

import keras
import numpy as np
import pytest

import wae_tf
from wae_tf.errors import FlagError
from wae_tf.models.by_name import from_config
from wae_tf.networks.builder import float32_by_default


@pytest.fixture(params=["float16", "float64"])
def floatx(request):
    before = keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


def test_rates_and_means_are_float32(floatx):
    config = wae_tf.preset(
        encoder_arch="mlp", decoder_arch="mlp", encoder_filters=4, decoder_filters=4, lr=1e-8
    )
    model = from_config(config, (8, 8, 1), 10)
    model.compile()
    assert model.optimizer.learning_rate.dtype == "float32"
    assert float(model.optimizer.learning_rate) == np.float32(1e-8)
    assert {v.dtype for metric in model.metrics for v in metric.variables} <= {"float32"}
    assert keras.config.floatx() == floatx


def test_keras_limits_of_epochs_are_refused(tmp_path):
    keras.config.set_max_epochs(1)
    try:
        with pytest.raises(FlagError, match="would count as ended"):
            wae_tf.train(wae_tf.preset(work_dir=str(tmp_path / "run")))
    finally:
        keras.config.set_max_epochs(None)
    assert not (tmp_path / "run").exists()


def test_threads_leave_floatx_as_it_was(floatx):
    first, second = float32_by_default(), float32_by_default()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert keras.config.floatx() == "float32"  # the second thread is not done
    second.__exit__(None, None, None)
    assert keras.config.floatx() == floatx
