"""Two replicas give the numbers of one device: two logical CPUs, and two processes on 127.0.0.1."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wae_tf.config import Config
from wae_tf.errors import FlagError

ROOT = Path(__file__).parents[1]

# In a process of its own: the number of devices is fixed at the first use of TensorFlow.
PROGRAM = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from wae_tf import distribution, models, training
from wae_tf.config import Config
from wae_tf.data import batches

many, out, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
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
}
if many == "multi_worker":
    cases = {k: cases[k] for k in ("mmd", "gan")}
images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
strategy = distribution.make_strategy(Config(**small, **next(iter(cases.values()))))
result = {"replicas": strategy.num_replicas_in_sync, "chief": distribution.is_chief(strategy)}
with strategy.scope():
    for name, case in cases.items():
        config = Config(**small, **case)
        model = models.from_config(config, (8, 8, 1), len(images))
        model.compile(steps_per_execution=2)
        if config.pretrain:
            result[name + "/pretrained"] = training.pretrain(model, images, lambda line: None)
        part = lambda rows: batches(images, batch_size=8, seed=0, pixel_range="unit", rows=rows)
        data = distribution.shared(strategy, 8, part)
        history = model.fit(data, epochs=1, steps_per_epoch=steps, verbose=0).history
        result[name] = {k: v[0] for k, v in history.items()}
        result[name + "/last"] = model.latest.numpy().tolist()
        # With the batch's moments: a bias before a batch norm has no effect, and no gradient but
        # rounding, so it and the moving mean behind it drift.
        float_images = tf.constant(images, tf.float32) / 255.0
        mean = model.encoder(float_images, training=True)["mean"]
        result[name + "/codes"] = mean.numpy().tolist()
        codes = tf.random.stateless_normal([60, 3], [1, 2])
        result[name + "/logits"] = model.decoder(codes, training=True).numpy().tolist()
        if model.adversary is not None:
            result[name + "/adversary"] = model.adversary(codes).numpy().tolist()
    distribution.barrier(strategy)
with open(out, "w") as file:
    json.dump(result, file)
"""


def start(many, out, steps=20, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, many, str(out), str(steps)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, seconds=240):
    try:
        text, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, text[-3000:]


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "result.json"
    finish(start("none", out))
    return json.loads(out.read_text())


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


def compare(got, one):
    assert got["replicas"] == 2 and one["replicas"] == 1
    for name, expected in one.items():
        if name in ("replicas", "chief") or name not in got:
            continue
        if name.endswith(("/codes", "/logits", "/adversary")):
            difference = np.abs(np.subtract(got[name], expected)).max()
            assert difference <= 1e-4 * np.abs(expected).max(), name
        elif isinstance(expected, dict):
            for key, value in expected.items():
                assert got[name][key] == pytest.approx(value, rel=1e-5, abs=1e-7), (name, key)
        else:
            assert got[name] == pytest.approx(expected, rel=2e-5, abs=1e-6), name


def test_two_replicas_of_one_machine_are_one_device(one_device, tmp_path):
    out = tmp_path / "result.json"
    finish(start("mirrored", out))
    got = json.loads(out.read_text())
    assert set(got) == set(one_device)
    compare(got, one_device)


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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cluster": {"worker": []}}'])
def test_a_bad_tf_config_is_named(monkeypatch, text):
    from wae_tf import distribution

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(FlagError, match="TF_CONFIG like"):
        distribution.make_strategy(Config(distribute="multi_worker"))
