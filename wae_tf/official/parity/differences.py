"""How far numbers are apart: rows of the table, tolerances, and the floor of rounding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from wae_tf.official.parity import record

#: How many times the measured floor a difference may be where the floor is above the tolerance.
#: The floor is what one rounding of the weights alone does; here every operation rounds otherwise.
FLOOR_FACTOR = 3.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: the largest difference of a case's quantity.

    `floor` is what the official code differs by from itself when its initial weights are moved by
    one float32 rounding, in the same measure as `difference`; None where it was not recorded.
    """

    case: str
    quantity: str
    difference: float
    tolerance: float
    floor: float | None
    where: str  # the array that is nearest to its limit, or beyond it
    forks: int = 0  # nudged runs it took until one went the official run's way

    @property
    def limit(self) -> float:
        """The tolerance, or FLOOR_FACTOR times the floor where that is more."""
        return max(self.tolerance, FLOOR_FACTOR * (self.floor or 0.0))

    @property
    def verdict(self) -> str:
        """`ok`, `floor` (beyond the tolerance, but not beyond the official code's own), `FAIL`.

        `fork`: our run went another way, one from weights moved by one rounding the official way.
        """
        if self.forks and self.difference <= self.limit:
            return "fork"
        if self.difference <= self.tolerance:
            return "ok"
        return "floor" if self.difference <= self.limit else "FAIL"

    @property
    def ok(self) -> bool:
        """Whether the difference is a number within its limit."""
        return self.verdict != "FAIL"


#: Runs and single passes from weights moved by one rounding that are tried where 20 iterations or
#: gradients ended far apart: a unit near its threshold can fall on either side by rounding alone, and the
#: run then takes another way, and the gradient another value.
FORKS = 24
#: Quantities that no threshold makes jump: they are compared from unmoved weights alone.
STEADY = {"outputs", "losses", "moments"}

#: Tolerances by quantity, from the official code under TensorFlow 1.15 against the same code under
#: 2.21 (outputs to 2e-5, losses 1e-6, gradients 1e-5, of mmdppp 4e-4).
OUTPUTS, LOSSES, GRADIENTS, GRADIENTS_1D = 3e-5, 1e-5, 1e-4, 1e-3
#: After 20 iterations.
LATE_LOSSES, LATE_OUTPUTS, LATE_WEIGHTS = 1e-3, 1e-2, 1e-5
#: Of the terms, where a loss is what large ones leave: 8 roundings of float32. The official MMD+++ is up
#: to 4.5 from float64, ours up to 3.2.
ROUNDINGS = 8.0 * 2.0**-24
#: A schedule's value, against float64.
SCHEDULES = 1e-6


class Differences:
    """Collects the largest relative difference of each quantity of a case."""

    def __init__(self, case: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]):
        self.case, self.arrays = case, arrays
        self.floors = dict(zip(meta.get("floor", ()), arrays.get("floor", ()), strict=True))
        self.rows: dict[str, Row] = {}
        self.seen: set[str] = {"floor"} & set(arrays)

    def add(
        self, quantity: str, name: str, mine: Any, tolerance: float, scale: float | None = None
    ) -> None:
        """Compares with the recorded array, and keeps what is worst; see `row`."""
        self.keep(self.row(quantity, name, mine, tolerance, scale))

    def row(
        self, quantity: str, name: str, mine: Any, tolerance: float, scale: float | None = None
    ) -> Row:
        """Compares with the recorded array: the largest |difference| over `scale`.

        Without a scale, or with one of 0: the recorded array's largest absolute value, or 1 of zeros.
        """
        stored = self.arrays[name]
        self.seen.add(name)
        mine = record.like(np.asarray(mine), stored).astype(np.float64)
        stored = stored.astype(np.float64)
        scale = scale or float(np.abs(stored).max(initial=0.0)) or 1.0
        difference = float(np.abs(mine - stored).max() / scale) if stored.size else 0.0
        if not np.isfinite(difference):
            difference = float("inf")
        floor = float(self.floors[name]) / scale if name in self.floors else None
        return Row(self.case, quantity, difference, tolerance, floor, name)

    def keep(self, row: Row) -> None:
        """Keeps a quantity's row that is nearest to its limit, or furthest beyond it."""
        worst = self.rows.get(row.quantity)
        if worst is None or _share(row) > _share(worst):
            self.rows[row.quantity] = row

    def loss(
        self, quantity: str, name: str, mine: Any, tolerance: float, terms: float = 0.0
    ) -> None:
        """Compares a loss, relative to max(1, |value|): an MMD's own size is no measure.

        With the size of its terms, where that is large: their rounding, which stays where they cancel.
        """
        largest = float(np.abs(self.arrays[name]).max())
        self.add(quantity, name, mine, tolerance, max(1.0, largest, ROUNDINGS * terms / tolerance))


def _share(row: Row) -> float:
    if math.isinf(row.limit):
        return row.difference
    return row.difference / row.limit if row.limit else float(row.difference > 0)
