"""The same networks, losses and optimizers as a JAX user writes them; prints a line of JSON.

Imports nothing of wae_tf; run by speed.py under a Python with jax, flax and optax:

    PYTHON jax_speed.py '{"encoder_arch": "dcgan", ..., "steps": 6}'

Takes the settings of torch_speed.py. Flax modules, optax's Adam, and one jitted program that scans over
`scan` steps (20, or fewer where there are few) with its state donated. The uint8 images lie in memory,
random bytes; a call is given the rows of its batches and gathers them in the program. Convolutions of
stride 2 pad as TensorFlow's SAME does. `precision` mixed_bfloat16 means modules that compute in bfloat16.
The losses of the first and last step go to stderr; one that is not finite is an error.
"""

import time

BEGAN = time.time()

import itertools  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
from functools import partial  # noqa: E402

import common  # noqa: E402
import flax.linen as nn  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from jax import lax, random  # noqa: E402

MOST_STEPS_A_CALL = 20


class Network(nn.Module):
    """What the networks share: the settings, the official initial weights, the kind of number."""

    o: dict

    @property
    def common(self):
        """Arguments of every layer with weights."""
        return {
            "kernel_init": nn.initializers.normal(self.o["init_std"]),
            "dtype": half_of(self.o),
        }

    def norm(self, x, train):
        """Batch norm."""
        return nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5, dtype=half_of(self.o))(x)


class Encoder(Network):
    """Features, then a linear layer to the code (twice as wide if gaussian)."""

    @nn.compact
    def __call__(self, x, train=True):
        """Images [n, h, w, c] to [n, heads]."""
        o, count = self.o, self.o["encoder_layers"]
        if o["encoder_arch"] == "mlp":
            x = x.reshape(len(x), -1)
            for _ in range(count):
                x = nn.relu(self.norm(nn.Dense(o["filters"], **self.common)(x), train))
        else:
            sides = (o["kernel"], o["kernel"])
            for i in range(count):
                filters = o["filters"] // 2 ** (count - 1 - i)
                x = nn.Conv(filters, sides, strides=2, **self.common)(x)
                x = nn.relu(self.norm(x, train))
            x = x.reshape(len(x), -1)
        heads = o["zdim"] * (2 if o["noise"] == "gaussian" else 1)
        return nn.Dense(heads, **self.common)(x).astype(jnp.float32)


class Decoder(Network):
    """mlp or dcgan_mod."""

    @nn.compact
    def __call__(self, x, train=True):
        """Codes [n, z] to images."""
        o, count, filters = self.o, self.o["decoder_layers"], self.o["filters"]
        height, width, channels = o["shape"]
        if o["decoder_arch"] == "mlp":
            for _ in range(count):
                x = self.norm(nn.relu(nn.Dense(filters, **self.common)(x)), train)
            x = nn.Dense(height * width * channels, **self.common)(x)
            x = x.reshape(-1, height, width, channels)
        else:
            shrink, sides = 2 ** (count - 1), (o["kernel"], o["kernel"])
            small = (height // shrink, width // shrink)
            x = nn.Dense(filters * small[0] * small[1], **self.common)(x)
            x = nn.relu(x.reshape(-1, *small, filters))
            for i in range(count - 1):
                x = nn.ConvTranspose(filters // 2 ** (i + 1), sides, strides=(2, 2), **self.common)(
                    x
                )
                x = nn.relu(self.norm(x, train))
            x = nn.Conv(channels, sides, **self.common)(x)
        x = x.astype(jnp.float32)
        return jnp.tanh(x) if o["symmetric"] else nn.sigmoid(x)


class Adversary(Network):
    """Some hidden layers."""

    @nn.compact
    def __call__(self, x):
        """Codes to logits [n, 1]."""
        for _ in range(self.o["adversary_layers"]):
            x = nn.relu(nn.Dense(self.o["adversary_filters"], **self.common)(x))
        return nn.Dense(1, **self.common)(x).astype(jnp.float32)


def half_of(o):
    """What layers compute in, if not in float32."""
    return jnp.bfloat16 if o.get("precision") == "mixed_bfloat16" else None


def sampled(out, noise, key):
    """The code of the encoder's output."""
    if noise != "gaussian":
        return out
    mean, logvar = jnp.split(out, 2, 1)
    deviation = jnp.sqrt(1e-8 + jnp.exp(jnp.clip(logvar, -50, 50)))
    return mean + random.normal(key, mean.shape) * deviation


def mmd(q, p, o):
    """IMQ summed over seven scales."""
    n, base = len(q), 2.0 * o["zdim"] * o["prior_scale"] ** 2

    def distances(a, b):
        return (a * a).sum(1, keepdims=True) + (b * b).sum(1) - 2 * a @ b.T

    qq, pp, qp = distances(q, q), distances(p, p), distances(q, p)
    off, stat = 1 - jnp.eye(n), 0.0
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = base * scale
        within = (c / (c + qq) + c / (c + pp)) * off
        stat = stat + within.sum() / (n * n - n) - 2 * (c / (c + qp)).mean()
    return stat


def bce(logits, one):
    """Cross-entropy against one label."""
    return optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, one)).mean()


class Training:
    """The networks and their optimizers: `begin` makes the state, `call` takes steps with it."""

    def __init__(self, o):
        self.o = o
        self.encoder, self.decoder, self.adversary = Encoder(o), Decoder(o), Adversary(o)
        self.both = optax.adam(o["lr"], b1=0.5)
        self.other = optax.adam(o["lr_adv"], b1=0.5)

    def begin(self, key):
        """The weights, batch norm's moments and Adam's."""
        o = self.o
        keys = random.split(key, 4)
        code = jnp.zeros((1, o["zdim"]))
        e = self.encoder.init(keys[0], jnp.zeros((1, *o["shape"])))
        d = self.decoder.init(keys[1], code)
        state = {
            "params": {"e": e["params"], "d": d["params"]},
            "stats": {"e": e["batch_stats"], "d": d["batch_stats"]},
            "key": keys[3],
        }
        state["both"] = self.both.init(state["params"])
        if o["penalty"] == "gan":
            state["adversary"] = self.adversary.init(keys[2], code)["params"]
            state["other"] = self.other.init(state["adversary"])
        return state

    def apply(self, network, params, stats, x):
        """A network's output in training, and its new moments."""
        variables = {"params": params, "batch_stats": stats}
        out, new = network.apply(variables, x, mutable=["batch_stats"])
        return out, new["batch_stats"]

    def encode(self, params, stats, x, key):
        """Codes, and the encoder's new moments."""
        noise, key = random.split(key)
        if self.o["noise"] == "add_noise":
            x = x + 0.01 * random.truncated_normal(noise, -2.0, 2.0, x.shape)
        out, stats = self.apply(self.encoder, params, stats, x)
        return sampled(out, self.o["noise"], key), stats

    def logits(self, params, *codes):
        """The adversary's of each, in one pass, with the prior's logarithm under the official trick."""
        found = self.adversary.apply({"params": params}, jnp.concatenate(codes))
        found = jnp.split(found, len(codes))
        if not self.o["gan_trick"]:
            return found
        constant = 0.5 * math.log(2 * math.pi)
        return [  # broadcasts to [n, n], as in the official code
            logit - (code**2).sum(1) / 2 / self.o["prior_scale"] ** 2 - constant
            for logit, code in zip(found, codes, strict=True)
        ]

    def loss(self, params, state, x, prior, key):
        """The autoencoder's loss, and both networks' new moments."""
        codes, e = self.encode(params["e"], state["stats"]["e"], x, key)
        made, d = self.apply(self.decoder, params["d"], state["stats"]["d"], codes)
        loss = 0.05 * ((made - x) ** 2).sum((1, 2, 3)).mean()
        if self.o["penalty"] == "gan":
            penalty = bce(self.logits(state["adversary"], codes)[0], 1.0)
        else:
            penalty = mmd(codes, prior, self.o)
        return loss + self.o["wae_lambda"] * penalty, {"e": e, "d": d}

    def adversary_loss(self, params, codes, prior):
        """The adversary's, of prior sample and codes."""
        real, fake = self.logits(params, prior, codes)
        return self.o["wae_lambda"] * (bce(real, 1.0) + bce(fake, 0.0))

    def step(self, images, state, rows):
        """A step on the images of these rows; its loss."""
        o = self.o
        x = images[rows].astype(jnp.float32) / 255
        x = (x - 0.5) * 2 if o["symmetric"] else x
        key, drawn, first, second = random.split(state["key"], 4)
        prior = random.normal(drawn, (len(rows), o["zdim"])) * o["prior_scale"]
        with_gradient = jax.value_and_grad(self.loss, has_aux=True)
        (loss, stats), gradient = with_gradient(state["params"], state, x, prior, first)
        updates, both = self.both.update(gradient, state["both"])
        params = optax.apply_updates(state["params"], updates)
        state = state | {"params": params, "stats": stats, "both": both, "key": key}
        if o["penalty"] == "gan":
            codes, e = self.encode(params["e"], stats["e"], x, second)
            adversary = state["adversary"]
            gradient = jax.grad(self.adversary_loss)(adversary, lax.stop_gradient(codes), prior)
            updates, other = self.other.update(gradient, state["other"])
            state |= {
                "adversary": optax.apply_updates(adversary, updates),
                "other": other,
                "stats": stats | {"e": e},
            }
        return state, loss

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def call(self, state, images, rows):
        """Steps on batches of these rows [steps, n]; the losses."""
        return lax.scan(partial(self.step, images), state, rows)


def data(o):
    """Random bytes [N, H, W, C]."""
    shape = (o["images"], *o["shape"])
    return np.random.RandomState(0).randint(0, 256, shape, np.uint8)


def batches(o, scan):
    """The rows of shuffled batches [scan, n], epoch after epoch."""
    shuffled = np.random.RandomState(0)

    def one():
        while True:
            rows = shuffled.permutation(o["images"])
            whole = len(rows) // o["batch_size"] * o["batch_size"]
            yield from rows[:whole].reshape(-1, o["batch_size"]).astype(np.int32)

    each = one()
    while True:
        yield np.stack(list(itertools.islice(each, scan)))


def train(o, times):
    """Trains, and notes steps done and the time after each call."""
    images = jnp.asarray(data(o))
    training = Training(o)
    state = training.begin(random.key(0))
    scan = o.get("scan") or max(1, min(MOST_STEPS_A_CALL, o["steps"] // 6))
    gate = common.Gate()
    step = 0
    for rows in batches(o, scan):
        state, losses = training.call(state, images, rows)
        losses = np.asarray(losses)
        step += scan
        times.append((step, time.time()))
        common.mark(step)
        if not np.isfinite(losses).all():
            sys.exit(f"The loss is not finite at step {step}.")
        if step == scan or step >= o["steps"] + scan:
            shown = losses[0 if step == scan else -1]
            print(f"loss {shown:.5g} in the call up to step {step}", file=sys.stderr)
        if step >= o["steps"] + scan:
            return
        if gate.due and step >= o["steps"] // 4:
            gate.wait()
            times[1:] = [(step, time.time())]


def matrix_rate(o):
    """Operations a second of 2048^3 products, of 8192^3 on a GPU, the best of several."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    matrix = random.normal(random.key(0), (size, size)).astype(half_of(o) or jnp.float32)
    product = jax.jit(lambda a: a @ a)
    return common.matrix_rate(lambda: product(matrix).block_until_ready(), size)


def main(o):
    """Train for a few steps, print."""
    times = []
    train(o, times)
    peak = common.memory_mb()
    on_gpu = jax.local_devices()[0].memory_stats() or {}  # None on a CPU
    gpu_mb = on_gpu.get("peak_bytes_in_use", 0) / 2**20
    common.print_speed(times, BEGAN, peak, matrix_rate(o), gpu_mb)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
