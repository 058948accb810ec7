"""What the converters are given, without their runtimes: the model's numbers, and a file of theirs."""

import numpy as np
import pytest

from tests.factory import tiny_model
from wae_tf.serving import other_runtimes, signatures


@pytest.fixture(scope="module")
def model():
    return tiny_model(
        encoder_filters=8, decoder_filters=8, encoder_noise="gaussian", compiled=False
    )


def test_plain_functions_are_the_model(model, rng):
    images, codes = rng.rand(4, 6, 6, 1).astype("float32"), rng.randn(4, 3).astype("float32")
    functions = dict(other_runtimes._plain_functions(signatures.served_model(model)))
    assert list(functions) == ["encode", "decode", "reconstruct"]
    encoded = functions["encode"](images)
    assert set(encoded) == {"codes", "mean", "logvar"}
    np.testing.assert_allclose(encoded["codes"], model.encode(images), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(functions["decode"](codes)["images"], model.decode(codes), rtol=1e-5)
    made = functions["reconstruct"](images)["images"]
    np.testing.assert_allclose(made, model.reconstruct(images), rtol=1e-5)


def test_a_litert_file_is_written_and_its_source_removed(model, tmp_path):
    folder = tmp_path / "a[1]"  # a pattern to TensorFlow
    folder.mkdir()
    path = other_runtimes.write_litert(signatures.served_model(model), folder / "litert")
    assert path.read_bytes()[4:8] == b"TFL3"
    assert [file.name for file in path.parent.iterdir()] == ["model.tflite"]
