"""`python -m wae_tf.diff`: runs the official code beside this one and tabulates how far they are apart.

The replication report's code likewise (github.com/josephdviviano/wae).

    python -m wae_tf.diff --official_dir=CLONE --official_python=PY    # records there, replays here
    python -m wae_tf.diff --records=tests/goldens                      # replays records alone, of either
    python -m wae_tf.diff --replication_dir=CLONE --replication_python=PY

It RUNS the code in the folder given, under the interpreter given, without changing a file of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from wae_tf.console import interruption, quiet

if __name__ == "__main__":
    interruption.leave_at_once("wae_tf.diff")

from wae_tf.errors import UserError, sentence_of_a_file
from wae_tf.official.parity import compare
from wae_tf.replication import compare as report

#: What a signal means.
_WHAT_NOW = "the comparison was not done; the same command begins it again."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; exit status 0: equal, 1: not, or it could not run, 2: bad flags."""
    try:
        given = compare.parser().parse_args(arguments)
        compare.expand_paths(given)
        compare.check_outputs(given)
        return (report if report.asked(given) else compare).run(given)
    except UserError as error:
        interruption.tell("wae_tf.diff", error)
        return error.status
    except Exception as error:
        sentence = sentence_of_a_file(error)
        if sentence is None:
            raise
        print(f"wae_tf.diff: {sentence}", file=sys.stderr)
        return 1


def program() -> int:
    """`main` as a process of its own, which a signal ends within seconds, whatever runs then."""
    quiet.start(quiet.level_of_environment())
    return interruption.as_program("wae_tf.diff", _WHAT_NOW, main)


if __name__ == "__main__":
    sys.exit(program())
