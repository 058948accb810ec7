"""--completion=bash, in a real bash."""

import shutil
import subprocess

import pytest

from wae_tf import main, registry
from wae_tf.cli import arguments

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def completed(line, cwd, breaks=None):
    """What Tab offers behind a line."""
    script = arguments.completion_text(["--completion=bash"])
    # `compopt` works within a completion alone, which a script is not.
    ask = f"{script}\ncompopt() {{ :; }}\n" + (f"COMP_WORDBREAKS={breaks}\n" if breaks else "")
    ask += "COMP_LINE=$1 COMP_POINT=${#1}\n_wae_tf\nprintf '%s\\n' \"${COMPREPLY[@]}\"\ncomplete -p wae_tf"
    done = subprocess.run(
        ["bash", "-c", ask, "bash", line], capture_output=True, text=True, cwd=cwd, check=True
    )
    assert not done.stderr
    *words, registered = done.stdout.splitlines()
    assert registered == "complete -F _wae_tf wae_tf"
    return [word for word in words if word]


@bash
def test_flags_and_values_are_completed(tmp_path):
    (tmp_path / "data one").mkdir()
    (tmp_path / "other").mkdir()
    modes = list(registry.names("mode"))
    assert completed("wae_tf --mode=", tmp_path) == modes
    assert completed("wae_tf --seed=3 --mode=ev", tmp_path) == ["evaluate"]
    assert completed("wae_tf --mode=ev", tmp_path, breaks="' '") == ["--mode=evaluate"]
    assert completed("wae_tf --encoder_fil", tmp_path) == ["--encoder_filters="]
    assert completed("wae_tf --overw", tmp_path) == ["--overwrite "]
    assert completed("wae_tf --noover", tmp_path) == ["--nooverwrite "]
    assert completed("wae_tf --prior=s", tmp_path) == ["sphere"]
    assert completed("wae_tf --data_dir=da", tmp_path) == ["data one"]
    assert completed("wae_tf --zdim=", tmp_path) == []
    every = completed("wae_tf --", tmp_path)
    for name in arguments.parse([])[0]:
        assert f"--{name}=" in every or f"--{name}" in every, name


def test_the_command_line_prints_it(capsys):
    assert main.main(["--completion=bash"]) == 0
    assert "complete -F _wae_tf wae_tf" in capsys.readouterr().out
    assert main.main(["--completion=csh"]) == 2
    assert "--completion=csh is not known; accepted: bash." in capsys.readouterr().err
