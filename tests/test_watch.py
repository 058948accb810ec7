"""The programs of docs/watch.md as they stand there, on fewer images."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wae_tf.runs.folder import RunFolder

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "watch.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
#: Runs before the program: the presets' sizes would take a minute each.
SMALLER = """
import functools
import wae_tf
from tests.factory import SHORT, TINY
wae_tf.preset = functools.partial(wae_tf.preset, **TINY, **SHORT)
"""


@pytest.fixture
def run(tmp_path):
    def call(name):
        (tmp_path / name).write_text(SMALLER + FILES[name])
        done = subprocess.run(
            [sys.executable, name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return call


@pytest.mark.processes
def test_a_callback_of_ones_own(run):
    lines = run("watched.py").splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["1", "2"]
    assert all(" val_penalty " in line for line in lines[:2]) and float(lines[2]) > 0


@pytest.mark.processes
def test_weights_and_biases(run, tmp_path):
    pytest.importorskip("wandb")
    run("by_wandb.py")
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.processes
def test_mlflow(run, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    run("by_mlflow.py")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'wae'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.params["model"] == "wae_mmd"
    history = RunFolder(tmp_path / "runs" / "by_mlflow").read_history()
    logged = client.get_metric_history(found.info.run_id, "val_reconstruction")
    assert [point.step for point in logged] == history["step"]
    assert [point.value for point in logged] == pytest.approx(
        history["test_reconstruction"], rel=1e-6
    )


@pytest.mark.processes
def test_optuna(run, tmp_path):
    pytest.importorskip("optuna")
    assert "'wae_lambda':" in run("by_optuna.py").splitlines()[-1]
    assert len(list((tmp_path / "runs" / "by_optuna").iterdir())) == 3
