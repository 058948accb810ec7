"""This project against records of the replication report's code under torch 1.0.0."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from wae_tf import diff
from wae_tf.models import by_name
from wae_tf.official.parity import table
from wae_tf.replication import cases, compare, inputs, options, replay, weights

GOLDENS = Path(__file__).parent.parent / "goldens" / "replication"


#: Cases of which the fast tests try others of their kind: of digits, and of the partial code.
SLOW = ("mnist_vae", "celeba_vae", "celeba_wae_gan")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in cases.by_name()]
)
def test_case(name):
    found = replay.Replay(str(GOLDENS / f"{name}.npz"))
    assert found.meta["torch"] == "1.0.0"
    rows = found.rows()
    wanted = {"outputs, float64", "outputs, float32", "losses, float64", "gradients vae, float64"}
    wanted |= {"moments, float64", "test line, float64", "blur, float32", "pixels"}
    wanted.add("learning rate by epoch")
    if name == found.meta["run"]:
        wanted.add("initial weights, standard errors")
    if "gan" in name:
        wanted.add("gradients dis, float64")
    if found.meta["steps"]:
        wanted |= {"losses, 10 steps, float64", "weights, 10 steps, float64"}
    assert {row.quantity for row in rows} == wanted
    assert not [row for row in rows if not row.ok], table.text(rows)


@pytest.mark.parametrize(
    ("name", "change", "part", "quantity"),
    [
        ("mnist_wae_mmd", {"mmd_distances": "exact"}, "step", "losses, float64"),
        ("mnist_wae_gan", {"penalty_codes": "same"}, "step", "losses, float64"),
        ("mnist_wae_gan", {"adversary_weight": 2.0}, "step", "losses, float64"),
        ("mnist_wae_gan", {"encoder_clip": "logvar"}, "evaluation", "outputs, float64"),
        ("celeba_wae_mmd_partial", {"decoder_output": "tanh"}, "evaluation", "outputs, float64"),
        ("celeba_wae_mmd_partial", {"batch_divisor": None}, "step", "losses, float64"),
        ("mnist_wae_mmd", {"lr_schedule": "30:0.5,50:0.2"}, "once", "learning rate by epoch"),
        ("mnist_wae_mmd", {"init": "torch"}, "once", "initial weights, standard errors"),
        ("celeba_wae_mmd_partial", {"pixel_range": "symmetric"}, "once", "pixels"),
    ],
)
def test_each_option_is_seen(name, change, part, quantity, monkeypatch):
    real = options.config_of

    def changed(*args, **kwargs):
        return real(*args, **(change | kwargs))

    monkeypatch.setattr(replay.options, "config_of", changed)
    monkeypatch.setattr(replay.Replay, "_torch_default", lambda _: {})
    found = replay.Replay(str(GOLDENS / f"{name}.npz"))
    found.begin("f64")
    getattr(found, part)()
    assert quantity in {row.quantity for row in found.worst.values() if not row.ok}


def test_weights_go_there_and_back():
    meta, _ = inputs.load(str(GOLDENS / "mnist_wae_gan.npz"))
    keys = ("dataset", "loss", "revision", "filters", "hidden")
    config = options.config_of(meta["settings"], **{key: meta[key] for key in keys})
    model = by_name.from_config(config, (28, 28, 1), 1000)
    made = inputs.make_weights(meta)
    weights.assign(model, made)
    found = weights.read(model)
    assert set(found) == set(made)
    for name, value in found.items():
        np.testing.assert_array_equal(value, made[name])


def test_schedulers_of_old_and_new_torch():
    assert options.schedule("1.0.0") == "50:0.2"
    assert options.schedule("2.13.0+cpu") == "29:0.5,49:0.2"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--replication_dir={clone}"], 2, "--replication_dir goes with --replication_python"),
        (["--replication_python=x"], 2, "--replication_dir goes with --replication_python"),
        (["--replication_dir={clone}", "--replication_python=x", "--cases=y"], 2, "--cases=y is"),
        (["--replication_dir={clone}", "--replication_python=x", "--records=y"], 2, "--records"),
        (["--replication_dir={tmp}", "--replication_python=python3"], 1, "is no git clone"),
        (["--replication_dir={clone}", "--replication_python={tmp}/none"], 1, "cannot be run"),
        (["--replication_dir={clone}", "--replication_python={python}"], 1, "was not recorded"),
        (["--replication_dir=", "--replication_python=x"], 2, "--replication_dir= is empty"),
        (
            ["--replication_dir={clone}", "--replication_python=true", "--cases=mnist_vae"],
            1,
            "--replication_python=true ended without mnist_vae.npz; a Python with PyTorch",
        ),
    ],
)
def test_mistakes_are_a_sentence(arguments, status, sentence, tmp_path, capsys):
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    places = {"tmp": tmp_path, "clone": tmp_path / "clone", "python": sys.executable}
    assert diff.main([argument.format(**places) for argument in arguments]) == status
    error = capsys.readouterr().err.strip().splitlines()
    assert sentence in error[-1]
    assert "Traceback" not in "\n".join(error)


def test_the_command_replays_the_reports_records(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(compare, "replayed", lambda paths: (seen.extend(paths) or [], []))
    assert diff.main([f"--records={GOLDENS}"]) == 0
    assert {path.stem for path in seen} == set(cases.by_name())
    assert "what the report's code differs by" in capsys.readouterr().out
    for flag, status, sentence in (
        ("--cases=ali", 2, "--cases=ali is not known; accepted: celeba_vae"),
        ("--precision=float64", 2, "--precision is of the official code"),
        ("--record=x", 2, "--record does not go with --records"),
        ("--replication_python=x", 2, "--replication_dir goes with"),
    ):
        monkeypatch.setattr(diff.compare, "check_outputs", lambda given: None)
        assert diff.main([f"--records={GOLDENS}", flag]) == status
        assert sentence in capsys.readouterr().err


def test_a_record_of_something_else_is_refused(tmp_path):
    from wae_tf.errors import DataError
    from wae_tf.replication.compare import replayed

    shutil.copy(GOLDENS.parent / "mnist_mmd.npz", tmp_path / "mnist_vae.npz")
    with pytest.raises(DataError, match="is not a record of the report's code"):
        replayed([tmp_path / "mnist_vae.npz"])
