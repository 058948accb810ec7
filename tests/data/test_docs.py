"""Every test that docs/data.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_kinds_names_tests_that_are_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/data.md").read_text(encoding="utf-8")))
    files = Path(__file__).parent.glob("test_*.py")
    there = re.findall(r"^def (test_\w+)", "".join(f.read_text() for f in files), re.MULTILINE)
    assert len(named) > 40
    assert not named - set(there)
