"""--completion=bash and =zsh, in real shells."""

import os
import pty
import select
import shutil
import subprocess

import pytest

from wae_tf import main, registry
from wae_tf.cli import arguments

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")


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


class Typing:
    """An interactive zsh on a terminal of its own."""

    def __init__(self, folder):
        self.terminal, other = pty.openpty()
        env = os.environ | {"HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "dumb"}
        self.shell = subprocess.Popen(
            ["zsh", "-f", "-i"],
            **{"stdin": other, "stdout": other, "stderr": other},
            cwd=folder,
            env=env,
            start_new_session=True,
        )
        os.close(other)

    def after(self, typed, until):
        """What is printed up to a word, when something was typed."""
        os.write(self.terminal, typed.encode())
        printed = b""
        while until not in printed:
            ready, _, _ = select.select([self.terminal], [], [], 20)
            assert ready, printed
            printed += os.read(self.terminal, 4096)
        return printed.decode()

    def completed(self, line):
        """The line after Tab; Ctrl-T prints and empties it."""
        return self.after(f"{line}\t\x14", b">]").split("[<")[-1].split(">]")[0]


@zsh
@pytest.mark.processes
def test_zsh_completes_as_well(tmp_path):
    (tmp_path / "data one").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "wae_tf.zsh").write_text(arguments.completion_text(["--completion=zsh"]))
    zsh = Typing(tmp_path)
    try:
        zsh.after(
            "show() { print -r -- \"[<$BUFFER>]\"; BUFFER=; }; zle -N show; bindkey '^T' show; "
            "eval \"$(cat wae_tf.zsh)\"; print rea''dy\n",
            b"ready\r\n",
        )
        assert zsh.completed("wae_tf --seed=3 --mode=ev") == "wae_tf --seed=3 --mode=evaluate "
        assert zsh.completed("wae_tf --encoder_fil") == "wae_tf --encoder_filters="
        assert zsh.completed("wae_tf --noover") == "wae_tf --nooverwrite "
        assert zsh.completed("wae_tf --data_dir=da") == "wae_tf --data_dir=data\\ one/"
        assert zsh.completed("wae_tf --zdim=") == "wae_tf --zdim="
        every = zsh.after("wae_tf --mode=\t\x14", b">]")
        assert all(mode in every for mode in registry.names("mode"))
    finally:
        zsh.shell.kill()
        zsh.shell.wait()
        os.close(zsh.terminal)


def test_the_command_line_prints_it(capsys):
    assert main.main(["--completion=bash"]) == 0
    assert "complete -F _wae_tf wae_tf" in capsys.readouterr().out
    assert main.main(["--completion=csh"]) == 2
    assert "--completion=csh is not known; accepted: bash, zsh." in capsys.readouterr().err
