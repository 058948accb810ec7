"""What any setting's value has to be, whatever it means: numbers that fit, text that can be written."""

from __future__ import annotations

import math
import numbers
import operator
import os
import re
import sys
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from wae_tf import registry
from wae_tf.errors import FlagError
from wae_tf.files import of_user

#: The largest int32: sizes and counts are such in TensorFlow's ops.
LARGEST_INT = 2**31 - 1
#: The largest float32 and the smallest that is normal: weights and losses are such.
LARGEST_FLOAT, SMALLEST_FLOAT = 3.4028234e38, 1.1754944e-38
#: Of `shown`.
_SHOWN = 60
#: Models whose penalty is of pairs of codes, so that a batch of one has none.
OF_PAIRS = ("wae_mmd", "wae_mmdpp", "wae_mmdppp")
#: Settings that presets name for every model, and the package's models that read them.
_READ_BY = {
    "mmd_kernel": OF_PAIRS,
    "mmd_scales": ("wae_mmd",),
    "swd_projections": ("wae_swd",),
    "lr_adv": ("wae_gan",),
    "gan_trick": ("wae_gan",),
    "adversary_filters": ("wae_gan",),
    "adversary_layers": ("wae_gan",),
}


def shown(value: Any) -> str:
    """A value as a sentence can have it: on one line, and short."""
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a number of over 60 digits"  # str() of over 4,300 digits is an error
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


#: What a field's annotation means, in words.
_TYPES: dict[str, tuple[Any, str]] = {
    "bool": (bool, "True or False"),
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a number"),
    "str": (str, "text"),
}


def plain(name: str, value: Any, annotation: str) -> Any:
    """A value of the type that a field is annotated with: NumPy's scalars as Python's, paths as text.

    Args:
        name: of the flag.
        value: not None.
        annotation: such as `int`, `float | None` or `tuple[float, ...]`.

    Raises:
        FlagError: it is of another type.
    """
    several = re.match(r"tuple\[(\w+)", annotation)
    if several:
        no_list = isinstance(value, (str, bytes, Set)) or not isinstance(value, Iterable)
        if no_list or getattr(value, "ndim", 1) == 0:
            raise FlagError(f"--{name}={shown(value)} is accepted in a list or tuple only.")
        return tuple(plain(name, one, several[1]) for one in value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    kind = annotation.partition(" ")[0]
    if kind == "str" and isinstance(value, os.PathLike):
        value = os.fspath(value)
    accepted, words = _TYPES[kind]
    if isinstance(value, accepted) and (accepted is bool or not isinstance(value, bool)):
        if accepted is numbers.Integral:
            return operator.index(value)
        # 10 is written as a flag's 10.0, and a third not as 1/3.
        return to_float(name, value) if accepted is numbers.Real else value
    text = repr(value) if isinstance(value, str) else value
    raise FlagError(
        f"--{name}={shown(text)} is of the type {type(value).__name__}; accepted: {words}."
    )


def to_float(name: str, value: Any) -> float:
    """A real number, or the text of one, as a float.

    Args:
        name: of the flag.
        value: such as 1, Fraction(1, 3) or "1e-3".

    Raises:
        ValueError: no number.
        FlagError: one that is not 0, and that a float is too coarse for.
    """
    try:
        number = float(value)
    except OverflowError:  # of an int or a fraction; of a text it is infinite
        return math.inf if value > 0 else -math.inf
    is_zero = not value
    if isinstance(value, str):
        is_zero = not any(c.isdecimal() and int(c) for c in value.lower().partition("e")[0])
    if number == 0 and not is_zero:
        raise _rounded_to_zero(name, value)
    return number


def _rounded_to_zero(name: str, value: Any) -> FlagError:
    return FlagError(f"--{name}={shown(value)} is 0 in float32; accepted: 0, or 1.2e-38 up.")


def check_number(name: str, value: float, *, any_int: bool = False) -> None:
    """Checks that a number is finite and can be one of TensorFlow's.

    Args:
        name: of the flag.
        value: an int or a float.
        any_int: accept an int of 64 bits, as of a seed.

    Raises:
        FlagError: it cannot.
    """
    if isinstance(value, int):
        least, most = (-(2**63), 2**63 - 1) if any_int else (-LARGEST_INT, LARGEST_INT)
        if value > most:
            raise FlagError(f"--{name}={shown(value)} is too large; accepted: {most} at most.")
        if value < least:
            raise FlagError(f"--{name}={shown(value)} is too small; accepted: {least} up.")
    elif not math.isfinite(value):
        raise FlagError(f"--{name}={value} is not a finite number.")
    elif abs(value) > LARGEST_FLOAT:
        raise FlagError(f"--{name}={value} is too large for float32; accepted: to +-3.4e38.")
    elif 0 < abs(value) < SMALLEST_FLOAT:
        raise _rounded_to_zero(name, value)


def check_text(name: str, value: str) -> None:
    """Checks that a text can be written into a file of flags, and be a path's name.

    Raises:
        FlagError: a control character, bytes that are no UTF-8 or that Python was told not to read, or a
            home folder of nobody.
    """
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise FlagError(
            f"--{name}={shown(value)} has a control character, such as a line's end; accepted: "
            "text of one line."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        if (encoding := sys.getfilesystemencoding()) != "utf-8":
            raise FlagError(
                f"--{name}={shown(value)} has characters beyond {encoding}, in which Python reads flags and "
                "paths here; set PYTHONUTF8=1."
            ) from error
        raise FlagError(
            f"--{name}={shown(value)} is not UTF-8; accepted: text, and paths, in UTF-8."
        ) from error
    of_home(name, value)


def of_home(name: str, value: str | os.PathLike) -> Path:
    """A path with `~` as a shell would have it, which leaves the one behind a flag's = alone.

    Raises:
        FlagError: a home folder of nobody.
    """
    path = of_user(value)
    if str(path).startswith("~") and str(value).startswith("~"):
        raise FlagError(
            f"--{name}={shown(value)} begins with a home folder that is not known; write ./~ "
            "for a name that begins with ~."
        )
    return path


def check_divisions_by_scale(settings: Any) -> None:
    """Checks what a prior_scale of 0 goes with.

    Args:
        settings: a `Settings` of prior_scale 0.

    Raises:
        FlagError: it would give NaN, as in the official code.
    """
    divides = {
        "the KL of --model=vae": settings.model == "vae",
        f"--gan_trick={settings.gan_trick}": settings.gan_trick != "off",
        f"the kernel of --model={settings.model} with --mmd_kernel=imq": settings.mmd_kernel
        == "imq"
        and settings.model in OF_PAIRS
        and settings.prior == "normal",
    }
    for what, does in divides.items():
        if does:
            raise FlagError(
                f"--prior_scale=0 makes the prior a point, and {what} divides by its scale; "
                "accepted: any other number."
            )


def _is_of_others(name: str, model: str) -> bool:
    """Whether a setting is of parts that other models have, and this one says that it has not."""
    own = registry.fact("model", model, "options")
    if own is None or name in own:
        return False
    return bool(registry.having("model", "options", name))


def unread(names: Iterable[str], model: str) -> list[str]:
    """Which settings a model of the package's does not read, though it accepts them; a plugin's may.

    Presets name them for every model, and so may flags of runs: they cannot be refused.
    """
    if not registry.entry("model", model).module.startswith("wae_tf."):
        return []
    return [name for name in dict.fromkeys(names) if model not in _READ_BY.get(name, (model,))]


def check_report_options(settings: Any) -> None:
    """Checks that an option of the replication report's goes with the model and its other options.

    Raises:
        FlagError: it does not.
    """
    for name in settings.changes():
        if _is_of_others(name, settings.model):
            raise FlagError(
                f"--{name} does not go with --model={settings.model}: it has no such part."
            )
    if settings.penalty_codes == "fresh" and settings.encoder_noise not in ("gaussian", "implicit"):
        raise FlagError(
            "--penalty_codes=fresh needs --encoder_noise=gaussian or implicit, not "
            f"{settings.encoder_noise}: other codes of an image do not change."
        )
    if settings.mmd_kernel == "rbf" and settings.mmd_distances != "exact":
        raise FlagError("--mmd_distances=replication goes with --mmd_kernel=imq only.")
    if settings.decoder_output == "tanh" and settings.pixel_range_of_data == "unit":
        raise FlagError(
            "--decoder_output=tanh does not go with --pixel_range=unit: pixels in [0, 1] are "
            "nothing to hold -1 against."
        )
    if settings.adversary_outputs > 2:
        raise FlagError(f"--adversary_outputs={settings.adversary_outputs}: 1 or 2 is accepted.")
    if settings.adversary_outputs == 2 and settings.gan_trick != "off":
        raise FlagError("--gan_trick goes with --adversary_outputs=1 only.")
    if settings.encoder_clip == "std_at_most" and settings.model in ("wae_mmdpp", "wae_mmdppp"):
        raise FlagError(f"--encoder_clip=std_at_most does not go with --model={settings.model}.")
    if settings.penalty_codes == "fresh" and settings.model in ("vae", "wae_mmdpp", "wae_mmdppp"):
        raise FlagError(
            f"--penalty_codes=fresh does not go with --model={settings.model}, whose penalty is not "
            "of the codes that are decoded."
        )
