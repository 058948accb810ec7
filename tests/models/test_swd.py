"""WAE-SWD as a model, a run, an export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny_model, tiny_run
from wae_tf import main, streams
from wae_tf.models.encoding import Noise
from wae_tf.objective import sliced
from wae_tf.runs import checkpoints
from wae_tf.runs.folder import RunFolder


@pytest.fixture
def images(rng):
    return rng.rand(40, 6, 6, 1).astype("float32")


def make(**fields):
    return tiny_model(wae_tf.WaeSwd, **fields)


def test_a_steps_directions_follow_from_seed_and_step(images):
    model = make(seed=4, swd_projections=9)
    step = tf.constant(3, tf.int64)
    noise = model.draw_noise(8, step, "autoencoder")
    np.testing.assert_array_equal(noise.penalty, streams.key(4, "autoencoder/penalty", step))
    prior_sample = model.sample_prior(8, [1, 2])
    values = model.objective(images[:8], prior_sample, noise, training=False)
    along = sliced.directions(9, 3, streams.key(4, "autoencoder/penalty", 3))
    expected = sliced.sliced_wasserstein(model.encode(images[:8]), prior_sample, along)
    assert float(values["penalty"]) == pytest.approx(float(expected), rel=1e-6)


def test_it_learns_and_is_saved(images, tmp_path):
    model = make(zdim=2, wae_lambda=100.0, lr=0.01, swd_projections=20)
    losses = model.fit(images, batch_size=20, epochs=60, verbose=0).history["penalty"]
    assert losses[-1] < 0.5 * losses[0]
    model.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    assert type(again) is wae_tf.WaeSwd and again.settings.swd_projections == 20
    more = [m.fit(images, batch_size=20, shuffle=False, verbose=0).history for m in (model, again)]
    assert more[0] == more[1]


def test_a_batch_of_one_and_float64(images):
    terms = make(precision="float64").train_step(tf.constant(images[:1]))
    assert terms["penalty"].dtype == tf.float32 and float(terms["penalty"]) > 0
    with pytest.raises(ValueError, match=r"noise\.penalty"):
        make().objective(images[:8], np.zeros((8, 3), np.float32), Noise())


@pytest.mark.slow
def test_a_run_is_resumed_bit_by_bit_evaluated_and_exported(tmp_path, capsys):
    flags = ["--model=wae_swd", "--swd_projections=10", "--figure_every=0", *tiny_run(epochs=2)]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main.main([*flags, f"--work_dir={whole}"]) == 0, capsys.readouterr().err
    assert main.main([*flags, f"--work_dir={cut}", "--steps=3"]) == 0
    assert main.main([*flags, f"--work_dir={cut}"]) == 0
    ends = [
        tf.train.load_checkpoint(str(checkpoints.path_of(folder / "checkpoints", 8) / "model"))
        for folder in (whole, cut)
    ]
    for name in ends[0].get_variable_to_shape_map():
        if "OBJECT_GRAPH" not in name:
            np.testing.assert_array_equal(*(end.get_tensor(name) for end in ends), err_msg=name)
    assert main.main(["--mode=evaluate", f"--work_dir={whole}", "--eval_samples=100"]) == 0
    assert main.main(["--mode=export", f"--work_dir={whole}"]) == 0
    served = tf.saved_model.load(str(whole / "saved_model" / "1"))
    assert "sample" in served.signatures
    assert RunFolder(whole).read_metrics()["test_penalty"] > 0


def test_runs_of_before_a_flag_was_there_go_on(tmp_path):
    flags = ["--figure_every=0", f"--work_dir={tmp_path / 'run'}", *tiny_run(epochs=1)]
    assert main.main(flags) == 0
    run = RunFolder(tmp_path / "run")
    lines = run.flags.read_text().splitlines(keepends=True)
    config = wae_tf.Config(work_dir=str(run.folder))
    run.flags.write_text("".join(line for line in lines if "swd_projections" not in line))
    there = {line.partition("=")[0] for line in lines}
    assert "--swd_projections" in there
    from wae_tf.cli import arguments

    assert run.begun(arguments.parse(flags)[1])
    assert config.swd_projections == 50
