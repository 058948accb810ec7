"""The rooms of the package: what may import what (pyproject.toml)."""

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent


def test_imports_go_down_the_stairs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_types_go_with_the_package():
    assert (ROOT / "wae_tf" / "py.typed").is_file()
