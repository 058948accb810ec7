"""Values that nothing takes for data: those that are not finite, and those that a mask hides."""

from __future__ import annotations

from typing import Any

import numpy as np


class NotFiniteError(ValueError):
    """Rows that are not finite.

    Args:
        name: what they are rows of, for the sentence.
        bad: bool [n], whether a row is one.
        begin: which row of the data the first of them is.
    """

    def __init__(self, name: str, bad: np.ndarray, begin: int = 0):
        self.name, self.bad = name, bad
        of = f" from row {begin} on" if begin else ""
        super().__init__(
            f"{name} holds numbers that are not finite, in {int(bad.sum())} of {len(bad)} rows{of}, first "
            f"in row {begin + int(np.argmax(bad))}."
        )
        self.begin = begin

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.bad, self.begin)  # from a pool's process too


def check_finite(values: np.ndarray, name: str) -> None:
    """Refuses floats [n, ...] of which some are not finite, naming the first such row.

    Raises:
        NotFiniteError: there is one.
    """
    bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if bad.any():
        raise NotFiniteError(name, bad)


def check_unmasked(values: Any, name: str) -> None:
    """Refuses what lies below a mask, which would be taken for data.

    Raises:
        ValueError: some of a masked array is masked.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array, {int(np.ma.getmaskarray(values).sum())} of whose values are masked, "
            "and what lies below the mask would be taken for data: filled(value) makes a plain array."
        )
