"""The values of `preprocessing.Preprocessing`: what each key takes, as text or from JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Means and standard deviations of pictures in [0, 1], by the name of a range: (x - mean) / std.
#: imagenet: torchvision's models; clip: openai/CLIP's clip.py, `_transform`.
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "unit": ((0.0,), (1.0,)),
    "symmetric": ((0.5,), (0.5,)),
    "bytes": ((0.0,), (1 / 255,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": (
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
}
RESIZES = ("bilinear", "bilinear_antialias", "bicubic", "tf1_bilinear")
#: Those with antialias, whose pictures are bytes again.
OF_PILLOW = ("bilinear_antialias", "bicubic")
LAYOUTS, POOLS = ("nhwc", "nchw"), ("none", "first", "mean")


def _size(value: Any) -> tuple[int, int]:
    parts = value if isinstance(value, list) else str(value).split("x")
    height, width = map(int, parts * 2 if len(parts) == 1 else parts)
    if not 1 <= min(height, width) <= max(height, width) <= 2048:
        raise ValueError(value)
    return height, width


def _numbers(value: Any) -> tuple[float, ...]:
    parts = str(value).split(":") if not isinstance(value, list) else value
    numbers = tuple(map(float, parts))
    if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
        raise ValueError(value)
    return numbers


def _positive(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value)
    if min(numbers) < 1e-6:
        raise ValueError(value)
    return numbers


def _one_of(names: Sequence[str]) -> Any:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(value)
        return value

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ValueError(value)
    return value


def _channels(value: Any) -> int:
    return {"1": 1, "3": 3}.get(str(value)) or int("none")


def _switch(value: Any) -> bool:
    switches = {"yes": True, "true": True, "no": False, "false": False}
    return switches[_one_of(list(switches))(str(value).lower())]


#: How the value of each key is read; ValueError, TypeError: it is not accepted.
READ: dict[str, Any] = {
    **{"size": _size, "mean": _numbers, "std": _positive, "channels": _channels},
    **{"resize": _one_of(RESIZES), "range": _one_of(list(RANGES)), "layout": _one_of(LAYOUTS)},
    **{"pool": _one_of(POOLS), "normalize": _switch},
    **dict.fromkeys(("output", "signature", "name"), _text),
}
#: What is accepted, for a sentence.
ACCEPTED = {
    "size": "accepted: 224, or 224x160 as height and width, up to 2048",
    "mean": "accepted: one number, or three as 0.5:0.5:0.5",
    "std": "accepted: one number above 0, or three as 0.5:0.5:0.5",
    "channels": "accepted: 1, 3",
    "resize": f"accepted: {', '.join(RESIZES)}",
    "range": f"accepted: {', '.join(RANGES)}",
    "layout": f"accepted: {', '.join(LAYOUTS)}",
    "pool": f"accepted: {', '.join(POOLS)}",
    "normalize": "accepted: yes, no",
    **dict.fromkeys(("output", "signature", "name"), "accepted: a name"),
}
