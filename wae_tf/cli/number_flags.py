"""Flags that take a number of any size, and say which are 0 by rounding alone."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from wae_tf.errors import FlagError
from wae_tf.settings.checks import to_float


class _Parser(flags.FloatParser):
    """absl's, which takes `1e-400` as 0 without a word."""

    def __init__(self, name: str):
        super().__init__()
        self._name = name

    def convert(self, argument: int | float | str) -> float:
        """The number of a flag's text; absl makes an IllegalFlagValueError of what this raises."""
        return to_float(self._name, argument)


def define(name: str, default: float | None, text: str, flag_values: flags.FlagValues) -> None:
    """As `flags.DEFINE_float`."""
    flags.DEFINE(_Parser(name), name, default, text, flag_values, flags.ArgumentSerializer())


def several(name: str, words: Sequence[str]) -> tuple[float, ...]:
    """The numbers of a flag that takes a list of them.

    Raises:
        FlagError: a word is no number, or one that is 0 by rounding.
    """
    try:
        return tuple(to_float(name, word) for word in words)
    except FlagError:
        raise
    except ValueError as error:
        raise FlagError(f"--{name} takes numbers separated by commas.") from error
