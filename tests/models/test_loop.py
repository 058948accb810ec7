"""Keras's loops: images count alike, one image has no pairs, replicas share what they can."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.objective import mmdpp, penalties

ROOT = Path(__file__).parents[2]
MODELS = [
    wae_tf.WaeMmd, wae_tf.WaeGan, wae_tf.WaeMmdpp,
    *(pytest.param(cls, marks=pytest.mark.slow) for cls in (wae_tf.WaeMmdppp, wae_tf.Vae)),
]  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(7).rand(9, 6, 6, 1).astype("float32")


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_the_penalty_of_one_code_is_zero_and_so_is_its_gradient(kernel):
    prior, wide = tf.constant([[0.5, -1.0]]), tf.ones([10, 2])
    for known in (True, False):
        for name in ("mmd", "mmdpp", "mmdppp"):

            @tf.function(input_signature=[tf.TensorSpec([1 if known else None, 2])])
            def penalty(prior, name=name):
                codes = prior * 3 if name == "mmd" else tf.repeat(prior, 10, axis=0) * wide
                with tf.GradientTape() as tape:
                    tape.watch(codes)
                    if name == "mmd":
                        value = penalties.mmd(codes, prior, kernel=kernel, width=4.0)
                    else:
                        value = mmdpp.mmdpp(
                            codes, prior, data_size=9, kernel=kernel, width=4.0,
                            coordinates=name == "mmdppp",
                        )  # fmt: skip
                gradient = tape.gradient(value, codes)
                return value, tf.zeros([]) if gradient is None else tf.reduce_max(tf.abs(gradient))

            assert [float(v) for v in penalty(prior)] == [0.0, 0.0]


def test_a_divisor_gives_one_code_a_value():
    # The report divides by its own number: -2 k / N^2 of the one pair across, k = 4 / (4 + 1).
    value = penalties.mmd(
        tf.constant([[1.0]]), tf.constant([[0.0]]), width=4.0, scales=(1.0,), divisor=2
    )
    assert float(value) == pytest.approx(-2 * 0.8 / 4)


@pytest.mark.parametrize("cls", MODELS)
def test_a_last_batch_of_one_image_makes_no_nan(cls, images):
    model = tiny_model(cls, init_std=0.2)
    pairs = cls not in (wae_tf.WaeGan, wae_tf.Vae)
    with pytest.warns(UserWarning) if pairs else contextlib.nullcontext() as told:
        logs = model.fit(
            images, batch_size=4, epochs=2, verbose=0, validation_data=images[:5]
        ).history
        found = model.evaluate(images, batch_size=4, verbose=0)
    said = [str(w.message) for w in told or () if "fewer than 2 images" in str(w.message)]
    assert len(said) == (1 if pairs else 0)
    assert all(np.isfinite(values).all() for values in (*logs.values(), found))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert model.guard.first_bad_step() is None


@pytest.mark.slow
def test_nor_under_xla(images):
    model = tiny_model(init_std=0.2, jit=True)
    with pytest.warns(UserWarning, match="fewer than 2 images"):
        logs = model.fit(images, batch_size=4, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


def test_an_adaptive_lambda_outlives_a_step_without_penalty(images):
    model = tiny_model(lambda_schedule="adaptive")
    model.step.assign(999)
    with pytest.warns(UserWarning, match="fewer than 2 images"):
        model.fit(images[:1], batch_size=4, verbose=0)
    assert float(model.wae_lambda.numpy()) == 10.0


@pytest.mark.parametrize("cls", MODELS)
def test_evaluate_weighs_images_and_names_what_it_returns(cls, images):
    model = tiny_model(cls, init_std=0.3)
    batches = [images[:4], images[4:7], images[7:]]
    data = tf.data.Dataset.from_generator(
        lambda: batches, output_signature=tf.TensorSpec([None, 6, 6, 1])
    )
    each = [
        model.test_terms(tf.constant(b), tf.constant(i, tf.int64)) for i, b in enumerate(batches)
    ]
    expected = {
        name: np.average([float(terms[name]) for terms in each], weights=[4, 3, 2])
        for name in model.metrics_names
    }
    assert model.metrics_names == ["loss", *model.terms]
    found = model.evaluate(data, verbose=0)
    assert dict(zip(model.metrics_names, found, strict=True)) == pytest.approx(expected, rel=1e-5)
    plain = {name: np.mean([float(terms[name]) for terms in each]) for name in model.metrics_names}
    assert plain["reconstruction"] != pytest.approx(expected["reconstruction"], rel=1e-5)
    named = model.evaluate(data, verbose=0, return_dict=True)
    assert set(named) == set(model.metrics_names)


def test_the_penalty_of_one_image_is_not_in_its_mean(images):
    model = tiny_model(init_std=0.3)
    whole = model.evaluate(images[:8], batch_size=4, verbose=0, return_dict=True)
    with pytest.warns(UserWarning, match="left out"):
        found = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    last = model.test_terms(tf.constant(images[8:]), tf.constant(2, tf.int64))
    assert found["penalty"] == pytest.approx(whole["penalty"], rel=1e-5)
    expected = (8 * whole["reconstruction"] + float(last["reconstruction"])) / 9
    assert found["reconstruction"] == pytest.approx(expected, rel=1e-5)
    assert float(last["loss"]) == float(last["reconstruction"])


def test_training_weighs_images_too(images):
    model = tiny_model(lr=0.0, batch_norm=False, init_std=0.3)
    logs = model.fit(images, batch_size=5, shuffle=False, verbose=0).history
    whole = model.evaluate(images, batch_size=9, verbose=0, return_dict=True)
    assert logs["reconstruction"][0] == pytest.approx(whole["reconstruction"], rel=1e-5)


# In a process of its own: the number of devices is fixed at the first use of TensorFlow.
PROGRAM = """
import contextlib, json, sys, warnings
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.threading.set_inter_op_parallelism_threads(16)
import wae_tf
from tests.factory import tiny_model
two = tf.distribute.MirroredStrategy(
    ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
images = np.random.RandomState(0).rand(23, 6, 6, 1).astype("float32")
found = {}
def Regular(shape, **fields):
    activity = keras.regularizers.L2(0.5)
    encoder = keras.Sequential([keras.Input(shape), keras.layers.Flatten(),
                                keras.layers.Dense(3, activity_regularizer=activity)])
    return wae_tf.WaeMmd(encoder=encoder, **fields)
for cls in (wae_tf.WaeMmd, wae_tf.WaeGan, wae_tf.Vae, Regular):
    numbers = []
    for strategy in (None, two):
        keras.utils.set_random_seed(0)
        with strategy.scope() if strategy else contextlib.nullcontext():
            model = tiny_model(cls, init_std=0.2, seed=4, batch_norm=False)
        # 23 and 13 by 8: a last batch of 7 and one of 5, which two cannot share.
        data = images if strategy else images[:16]
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            history = model.fit(data, batch_size=8, epochs=2, shuffle=False, verbose=0,
                                validation_data=images[:13]).history
            tested = model.evaluate(images, batch_size=8, verbose=0)
        numbers.append([v for values in history.values() for v in values] + tested)
    said = [str(w.message) for w in told if "replicas cannot share it" in str(w.message)]
    shape = model.predict(images, batch_size=8, verbose=0).shape
    difference = float(np.abs(model.predict(images, batch_size=8, verbose=0)
                              - model.reconstruct(images)).max())
    found[cls.__name__] = [*numbers, said, int(model.step.numpy()), list(shape), difference]
def sentence(call):
    try:
        call()
    except ValueError as error:
        return str(error)
found["refused"] = [sentence(lambda: model.fit(images, batch_size=3, verbose=0)),
                    sentence(lambda: model.fit(images * 255, batch_size=8, verbose=0)),
                    sentence(lambda: model.train_on_batch(images))]
outside, other = keras.optimizers.Adam(), tiny_model(compiled=False)
with two.scope():
    accumulating = keras.optimizers.Adam(gradient_accumulation_steps=2)
    for call in (lambda: model.compile(accumulating), lambda: model.compile(outside), other.compile):
        found["refused"].append(sentence(call))
model.compile()  # out of the scope too
model.fit(images[:16], batch_size=8, verbose=0)
found["on_batch"] = float(np.abs(model.predict_on_batch(images) - model.reconstruct(images)).max())
json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.mark.processes
@pytest.mark.slow
def test_two_replicas_test_every_image_and_leave_out_what_they_cannot_share(tmp_path):
    out = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    refused = found.pop("refused")
    assert found.pop("on_batch") < 1e-5
    assert "gradient_accumulation_steps=2) does not go with several replicas" in refused[3]
    assert refused[4:] == [
        f"{kind} was made outside of the strategy's scope: make it inside."
        for kind in ("Adam", "WaeMmd")
    ]
    assert "a batch_size that is a multiple of 2" in refused[0]
    assert "x of fit holds floats" in refused[1]
    assert "a batch of 23 images evenly" in refused[2]
    for name, (one, two, said, steps, shape, difference) in found.items():
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=1e-5, err_msg=name)
        assert len(said) == 2 and "a batch of 7 images was left out" in said[0], name
        assert (steps, shape) == (4, [23, 6, 6, 1]) and difference < 1e-5
