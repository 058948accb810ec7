"""Requests past Python's checks of a signature, as TF Serving's reach the graph: benchmarks/hostile.py's."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model
from wae_tf.serving import export, graph_checks, graphs, signatures

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "hostile.py"
SMALL = {"encoder_arch": "mlp", "decoder_arch": "mlp", "encoder_filters": 8, "decoder_filters": 8}


@pytest.fixture(scope="module")
def hostile():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        return importlib.import_module("hostile")


@pytest.fixture(scope="module")
def model():
    return wae_tf.WaeMmd((12, 12, 1), zdim=3, encoder_layers=1, decoder_layers=1, **SMALL)


@pytest.fixture(scope="module")
def served(hostile, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "model"
    export.save(model, folder)
    return hostile.Served(folder)


def test_wrong_sizes_are_sentences_and_no_rows_are_no_images(hostile, served):
    for name, inputs, due in hostile.requests(12, 3, 16_000_000 // 144, largest=False):
        try:
            got = str(served.ask(name, inputs)[0].shape)
        except tf.errors.InvalidArgumentError as error:
            got = error.message.splitlines()[0]
            assert "assertion failed: [" in got
            assert due in got, name
        else:
            assert got == due, name


def test_parts_of_a_request_are_answered_as_one(model, rng):
    images = rng.rand(150, 12, 12, 1).astype("float32")  # 64, 64 and 22 at once
    made = signatures.signatures(model)
    answer = made["reconstruct"].function(tf.constant(images))["images"]
    tf.debugging.assert_near(answer, model.reconstruct(images), atol=1e-6)
    codes = made["encode"].function(tf.constant(images))["codes"]
    tf.debugging.assert_near(codes, model.encode(images), atol=1e-6)


def test_int32_counts_are_taken_as_int64_ones(model, tmp_path):
    export.save(model, tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    short, long = tf.constant([2], tf.int32), tf.constant([2], tf.int64)
    ends = {"first": tf.zeros([1, 12, 12, 1]), "last": tf.ones([1, 12, 12, 1])}
    for name, arguments in (
        ("sample", lambda number: {"count": number, "seed": number}),
        ("interpolate", lambda number: {**ends, "steps": number}),
    ):
        expected = loaded.signatures[name](**arguments(long))["images"]
        answers = (
            loaded.signatures[f"{name}_int32"](**arguments(short)),
            getattr(loaded, name)(**arguments(short)),
            getattr(loaded, name)(**arguments(long)),
        )
        for answer in answers:
            tf.debugging.assert_equal(answer["images"], expected)
        with pytest.raises(tf.errors.InvalidArgumentError, match="int64 tensor but is") as caught:
            loaded.signatures[name](**arguments(short))
        assert len(str(caught.value).splitlines()) == 1


def test_the_sum_of_a_request_is_that_of_its_images_or_codes():
    # 16 million numbers: 28 * 28 = 784 a digit, 64 * 64 * 3 = 12,288 a CelebA image.
    assert graph_checks.most_rows(graph_checks.numbers_of((28, 28, 1), 8)) == 20_408
    assert graph_checks.most_rows(graph_checks.numbers_of((64, 64, 3), 64)) == 1_302
    assert graph_checks.most_rows(graph_checks.numbers_of((2, 2, 1), 1000)) == 16_000


def test_the_images_of_millions_of_rows_do_not_wrap():
    # 4,294,968 rows of up to 1000 are 704 in int32.
    model = tiny_model(image_shape=(2,), zdim=2, compiled=False)
    served = graphs.Graphs(model, None, jit_compile=False)
    check = tf.function(lambda lengths: served.checked_lengths(lengths, "count", 1))
    lengths = tf.concat([tf.ones([4_294_967], tf.int64), [1000]], axis=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="longest is 8000000 at most"):
        check(lengths)
    assert check(lengths[-8000:]).shape == [8000]


@pytest.mark.slow
@pytest.mark.processes
def test_no_request_to_the_digits_model_takes_500_mb():
    command = [sys.executable, str(SCRIPT), "--kinds=requests"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"took (\d+) MB over", done.stdout)[1]) < 500, done.stdout
