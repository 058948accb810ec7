"""The same networks, losses and optimizers as a PyTorch user writes them; prints a line of JSON.

Imports nothing of wae_tf; run by speed.py under a Python with PyTorch:

    PYTHON torch_speed.py '{"arch": "dcgan", "filters": 1024, ...}' STEPS
"""

import time

BEGAN = time.time()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class SameConv(nn.Module):
    """4x4 convolution of stride 2 with TensorFlow's SAME padding."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2)

    def forward(self, x):
        """Pads by hand: PyTorch has no SAME for strides."""
        side = x.shape[-1]
        total = max((-(-side // 2) - 1) * 2 + 4 - side, 0)
        before, after = total // 2, total - total // 2
        return self.conv(F.pad(x, (before, after, before, after)))


def encoder(o):
    """Features, then a linear layer to the code (twice as wide if gaussian)."""
    heads = o["zdim"] * (2 if o["noise"] == "gaussian" else 1)
    height, width, channels = o["shape"]
    parts, count = [], o["encoder_layers"]
    if o["encoder_arch"] == "mlp":
        size = height * width * channels
        parts.append(nn.Flatten())
        for _ in range(count):
            parts += [nn.Linear(size, o["filters"]), nn.BatchNorm1d(o["filters"]), nn.ReLU()]
            size = o["filters"]
    else:
        for i in range(count):
            outputs = o["filters"] // 2 ** (count - 1 - i)
            parts += [SameConv(channels, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]
            channels, height, width = outputs, -(-height // 2), -(-width // 2)
        parts.append(nn.Flatten())
        size = channels * height * width
    return nn.Sequential(*parts, nn.Linear(size, heads))


def decoder(o):
    """mlp or dcgan_mod."""
    height, width, channels = o["shape"]
    parts, count, filters = [], o["decoder_layers"], o["filters"]
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
            outputs = filters // 2 ** (i + 1)
            parts += [
                nn.ConvTranspose2d(filters // 2**i, outputs, 4, stride=2, padding=1),
                nn.BatchNorm2d(outputs), nn.ReLU(),
            ]  # fmt: skip
        parts.append(nn.Conv2d(filters // 2 ** (count - 1), channels, 4, padding="same"))
    return nn.Sequential(*parts, nn.Tanh() if o["symmetric"] else nn.Sigmoid())


def adversary(o):
    """Four hidden layers."""
    parts, size = [], o["zdim"]
    for _ in range(o["adversary_layers"]):
        parts += [nn.Linear(size, o["adversary_filters"]), nn.ReLU()]
        size = o["adversary_filters"]
    return nn.Sequential(*parts, nn.Linear(size, 1))


def mmd(q, p, o):
    """IMQ summed over seven scales."""
    n, base = len(q), 2.0 * o["zdim"] * o["prior_scale"] ** 2

    def distances(a, b):
        return (a * a).sum(1, keepdim=True) + (b * b).sum(1) - 2 * a @ b.T

    qq, pp, qp = distances(q, q), distances(p, p), distances(q, p)
    off, stat = 1 - torch.eye(n), 0.0
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = base * scale
        within = (c / (c + qq) + c / (c + pp)) * off
        stat = stat + within.sum() / (n * n - n) - 2 * (c / (c + qp)).mean()
    return stat


def main(options, steps):
    """Train for a few steps, print."""
    o, steps = json.loads(options), int(steps)
    torch.manual_seed(0)
    layout = torch.channels_last if o["channels_last"] else torch.contiguous_format
    e, d = encoder(o).to(memory_format=layout), decoder(o).to(memory_format=layout)
    both = torch.optim.Adam([*e.parameters(), *d.parameters()], o["lr"], betas=(0.5, 0.999))
    a = a_opt = None
    if o["penalty"] == "gan":
        a = adversary(o)
        a_opt = torch.optim.Adam(a.parameters(), o["lr_adv"], betas=(0.5, 0.999))
    height, width, channels = o["shape"]
    images = torch.from_numpy(
        np.random.RandomState(0).randint(0, 256, (o["images"], channels, height, width), np.uint8)
    )
    n, z = o["batch_size"], o["zdim"]

    def encode(x):
        if o["noise"] == "add_noise":
            x = x + nn.init.trunc_normal_(torch.empty_like(x), std=0.01, a=-0.02, b=0.02)
        out = e(x)
        if o["noise"] != "gaussian":
            return out
        mean, logvar = out.chunk(2, 1)
        return mean + torch.randn_like(mean) * (1e-8 + logvar.clamp(-50, 50).exp()).sqrt()

    def bce(logits, one):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, one))

    times = [time.time()]
    for _ in range(steps):
        x = images[torch.randperm(len(images))[:n]].float() / 255
        x = ((x - 0.5) * 2 if o["symmetric"] else x).to(memory_format=layout)
        prior = torch.randn(n, z) * o["prior_scale"]
        codes = encode(x)
        loss = 0.05 * ((d(codes) - x) ** 2).sum((1, 2, 3)).mean()
        loss = loss + o["wae_lambda"] * (mmd(codes, prior, o) if a is None else bce(a(codes), 1.0))
        both.zero_grad()
        loss.backward()
        both.step()
        if a is not None:
            with torch.no_grad():
                codes = encode(x)
            logits = a(torch.cat([prior, codes]))
            adv = o["wae_lambda"] * (bce(logits[:n], 1.0) + bce(logits[n:], 0.0))
            a_opt.zero_grad()
            adv.backward()
            a_opt.step()
        loss.item()  # a loop that shows its loss
        times.append(time.time())
    each = np.diff(times)[steps // 4 :]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first = times[1] - BEGAN
    print(json.dumps({"seconds": float(np.median(each)), "first": first, "peak_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
