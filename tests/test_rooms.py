"""The rooms of the package: what may import what (pyproject.toml)."""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.processes
def test_imports_go_down_the_stairs():
    # In a process of its own: the linter starts others, which a loaded TensorFlow does not bear.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_page_on_architecture_says_what_the_rooms_say():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name: path for path in (ROOT / "wae_tf").glob("*/__init__.py")}
    for name, path in rooms.items():
        (sentence,) = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()
        assert f"| `{name}/` | {sentence} |" in page
    assert page.count("/` |") == len(rooms)


def test_rooms_are_few_and_files_short():
    names = {path.stem for path in (ROOT / "wae_tf").iterdir()} - {"py", "flags", "__pycache__"}
    assert len(names) <= 25, sorted(names)
    for path in (ROOT / "wae_tf").rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        where = path.relative_to(ROOT).as_posix()
        assert lines <= 350 or where == "wae_tf/official/parity/record.py", where


def test_types_go_with_the_package():
    assert (ROOT / "wae_tf" / "py.typed").is_file()


def test_sections_of_docstrings_are_indented_by_four():
    for path in (ROOT / "wae_tf").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            lines = (ast.get_docstring(node) or "").splitlines()
            for section, first in itertools.pairwise(lines):
                if section in ("Args:", "Returns:", "Raises:", "Attributes:", "Yields:"):
                    where = f"{path.name}, {node.name}: {first.strip()}"
                    assert len(first) - len(first.lstrip()) == 4, where
