"""Hostile flags and served requests: prints how many were tried, survived and lost, per kind.

    python benchmarks/hostile.py [--kinds=requests,flags]

A request survives if it is answered by what it asks for or by a sentence that names its input; a
command line survives if it ends within its time, without a traceback or an abort, with status 2 or 1 and one
sentence. The requests go to an exported model of the digits past Python's checks of a signature, as
TF Serving's do, and the most memory that they took over the loaded model is printed.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.models import by_name
from wae_tf.serving import export

#: Seconds that a refused command line may take, and MB that a process of it may address.
SECONDS, MEGABYTES = 120, 8_000

# Served requests.


def memory(name: str) -> float:
    """MB of this process: VmHWM, the most so far, or VmRSS, now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1e3


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(side: int, before: bytes = b"") -> bytes:
    """A grey PNG of side x side, `before` standing before its header; made without its pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + before + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def requests(side: int, zdim: int, most: int) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Signature, inputs, and the shape of the answer or a part of the sentence that is due.

    Args:
        side: of the model's images, which are grey.
        zdim: dimensions of its codes.
        most: images that a request may have.
    """

    def images(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def files(*data: bytes) -> dict[str, np.ndarray]:
        return {"image_bytes": np.array(data, object)}

    def counts(*values: int) -> dict[str, np.ndarray]:
        return {"count": np.array(values, np.int64), "seed": np.arange(len(values))}

    shape, expected = (side, side, 1), "is expected, not"
    others = [(side - 1, side, 1), (side - 3, side - 3, 1), (side + 4, side + 4, 1), (784,), ()]
    others += [(2 * side, side // 2, 1), (side, side), (side, side, 3), (1, side, side, 1)]
    two = np.array([2, 2])
    for other in others:
        for name in ("serving_default", "reconstruct", "encode"):
            yield name, {"images": images(2, *other)}, expected
        yield "interpolate", {"first": images(2, *other), "last": images(2, *other), "steps": two}, expected  # fmt: skip
        yield "interpolate", {"first": images(2, *shape), "last": images(2, *other), "steps": two}, expected  # fmt: skip
        yield "decode", {"codes": images(2, *other)}, expected
    yield "encode", {"images": np.float32(0)}, expected
    for bad in (np.array(3), np.ones((2, 2), np.int64)):
        yield "sample", {"count": bad, "seed": bad}, expected
        yield "sample", {"count": two, "seed": bad}, expected
        yield "interpolate", {"first": images(2, *shape), "last": images(2, *shape), "steps": bad}, expected  # fmt: skip
    yield "sample", {"count": two, "seed": np.arange(3)}, "same number of rows"
    for value in (0, -1, 1001, 2**40, 2**63 - 1, -(2**63)):
        yield "sample", counts(value), "a row are accepted"

    huge = black_png(8000)
    hidden = chunk(b"abCd", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    for name in ("encode_bytes", "reconstruct_bytes"):
        yield name, files(huge), "million pixels a request"
        yield name, {"image_bytes": np.array([[huge]], object)}, expected
        yield name, {"image_bytes": np.array(huge, object)}, expected
        yield name, files(black_png(8000, hidden)), "a JPEG or PNG file is expected"
        yield name, files(black_png(side + 1)), "a picture of"
        yield name, files(b""), "a JPEG or PNG file is expected"
        yield name, files(black_png(side) + bytes(70_000_000)), "bytes a request"
        yield name, files(*[black_png(side)] * (most + 1)), "rows a request"

    answers = {"decode": {"codes": images(0, zdim)}, "sample": counts(), "encode_bytes": files()}
    answers |= {"reconstruct_bytes": files(), "encode": {"images": images(0, *shape)}}
    for name, inputs in answers.items():
        coded = name.startswith("encode")
        yield name, inputs, str((0, zdim) if coded else (0,) * (name == "sample") + (0, *shape))
    ends = {"first": images(0, *shape), "last": images(0, *shape)}
    yield "interpolate", {**ends, "steps": np.zeros(0, np.int64)}, str((0, 0, *shape))

    yield "reconstruct", {"images": images(most, *shape)}, str((most, *shape))
    yield "reconstruct", {"images": images(most + 1, *shape)}, "rows a request"
    yield "decode", {"codes": images(most, zdim)}, str((most, *shape))
    yield "decode", {"codes": images(10**6, zdim)}, "rows a request"
    yield "sample", counts(1000, *[1] * 999), "rows times the longest"
    yield "sample", counts(*[1] * 10**6), "rows a request"
    rows = most // 1000
    yield "sample", counts(1000, *[1] * (rows - 1)), str((rows, 1000, *shape))
    yield "sample", counts(*[1000] * rows), str((rows, 1000, *shape))
    ends = {"first": images(rows, *shape), "last": images(rows, *shape)}
    yield "interpolate", {**ends, "steps": np.full(rows, 1000)}, str((rows, 1000, *shape))
    padded = black_png(side) + bytes(60_000_000)
    yield "reconstruct_bytes", files(padded), str((1, *shape))
    yield "reconstruct_bytes", files(*[black_png(side)] * 5000), str((5000, *shape))


class Served:
    """A SavedModel in a session; `ask` leaves out what Python checks."""

    def __init__(self, folder: Path):
        self.graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=self.graph)
        with self.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.signatures = loaded.signature_def

    def ask(self, name: str, inputs: dict[str, Any]) -> list[np.ndarray]:
        """The outputs of a signature."""
        ports = self.signatures[name].inputs

        def output(tensor: str) -> Any:
            return self.graph.get_tensor_by_name(tensor)._as_tf_output()

        feeds = {output(ports[key].name): np.asarray(value) for key, value in inputs.items()}
        fetches = [output(port.name) for port in self.signatures[name].outputs.values()]
        self.session._extend_graph()
        return self.session._call_tf_sessionrun(None, feeds, fetches, [], None)


def try_requests(say: Callable[[str], None]) -> tuple[int, int, int]:
    """Tries, survived, lost of requests to the digits model; says each that was lost."""
    config = Config()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        # Made elsewhere: the memory of making it is not the server's.
        subprocess.run([sys.executable, __file__, f"--save={path}"], check=True)
        served = Served(path)
    image = np.zeros((1, 28, 28, 1), np.float32)
    served.ask("reconstruct", {"images": image})
    loaded = memory("VmHWM")
    tries = lost = 0
    for name, inputs, due in requests(28, config.zdim, 16_000_000 // 784):
        tries += 1
        try:
            got = str(served.ask(name, inputs)[0].shape)
        except tf.errors.InvalidArgumentError as error:
            got = error.message.splitlines()[0]
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        if got != due and not (due in got and "assertion failed: [" in got):
            lost += 1
            shapes = {key: np.shape(value) for key, value in inputs.items()}
            say(f"lost: {name} {shapes}: {got[:200]}, not {due}")
    say(f"the requests took {memory('VmHWM') - loaded:.0f} MB over the {loaded:.0f} MB of the model")
    return tries, tries - lost, lost


def save_digits_model(folder: Path) -> None:
    """The digits model with its initial weights: memory does not depend on them."""
    export.save(by_name.from_config(Config(), (28, 28, 1), 1000), folder, Config())


KINDS = {"requests": ("served requests", try_requests)}


def main() -> None:
    """Prints the table; exits with 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--save", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save:
        save_digits_model(options.save)
        return
    rows = []
    for kind in options.kinds.split(","):
        title, run = KINDS[kind]
        rows.append((title, *run(print)))
    print(f"{'kind':20}{'tries':>8}{'survived':>10}{'lost':>6}")
    for row in rows:
        print(f"{row[0]:20}{row[1]:8}{row[2]:10}{row[3]:6}")
    sys.exit(any(row[3] for row in rows))


if __name__ == "__main__":
    main()
