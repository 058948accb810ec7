"""Numbers as the files of a run hold them."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any


def checksum(metrics: Mapping[str, Any]) -> int:
    """Of what metrics.json says, without the sum itself."""
    return zlib.crc32(json.dumps(metrics, sort_keys=True).encode())


def is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a number that a run could have written, or null."""
    if value is None or isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def number(value: Any) -> float | int | None:
    """A number as JSON has it: None where it is not finite."""
    value = value if isinstance(value, int) else float(value)
    return value if math.isfinite(value) else None  # JSON knows no NaN


def cell(value: Any) -> str:
    """A number as history.csv has it: nothing where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{float(value):.9g}"
