r"""Record what the official code computes, so that the port can be held against it.

One file for Python 2.7 and 3 that imports nothing of wae_tf. As a script it runs under an
interpreter with TensorFlow 1 and drives an untouched clone of github.com/tolstikhin/wae:

    PYTHON record.py --official_dir=CLONE --cases=CASES.json --out=DIR [--only=A,B] [--full]
    PYTHON record.py --official_dir=CLONE --opts=OPTS.json --out=DIR [--full]
    PYTHON record.py --official_dir=CLONE --schedules --splits [--celeba_dir=JPEGS] --out=DIR
    PYTHON record.py --official_dir=CLONE --opts=OPTS.json --save_checkpoint=PREFIX
    PYTHON record.py --official_dir=CLONE --opts=OPTS.json --restore=PREFIX --out=DIR [--full]

As a module (numpy only) it holds the functions that both sides share: `load`, `compact`, `like`,
`make_weights`, `nudge`, `make_inputs`, `make_step_inputs`, `make_plane_inputs`, `make_improved_inputs`,
`check_inputs`.

A CASE is a dict (CASES.json is a list of them):
    name        str; it seeds the weights and all inputs
    exp         which dict of the official configs.py fills the opts that are missing
    opts        official opts that differ from that dict, spelled as there
    train_size  int, the number of training images (mmdpp and mmdppp use it)
    steps       int, iterations of `steps/...`; 0 for none
    improved    optional, true: record improved sampling too
    weights     optional {variable: list, or one number for all}: replaces generated weights
    repair      optional, true: lets w_aef run (see `_repair`); the only departure from the clone
--opts=FILE makes a case of one dict of opts (it may hold "exp"); the file's name is the case's.

THE FILE DIR/<case>.npz holds no pickles. Its members are `meta` (uint8, UTF-8 JSON) and `float32`,
`float64`, `int64` (1-D: all arrays of that type, one after the other). Read it with

    meta, arrays = load(path)

meta:   name, opts (complete), train_size, steps, image_shape, variables (a list of [name, shape] of
        all encoder/, generator/ and z_adversary/ variables, moving moments included), noise (the
        noises the case needs: code, pixels, many_codes), sha256 {weights, inputs, step_inputs},
        mode (compact or full), versions, arrays (a list of [name, type, original shape, stored])
arrays: dict from the names below to numpy arrays.

In compact mode an array of more than COMPACT elements is stored as `compact(array)`, whose numbers
are all of the size of an element: compare them with the tolerance of elements, relative to the
last one, the largest absolute value. `like(mine, stored)` brings an array into the stored form.

Inputs and initial weights are not stored: they are made, identically on both sides, by the
functions above out of numpy's RandomState (whose streams are frozen) and of arithmetic that IEEE
754 defines exactly. `check_inputs(meta)` says whether this numpy made the same bits.

Forward passes. [B] is opts['batch_size']; each starts from the initial weights and moments:
    eval/...   is_training False: codes, mean, logvar (gaussian; clipped), encoder_A (implicit),
               reconstructions, reconstruction_logits, decoded, decoded_logits (decoder of the
               prior sample), reconstruction, penalty, objective, and with gan adversary_loss,
               logits_pz, logits_qz
    train/...  is_training True: codes, reconstruction_logits, reconstruction, penalty, objective,
               and with gan adversary_loss, logits_pz, logits_qz
    sharpness  [B] of the images
    grad/ae/<var>, grad/adv/<var>, grad/pretrain/<var>   gradients (is_training True) of
               wae_objective for encoder/ and generator/, of loss_gan[0] for z_adversary/, of
               loss_pretrain for encoder/. A variable the loss does not reach has none
    moments/<var>, moments_adv/<var>   every moving_mean and moving_variance after the
               fetches train() makes for the autoencoder, and after those for the adversary
Pretraining (opts['e_pretrain']; e_pretrain_sample_size images, or train_size where that is less), by
pretrain_encoder itself:
    pretrain/loss, pretrain/after/<var> (encoder/ after the one optimizer step, moments included)
    moments_pretrain/<var>   are those of pretrain/after, generator/ too
Training, by train() itself in epoch 0 from the initial weights (pretraining left out):
    steps/objective, steps/reconstruction, steps/penalty, steps/adversary_loss (gan; fetched with
    the adversary's step), steps/lr_decay, steps/lambda   [K] each
    steps/after/var/<var>; steps/after/eval/codes, /reconstructions, /decoded
The least-Gaussian plane, by the official ops, from fixed vectors:
    plane/loss, plane/u, plane/v, plane/covhat; plane/after/u, plane/after/v (PLANE_STEPS of Adam)
The floor: what one rounding of the initial weights changes (NUDGES tries), the largest absolute
difference of each array; meta['floor'] names them:
    floor [len(meta['floor'])]
Improved sampling (cases with "improved"), by improved_sampling itself until its first batch stops,
from the initial weights and fixed initial codes. With pz uniform the official function raises
UnboundLocalError (improved_wae.py:49 reads z, which it sets for normal and sphere only):
    improved/steps [n], improved/loss [n]   the steps after which it looked, and what it saw
    improved/codes, improved/pictures       of its last look; codes are z (times pz_scale)

schedules.npz  meta['schedules'] {name: opts, batches_num}; per name: schedule/<name>/losses,
    /reconstruction, /penalty (prescribed, one an iteration), /decay and /lambda (float64; the
    values that train() FED in that iteration)
splits.npz  meta['splits'] {mnist, cifar10, dsprites, celebA}: size, test_size, first and last (50
    indices of the order after the official shuffle, training set first), sha256 (of the whole
    order as little-endian int64); celebA's are the numbers in the file names
pixels.npz  meta['pixels'] {file: {decoded, closecrop, resizecrop}}: sha256 of the uint8 pixels of
    the whole picture and of the two crops [64, 64, 3]. JPEG decoders differ (IJG's libjpeg 9 from
    libjpeg-turbo by up to 21 grey levels): crops compare where `decoded` agrees, as it does on PNG
"""

from __future__ import absolute_import, division, print_function

import argparse
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
import warnings

import numpy as np

COMPACT = 32  # the most numbers kept of an array in compact mode
_PROJECTIONS = 8
_PICKED = COMPACT - _PROJECTIONS - 3
NUDGES = 3  # repetitions from weights that differ by one rounding
PLANE_ROWS = 40
PLANE_STEPS = 10
IMPROVED_ROWS = 100  # BATCH_SIZE of the official improved_sampling
TYPES = ("float32", "float64", "int64")


# ---------------------------------------------------------------- shared by both sides


def summary(values):
    """Summarise an array in COMPACT float64 numbers, each of the size of an element.

    They are 21 elements at fixed places; 8 projections on fixed vectors of random signs, divided
    by sqrt(size), which no difference anywhere escapes; the mean; the root mean square; the largest
    absolute value.
    """
    flat = np.asarray(values).astype(np.float64).reshape(-1)
    size = flat.size
    places = np.floor(np.random.RandomState(0).random_sample(_PICKED) * size).astype(np.int64)
    numbers = list(flat[places])
    for j in range(_PROJECTIONS):
        signs = np.where(np.random.RandomState(1 + j).random_sample(size) < 0.5, -1.0, 1.0)
        numbers.append(np.dot(signs, flat) / np.sqrt(size))
    numbers += [flat.mean(), np.sqrt(np.mean(flat * flat)), np.abs(flat).max()]
    return np.asarray(numbers)


def compact(values):
    """Return the summary as float32, as records of the official code have it."""
    return summary(values).astype(np.float32)


def like(mine, stored, compact=compact):
    """Return `mine` in the form of `stored`: as it is, or compact."""
    mine = np.asarray(mine)
    if mine.shape == stored.shape:
        return mine
    if mine.size > COMPACT and stored.shape == (COMPACT,):
        return compact(mine)
    raise ValueError("shape %s, recorded %s" % (mine.shape, stored.shape))


def save(path, meta, arrays, full=True):
    """Write a record; see the module's head for the layout."""
    packed = dict((kind, []) for kind in TYPES)
    index = []
    for name in sorted(arrays):
        value = np.asarray(arrays[name])
        kind = str(value.dtype)
        shape = list(value.shape)
        if not full and value.size > COMPACT and kind == "float32" and name != "floor":
            value = compact(value)
        packed[kind].append(value.reshape(-1))
        index.append([name, kind, shape, list(value.shape)])
    meta = dict(meta, arrays=index, mode="full" if full else "compact")
    text = json.dumps(meta, sort_keys=True).encode("utf-8")
    members = {"meta": np.frombuffer(text, np.uint8)}
    for kind in TYPES:
        if packed[kind]:
            members[kind] = np.concatenate(packed[kind])
    temporary = path + ".tmp"
    with open(temporary, "wb") as stream:
        np.savez_compressed(stream, **members)
    if os.path.exists(path):
        os.remove(path)
    os.rename(temporary, path)


def load(path):
    """Read a record: (meta, arrays)."""
    with np.load(path, allow_pickle=False) as members:
        meta = json.loads(members["meta"].tobytes().decode("utf-8"))
        packed = dict((kind, members[kind]) for kind in TYPES if kind in members.files)
    arrays, at = {}, dict.fromkeys(packed, 0)
    for name, kind, _, shape in meta["arrays"]:
        size = int(np.prod(shape, dtype=np.int64))
        arrays[name] = packed[kind][at[kind] : at[kind] + size].reshape(shape)
        at[kind] += size
    return meta, arrays


def _random(*key):
    """Return the RandomState of a key: strings and numbers."""
    text = "/".join(str(part) for part in key)
    return np.random.RandomState(int(hashlib.sha256(text.encode("utf-8")).hexdigest()[:8], 16))


def make_weights(meta):
    """Make the initial weights {variable: float32 array} of meta['variables']."""
    weights = {}
    given = meta.get("weights") or {}
    for name, shape in meta["variables"]:
        random = _random(meta["name"], "weights", name)
        kind = name.rsplit("/", 1)[1]
        if kind in ("W", "filter"):
            if kind == "W":
                fan_in = shape[0]
            elif "deconv" in name:
                fan_in = shape[0] * shape[1] * shape[3] / 4.0  # of stride 2
            else:
                fan_in = shape[0] * shape[1] * shape[2]
            value = random.standard_normal(shape) * (1.2 / np.sqrt(float(fan_in)))
        elif kind in ("gamma", "moving_variance"):
            value = 0.7 + 0.6 * random.random_sample(shape)
        else:  # b, beta, moving_mean
            value = 0.1 * random.standard_normal(shape)
        if name in given:
            value = np.asarray(given[name])
            value = value.reshape(shape) if value.size > 1 else np.zeros(shape) + value
        weights[name] = value.astype(np.float32)
    return weights


def nudge(weights, number):
    """Move every weight by one float32 rounding, up or down at random; number 0 moves none."""
    moved = {}
    for name, value in weights.items():
        up = _random("nudge", number, name).random_sample(value.shape) < 0.5
        towards = np.where(up, np.float32(np.inf), np.float32(-np.inf))
        moved[name] = np.nextafter(value, towards).astype(np.float32) if number else value
    return moved


def _images(meta, rows, *key):
    """Make random images with large and small structure, on the 256 grey levels of a file."""
    height, width, channels = meta["image_shape"]
    random = _random(meta["name"], *key)
    coarse = random.random_sample((rows, 4, 4, channels))
    fine = random.random_sample((rows, height, width, channels))
    coarse = coarse.repeat(-(-height // 4), axis=1).repeat(-(-width // 4), axis=2)
    levels = np.floor(256.0 * (0.75 * coarse[:, :height, :width] + 0.25 * fine))
    pixels = np.minimum(levels, 255.0) / 255.0
    if meta["opts"]["input_normalize_sym"]:
        pixels = (pixels - 0.5) * 2.0
    return pixels.astype(np.float32)


def _prior_sample(meta, rows, *key):
    """Make a sample of the prior as sample_pz does (its normals come by another road)."""
    opts = meta["opts"]
    random = _random(meta["name"], *key)
    if opts["pz"] == "uniform":
        codes = 2.0 * random.random_sample((rows, opts["zdim"])) - 1.0
    else:
        codes = random.standard_normal((rows, opts["zdim"]))
        if opts["pz"] == "sphere":
            norms = np.zeros(rows)
            for column in range(opts["zdim"]):  # summed in one order on every machine
                norms = norms + codes[:, column] * codes[:, column]
            codes = codes / np.sqrt(norms)[:, np.newaxis]
    return np.float32(opts["pz_scale"]) * codes.astype(np.float32)


def _noise(meta, rows, *key):
    """Make the noise a pass over `rows` images draws: {code, pixels, many_codes} as needed."""
    opts = meta["opts"]
    made = {}
    if opts["e_noise"] in ("gaussian", "implicit"):
        random = _random(meta["name"], "code", *key)
        made["code"] = random.standard_normal((rows, opts["zdim"])).astype(np.float32)
    if opts["e_noise"] == "add_noise":
        random = _random(meta["name"], "pixels", *key)
        normal = random.standard_normal([rows] + list(meta["image_shape"]))
        made["pixels"] = (0.01 * np.clip(normal, -2.0, 2.0)).astype(np.float32)
    if opts["z_test"] in ("mmdpp", "mmdppp"):
        random = _random(meta["name"], "many_codes", *key)
        shape = (opts["batch_size"] * 10, opts["zdim"])
        made["many_codes"] = random.standard_normal(shape).astype(np.float32)
    return made


def make_inputs(meta):
    """Make the inputs of the single passes.

    Keys: images, prior_sample, noise/<kind>; and with e_pretrain pretrain/images,
    pretrain/prior_sample, pretrain/noise/<kind>. The kinds: code (eps of a gaussian or implicit
    encoder [B, zdim]), pixels (add_noise: what is ADDED to the images in training), many_codes
    (mmdpp, mmdppp: eps [10 B, zdim], the ten codes of an image in consecutive rows).
    """
    passes = [("", meta["opts"]["batch_size"])]
    if meta["opts"]["e_pretrain"]:
        passes.append(("pretrain/", meta["opts"]["e_pretrain_sample_size"]))
    made = {}
    for prefix, rows in passes:
        some = min(rows, meta["train_size"])  # pretraining takes no more images than there are
        made[prefix + "images"] = _images(meta, some, prefix + "images")
        made[prefix + "prior_sample"] = _prior_sample(meta, rows, prefix + "prior_sample")
        for kind, value in _noise(meta, some, prefix + "noise").items():
            made[prefix + "noise/" + kind] = value
    return made


def make_step_inputs(meta, step):
    """Make the inputs of iteration `step` of `steps/...`.

    Keys: images, prior_sample, noise/<kind>, and with gan noise_adv/<kind> for the adversary's
    pass over the same images and prior sample. The images are B of a pool of 2 B.
    """
    rows = meta["opts"]["batch_size"]
    order = np.argsort(_random(meta["name"], "steps", step, "order").random_sample(2 * rows))
    made = {
        "images": _images(meta, 2 * rows, "steps/images")[order[:rows]],
        "prior_sample": _prior_sample(meta, rows, "steps", step, "prior_sample"),
    }
    for kind, value in _noise(meta, rows, "steps", step, "noise").items():
        made["noise/" + kind] = value
    if meta["opts"]["z_test"] == "gan":
        for kind, value in _noise(meta, rows, "steps", step, "noise_adv").items():
            made["noise_adv/" + kind] = value
    return made


def make_plane_inputs(meta):
    """Make what the least-Gaussian plane starts from: sample [PLANE_ROWS, zdim], v, u [zdim, 1]."""
    zdim = meta["opts"]["zdim"]
    random = _random(meta["name"], "plane")
    return {
        "sample": (0.3 + 1.5 * random.standard_normal((PLANE_ROWS, zdim))).astype(np.float32),
        "v": random.standard_normal((zdim, 1)).astype(np.float32),
        "u": random.standard_normal((zdim, 1)).astype(np.float32),
    }


def make_improved_inputs(meta):
    """Make what improved sampling starts from.

    Keys: codes (the variable `latent_codes` [IMPROVED_ROWS, zdim]) and noise/<kind>, here the same
    in every step. Pixel noise is fed and not used: the encoder is in evaluation mode.
    """
    random = _random(meta["name"], "improved")
    shape = (IMPROVED_ROWS, meta["opts"]["zdim"])
    made = {"codes": random.standard_normal(shape).astype(np.float32)}
    for kind, value in _noise(meta, IMPROVED_ROWS, "improved/noise").items():
        made["noise/" + kind] = value
    return made


def _sha256(arrays):
    """Hash named arrays, bit for bit."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name]).astype("<f4", copy=False)
        total.update(("%s %s " % (name, list(value.shape))).encode("utf-8"))
        total.update(value.tobytes())
    return total.hexdigest()


def hashes(meta):
    """Hash the weights and inputs that this numpy makes for a record."""
    found = {
        "weights": _sha256(make_weights(meta)),
        "inputs": _sha256(make_inputs(meta)),
        "plane": _sha256(make_plane_inputs(meta)),
        "improved": _sha256(make_improved_inputs(meta)),
    }
    steps = {}
    for step in range(meta["steps"]):
        for name, value in make_step_inputs(meta, step).items():
            steps["%d/%s" % (step, name)] = value
    found["step_inputs"] = _sha256(steps)
    return found


def check_inputs(meta):
    """Return the parts of the inputs that this numpy makes differently from the recorder's."""
    mine = hashes(meta)
    return [part for part in sorted(meta["sha256"]) if mine[part] != meta["sha256"][part]]


# ---------------------------------------------------------------- the official code


class Failure(Exception):
    """A sentence for a person."""


class _Enough(Exception):
    """Raised by a stand-in to leave an official loop."""


_FILES = ("wae.py", "models.py", "ops.py", "utils.py", "improved_wae.py", "datahandler.py")


class _Official(object):
    """The clone's modules, imported over a TensorFlow whose random ops are placeholders."""

    def __init__(self, directory):
        for name in _FILES + ("configs.py",):
            if not os.path.isfile(os.path.join(directory, name)):
                raise Failure(
                    "--official_dir=%s has no %s; it must be a clone of github.com/tolstikhin/wae"
                    % (directory, name)
                )
        if sys.version_info[0] != 2:
            raise Failure(
                "%s is Python %d; the official code needs Python 2.7 with TensorFlow 1.15"
                % (sys.executable, sys.version_info[0])
            )
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        sys.dont_write_bytecode = True  # the clone stays untouched
        warnings.filterwarnings("ignore")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise Failure("%s has no TensorFlow: %s" % (sys.executable, error))
        if not tf.__version__.startswith("1."):
            raise Failure(
                "%s has TensorFlow %s; the official code needs 1.x (1.15)"
                % (sys.executable, tf.__version__)
            )
        tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)
        self.tf = tf
        self.noise = []  # (kind, placeholder) of the current graph
        self.on_run = None  # what improved_sampling's session calls instead of run
        self._replace()
        sys.path.insert(0, directory)
        try:
            import configs
            import datahandler
            import improved_wae
            import wae
        except Exception as error:  # whatever the clone holds
            raise Failure("the official code does not import: %s" % error)
        import logging

        logging.disable(logging.CRITICAL)
        self.configs, self.datahandler, self.wae = configs, datahandler, wae
        self.improved_wae = improved_wae

    def _replace(self):
        """Make the random ops placeholders, Print the identity, and sessions single-threaded."""
        tf = self.tf
        from tensorflow.python.framework import tensor_util

        plain_session = tf.Session
        official = self

        def placeholder(kind, shape):
            with tf.control_dependencies(None):  # out of add_noise's tf.cond
                made = tf.compat.v1.placeholder(tf.float32, shape)
            official.noise.append((kind, made))
            return made

        def random_normal(shape, *unused, **named):
            many = isinstance(shape[0], int)
            rows = shape[0] if many else None
            return placeholder("many_codes" if many else "code", [rows, shape[1]])

        def truncated_normal(shape, *unused, **named):
            return placeholder("pixels", tensor_util.constant_value_as_shape(shape))

        class Session(plain_session):
            """A session of one thread, whose runs a stand-in can take over."""

            def __init__(self, *unused, **named):
                config = tf.compat.v1.ConfigProto(
                    intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
                )
                plain_session.__init__(self, config=config)

            def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
                run = super(Session, self).run
                if official.on_run is not None:
                    return official.on_run(run, fetches, feed_dict)
                return run(fetches, feed_dict, options, run_metadata)

        tf.random_normal = random_normal
        tf.truncated_normal = truncated_normal
        tf.Print = lambda value, *unused, **named: value
        tf.Session = Session

    def new_graph(self):
        """Forget the current graph."""
        self.tf.compat.v1.reset_default_graph()
        del self.noise[:]

    def feed(self, made, prefix="noise/"):
        """Return the feed of the graph's noise placeholders out of made[prefix + kind]."""
        fed = {}
        for kind, target in self.noise:
            if target in fed or prefix + kind not in made:
                raise Failure("the official graph asks for noise this recorder does not know")
            fed[target] = made[prefix + kind]
        return fed

    def complete(self, case):
        """Return the meta of a case: its opts completed from configs.py."""
        given = dict(case["opts"])
        exp = case.get("exp") or given.pop("exp", None) or given.get("dataset", "")
        base = getattr(self.configs, "config_" + str(exp), None)
        if base is None:
            known = sorted(n[7:] for n in dir(self.configs) if n.startswith("config_"))
            raise Failure(
                '%s: "exp" must name a config of the official configs.py: %s'
                % (case["name"], ", ".join(known))
            )
        known = set(("w_aef", "celebA_crop"))
        for name in dir(self.configs):
            if name.startswith("config_"):
                known.update(getattr(self.configs, name))
        for key in sorted(given):
            if key not in known:
                raise Failure("%s: the official code has no opt %r" % (case["name"], str(key)))
        opts = dict(base)
        opts.update(given)
        if opts["dataset"] not in self.datahandler.datashapes:
            raise Failure(
                "%s: dataset %s; the official code knows the shapes of %s"
                % (case["name"], opts["dataset"], ", ".join(sorted(self.datahandler.datashapes)))
            )
        train_size = case.get("train_size", 1000)
        if train_size < opts["batch_size"]:
            raise Failure("%s: train_size is less than batch_size" % case["name"])
        meta = {
            "name": case["name"],
            "opts": opts,
            "train_size": train_size,
            "steps": case.get("steps", 20),
            "image_shape": list(self.datahandler.datashapes[opts["dataset"]]),
            "weights": case.get("weights") or {},
            "repair": bool(case.get("repair")),
            "improved": bool(case.get("improved")),
            "versions": self.versions(),
        }
        return meta

    def versions(self):
        """Return the versions of what computed."""
        return {
            "python": "%d.%d.%d" % sys.version_info[:3],
            "tensorflow": str(self.tf.__version__),
            "numpy": str(np.__version__),
        }


def _repair(official):
    """Let add_aefixedpoint_cost run: its second call of reconstruction_loss leaves opts out.

    WAE.reconstruction_loss is a static method of three arguments, (opts, real, reconstr).
    improved_wae.py:162 calls it on the object with two, which raises TypeError, so with w_aef > 0
    the official code stops while it builds its graph, whatever the other opts. Cases with
    "repair" replace the method by one that takes both calls; the clone is not touched.
    """
    original = official.wae.WAE.__dict__["reconstruction_loss"].__func__
    held = {}

    def reconstruction_loss(*arguments):
        if len(arguments) == 3:
            held["opts"] = arguments[0]
            return original(*arguments)
        return original(held["opts"], *arguments)

    official.wae.WAE.reconstruction_loss = staticmethod(reconstruction_loss)
    return lambda: setattr(official.wae.WAE, "reconstruction_loss", staticmethod(original))


class _Rows(object):
    """Stands for the training images: any array of indices gets the current batch."""

    def __init__(self, images):
        self.images = images
        self.taken = 0

    def __getitem__(self, key):
        if isinstance(key, slice):  # train() looks at some pictures before it begins
            return self.images(0)[:1]
        self.taken += 1
        return self.images(self.taken - 1)


class _Data(object):
    """Stands for the official DataHandler."""

    def __init__(self, train_size, images):
        self.num_points = train_size
        self.data = _Rows(images)
        self.test_data = self.data


class _Proxy(object):
    """Stands for the session of a WAE while one of its own loops runs."""

    def __init__(self, run):
        self.run = run


class _Case(object):
    """One case: the official object, its weights, and the recordings."""

    def __init__(self, official, case):
        self.official = official
        self.meta = meta = official.complete(case)
        undo = _repair(official) if meta["repair"] else lambda: None
        official.new_graph()
        try:
            self.model = official.wae.WAE(dict(meta["opts"]), meta["train_size"])
        finally:
            undo()
        tf = official.tf
        self.sess = self.model.sess
        every = tf.compat.v1.global_variables()
        scopes = ("encoder/", "generator/", "z_adversary/")
        self.vars = {}
        for var in every:
            slot = var.name.count("Adam") or "_power" in var.name
            if var.name.startswith(scopes) and not slot:
                self.vars[str(var.name[:-2])] = var
        shape_of = dict((name, var.get_shape().as_list()) for name, var in self.vars.items())
        meta["variables"] = [[name, shape_of[name]] for name in sorted(shape_of)]
        unknown = sorted(set(meta["weights"]) - set(shape_of))
        if unknown:
            raise Failure("%s: there is no variable %s" % (meta["name"], unknown[0]))
        meta["noise"] = sorted(set(kind for kind, _ in official.noise))
        meta["sha256"] = hashes(meta)
        self.weights = make_weights(meta)
        self.inputs = make_inputs(meta)
        self.arrays = {}
        self.made_gradients = {}

    def restore(self):
        """Go back to the initial weights, moments and optimizers."""
        self.sess.run(self.model.init)
        for name, var in self.vars.items():
            var.load(self.weights[name], self.sess)

    def feed(self, is_training, prefix=""):
        """Return the feed of one pass over the inputs with that prefix."""
        model, made = self.model, self.inputs
        fed = {
            model.sample_points: made[prefix + "images"],
            model.sample_noise: made[prefix + "prior_sample"],
            model.wae_lambda: self.meta["opts"]["lambda"],
            model.lr_decay: 1.0,
            model.is_training: is_training,
        }
        if hasattr(model, "w_aefixedpoint"):
            fed[model.w_aefixedpoint] = self.meta["opts"]["w_aef"]
        fed.update(self.official.feed(made, prefix + "noise/"))
        return fed

    def put(self, prefix, values):
        """Store a dict of fetched values."""
        for name, value in values.items():
            value = np.asarray(value)
            self.arrays[prefix + name] = value
            if not np.all(np.isfinite(value)):
                print("note: %s: %s%s is not finite" % (self.meta["name"], prefix, name))

    def variables(self, *scopes):
        """Return the current values of the variables in these scopes."""
        names = [name for name in self.vars if name.startswith(scopes)]
        return self.sess.run(dict((name, self.vars[name]) for name in names))

    def moments(self):
        """Return the moving moments."""
        names = [name for name in self.vars if name.rsplit("/", 1)[1].startswith("moving_")]
        return self.sess.run(dict((name, self.vars[name]) for name in names)) if names else {}

    def losses(self):
        """Return the losses to fetch."""
        model = self.model
        fetches = {
            "reconstruction": model.loss_reconstruct,
            "penalty": model.penalty,
            "objective": model.wae_objective,
        }
        if model.loss_gan:
            names = ("adversary_loss", "logits_pz", "logits_qz")
            fetches.update(zip(names, model.loss_gan))
        return fetches

    def record_eval(self):
        """Record the evaluation pass, and the sharpness."""
        model = self.model
        fetches = self.losses()
        fetches.update(
            codes=model.encoded,
            reconstructions=model.reconstructed,
            reconstruction_logits=model.reconstructed_logits,
            decoded=model.decoded,
            decoded_logits=model.decoded_logits,
        )
        if model.enc_mean is not None:
            fetches.update(mean=model.enc_mean, logvar=model.enc_sigmas)
        if hasattr(model, "encoder_A"):
            fetches["encoder_A"] = model.encoder_A
        self.put("eval/", self.sess.run(fetches, self.feed(False)))
        images = {model.sample_points: self.inputs["images"]}
        self.put("", {"sharpness": self.sess.run(model.blurriness, images)})

    def gradients(self, loss, *scopes):
        """Return the gradients to fetch: {name: tensor}."""
        key = (id(loss),) + scopes
        if key in self.made_gradients:
            return self.made_gradients[key]
        trainable = set(var.name[:-2] for var in self.official.tf.compat.v1.trainable_variables())
        names = sorted(n for n in self.vars if n in trainable and n.startswith(scopes))
        found = self.official.tf.gradients(loss, [self.vars[name] for name in names])
        made = dict((n, g) for n, g in zip(names, found) if g is not None)
        self.made_gradients[key] = made
        return made

    def record_train(self):
        """Record the training-mode passes: losses, gradients, moments."""
        model = self.model
        pass_fetches = self.losses()
        pass_fetches.update(codes=model.encoded, reconstruction_logits=model.reconstructed_logits)
        grads = self.gradients(model.wae_objective, "encoder/", "generator/")
        self.restore()
        fetched = self.sess.run([pass_fetches, grads], self.feed(True))
        self.put("train/", fetched[0])
        self.put("grad/ae/", fetched[1])
        self.restore()
        own = [model.ae_opt, model.wae_objective, model.loss_reconstruct, model.penalty]
        self.sess.run(own, self.feed(True))
        self.put("moments/", self.moments())
        if model.loss_gan:
            grads = self.gradients(model.loss_gan[0], "z_adversary/")
            self.restore()
            self.put("grad/adv/", self.sess.run(grads, self.feed(True)))
            self.restore()
            self.sess.run([model.z_adv_opt, model.loss_gan[0]], self.feed(True))
            self.put("moments_adv/", self.moments())

    def record_pretrain(self):
        """Record one step of pretrain_encoder."""
        model, made = self.model, self.inputs
        grads = self.gradients(model.loss_pretrain, "encoder/")
        self.restore()
        self.put("grad/pretrain/", self.sess.run(grads, self.feed(True, "pretrain/")))
        self.restore()
        got = []

        def run(fetches, feed_dict):
            if got:
                raise _Enough
            fed = dict(feed_dict)
            fed.update(self.official.feed(made, "pretrain/noise/"))
            got.append(self.sess.run(fetches, fed))
            return got[-1]

        data = _Data(self.meta["train_size"], lambda step: made["pretrain/images"])
        self.drive(
            run, lambda rows: made["pretrain/prior_sample"], lambda: model.pretrain_encoder(data)
        )
        self.put("pretrain/", {"loss": got[0][1]})
        self.put("pretrain/after/", self.variables("encoder/"))
        self.put("moments_pretrain/", self.moments())

    def drive(self, run, sample_pz, loop):
        """Run an official loop with stand-ins for the session and the prior."""
        model = self.model
        held = model.opts
        try:
            model.sess, model.sample_pz = _Proxy(run), sample_pz
            loop()
        except _Enough:
            pass
        finally:
            model.sess, model.opts = self.sess, held
            del model.sample_pz

    def record_steps(self):
        """Record the first iterations of train()."""
        model, count = self.model, self.meta["steps"]
        made = [make_step_inputs(self.meta, step) for step in range(count)]
        kept = dict((name, []) for name in ("objective", "reconstruction", "penalty"))
        kept.update(lr_decay=[], adversary_loss=[])
        kept["lambda"] = []
        data = _Data(self.meta["train_size"], lambda step: made[min(step, count - 1)]["images"])

        def current():
            return made[min(max(data.data.taken - 1, 0), count - 1)]

        def run(fetches, feed_dict=None):
            if fetches is model.init:
                return self.restore()
            if not isinstance(fetches, list):
                return self.sess.run(fetches, feed_dict)
            fed = dict(feed_dict)
            if fetches[0] is model.ae_opt:
                if data.data.taken > count:
                    raise _Enough
                fed.update(self.official.feed(current()))
                got = self.sess.run(fetches, fed)
                for name, value in zip(("objective", "reconstruction", "penalty"), got[1:]):
                    kept[name].append(value)
                kept["lr_decay"].append(np.float64(feed_dict[model.lr_decay]))
                kept["lambda"].append(np.float64(feed_dict[model.wae_lambda]))
            elif model.z_adv_opt is not None and fetches[0] is model.z_adv_opt:
                fed.update(self.official.feed(current(), "noise_adv/"))
                got = self.sess.run(fetches, fed)
                kept["adversary_loss"].append(got[1])
            else:
                raise Failure("train() makes a run that this recorder does not know")
            return got

        def loop():
            never = 10**9
            model.opts = dict(model.opts, e_pretrain=False, print_every=never)
            model.opts.update(save_every_epoch=never, plot_num_pics=1)
            model.train(data)

        self.drive(run, lambda rows: current()["prior_sample"], loop)
        if len(kept["objective"]) != count:
            raise Failure(
                "%s: train() ended before %d iterations; give a larger train_size"
                % (self.meta["name"], count)
            )
        self.put("steps/", dict((n, np.asarray(v)) for n, v in kept.items() if v))
        self.put("steps/after/var/", self.variables("encoder/", "generator/", "z_adversary/"))
        after = {"codes": model.encoded, "reconstructions": model.reconstructed}
        after["decoded"] = model.decoded
        self.put("steps/after/eval/", self.sess.run(after, self.feed(False)))

    def record_plane(self):
        """Record the search for the least-Gaussian plane."""
        model = self.model
        made = make_plane_inputs(self.meta)
        self.restore()
        for var in self.official.tf.compat.v1.global_variables():
            if var.name in ("leastGaussian2d/proj_v:0", "leastGaussian2d/proj_u:0"):
                var.load(made[var.name[-3]], self.sess)
        fed = {model.proj_sample: made["sample"]}
        vectors = {"u": model.proj_u, "v": model.proj_v}
        first = dict(vectors, loss=model.proj_loss, covhat=model.proj_covhat)
        self.put("plane/", self.sess.run(first, fed))
        for _ in range(PLANE_STEPS):
            self.sess.run(model.proj_opt, fed)
        self.put("plane/after/", self.sess.run(vectors, fed))

    def record_improved(self):
        """Record improved_sampling's first batch, from a checkpoint of the initial weights."""
        official, meta = self.official, self.meta
        folder = tempfile.mkdtemp()
        prefix = os.path.join(folder, "checkpoints", "model")
        os.mkdir(os.path.dirname(prefix))
        self.restore()
        self.model.saver.save(self.sess, prefix)
        made = make_improved_inputs(meta)
        kept = {"steps": [], "loss": []}
        state = {"step": 0}

        def on_run(run, fetches, feed_dict):
            name = getattr(fetches, "name", "")
            if feed_dict:
                feed_dict = dict(feed_dict)
                feed_dict.update(official.feed(made))
            if isinstance(fetches, list):
                got = run(fetches, feed_dict)
                kept["steps"].append(state["step"])
                kept["loss"].append(got[0])
                state["last"] = got
                return got
            if feed_dict and "is_training_ph" in str(list(feed_dict)):
                state["step"] += 1
                return run(fetches, feed_dict)
            if name.startswith("init"):
                if state["step"]:
                    raise _Enough
                run(fetches, feed_dict)
                graph = fetches.graph
                for var in graph.get_collection("variables"):
                    if var.name == "latent_codes:0":
                        return run(var.initializer, {var.initializer.inputs[1]: made["codes"]})
            return run(fetches, feed_dict)

        official.new_graph()
        try:
            official.on_run = on_run
            official.improved_wae.improved_sampling(
                dict(meta["opts"], checkpoint=prefix, work_dir=folder)
            )
        except _Enough:
            pass
        finally:
            official.on_run = None
            shutil.rmtree(folder)
        self.put("improved/", {"steps": np.asarray(kept["steps"], np.int64)})
        self.put("improved/", {"loss": np.asarray(kept["loss"], np.float32)})
        self.put("improved/", {"pictures": state["last"][1], "codes": state["last"][2]})

    def record(self):
        """Record everything the case asks for, and how far rounding alone can move it.

        For the floor the initial weights are moved by one float32 rounding, up or down at random,
        NUDGES times; an array's floor is the largest difference that this makes to it.
        """
        self.record_once()
        base, floor = self.arrays, {}
        weights = self.weights
        for tried in range(1, NUDGES + 1):
            self.arrays, self.weights = {}, nudge(weights, tried)
            self.record_once()
            for name, value in self.arrays.items():
                apart = np.abs(value.astype(np.float64) - base[name].astype(np.float64))
                floor[name] = max(floor.get(name, 0.0), float(apart.max()) if apart.size else 0.0)
        self.arrays, self.weights = base, weights
        names = sorted(floor)
        self.meta["floor"] = names
        self.arrays["floor"] = np.asarray([floor[name] for name in names]).astype(np.float32)
        if self.meta["improved"]:
            self.record_improved()

    def record_once(self):
        """Record everything but improved sampling from the current initial weights."""
        self.restore()
        self.record_eval()
        self.record_train()
        if self.meta["opts"]["e_pretrain"]:
            self.record_pretrain()
        if self.meta["steps"]:
            self.record_steps()
        self.record_plane()

    def save_checkpoint(self, prefix):
        """Write the case's weights with the official object's own saver."""
        self.restore()
        self.model.saver.save(self.sess, prefix)

    def record_restored(self, prefix):
        """Restore a checkpoint and record evaluation outputs and weights.

        If the checkpoint holds every variable of the graph, the object's own saver reads it;
        otherwise a Saver of the encoder and decoder, as in improved_sampling. meta['restored']
        says which, and meta['checkpoint'] lists [name, shape] of what the object's saver needs.
        """
        tf = self.official.tf
        if not os.path.exists(prefix + ".index"):
            raise Failure("--restore=%s: there is no %s.index" % (prefix, prefix))
        self.restore()
        every = tf.compat.v1.global_variables()
        held = set(name for name, _ in tf.train.list_variables(prefix))
        wanted = [[str(v.name[:-2]), v.get_shape().as_list()] for v in every]
        self.meta["checkpoint"] = sorted(wanted)
        try:
            if all(name in held for name, _ in wanted):
                self.meta["restored"] = "own saver"
                self.model.saver.restore(self.sess, prefix)
            else:
                self.meta["restored"] = "encoder and decoder"
                some = [v for n, v in self.vars.items() if n.startswith(("encoder/", "generator/"))]
                tf.compat.v1.train.Saver(some).restore(self.sess, prefix)
        except (ValueError, tf.errors.OpError) as error:
            raise Failure("--restore=%s: %s" % (prefix, _first_line(error)))
        self.put("var/", self.variables("encoder/", "generator/", "z_adversary/"))
        self.record_eval()

    def close(self):
        """Free the session."""
        self.sess.close()


# ---------------------------------------------------------------- schedules, splits, pixels


SCHEDULES = (
    # name, opts, iterations an epoch
    ("manual", {"lr_schedule": "manual", "epoch_num": 110}, 2),
    ("manual_smooth", {"lr_schedule": "manual_smooth", "epoch_num": 50}, 2),
    ("number", {"lr_schedule": 30.0, "epoch_num": 60}, 2),
    ("plateau", {"lr_schedule": "plateau", "epoch_num": 110}, 3),
    ("constant", {"lambda_schedule": "constant", "epoch_num": 2}, 60),
    ("adaptive", {"lambda_schedule": "adaptive", "epoch_num": 2}, 1800),
)


def _prescribed(name, count):
    """Prescribe what the session returns: objective, reconstruction, penalty of each iteration."""
    random = _random("schedules", name)
    noise = np.floor(64.0 * random.random_sample(count)) / 64.0
    at = np.arange(count) / float(count)
    # falls, stagnates from 0.35, finds a new minimum at 0.65, stagnates again
    level = 40.0 - 60.0 * np.minimum(at, 0.35) - np.where(at >= 0.65, 4.0, 0.0)
    objective = np.floor(64.0 * level) / 64.0 + noise
    reconstruction = 20.0 + np.floor(256.0 * random.random_sample(count)) / 16.0
    penalty = np.floor(1024.0 * (random.random_sample(count) - 0.3)) / 1024.0
    penalty = np.where(np.abs(penalty) < 0.01, 0.25, penalty)
    made = {"losses": objective, "reconstruction": reconstruction, "penalty": penalty}
    return dict((key, value.astype(np.float32)) for key, value in made.items())


def _schedules(official):
    """Run train() itself on a session that returns prescribed losses."""
    arrays, described = {}, {}
    for name, changes, batches_num in SCHEDULES:
        never = 10**9
        opts = dict(official.configs.config_mnist_small, lr_schedule="manual")
        opts.update(changes)
        opts.update(batch_size=2, plot_num_pics=1, print_every=never, save_every_epoch=never)
        opts.update(e_pretrain=False, verbose=False, zdim=2)
        made = _prescribed(name, opts["epoch_num"] * batches_num)
        decay, weight = [], []
        model = official.wae.WAE.__new__(official.wae.WAE)
        model.opts = opts
        for attribute in (
            "sample_points sample_noise lr_decay wae_lambda is_training init ae_opt"
            " wae_objective loss_reconstruct penalty blurriness"
        ).split():
            setattr(model, attribute, attribute)
        model.loss_gan = model.z_adv_opt = None

        def run(fetches, feed_dict=None, made=made, decay=decay, weight=weight):
            if not isinstance(fetches, list):
                return [0.0]
            step = len(decay)
            decay.append(np.float64(feed_dict["lr_decay"]))
            weight.append(np.float64(feed_dict["wae_lambda"]))
            return [None] + [made[key][step] for key in ("losses", "reconstruction", "penalty")]

        class Saver(object):
            def save(self, *unused, **named):
                pass

        model.sess, model.saver = _Proxy(run), Saver()
        data = _Data(opts["batch_size"] * batches_num, lambda step: np.zeros((1, 1)))
        model.train(data)
        for key, value in made.items():
            arrays["schedule/%s/%s" % (name, key)] = value
        arrays["schedule/%s/decay" % name] = np.asarray(decay)
        arrays["schedule/%s/lambda" % name] = np.asarray(weight)
        kept = ("lr_schedule", "lambda_schedule", "epoch_num", "lambda")
        described[name] = dict((key, opts[key]) for key in kept)
        described[name]["batches_num"] = batches_num
    return {"schedules": described, "versions": official.versions()}, arrays


def _order(indices, test_size):
    """Describe an order of a data set."""
    indices = np.asarray(indices).astype("<i8")
    return {
        "size": len(indices),
        "test_size": test_size,
        "first": [int(i) for i in indices[:50]],
        "last": [int(i) for i in indices[-50:]],
        "sha256": hashlib.sha256(indices.tobytes()).hexdigest(),
    }


def _numbered(count, shape):
    """Return uint8 pictures that carry their number in their first three bytes."""
    pictures = np.zeros([count, int(np.prod(shape))], np.uint8)
    numbers = np.arange(count)
    for byte in range(3):
        pictures[:, byte] = (numbers >> (8 * byte)) & 255
    return pictures.reshape([count] + list(shape))


def _numbers(pictures):
    """Read the numbers back from pictures in [0, 1]."""
    count = len(pictures)
    first = pictures.reshape([count, -1])
    return sum(np.round(255.0 * first[:, b]).astype(np.int64) << (8 * b) for b in range(3))


def _splits(official):
    """Run the official loaders on files whose pictures are numbers."""
    handler = official.datahandler
    described = {}
    folder = tempfile.mkdtemp()

    def loaded(exp, dataset, **changes):
        base = dict(getattr(official.configs, "config_" + exp))
        base.update(dataset=dataset, data_dir=folder, work_dir=folder, input_normalize_sym=False)
        data = handler.DataHandler(dict(base, **changes))
        return data.data, data.test_data

    def numbers(parts, read):
        return _order(np.concatenate([read(part.X) for part in parts]), len(parts[1]))

    try:
        parts = loaded("celebA", "celebA")
        order = [int(path[:6]) for part in parts for path in part.paths]
        described["celebA"] = _order(order, len(parts[1]))

        pictures = _numbered(70000, (28, 28, 1))
        for stem, begin, end in (("train", 0, 60000), ("t10k", 60000, 70000)):
            with open(os.path.join(folder, stem + "-images-idx3-ubyte"), "wb") as stream:
                stream.write(b"\0" * 16 + pictures[begin:end].tobytes())
            with open(os.path.join(folder, stem + "-labels-idx1-ubyte"), "wb") as stream:
                stream.write(b"\0" * (8 + end - begin))
        described["mnist"] = numbers(loaded("mnist", "mnist"), _numbers)

        import pickle

        pictures = _numbered(60000, (3, 32, 32))
        # the loader moves the channels last: put the three bytes where they come first then
        pictures[:, :, 0, 0] = pictures[:, 0, 0, :3].copy()
        pictures[:, 0, 0, 1:3] = 0
        for i in range(6):
            name = "test_batch" if i == 5 else "data_batch_%d" % (i + 1)
            part = pictures[10000 * i : 10000 * (i + 1)].reshape(10000, -1)
            with open(os.path.join(folder, name), "wb") as stream:
                pickle.dump({"data": part, "labels": [0] * 10000}, stream, 2)
        del pictures
        described["cifar10"] = numbers(loaded("mnist", "cifar10"), _numbers)

        # the order depends on the number of pictures alone: 2x2 numbers do for dsprites
        many = np.zeros((737280, 2, 2), np.int32)
        many[:] = np.arange(737280)[:, np.newaxis, np.newaxis]
        np.savez(os.path.join(folder, "dsprites.npz"), imgs=many)
        parts = loaded("dsprites", "dsprites")
        described["dsprites"] = numbers(parts, lambda x: x[:, 0, 0, 0].astype(np.int64))
    finally:
        shutil.rmtree(folder)
    return {"splits": described, "versions": official.versions()}, {}


def _pixels(official, folder):
    """Hash the pixels that the official loader makes of CelebA's JPEGs."""
    if not os.path.isdir(folder):
        raise Failure("--celeba_dir=%s is not a folder" % folder)
    names = sorted(n for n in os.listdir(folder) if n.lower().endswith((".jpg", ".png")))
    if not names:
        raise Failure("--celeba_dir=%s holds no .jpg and no .png" % folder)
    import PIL
    from PIL import Image

    described = {}
    for name in names:
        pixels = np.asarray(Image.open(os.path.join(folder, name)))
        described[name] = {"decoded": hashlib.sha256(pixels.tobytes()).hexdigest()}
    for crop in ("closecrop", "resizecrop"):
        opts = dict(official.configs.config_celebA, data_dir=folder, celebA_crop=crop)
        data = official.datahandler.Data(opts, None, names)
        for name in names:
            picture = np.round(255.0 * data._read_celeba_image(folder, name)).astype(np.uint8)
            described[name][crop] = hashlib.sha256(picture.tobytes()).hexdigest()
    versions = dict(official.versions(), pillow=str(PIL.__version__))
    versions["jpeglib"] = str(Image.core.jpeglib_version)
    return {"pixels": described, "versions": versions}, {}


# ---------------------------------------------------------------- the command


def _plain(value):
    """Turn JSON's unicode strings into str: the official code asks for them."""
    if isinstance(value, dict):
        return dict((_plain(key), _plain(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, str) and hasattr(value, "encode"):  # Python 2's unicode
        return value.encode("utf-8")
    return value


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "%s: %s" % (type(error).__name__, lines[0] if lines else "no message")


def _read_json(flag, path):
    try:
        with io.open(path, encoding="utf-8") as stream:
            return _plain(json.load(stream))
    except (IOError, OSError, ValueError) as error:
        raise Failure("--%s=%s cannot be read as JSON: %s" % (flag, path, error))


def _cases(args):
    """Return the cases the command line names."""
    cases = []
    if args.cases:
        held = _read_json("cases", args.cases)
        cases += held if isinstance(held, list) else [held]
    if args.opts:
        opts = _read_json("opts", args.opts)
        if not isinstance(opts, dict):
            raise Failure("--opts=%s must hold one JSON object of opts" % args.opts)
        name = os.path.splitext(os.path.basename(args.opts))[0]
        cases.append({"name": name, "exp": opts.pop("exp", None), "opts": opts})
    if args.only:
        names = args.only.split(",")
        missing = [n for n in names if n not in [case["name"] for case in cases]]
        if missing:
            raise Failure("--only: there is no case %s" % missing[0])
        cases = [case for case in cases if case["name"] in names]
    return cases


def main(argv=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Record what the official WAE code computes.")
    parser.add_argument("--official_dir", required=True, help="clone of tolstikhin/wae")
    parser.add_argument("--cases", help="JSON file with a list of cases")
    parser.add_argument("--opts", help="JSON file with the opts of one case")
    parser.add_argument("--only", help="names of cases, separated by commas")
    parser.add_argument("--out", help="folder for the records")
    parser.add_argument("--full", action="store_true", help="store every number")
    parser.add_argument("--schedules", action="store_true", help="write schedules.npz")
    parser.add_argument("--splits", action="store_true", help="write splits.npz (2 GB of memory)")
    parser.add_argument("--celeba_dir", help="folder of 178x218 JPEGs or PNGs: pixels.npz")
    parser.add_argument("--restore", help="record a checkpoint's evaluation outputs instead")
    parser.add_argument("--save_checkpoint", help="only write the case's weights there")
    args = parser.parse_args(argv)
    status = 0
    try:
        cases = _cases(args)
        if (args.restore or args.save_checkpoint) and len(cases) != 1:
            raise Failure("--restore and --save_checkpoint take one case; choose it with --only")
        if not args.out and not args.save_checkpoint:
            raise Failure("--out is missing: the folder for the records")
        if args.out and not os.path.isdir(args.out):
            os.makedirs(args.out)
        official = _Official(os.path.abspath(args.official_dir))
        extras = []
        if args.schedules:
            extras.append(("schedules", lambda: _schedules(official)))
        if args.splits:
            extras.append(("splits", lambda: _splits(official)))
        if args.celeba_dir:
            extras.append(("pixels", lambda: _pixels(official, args.celeba_dir)))
        for name, make in extras:
            began = time.time()
            meta, arrays = make()
            path = os.path.join(args.out, name + ".npz")
            save(path, meta, arrays)
            _say(name, began, path)
    except Failure as error:
        sys.stderr.write("record.py: %s\n" % error)
        return 1
    for case in cases:
        began = time.time()
        path = args.out and os.path.join(args.out, case["name"] + ".npz")
        try:
            recorded = _Case(official, case)
            if args.save_checkpoint:
                recorded.save_checkpoint(args.save_checkpoint)
                path = args.save_checkpoint + ".index"
            else:
                if args.restore:
                    recorded.record_restored(args.restore)
                else:
                    recorded.record()
                save(path, recorded.meta, recorded.arrays, args.full)
            recorded.close()
            _say(case["name"], began, path)
        except Exception as error:  # the official code may raise anything on a user's opts
            if os.environ.get("RECORD_TRACEBACK"):
                raise
            text = str(error) if isinstance(error, Failure) else _first_line(error)
            prefix = "" if text.startswith(case["name"]) else case["name"] + ": "
            sys.stderr.write("record.py: %s%s\n" % (prefix, text))
            status = 1
    return status


def _say(name, began, path):
    print("%-28s %6.1f s %9d bytes" % (name, time.time() - began, os.path.getsize(path)))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
