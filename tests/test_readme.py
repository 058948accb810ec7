"""The README's Python example runs as it stands, and its commands name flags that exist."""

import re
from pathlib import Path

import numpy as np

from wae_tf import registry
from wae_tf.cli.arguments import parse

README = Path(__file__).parent.parent / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_library_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("my_images.npy", np.random.RandomState(0).randint(0, 256, (128, 32, 32, 3), np.uint8))
    (example,) = [block for block in blocks("python") if "wae_tf.WaeMmd" in block]
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["codes"].shape == (128, 16)
    np.testing.assert_array_equal(
        names["model"].sample(3, seed=0), names["again"].sample(3, seed=0)
    )


def test_every_command_line_of_main_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [
        line.split("wae_tf.main", 1)[1].split("#")[0].split()
        for block in blocks("sh")
        for line in block.replace("\\\n", " ").splitlines()
        if "wae_tf.main" in line
    ]
    assert len(commands) >= 5
    for arguments in commands:
        if any(argument.startswith("--mode=") for argument in arguments):
            mode = [a for a in arguments if a.startswith("--mode=")]
            assert mode[0].removeprefix("--mode=") in registry.names("mode")
            arguments = [a for a in arguments if not a.startswith("--mode=")]
        parse(arguments)
