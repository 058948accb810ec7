"""From the start of mnist_small to the end of its first call: seconds of computing and memory by phase.

    python benchmarks/start.py --data_dir=MNIST_DIR [--cache_dir=FOLDER]

With --cache_dir XLA's program is kept there, as `wae_tf.main` keeps it in the user's cache: call it twice.
Prints Markdown: seconds of all threads, resident memory after each phase and at its most so far, and
how much of it is this process's alone (the rest are pages of libraries, which processes share).
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import common

from wae_tf.console import lean
from wae_tf.runs import compiled

PRESET = Path(__file__).parents[1] / "flags" / "official" / "mnist_small.flags"
rows: list[list[str]] = []
_last = 0.0


def note(phase: str) -> None:
    """A row for what came since the last one."""
    global _last
    now = time.process_time()
    memory = [f"{common.memory_mb(which):,.0f}" for which in ("VmRSS", "RssAnon", "VmHWM")]
    rows.append([phase, f"{now - _last:.2f}", *memory])
    _last = now


def noted(owner: Any, name: str, before: str, phase: str) -> None:
    """Makes rows of a function's calls: what came before it, and it."""
    plain = getattr(owner, name)

    def timed(*args: Any, **named: Any) -> Any:
        if before:
            note(before)
        result = plain(*args, **named)
        note(phase)
        return result

    setattr(owner, name, timed)


def main() -> None:
    """Trains a call, prints."""
    parser = common.parser(__doc__)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--cache_dir")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    note("Python")
    if options.cache_dir:
        compiled.start(options.cache_dir)
    lean.import_keras()
    note("Keras and TensorFlow imported")

    import keras

    from wae_tf.cli.arguments import parse
    from wae_tf.models.wae import Wae
    from wae_tf.training import feeding, reading, setup, train

    note("wae_tf imported")
    noted(reading, "load_images", "", "images read")
    noted(setup, "build", "", "model")
    noted(feeding.Feed, "from_step", "optimizers, first checkpoint, images as a tensor", "pipeline")
    noted(Wae, "train_step", "to the step", "step traced")

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            note("first call: XLA, 20 steps")
            raise common.Enough

    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--flagfile={PRESET}", "--nopretrain"]
        arguments += ["--figure_every=0", f"--data_dir={options.data_dir}"]
        try:
            train.train(parse([*arguments, f"--work_dir={folder}/run"])[1], [Stop()])
        except common.Enough:
            compiled.keep()
    head = ["phase", "s", "resident, MB", "its own, MB", "most so far, MB"]
    print(common.markdown(head, rows))


if __name__ == "__main__":
    common.program(main)
