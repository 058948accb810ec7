"""The README's Python example runs as it stands; commands of all pages name flags that exist."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from wae_tf import registry
from wae_tf.cli.arguments import parse

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def test_the_library_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("my_images.npy", np.random.RandomState(0).randint(0, 256, (128, 32, 32, 3), np.uint8))
    (example,) = [block for block in blocks("python") if "wae_tf.WaeMmd" in block]
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["codes"].shape == (128, 16)
    again = keras.saving.load_model("wae.keras")
    np.testing.assert_array_equal(names["model"].sample(3, seed=2), again.sample(3, seed=2))


def commands(page):
    """The arguments of each `python -m wae_tf.main` in the page's blocks of commands."""
    return [
        line.split("wae_tf.main", 1)[1].split("#")[0].split()
        for block in blocks("sh", page)
        for line in block.replace("\\\n", " ").splitlines()
        if "wae_tf.main" in line
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_of_main_is_accepted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in commands(page):
        if any(argument.startswith("--plugins=") for argument in arguments):
            continue  # of a file that the page shows: the page has a test of its own
        if any(argument.startswith("--mode=") for argument in arguments):
            mode = [a for a in arguments if a.startswith("--mode=")]
            assert mode[0].removeprefix("--mode=") in registry.names("mode")
            arguments = [a for a in arguments if not a.startswith("--mode=")]
        parse(arguments)


def test_the_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) >= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_finds_it(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link
