"""What replicas cost: milliseconds a step against their number and the batch, and bytes sent a step.

    python benchmarks/replicas.py [--replicas=1,2,4] [--batches=64,256] [--models=wae_mmd,wae_gan]

CelebA's networks with --filters, on random images of 64x64. The replicas share this machine's cores,
so that more of them compute no faster: what a step takes longer than with one is what --distribute
costs (synchronised batch norm, the gathering of codes, the sum of the gradients, the penalty that each
replica computes of the whole batch, and smaller products). `mirrored` replicas are logical CPUs of one
process; `workers` are processes that meet on 127.0.0.1. Bytes are those that a replica gives to
all-reduces: gradients, codes padded to the global batch, moments of batch norm.

    python benchmarks/replicas.py --links=10000,1000,300,100

as root instead puts two workers into network namespaces of their own (Linux), joined by a link of so
many Mbit/s each way (a token bucket), and counts what passes it. A step is then T + B / w, B the bytes
that are sent and w the link's speed, unless something overlaps.

    python benchmarks/replicas.py --delays=0,2,5,10,20

lets two workers on 127.0.0.1 reach each other through a relay that holds every byte back for so many
milliseconds each way. A step is then T + N d, N the messages that wait for one another, one after the
other, whatever their size.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import common

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.data import batches
from wae_tf.models import by_name
from wae_tf.training import distribution

WARM, TIMED = 3, 8
#: Of the workers' network namespaces, and of the link in each.
SPACE, LINK = "wae-worker", "wae-link"


def passed() -> tuple[int, int]:
    """Bytes and packets that this process's end of the link has sent; 0 without a link."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.strip().partition(":")
        if name == LINK:
            counts = numbers.split()
            return int(counts[8]), int(counts[9])
    return 0, 0


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
    sent: list[tuple[int, int]] = []

    def note_step(batch: int, logs: dict | None = None) -> None:
        times.append(time.perf_counter())
        sent.append(passed())

    note = tf.keras.callbacks.LambdaCallback(on_train_batch_end=note_step)
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
    wire, packets = ((sent[-1][i] - sent[WARM - 1][i]) / TIMED for i in (0, 1))
    return {
        "seconds": statistics.median(each),
        "bytes": 4 * floats,
        "wire": wire,
        "packets": packets,
    }


@contextlib.contextmanager
def linked(mbit: int) -> Iterator[list[str]]:
    """Two network namespaces joined by a link; their names.

    A link of 0 is as fast as the machine passes it on.
    """

    def do(command: str) -> None:
        subprocess.run(command.split(), check=True)

    spaces = [f"{SPACE}{index}" for index in range(2)]
    try:
        for space in spaces:
            do(f"ip netns add {space}")
        ends = [f"{LINK} netns {space}" for space in spaces]
        do(f"ip link add {ends[0]} type veth peer name {ends[1]}")
        for index, space in enumerate(spaces):
            inside = f"ip netns exec {space}"
            do(f"{inside} ip address add 10.77.0.{index + 1}/24 dev {LINK}")
            do(f"{inside} ip link set lo up")
            do(f"{inside} ip link set {LINK} up")
            if mbit:
                shape = f"tbf rate {mbit}mbit burst 256kb latency 100ms"
                do(f"{inside} tc qdisc add dev {LINK} root {shape}")
        yield spaces
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


@contextlib.contextmanager
def delayed(ports: list[int], delay: float) -> Iterator[list[int]]:
    """Ports that lead to these ports, every byte `delay` seconds later, either way."""
    loop = asyncio.new_event_loop()

    async def hold_back(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def pass_on() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    target.close()
                    return
                target.write(data)

        passing = asyncio.ensure_future(pass_on())
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                waiting.put_nowait((loop.time() + delay, data))
        waiting.put_nowait((loop.time() + delay, b""))
        await passing

    def relay_to(port: int) -> Callable[..., Awaitable[None]]:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:  # that worker is not up yet: the other tries again
                writer.close()
                return
            await asyncio.gather(hold_back(reader, back), hold_back(there, writer))

        return relay

    async def listen() -> list[int]:
        servers = [await asyncio.start_server(relay_to(p), "127.0.0.1", 0) for p in ports]
        return [server.sockets[0].getsockname()[1] for server in servers]

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    relays = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield relays
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def measure(
    job: list, spaces: list[str] | None = None, addresses: list[list[str]] | None = None
) -> dict:
    """Runs one configuration in processes of its own; the first's numbers.

    Args:
        job: what `step_seconds` takes.
        spaces: the network namespaces of workers.
        addresses: what each worker calls all of them.
    """
    environments = [dict(os.environ)]
    if job[1] == "workers":
        if addresses is None:
            addresses = [[f"127.0.0.1:{port}" for port in free_ports(job[2])]] * job[2]
        environments = [
            os.environ
            | {"TF_CONFIG": json.dumps({"cluster": {"worker": those},
                                        "task": {"type": "worker", "index": index}})}
            for index, those in enumerate(addresses)
        ]  # fmt: skip
    root = str(Path(__file__).resolve().parent.parent)
    running = [
        subprocess.Popen(
            [
                *(["ip", "netns", "exec", spaces[index]] if spaces else []),
                *(sys.executable, __file__, f"--only={json.dumps(job)}"),
            ],
            env=environment | {"PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index, environment in enumerate(environments)
    ]
    found = [process.communicate() for process in running]
    for process, (_, error) in zip(running, found, strict=True):
        if process.returncode:
            sys.exit(f"{job} failed:\n{error[-2000:]}")
    return json.loads(found[0][0].strip().splitlines()[-1])


def measure_links(options: argparse.Namespace) -> None:
    """A table of two workers against the speed of the link between them."""
    print("| model | batch | link, Mbit/s | ms a step | given to sums, MB | sent, MB | packets |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model in options.models:
        for batch in options.batches:
            for mbit in options.links:
                with linked(mbit) as spaces:
                    addresses = [["10.77.0.1:7777", "10.77.0.2:7777"]] * 2
                    job = [model, "workers", 2, batch, options.filters]
                    found = measure(job, spaces, addresses)
                print(
                    f"| {model} | {batch} | {mbit or 'no limit'} | {1e3 * found['seconds']:.0f} | "
                    f"{found['bytes'] / 1e6:.2f} | {found['wire'] / 1e6:.2f} | "
                    f"{found['packets']:.0f} |",
                    flush=True,
                )


def measure_delays(options: argparse.Namespace) -> None:
    """A table of two workers against the delay between them."""
    print("| model | batch | delay each way, ms | ms a step | of them a delay |")
    print("| --- | --- | --- | --- | --- |")
    for model in options.models:
        for batch in options.batches:
            without = None
            for delay in options.delays:
                ports = free_ports(2)
                with delayed(ports, delay / 1e3) as relays:
                    # Each is itself at its port, and reaches the other through the relay.
                    calls = [[f"127.0.0.1:{p}" for p in those] for those in
                             ((ports[0], relays[1]), (relays[0], ports[1]))]  # fmt: skip
                    job = [model, "workers", 2, batch, options.filters]
                    step = 1e3 * measure(job, addresses=calls)["seconds"]
                without = step if without is None else without
                each = f"{(step - without) / delay:.0f}" if delay else ""
                print(f"| {model} | {batch} | {delay:g} | {step:.0f} | {each} |", flush=True)


def main() -> None:
    """Prints a markdown table."""
    parser = common.parser(__doc__)
    parser.add_argument("--replicas", type=common.numbers(), default="1,2,4")
    parser.add_argument("--batches", type=common.numbers(), default="64,256")
    parser.add_argument(
        "--models", type=common.names(registry.names("model")), default="wae_mmd,wae_gan"
    )
    parser.add_argument("--filters", type=common.number(), default=64)
    parser.add_argument(
        "--links",
        type=common.numbers(least=0),
        help="two workers over links of so many Mbit/s (0: no limit)",
    )
    parser.add_argument(
        "--delays",
        type=common.numbers(float, 0),
        help="two workers so many milliseconds apart (0: through the relay)",
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(step_seconds(*json.loads(options.only))))
        return
    if options.links or options.delays:
        (measure_links if options.links else measure_delays)(options)
        return
    print("| model | batch | replicas | ms a step | of one device's | MB sent a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in options.models:
        for batch in options.batches:
            one = None
            kinds = [("none" if r == 1 else "mirrored", r) for r in options.replicas]
            kinds.append(("workers", 2))
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
    common.program(main)
