"""What replicas cost: milliseconds a step against their number and the batch, and bytes sent a step.

    python benchmarks/replicas.py [--replicas=1,2,4] [--batches=64,256] [--models=wae_mmd,wae_gan]

CelebA's networks with --filters, on random images of 64x64. The replicas share this machine's cores,
so that more of them compute no faster: what a step takes longer than with one is what --distribute
costs (synchronised batch norm, the gathering of codes, the sum of the gradients, the penalty that each
replica computes of the whole batch, and smaller products). `mirrored` replicas are logical CPUs of one
process; `workers` are processes that meet on 127.0.0.1. Bytes are those that a replica gives to
all-reduces: gradients, codes padded to the global batch, moments of batch norm.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import common

from wae_tf.config import Config
from wae_tf.data import batches
from wae_tf.models import by_name
from wae_tf.training import distribution

WARM, TIMED = 3, 8


def step_seconds(model_name: str, kind: str, replicas: int, batch: int, filters: int) -> dict:
    """Median seconds of a step here, and the bytes that a replica sends in one."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        split = [tf.config.LogicalDeviceConfiguration()] * replicas
        tf.config.set_logical_device_configuration(cpu, split)
    config = Config(
        model=model_name, dataset="celeba", batch_size=batch, zdim=64, prior_scale=2**0.5,
        encoder_filters=filters, decoder_filters=filters, encoder_layers=4, decoder_layers=4,
        adversary_filters=filters, distribute={"workers": "multi_worker"}.get(kind, kind),
    )  # fmt: skip
    strategy = distribution.make_strategy(config)
    images = np.random.default_rng(0).integers(0, 256, (max(batch, 300), 64, 64, 3), np.uint8)
    with strategy.scope():
        model = by_name.from_config(config, (64, 64, 3), len(images))
        model.compile()

    def part(rows: tuple[int, int]) -> tf.data.Dataset:
        return batches.image_batches(
            images, batch_size=batch, seed=0, pixel_range=config.pixel_range_of_data, rows=rows
        )

    times: list[float] = []
    note = tf.keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: times.append(time.perf_counter())
    )
    shared = distribution.distributed_dataset(strategy, batch, part)
    model.fit(shared, steps_per_epoch=WARM + TIMED, epochs=1, verbose=0, callbacks=[note])
    distribution.barrier(strategy)
    each = [b - a for a, b in zip(times[WARM - 1 :], times[WARM:], strict=False)]
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    norms = [
        2 * int(np.prod(v.shape)) for v in model.non_trainable_variables if "moving_mean" in v.path
    ]
    passes = 2 if model_name == "wae_gan" else 1
    floats = trained + passes * (batch * config.zdim + 2 * sum(norms))
    return {"seconds": statistics.median(each), "bytes": 4 * floats}


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def measure(job: list) -> dict:
    """Runs one configuration in processes of its own; the first one's numbers."""
    processes, replicas = 1, job[2]
    environments = [dict(os.environ)]
    if job[1] == "workers":
        processes = replicas
        addresses = [f"127.0.0.1:{port}" for port in free_ports(processes)]
        environments = [
            os.environ
            | {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses},
                                        "task": {"type": "worker", "index": index}})}
            for index in range(processes)
        ]  # fmt: skip
    root = str(Path(__file__).resolve().parent.parent)
    running = [
        subprocess.Popen(
            [sys.executable, __file__, f"--only={json.dumps(job)}"],
            env=environment | {"PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments
    ]
    found = [process.communicate() for process in running]
    for process, (_, error) in zip(running, found, strict=True):
        if process.returncode:
            sys.exit(f"{job} failed:\n{error[-2000:]}")
    return json.loads(found[0][0].strip().splitlines()[-1])


def main() -> None:
    """Prints a markdown table."""
    parser = common.parser(__doc__)
    parser.add_argument("--replicas", default="1,2,4")
    parser.add_argument("--batches", default="64,256")
    parser.add_argument("--models", default="wae_mmd,wae_gan")
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(step_seconds(*json.loads(options.only))))
        return
    print("| model | batch | replicas | ms a step | of one device's | MB sent a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in options.models.split(","):
        for batch in map(int, options.batches.split(",")):
            one = None
            kinds = [("none" if r == 1 else "mirrored", r) for r in
                     map(int, options.replicas.split(","))] + [("workers", 2)]  # fmt: skip
            for kind, replicas in kinds:
                found = measure([model, kind, replicas, batch, options.filters])
                one = one or found["seconds"]
                sent = "" if replicas == 1 else f"{found['bytes'] / 1e6:.1f}"
                print(
                    f"| {model} | {batch} | {replicas} {'' if replicas == 1 else kind} | "
                    f"{1e3 * found['seconds']:.0f} | {found['seconds'] / one:.2f}x | {sent} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
