"""Values that nothing takes for data, and keywords of odd kinds: sentences, before anything moves."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import wae_tf
from wae_tf.models.values import NotFiniteError

TINY = {"encoder_layers": 1, "decoder_layers": 1, "encoder_filters": 4, "decoder_filters": 4}


def tiny(**settings):
    model = wae_tf.WaeMmd((6,), zdim=3, **TINY, **settings)
    model.compile()
    return model


def rows(count=1500):
    return np.random.default_rng(0).normal(size=(count, 6)).astype("float32")


@pytest.mark.parametrize("value", [np.nan, np.finfo(float).max])
def test_pretrain_looks_at_every_row_and_leaves_the_weights(value):
    model, x = tiny(), rows().astype(float)
    before = model.get_weights()
    x[1400, 2] = value
    with pytest.raises(ValueError, match="not finite, in 1 of 1500 rows, first in row 1400"):
        wae_tf.pretrain(model, x)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("method", ["encode", "score", "reconstruct"])
def test_rows_that_are_not_finite_in_float32_are_told_by_their_place(method):
    for row, of in (
        (3, "1 of 256 rows, first in row 3"),
        (900, "232 rows from row 768 on, first in row 900"),
    ):
        x = rows(1000).astype(float)
        x[row, 2] = -np.finfo(float).max
        with pytest.raises(ValueError, match=of):
            getattr(tiny(), method)(x)


def test_what_lies_below_a_mask_is_no_data():
    model, x = tiny(), np.ma.masked_greater(rows(40), 1)
    for call in (model.fit, model.evaluate, model.predict, model.encode, model.score):
        with pytest.raises(ValueError, match=r"is a masked array, .* filled"):
            call(x)
    with pytest.raises(ValueError, match="is a masked array"):
        wae_tf.pretrain(model, x)
    model.fit(np.ma.masked_array(rows(40)), verbose=0)  # nothing is masked
    y = np.ma.masked_equal(np.arange(40) % 3, 2)
    with pytest.raises(ValueError, match="y of fit, the labels, is a masked array"):
        tiny(classes=3).fit(rows(40), y, verbose=0)


@pytest.mark.parametrize("asked", [{"progress": 200}, {"check": None}])
def test_pretrain_names_what_is_no_function(asked):
    with pytest.raises(
        ValueError, match=f"{next(iter(asked))} of pretrain is a .*; accepted: a function"
    ):
        wae_tf.pretrain(tiny(), rows(), **asked)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zdim", float("nan")), ("output", []), ("mmd_scales", None), ("mmd_scales", np.array(4)),
        ("mmd_scales", b"4"), ("image_shape", np.array(4)), ("image_shape", {28, 1}), ("image_shape", b"4"),
    ],
)  # fmt: skip
def test_keywords_of_odd_kinds_are_sentences(name, value):
    with pytest.raises(wae_tf.KeywordError, match=name):
        wae_tf.WaeMmd(**{"image_shape": (6,), "zdim": 3, name: value})


def test_compile_and_train_take_true_and_false():
    with pytest.raises(ValueError, match="jit_compile='no' is not accepted: True or False"):
        tiny().compile(jit_compile="no")
    with pytest.raises(ValueError, match="run_eagerly='auto' is not accepted: True or False"):
        tiny().compile(run_eagerly="auto")
    with pytest.raises(wae_tf.KeywordError, match="overwrite='no' is not accepted: True or False"):
        wae_tf.train(wae_tf.Config(dataset="digits"), overwrite="no")


@pytest.mark.processes
def test_under_another_backend_a_program_is_told_and_the_command_line_runs(tmp_path):
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    flags += [
        "--encoder_arch=mlp",
        "--decoder_arch=mlp",
        "--epochs=1",
        "--train_size=100",
        "--test_size=60",
    ]
    flags += ["--nopretrain", "--figure_every=0", f"--work_dir={tmp_path / 'run'}"]
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    done = python("-m", "wae_tf.main", *flags)
    assert done.returncode == 0, done.stderr
    told = python("-c", "import wae_tf; wae_tf.WaeMmd").stderr
    assert "ImportError: Keras computes by numpy here" in told, told


def test_what_lies_below_a_mask_is_refused_in_every_part():
    model, x = tiny(), rows(32)
    masked = np.ma.masked_array(x, mask=x > 2)
    weights = np.ma.masked_array(np.ones(32), mask=np.arange(32) < 2)
    for part, call in {
        "x": lambda: model.fit({"image": masked}, verbose=0),
        "y": lambda: model.fit(x, masked, verbose=0),
        "sample_weight": lambda: model.fit(x, sample_weight=weights, verbose=0),
    }.items():
        with pytest.raises(ValueError, match=f"{part} of fit is a masked array"):
            call()


def test_the_error_of_a_row_goes_between_processes():
    error = NotFiniteError("x", np.array([False, True]), 512)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
