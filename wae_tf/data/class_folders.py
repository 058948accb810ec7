"""What the folders of pictures say: which are for training and testing, and of which class."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import os
import re
from collections.abc import Sequence

import numpy as np

_TAIL = r"([ _-]?(images?|imgs?|set|data|[ab]|\d{4}))?"
#: As seg_train and seg_test.
_BEFORE = r"([a-z0-9]+[ _-])?"
_PARTS = {
    part: re.compile(f"{_BEFORE}({words}){_TAIL}", re.IGNORECASE)
    for part, words in {
        "train": "train|training",
        "test": "test|testing",
        "validation": "val|valid|validation|dev|eval",
    }.items()
}


@dataclasses.dataclass(frozen=True)
class Split:
    """The pictures that their folders name for training and for testing.

    Attributes:
        train: their names.
        test: likewise: of test, or of validation where there is no test.
        words: which folders these are, and what is left out.
    """

    train: list[str]
    test: list[str]
    words: str


def split(names: Sequence[str]) -> Split | None:
    """The split that folders called train, test and validation make; None where there are not two.

    Args:
        names: of pictures, with "/".
    """
    found = collections.defaultdict[str, list[str]](list)
    called: dict[str, str] = {}
    for name in names:
        folder, part = _part(name)
        found[part].append(name)
        called.setdefault(part, folder)
    test = "test" if found["test"] else "validation"
    if not found["train"] or not found[test]:
        return None
    words = f"the folders' own: {called['train']}/ for training, {called[test]}/ for testing"
    others = {part: n for part, n in found.items() if n and part not in ("train", test)}
    rest = {f"{called[part]}/" if part else "other folders": n for part, n in others.items()}
    if rest:
        told = " and ".join(f"{len(n):,} pictures of {place}" for place, n in rest.items())
        words += f" ({told} left out)"
    return Split(found["train"], found[test], words)


def labels(train: Sequence[str], test: Sequence[str]) -> dict[str, int]:
    """Each picture's class, the first folder that is not one of the split; empty where that says none.

    It says none where a picture lies in no such folder, where there is one class or nearly as many
    as pictures, or where a class is tested and not trained.
    """
    classes = {name: _class(name) for name in [*train, *test]}
    # Folders around all of them are no classes.
    levels = zip(*classes.values(), strict=False)
    around = sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, levels))
    classes = {name: path[around:] for name, path in classes.items()}
    if not all(classes.values()):
        return {}
    trained = sorted({classes[name][0] for name in train})
    tested = {classes[name][0] for name in test}
    if not 2 <= len(trained) <= len(train) // 2 or not tested <= set(trained):
        return {}
    number = {name: index for index, name in enumerate(trained)}
    return {name: number[path[0]] for name, path in classes.items()}


def in_order(numbers: dict[str, int], names: Sequence[str]) -> np.ndarray:
    """int64 [len(names)]: the classes of these pictures."""
    return np.array([numbers[name] for name in names], np.int64)


def _part(name: str) -> tuple[str, str]:
    """The folder that says what a picture is for, and what: train, test, validation or nothing."""
    return _part_of_folder(os.path.dirname(name))


@functools.lru_cache(maxsize=1024)  # pictures are many, and asked for twice; their folders are few
def _part_of_folder(place: str) -> tuple[str, str]:
    for folder in place.split("/"):
        for part, pattern in _PARTS.items():
            if pattern.fullmatch(folder):
                return folder, part
    return place, ""


def _class(name: str) -> list[str]:
    of_split, part = _part(name)
    folders = name.split("/")[:-1]
    if part:
        folders.remove(of_split)
    return folders
