"""The first batch of a call is looked at and then let go."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.models import inputs, looking


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("steps", [1, 3])
def test_nothing_of_it_is_kept(method, steps, rng, monkeypatch):
    model = tiny_model(image_shape=(4,), compiled=False)
    model.compile(steps_per_execution=steps)
    seen = []
    check = inputs.check

    def noting(model, batch, what):
        seen.append(weakref.ref(tf.nest.flatten(batch)[0]))
        return check(model, batch, what)

    monkeypatch.setattr(inputs, "check", noting)
    x = rng.rand(16, 4).astype("float32")
    for _ in range(2):
        getattr(model, method)(x, batch_size=4, verbose=0)
    gc.collect()
    assert len(seen) >= 2
    assert not any(ref() is not None for ref in seen)


def test_the_elements_come_in_order_with_the_type_that_is_asked_for():
    parts = [np.arange(n, dtype="float32")[:, None] for n in (3, 3, 2)]
    data = tf.data.Dataset.from_tensor_slices(np.concatenate(parts)).batch(3)
    made = looking._iterator_of([tf.constant(part) for part in parts], data.element_spec)
    assert made.element_spec == data.element_spec
    assert type(made) is type(iter(data))
    for part in parts:
        np.testing.assert_array_equal(next(made), part)
    with pytest.raises(StopIteration):
        next(made)


def test_a_function_is_traced_once_for_whole_and_last_batches(rng):
    traced = []

    class Counted(wae_tf.WaeMmd):
        def train_step(self, batch):
            traced.append(batch)
            return super().train_step(batch)

    model = tiny_model(Counted, (4,))
    x = rng.rand(10, 4).astype("float32")
    for _ in range(3):
        model.fit(x, batch_size=4, epochs=2, verbose=0)
    assert int(model.step.numpy()) == 18
    assert len(traced) <= 2  # Keras tries a step once
