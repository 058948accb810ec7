"""Steps of `fit` that are one program of XLA: the numbers are those of steps one by one."""

import copy
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.models.step import together
from wae_tf.settings import devices

# 5 batches of 8 and one of 3.
IMAGES = np.random.default_rng(3).integers(0, 256, (43, 6, 6, 1), dtype=np.uint8)


def fitted(several, data=IMAGES, cls=wae_tf.WaeMmd, epochs=2, **fields):
    """Steps of each call, history and weights, of a fit with so many steps a call."""
    model = tiny_model(cls, compiled=False, seed=5, **fields)
    model.compile(jit_compile=True, steps_per_execution=several)
    done = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: done.append(int(model.step.numpy()))
    )
    batch = {} if isinstance(data, tf.data.Dataset) else {"batch_size": 8}
    history = model.fit(
        data, epochs=epochs, shuffle=False, verbose=0, callbacks=[note], **batch
    ).history
    return done, history, [v.numpy() for v in model.weights]


def same(one, other):
    assert set(one[1]) == set(other[1])
    for name, values in one[1].items():
        assert other[1][name] == pytest.approx(values, rel=1e-5), name
    for ours, theirs in zip(other[2], one[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("gpu", [False, True])
def test_a_call_of_several_steps_is_the_steps_one_by_one(gpu, monkeypatch):
    alone = fitted(1, cls=wae_tf.WaeGan, batch_norm=False)
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    four = fitted(4, cls=wae_tf.WaeGan, batch_norm=False)
    # 4 steps; what is left: one whole batch and the partial one.
    assert four[0] == [4, 6, 10, 12]
    same(alone, four)


@pytest.mark.slow
def test_data_of_unknown_length_and_of_pairs():
    clean = IMAGES.astype("float32") / 255
    data = tf.data.Dataset.from_tensor_slices((clean[:, ::-1], clean)).batch(8)
    endless = data.filter(lambda x, y: True)
    done, *_ = four = fitted(4, endless, batch_norm=False)
    assert done == [4, 6, 10, 12]
    same(fitted(1, endless, batch_norm=False), four)


def test_calls_take_batches_of_one_size_together(monkeypatch):
    """By a step that counts: which batches went into which program."""
    seen = []

    class Model:
        steps_per_execution = 3
        distribute_strategy = tf.distribute.get_strategy()
        total = tf.Variable(0.0)

        class running_means:
            @staticmethod
            def results():
                return {"loss": Model.total + 0.0}

    def step(batch):
        Model.total.assign_add(tf.reduce_sum(batch))
        seen.append(batch.shape[0])  # while it is traced
        return Model.running_means.results()

    call = together.function(Model, step)
    batches = iter([tf.ones([n]) for n in (2, 2, 2, 2, 2, 1, 2)])
    assert float(call(batches)["loss"]) == 6 and seen == [2]
    # Two of a size by the same program, the one of 1 alone.
    assert float(call(batches)["loss"]) == 11 and seen == [2, 1]
    assert float(call(batches)["loss"]) == 13 and seen == [2, 1, 2]
    with pytest.raises(StopIteration):
        call(batches)
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    call, seen[:] = together.function(Model, step), []
    # Where the number of steps is a constant of it, fewer go one by one.
    assert float(call(iter([tf.ones([2])] * 2))["loss"]) == 17 and seen == [2]


def test_a_train_step_of_ones_own_is_called_as_keras_calls_it():
    class Own(wae_tf.WaeMmd):
        @functools.wraps(wae_tf.WaeMmd.train_step)  # by which it says that it is of this project
        def train_step(self, batch):
            return super().train_step(batch) | {"extra": tf.constant(2.0)}

    model = tiny_model(Own, compiled=False)
    model.compile(jit_compile=True, steps_per_execution=3)
    assert not model._several_in_one
    replaced = tiny_model(compiled=False)
    replaced.compile(jit_compile=True, steps_per_execution=3)
    assert replaced._several_in_one
    replaced.run_eagerly = True  # to look into it
    assert not replaced._several_in_one
    replaced.run_eagerly = False
    replaced.train_step = model.train_step
    assert not replaced._several_in_one
    history = model.fit(IMAGES, batch_size=8, verbose=0).history
    assert history["extra"] == [2.0]
    for told in ({"jit_compile": True}, {"steps_per_execution": 3}, {"run_eagerly": True}):
        model = tiny_model(compiled=False)
        model.compile(**told)
        assert not model._several_in_one


def test_a_batch_on_its_own_and_errors_of_labels():
    model = tiny_model(compiled=False, classes=3)
    model.compile(jit_compile=True, steps_per_execution=3)
    labels = np.arange(43) % 3
    logs = model.train_on_batch(IMAGES[:8], labels[:8], return_dict=True)
    assert np.isfinite(logs["loss"]) and int(model.step.numpy()) == 1
    with pytest.raises(ValueError, match="labels"):
        model.fit(IMAGES, labels + 1, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match="labels"):
        data = tf.data.Dataset.from_tensor_slices((IMAGES, labels + 1)).batch(8)
        model.fit(data, verbose=0)


@pytest.mark.slow
def test_a_generator_without_targets_and_calls_longer_than_a_program(monkeypatch):
    monkeypatch.setattr(together, "MOST_STEPS", 3)
    clean = IMAGES[:40].astype("float32") / 255

    def endless():
        while True:
            yield from ((part, None) for part in clean.reshape(5, 8, 6, 6, 1))

    def weights(several):
        model = tiny_model(compiled=False, batch_norm=False)
        model.compile(jit_compile=True, steps_per_execution=several)
        model.fit(endless(), steps_per_epoch=10, epochs=1, verbose=0)
        assert int(model.step.numpy()) == 10
        return [v.numpy() for v in model.encoder.weights]

    for one, several in zip(weights(1), weights(5), strict=True):  # programs of 3 and 2
        np.testing.assert_allclose(one, several, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [tf.distribute.OneDeviceStrategy, lambda name: tf.distribute.MirroredStrategy([name])],
)
def test_fit_inside_the_scope_of_one_device(strategy):
    alone = fitted(4, cls=wae_tf.WaeGan, batch_norm=False, epochs=1)
    with strategy("CPU:0").scope():
        scoped = fitted(4, cls=wae_tf.WaeGan, batch_norm=False, epochs=1)
    same(alone, scoped)


def test_how_steps_run_is_kept_by_save_and_copies(tmp_path):
    model = tiny_model(compiled=False)
    model.compile(jit_compile=True, steps_per_execution=4)
    model.save(tmp_path / "x.keras")
    for again in (wae_tf.load(tmp_path / "x.keras"), copy.deepcopy(model)):
        assert again.jit_compile and again.steps_per_execution == 4


@pytest.mark.parametrize("several", [1, 3])
def test_labels_of_later_batches_are_looked_at_under_xla(several):
    model = tiny_model(compiled=False, classes=3)
    model.compile(jit_compile=True, steps_per_execution=several)
    labels = np.arange(40) % 3
    labels[39] = 3
    data = tf.data.Dataset.from_tensor_slices((IMAGES[:40], labels)).batch(8)
    for method in ("fit", "evaluate", "predict"):
        sentence = f"later batch of {method}, the labels, goes from 0 to 3"
        with pytest.raises(ValueError, match=sentence):
            getattr(model, method)(data, verbose=0)


@keras.saving.register_keras_serializable("test_together")
class _InPython(keras.layers.Layer):
    def call(self, inputs):
        return tf.ensure_shape(tf.py_function(lambda x: x, [inputs], tf.float32), inputs.shape)


@pytest.mark.parametrize("several", [1, 3])
def test_what_xla_cannot_compile_is_named(several):
    encoder = keras.Sequential([keras.Input((5,)), _InPython(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder)
    model.compile(jit_compile=True, steps_per_execution=several)
    with pytest.raises(ValueError, match=r"EagerPyFunc of \S*in_python.*with jit_compile=False"):
        model.fit(np.zeros((8, 5), "float32"), batch_size=2, verbose=0)
