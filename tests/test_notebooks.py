"""The notebooks of docs/notebooks run, cell by cell, on tiny settings."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
#: What a notebook's cell of parameters is given instead.
TINY = {
    "own_images": {"SIZE": 8, "FILTERS": 8, "EPOCHS": 1, "BATCH": 100},
    "own_networks": {"EPOCHS": 1, "UNITS": 8},
}


def test_each_notebook_has_tiny_settings():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(TINY)


@pytest.mark.parametrize("name", list(TINY))
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAE_TF_CACHE", str(tmp_path / "cache"))
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    names: dict = {}
    parameters = 0
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), "a notebook is kept without outputs"
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), f"{name} {cell['id']}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(TINY[name]) <= set(names)
            names.update(TINY[name])
            parameters += 1
    assert parameters == 1
