"""A mistake in a model's constructor is a ValueError of one sentence that names the keyword."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import TINY, tiny_model
from wae_tf.settings import Settings

SHAPE = (28, 28, 1)


@pytest.mark.parametrize(
    ("shape", "fields", "sentence"),
    [
        (
            (),
            {},
            r"image_shape=\(\) is no shape of data; accepted: \(height, width, channels\), .*",
        ),
        (
            (20,),
            {"encoder_arch": "dcgan"},
            r"encoder_arch=dcgan takes pictures only, not data of \[20\]; accepted: mlp\.",
        ),
        (20, {}, "image_shape=20 is no shape.*"),
        ((None, None, 3), {}, r"image_shape=\(None, None, 3\) is no shape.*"),
        ((0, 28, 1), {}, r"image_shape=\(0, 28, 1\) is no shape.*"),
        (np.zeros((2, *SHAPE)), {}, r"image_shape is an array of data; .* x.shape\[1:\]\."),
        (
            (1, 20, 1),
            {},
            r"image_shape=\(1, 20, 1\): images of 1x20 are too small; accepted: 3x3 up.",
        ),
        (
            (30, 28, 1),
            {},
            r"image_shape=\(30, 28, 1\): decoder_arch=dcgan_mod with decoder_layers=3 needs height and "
            r"width divisible by 4, not 30x28: decoder_layers=2 at most, of these images\.",
        ),
        (SHAPE, {"zdimm": 4}, r"WaeMmd has no argument zdimm; did you mean zdim\?"),
        (SHAPE, {"latent_dim": 4}, r"WaeMmd has no argument latent_dim; did you mean zdim\?"),
        (SHAPE, {"batch_size": 4}, "WaeMmd has no argument batch_size: give it to fit."),
        (
            SHAPE,
            {"train_size": 4},
            "WaeMmd has no argument train_size: it is of a run, wae_tf.Config.",
        ),
        (SHAPE, {"qqq": 4}, "WaeMmd has no argument qqq."),
        (SHAPE, {"zdim": 0}, "zdim=0 is too small; accepted: 1 up."),
        (SHAPE, {"zdim": "4"}, "zdim='4' is of the type str; accepted: a whole number."),
        (SHAPE, {"zdim": 2.5}, "zdim=2.5 is of the type float; accepted: a whole number."),
        (
            SHAPE,
            {"batch_norm": "no"},
            "batch_norm='no' is of the type str; accepted: True or False.",
        ),
        (SHAPE, {"mmd_scales": 1.0}, "mmd_scales=1.0 is accepted in a list or tuple only."),
        (
            SHAPE,
            {"data_size": -5},
            "data_size=-5 is too small; accepted: 1 up, the number of training images.",
        ),
        (SHAPE, {"data_size": "x"}, "data_size='x' is of the type str; accepted: a whole number."),
        (SHAPE, {"settings": {"zdim": 4}}, "settings={'zdim': 4} is a dict; accepted: .* zdim=16."),
        (SHAPE, {"model": "vae"}, "model=vae is not a WaeMmd: use Vae, or leave model out."),
        (
            SHAPE,
            {"lr": keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)},
            "lr=.* is of the type ExponentialDecay; accepted: a number.",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_mistakes_name_the_keyword(shape, fields, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$") as caught:
        wae_tf.WaeMmd(shape, **fields)
    assert isinstance(caught.value, wae_tf.FlagError)


def test_the_sentence_about_a_run_names_flags():
    with pytest.raises(
        wae_tf.FlagError, match=r"^--decoder_arch=dcgan_mod with --decoder_layers=3"
    ):
        wae_tf.from_config(wae_tf.Config(), (27, 27, 1), 100)
    with pytest.raises(wae_tf.FlagError, match=r"^--zdim='4' is of the type str"):
        wae_tf.Config(zdim="4")


def test_numbers_of_numpy_and_shapes_of_tensorflow_are_accepted():
    fields = TINY | {"zdim": np.int64(3), "wae_lambda": np.float32(2.5), "mmd_scales": [1, 2]}
    model = tiny_model(image_shape=tf.TensorShape([6, 6, 1]), **fields)
    assert model.image_shape == (6, 6, 1)
    assert type(model.settings.zdim) is int
    assert model.settings.mmd_scales == (1.0, 2.0)
    assert type(model).from_config(model.get_config()).settings == model.settings


def test_the_global_policy_of_half_weights_is_a_sentence():
    keras.mixed_precision.set_global_policy("float16")
    try:
        assert tiny_model(precision="mixed_bfloat16").settings.precision == "mixed_bfloat16"
        with pytest.raises(
            ValueError, match=r"^Keras's global policy is float16, .* precision=\.$"
        ):
            tiny_model()
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_a_model_and_a_run_of_a_config_take_nothing_else():
    with pytest.raises(ValueError, match="config is a str; accepted: "):
        wae_tf.from_config("digits", SHAPE, 10)
    with pytest.raises(ValueError, match="config is a dict; accepted: "):
        wae_tf.train({"dataset": "digits"})


def test_help_tells_every_keyword():
    fields = {field.name: field.default for field in dataclasses.fields(Settings)} | {"model": None}
    own = ["encoder", "decoder", "adversary", "output", "data_size", "name", "schedule_length"]
    for model in (wae_tf.WaeMmd, wae_tf.WaeGan, wae_tf.WaeSwd, wae_tf.WaeMmdppp, wae_tf.Vae):
        parameters = inspect.signature(model).parameters
        assert list(parameters)[:2] == ["image_shape", "settings"]
        keywords = set(parameters) - {"image_shape", "settings"}
        assert keywords == set(own) | fields.keys() - {"model"}
        assert all(parameters[name].default == fields.get(name) for name in keywords)

    for name in (
        "fit",
        "evaluate",
        "predict",
        "train_on_batch",
        "test_on_batch",
        "predict_on_batch",
    ):
        of_keras = inspect.signature(getattr(keras.Model, name))
        assert inspect.signature(getattr(wae_tf.WaeGan, name)) == of_keras

    class Own(wae_tf.WaeMmd):
        def __init__(self, *args, mine=1, **kwargs):
            super().__init__(*args, **kwargs)

    assert list(inspect.signature(Own).parameters) == ["args", "mine", "kwargs"]
