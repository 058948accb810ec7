r"""Record what the replication report's code computes, so that this project can be held against it.

One file for Python 3.6 and later that imports nothing of wae_tf but the shared half of
official/parity/record.py, by its path. It drives a clone of github.com/josephdviviano/wae without
changing a file of it: the revision's wae.py is read with git and run in memory.

    PYTHON record.py --replication_dir=CLONE --cases=CASES.json --out=DIR [--full]

PYTHON has torch 1.0.0 (the oldest that Python 3.6 has wheels of beside numpy 1.16) or today's, and
Pillow for the pixels. What makes the code run there, all of it outside the clone:

    DATASET, LOSS, BATCH, 128 filters, 512 units   the case's, in the text before it runs
    scandir, matplotlib, torchvision, utils.load_*, inception, fid_score   empty stand-ins: data is
                    fed, pictures are not written and its FID is left out
    .cuda()         the tensor itself
    x.data[0]       of a scalar: the scalar (an error since torch 0.5)
    Adam(lr=None)   lr=0: the adversary's optimizer where there is no adversary
    Adam.step       since torch 1.5: epsilon as torch 1.0 has it, beside the root of the second moment
                    before its correction
    normal_, torch.normal   the recorder's numbers instead of the generator's
    wae_gan_loss    since torch 1.5: the adversary's loss of codes cut from the encoder's graph,
                    whose weights the step before has changed in place; its gradients are the same
    BCELoss         since torch 1.5: written out as torch 1.0 computes it: log(0) is log(1e-12), and
                    1e-12 is in the denominators of its gradient; today's log(0) is -100

A CASE is a dict; cases.py says what its keys mean. DIR/<case>.npz holds no pickles and is read with
`load` of official/parity/record.py:

    meta, arrays = load(path)

meta:   the case; settings (its constants); torch (version); variables ([name, shape] of vae/ and
        dis/ state dicts); image_shape; sha256 of weights and inputs; floor (names)
arrays: of the names below; f64/... and, of eval/... alone, f32/... are the two precisions

    eval/mean, /logvar, /codes, /reconstructions, /decoded   with the moving moments
    train/loss, /cost, /penalty (as added: times lambda), /adversary_loss
    grad/vae/<var>, grad/dis/<var>    of the two losses
    moments/<var>       running means and variances after the step's forward passes
    steps/loss, steps/adversary_loss [K], steps/after/<var>   by train() itself
    test/loss, test/blur   by test() itself, on a whole batch and then half of one
    blur                of the images, by calc_blur
    lr/vae, lr/dis [80]   by epoch, by main() itself
    init/<var>          mean, root mean square, smallest, largest of INITS draws, and the count;
                        of the cases that are a run
    pixels              CelebA: a picture of bytes as utils.data_celeb has it; MNIST: all 256 bytes

Arrays of more than COMPACT elements are stored as `compact` (float64) unless --full.
floor [n]: what one rounding of the weights changes (NUDGES tries), the largest absolute difference.
"""

from __future__ import absolute_import, division, print_function

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import types

import numpy as np

_SHARED = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "official", "parity", "record.py"
)
_spec = importlib.util.spec_from_file_location("_official_record", _SHARED)
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)
load, save, _random = _shared.load, _shared.save, _shared._random

COMPACT = 32
NUDGES = 3
INITS = 4
EPOCHS = 80


# ---------------------------------------------------------------- shared by both sides


def compact(values):
    """Summarise an array in COMPACT float64 numbers, as official/parity/record.py does in float32."""
    flat = np.asarray(values).astype(np.float64).reshape(-1)
    places = np.floor(np.random.RandomState(0).random_sample(21) * flat.size).astype(np.int64)
    numbers = list(flat[places])
    for j in range(8):
        signs = np.where(np.random.RandomState(1 + j).random_sample(flat.size) < 0.5, -1.0, 1.0)
        numbers.append(np.dot(signs, flat) / np.sqrt(flat.size))
    numbers += [flat.mean(), np.sqrt(np.mean(flat * flat)), np.abs(flat).max()]
    return np.asarray(numbers)


def like(mine, stored):
    """Return `mine` in the form of `stored`: as it is, or compact."""
    mine = np.asarray(mine)
    if mine.shape == stored.shape:
        return mine
    if mine.size > COMPACT and stored.shape == (COMPACT,):
        return compact(mine)
    raise ValueError("shape %s, recorded %s" % (mine.shape, stored.shape))


def make_weights(meta):
    """Make the initial weights {variable: float32 array} of meta['variables']."""
    made = {}
    for name, shape in meta["variables"]:
        random = _random(meta["name"], "weights", name)
        if len(shape) >= 2:
            fan_in = shape[0] if re.search(r"/d[2-5]\.", name) else int(np.prod(shape[1:]))
            # Pixels stay where a sigmoid is not 0 or 1 but for a rounding, which BCELoss's logarithm
            # would magnify.
            gain = 0.3 if name.startswith("vae/d5.") else 1.2
            value = random.standard_normal(shape) * (gain / np.sqrt(float(fan_in)))
        elif name.endswith((".1.weight", "running_var")):
            value = 0.7 + 0.6 * random.random_sample(shape)
        else:
            value = 0.1 * random.standard_normal(shape)
        given = (meta.get("weights") or {}).get(name.partition("/")[2])
        made[name] = (value if given is None else np.asarray(given)).astype(np.float32)
    return made


def nudge(weights, number, dtype):
    """Move every weight by one rounding of the type, up or down at random; number 0 moves none."""
    moved = {}
    for name in weights:
        value = weights[name].astype(dtype)
        up = _random("nudge", number, name).random_sample(value.shape) < 0.5
        towards = np.where(up, np.inf, -np.inf).astype(dtype)
        moved[name] = np.nextafter(value, towards) if number else value
    return moved


def make_inputs(meta, *key):
    """Make the inputs of a pass: images [n, H, W, C] in [0, 1] or [-1, 1], code, again, prior [n, z].

    code and again are the noise of the encoder's two passes, prior the sample before its factor.
    """
    n = meta["rows"] or meta["batch"]
    height, width, channels = meta["image_shape"]
    random = _random(meta["name"], "images", *key)
    coarse = random.random_sample((n, 4, 4, channels))
    coarse = coarse.repeat(-(-height // 4), axis=1).repeat(-(-width // 4), axis=2)
    fine = random.random_sample((n, height, width, channels))
    images = np.floor(256.0 * (0.75 * coarse[:, :height, :width] + 0.25 * fine)) / 255.0
    images = np.minimum(images, 1.0)
    if meta["dataset"] == "celeb":
        images = images * 2.0 - 1.0
    made = {"images": images.astype(np.float32)}
    for name in ("code", "again", "prior"):
        random = _random(meta["name"], name, *key)
        made[name] = random.standard_normal((n, meta["settings"]["N_Z"])).astype(np.float32)
    return made


def half(made):
    """Return the first half of a batch of inputs, for the second batch of test()."""
    return dict((name, value[: len(value) // 2]) for name, value in made.items())


def make_bytes(meta):
    """Make a picture of bytes [64, 64, 3] that uses neither 0 nor 255; MNIST: all 256 bytes."""
    if meta["dataset"] == "mnist":
        return np.arange(256).astype(np.uint8)
    random = _random(meta["name"], "bytes")
    return np.floor(9.0 + 221.0 * random.random_sample((64, 64, 3))).astype(np.uint8)


def hashes(meta):
    """Hash the weights and inputs that this numpy makes for a record."""
    inputs = [("x", make_inputs(meta))] + [
        (str(k), make_inputs(meta, "step", k)) for k in range(meta["steps"])
    ]
    flat = {}
    for key, made in inputs:
        for name in made:
            flat[key + "/" + name] = made[name]
    return {"weights": _hash(make_weights(meta)), "inputs": _hash(flat)}


def _hash(arrays):
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode("utf-8"))
        total.update(np.ascontiguousarray(arrays[name]).astype("<f4").tobytes())
    return total.hexdigest()


# ---------------------------------------------------------------- the report's code


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
        self._shim()
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
            self._modernise()

    def _shim(self):
        torch = self.torch
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
            if self.numbers:
                return self._tensor(self.numbers.pop(0))
            return normal_(tensor, *args, **kwargs)

        def scalar(tensor, index):
            return tensor if tensor.dim() == 0 and index == 0 else getitem(tensor, index)

        def normal(mean, std):
            return mean + std * self._tensor(self.prior.pop(0))

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

        torch.optim.Adam = Adam if self.modern else Plain

    def _modernise(self):
        code, torch = self.code, self.torch
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
                    state[name].copy_(self._tensor(weights[key]))
        for optimizer in (self.code.opt_vae, self.code.opt_dis):
            optimizer.state.clear()
            optimizer.zero_grad()

    def _tensor(self, value):
        dtype = self.torch.float64 if self.dtype == "float64" else self.torch.float32
        return self.torch.as_tensor(np.ascontiguousarray(value)).to(dtype)

    def images(self, made):
        """Return [n, C, H, W]."""
        images = self._tensor(made["images"].transpose(0, 3, 1, 2))
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
        made = make_inputs(meta)
        x = self.images(made)
        self.reset(weights)
        code.vae.eval()
        mean, logvar = code.vae.encoder(x)
        self.feed(made, twice=False)
        codes = code.vae.reparametrize(mean, logvar)
        last = code.vae.decode(codes)
        decoded = code.vae.decode(self._tensor(made["prior"]))
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
                step = make_inputs(meta, "step", k)
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
        parts = [made, half(made)]
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
        for _ in range(INITS):
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
        made = make_bytes(meta)
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


def record(directory, case, out, full, torch):
    """Write the record of a case."""
    meta = dict(case, torch=torch.__version__)
    arrays = {}
    floors = {}
    for short, dtype in (("f64", "float64"), ("f32", "float32")):
        torch.manual_seed(0)
        report = Report(directory, case, dtype, torch)
        meta["settings"] = settings = report.settings()
        meta["image_shape"] = [settings["DIMS"], settings["DIMS"], settings["N_CHAN"]]
        meta["variables"] = report.variables()
        weights = make_weights(meta)
        found = report.run(meta, nudge(weights, 0, dtype))
        for number in range(1, 1 + NUDGES):
            moved = report.run(meta, nudge(weights, number, dtype))
            for name in found:
                change = float(np.abs(moved[name] - found[name]).max()) if found[name].size else 0.0
                key = short + "/" + name
                floors[key] = max(floors.get(key, 0.0), change)
        for name, value in found.items():
            if short == "f32" and not name.startswith("eval/"):
                floors.pop(short + "/" + name)
            elif full or value.size <= COMPACT:
                arrays[short + "/" + name] = value
            else:
                arrays[short + "/" + name] = compact(value)
        if dtype == "float64":
            if case["name"] == case["run"]:
                arrays.update(report.initial())
        else:
            pixels = report.pixels(directory, meta)
            arrays["pixels"] = pixels if full or pixels.size <= COMPACT else compact(pixels)
            arrays.update(report.learning_rates())
    meta["floor"] = sorted(floors)
    arrays["floor"] = np.array([floors[name] for name in meta["floor"]])
    meta["sha256"] = hashes(meta)
    arrays = dict((n, np.asarray(v, np.float64)) for n, v in arrays.items())
    save(os.path.join(out, case["name"] + ".npz"), meta, arrays)


def main():
    """Record the cases; a failure is one sentence on the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replication_dir", required=True)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    try:
        import torch
    except ImportError as error:
        raise Failure("%s has no PyTorch: %s" % (sys.executable, error))
    torch.set_num_threads(1)
    print("torch %s under Python %s" % (torch.__version__, sys.version.split()[0]))
    with open(options.cases) as stream:
        listed = json.load(stream)
    for case in listed:
        talk, sys.stdout = sys.stdout, open(os.devnull, "w")
        try:
            record(options.replication_dir, case, options.out, options.full, torch)
        finally:
            sys.stdout.close()
            sys.stdout = talk
        print("recorded %s of %s" % (case["name"], case["revision"]))
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
