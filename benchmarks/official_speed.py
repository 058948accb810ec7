"""Times the official code's own training loop, untouched, and prints a line of JSON.

Python 2.7 and 3; imports nothing of wae_tf; run by speed.py under the official interpreter:

    PYTHON official_speed.py CLONE EXPERIMENT Z_TEST DATA_DIR WORK_DIR STEPS [IMAGES]

IMAGES: how many CelebA files DATA_DIR has; the official loader counts on all 202,599.
"""

from __future__ import absolute_import, division, print_function

import time

BEGAN = time.time()

import copy  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402


class Enough(Exception):
    """As many steps as asked for."""


class Unsaved(object):
    """Stands for the saver."""

    def save(self, *args, **named):
        """Save nothing."""


def main(clone, experiment, z_test, data_dir, work_dir, steps, images="0"):
    """Train for STEPS steps, print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.dont_write_bytecode = True
    sys.path.insert(0, clone)
    import numpy as np
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    import configs
    import datahandler
    import wae

    logging.disable(logging.CRITICAL)
    opts = copy.deepcopy(getattr(configs, "config_" + experiment))
    opts.update(z_test=z_test, data_dir=data_dir, work_dir=work_dir, e_pretrain=False)
    never = 10**9
    opts.update(verbose=False, print_every=never, save_every_epoch=never)
    if not os.path.isdir(os.path.join(work_dir, "checkpoints")):
        os.makedirs(os.path.join(work_dir, "checkpoints"))
    if int(images):
        handler, count = datahandler.DataHandler, int(images)
        names = sorted(n for n in os.listdir(data_dir) if n.endswith(".jpg"))[:count]

        def load(self, opts):
            """As the official loader, for the files that are there."""
            self.data_order_idx = np.arange(count)
            self.num_points = count - count // 10
            paths = [os.path.join(data_dir, name) for name in names]
            self.data = datahandler.Data(opts, None, paths[: self.num_points])
            self.test_data = datahandler.Data(opts, None, paths[self.num_points :])

        handler._load_celebA = load
    data = datahandler.DataHandler(opts)
    model = wae.WAE(opts, data.num_points)
    times = []

    class Listener(object):
        """The model's session, which notes when each training step begins."""

        def __init__(self, session):
            self.session = session

        def run(self, fetches, *args, **named):
            if isinstance(fetches, list) and fetches[0] is model.ae_opt:
                times.append(time.time())
                if len(times) > int(steps):
                    raise Enough
            return self.session.run(fetches, *args, **named)

        def __getattr__(self, name):
            return getattr(self.session, name)

    model.sess, model.saver = Listener(model.sess), Unsaved()
    try:
        model.train(data)
    except Enough:
        pass
    each = np.diff(times)[len(times) // 4 :]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "seconds": float(np.median(each)),
        "first": times[1] - BEGAN,
        "peak_mb": peak / 1024.0,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
