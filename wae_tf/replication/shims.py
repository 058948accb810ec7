"""Stand-ins for what the report's code imports, and for what torch has changed since.

For Python 3.6 and later; record.py lists them.
"""

from __future__ import absolute_import, division, print_function

import sys
import types

import numpy as np


def stand_in(report):
    """Make what the clone imports importable, and torch take numbers from the report's queues."""
    torch = report.torch
    for name in ("scandir", "matplotlib", "matplotlib.pyplot", "matplotlib.gridspec"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["matplotlib"].use = lambda *_: None
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
    sys.modules["matplotlib"].gridspec = sys.modules["matplotlib.gridspec"]
    stands_in = {
        "torchvision": {},
        "torchvision.utils": {"save_image": lambda *a, **k: None},
        "utils": {"load_data": lambda *a: [], "load_mnist": lambda **k: ([], [])},
        "inception": {"InceptionV3": lambda *a: None},
        "fid_score": {
            "get_activations": lambda *a, **k: np.zeros((2, 2)),
            "calculate_frechet_distance": lambda *a, **k: 0.0,
        },
    }
    for name, members in stands_in.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(members)
    if getattr(torch, "_report_shim", None) is None:
        torch._report_shim = (torch.Tensor.normal_, torch.Tensor.__getitem__, torch.optim.Adam)
    normal_, getitem, adam = torch._report_shim

    def fed(tensor, *args, **kwargs):
        if report.numbers:
            return report.tensor(report.numbers.pop(0))
        return normal_(tensor, *args, **kwargs)

    def scalar(tensor, index):
        return tensor if tensor.dim() == 0 and index == 0 else getitem(tensor, index)

    def normal(mean, std):
        return mean + std * report.tensor(report.prior.pop(0))

    torch.Tensor.normal_, torch.Tensor.__getitem__ = fed, scalar
    torch.Tensor.cuda = lambda tensor: tensor
    torch.normal = normal

    class Adam(adam):
        def __init__(self, params, lr, **kwargs):
            adam.__init__(self, params, lr=0.0 if lr is None else lr, **kwargs)
            self.epsilon = self.param_groups[0]["eps"]

        def step(self, *args):
            group = self.param_groups[0]
            taken = [int(state["step"]) for state in self.state.values() if "step" in state]
            corrected = 1.0 - group["betas"][1] ** (1 + max(taken or [0]))
            group["eps"] = self.epsilon / corrected**0.5
            return adam.step(self, *args)

    class Plain(adam):
        def __init__(self, params, lr, **kwargs):
            adam.__init__(self, params, lr=0.0 if lr is None else lr, **kwargs)

    torch.optim.Adam = Adam if report.modern else Plain


def modernise(report):
    """Make the code compute under today's torch what it did under 1.0."""
    code, torch = report.code, report.torch
    official = code.wae_gan_loss

    def wae_gan_loss(z_encoded, z_sample):
        apart, _ = official(z_encoded.detach(), z_sample)
        return apart, official(z_encoded, z_sample)[1]

    code.wae_gan_loss = wae_gan_loss
    if type(code.RECON).__name__ == "BCELoss":

        def log(p):
            value = torch.log(torch.where(p == 0, torch.full_like(p, 1e-12), p)).detach()
            slope = torch.log(p + 1e-12)
            return slope + (value - slope.detach())

        def bce(recon, x):
            return -torch.sum(x * log(recon) + (1 - x) * log(1 - recon))

        code.RECON = bce
