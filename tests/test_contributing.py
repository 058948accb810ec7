"""The worked examples of CONTRIBUTING.md: their files and their command lines, as they stand there."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factory import tiny, tiny_run
from wae_tf import main, registry
from wae_tf.runs.folder import RunFolder

PAGE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^python -m wae_tf\.main (--plugins=.*)$", PAGE, re.MULTILINE)
#: The examples bring networks of their own, of two layers.
TINY = tiny_run(
    **tiny(8, layers=2, encoder_arch=None, decoder_arch=None), pretrain_size=50, pretrain_steps=2,
    steps=3, figure_every=0, pictures=4, picture_columns=2, init_std=0.05,
)  # fmt: skip


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)
    for key, entry in [*registry._imported.items()]:
        if not entry.module.startswith("wae_tf."):
            del registry._imported[key]


def test_there_is_an_example_of_each_kind():
    kinds = {kind for text in FILES.values() for kind in re.findall(r'@register\("(\w+)"', text)}
    assert kinds == set(registry.KINDS)
    assert len(COMMANDS) == len(FILES) == 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if "--mode=" not in c])
def test_an_example_is_trained_and_its_flags_replay_it(command, capsys):
    given = [*TINY, *shlex.split(command)]
    assert main.main([*given, "--work_dir=first"]) == 0, capsys.readouterr().err
    assert "--plugins=" in RunFolder("first").flags.read_text()
    losses = RunFolder("first").read_metrics()
    assert np.isfinite(losses["test_reconstruction"])
    # What the run noted is enough to go on with it.
    assert main.main(["--mode=sample", "--num_samples=5", "--work_dir=first"]) == 0
    assert np.load("first/samples.npy").shape[0] == 5


def test_the_example_of_a_mode_works_on_a_run(capsys):
    (command,) = [c for c in COMMANDS if "--mode=" in c]
    small = ["--encoder_arch=mlp", "--decoder_arch=mlp", *TINY, "--work_dir=run"]
    assert main.main(small) == 0
    capsys.readouterr()
    assert main.main([*shlex.split(command), "--work_dir=run"]) == 0
    shown = capsys.readouterr().out.strip()
    assert shown.splitlines()[-1].startswith("standard deviations: ")
    assert len(shown.splitlines()[-1].split()) == 2 + 3


def test_the_cost_of_the_example_is_what_it_says():
    import huber
    import tensorflow as tf

    images = tf.zeros((2, 1, 1, 2))
    again = tf.reshape(tf.constant([0.05, 0.0, 0.3, -0.3]), (2, 1, 1, 2))
    np.testing.assert_allclose(huber.huber(images, again, None), [0.0025, 0.1], rtol=1e-5)
