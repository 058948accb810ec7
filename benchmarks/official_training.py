"""Trains the official code, untouched, and prints its numbers as a line of JSON.

Python 2.7 and 3; imports nothing of wae_tf; run by training_parity.py under the official interpreter:

    PYTHON official_training.py CLONE EXPERIMENT Z_TEST DATA_DIR WORK_DIR EPOCHS SEED

EXPERIMENT names a dict of configs.py; DATA_DIR holds its files in the official layout.
"""

from __future__ import absolute_import, division, print_function

import copy
import json
import logging
import os
import sys
import time

import common
import numpy as np

SAMPLES = 1000
BATCH = 100


def main(clone, experiment, z_test, data_dir, work_dir, epochs, seed):
    """Train, evaluate on the whole test set, print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.dont_write_bytecode = True
    sys.path.insert(0, clone)
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    import configs
    import datahandler
    import wae

    logging.disable(logging.CRITICAL)
    opts = copy.deepcopy(getattr(configs, "config_" + experiment))
    opts.update(z_test=z_test, data_dir=data_dir, work_dir=work_dir, epoch_num=int(epochs))
    never = 10**9
    opts.update(verbose=False, print_every=never, save_every_epoch=never)
    os.makedirs(os.path.join(work_dir, "checkpoints"))
    data = datahandler.DataHandler(opts)
    tf.compat.v1.set_random_seed(int(seed))
    np.random.seed(int(seed))  # the loader has unseeded it
    model = wae.WAE(opts, data.num_points)
    losses = []

    class Listener(object):
        """The model's session, which keeps the losses that train() fetches."""

        def __init__(self, session):
            self.session = session

        def run(self, fetches, *args, **named):
            got = self.session.run(fetches, *args, **named)
            if isinstance(fetches, list) and fetches[0] is model.ae_opt:
                losses.append(got[1:])
            return got

        def __getattr__(self, name):
            return getattr(self.session, name)

    session = model.sess
    model.sess = Listener(session)
    saver, model.saver = model.saver, common.Unsaved()
    started = time.time()
    model.train(data)
    seconds = time.time() - started
    model.sess, model.saver = session, saver
    model.saver.save(session, os.path.join(work_dir, "checkpoints", "trained-wae"))
    epoch = np.mean(losses[-(data.num_points // opts["batch_size"]) :], axis=0)

    test = data.test_data.X
    costs, penalties = [], []
    for start in range(0, len(test), BATCH):
        fetched = model.sess.run(
            [model.loss_reconstruct, model.penalty],
            {
                model.sample_points: test[start : start + BATCH],
                model.sample_noise: model.sample_pz(BATCH),
                model.is_training: False,
            },
        )
        costs.append(fetched[0])
        penalties.append(fetched[1])
    samples = model.sess.run(
        model.decoded, {model.sample_noise: model.sample_pz(SAMPLES), model.is_training: False}
    )
    sharpness = model.sess.run(model.blurriness, {model.sample_points: samples})
    result = {
        "training_cost": float(epoch[1]),
        "training_penalty": float(epoch[2]),
        "test_reconstruction": float(np.mean(costs)),
        "penalty": float(np.mean(penalties)),
        "sharpness_samples": float(np.min(sharpness)),
        "sharpness_samples_mean": float(np.mean(sharpness)),
        "seconds": seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
