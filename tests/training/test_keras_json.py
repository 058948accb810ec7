"""Numbers and checkpoints are the same whatever keras.json has as `floatx`."""

import keras
import numpy as np
import pytest

import wae_tf
from wae_tf.models.by_name import from_config


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
