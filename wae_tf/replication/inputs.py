"""The numbers that both sides of a record compute from: weights, inputs, and what sums them up.

For Python 3.6 and later; imports nothing of wae_tf but the shared half of official/parity/record.py,
by its path.
"""

from __future__ import absolute_import, division, print_function

import hashlib
import importlib.util
import os
import re

import numpy as np

_SHARED = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "official", "parity", "record.py"
)
_spec = importlib.util.spec_from_file_location("_official_record", _SHARED)
assert _spec is not None and _spec.loader is not None
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)
load, save, _random = _shared.load, _shared.save, _shared._random
#: Arrays of more elements are stored as so many numbers of them, here in float64.
COMPACT, compact = _shared.COMPACT, _shared.summary

#: Draws of initial weights.
INITS = 4


def like(mine, stored):
    """Return `mine` in the form of `stored`: as it is, or compact."""
    return _shared.like(mine, stored, compact)


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
