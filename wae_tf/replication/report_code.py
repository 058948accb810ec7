"""The replication report's code in memory, driven from outside: fed numbers, noted results.

For Python 3.6 and later; record.py says what makes the code run there.
"""

from __future__ import absolute_import, division, print_function

import os
import re
import subprocess
import sys
import tempfile
import types

import inputs  # beside this file: no package, see record.py
import numpy as np
import shims


class Failure(Exception):
    """A sentence for a person."""


def _source(directory, revision, name):
    """Return a file of a revision of the clone."""
    command = ["git", "-C", directory, "show", "%s:%s" % (revision, name)]
    try:
        return subprocess.check_output(command, stderr=subprocess.STDOUT).decode("utf-8")
    except (OSError, subprocess.CalledProcessError):
        raise Failure(
            "--replication_dir=%s has no %s of %s; a git clone of github.com/josephdviviano/wae is "
            "expected" % (directory, name, revision)
        )


def _replace(text, pattern, value):
    replaced, count = re.subn(pattern, value, text, flags=re.MULTILINE)
    if not count:
        raise Failure("the clone's wae.py has no line like %s" % pattern)
    return replaced


class Report(object):
    """The code of one case in memory, in one precision."""

    def __init__(self, directory, case, dtype, torch):
        self.torch, self.case, self.dtype = torch, case, dtype
        self.numbers, self.prior = [], []
        self.modern = tuple(int(p) for p in torch.__version__.split(".")[:2]) >= (1, 5)
        torch.set_default_dtype(torch.float64 if dtype == "float64" else torch.float32)
        shims.stand_in(self)
        text = _source(directory, case["revision"], "wae.py")
        text = _replace(text, r"^DATASET = '\w+'", "DATASET = '%s'" % case["dataset"])
        text = _replace(text, r"^LOSS = '[\w-]+'", "LOSS = '%s'" % case["loss"])
        text = _replace(text, r"^(\s+)BATCH = \d+", r"\g<1>BATCH = %d" % case["batch"])
        text = _replace(text, r"ngf=128, ndf=128", "ngf=%(filters)d, ndf=%(filters)d" % case)
        text = _replace(text, r"self\.hid_size = 512", "self.hid_size = %d" % case["hidden"])
        self.code = types.ModuleType("wae_of_the_report")
        sys.path.insert(0, directory)
        try:
            exec(compile(text, "wae.py of %s" % case["revision"], "exec"), self.code.__dict__)
        finally:
            sys.path.remove(directory)
        if self.modern:
            shims.modernise(self)

    def settings(self):
        """Return the constants of the run that the numbers depend on."""
        names = "DIMS N_Z N_CHAN BATCH LAMBDA LR_VAE LR_DIS SIGMA SCALEBULLSHIT EPOCHS".split()
        found = dict((name, getattr(self.code, name)) for name in names)
        recon = self.code.RECON
        found["RECON"] = (
            "BCELoss"
            if callable(recon) and not hasattr(recon, "forward")
            else (type(recon).__name__)
        )
        return found

    def networks(self):
        """Return both networks by the names of their scopes."""
        return {"vae": self.code.vae, "dis": self.code.dis}

    def variables(self):
        """Return [name, shape] of all that the state dicts hold."""
        return [
            ["%s/%s" % (scope, name), list(value.shape)]
            for scope, net in sorted(self.networks().items())
            for name, value in sorted(net.state_dict().items())
            if not name.endswith("num_batches_tracked")
        ]

    def reset(self, weights):
        """Set all weights and moments, and forget what the optimizers know."""
        for scope, net in self.networks().items():
            state = net.state_dict()
            for name in state:
                key = "%s/%s" % (scope, name)
                if key in weights:
                    state[name].copy_(self.tensor(weights[key]))
        for optimizer in (self.code.opt_vae, self.code.opt_dis):
            optimizer.state.clear()
            optimizer.zero_grad()

    def tensor(self, value):
        """Return a tensor of this precision."""
        dtype = self.torch.float64 if self.dtype == "float64" else self.torch.float32
        return self.torch.as_tensor(np.ascontiguousarray(value)).to(dtype)

    def images(self, made):
        """Return [n, C, H, W]."""
        images = self.tensor(made["images"].transpose(0, 3, 1, 2))
        return images.reshape(-1).reshape(images.shape)  # today's torch minds a channel's stride

    def feed(self, made, twice=True):
        """Lay out the numbers of one pass: the encoder's noise, again for the penalty, the prior."""
        self.numbers.append(made["code"])
        if twice and self.case["loss"] != "vae":
            self.numbers.append(made["again"])
            self.prior.append(made["prior"])

    def _notes(self):
        """Make calc_loss note what it returns and the penalty's part of it."""
        code, noted = self.code, []
        whole = code.calc_loss
        part = {"vae": "kld_loss", "wae-gan": "wae_gan_loss", "wae-mmd": "wae_mmd_loss"}
        name = part[self.case["loss"]]
        penalty = getattr(code, name)
        last = []

        def noting(*args):
            found = penalty(*args)
            last.append(found)
            return found

        def noting_whole(*args, **kwargs):
            kwargs["verbose"] = False
            loss, adversary = whole(*args, **kwargs)
            found = last.pop()
            if self.case["loss"] == "wae-gan":
                found = found[1]
            scale = 1.0 if self.case["loss"] == "vae" else float(code.LAMBDA)
            noted.append((loss, scale * found, adversary))
            return loss, adversary

        setattr(code, name, noting)
        code.calc_loss = noting_whole

        def undo():
            setattr(code, name, penalty)
            code.calc_loss = whole

        return noted, undo

    def run(self, meta, weights):
        """Return all quantities from these weights."""
        code, torch, out = self.code, self.torch, {}
        made = inputs.make_inputs(meta)
        x = self.images(made)
        self.reset(weights)
        code.vae.eval()
        mean, logvar = code.vae.encoder(x)
        self.feed(made, twice=False)
        codes = code.vae.reparametrize(mean, logvar)
        last = code.vae.decode(codes)
        decoded = code.vae.decode(self.tensor(made["prior"]))
        out.update(
            {
                "eval/mean": mean,
                "eval/logvar": logvar,
                "eval/codes": codes,
                "eval/reconstructions": last.permute(0, 2, 3, 1),
                "eval/decoded": decoded.permute(0, 2, 3, 1),
            }
        )
        noted, undo = self._notes()
        self.reset(weights)
        code.vae.train()
        self.feed(made)
        recon, mean, logvar = code.vae.forward(x)
        loss, adversary = code.calc_loss(x, recon, mean, logvar, method=self.case["loss"])
        out["train/loss"], out["train/penalty"] = loss, noted[-1][1]
        out["train/cost"] = loss - noted[-1][1]
        loss.backward(retain_graph=True)
        out.update(self._gradients("vae"))
        if adversary is not None:
            out["train/adversary_loss"] = adversary
            code.opt_dis.zero_grad()
            adversary.backward()
            out.update(self._gradients("dis"))
        for name, value in self._state("vae"):
            if "running_" in name:
                out["moments/" + name] = value.clone()

        del noted[:]
        if meta["steps"]:
            self.reset(weights)
            data = []
            for k in range(meta["steps"]):
                step = inputs.make_inputs(meta, "step", k)
                self.feed(step)
                data.append(self._batch(step))
            code.train(0, data)
            out["steps/loss"] = np.array([float(n[0]) for n in noted])
            if adversary is not None:
                out["steps/adversary_loss"] = np.array([float(n[2]) for n in noted])
            for scope in ("vae", "dis") if adversary is not None else ("vae",):
                for name, value in self._state(scope):
                    out["steps/after/" + name] = value.clone()
        undo()

        self.reset(weights)
        parts = [made, inputs.half(made)]
        for part in parts:
            self.feed(part)
        # Its Laplacian is float32 whatever the images are (wae.py:288).
        real = code.calc_blur
        code.calc_blur = lambda images: real(images.float())
        whole = code.calc_loss
        code.calc_loss = lambda *a, **k: whole(*a, **dict(k, verbose=False))
        loss, blur, _ = code.test(0, [self._batch(part) for part in parts])
        out["test/loss"], out["test/blur"] = loss, blur
        out["blur"] = code.calc_blur(x)
        code.calc_blur, code.calc_loss = real, whole
        return dict(
            (name, np.asarray(v.detach().cpu().numpy() if torch.is_tensor(v) else v, np.float64))
            for name, v in out.items()
        )

    def _batch(self, made):
        images = self.images(made)
        return images[:, 0] if self.case["dataset"] == "mnist" else images

    def _state(self, scope):
        for name, value in self.networks()[scope].state_dict().items():
            if not name.endswith("num_batches_tracked"):
                yield "%s/%s" % (scope, name), value

    def _gradients(self, scope):
        return dict(
            ("grad/%s/%s" % (scope, name), p.grad.clone())
            for name, p in self.networks()[scope].named_parameters()
        )

    def learning_rates(self):
        """Return the rates of both optimizers by epoch, as main() sets them."""
        code, found = self.code, {"lr/vae": [], "lr/dis": []}

        def train(epoch, data):
            found["lr/vae"].append(code.opt_vae.param_groups[0]["lr"])
            found["lr/dis"].append(code.opt_dis.param_groups[0]["lr"])
            return 0.0

        code.train, code.test = train, lambda epoch, data: (0.0, 0.0, 0.0)
        before, folder = os.getcwd(), tempfile.mkdtemp()
        os.chdir(folder)
        try:
            code.main()
        finally:
            os.chdir(before)
            for name in os.listdir(folder):
                os.remove(os.path.join(folder, name))
            os.rmdir(folder)
        if self.case["loss"] != "wae-gan":
            del found["lr/dis"]
        return dict((name, np.array(value)) for name, value in found.items())

    def initial(self):
        """Return mean, root mean square, smallest, largest and count of fresh parameters."""
        code, found = self.code, {}
        for _ in range(inputs.INITS):
            nets = {
                "vae": code.VAE(code.N_CHAN, self.case["filters"], self.case["filters"], code.N_Z),
                "dis": code.Discriminator(code.N_Z),
            }
            for scope, net in nets.items():
                for name, p in net.named_parameters():
                    key = "init/%s/%s" % (scope, name)
                    found.setdefault(key, []).append(p.detach().numpy().reshape(-1))
        for key, values in found.items():
            v = np.concatenate(values).astype(np.float64)
            found[key] = np.array([v.mean(), np.sqrt(np.mean(v * v)), v.min(), v.max(), v.size])
        return found

    def pixels(self, directory, meta):
        """Return the floats that the report's readers make of bytes."""
        text = _source(directory, self.case["revision"], "utils.py")
        text = text.replace("from mnist import *", "").replace("np.float)", "float)")
        utils = types.ModuleType("utils_of_the_report")
        exec(compile(text, "utils.py", "exec"), utils.__dict__)
        made = inputs.make_bytes(meta)
        if meta["dataset"] == "mnist":
            images = self.torch.as_tensor(made).float()
            return utils.normalize(images, self.torch.max(images)).numpy().astype(np.float32)
        from PIL import Image

        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "x.png")
        Image.fromarray(made).save(path)
        # As written it cannot be called: n and directory are nobody's (utils.py:13-19).
        utils.n, utils.directory = 1, folder
        found = np.array(utils.data_celeb((3, 64)))[0].transpose(1, 2, 0)
        os.remove(path)
        os.rmdir(folder)
        return found.astype(np.float32)
