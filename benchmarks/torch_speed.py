"""The same networks, losses and optimizers as a PyTorch user writes them; prints a line of JSON.

Imports nothing of wae_tf; run by speed.py under a Python with PyTorch:

    PYTHON torch_speed.py '{"encoder_arch": "dcgan", ..., "steps": 6}'

The uint8 images lie in memory, which spares PyTorch a decoder: random bytes, for speed does not depend
on them. `compile` is a mode of torch.compile for the losses, with fused Adam; without it the loop is
eager. On a `device` of "cuda" the images are kept there and Adam is fused. `precision` mixed_bfloat16 means
autocast.
Convolutions of stride 2 pad evenly, as PyTorch users have it, where TensorFlow's SAME puts the odd pixel
last: the same work, half a pixel apart. `trainer` "pythae" trains the same networks by pythae's WAE_MMD
and its own trainer instead.
"""

import time

BEGAN = time.time()

import contextlib  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402

import common  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


def encoder(o):
    """Features, then a linear layer to the code (twice as wide if gaussian)."""
    heads = o["zdim"] * (2 if o["noise"] == "gaussian" else 1)
    height, width, channels = o["shape"]
    parts, count, kernel = [], o["encoder_layers"], o["kernel"]
    if o["encoder_arch"] == "mlp":
        size = height * width * channels
        parts.append(nn.Flatten())
        for _ in range(count):
            parts += [nn.Linear(size, o["filters"]), nn.BatchNorm1d(o["filters"]), nn.ReLU()]
            size = o["filters"]
    else:
        for i in range(count):
            outputs = o["filters"] // 2 ** (count - 1 - i)
            padding = kernel // 2 - (kernel % 2 == 0 and height % 2 == 0)
            parts += [
                nn.Conv2d(channels, outputs, kernel, stride=2, padding=padding),
                nn.BatchNorm2d(outputs), nn.ReLU(),
            ]  # fmt: skip
            channels, height, width = outputs, -(-height // 2), -(-width // 2)
        parts.append(nn.Flatten())
        size = channels * height * width
    return nn.Sequential(*parts, nn.Linear(size, heads))


def decoder(o):
    """mlp or dcgan_mod."""
    height, width, channels = o["shape"]
    parts, count, filters, kernel = [], o["decoder_layers"], o["filters"], o["kernel"]
    if o["decoder_arch"] == "mlp":
        size = o["zdim"]
        for _ in range(count):
            parts += [nn.Linear(size, filters), nn.ReLU(), nn.BatchNorm1d(filters)]
            size = filters
        parts += [
            nn.Linear(size, height * width * channels),
            nn.Unflatten(1, (channels, height, width)),
        ]
    else:
        shrink = 2 ** (count - 1)
        small = (height // shrink, width // shrink)
        parts += [nn.Linear(o["zdim"], filters * small[0] * small[1])]
        parts += [nn.Unflatten(1, (filters, *small)), nn.ReLU()]
        for i in range(count - 1):
            inputs, outputs = filters // 2**i, filters // 2 ** (i + 1)
            parts += [
                nn.ConvTranspose2d(
                    inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2,
                    output_padding=kernel % 2,
                ),
                nn.BatchNorm2d(outputs), nn.ReLU(),
            ]  # fmt: skip
        parts.append(nn.Conv2d(filters // shrink, channels, kernel, padding="same"))
    return nn.Sequential(*parts, nn.Tanh() if o["symmetric"] else nn.Sigmoid())


def adversary(o):
    """Some hidden layers."""
    parts, size = [], o["zdim"]
    for _ in range(o["adversary_layers"]):
        parts += [nn.Linear(size, o["adversary_filters"]), nn.ReLU()]
        size = o["adversary_filters"]
    return nn.Sequential(*parts, nn.Linear(size, 1))


def initial(network, std):
    """The official initial weights, near enough."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
    return network


def sampled(out, noise):
    """The code of the encoder's output."""
    if noise != "gaussian":
        return out
    mean, logvar = out.chunk(2, 1)
    return mean + torch.randn_like(mean) * (1e-8 + logvar.clamp(-50, 50).exp()).sqrt()


def mmd(q, p, o):
    """IMQ summed over seven scales."""
    n, base = len(q), 2.0 * o["zdim"] * o["prior_scale"] ** 2

    def distances(a, b):
        return (a * a).sum(1, keepdim=True) + (b * b).sum(1) - 2 * a @ b.T

    qq, pp, qp = distances(q, q), distances(p, p), distances(q, p)
    off, stat = 1 - torch.eye(n, device=q.device), 0.0
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = base * scale
        within = (c / (c + qq) + c / (c + pp)) * off
        stat = stat + within.sum() / (n * n - n) - 2 * (c / (c + qp)).mean()
    return stat


def bce(logits, one):
    """Cross-entropy against one label."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, one))


def data(o):
    """Random bytes [N, C, H, W]."""
    height, width, channels = o["shape"]
    shape = (o["images"], channels, height, width)
    return torch.from_numpy(np.random.RandomState(0).randint(0, 256, shape, np.uint8))


def batches(images, o):
    """Shuffled batches of floats, epoch after epoch."""
    while True:
        for rows in torch.randperm(len(images), device=images.device).split(o["batch_size"]):
            if len(rows) == o["batch_size"]:
                x = images[rows].float() / 255
                yield (x - 0.5) * 2 if o["symmetric"] else x


def plain(o, times):
    """Trains by a loop of its own, and notes the time after each step."""
    layout = torch.channels_last if o["channels_last"] else torch.contiguous_format
    device = o.get("device", "cpu")
    fused = device == "cuda" or bool(o.get("compile"))

    def ready(network):
        return initial(network, o["init_std"]).to(device, memory_format=layout)

    e, d = ready(encoder(o)), ready(decoder(o))
    both = torch.optim.Adam(
        [*e.parameters(), *d.parameters()], o["lr"], betas=(0.5, 0.999), fused=fused
    )
    a = a_opt = None
    if o["penalty"] == "gan":
        a = ready(adversary(o))
        a_opt = torch.optim.Adam(a.parameters(), o["lr_adv"], betas=(0.5, 0.999), fused=fused)
    n, z = o["batch_size"], o["zdim"]
    half = o.get("precision", "float32") == "mixed_bfloat16"

    def autocast():
        return torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext()

    def encode(x):
        if o["noise"] == "add_noise":
            x = x + nn.init.trunc_normal_(torch.empty_like(x), std=0.01, a=-0.02, b=0.02)
        with autocast():
            found = e(x)
        return sampled(found.float(), o["noise"])

    def logits(codes, parts=1):
        with autocast():
            found = a(codes)
        found = found.float().chunk(parts)
        if not o["gan_trick"]:
            return found
        constant = 0.5 * math.log(2 * math.pi)
        return [  # broadcasts to [n, n], as in the official code
            logit - (code**2).sum(1) / 2 / o["prior_scale"] ** 2 - constant
            for logit, code in zip(found, codes.chunk(parts), strict=True)
        ]

    def loss_of(x, prior):
        codes = encode(x)
        with autocast():
            made = d(codes)
        loss = 0.05 * ((made.float() - x) ** 2).sum((1, 2, 3)).mean()
        penalty = mmd(codes, prior, o) if a is None else bce(logits(codes)[0], 1.0)
        return loss + o["wae_lambda"] * penalty

    def adversary_loss_of(x, prior):
        with torch.no_grad():
            codes = encode(x)
        real, fake = logits(torch.cat([prior, codes]), 2)
        return o["wae_lambda"] * (bce(real, 1.0) + bce(fake, 0.0))

    if o.get("compile"):
        loss_of = torch.compile(loss_of, mode=o["compile"])
        adversary_loss_of = torch.compile(adversary_loss_of, mode=o["compile"])
    gate = common.Gate()
    feed = itertools.islice(batches(data(o).to(device), o), o["steps"] + 1)
    for step, x in enumerate(feed, 1):
        x = x.to(memory_format=layout)
        prior = torch.randn(n, z, device=device) * o["prior_scale"]
        loss = loss_of(x, prior)
        both.zero_grad()
        loss.backward()
        both.step()
        if a is not None:
            adv = adversary_loss_of(x, prior)
            a_opt.zero_grad()
            adv.backward()
            a_opt.step()
        # A loop that shows its loss: on a GPU every 20 steps, so that the host runs ahead.
        if device == "cpu" or step % 20 == 0:
            loss.item()
            times.append((step, time.time()))
            common.mark(step)
            if gate.due and step >= o["steps"] // 4:
                gate.wait()
                times[1:] = [(step, time.time())]


def pythae(o, times):
    """Trains the same encoder and decoder by pythae's WAE_MMD and its trainer."""
    import logging
    import tempfile

    from pythae.data.datasets import BaseDataset
    from pythae.models import WAE_MMD, WAE_MMD_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    logging.disable(logging.CRITICAL)
    height, width, channels = o["shape"]

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = initial(encoder(o), o["init_std"])

        def forward(self, x):
            """pythae wants the code in an output of its own."""
            return ModelOutput(embedding=sampled(self.net(x), o["noise"]))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = initial(decoder(o), o["init_std"])

        def forward(self, z):
            """As above."""
            return ModelOutput(reconstruction=self.net(z))

    class Note(TrainingCallback):
        def on_train_step_end(self, training_config, **kwargs):
            """Notes the time."""
            times.append((len(times) + 1, time.time()))
            common.mark(len(times))
            if len(times) > o["steps"]:
                raise common.Enough

    config = WAE_MMD_Config(
        input_dim=(channels, height, width), latent_dim=o["zdim"], kernel_choice="imq",
        reg_weight=o["wae_lambda"], kernel_bandwidth=o["prior_scale"], reconstruction_loss_scale=0.05,
    )  # fmt: skip
    images = data(o).float() / 255
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, num_epochs=100, learning_rate=o["lr"], no_cuda=True,
            per_device_train_batch_size=o["batch_size"], optimizer_cls="Adam",
            optimizer_params={"betas": (0.5, 0.999)},
        )  # fmt: skip
        trainer = BaseTrainer(
            WAE_MMD(config, Encoder(), Decoder()),
            BaseDataset(images, torch.ones(len(images))),
            training_config=settings,
            callbacks=[Note()],
        )
        trainer.train(log_output_dir=folder)


def matrix_rate(o):
    """Operations a second of 2048^3 products, of 8192^3 on a GPU, the best of several."""
    device = o.get("device", "cpu")
    size = 2048 if device == "cpu" else 8192
    dtype = torch.bfloat16 if o.get("precision") == "mixed_bfloat16" else torch.float32
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    return common.matrix_rate(lambda: (matrix @ matrix)[0, 0].item(), size)


def main(o):
    """Train for a few steps, print."""
    torch.manual_seed(0)
    if o.get("tf32"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    times = []
    with contextlib.suppress(common.Enough):
        (pythae if o.get("trainer") == "pythae" else plain)(o, times)
    peak = common.memory_mb()
    gpu_mb = torch.cuda.max_memory_allocated() / 2**20 if o.get("device") == "cuda" else 0.0
    common.print_speed(times, BEGAN, peak, matrix_rate(o), gpu_mb)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
