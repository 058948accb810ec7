"""What `fit` and its like are given beside images: words, weights of classes, numbers of steps."""

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf

ROWS = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")


def model(classes=0, **told):
    tiny = dict(zdim=2, encoder_layers=1, decoder_layers=1, encoder_filters=4, decoder_filters=4)
    made = wae_tf.WaeMmd((6,), classes=classes, **tiny)
    made.compile(**told)
    return made


def test_words_beside_images_do_not_keep_xla_from_them():
    words = np.array([b"a"] * len(ROWS))
    data = tf.data.Dataset.from_tensor_slices({"image": ROWS, "name": words}).batch(4)
    found = model(jit_compile=True)
    found.fit(data, validation_data=data, verbose=0)
    assert found.predict(data, verbose=0).shape == ROWS.shape
    assert len(found.evaluate(data, verbose=0)) == 3


class Batches(keras.utils.PyDataset):
    def __init__(self, *parts):
        super().__init__()
        self.parts = parts

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(part[4 * index : 4 * index + 4] for part in self.parts)


@pytest.mark.parametrize(("parts", "found"), [((ROWS,), "none"), ((ROWS, ROWS), "images' shape")])
def test_a_class_weight_of_a_pydataset_without_labels_is_refused(parts, found):
    with pytest.raises(ValueError, match=f"class_weight needs labels.*{found}"):
        model().fit(Batches(*parts), class_weight={0: 2.0}, verbose=0)


def test_classes_without_a_weight_weigh_one_and_of_other_labels_that_is_told():
    y = np.arange(12) % 3
    data = tf.data.Dataset.from_tensor_slices((ROWS, y)).batch(4)
    losses = [
        model(classes=3)
        .fit(*given, class_weight={1: 2.0}, shuffle=False, verbose=0, **more)
        .history["loss"]
        for given, more in [((ROWS, y), {"batch_size": 4}), ((data,), {})]
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    with pytest.raises(ValueError, match="class_weight has no weight of class 2, which y holds"):
        model().fit(data, class_weight={0: 1.0, 1: 2.0}, verbose=0)


@pytest.mark.parametrize("jit", [False, True])
def test_steps_that_would_be_rounded_up_to_whole_calls_are_refused(jit):
    found = model(jit_compile=jit, steps_per_execution=3)
    data = tf.data.Dataset.from_tensor_slices(ROWS).batch(3)  # 4 batches
    sentence = "=5 is no multiple of the steps_per_execution=3 .* Keras would make 2, 6 steps"
    with pytest.raises(ValueError, match=f"steps_per_epoch{sentence}"):
        found.fit(data.repeat(), steps_per_epoch=5, verbose=0)
    with pytest.raises(ValueError, match=f"validation_steps{sentence}"):
        found.fit(data, validation_data=data.repeat(), validation_steps=5, verbose=0)
    for method in (found.evaluate, found.predict):
        with pytest.raises(ValueError, match=f"^steps{sentence}"):
            method(data.repeat(), steps=5, verbose=0)
    assert found.step == 0
    found.fit(data, steps_per_epoch=4, verbose=0)  # which ends there
    found.fit(data.repeat(), steps_per_epoch=6, verbose=0)
    assert found.step == 10


def test_words_that_xla_cannot_take_are_told():
    words = np.array(["a"] * len(ROWS))
    data = tf.data.Dataset.from_tensor_slices((ROWS, words)).batch(4)
    with pytest.raises(ValueError, match="the batches hold words, which XLA does not take"):
        model(jit_compile=True).fit(data, verbose=0)


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_steps_at_whose_end_data_end_need_not_be_whole_calls(jit):
    def found():
        return model(jit_compile=jit, steps_per_execution=2)

    for x, more in ((ROWS, {"batch_size": 4}), (Batches(ROWS), {})):  # 3 batches
        one = found()
        one.fit(x, steps_per_epoch=3, epochs=2, validation_data=x, validation_steps=3, **more)
        assert one.step == 6
        assert one.predict(x, steps=3, verbose=0, **more).shape == ROWS.shape
        one.evaluate(x, steps=3, verbose=0, **more)
    one.fit(ROWS, batch_size=3, validation_split=0.25, validation_steps=1, verbose=0)
    with pytest.raises(ValueError, match="validation_steps=1 is no multiple"):
        one.fit(ROWS, batch_size=3, validation_split=0.5, validation_steps=1, verbose=0)
    with pytest.raises(ValueError, match="steps_per_epoch=1 is no multiple"):
        one.fit(ROWS, batch_size=4, steps_per_epoch=1, verbose=0)


def test_named_tuples_of_a_dictionary_and_labels():
    pair = collections.namedtuple("Pair", "x y")
    data = tf.data.Dataset.from_tensor_slices(({"image": ROWS}, np.arange(12) % 3)).batch(4)
    plain, named = (model(classes=3).fit(one, verbose=0).history for one in (data, data.map(pair)))
    assert plain == named


def test_a_negative_class_has_no_weight():
    data = tf.data.Dataset.from_tensor_slices((ROWS, np.arange(12) % 3 - 1)).batch(4)
    with pytest.raises(ValueError, match="class_weight has no weight of class -1"):
        model().fit(data, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_a_class_weight_of_words_or_of_distributed_data_is_refused():
    words = tf.data.Dataset.from_tensor_slices((ROWS, np.array(["a"] * 12))).batch(4)
    with pytest.raises(ValueError, match=r"class_weight needs labels.*has words"):
        model().fit(words, class_weight={0: 2.0}, verbose=0)
    with pytest.raises(ValueError, match=r"class_weight needs labels.*has words"):
        model().fit(ROWS, tf.constant(["a"] * 12), class_weight={0: 2.0}, verbose=0)
    data = tf.data.Dataset.from_tensor_slices((ROWS, np.arange(12) % 3)).batch(4)
    spread = tf.distribute.MirroredStrategy(["CPU:0"]).experimental_distribute_dataset(data)
    with pytest.raises(ValueError, match="does not go with a distributed data set"):
        model().fit(spread, class_weight={0: 2.0}, verbose=0)
