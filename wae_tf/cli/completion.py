"""`--completion=bash`, `=zsh`: a script that completes flags and their values, made of the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import flags

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.errors import FlagError
from wae_tf.evaluation.options import Options

SHELLS = ("bash", "zsh")
#: Endings of the names of flags whose values are paths.
_PATHS = ("_dir", "_file", "flagfile", "classifier", "inception", "init_from_official")

_BASH = """\
# Completes wae_tf in this shell: eval "$(wae_tf --completion=bash)"
_wae_tf() {
  local line=${COMP_LINE:0:COMP_POINT} before
  local word=${line##*[[:space:]]}
  COMPREPLY=()
  if [[ $word != *=* ]]; then
    compopt -o nospace
    COMPREPLY=($(compgen -W "@SWITCHES@ @VALUED@" -- "$word"))
    # A switch is whole as it stands; a flag waits for its value behind the =.
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *= ]] && COMPREPLY[0]+=" "
    return
  fi
  # Where = parts words, as it does unless told otherwise, the reply is what stands behind it.
  [[ $COMP_WORDBREAKS == *=* ]] && before= || before=${word%%=*}=
  case ${word%%=*} in
@CASES@
  esac
}
complete -F _wae_tf wae_tf
"""

_ZSH = """\
# Completes wae_tf in this shell: eval "$(wae_tf --completion=zsh)"
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_wae_tf() {
  local word=$PREFIX
  if [[ $word != *=* ]]; then
    compadd -- @SWITCHES@
    # A flag waits for its value behind the =.
    compadd -S '' -- @VALUED@
    return
  fi
  compset -P '*='
  case ${word%%=*} in
@CASES@
  esac
}
compdef _wae_tf wae_tf
"""


def asked(arguments: Sequence[str]) -> str | None:
    """The shell whose script a command line asks for, or None.

    Raises:
        FlagError: there is none for it.
    """
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "completion":
            shell = value if equals else after
            if shell not in SHELLS:
                raise FlagError(
                    f"--completion={shell} is not known; accepted: {', '.join(SHELLS)}."
                )
            return shell
    return None


def script(shell: str, values: flags.FlagValues) -> str:
    """The script for a shell.

    Args:
        shell: of SHELLS.
        values: in which every flag is defined.
    """
    switches, valued = ["--help", "--helpfull"], ["--help=", "--flagfile="]
    for name in values:
        if values[name].boolean:
            switches += [f"--{name}", f"--no{name}"]
        else:
            valued.append(f"--{name}=")
    known = {"help": (*registry.names("mode"), "full")} | _choices()
    words = {f"--{name}": " ".join(of) for name, of in sorted(known.items())}
    of_paths = [f"--{name}" for name in ("flagfile", *values) if name.endswith(_PATHS)]
    paths = "|".join(dict.fromkeys(of_paths))
    if shell == "bash":
        cases = [
            f'    {flag}) COMPREPLY=($(compgen -P "$before" -W "{of}" -- "${{word#*=}}")) ;;'
            for flag, of in words.items()
        ]
        cases.append(
            f"    {paths}) compopt -o filenames; "
            'mapfile -t COMPREPLY < <(compgen -P "$before" -f -- "${word#*=}") ;;'
        )
    else:
        cases = [f"    {flag}) compadd -- {of} ;;" for flag, of in words.items()]
        cases.append(f"    {paths}) _files ;;")
    return (
        {"bash": _BASH, "zsh": _ZSH}[shell]
        .replace("@SWITCHES@", " ".join(switches))
        .replace("@VALUED@", " ".join(valued))
        .replace("@CASES@", "\n".join(cases))
    )


def _choices() -> dict[str, tuple[str, ...]]:
    """The values of flags that name something, by flag."""
    found = {flag: tuple(registry.names(kind)) for kind, (flag, _) in registry.KINDS.items()}
    for cls in (Config, Options):
        for field in dataclasses.fields(cls):
            if field.metadata["choices"]:
                found[field.name] = tuple(field.metadata["choices"])
    return found
