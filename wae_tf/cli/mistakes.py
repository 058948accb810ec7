"""What a command line that cannot be read most likely meant, as a sentence."""

from __future__ import annotations

import os

from absl import flags

from wae_tf import registry
from wae_tf.errors import FlagError, suggestions
from wae_tf.settings.checks import shown

#: Flags that other programs have and this one answers by something else.
_INSTEAD = {
    "resume": "a run that was stopped goes on with the command that began it",
    "gpu": "GPUs are used where they are; CUDA_VISIBLE_DEVICES chooses among them",
    "device": "GPUs are used where they are; CUDA_VISIBLE_DEVICES chooses among them",
    "cuda": "GPUs are used where they are; CUDA_VISIBLE_DEVICES chooses among them",
    "cpu": "CUDA_VISIBLE_DEVICES= (nothing) leaves the GPUs out",
    "workers": "batches are gathered on all cores",
    "num_workers": "batches are gathered on all cores",
}


def unknown_flag(error: flags.UnrecognizedFlagError, values: flags.FlagValues) -> FlagError:
    """The sentence for a flag that there is not."""
    name = error.flagname
    known = [*values, "flagfile", "help"]
    if name in _INSTEAD:
        return FlagError(f"--{shown(name)} is no flag here: {_INSTEAD[name]}.")
    first, space, value = name.partition(" ")
    if space and first in known:
        return FlagError(
            f"Unknown command line flag '{shown(name)}'; did you mean --{first}={shown(value.strip())}?"
        )
    for negation in ("no", "no_", "no-"):
        meant = name.removeprefix(negation)
        if meant == name or meant not in values:
            continue
        if values[meant].boolean:
            return FlagError(f"--{shown(name)} is not known; did you mean --no{meant}?")
        return FlagError(
            f"--{shown(name)} is not known: --{meant} is no switch and takes a value: "
            f"{values[meant].help}."
        )
    found = suggestions.near(name, known, suggestions.FLAGS)
    guess = f"did you mean --{found}? --help lists the flags." if found else "--help lists them."
    return FlagError(f"Unknown command line flag '{shown(name)}'; {guess}")


#: What a flag's value has to be, by absl's name of its type.
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def wrong_kind(error: flags.IllegalFlagValueError, values: flags.FlagValues) -> FlagError:
    """The sentence for a value of another type than its flag's."""
    if isinstance(error.__context__, FlagError):  # of its parser, which names the flag
        return error.__context__
    text = " ".join(str(error).split())
    name, _, value = text.removeprefix("flag --").partition("=")
    value, _, _ = value.rpartition(": ")
    if name not in values or values[name].flag_type() not in _KINDS:
        return FlagError(f"{text[:300].rstrip('.')}; --help lists the flags.")
    # absl tells why behind the value, which may have colons too.
    value = value.split(": ")[0]
    return FlagError(f"--{name}={shown(value)} is not {_KINDS[values[name].flag_type()]}.")


def bare_word(word: str, values: flags.FlagValues) -> FlagError:
    """The sentence for a word that is no flag."""
    meant = _meaning(word, values)
    guess = f"did you mean {meant}?" if meant else "--help lists them."
    return FlagError(
        f"'{shown(word)}' is not a flag; flags are written --name=value, or --name for a switch; "
        f"{guess}"
    )


def _meaning(word: str, values: flags.FlagValues) -> str | None:
    name, equals, value = word.partition("=")
    if equals:
        found = suggestions.near(name, values, suggestions.FLAGS)
        return f"--{found}={shown(value)}" if found else None
    if word in ("help", "?", "/?"):
        return "--help"
    if word.lower() in ("true", "false", "yes", "no", "on", "off"):
        return "--name or --noname, which is how switches are set"
    for kind, (flag, _) in registry.KINDS.items():
        if word in registry.names(kind):
            return f"--{flag}={word}"
    if os.path.exists(word):
        return f"--{'flagfile' if word.endswith('.flags') else 'data_dir'}={shown(word)}"
    for kind in ("mode", "dataset", "model"):
        if found := suggestions.near(word, registry.names(kind)):
            return f"--{kind}={found}"
    return f"--{word}" if word in values else None
