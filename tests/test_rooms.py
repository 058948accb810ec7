"""The rooms of the package: what may import what (pyproject.toml)."""

import ast
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent


def test_imports_go_down_the_stairs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_types_go_with_the_package():
    assert (ROOT / "wae_tf" / "py.typed").is_file()


def test_sections_of_docstrings_are_indented_by_four():
    for path in (ROOT / "wae_tf").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            lines = (ast.get_docstring(node) or "").splitlines()
            for section, first in zip(lines, lines[1:], strict=False):
                if section in ("Args:", "Returns:", "Raises:", "Attributes:", "Yields:"):
                    where = f"{path.name}, {node.name}: {first.strip()}"
                    assert len(first) - len(first.lstrip()) == 4, where
