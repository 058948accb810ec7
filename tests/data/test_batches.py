"""Batches, pixel ranges and the public `load`: numbers, not shapes."""

import gc
import importlib.util
import weakref

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.data import arrays, batches, load
from wae_tf.errors import DataError, FlagError
from wae_tf.pixels import to_float, to_float_by_table, to_unit
from wae_tf.training import feeding

BYTES = np.arange(256, dtype=np.uint8)


def official(images, pixel_range):
    """official datahandler.py:439 and :272, fed to a float32 placeholder."""
    unit = images / 255.0
    return np.float32((unit - 0.5) * 2.0 if pixel_range == "symmetric" else unit)


@pytest.mark.parametrize("pixel_range", ["symmetric", "unit"])
def test_to_float_equals_the_official_floats_for_every_byte(pixel_range):
    want = official(BYTES, pixel_range)
    one = lambda x: to_float(x, pixel_range)  # noqa: E731
    mapped = next(iter(tf.data.Dataset.from_tensors(BYTES).map(one)))
    got = {
        "numpy": one(BYTES),
        "eager": one(tf.constant(BYTES)),
        "graph": tf.function(one)(tf.constant(BYTES)),
        "xla": tf.function(one, jit_compile=True)(tf.constant(BYTES)),
        "tf.data": mapped,
        "table, on GPUs": to_float_by_table(tf.constant(BYTES), pixel_range),
    }
    for way, values in got.items():
        np.testing.assert_array_equal(np.asarray(values), want, err_msg=way)
    assert want.dtype == one(BYTES).dtype == np.float32
    assert (want[0], want[255]) == ((-1, 1) if pixel_range == "symmetric" else (0, 1))


@pytest.mark.parametrize("pixel_range", ["symmetric", "unit"])
def test_to_unit_undoes_to_float_and_clips(pixel_range):
    back = to_unit(to_float(BYTES, pixel_range), pixel_range)
    np.testing.assert_array_equal(np.rint(back * 255), BYTES)
    np.testing.assert_array_equal(
        back, to_unit(to_float(tf.constant(BYTES), pixel_range), pixel_range).numpy()
    )
    np.testing.assert_array_equal(to_unit(np.float32([-3, 3]), pixel_range), [0, 1])


def test_ranges_are_checked():
    with pytest.raises(FlagError, match="--pixel_range=wide is not one of symmetric, unit"):
        to_float(BYTES, "wide")
    with pytest.raises(TypeError, match="uint8"):
        to_float(np.zeros(3), "unit")
    ranges = {d: Config(dataset=d).pixel_range_of_data for d in ("celeba", "folder", "cifar10")}
    assert ranges == {"celeba": "symmetric", "folder": "symmetric", "cifar10": "unit"}


def draw(seed, steps, size, batch_size):
    one = lambda step: batches.batch_indices(seed, step, size, batch_size)  # noqa: E731
    return next(iter(tf.data.Dataset.range(steps).map(one).batch(steps))).numpy()


# Both ways of drawing: of few among many, and a large part.
@pytest.mark.parametrize(("size", "batch_size", "steps"), [(1000, 50, 4000), (120, 50, 4000)])
def test_batches_are_distinct_uniform_and_uncorrelated(size, batch_size, steps):
    drawn = draw(0, steps, size, batch_size)
    assert drawn.shape == (steps, batch_size)
    assert all(len(set(batch)) == batch_size for batch in drawn.tolist())
    counts = np.bincount(drawn.ravel(), minlength=size)
    p = batch_size / size
    # A count is binomial; the variance of `size` counts has relative deviation sqrt(2 / size).
    binomial = steps * p * (1 - p)
    assert abs(counts.var() / binomial - 1) < 4 * np.sqrt(2 / size)
    assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 4 / np.sqrt(size)
    # Steps, and seeds, share as many images as independent draws would: p * batch_size.
    member = np.zeros((steps, size), bool)
    np.put_along_axis(member, drawn, True, 1)
    other = np.zeros((steps, size), bool)
    np.put_along_axis(other, draw(1, steps, size, batch_size), True, 1)
    for pair in ((member[1:], member[:-1]), (member, other)):
        shared = (pair[0] & pair[1]).sum(1)
        assert abs(shared.mean() - p * batch_size) < 5 * shared.std() / np.sqrt(steps)
    # Places within the batch carry nothing either: the mean index at each is the middle.
    deviation = size / np.sqrt(12 * steps)
    assert np.abs(drawn.mean(0) - (size - 1) / 2).max() < 5 * deviation


GOLDEN_FEW = [22267, 34471, 21636, 27759, 59803]
GOLDEN_MANY = [6, 3, 2, 1, 7]


def test_batch_indices_are_the_same_on_every_machine():
    # Recorded: a change would make a resumed run differ from the one that was interrupted.
    np.testing.assert_array_equal(batches.batch_indices(7, 3, 60000, 5), GOLDEN_FEW)
    np.testing.assert_array_equal(batches.batch_indices(7, 3, 8, 5), GOLDEN_MANY)
    in_graph = tf.function(lambda step: batches.batch_indices(7, step, 60000, 5))
    np.testing.assert_array_equal(in_graph(tf.constant(3, tf.int64)), GOLDEN_FEW)


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_any_seed_of_64_bits_and_the_whole_set_as_a_batch(seed):
    assert sorted(batches.batch_indices(seed, 10**9, 9, 9).numpy()) == list(range(9))
    assert batches.batch_indices(seed, 0, 1, 1).numpy().tolist() == [0]


def test_a_batch_larger_than_the_data_is_one_sentence():
    with pytest.raises(DataError, match="--batch_size=11 does not fit 10 training images"):
        batches.batch_indices(0, 0, 10, 11)
    with pytest.raises(DataError, match="1 to 10 is accepted"):
        batches.image_batches(
            np.zeros((10, 2, 2, 1), np.uint8), batch_size=0, seed=0, pixel_range="unit"
        )


def take(dataset, count):
    return np.stack([batch.numpy() for batch in dataset.take(count)])


def test_element_k_is_a_function_of_seed_and_step(rng):
    images = rng.randint(0, 256, (40, 3, 5, 3)).astype(np.uint8)
    make = lambda **kw: batches.image_batches(  # noqa: E731
        images, batch_size=4, pixel_range="symmetric", **{"seed": 2, **kw}
    )
    whole = take(make(), 9)
    for step in (0, 8):
        rows = batches.batch_indices(2, step, 40, 4).numpy()
        np.testing.assert_array_equal(whole[step], official(images[rows], "symmetric"))
    np.testing.assert_array_equal(take(make(start_step=6), 3), whole[6:])
    assert not np.array_equal(take(make(seed=3), 9), whole)
    assert make().element_spec == tf.TensorSpec([4, 3, 5, 3], tf.float32)


def test_a_mapped_file_is_read_by_rows(tmp_path, rng, monkeypatch):
    images = rng.randint(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    part = np.load(tmp_path / "images.npy", mmap_mode="r")[7:][:30]  # a view of a view
    want = take(batches.image_batches(part, batch_size=6, seed=1, pixel_range="unit"), 5)
    monkeypatch.setattr(batches, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(batches, "MOST_MAPPED_IN_MEMORY", 0)
    got = take(batches.image_batches(part, batch_size=6, seed=1, pixel_range="unit"), 5)
    np.testing.assert_array_equal(got, want)
    in_memory = take(
        batches.image_batches(images[7:37], batch_size=6, seed=1, pixel_range="unit"), 5
    )
    np.testing.assert_array_equal(in_memory, want)
    strided = take(batches.image_batches(part[::-1], batch_size=6, seed=1, pixel_range="unit"), 1)
    rows = batches.batch_indices(1, 0, 30, 6).numpy()
    np.testing.assert_array_equal(strided[0], official(images[7:37][::-1][rows], "unit"))


def test_digits_are_scikit_learns(monkeypatch):
    from sklearn.datasets import load_digits

    small, order = load_digits(), np.random.RandomState(123).permutation(1797)
    digits = load.load("digits")
    assert digits.image_shape == (28, 28, 1)
    assert (len(digits.train), len(digits.test)) == (1500, 297)
    np.testing.assert_array_equal(digits.train_labels, small.target[order[:1500]])
    np.testing.assert_array_equal(digits.test_labels, small.target[order[1500:]])
    # Averaged back to 4x4 blocks, the pictures are the 8x8 ones again.
    blocks = digits.test.reshape(297, 4, 7, 4, 7).mean((2, 4)) / 255
    want = small.images[order[1500:]].reshape(297, 4, 2, 4, 2).mean((2, 4)) / 16
    # Bicubic: it rounds corners by up to an eighth of the range, and changes no mean.
    assert np.abs(blocks - want).max() < 0.13 and abs((blocks - want).mean()) < 0.005
    assert np.corrcoef(blocks.ravel(), want.ravel())[0, 1] > 0.998
    assert digits.train.min() == 0 and digits.train.max() == 255

    # Where scikit-learn's file is elsewhere, its own reader is asked.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    np.testing.assert_array_equal(load.load("digits").train, digits.train)


def test_sizes():
    digits = load.load("digits", train_size=10, test_size=500)
    assert (len(digits.train), len(digits.test)) == (10, 500)
    np.testing.assert_array_equal(digits.train, load.load("digits").train[:10])
    assert "first 10 of 1,297 train images" in digits.split
    with pytest.raises(DataError, match="--train_size=1501 is more than the 1,500 train"):
        load.load("digits", train_size=1501)
    with pytest.raises(DataError, match="--test_size=1797 leaves no training image"):
        load.load("digits", test_size=1797)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"dataset": "mnst"}, "--dataset=mnst is not known; accepted: celeba, cifar10"),
        ({"dataset": "celeba", "crop": "wide"}, "--crop=wide is not one of closecrop, resizecrop"),
        ({"dataset": "digits", "train_size": 0}, "--train_size=0 must be at least 1"),
        (
            {"dataset": "mnist", "image_size": 32},
            "--image_size goes with --dataset=celeba or folder",
        ),
    ],
)
def test_flags_are_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(FlagError, match=sentence):
        load.load(**arguments)


@pytest.mark.parametrize("aligned", [True, False])
def test_a_run_holds_its_images_once(rng, aligned):
    images = rng.randint(0, 256, (41, 5, 3, 1), "uint8")
    order = rng.permutation(41)
    rows = arrays.in_order(images, order)
    np.testing.assert_array_equal(rows, images[order])
    assert rows.dtype == np.uint8 and rows.ctypes.data % 64 == 0
    rows = rows[:30] if aligned else rows[1:30]  # the test images stand behind
    tensor = feeding.as_tensor(rows)
    np.testing.assert_array_equal(tf.gather(tensor, [3, 4]), rows[3:5])
    if aligned:
        rows[0] += 1  # nobody does
        np.testing.assert_array_equal(tensor, rows)
    rows.flags.writeable = False
    np.testing.assert_array_equal(feeding.as_tensor(rows), rows)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_data_set_that_is_gone_keeps_no_images(mapped, tmp_path, rng, monkeypatch):
    """TensorFlow keeps the callable of a numpy_function as long as the process lives."""
    monkeypatch.setattr(batches, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(batches, "MOST_MAPPED_IN_MEMORY", 0)
    images = rng.randint(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    if mapped:
        np.save(tmp_path / "images.npy", images)
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
    known = weakref.ref(images)
    dataset = batches.image_batches(images, batch_size=6, seed=1, pixel_range="unit")
    left = iter(dataset.batch(2).prefetch(1))
    want = next(left).numpy()
    again = iter(dataset.batch(2))
    del dataset, images
    gc.collect()
    np.testing.assert_array_equal(next(again), want)  # an iterator of it goes on
    assert known() is not None
    del left, again
    gc.collect()
    assert known() is None
