"""What people do with a Keras model: it works with right numbers, or one sentence says what does."""

import copy
import pickle
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf import streams
from wae_tf.models import passes


@pytest.fixture
def images(rng):
    return rng.rand(40, 6, 6, 1).astype("float32")


@pytest.fixture
def global_policy():
    """Sets Keras's policy, for one test."""
    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


# Samples and shuffling.


def test_samples_without_a_seed_are_others_each_time():
    model = tiny_model(init_std=0.5)
    assert np.abs(model.sample(4) - model.sample(4)).max() > 0.01
    np.testing.assert_array_equal(model.sample(4, seed=0), model.sample(4, seed=0))
    assert np.abs(model.sample(4, seed=0) - model.sample(4, seed=1)).max() > 0.01
    inside = tf.function(lambda: model.sample(4))
    assert np.abs(inside() - inside()).max() > 0.01


def test_the_global_seed_of_keras_repeats_samples_and_the_shuffling_of_fit(images):
    model = tiny_model(init_std=0.5, optimizer="sgd")
    start = model.get_weights()

    def again(shuffled_as):
        model.set_weights(start)
        keras.utils.set_random_seed(shuffled_as)
        loss = model.fit(images, batch_size=8, verbose=0).history["loss"]
        return loss, model.sample(2).numpy()

    (loss, new), (same_loss, same_new) = again(7), again(7)
    assert loss == same_loss
    np.testing.assert_array_equal(new, same_new)
    assert again(8)[0] != loss  # a model's seed alone does not fix the shuffling


# Keras's global policy.


def test_the_global_policy_is_the_precision_of_who_says_none(global_policy, images):
    plain = tiny_model().train_step(images)
    global_policy("mixed_float16")
    model = tiny_model(wae_tf.WaeGan)
    assert model.settings.precision == "mixed_float16"
    assert model.encoder.layers[-2].compute_dtype == "float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(model.adversary_optimizer, keras.optimizers.LossScaleOptimizer)
    explicit = tiny_model(precision="float32")
    assert explicit.train_step(images) == plain
    assert tiny_model(settings=wae_tf.Config()).settings.precision == "float32"  # a run's own


def test_a_saved_model_keeps_its_precision_under_another_policy(global_policy, tmp_path):
    tiny_model().save(tmp_path / "x.keras")
    global_policy("mixed_bfloat16")
    assert keras.saving.load_model(tmp_path / "x.keras").settings.precision == "float32"


# The networks by themselves.


def test_the_networks_give_logits_and_take_scaled_floats(rng):
    model = tiny_model(pixel_range="symmetric", init_std=0.5)
    pictures = rng.randint(0, 256, (5, 6, 6, 1)).astype("uint8")
    codes = model.encoder(pictures / 127.5 - 1)["mean"]
    np.testing.assert_allclose(codes, model.encode(pictures), atol=1e-5)
    np.testing.assert_allclose(np.tanh(model.decoder(codes)), model.decode(codes), atol=1e-6)


# Saving, exporting, copying, looking.


@pytest.fixture(scope="module")
def trained():
    """A WAE-GAN after two steps; no call has told Keras its shapes."""
    images = np.random.RandomState(7).rand(20, 6, 6, 1).astype("float32")
    model = tiny_model(wae_tf.WaeGan, init_std=0.3)
    model.fit(images, batch_size=10, shuffle=False, verbose=0)
    return model, images, model.reconstruct(images).numpy()


def of_litert(content, images):
    interpreter = tf.lite.Interpreter(model_content=content)
    (taken,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(taken["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.filterwarnings("ignore:.*LiteRT interpreter:UserWarning")
def test_export_and_the_converter_of_keras_models(trained, tmp_path):
    model, images, expected = trained
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(images), expected, atol=1e-6)
    np.testing.assert_allclose(served.serve(images[:3]), expected[:3], atol=1e-6)
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    np.testing.assert_allclose(of_litert(content, images), expected, atol=1e-5)


def test_an_export_that_needs_a_package_says_which(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    sentence = r"^export to format='openvino' needs openvino, which is not installed; 'tf_saved_mod"
    with pytest.raises(ValueError, match=sentence):
        trained[0].export(tmp_path / "x.xml", format="openvino")


def test_hdf5_is_refused_with_what_keeps_all(trained, tmp_path):
    model = trained[0]
    with pytest.raises(ValueError, match=r"x\.h5 cannot hold .* save\('wae\.keras'\) keeps all"):
        model.save(tmp_path / "x.h5")
    with pytest.raises(
        ValueError, match=r"HDF5 file cannot hold .* save\('wae\.keras'\) keeps all"
    ):
        keras.saving.save_model(model, str(tmp_path / "y.h5"))
    model.save_weights(tmp_path / "x.weights.h5")
    again = tiny_model(wae_tf.WaeGan)
    again.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(again.reconstruct(trained[1]), trained[2])


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deep", "pickle"],
)
def test_copies_train_on_with_the_same_numbers(copied, trained):
    model, images, expected = copied(trained[0]), trained[1], trained[2]
    np.testing.assert_array_equal(model.reconstruct(images), expected)
    again = copied(model)
    losses = [[float(m.train_step(images[:10])["loss"]) for _ in range(2)] for m in (model, again)]
    assert losses[0] == losses[1]
    assert [int(m.step.numpy()) for m in (trained[0], model, again)] == [2, 4, 4]


def test_a_model_that_was_not_compiled_is_copied_and_saved(trained, tmp_path):
    images = trained[1]
    model = tiny_model(compiled=False, init_std=0.3)
    expected = model.reconstruct(images)
    model.save(tmp_path / "x.keras")
    saved = keras.saving.load_model(tmp_path / "x.keras")
    for again in (saved, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.reconstruct(images), expected)
        assert not again.compiled
        again.compile()
        again.train_step(images[:8])


def test_a_clone_begins_with_the_weights_of_the_seed(trained):
    clone = keras.models.clone_model(trained[0])
    first = tiny_model(wae_tf.WaeGan, init_std=0.3)
    np.testing.assert_array_equal(clone.reconstruct(trained[1]), first.reconstruct(trained[1]))


def test_summary_and_shapes(trained):
    model, lines = trained[0], []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    text = "\n".join(lines)
    assert "encoder (Functional)" in text and "adversary" in text
    assert model.compute_output_shape((None, 6, 6, 1)) == (None, 6, 6, 1)
    assert model(keras.Input((6, 6, 1))).shape == (None, 6, 6, 1)
    functional = keras.Model(model.encoder.input, model.decoder(model.encoder.output["mean"]))
    np.testing.assert_allclose(
        model.squash(functional(trained[1])), model.reconstruct(trained[1]), atol=1e-6
    )


def test_lora_and_quantized_layers_are_kept(images, tmp_path):
    # Official networks, of which a file has the settings alone: these layers are no longer theirs.
    for jit in (False, True):
        model = tiny_model(jit=jit, init_std=0.3)
        dense = [layer for layer in model.encoder.layers if isinstance(layer, keras.layers.Dense)]
        for layer in dense:
            layer.enable_lora(2)
        model.compile()
        model.train_on_batch(images)
        before = passes.samples(model, 4, seed=1)  # keeps a traced function
        model.decoder.quantize("int8")
        expected = model.reconstruct(images).numpy()
        codes = model.sample_prior(4, streams.key(1, "sample", 0))
        sampled = passes.samples(model, 4, seed=1)
        np.testing.assert_allclose(sampled, model.decode(codes), rtol=0, atol=1e-6)
        assert np.abs(sampled - before).max() > 1e-4
        assert np.abs(expected - tiny_model(init_std=0.3).reconstruct(images)).max() > 1e-4
        model.save(tmp_path / "x.keras")
        again = wae_tf.load(tmp_path / "x.keras")
        for copied in (again, copy.deepcopy(model)):
            np.testing.assert_array_equal(copied.reconstruct(images), expected)
            modes = [getattr(layer, "quantization_mode", None) for layer in copied.decoder.layers]
            assert modes.count("int8") == 2  # under XLA too
        trained = [variable.path for variable in model.encoder.trainable_variables]
        assert [variable.path for variable in again.encoder.trainable_variables] == trained


# Inside of other models, and beside TensorBoard.


def test_a_model_around_the_autoencoder_shows_its_own_loss_alone(images):
    inside = tiny_model()
    inside.compile()
    image = keras.Input(images.shape[1:])
    around = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(inside(image))))
    around.compile("adam", "mse")
    y = images.mean((1, 2, 3))[:, None]
    assert set(around.fit(images, y, verbose=0).history) == {"loss"}
    found = around.evaluate(images, y, verbose=0)
    np.testing.assert_allclose(found, np.square(around.predict(images, verbose=0) - y).mean(), 1e-5)
    assert found > 0
    inside.fit(images, verbose=0)  # whose own means are as ever
    assert inside.evaluate(images, verbose=0)[0] > 0


def test_weights_of_encoder_decoder_and_adversary_have_paths_of_their_own():
    paths = [weight.path for weight in tiny_model(wae_tf.WaeGan).weights]
    assert len(set(paths)) == len(paths)
    assert {path.split("/")[0] for path in paths} >= {"encoder", "decoder", "adversary"}
