"""WaeMmd against pythae's WAE_MMD on vectors: the same networks, initial weights, batches and budget.

    python benchmarks/against_pythae.py --pythae_python=PY [--seeds=0,1,2] [--epochs=100] [--json=FILE]

PY: a Python with pythae installed. The vectors are the 1,797 handwritten digits that scikit-learn
carries, 64 numbers from 0 to 1, 297 of them for testing. Both train an encoder 64-256-256-8 and a
decoder 8-256-256-64 of linear layers and ReLUs from the same weights, on the same rows in the same
order, by Adam (1e-3, 0.9, 0.999), on the squared error summed over a row plus 10 times the MMD
of IMQ kernels at the seven scales of the paper, of C = 2 z. Prior samples are each one's own. Each
training is a process of its own with --threads threads (1), the two in turns. Seconds are those of
training alone, compiling included; those of a step are taken after the first epoch. A last contender is
wae_tf with all steps of an epoch in one call. The MMD is of the test codes and as many draws of the
prior, one estimator for all, and in standard deviations of that of two samples of the prior. Adam's
epsilon is 1e-12: Keras adds it before the bias correction of the second moment and PyTorch behind it,
which at 1e-8 already tells in pixels that are nearly always 0. Without the penalty both then learn the
same weights.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

HERE = Path(__file__).parent
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: Prior samples that an MMD is the mean over.
DRAWS = 20


def given(seed: int, options) -> dict[str, np.ndarray]:
    """Vectors, initial weights (Glorot's, biases 0) and the rows of each epoch's batches."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    rows = (load_digits().data / 16).astype(np.float32)
    rows = rows[np.random.default_rng(123).permutation(len(rows))]
    train, test = rows[:1500], rows[1500:]
    made = {"train": train, "test": test}
    sides = [rows.shape[1], *options.layers, options.zdim]
    for letter, widths in (("e", sides), ("d", sides[::-1])):
        for i, (width, after) in enumerate(itertools.pairwise(widths)):
            most = np.sqrt(6 / (width + after))
            kernel = rng.uniform(-most, most, (width, after))
            made[f"{letter}{2 * i}"] = kernel.astype(np.float32)
            made[f"{letter}{2 * i + 1}"] = np.zeros(after, np.float32)
    whole = len(train) // options.batch_size * options.batch_size
    if whole != len(train):
        raise SystemExit(f"--batch_size={options.batch_size} must divide {len(train)}.")
    made["order"] = np.stack([rng.permutation(len(train)) for _ in range(options.epochs)])
    return made


def ours(settings: dict, made: dict[str, np.ndarray], path: str) -> None:
    """As pythae_worker.py, by wae_tf."""
    import keras
    import tensorflow as tf

    import wae_tf

    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])

    def network(letter: str, size: int) -> keras.Model:
        weights = [made[f"{letter}{i}"] for i in range(20) if f"{letter}{i}" in made]
        last = len(weights) - 2
        net = keras.Sequential([keras.Input((size,))])
        for i in range(0, len(weights), 2):
            net.add(keras.layers.Dense(weights[i].shape[1], "relu" if i < last else None))
        net.set_weights(weights)
        return net

    model = wae_tf.WaeMmd(
        encoder=network("e", made["train"].shape[1]),
        decoder=network("d", settings["zdim"]),
        output="linear",
        **{name: settings[name] for name in ("seed", "wae_lambda", "recon_scale")},
        mmd_scales=settings["scales"],
    )
    size, train = settings["batch_size"], tf.constant(made["train"])
    steps = len(made["train"]) // size
    rows = tf.data.Dataset.from_tensor_slices(made["order"].reshape(-1, size))
    batches = rows.map(lambda indices: tf.gather(train, indices)).prefetch(tf.data.AUTOTUNE)
    ends = []

    class Epochs(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(time.perf_counter())

    optimizer = keras.optimizers.Adam(settings["lr"], 0.9, 0.999, epsilon=settings["epsilon"])
    model.compile(optimizer, steps_per_execution=steps if settings["whole_epochs"] else 1)
    began = time.perf_counter()
    model.fit(
        batches, epochs=len(made["order"]), steps_per_epoch=steps, verbose=0, callbacks=[Epochs()]
    )
    codes = model.encode(made["test"])
    np.savez(path, codes=codes, made=model.decode(codes), ends=np.array(ends) - began)


def off_prior(found: np.ndarray, seed: int = 0) -> dict[str, float]:
    """MMD of codes [n, z] and N(0, 1), and the same in standard deviations of two samples of the prior."""
    from wae_tf.evaluation import codes

    rng = np.random.default_rng(seed)
    width = 2.0 * found.shape[1]
    draws = [rng.standard_normal((2, *found.shape)) for _ in range(DRAWS)]
    null = np.std([codes.mmd(*pair, width) for pair in draws], ddof=1)
    mmd = np.mean([codes.mmd(found, prior, width) for prior, _ in draws])
    return {"mmd": float(mmd), "mmd_sigmas": float(mmd / null)}


def measures(test: np.ndarray, found: dict[str, np.ndarray], epochs: int, steps: int) -> dict:
    """The numbers of a training."""
    ends = found["ends"]
    return {
        "squared_error": float(((found["made"] - test) ** 2).sum(1).mean()),
        **off_prior(found["codes"]),
        "seconds": float(ends[-1]),
        "ms_a_step": float(1e3 * (ends[-1] - ends[0]) / max(1, (epochs - 1) * steps)),
    }


def main() -> int:
    """Trains all in turns and prints the table."""
    if sys.argv[1:2] == ["--ours"]:
        ours(json.loads(Path(sys.argv[2]).read_text()), dict(np.load(sys.argv[3])), sys.argv[4])
        return 0
    parser = common.parser(__doc__)
    parser.add_argument("--pythae_python", required=True)
    parser.add_argument("--seeds", type=common.numbers(least=0), default="0,1,2")
    parser.add_argument("--epochs", type=common.number(), default=100)
    parser.add_argument("--wae_lambda", type=float, default=10.0, help="0: no penalty")
    parser.add_argument("--batch_size", type=common.number(), default=100)
    parser.add_argument("--zdim", type=common.number(), default=8)
    parser.add_argument("--layers", type=common.numbers(), default="256,256")
    parser.add_argument("--threads", type=common.number(), default=1)
    parser.add_argument("--json", type=common.file_to_write)
    options = parser.parse_args()
    try:
        there = subprocess.run([options.pythae_python, "-c", "import pythae"], capture_output=True)
    except OSError as error:
        raise SystemExit(f"--pythae_python={options.pythae_python}: {error.strerror}.") from error
    if there.returncode:
        raise SystemExit(f"--pythae_python={options.pythae_python} cannot import pythae.")
    common_settings = {
        "zdim": options.zdim, "batch_size": options.batch_size, "threads": options.threads, "lr": 1e-3,
        "epsilon": 1e-12, "wae_lambda": options.wae_lambda, "recon_scale": 1.0, "scales": SCALES,
        "whole_epochs": False,
    }  # fmt: skip
    mine = [sys.executable, __file__, "--ours"]
    contenders = {
        "wae_tf": (mine, {}),
        "pythae": ([options.pythae_python, HERE / "pythae_worker.py"], {}),
        "wae_tf, an epoch a call": (mine, {"whole_epochs": True}),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("settings.json", "given.npz", "made.npz")]
        for seed in options.seeds:
            made = given(seed, options)
            np.savez(files[1], **made)
            for name, (command, changes) in contenders.items():
                files[0].write_text(json.dumps({**common_settings, **changes, "seed": seed}))
                done = subprocess.run([*command, *files], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{name}, seed {seed}, failed:\n{done.stderr[-2000:]}")
                steps = len(made["train"]) // options.batch_size
                found = measures(made["test"], dict(np.load(files[2])), options.epochs, steps)
                rows.append({"contender": name, "seed": seed, **found})
                print(json.dumps(rows[-1]), flush=True)
                if options.json:
                    Path(options.json).write_text(json.dumps(rows, indent=2) + "\n")
    columns = ("squared_error", "mmd", "mmd_sigmas", "seconds", "ms_a_step")
    table = []
    for name in contenders:
        those = [row for row in rows if row["contender"] == name]
        cells = [[row[column] for row in those] for column in columns]
        table.append([name, *(f"{np.mean(c):.4g} ({min(c):.4g} to {max(c):.4g})" for c in cells)])
    print(common.markdown(["", *columns], table))
    return 0


if __name__ == "__main__":
    common.program(main)
