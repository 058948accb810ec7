"""What this machine's processor has for half precision, and what that means for a training on it."""

from __future__ import annotations

from pathlib import Path

#: Where Linux lists what a processor can do.
CPUINFO = Path("/proc/cpuinfo")
#: The parts of processors that compute in half, instead of converting it: x86's, then ARM's.
_UNITS = {
    "mixed_bfloat16": {"avx512_bf16": "AVX512_BF16", "amx_bf16": "AMX_BF16", "bf16": "BF16"},
    "mixed_float16": {"avx512_fp16": "AVX512_FP16", "amx_fp16": "AMX_FP16", "asimdhp": "FP16"},
}
#: What was measured (docs/performance.md) without these parts, on an AVX2 processor.
_WITHOUT = {
    "mixed_bfloat16": "convolutions took 5 to 7 times as long on one like it, dense layers no less",
    "mixed_float16": "convolutions took twice as long on one like it, dense layers no less",
}
#: And with some, the strongest first.
_WITH = {
    "AMX_BF16": "on one like it convolutions of 256 filters and more took 0.4 to 0.55 of float32's "
    "time, those of 64 filters 1.4 times and small dense networks 1.3 times as long",
    "AVX512_BF16": "on one like it convolutions of 256 filters and more took 0.75 to 0.85 of float32's "
    "time, those of 64 filters 1.06 times as long and small dense networks as long",
}


#: What tells kinds of processors apart, of x86 and ARM.
_KIND = ("vendor_id", "cpu family", "model", "model name", "stepping", "CPU implementer", "CPU part",
         "CPU variant", "CPU revision")  # fmt: skip


def _facts() -> dict[str, str]:
    """What Linux says of the first processor; {} where it says nothing."""
    try:
        first = CPUINFO.read_text().partition("\n\n")[0]
    except (OSError, ValueError):
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): words.strip() for name, _, words in pairs}


def abilities() -> frozenset[str]:
    """What the processor can do, in Linux's words; empty where that is not known."""
    facts = _facts()
    return frozenset(facts.get("flags", facts.get("Features", "")).split())


def described() -> list[str]:
    """What programs that are compiled for this processor depend on; empty where that is not known."""
    has, facts = abilities(), _facts()
    return [*(facts.get(name, "") for name in _KIND), *sorted(has)] if has else []


def against_half(precision: str) -> str | None:
    """Why a training in this precision is slow on this processor; None: it is not known to be.

    Args:
        precision: as --precision.
    """
    has = abilities()
    if precision not in _UNITS or not has or _units(precision):
        return None
    first, second, *_ = _UNITS[precision].values()
    return (
        f"this processor has neither {first} nor {second}: in {precision} {_WITHOUT[precision]}; "
        "float32 is advised"
    )


def on_half(precision: str) -> str | None:
    """What this processor has for a training in this precision; None: nothing is known.

    Args:
        precision: as --precision.
    """
    if units := _units(precision):
        known = next(
            (told for unit, told in _WITH.items() if unit in units), "its gain is not measured"
        )
        return f"this processor has {' and '.join(units)} for {precision}: {known}"
    return against_half(precision)


def _units(precision: str) -> list[str]:
    has = abilities()
    return [told for name, told in _UNITS.get(precision, {}).items() if name in has]
