r"""Record what the replication report's code computes, so that this project can be held against it.

A command for Python 3.6 and later that imports nothing of wae_tf but three files beside it, inputs.py,
shims.py and report_code.py. It drives a clone of github.com/josephdviviano/wae without
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
import json
import os
import sys

import inputs  # beside this file, whose folder Python searches first
import numpy as np
import report_code
from report_code import Failure

#: Runs from weights moved by one rounding.
NUDGES = 3


def record(directory, case, out, full, torch):
    """Write the record of a case."""
    meta = dict(case, torch=torch.__version__)
    arrays = {}
    floors = {}
    for short, dtype in (("f64", "float64"), ("f32", "float32")):
        torch.manual_seed(0)
        report = report_code.Report(directory, case, dtype, torch)
        meta["settings"] = settings = report.settings()
        meta["image_shape"] = [settings["DIMS"], settings["DIMS"], settings["N_CHAN"]]
        meta["variables"] = report.variables()
        weights = inputs.make_weights(meta)
        found = report.run(meta, inputs.nudge(weights, 0, dtype))
        for number in range(1, 1 + NUDGES):
            moved = report.run(meta, inputs.nudge(weights, number, dtype))
            for name in found:
                change = float(np.abs(moved[name] - found[name]).max()) if found[name].size else 0.0
                key = short + "/" + name
                floors[key] = max(floors.get(key, 0.0), change)
        for name, value in found.items():
            if short == "f32" and not name.startswith("eval/"):
                floors.pop(short + "/" + name)
            elif full or value.size <= inputs.COMPACT:
                arrays[short + "/" + name] = value
            else:
                arrays[short + "/" + name] = inputs.compact(value)
        if dtype == "float64":
            if case["name"] == case["run"]:
                arrays.update(report.initial())
        else:
            pixels = report.pixels(directory, meta)
            arrays["pixels"] = (
                pixels if full or pixels.size <= inputs.COMPACT else inputs.compact(pixels)
            )
            arrays.update(report.learning_rates())
    meta["floor"] = sorted(floors)
    arrays["floor"] = np.array([floors[name] for name in meta["floor"]])
    meta["sha256"] = inputs.hashes(meta)
    arrays = dict((n, np.asarray(v, np.float64)) for n, v in arrays.items())
    inputs.save(os.path.join(out, case["name"] + ".npz"), meta, arrays)


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
