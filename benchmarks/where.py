"""Where a training step's time goes, by TensorFlow's profiler.

    python benchmarks/where.py --out=OUT --data_dir=MNIST_DIR [--celeba_dir=FOLDER_OF_JPEGS] \
        [--work=mnist_small_mmd,mnist_small_gan,mnist_mmd]

Trains a piece of work of speed.py as `wae_tf.main` does, traces some steps after the first ones, and
prints milliseconds a step by kind of operation. One operation at a time is let run (its loops use all
cores), so that the parts add up to nearly the whole. `elsewhere` is what is left of the step: waiting
for input, launching, Python. The trace stays in OUT/WORK, for TensorBoard's profile plugin.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import speed

from wae_tf.models.wae import Wae
from wae_tf.training import train

#: Steps before the trace, and in it.
STEPS = {"mnist_small": (200, 100), "mnist": (2, 2), "celebA": (1, 2), "celebA_small": (5, 5)}
#: Where the official networks are narrowed.
NARROW_STEPS = (4, 8)

#: What an operation is called here, by the first expression found in its name.
KINDS = (
    ("weight gradients of convolutions", r"Conv2DBackpropFilter"),
    ("convolutions and their input gradients", r"Conv"),
    ("patches of convolutions", r"ExtractImagePatches"),
    ("matrix products, of convolutions too", r"MatMul|dot"),
    ("Adam", r"ApplyAdam"),
    ("batch norm", r"_bn|BatchNorm|batchnorm|moments"),
    ("random numbers", r"[Rr]andom|[Ss]tateless|rng"),
    ("input", r"Iterator|Prefetch|ParallelMap"),
)
#: Spans that contain others.
CONTAINERS = re.compile(
    r"Executor|Execute|KernelAndDevice|multi_step|one_step|BlockUntilReady|FunctionRun|Callback|"
    r"StatefulPartitionedCall:|InstantiatedCaptured|Await|^call$|while|^Session|Thunk|PjRt|"
    r"PartitionedCall$|Iterator::|Produce|TFE_|Eager|^execution$"
)


def parts(folder: Path, steps: int) -> dict[str, float]:
    """Milliseconds a step of each kind, from the trace in a folder."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    file = max(folder.rglob("*.xplane.pb"))  # of times: the last trace's
    space.ParseFromString(file.read_bytes())
    found: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        if plane.name != "/host:CPU":
            continue
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                # Of the path, where several steps are one call: while/body/.../Conv2D:Conv2D.
                if CONTAINERS.search(name.rpartition("/")[2]):
                    continue
                kinds = (kind for kind, pattern in KINDS if re.search(pattern, name))
                found[next(kinds, "other operations")] += event.duration_ps
    return {kind: total / 1e9 / steps for kind, total in found.most_common()}


def trace(work: str, options: argparse.Namespace) -> dict[str, Any]:
    """Trains and traces in this process."""
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    experiment, *_, filters = speed.WORK[work]
    before, count = NARROW_STEPS if filters else STEPS[experiment]
    folder = Path(options.out) / work
    noted: list[tuple[int, float]] = []

    class Tracer(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            step = int(self.model.step.numpy())
            if not noted and step >= before:
                tf.profiler.experimental.start(str(folder))
                noted.append((step, time.perf_counter()))
            elif noted and step >= noted[0][0] + count:
                noted.append((step, time.perf_counter()))
                tf.profiler.experimental.stop()
                raise common.Enough

    fit = Wae.fit

    def watched(self: Any, *args: Any, callbacks: Any = (), **named: Any) -> Any:
        return fit(self, *args, callbacks=[*callbacks, Tracer()], **named)

    Wae.fit = watched
    with tempfile.TemporaryDirectory() as run, contextlib.suppress(common.Enough):
        train.train(speed.configured(work, options, f"{run}/run"))
    (first, began), (last, ended) = noted
    return {"ms": 1e3 * (ended - began) / (last - first), "parts": parts(folder, last - first)}


def main() -> None:
    """Prints a markdown table a piece of work."""
    parser = common.parser(__doc__)
    speed.add_arguments(parser)
    parser.add_argument("--data_dir", help="folder of MNIST's idx files, unzipped")
    parser.add_argument(
        "--work", type=common.names(speed.WORK), default="mnist_small_mmd,mnist_small_gan,mnist_mmd"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(trace(options.only, options)))
        return
    Path(options.out).mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parent.parent)
    for work in options.work:
        command = [sys.executable, __file__, f"--only={work}"]
        given = {k: v for k, v in vars(options).items() if v and k != "work"}
        command += [f"--{k}" if v is True else f"--{k}={v}" for k, v in given.items()]
        environment = os.environ | {"PYTHONPATH": root}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"{work} failed:\n{done.stderr[-2000:]}")
        found = json.loads(done.stdout.strip().splitlines()[-1])
        rest = found["ms"] - sum(found["parts"].values())
        print(f"\n| {work}: {found['ms']:.4g} ms a step | ms | share |\n| --- | --- | --- |")
        for kind, ms in {**found["parts"], "elsewhere": rest}.items():
            print(f"| {kind} | {ms:.3g} | {100 * ms / found['ms']:.0f}% |", flush=True)


if __name__ == "__main__":
    common.program(main)
