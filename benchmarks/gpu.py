"""Milliseconds a step on a GPU: this project, PyTorch (eager and compiled) and JAX, on one card in one run.

    python benchmarks/gpu.py --out=OUT --data_dir=MNIST_DIR --celeba_dir=FOLDER_OF_JPEGS \
        --torch_python=PY_WITH_TORCH --jax_python=PY_WITH_JAX_FLAX_OPTAX

Every contender is a process of its own and trains as speed.py says. All of a group start together, trace,
compile and warm up beside each other, and wait; then each has the card to itself while it is timed. XLA and
cuDNN choose between their ways by trying them meanwhile: `--one_by_one` lets each be warm before the next
begins, so that nothing disturbs the trials. Times are of whole calls (100 steps of ours at most) behind which
the host waits. `float32` has TF32 off (--notf32 and NVIDIA_TF32_OVERRIDE=0), `tf32` is float32 as TensorFlow
has it by default, `bf16` is --precision=mixed_bfloat16 and PyTorch's autocast. PyTorch has fused Adam, its
images on the card, cudnn.benchmark, and channels_last where a network has convolutions. `of peak` is the part
of the speed of 8192^3 products of the same precision, in the same process of ours, that the products which
a step cannot avoid reach.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import common
import speed

#: Steps of every contender, a quarter of them to warm up.
STEPS = {"mnist_small": 2000, "mnist": 400, "celebA": 240}
#: Name: TF32 or not, and --precision.
KINDS = {"float32": (False, "float32"), "tf32": (True, "float32"), "bf16": (True, "mixed_bfloat16")}


def commands(work: str, options: argparse.Namespace) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Command and environment of each contender: (contender, kind)."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {}
    experiment = speed.WORK[work][0]
    options.steps = STEPS[experiment]
    for kind in options.kinds:
        tf32, options.precision = KINDS[kind]
        environment = {} if tf32 else {"NVIDIA_TF32_OVERRIDE": "0"}
        own = speed.own_command(work, options, *([] if tf32 else ["--notf32"]))
        found[f"wae_tf {kind}"] = (own, environment)
        if not (options.torch_python or options.jax_python):
            continue
        settings = speed.described(work, options, CUDA_VISIBLE_DEVICES="")
        settings |= {"device": "cuda", "tf32": tf32}
        settings["channels_last"] = settings["encoder_arch"] != "mlp"
        if options.torch_python:
            for name, mode in (("PyTorch eager", None), ("PyTorch compiled", options.compile)):
                command = _peer(options.torch_python, "torch", settings | {"compile": mode})
                found[f"{name} {kind}"] = (command, environment)
        if options.jax_python:
            more = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            if not tf32:
                more["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
            command = _peer(options.jax_python, "jax", settings)
            found[f"JAX {kind}"] = (command, environment | more)
    return found


def _peer(python: str, name: str, settings: dict[str, Any]) -> list[str]:
    script = Path(__file__).with_name(f"{name}_speed.py").resolve()
    return [*shlex.split(python), str(script), json.dumps(settings)]


def group(works: list[str], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Starts all contenders of some works, then times one after the other."""

    def cold() -> list[str]:
        return [
            name
            for name, (process, gate, _) in running.items()
            if process.poll() is None and not gate.with_name(gate.name + ".warm").exists()
        ]

    def wait_for_all() -> None:
        deadline = time.time() + options.patience
        while time.time() < deadline and cold():
            time.sleep(0.2)

    gates = Path(options.out) / "gates"
    gates.mkdir(exist_ok=True)
    running: dict[str, tuple[subprocess.Popen, Path, Path]] = {}
    for work in works:
        for name, (command, more) in commands(work, options).items():
            gate = gates / f"{work} {name}".replace(" ", "_")
            for old in gates.glob(f"{gate.name}.*"):
                old.unlink()
            environment = os.environ | more
            environment |= {
                "SPEED_GATE": str(gate),
                "SPEED_BEGAN": str(time.time()),
                "TF_FORCE_GPU_ALLOW_GROWTH": "true",
                "PYTHONPATH": f"{speed.ROOT}:{os.environ.get('PYTHONPATH', '')}",
            }
            log = gate.with_name(gate.name + ".log")
            with log.open("w") as file:
                process = subprocess.Popen(
                    command, stdout=file, stderr=subprocess.STDOUT, env=environment
                )
            running[f"{work} {name}"] = (process, gate, log)
            if options.one_by_one:
                wait_for_all()
    wait_for_all()
    for name in cold():
        print(f"{name}: not warm after {options.patience} s, left out", flush=True)
        running[name][0].kill()
    found: dict[str, dict[str, Any]] = {}
    for name, (process, gate, log) in running.items():
        gate.with_name(gate.name + ".go").touch()
        process.wait()
        lines = log.read_text().strip().splitlines()
        if process.returncode:
            print(f"{name} failed:", *lines[-12:], sep="\n", flush=True)
            continue
        found[name] = json.loads(lines[-1])
        print(f"{name}: {1e3 * found[name]['seconds']:.4g} ms", flush=True)
    return found


def table(results: dict[str, dict[str, Any]], batch: int = 100) -> str:
    """Markdown: a line a contender."""
    rows = []
    for name, run in results.items():
        work, *words, kind = name.split(" ")
        contender = " ".join(words)
        own = results.get(f"{work} wae_tf {kind}")
        reached = own and own["gflop"] / own["matrix_gflops"] / run["seconds"]
        rows.append(
            (
                work,
                kind,
                contender,
                f"{1e3 * run['seconds']:.3g}",
                f"{batch / run['seconds']:,.4g}",
                "" if own in (None, run) else f"{run['seconds'] / own['seconds']:.2f}x",
                f"{100 * reached:.0f}%" if reached else "",
                f"{run['matrix_gflops'] / 1e3:,.0f}",
                f"{run['gpu_mb']:,.0f}",
                f"{run['peak_mb']:,.0f}",
                f"{run['first']:.0f}",
            )
        )
    head = [
        "work", "kind", "contender", "ms a step", "images/s", "wae_tf is faster by", "of peak",
        "matrix peak, TFLOP/s", "GPU memory, MB", "host memory, MB", "start to first step, s",
    ]  # fmt: skip
    return common.markdown(head, sorted(rows, key=lambda row: row[:2]))


def main() -> None:
    """Runs the groups and writes OUT/gpu.json and OUT/gpu.md."""
    parser = common.parser(__doc__)
    speed.add_arguments(parser)
    parser.add_argument("--data_dir", help="folder of MNIST's idx files")
    parser.add_argument("--torch_python", help="a Python with PyTorch, with what goes before it")
    parser.add_argument("--jax_python", help="likewise, with jax, flax and optax")
    parser.add_argument(
        "--one_by_one", action="store_true", help="each is warm before the next begins"
    )
    one_group = common.names([work for work, of in speed.WORK.items() if of[0] in STEPS])
    parser.add_argument(
        "--work",
        type=lambda text: [one_group(works) for works in text.split(";")],
        default="mnist_small_mmd,mnist_mmd;celebA_mmd,celebA_gan",
        help="which; commas within a group, semicolons between",
    )
    parser.add_argument("--kinds", type=common.names(KINDS), default=",".join(KINDS))
    parser.add_argument("--compile", default="default", help="PyTorch's mode of torch.compile")
    parser.add_argument(
        "--patience", type=float, default=240, help="seconds for a group to warm up"
    )
    options = parser.parse_args()
    out = Path(options.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    options.out = str(out)
    results: dict[str, dict[str, Any]] = {}
    for works in options.work:
        results |= group(works, options)
        (out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
        (out / "gpu.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    common.program(main)
