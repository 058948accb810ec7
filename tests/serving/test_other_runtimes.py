"""What the converters are given, without their runtimes: the model's numbers, and a file of theirs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.serving import export, other_runtimes, signatures


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


@pytest.mark.filterwarnings("ignore")
def test_onnx_files_are_written_without_a_word(model, tmp_path, capfd, caplog):
    pytest.importorskip("tf2onnx")
    paths = other_runtimes.write_onnx(signatures.served_model(model), tmp_path / "onnx")
    assert [path.name for path in paths] == ["encode.onnx", "decode.onnx", "reconstruct.onnx"]
    assert "deprecated" not in caplog.text + capfd.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_layers_of_whole_numbers_are_refused_by_litert_in_a_sentence(tmp_path):
    model = wae_tf.WaeMmd((4,), zdim=2, encoder_layers=1, decoder_layers=1)
    model.encoder.quantize("int8")
    said = r"the converter refused: 'tfl\.fully_connected' op operand #0 must be .*; without litert"
    with pytest.raises(wae_tf.RunError, match=said):
        other_runtimes.write_litert(signatures.served_model(model), tmp_path / "litert")


@keras.saving.register_keras_serializable("tests")
class Betainc(keras.layers.Layer):
    """An operation that neither converter has."""

    def call(self, x):
        return tf.math.betainc(tf.ones_like(x), tf.ones_like(x), tf.sigmoid(x))

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_operations_that_a_converter_does_not_have_are_a_sentence(name, tmp_path, capfd):
    if name == "onnx":
        pytest.importorskip("tf2onnx")
    encoder = keras.Sequential([keras.Input((4,)), Betainc(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder)
    said = {"litert": "'tf.Betainc' op is neither a custom op nor a flex op", "onnx": ".*Betainc.*"}
    with pytest.raises(
        wae_tf.RunError,
        match=f"nothing was exported, as --export_formats={name}: the converter refused: {said[name]}; ",
    ):
        export.export(model, tmp_path / "served", formats=["savedmodel", name])
    assert not [path for path in (tmp_path / "served").iterdir() if path.is_dir()]
    if name == "onnx":
        assert "Traceback" not in capfd.readouterr().err
    folder = export.export(model, tmp_path / "served")
    assert (folder / "saved_model.pb").is_file()
