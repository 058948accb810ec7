"""The command line: `python -m wae_tf.main [--mode=...] [--dataset=D] [--model=M] [flags]`.

With no flags it trains WAE-MMD on handwritten digits that need no download. The settings come from
the preset of data set and model (flags/D_M.flags), then from any --flagfile, then from the command
line, which always wins. Modes such as evaluate, sample and export work on a run that is there: they take
its settings from its --work_dir. --mode=classifier trains a classifier of a labelled data set, which
--mode=evaluate measures distances by; --mode=compare sets runs side by side.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# Before TensorFlow is imported: on a machine without a GPU it would report that as an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from wae_tf.console import interruption

if __name__ == "__main__":
    interruption.leave_at_once("wae_tf")

from wae_tf import console
from wae_tf.cli import arguments as cli_arguments
from wae_tf.cli import modes, version
from wae_tf.console import quiet
from wae_tf.errors import UserError, sentence_of_a_file

#: What a signal means for a mode that says nothing else.
_ADVICE = "the work was not done; the same command begins it again."


def _run(arguments: Sequence[str]) -> None:
    if version.asked(arguments):
        print(version.text())
        return
    if "keras" not in sys.modules:  # whatever keras.json or the shell has for other programs
        os.environ["KERAS_BACKEND"] = "tensorflow"  # before --plugins, which may import it
        for of_fit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
            os.environ.pop(of_fit, None)
    text = cli_arguments.completion_text(arguments)
    if text is None:
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
            sys.stdout.flush()
    except BrokenPipeError:  # who read stdout has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + 13  # as if SIGPIPE had ended it
    except UserError as error:
        interruption.tell("wae_tf", cli_arguments.placed(error, arguments))
        return error.status
    except KeyboardInterrupt:
        console.leave_line(echoed=True)
        print("wae_tf: interrupted.", file=sys.stderr)
        return interruption.CTRL_C
    except Exception as error:
        sentence = sentence_of_a_file(error)
        if sentence is None:
            raise
        console.leave_line()
        print(f"wae_tf: {sentence}", file=sys.stderr)
        return 1
    return 0


def program() -> int:
    """`main` as a process of its own, which a signal ends within seconds, whatever runs then."""
    quiet.start(cli_arguments.verbosity(sys.argv[1:]))
    return interruption.as_program("wae_tf", _ADVICE, main)


if __name__ == "__main__":
    sys.exit(program())
