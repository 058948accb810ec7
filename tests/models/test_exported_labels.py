"""`model.export` of a model with classes takes labels beside the images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.factory import tiny_model


@pytest.fixture(scope="module")
def trained():
    model = tiny_model(image_shape=(4,), classes=3, init_std=0.5)
    x = np.random.RandomState(0).rand(5, 4).astype("float32")
    y = np.array([0, 1, 2, 1, 0])
    model.fit(x, y, verbose=0)
    return model, x, y


def test_a_saved_model(trained, tmp_path):
    model, x, y = trained
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    expected = model.reconstruct(x, labels=y)
    np.testing.assert_allclose(served.serve(x, y), expected, atol=1e-6)
    signature = served.signatures["serving_default"]
    (found,) = signature(images=tf.constant(x[:2]), labels=tf.constant(y[:2])).values()
    np.testing.assert_allclose(found, expected[:2], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="found some below 0 or above 2"):
        served.serve(x, y + 1)
    model.fit(x, y, verbose=0)  # as before


@pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13),
    reason="Keras writes LiteRT from 3.13 on",
)
@pytest.mark.filterwarnings("ignore:.*LiteRT interpreter:UserWarning")
def test_litert(trained, tmp_path):
    model, x, y = trained
    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    run = tf.lite.Interpreter(str(tmp_path / "model.tflite")).get_signature_runner(
        "serving_default"
    )
    (found,) = run(images=x, labels=y).values()
    np.testing.assert_allclose(found, model.reconstruct(x, labels=y), atol=1e-5)
