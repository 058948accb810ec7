"""Whether a clone of the official code is at the commit that this project is held against."""

from __future__ import annotations

import hashlib
from pathlib import Path

COMMIT = "6351565"
#: SHA-256 of its files, with lines that end as on Unix.
_SUMS = {
    "configs.py": "bb3b0014d894c365da63fd6929bdd5d9288c0246453b1a3b5fa82ab8fd78d1cc",
    "datahandler.py": "1a835fd17931a2f205cb689efa3bb86eec657e3f013debf1b1f113cb7a26ca6e",
    "improved_wae.py": "cfde9cedc33108f29d142bfee9b75027163ba2e37e3fbf48cc93c3b3a552fd9f",
    "models.py": "a25b9a24f851910f4d6e083938ada011d84bfa23dbae23ad1a31468b207773fe",
    "ops.py": "fd2e019d6429a0cda33f11446381eaef73dc01167a1920d843991191c6eb9edd",
    "utils.py": "540111bc08b7de903b0df8e0150ee150c58587b3f870b2dc74151569de423455",
    "wae.py": "96d80e408c0e6e97ac86e4b78452cb7a6ca7dbfbb3b5980f8c71452154651ac6",
}


def changed_files(directory: Path) -> list[str]:
    """The files of a clone that are there and not as at that commit.

    Raises:
        OSError: one cannot be read.
    """
    return [
        name
        for name, expected in _SUMS.items()
        if (directory / name).is_file() and _sum(directory / name) != expected
    ]


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
