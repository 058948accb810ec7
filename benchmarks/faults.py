"""Kills training again and again, and counts what was lost.

    python benchmarks/faults.py --out=OUT --kills=50

A run on digits for each of WAE-MMD, WAE-GAN and VAE is made once without interruption, and once more
while the process is killed (SIGKILL) at a random moment of its life, started again, and so on until
it ends. Then history.csv (but for its seconds), lambda and all weights are compared bit by bit. Runs
are repeated until there were --kills kills; a kill is lost if the run it fell into ended otherwise
than the uninterrupted one, or could not be gone on with.

    python benchmarks/faults.py --out=OUT --kinds=all

tries other faults of tiny runs (`fault_kinds.py` says of each what counts as survived) and prints a
table of tries, survived, lost and tracebacks. Kinds may be tried one by one into the same OUT, which
keeps the tries of each in KIND.json; the table is of all that are there.
"""

from __future__ import annotations

import collections
import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import common
import fault_kinds
import numpy as np
import tensorflow as tf

MODELS = ("wae_mmd", "wae_gan", "vae")
FLAGS = [
    "--train_size=600", "--test_size=100", "--batch_size=20", "--epochs=8", "--encoder_filters=32",
    "--decoder_filters=32", "--adversary_filters=64", "--save_every_steps=7", "--figure_every=2",
    "--pretrain_size=300", "--lambda_schedule=adaptive", "--pictures=16", "--picture_columns=4",
]  # fmt: skip
OWN = {
    "wae_mmd": ["--lr_schedule=plateau"],
    "wae_gan": ["--lr_schedule=3", "--encoder_noise=add_noise"],
    "vae": ["--lr_schedule=manual_smooth", "--steps_per_execution=5"],
}
#: The command line, with schedules that move within these 240 steps as they else do within thousands.
PROGRAM = """
import sys
from wae_tf import main
from wae_tf.models.step import schedules
schedules.LAMBDA_EVERY = 50
schedules.PLATEAU_START, schedules.PLATEAU_WINDOW, schedules.PLATEAU_PATIENCE = 1, 2, 1
sys.exit(main.main())
"""


def command(model: str, folder: Path) -> list[str]:
    """The command of a run."""
    head = [sys.executable, "-c", PROGRAM, f"--model={model}", f"--work_dir={folder}"]
    return [*head, *FLAGS, *OWN[model]]


def outcome(folder: Path) -> tuple[list[list[str]], dict[str, np.ndarray]]:
    """History without seconds, and every tensor of the last checkpoint."""
    with (folder / "history.csv").open(newline="") as file:
        rows = [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]
    newest = max((folder / "checkpoints").glob("step-*"))
    reader = tf.train.load_checkpoint(str(newest / "model"))
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    return rows, {name: reader.get_tensor(name) for name in names}


def same(one: tuple, other: tuple) -> bool:
    """Whether two outcomes are equal bit by bit."""
    return (
        one[0] == other[0]
        and one[1].keys() == other[1].keys()
        and all(value.tobytes() == other[1][name].tobytes() for name, value in one[1].items())
    )


def phase(text: str) -> str:
    """Where a killed process was, by the last thing that it said."""
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    if "evaluating" in lines[-1]:
        return "evaluation"
    for line in reversed(lines):
        if line.startswith(("Epoch", "epoch", "going on")) or "step - " in line:
            return "training"
        if "parameters in" in line:
            return "pretraining"
    return "start"


def main() -> None:
    """Kills, compares, prints."""
    every = ",".join(fault_kinds.KINDS)
    parser = common.parser(__doc__)
    parser.add_argument(
        "--out", required=True, help="folder of the runs, not there yet but for --kinds"
    )
    parser.add_argument("--kills", type=common.number(), default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--kinds",
        type=lambda text: common.names(fault_kinds.KINDS)(every if text == "all" else text),
        help=f"instead of kills, all or some of {every}",
    )
    options = parser.parse_args()
    out, chance = Path(options.out), random.Random(options.seed)
    if options.kinds:
        sys.exit(fault_kinds.run(options.kinds, out, options.seed))
    out.mkdir(parents=True)
    expected, life = {}, {}
    for model in MODELS:
        began = time.monotonic()
        subprocess.run(command(model, out / model), check=True, stdout=subprocess.DEVNULL)
        life[model] = time.monotonic() - began
        expected[model] = outcome(out / model)
    kills = lost = finished = 0
    phases: collections.Counter[str] = collections.Counter()
    while kills < options.kills:
        model = MODELS[finished % len(MODELS)]
        folder, here, status = out / f"{model}_{finished}", 0, -signal.SIGKILL
        while status == -signal.SIGKILL:
            log = out / f"{model}_{finished}_{here}.log"
            with log.open("w") as file:
                process = subprocess.Popen(command(model, folder), stdout=file, stderr=file)
                try:  # the start is its longest part, and has nothing to lose
                    wait = chance.uniform(0.25, 1.0) * life[model]
                    status = process.wait(wait if here < 6 else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    status = process.wait()
                    if any(line.startswith("done in") for line in log.read_text().splitlines()):
                        status = 0  # too late: it was only about to leave
                    else:
                        here += 1
                        phases[phase(log.read_text())] += 1
        kills += here
        finished += 1
        done = status == 0 or "finished at step" in log.read_text()  # killed after its last word
        good = done and same(outcome(folder), expected[model])
        lost += 0 if good else here
        words = "as without" if good else f"DIFFERENT (status {status}, {log})"
        print(f"{model}: killed {here} times, ended {words}", flush=True)
    where = ", ".join(f"{count} in {name}" for name, count in phases.most_common())
    print(f"{kills} kills ({where}), {finished} runs: {lost} lost")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    common.program(main)
