"""Milliseconds a step: this project, the official code untouched, and PyTorch, side by side.

    python benchmarks/speed.py --out=OUT --data_dir=MNIST_DIR --celeba_dir=FOLDER_OF_JPEGS \
        --official_dir=CLONE --official_python=PY27 --torch_python=PY_WITH_TORCH

Every contender is a process of its own that trains the official experiment as its users would: input,
noise, adversary and optimizer included, without pretraining. Within a repetition the contenders take
turns, and ratios are of the same repetition, so that a machine that slows down slows all. PyTorch runs
in both memory layouts, and the faster one counts. `peak` is the part of the speed of a 2048^3 float32
matrix product, measured in the same run, that our step reaches with the products it cannot avoid.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BEGAN = time.time()

#: Name: official experiment, penalty, steps of ours and PyTorch, steps of the official code.
WORK = {
    "mnist_small_mmd": ("mnist_small", "mmd", 600, 300),
    "mnist_small_gan": ("mnist_small", "gan", 300, 200),
    "mnist_mmd": ("mnist", "mmd", 6, 4),
    "mnist_gan": ("mnist", "gan", 6, 4),
    "celebA_mmd": ("celebA", "mmd", 5, 3),
    "celebA_gan": ("celebA", "gan", 5, 3),
}
CELEBA_IMAGES = 2000


def configured(work: str, options: argparse.Namespace) -> Any:
    """The Config of a piece of work."""
    from wae_tf import main

    experiment, penalty, *_ = WORK[work]
    celeba = experiment.startswith("celebA")
    arguments = [
        f"--flagfile=flags/official/{experiment}.flags",
        f"--model=wae_{penalty}",
        f"--data_dir={options.celeba_dir if celeba else options.data_dir}",
    ]
    if celeba:
        arguments += [f"--train_size={CELEBA_IMAGES - 200}", "--test_size=200"]
    return main.parse(arguments)[1]


def operations(model: Any, batch: int) -> float:
    """Floating-point operations of the matrix products and convolutions of one training step.

    Forward 2 a multiply-add, backward twice that (input and weights), without the gradient of the
    images; the adversary once over the codes for the encoder (no gradient of its weights) and once
    over codes and prior sample; the encoder's second pass forward only.
    """

    def products(network: Any) -> list[float]:
        found = []
        for layer in network.layers:
            kernel = getattr(layer, "kernel", None)
            if kernel is None:
                continue
            places = 1
            if len(kernel.shape) == 4:
                # A transposed convolution multiplies at every place of its input.
                transposed = "Transpose" in type(layer).__name__
                shape = (layer.input if transposed else layer.output).shape
                places = shape[1] * shape[2]
            size = 1
            for side in kernel.shape:
                size *= side
            found.append(2.0 * size * places)
        return found

    encoder, decoder = products(model.encoder), products(model.decoder)
    total = batch * (3 * sum(encoder + decoder) - encoder[0])
    if model.adversary is not None:
        adversary = products(model.adversary)
        total += batch * 2 * sum(adversary)  # the encoder's penalty: forward, input gradient
        total += 2 * batch * (3 * sum(adversary) - adversary[0])
        total += batch * sum(encoder)
    return total


def ours(work: str, options: argparse.Namespace) -> dict[str, float]:
    """Trains in this process with the functions that `wae_tf.main` trains with."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import resource

    import keras
    import tensorflow as tf

    from wae_tf import callbacks, data, training

    config, steps = configured(work, options), WORK[work][2]
    images = training.load_images(config)
    model = training.build(config, images)
    each = min(config.steps_per_execution, max(1, steps // 4))
    model.compile(steps_per_execution=each)
    batches = data.batches(
        images.train, batch_size=config.batch_size, seed=0, pixel_range=config.pixel_range_of_data
    )
    times: list[float] = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            times.append(time.time())

    watchers = [callbacks.Guard(), callbacks.Speed(config.batch_size), Note()]
    model.fit(batches, steps_per_epoch=steps, callbacks=watchers, verbose=0, shuffle=False)
    spent = [(b - a) / each for a, b in itertools.pairwise(times)][len(times) // 4 :]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    matrix = tf.random.normal([2048, 2048])
    product = tf.function(lambda a: tf.matmul(a, a))
    product(matrix)
    rates = []
    for _ in range(12):
        began = time.perf_counter()
        product(matrix).numpy()
        rates.append(2 * 2048**3 / (time.perf_counter() - began))
    seconds = statistics.median(spent)
    return {
        "seconds": seconds,
        "first": times[0] - BEGAN,
        "peak_mb": peak_mb,
        "gflop": operations(model, config.batch_size) / 1e9,
        "matrix_gflops": max(rates) / 1e9,
    }


def torch_options(work: str, options: argparse.Namespace, channels_last: bool) -> str:
    """What torch_speed.py needs to know."""
    config = configured(work, options)
    celeba = config.dataset == "celeba"
    fields = (
        "encoder_arch", "decoder_arch", "encoder_layers", "decoder_layers", "adversary_layers",
        "adversary_filters", "zdim", "lr", "lr_adv", "batch_size", "prior_scale", "wae_lambda",
    )  # fmt: skip
    return json.dumps(
        {name: getattr(config, name) for name in fields}
        | {
            "filters": config.encoder_filters,
            "noise": config.encoder_noise,
            "penalty": WORK[work][1],
            "shape": [64, 64, 3] if celeba else [28, 28, 1],
            "symmetric": config.pixel_range_of_data == "symmetric",
            "images": CELEBA_IMAGES if celeba else 60_000,
            "channels_last": channels_last,
        }
    )


def contenders(work: str, options: argparse.Namespace) -> dict[str, list[str]]:
    """The command of each."""
    here = Path(__file__).parent
    experiment, penalty, steps, official_steps = WORK[work]
    celeba = experiment.startswith("celebA")
    own = [sys.executable, __file__, f"--only={work}", f"--data_dir={options.data_dir}"]
    found = {"wae_tf": [*own, f"--celeba_dir={options.celeba_dir}", f"--out={options.out}"]}
    if options.official_python:
        found["official"] = [
            options.official_python, str(here / "official_speed.py"), options.official_dir, experiment,
            penalty, options.celeba_dir if celeba else options.data_dir, f"{options.out}/official",
            str(official_steps), str(CELEBA_IMAGES if celeba else 0),
        ]  # fmt: skip
    if options.torch_python:
        for name, last in (("PyTorch", False), ("PyTorch channels_last", True)):
            if last and experiment == "mnist_small":
                continue
            found[name] = [
                options.torch_python, str(here / "torch_speed.py"),
                torch_options(work, options, last), str(steps),
            ]  # fmt: skip
    return found


def table(results: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """Markdown: a line a piece of work and contender."""
    lines = [
        "| work | contender | ms a step | images/s | wae_tf is faster by | of matrix peak | peak memory, MB "
        "| start to first step, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for work, found in results.items():
        own = found["wae_tf"]
        for name, runs in found.items():
            seconds = statistics.median(r["seconds"] for r in runs)
            ratio = statistics.median(
                r["seconds"] / o["seconds"] for r, o in zip(runs, own, strict=True)
            )
            reached = statistics.median(o["gflop"] / o["matrix_gflops"] for o in own) / seconds
            lines.append(
                f"| {work} | {name} | {1e3 * seconds:,.3g} | {100 / seconds:,.4g} | "
                f"{'' if name == 'wae_tf' else f'{ratio:.2f}x'} | {100 * reached:.0f}% | "
                f"{statistics.median(r['peak_mb'] for r in runs):,.0f} | "
                f"{statistics.median(r['first'] for r in runs):.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Runs all contenders in turn and writes OUT/speed.json and OUT/table.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", required=True)
    parser.add_argument("--data_dir", help="folder of MNIST's idx files, unzipped")
    parser.add_argument("--celeba_dir", help="folder of CelebA JPEGs, at least 2,000")
    parser.add_argument("--official_dir", default="official")
    parser.add_argument("--official_python", help="Python 2.7 with TensorFlow 1.15")
    parser.add_argument("--torch_python", help="a Python with PyTorch")
    parser.add_argument("--work", default=",".join(WORK), help="which, separated by commas")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(ours(options.only, options)))
        return
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for work in options.work.split(","):
        found = results.setdefault(work, {})
        for repeat in range(options.repeats):
            for name, command in contenders(work, options).items():
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{name} failed on {work}:\n{done.stderr[-2000:]}")
                run = json.loads(done.stdout.strip().splitlines()[-1])
                found.setdefault(name, []).append(run)
                print(f"{work} {name} {repeat + 1}: {1e3 * run['seconds']:.4g} ms", flush=True)
        torch_runs = {n: r for n, r in found.items() if n.startswith("PyTorch")}
        if len(torch_runs) > 1:
            slower = max(
                torch_runs, key=lambda n: statistics.median(r["seconds"] for r in torch_runs[n])
            )
            del found[slower]
        (out / "speed.json").write_text(json.dumps(results, indent=1))
        (out / "table.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
