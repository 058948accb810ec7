"""Two replicas give the numbers of one device: two logical CPUs, and two processes on 127.0.0.1."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.factory import flags as flags_of
from tests.factory import tiny
from wae_tf.config import Config
from wae_tf.errors import FlagError
from wae_tf.training import distribution

ROOT = Path(__file__).parents[2]

# In a process of its own: the number of devices is fixed at the first use of TensorFlow.
PROGRAM = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import wae_tf
from wae_tf.config import Config
from wae_tf.data.batches import image_batches
from wae_tf.training import distribution

many, out = sys.argv[1:]
cpu = tf.config.list_physical_devices("CPU")[0]
if many == "mirrored":
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
small = dict(zdim=3, batch_size=8, encoder_filters=8, decoder_filters=8, encoder_layers=2,
             decoder_layers=2, adversary_filters=8, adversary_layers=2, init_std=0.3, lr=1e-3,
             pretrain_size=30, pretrain_steps=5, distribute=many)
cases = {
    "mmd": dict(model="wae_mmd", encoder_noise="add_noise", lambda_schedule="adaptive"),
    "gan": dict(model="wae_gan", encoder_noise="gaussian", gan_trick="official",
                fixed_point_weight=0.1),
    "mmdpp": dict(model="wae_mmdpp", encoder_noise="gaussian", lr_schedule="plateau", epochs=5),
    "vae": dict(model="vae", encoder_noise="gaussian", pretrain=False),
    "swd": dict(model="wae_swd", swd_projections=20),
    "double": dict(model="wae_mmd", encoder_noise="add_noise", precision="float64"),
}
if many == "multi_worker":
    cases = {k: cases[k] for k in ("mmd", "gan")}
images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
strategy = distribution.make_strategy(Config(**small, **next(iter(cases.values()))))
result = {"replicas": strategy.num_replicas_in_sync, "chief": distribution.is_chief(strategy)}
with strategy.scope():
    for name, case in cases.items():
        config = Config(**small, **case)
        model = wae_tf.from_config(config, (8, 8, 1), len(images))
        model.compile(steps_per_execution=2)
        if config.pretrain:
            result[name + "/pretrained"] = wae_tf.pretrain(
                model, images, lambda line: None, steps=5, size=30)
        part = lambda rows: image_batches(images, batch_size=8, seed=0, pixel_range="unit", rows=rows)
        data = distribution.distributed_dataset(strategy, 8, part)
        history = model.fit(data, epochs=1, steps_per_epoch=20, verbose=0).history
        result[name] = {k: v[0] for k, v in history.items()}
        result[name + "/last"] = model.running_means.latest.numpy().tolist()
        # With the batch's moments: a bias before a batch norm has no effect, and no gradient but
        # rounding, so it and the moving mean behind it drift.
        float_images = tf.constant(images, model.full_dtype) / 255.0
        mean = model.encoder(float_images, training=True)["mean"]
        result[name + "/codes"] = mean.numpy().tolist()
        codes = tf.random.stateless_normal([60, 3], [1, 2])
        result[name + "/logits"] = model.decoder(codes, training=True).numpy().tolist()
        if name == "mmd" and many == "mirrored":
            asked = []  # by either replica
            all_reduce = tf.distribute.ReplicaContext.all_reduce
            tf.distribute.ReplicaContext.all_reduce = lambda *args: (
                asked.append(args[2]), all_reduce(*args))[1]
            batch = next(iter(data))
            step = tf.function(lambda b: strategy.run(model.train_step, args=(b,)), autograph=False)
            step.get_concrete_function(batch)
            tf.distribute.ReplicaContext.all_reduce = all_reduce
            norms = [v for v in model.variables if "moving_mean" in v.path]
            result["messages"] = len(asked) / 2, len(norms)
        if model.adversary is not None:
            result[name + "/adversary"] = model.adversary(codes).numpy().tolist()
    distribution.barrier(strategy)
    if many != "multi_worker":
        # Half precision: the gradients of one replica alone overflow, and both leave the step out.
        def half(pixels):
            config = Config(**small, **cases["gan"], precision="mixed_float16", optimizer="sgd")
            model = wae_tf.from_config(config, (8, 8, 1), 60)
            model.compile()
            model.trusts_batches = True  # the great values are the point
            for optimizer in (model.optimizer, model.adversary_optimizer):
                optimizer.dynamic_scale.assign(2.0**6)
            batches = tf.data.Dataset.from_tensors(pixels).repeat()
            make = lambda rows: batches.map(lambda b: b[rows[0] : rows[1]])
            before = [v.numpy() for v in model.autoencoder_variables]
            model.fit(distribution.distributed_dataset(strategy, 8, make), steps_per_epoch=2, verbose=0)
            moved = [np.abs(v.numpy() - b).max() for v, b in zip(model.autoencoder_variables, before)]
            skipped = [int(model.step.numpy()) - int(o.iterations.numpy())
                       for o in (model.optimizer, model.adversary_optimizer)]
            return skipped, float(max(moved)), float(model.optimizer.dynamic_scale.numpy())
        good = images[:8].astype("float32") / 255
        result["half"] = half(good)
        great = good.copy()
        great[6] *= 2.0**30  # in the second half: inf in the half-precision networks
        result["spoiled"] = half(great)
with open(out, "w") as file:
    json.dump(result, file)
"""


def start(many, out, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, many, str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, seconds=600):
    try:
        text, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, text[-3000:]


def result_of(many, tmp_path_factory):
    out = tmp_path_factory.mktemp(many) / "result.json"
    finish(start(many, out))
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    return result_of("none", tmp_path_factory)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    return result_of("mirrored", tmp_path_factory)


def ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    numbers = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return numbers


def tf_config(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def near(value, part):
    """Of max(1, |value|), as the losses of the diff: MMD is a small difference of terms above 1."""
    return pytest.approx(value, rel=0, abs=part * max(1.0, abs(value)))


def compare(got, one):
    assert got["replicas"] == 2 and one["replicas"] == 1
    for name, expected in one.items():
        if name in ("replicas", "chief", "half", "spoiled") or name not in got:
            continue
        if name == "double":
            # No rounding to speak of: what is computed is the same. (Batches are float32.)
            for key, value in expected.items():
                assert got[name][key] == pytest.approx(value, rel=1e-9), key
        elif name.endswith(("/codes", "/logits", "/adversary")):
            difference = np.abs(np.subtract(got[name], expected)).max()
            assert difference <= 1e-4 * np.abs(expected).max(), name
        elif isinstance(expected, dict):
            for key, value in expected.items():
                assert got[name][key] == near(value, 1e-5), (name, key)
        elif isinstance(expected, list):  # of the last step alone
            assert all(g == near(e, 2e-5) for g, e in zip(got[name], expected, strict=True)), name
        else:
            assert got[name] == pytest.approx(expected, rel=2e-5, abs=1e-6), name


@pytest.mark.processes
@pytest.mark.slow
def test_two_replicas_of_one_machine_are_one_device(one_device, mirrored):
    messages, norms = mirrored["messages"]
    assert set(mirrored) == {*one_device, "messages"}
    compare(mirrored, one_device)
    # Waited for in a step: of each batch norm, and of codes and cost, there and back; of the gradients.
    assert (messages, norms) == (2 * 3 + 2 + 1, 3)


@pytest.mark.slow
@pytest.mark.processes
def test_replicas_leave_out_the_same_updates_in_half_precision(one_device, mirrored):
    for result in (mirrored, one_device):
        (skipped, moved, scale) = result["half"]
        assert skipped == [0, 0] and moved > 0
        (skipped, moved, smaller) = result["spoiled"]
        assert skipped[0] == 2 and moved == 0 and smaller == scale / 4
    assert mirrored["half"][1] == pytest.approx(one_device["half"][1], rel=0.02)


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_are_one_device(one_device, tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in ports(2)]
    outs = [tmp_path / f"{i}.json" for i in range(2)]
    workers = [
        start("multi_worker", out, TF_CONFIG=tf_config(addresses, i)) for i, out in enumerate(outs)
    ]
    for worker in workers:
        finish(worker)
    results = [json.loads(out.read_text()) for out in outs]
    assert [r["chief"] for r in results] == [True, False]
    for result in results:
        compare(result, one_device)
    assert results[0]["gan/adversary"] == results[1]["gan/adversary"]


@pytest.mark.slow
@pytest.mark.processes
def test_killed_workers_go_on_bit_by_bit(tmp_path):
    """Both workers of a run are killed and started again; weights and history are those of no kill."""
    flags = [
        "--distribute=multi_worker", "--train_size=80", "--test_size=20", "--batch_size=8",
        "--epochs=3", *flags_of(**tiny(8)), "--pretrain_steps=2", "--pretrain_size=20",
        "--pictures=4", "--picture_columns=2",
        "--figure_every=0", "--save_every_steps=1", "--keep_checkpoints=2",
    ]  # fmt: skip

    def workers(folder):
        addresses = [f"127.0.0.1:{port}" for port in ports(2)]
        return [
            subprocess.Popen(
                [sys.executable, "-m", "wae_tf.main", f"--work_dir={folder}", *flags],
                env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": tf_config(addresses, i)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for i in range(2)
        ]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for worker in workers(whole):
        finish(worker)
    running = workers(killed)
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(killed.glob("checkpoints/step-0000001?")):
        time.sleep(0.02)
    for worker in running:
        worker.kill()
    for worker in running:
        worker.communicate()
    steps = [int(path.name.split("-")[1]) for path in killed.glob("checkpoints/step-*")]
    assert steps and max(steps) < 30
    again = workers(killed)
    texts = [worker.communicate(timeout=240)[0] for worker in again]
    assert [worker.returncode for worker in again] == [0, 0], texts
    assert "going on from step" in texts[0]
    left, right = (
        tf.train.load_checkpoint(str(folder / "checkpoints" / "step-00000030" / "model"))
        for folder in (whole, killed)
    )
    names = [n for n in left.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    assert len(names) > 20
    for name in names:
        np.testing.assert_array_equal(left.get_tensor(name), right.get_tensor(name), err_msg=name)


@pytest.mark.slow
@pytest.mark.processes
def test_workers_end_together_at_the_epoch_that_the_chief_ends_at(tmp_path):
    watched = ["--early_stopping_patience=1", "--keep_best", f"--work_dir={tmp_path / 'run'}"]
    status, texts = _ended(_two("--epochs=4", "--lr=0", *watched))
    assert status == [0, 0], texts
    # No weight moves, so no epoch is better than the first.
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["steps"], metrics["best_step"]) == (20, 10)


#: A command line whose nth test of an epoch is met by SIGTERM.
STOPPED_IN_A_TEST = """
import os, signal, sys
from wae_tf import main
from wae_tf.training import callbacks
plain, calls = callbacks.Report.on_epoch_end, []
def stopped(self, *args, **kwargs):
    calls.append(1)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGTERM)
    return plain(self, *args, **kwargs)
callbacks.Report.on_epoch_end = stopped
sys.exit(main.program())
"""
#: One whose evaluation takes long.
SLOW_EVALUATION = """
import sys, time
from wae_tf import main
from wae_tf.console import interruption
from wae_tf.evaluation import brief
plain = brief.evaluate
def slow(*args, **kwargs):
    for _ in range(100):
        interruption.check()
        time.sleep(0.1)
    return plain(*args, **kwargs)
brief.evaluate = slow
sys.exit(main.main(sys.argv[1:]))
"""


def _tiny(*flags, distribute="multi_worker"):
    return [
        f"--distribute={distribute}", "--train_size=80", "--test_size=20", "--batch_size=8",
        "--zdim=3", "--encoder_arch=mlp", "--decoder_arch=mlp", "--nobatch_norm",
        "--encoder_filters=8", "--decoder_filters=8", "--encoder_layers=1", "--decoder_layers=1",
        "--nopretrain", "--pictures=4", "--picture_columns=2", "--figure_every=0", *flags,
    ]  # fmt: skip


def _two(*flags, chief=(), other=(), program=None):
    """Two workers of a tiny run."""
    addresses = [f"127.0.0.1:{port}" for port in ports(2)]
    started = ["-c", program] if program else ["-m", "wae_tf.main"]
    return [
        subprocess.Popen(
            [sys.executable, *started, *_tiny(*flags), *more],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": tf_config(addresses, i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i, more in enumerate((chief, other))
    ]


def _ended(workers):
    texts = [worker.communicate(timeout=240)[0] for worker in workers]
    return [worker.returncode for worker in workers], texts


@pytest.mark.slow
@pytest.mark.processes
def test_workers_with_other_flags_images_or_folders_are_told(tmp_path):
    run = f"--work_dir={tmp_path / 'run'}"
    status, texts = _ended(_two(run, "--epochs=1", other=["--lr=0.5"]))
    assert status == [2, 2]
    assert "another worker has other flags, and names them" in texts[0]
    assert "(--lr=0.5 here and 0.001 at the chief)" in texts[1]
    for name in ("a", "b"):
        images = np.full((100, 8, 8, 1), ord(name), np.uint8)
        images[:, 0, 0, 0] = range(100)
        np.save(tmp_path / f"{name}.npy", images)
    of = [[f"--data_dir={tmp_path / name}.npy"] for name in ("a", "b")]
    status, texts = _ended(_two(run, "--dataset=folder", chief=of[0], other=of[1]))
    assert status == [1, 1]
    assert "this worker has other images for training and test than the chief" in texts[1]
    assert not (tmp_path / "run" / "flags.flags").exists()
    status, texts = _ended(_two("--epochs=1", chief=[run], other=[f"{run}2"]))
    assert status == [1, 1]
    assert "run2 is not the folder that the chief sees" in texts[1]
    # Where the chief cannot begin it alone says why.
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    status, texts = _ended(_two("--epochs=1", f"--work_dir={tmp_path / 'full'}"))
    assert status == [1, 1]
    assert "is not an empty folder" in texts[0]


@pytest.mark.slow
@pytest.mark.processes
def test_a_signal_to_one_worker_ends_all_at_the_same_step(tmp_path):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    flags = ["--save_every=1000", "--steps_per_execution=5"]
    workers = _two(f"--work_dir={stopped}", "--epochs=5000", *flags)
    until = time.monotonic() + 120
    while time.monotonic() < until and not (stopped / "history.csv").is_file():
        time.sleep(0.05)
    workers[1].send_signal(signal.SIGTERM)
    status, texts = _ended(workers)
    assert status == [143, 143], texts
    (step,) = {int(path.name[5:]) for path in stopped.glob("checkpoints/step-*")} - {0}
    assert f"step {step} is saved" in texts[0]
    assert "what the chief has saved stands" in texts[1]
    steps = f"--steps={step + 20}"
    for folder in (stopped, whole):
        status, texts = _ended(_two(f"--work_dir={folder}", "--epochs=5000", steps, *flags))
        assert status == [0, 0], texts
    left, right = (
        tf.train.load_checkpoint(str(folder / "checkpoints" / f"step-{step + 20:08d}" / "model"))
        for folder in (whole, stopped)
    )
    for name in left.get_variable_to_shape_map():
        if "OBJECT_GRAPH" not in name:
            np.testing.assert_array_equal(left.get_tensor(name), right.get_tensor(name))


CALLBACKS = """
import os, sys
import keras
import numpy as np
import wae_tf
from wae_tf.errors import UserError
from wae_tf.training import fitting

class Halves(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        for weight in self.model.encoder.weights:
            weight.assign(weight / 2)

class Sums(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        pass

def rates(epoch):
    return 0.001 if epoch == 0 else 0.01

what, folder = sys.argv[1:]
chief = '"index": 0' in os.environ.get("TF_CONFIG", '"index": 0')
several = "multi_worker" if "TF_CONFIG" in os.environ else "none"
given = {"rates": [keras.callbacks.LearningRateScheduler(rates)], "chief": [Sums()] if chief else [],
         "weights": [Halves()]}[what]
config = wae_tf.preset(
    distribute=several, train_size=80, test_size=20, batch_size=8, zdim=3, encoder_arch="mlp",
    decoder_arch="mlp", batch_norm=False, encoder_filters=8, decoder_filters=8, encoder_layers=1,
    decoder_layers=1, pretrain=False, pictures=4, picture_columns=2, figure_every=0, epochs=3,
    lr_schedule="constant",
    work_dir=folder,
)
fit = fitting.fit
def watched(model, *args):
    found = fit(model, *args)
    weights = [weight.numpy() for weight in model.weights]
    print("sum", repr(float(sum(np.abs(w).astype(float).sum() for w in weights))), flush=True)
    return found
fitting.fit = watched
try:
    wae_tf.train(config, callbacks=given)
except UserError as error:
    sys.exit(f"said: {error}")
"""


def _with_callbacks(what, folder, processes=2):
    addresses = [f"127.0.0.1:{port}" for port in ports(processes)]
    several = [{"TF_CONFIG": tf_config(addresses, i)} for i in range(processes)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CALLBACKS, what, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for more in (several if processes > 1 else [{}])
    ]
    return _ended(workers)


@pytest.mark.slow
@pytest.mark.processes
def test_workers_follow_what_the_chiefs_callbacks_do(tmp_path):
    sums = []
    for processes in (1, 2):
        status, texts = _with_callbacks("rates", tmp_path / f"rates{processes}", processes)
        assert status == [0] * processes, texts
        sums += [float(re.findall(r"^sum (.*)$", text, re.MULTILINE)[-1]) for text in texts]
    assert sums[1] == sums[2] == pytest.approx(sums[0], rel=1e-5)
    status, texts = _with_callbacks("chief", tmp_path / "chief")
    assert status == [0, 0], texts
    status, texts = _with_callbacks("weights", tmp_path / "weights")
    assert status == [1, 1], texts
    assert all("said: a callback has moved weights" in text for text in texts)


@pytest.mark.slow
@pytest.mark.processes
def test_workers_agree_on_an_end_that_one_process_had_come_to(tmp_path):
    """One process is stopped in the test of the epoch that ends training; two go on with its run."""
    folder = tmp_path / "run"
    flags = [f"--work_dir={folder}", "--lr=0", "--early_stopping_patience=1", "--epochs=5"]
    program = STOPPED_IN_A_TEST.format(call=2)
    one = subprocess.run(
        [sys.executable, "-c", program, *_tiny(*flags, distribute="none")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert one.returncode == 128 + signal.SIGTERM, one.stderr
    status, texts = _ended(_two(*flags))
    assert status == [0, 0], texts
    assert json.loads((folder / "metrics.json").read_text())["steps"] == 20


@pytest.mark.slow
@pytest.mark.processes
def test_a_signal_to_the_chief_that_evaluates_is_one_to_all(tmp_path):
    workers = _two(f"--work_dir={tmp_path / 'run'}", "--epochs=1", program=SLOW_EVALUATION)
    assert any("evaluating" in line for line in workers[0].stdout)
    workers[0].send_signal(signal.SIGTERM)
    status, texts = _ended(workers)
    assert status == [143, 143], texts
    for text in texts:
        assert "all steps are done and saved; the same command" in text


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"cluster": {"worker": []}}',
        '{"cluster": {"worker": "here:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["here:1"]}, "task": {"type": "worker", "index": 0.5}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": true}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:99999"]}, "task": {"type": "worker", "index": 0}}',
    ],
)  # fmt: skip
def test_a_bad_tf_config_is_named(monkeypatch, text):

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(FlagError, match="TF_CONFIG like"):
        distribution.make_strategy(Config(distribute="multi_worker"))
