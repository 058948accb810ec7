"""Milliseconds a step: this project, the official code untouched, PyTorch, JAX and pythae, side by side.

    python benchmarks/speed.py --out=OUT --data_dir=MNIST_DIR --celeba_dir=FOLDER_OF_JPEGS \
        --official_dir=CLONE --official_python=PY27 --torch_python=PY_WITH_TORCH \
        --jax_python=PY_WITH_JAX_FLAX_OPTAX

Every contender is a process of its own that trains the official experiment as its users would: input,
noise, adversary and optimizer included, without pretraining. Ours is `wae_tf.training.train`, which
`wae_tf.main` runs. Within a repetition the contenders take turns, and ratios are of the same
repetition, so that a machine that slows down slows all. PyTorch runs in both memory layouts, eagerly and
compiled, and its fastest eager and compiled ways count. pythae's WAE_MMD has the network of mnist_small;
it runs where it is installed beside PyTorch. `of matrix peak` is the part of the speed of a 2048^3 float32
matrix product, measured by ours in the same repetition, that a contender reaches with the products it
cannot avoid (`wae_tf.models.operations`). What a contender keeps for its next start (wae_tf XLA's
programs, PyTorch inductor's) it has from the second repetition on, unless OUT or its cache had it before.
Steps are timed after the first quarter, which warms up; the median counts.

Measure on a machine that does nothing else. PyTorch's threads wait for each other by spinning: beside
other programs that made its small steps 25 times slower here, and OMP_WAIT_POLICY=PASSIVE in the
environment, which all contenders get, cured it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

from wae_tf.console import lean
from wae_tf.runs import compiled

#: What a contender is started with: TensorFlow's import sets more, such as TF2_BEHAVIOR, with which the
#: official code cannot run.
ENVIRONMENT = dict(os.environ)
if KEPT := os.environ.get("SPEED_CACHE"):
    compiled.start(KEPT)  # as `wae_tf.main` does
lean.import_keras()  # likewise

from wae_tf.cli.arguments import parse  # noqa: E402
from wae_tf.models import operations  # noqa: E402
from wae_tf.models.wae import Wae  # noqa: E402
from wae_tf.training import reading, train  # noqa: E402

BEGAN = float(os.environ.get("SPEED_BEGAN", time.time()))
ROOT = Path(__file__).resolve().parent.parent

#: Name: official experiment, penalty, steps of ours and PyTorch, steps of the official code; and how many
#: filters the convolutions have, 0 for the official number.
WORK = {
    "mnist_small_mmd": ("mnist_small", "mmd", 600, 300, 0),
    "mnist_small_gan": ("mnist_small", "gan", 300, 200, 0),
    "mnist_mmd": ("mnist", "mmd", 6, 4, 0),
    "mnist_gan": ("mnist", "gan", 6, 4, 0),
    "celebA_mmd": ("celebA", "mmd", 5, 3, 0),
    "celebA_gan": ("celebA", "gan", 5, 3, 0),
    "celebA_small_mmd": ("celebA_small", "mmd", 60, 40, 0),
    "mnist_64_mmd": ("mnist", "mmd", 80, 60, 64),
    "celebA_64_mmd": ("celebA", "mmd", 40, 24, 64),
    "celebA_64_gan": ("celebA", "gan", 40, 24, 64),
    "celebA_128_mmd": ("celebA", "mmd", 24, 16, 128),
}
DEFAULT_WORK = [name for name in WORK if not WORK[name][-1] and "celebA_small" not in name]
TEST_IMAGES = 200

Run = dict[str, float]


def configured(work: str, options: argparse.Namespace, work_dir: str) -> Any:
    """The Config of a piece of work: the official experiment, without pretraining and figures."""
    experiment, penalty, *_, filters = WORK[work]
    celeba = experiment.startswith("celebA")
    arguments = [
        f"--flagfile={ROOT}/flags/official/{experiment}.flags",
        *(f"--{side}_filters={filters}" for side in ("encoder", "decoder") if filters),
        f"--model=wae_{penalty}",
        f"--data_dir={options.celeba_dir if celeba else options.data_dir}",
        f"--cache_dir={options.out}/cache",
        f"--work_dir={work_dir}",
        "--nopretrain",
        "--figure_every=0",
        f"--precision={options.precision}",
        *(["--notf32"] if options.notf32 else []),
    ]
    if celeba and options.faces:
        arguments += [f"--data_dir={options.faces}", "--dataset=folder"]
    if celeba:
        arguments += [f"--train_size={options.celeba_images}", f"--test_size={TEST_IMAGES}"]
    return parse(arguments)[1]


def matrix_rate(precision: str = "float32") -> float:
    """Operations a second of TensorFlow's 2048^3 product, the best of several; 8192^3 on a GPU."""
    import tensorflow as tf

    size = 8192 if tf.config.list_physical_devices("GPU") else 2048
    matrix = tf.cast(tf.random.normal([size, size]), precision.removeprefix("mixed_"))
    product = tf.function(lambda a: tf.matmul(a, a))
    # To fetch all of it would take longer.
    return common.matrix_rate(lambda: product(matrix)[0, 0].numpy(), size)


def gpu_mb() -> float:
    """The most that this process has had allocated on a GPU; 0: there is none."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return 0.0
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


def ours(work: str, options: argparse.Namespace) -> Run:
    """Trains in this process as `wae_tf.main` does, until there are steps enough."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    steps = options.steps or WORK[work][2]
    notes: list[tuple[int, float]] = []  # steps done, and when
    seen: dict[str, Any] = {}
    gate = common.Gate()

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            notes.append((int(self.model.step.numpy()), time.time()))
            common.mark(notes[-1][0])
            seen.setdefault("first", notes[0][1])
            seen.update(model=self.model, peak_mb=common.memory_mb())
            if gate.due and notes[-1][0] >= steps // 4:
                gate.wait()
                notes[:] = [(notes[-1][0], time.time())]
            if notes[-1][0] >= steps:
                raise common.Enough

    fit = Wae.fit

    def watched(self: Any, *args: Any, callbacks: Any = (), **named: Any) -> Any:
        return fit(self, *args, callbacks=[*callbacks, Note()], **named)

    Wae.fit = watched
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        config = configured(work, options, f"{folder}/run")
        with contextlib.suppress(common.Enough):
            train.train(config)
    each = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(notes)]
    # Of too few executions for a time (celeba_memory.py) there is the rest to say.
    if not gate.passed:
        each = each[(len(each) + 3) // 4 :]
    each = each or [math.nan]
    return {
        "seconds": statistics.median(each),
        "mean": statistics.mean(each),
        "first": seen["first"] - BEGAN,
        "peak_mb": seen["peak_mb"],
        "gpu_mb": gpu_mb(),
        "gflop": operations.operations(seen["model"], config.batch_size) / 1e9,
        "matrix_gflops": matrix_rate(options.precision) / 1e9,
    }


def torch_settings(work: str, options: argparse.Namespace) -> dict[str, Any]:
    """What torch_speed.py needs to know of a piece of work."""
    config = configured(work, options, "nowhere")
    celeba = work.startswith("celebA")
    fields = (
        "encoder_arch", "decoder_arch", "encoder_layers", "decoder_layers", "adversary_layers",
        "adversary_filters", "zdim", "lr", "lr_adv", "batch_size", "prior_scale", "wae_lambda",
        "init_std",
    )  # fmt: skip
    return {name: getattr(config, name) for name in fields} | {
        "filters": config.encoder_filters,
        "kernel": config.filter_size,
        "noise": config.encoder_noise,
        "penalty": WORK[work][1],
        "gan_trick": config.gan_trick == "official",
        "shape": [64, 64, 3] if celeba else [28, 28, 1],
        "symmetric": config.pixel_range_of_data == "symmetric",
        "images": options.celeba_images if celeba else 60_000,
        "steps": options.steps or WORK[work][2],
        "precision": options.precision,
    }


def own_command(work: str, options: argparse.Namespace, *more: str) -> list[str]:
    """The command of this project's part."""
    keys = ("data_dir", "celeba_dir", "faces", "out", "celeba_images", "steps", "precision")
    flags = [f"--{key}={getattr(options, key)}" for key in keys if getattr(options, key)]
    return [sys.executable, str(Path(__file__).resolve()), f"--only={work}", *flags, *more]


def described(work: str, options: argparse.Namespace, **environment: str) -> dict[str, Any]:
    """`torch_settings` of a process of its own: this one must not import TensorFlow."""
    done = subprocess.run(
        own_command(work, options, "--describe"),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def official_command(
    work: str, options: argparse.Namespace, *, loaded: bool = False, images: int | None = None
) -> list[str]:
    """The command of the official code's part; loaded: all images read before."""
    experiment, penalty, _, steps, filters = WORK[work]
    celeba = experiment.startswith("celebA")
    settings = {
        "clone": os.path.abspath(options.official_dir),
        "experiment": experiment,
        "penalty": penalty,
        "data_dir": os.path.abspath(options.celeba_dir if celeba else options.data_dir),
        "work_dir": f"{options.out}/official",
        "steps": options.steps or steps,
        "images": (images or options.celeba_images) if celeba else 0,
        "loaded": loaded,
        "filters": filters,
    }
    script = Path(__file__).with_name("official_speed.py").resolve()
    return [options.official_python, str(script), json.dumps(settings)]


def contenders(work: str, options: argparse.Namespace) -> dict[str, list[str]]:
    """The command of each."""
    found = {"wae_tf": own_command(work, options)}
    if options.official_python:
        found["official"] = official_command(work, options)
    settings: dict[str, Any] = {}
    if options.torch_python or options.jax_python:
        settings = described(work, options)
    if options.jax_python:
        script = str(Path(__file__).with_name("jax_speed.py").resolve())
        found["JAX"] = [options.jax_python, script, json.dumps(settings)]
    if options.torch_python:
        script = str(Path(__file__).with_name("torch_speed.py").resolve())
        kinds: dict[str, dict[str, Any]] = {}
        layouts = (False, True) if settings["encoder_arch"] != "mlp" else (False,)
        for channels_last, mode in itertools.product(
            layouts, (None, *filter(None, options.compile.split(",")))
        ):
            name = "PyTorch" + " channels_last" * channels_last + f" compiled {mode}" * bool(mode)
            kinds[name] = {"channels_last": channels_last, "compile": mode}
        if work == "mnist_small_mmd":
            there = subprocess.run(
                [options.torch_python, "-c", "import pythae"], capture_output=True, check=False
            )
            if there.returncode:
                print("pythae is not installed beside PyTorch and is left out", flush=True)
            else:
                kinds["pythae"] = {"channels_last": False, "trainer": "pythae"}
        for name, more in kinds.items():
            found[name] = [options.torch_python, script, json.dumps(settings | more)]
    return found


def environment_of(command: list[str], cache: str = "") -> dict[str, str]:
    """The environment of a contender that starts now. Ours keeps XLA's programs in a folder `cache`."""
    environment = ENVIRONMENT | {
        "SPEED_BEGAN": str(time.time()),
        **({"SPEED_CACHE": cache} if cache else {}),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    if command[0] != sys.executable:
        del environment["PYTHONPATH"]
    return environment


def measure(name: str, command: list[str], cache: str = "") -> Run:
    """Runs a contender; its numbers."""
    environment = environment_of(command, cache)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def without_slower(found: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """The contenders: of PyTorch its best eager and its best compiled way alone."""

    def seconds(name: str) -> float:
        return statistics.median(run["seconds"] for run in found[name])

    ways = [name for name in found if name.startswith("PyTorch")]
    best = {min(group, key=seconds) for group in _eager_and_compiled(ways) if group}
    return {name: runs for name, runs in found.items() if name not in ways or name in best}


def _eager_and_compiled(names: list[str]) -> list[list[str]]:
    return [
        [name for name in names if ("compiled" in name) == compiled] for compiled in (False, True)
    ]


def table(results: dict[str, dict[str, list[Run]]], batch: int = 100) -> str:
    """Markdown: a line a piece of work and contender."""
    lines = [
        "| work | contender | ms a step | images/s | wae_tf is faster by | of matrix peak | peak memory, MB "
        "| start to first step: the first time, later; s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for work, found in results.items():
        own = found["wae_tf"]
        for name, runs in without_slower(found).items():
            pairs = list(zip(runs, own, strict=True))
            seconds = statistics.median(r["seconds"] for r in runs)
            ratio = statistics.median(r["seconds"] / o["seconds"] for r, o in pairs)
            reached = statistics.median(
                o["gflop"] / o["matrix_gflops"] / r["seconds"] for r, o in pairs
            )
            lines.append(
                f"| {work} | {name} | {1e3 * seconds:,.3g} | {batch / seconds:,.4g} | "
                f"{'' if name == 'wae_tf' else f'{ratio:.2f}x'} | {100 * reached:.0f}% | "
                f"{statistics.median(r['peak_mb'] for r in runs):,.0f} | "
                f"{_starts([r['first'] for r in runs])} |"
            )
    peaks = [r["matrix_gflops"] for found in results.values() for r in found["wae_tf"]]
    lines.append("")
    lines.append(
        f"Matrix peak {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s; GFLOP a step: "
        + ", ".join(f"{work} {found['wae_tf'][0]['gflop']:.4g}" for work, found in results.items())
        + f"; {max(len(found['wae_tf']) for found in results.values())} repetitions."
    )
    return "\n".join(lines)


def _starts(seconds: list[float]) -> str:
    later = f", {statistics.median(seconds[1:]):.1f}" if len(seconds) > 1 else ""
    return f"{seconds[0]:.1f}{later}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that memory.py has too."""
    parser.add_argument("--out", required=True, help="folder for the results and decoded images")
    parser.add_argument("--celeba_dir", help="folder of CelebA JPEGs")
    parser.add_argument(
        "--faces", help="in CelebA's place, ours alone: 64x64 pictures, a folder or zip"
    )
    parser.add_argument("--precision", default="float32", help="of ours and PyTorch's")
    parser.add_argument("--notf32", action="store_true", help="ours on a GPU in float32 proper")
    parser.add_argument("--official_dir", default="official")
    parser.add_argument("--official_python", help="Python 2.7 with TensorFlow 1.15")
    parser.add_argument("--steps", type=int, help="steps of every contender, for a quick look")
    parser.add_argument("--celeba_images", type=int, default=2000, help="CelebA: to train on")


def add_peers(parser: argparse.ArgumentParser) -> None:
    """The flags of whom to run, and on what, that turns.py has too."""
    parser.add_argument("--data_dir", help="folder of MNIST's idx files, unzipped")
    parser.add_argument("--torch_python", help="a Python with PyTorch")
    parser.add_argument("--jax_python", help="a Python with jax, flax and optax")
    parser.add_argument(
        "--compile",
        default="default,max-autotune-no-cudagraphs",
        help="PyTorch's modes of torch.compile, beside eager; empty: eager alone",
    )


def warm_cache(options: argparse.Namespace, work: str) -> None:
    """Decodes CelebA once, so that no contender's start-up includes it."""
    measure("decoding", own_command(work, options, "--decode"))


def main() -> None:
    """Runs all contenders in turn and writes OUT/results.json and OUT/table.md."""
    parser = common.parser(__doc__)
    add_arguments(parser)
    add_peers(parser)
    parser.add_argument(
        "--work",
        type=common.names(WORK),
        default=",".join(DEFAULT_WORK),
        help="which, with commas between",
    )
    parser.add_argument("--repeats", type=common.number(), default=3)
    for hidden in ("describe", "decode"):
        parser.add_argument(f"--{hidden}", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = Path(options.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    options.out = str(out)
    if options.only:
        if options.describe:
            print(json.dumps(torch_settings(options.only, options)))
        elif options.decode:
            reading.load_images(configured(options.only, options, "nowhere"))
            print("{}")
        else:
            print(json.dumps(ours(options.only, options)))
        return
    works = options.work
    if celeba := [work for work in works if work.startswith("celebA")]:
        warm_cache(options, celeba[0])
    results: dict[str, dict[str, list[Run]]] = {}
    for work in works:
        found = results.setdefault(work, {})
        commands = contenders(work, options)
        for repeat in range(options.repeats):
            for name, command in commands.items():
                cache = f"{out}/cache" if name == "wae_tf" else ""
                run = measure(f"{name} on {work}", command, cache)
                found.setdefault(name, []).append(run)
                print(f"{work} {name} {repeat + 1}: {1e3 * run['seconds']:.4g} ms", flush=True)
            (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (out / "table.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    common.program(main)
