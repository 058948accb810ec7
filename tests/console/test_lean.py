"""Keras imported without what neither it nor TensorFlow requires."""

from __future__ import annotations

import gc
import importlib
import sys

import pytest

from wae_tf.console import lean


@pytest.fixture
def importing(monkeypatch):
    """A process without Keras; what its import finds of the optional ones and of the collector."""
    seen: dict[str, bool] = {}

    def imported(name):
        assert name == "keras"
        for optional in ("colorsys", "json"):
            try:
                importlib.__import__(optional)
                seen[optional] = True
            except ImportError:
                seen[optional] = False
        seen["collecting"] = gc.isenabled()

    for name in ("keras", "tensorflow", "colorsys"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(lean, "_OPTIONAL", ("colorsys", "json"))
    monkeypatch.setattr(lean.importlib, "import_module", imported)
    yield seen
    gc.unfreeze()


def test_optional_ones_are_absent_for_the_import_alone(importing):
    lean.import_keras()
    # json was there before: whoever uses it keeps it.
    assert importing == {"colorsys": False, "json": True, "collecting": False}
    assert gc.isenabled()
    assert "colorsys" not in sys.modules
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_a_failed_import_leaves_no_trace(importing, monkeypatch):
    def failing(name):
        raise ImportError("no Keras here")

    monkeypatch.setattr(lean.importlib, "import_module", failing)
    with pytest.raises(ImportError, match="no Keras here"):
        lean.import_keras()
    assert gc.isenabled()
    assert "colorsys" not in sys.modules


def test_where_keras_is_there_nothing_happens(importing, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", object())
    lean.import_keras()
    assert importing == {}


@pytest.mark.parametrize(
    ("machine", "told", "expected"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("aarch64", None, None)],
)
def test_onednn_is_asked_for_unless_the_user_says_otherwise(
    importing, monkeypatch, machine, told, expected
):
    monkeypatch.setattr(lean.platform, "machine", lambda: machine)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", told or "")
    if told is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    lean.import_keras()
    assert lean.os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected
