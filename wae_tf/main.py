"""The command line: `python -m wae_tf.main [--mode=...] [--dataset=D] [--model=M] [flags]`.

With no flags it trains WAE-MMD on handwritten digits that need no download. The settings come from
the preset of data set and model (flags/D_M.flags), then from any --flagfile, then from the command
line, which always wins. --mode=evaluate, sample, interpolate and export work on a finished run: they
take its settings from its --work_dir. --mode=classifier trains a classifier of a labelled data set, which
--mode=evaluate measures distances by.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# Before TensorFlow is imported: on a machine without a GPU it would report that as an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from wae_tf import console
from wae_tf.cli import arguments as cli_arguments
from wae_tf.cli import modes, version
from wae_tf.console import interruption, quiet
from wae_tf.errors import UserError, of_a_file, printable

#: What a signal means for a mode that says nothing else.
_ADVICE = "the work was not done; the same command begins it again."


def _run(arguments: Sequence[str]) -> None:
    if version.asked(arguments):
        print(version.text())
        return
    text = cli_arguments.help_text(arguments)
    if text is not None:
        print(text)
        return
    values, config = cli_arguments.parse(arguments)
    modes.run(config, values)


def _dispatch(arguments: Sequence[str]) -> None:
    address = None if version.asked(arguments) else cli_arguments.address(arguments)
    if address is None:
        _run(arguments)
        return
    from wae_tf.runs import remote

    with remote.local(address) as folder:
        _run([*arguments, f"--work_dir={folder}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad flags, 1 for a failed run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    console.to_stdout()
    try:
        with interruption.listening(_ADVICE):
            _dispatch(arguments)
    except UserError as error:
        console.leave_line()
        print(f"wae_tf: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("wae_tf: interrupted.", file=sys.stderr)
        return 130
    except Exception as error:
        found = of_a_file(error)  # one that is there and may not be touched, a full disk
        if found is None:
            raise
        name = printable(found[0] or "a file that is read or written")
        print(f"wae_tf: {name} cannot be used: {found[1]}.", file=sys.stderr)
        return 1
    return 0


def program() -> int:
    """`main` as a process of its own, which a signal ends within seconds, whatever runs then."""
    quiet.start(cli_arguments.verbosity(sys.argv[1:]))
    try:
        with interruption.listening(_ADVICE) as stop, interruption.answering("wae_tf"):
            status = main()
            stop.number = None  # `main` has answered
    except interruption.Interrupted as error:
        print(f"wae_tf: {error}", file=sys.stderr)
        status = error.status
    interruption.ignore()  # all is said; the interpreter only has to leave
    return status


if __name__ == "__main__":
    sys.exit(program())
