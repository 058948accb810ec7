"""`--completion=bash`: a script that completes flags and their values, made of the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import flags

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.errors import FlagError
from wae_tf.evaluation.options import Options

SHELLS = ("bash",)
#: Endings of the names of flags whose values are paths.
_PATHS = ("_dir", "_file", "flagfile", "classifier", "inception", "init_from_official")

_SCRIPT = """\
# Completes wae_tf in this shell: eval "$(wae_tf --completion=bash)"
_wae_tf() {
  local line=${COMP_LINE:0:COMP_POINT} before
  local word=${line##*[[:space:]]}
  COMPREPLY=()
  if [[ $word != *=* ]]; then
    compopt -o nospace
    COMPREPLY=($(compgen -W "@FLAGS@" -- "$word"))
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


def script(values: flags.FlagValues) -> str:
    """The script for bash.

    Args:
        values: in which every flag is defined.
    """
    names, cases = ["--help", "--help=", "--helpfull", "--flagfile="], []
    known = {"help": (*registry.names("mode"), "full")} | _choices()
    for name in values:
        boolean = values[name].boolean
        names += [f"--{name}", f"--no{name}"] if boolean else [f"--{name}="]
    for name, words in sorted(known.items()):
        cases.append(
            f'    --{name}) COMPREPLY=($(compgen -P "$before" -W "{" ".join(words)}" '
            '-- "${word#*=}")) ;;'
        )
    paths = [f"--{name}" for name in ("flagfile", *values) if name.endswith(_PATHS)]
    cases.append(
        f"    {'|'.join(dict.fromkeys(paths))}) compopt -o filenames; "
        'mapfile -t COMPREPLY < <(compgen -P "$before" -f -- "${word#*=}") ;;'
    )
    return _SCRIPT.replace("@FLAGS@", " ".join(names)).replace("@CASES@", "\n".join(cases))


def _choices() -> dict[str, tuple[str, ...]]:
    """The values of flags that name something, by flag."""
    found = {flag: tuple(registry.names(kind)) for kind, (flag, _) in registry.KINDS.items()}
    for cls in (Config, Options):
        for field in dataclasses.fields(cls):
            if field.metadata["choices"]:
                found[field.name] = tuple(field.metadata["choices"])
    return found
