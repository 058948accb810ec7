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

import common

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.models import by_name
from wae_tf.serving import export

#: Seconds that a command line may take until it is refused.
SECONDS = 300

# Served requests.


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(side: int, before: bytes = b"") -> bytes:
    """A grey PNG of side x side, `before` standing before its header; made without its pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + before + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def requests(
    side: int, zdim: int, most: int, largest: bool = True
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Signature, inputs, and the shape of the answer or a part of the sentence that is due.

    Args:
        side: of the model's images, which are grey.
        zdim: dimensions of its codes.
        most: images that a request may have.
        largest: also requests of so many.
    """

    def images(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def files(*data: bytes) -> dict[str, np.ndarray]:
        return {"image_bytes": np.array(data, object)}

    def ends(first: tuple[int, ...], last: tuple[int, ...], steps: np.ndarray) -> dict[str, Any]:
        return {"first": images(2, *first), "last": images(2, *last), "steps": steps}

    def counts(*values: int) -> dict[str, np.ndarray]:
        return {"count": np.array(values, np.int64), "seed": np.arange(len(values))}

    shape, expected = (side, side, 1), "is expected, not"
    others = [(side - 1, side, 1), (side - 3, side - 3, 1), (side + 4, side + 4, 1), (784,), ()]
    others += [(2 * side, side // 2, 1), (side, side), (side, side, 3), (1, side, side, 1)]
    two = np.array([2, 2])
    for other in others:
        for name in ("serving_default", "reconstruct", "encode"):
            yield name, {"images": images(2, *other)}, expected
        yield "interpolate", ends(other, other, two), expected
        yield "interpolate", ends(shape, other, two), expected
        yield "decode", {"codes": images(2, *other)}, expected
    yield "encode", {"images": np.float32(0)}, expected
    for dtype, of_int in ((np.int64, ""), (np.int32, "_int32")):
        for bad in (np.array(3, dtype), np.ones((2, 2), dtype)):
            yield f"sample{of_int}", {"count": bad, "seed": bad}, expected
            yield f"sample{of_int}", {"count": two.astype(dtype), "seed": bad}, expected
            yield f"interpolate{of_int}", ends(shape, shape, bad), expected
        three = np.arange(3, dtype=dtype)
        rows = {"count": two.astype(dtype), "seed": three}
        yield f"sample{of_int}", rows, "same number of rows"
    for value in (0, -1, 1001, 2**40, 2**63 - 1, -(2**63)):
        yield "sample", counts(value), "a row are accepted"
    for value in (0, -1, 1001, 2**31 - 1, -(2**31)):
        row = np.full(1, value, np.int32)
        yield "sample_int32", {"count": row, "seed": row}, "a row are accepted"
        line = {"first": images(1, *shape), "last": images(1, *shape), "steps": row}
        yield "interpolate_int32", line, "a row are accepted"
    yield (
        "sample_int32",
        {"count": np.full(1, 3, np.int32), "seed": np.zeros(1, np.int32)},
        str((1, 3, *shape)),
    )

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
    none = {"first": images(0, *shape), "last": images(0, *shape)}
    yield "interpolate", {**none, "steps": np.zeros(0, np.int64)}, str((0, 0, *shape))

    yield "reconstruct", {"images": images(most + 1, *shape)}, "rows a request"
    yield "decode", {"codes": images(10**6, zdim)}, "rows a request"
    yield "sample", counts(1000, *[1] * 999), "rows times the longest"
    yield "sample", counts(*[1] * 10**6), "rows a request"
    if not largest:
        return
    yield "reconstruct", {"images": images(most, *shape)}, str((most, *shape))
    yield "decode", {"codes": images(most, zdim)}, str((most, *shape))
    rows = most // 1000
    yield "sample", counts(1000, *[1] * (rows - 1)), str((rows, 1000, *shape))
    yield "sample", counts(*[1000] * rows), str((rows, 1000, *shape))
    lines = {"first": images(rows, *shape), "last": images(rows, *shape)}
    yield "interpolate", {**lines, "steps": np.full(rows, 1000)}, str((rows, 1000, *shape))
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


def try_requests(say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Each request to the digits model, and what was lost or ""; says the most memory at the end."""
    config = Config()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        # Made elsewhere: the memory of making it is not the server's.
        subprocess.run([sys.executable, __file__, f"--save={path}"], check=True)
        served = Served(path)
    image = np.zeros((1, 28, 28, 1), np.float32)
    served.ask("reconstruct", {"images": image})
    loaded = common.memory_mb()
    for name, inputs, due in requests(28, config.zdim, 16_000_000 // 784):
        try:
            got = str(served.ask(name, inputs)[0].shape)
        except tf.errors.InvalidArgumentError as error:
            got = error.message.splitlines()[0]
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        shapes = {key: np.shape(value) for key, value in inputs.items()}
        good = got == due or (due in got and "assertion failed: [" in got)
        yield f"{name} {shapes}", "" if good else f"{got[:200]}, not {due}"
    most = common.memory_mb() - loaded
    say(f"the requests took {most:.0f} MB over the {loaded:.0f} MB of the model")


def save_digits_model(folder: Path) -> None:
    """The digits model with its initial weights: memory does not depend on them."""
    export.save(by_name.from_config(Config(), (28, 28, 1), 1000), folder, Config())


# Flags.


def command_lines(folder: Path) -> Iterator[list[str | bytes]]:
    """Flags that cannot be used, with files in a folder that exists."""

    def file(name: str, text: str) -> str:
        (folder / name).write_text(text)
        return f"--flagfile={folder / name}"

    digits = "9" * 400
    for name in ("seed", "epochs", "zdim", "batch_size", "encoder_filters", "num_samples"):
        yield [f"--{name}={digits}"]
        yield [f"--{name}={'9' * 5000}"]
        yield [f"--{name}=-{digits}"]
        yield [f"--{name}=1.5"]
        yield [f"--{name}="]
    for name in ("epochs", "zdim", "batch_size", "steps", "pretrain_size", "eval_samples"):
        yield [f"--{name}={2**31}"]
        yield [f"--{name}={2**63}"]
    for name in ("lr", "wae_lambda", "prior_scale", "init_std", "recon_scale", "mmd_scales"):
        for value in ("nan", "inf", "-inf", "1e300", "1e-300", "1e999", "x", ""):
            if (name, value) not in (("recon_scale", ""), ("lr", "1e999")):
                yield [f"--{name}={value}"]
    for name in ("jit", "pretrain", "batch_norm", "overwrite"):
        yield [f"--no{name}=true"]
        yield [f"--{name}=perhaps"]
    for name in ("work_dir", "data_dir", "cache_dir", "flagfile", "lr_schedule", "dataset"):
        yield [f"--{name}=a\nb"]
        yield [f"--{name}=\x1b[2J"]
        yield [f"--{name}=~nosuchuser/a"]
        yield [b"--" + name.encode() + b"=\xff\xfe"]
    for mode, name in (
        ("export", "export_dir"),
        ("evaluate", "classifier"),
        ("evaluate", "inception"),
    ):
        yield [f"--mode={mode}", f"--{name}="]
    for name in ("encoder_filters", "decoder_filters", "zdim", "batch_size", "pretrain_size"):
        yield [f"--{name}=2000000000"]
    for name in ("encoder", "decoder", "adversary"):
        yield ["--model=wae_gan", f"--{name}_filters=1000000", f"--{name}_layers=3"]
        yield ["--model=wae_gan", f"--{name}_layers=100000"]
    yield ["--filter_size=1000"]
    yield ["--filter_size=1000000"]
    yield ["--zdim=100000", "--encoder_noise=implicit"]
    yield ["--dataset=folder", f"--data_dir={folder}", "--image_size=1000000"]

    for index in range(1500):
        file(f"chain{index}", f"--flagfile={folder}/chain{index + 1}\n")
    yield [f"--flagfile={folder}/chain0"]
    for index in range(40):
        file(f"twice{index}", f"--flagfile={folder}/twice{index + 1}\n" * 2)
    file("twice40", "--zdim=2\n")
    yield [f"--flagfile={folder}/twice0"]
    yield [file("itself", f"--flagfile={folder}/itself\n")]
    yield [file("zero", "--flagfile=/dev/zero\n")]
    yield ["--flagfile=/dev/zero"]
    os.mkfifo(folder / "fifo")
    yield [f"--flagfile={folder / 'fifo'}"]
    yield [file("named", f"--flagfile={folder / 'fifo'}\n")]
    yield [file("lines", "--zdim=2\n" * 10**6)]
    yield [file("long", "--work_dir=" + "a" * 10**7)]
    yield [file("nul", "--cache_dir=a\0b\n")]
    yield [file("folder", f"--flagfile={folder}\n")]


def with_work_dir(arguments: list[str | bytes], folder: Path) -> list[str | bytes]:
    """The arguments with a run's folder, where they name none."""
    if any(b"work_dir" in os.fsencode(argument) for argument in arguments):
        return arguments
    return [*arguments, f"--work_dir={folder / 'run'}"]


def try_flags(say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Each command line that cannot be used, and what was lost or ""."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for arguments in command_lines(folder):
            command = [sys.executable, "-m", "wae_tf.main", *with_work_dir(arguments, folder)]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS)
                said = done.stderr.decode(errors="replace").strip().splitlines()
                sentences = [line for line in said if line.startswith("wae_tf: ")]
                why = f"status {done.returncode}, {' | '.join(said)[-300:]}"
                good = done.returncode in (1, 2) and len(sentences) == 1 and "Traceback" not in why
            except subprocess.TimeoutExpired:
                good, why = False, f"over {SECONDS} s"
            yield repr(" ".join(map(str, arguments))[:100]), "" if good else why


KINDS = {
    "requests": ("served requests", try_requests),
    "flags": ("hostile flags", try_flags),
}


def main() -> None:
    """Prints the table; exits with 1 if something was lost."""
    parser = common.parser(__doc__)
    parser.add_argument("--kinds", type=common.names(KINDS), default=",".join(KINDS))
    parser.add_argument("--save", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save:
        save_digits_model(options.save)
        return
    rows = []
    for kind in options.kinds:
        title, run = KINDS[kind]
        tries = lost = 0
        for what, why in run(print):
            tries, lost = tries + 1, lost + bool(why)
            if why:
                print(f"lost: {what}: {why}")
        rows.append((title, tries, tries - lost, lost))
    print(f"{'kind':20}{'tries':>8}{'survived':>10}{'lost':>6}")
    for row in rows:
        print(f"{row[0]:20}{row[1]:8}{row[2]:10}{row[3]:6}")
    sys.exit(any(row[3] for row in rows))


if __name__ == "__main__":
    common.program(main)
