"""Commands and Python of README and docs/: flags and files exist, code parses, tiny examples run."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import wae_tf
from wae_tf import registry
from wae_tf.cli import flags_page
from wae_tf.cli.arguments import parse

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def test_the_library_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("my_images.npy", np.random.RandomState(0).randint(0, 256, (128, 32, 32, 3), np.uint8))
    images, own = blocks("python")
    names = {}
    exec(compile(images, "README.md", "exec"), names)
    assert names["codes"].shape == (128, 16)
    again = wae_tf.load("wae.keras")
    np.testing.assert_array_equal(names["model"].sample(3, seed=2), again.sample(3, seed=2))
    exec(compile(own, "README.md", "exec"), names)
    assert names["score"].shape == (569,) and names["model"].encode(names["x"]).shape == (569, 4)


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
        if "--help" in " ".join(arguments) or any(a.startswith("--plugins") for a in arguments):
            continue
        given = dict(a.lstrip("-").partition("=")[::2] for a in arguments)
        mode = given.get("mode", "train")
        assert mode in registry.names("mode")
        adopts = "init_from_official" in given
        if registry.fact("mode", mode, "of_run", True) and not adopts:
            run = Path(given.get("work_dir", "runs/digits_wae_mmd"))  # as if it had been trained
            run.mkdir(parents=True, exist_ok=True)
            (run / "flags.flags").write_text("--dataset=digits\n--model=wae_mmd\n")
        parse(arguments)


def test_the_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) >= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_finds_it(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_parses_and_what_it_takes_of_the_package_is_there(page):
    for block in blocks("python", page):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wae_tf"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "wae_tf" or hasattr(wae_tf, node.attr), node.attr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_other_programs_are_there_and_know_the_flags(page):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(
        r"python (benchmarks/\w+\.py|-m wae_tf\.diff)((?:\s+--[\w]+(?:=\S+)?)*)", text
    )
    for program, given in found:
        files = [ROOT / "wae_tf/official/parity/compare.py"]
        if not program.startswith("-m"):
            assert (ROOT / program).is_file(), program
            files = [*(ROOT / "benchmarks").glob("*.py")]  # they share their parsers
        source = "".join(file.read_text(encoding="utf-8") for file in files)
        for flag in shlex.split(given.replace("`", " ").replace("'", "")):
            known = not flag.startswith("--") or f'"{flag.split("=")[0]}"' in source
            assert known, (program, flag)


def test_the_python_page_has_every_public_name():
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: wae_tf\.(\w+)$", page, re.MULTILINE)) == set(wae_tf.__all__)


def test_flags_page_is_that_of_the_settings():
    page = (ROOT / "docs/flags.md").read_text(encoding="utf-8")
    renew = "renew it: python -m wae_tf.cli.flags_page > docs/flags.md"
    assert page == flags_page.markdown(), renew
