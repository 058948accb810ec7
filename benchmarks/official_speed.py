"""Times the official code's own training loop, untouched, and prints a line of JSON.

Python 2.7 and 3; imports nothing of wae_tf; run by speed.py under the official interpreter:

    PYTHON official_speed.py '{"clone": ..., "experiment": "mnist_small", "penalty": "mmd", ...}'

clone, data_dir, work_dir: folders. steps: how many to time. images: how many CelebA files to train on
(0: other data; the official loader counts on all 202,599). loaded: read them all before training, as
the official code has after some epochs: it keeps every image that it has read, as float64. filters: of
the convolutions, 0 for the experiment's own.
"""

from __future__ import absolute_import, division, print_function

import time

BEGAN = time.time()

import copy  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

import common  # noqa: E402

TEST_IMAGES = 200


def only_these(datahandler, data_dir, count):
    """Makes the official loader take the first `count` files of a folder, and some for testing."""
    names = sorted(n for n in os.listdir(data_dir) if n.endswith(".jpg"))

    def load(self, opts):
        """As the official loader, for the files that are there."""
        self.data_shape, self.num_points = (64, 64, 3), count
        self.data = datahandler.Data(opts, None, names[:count])
        self.test_data = datahandler.Data(opts, None, names[count : count + TEST_IMAGES])

    datahandler.DataHandler._load_celebA = load


def main(o):
    """Train for a few steps, print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.dont_write_bytecode = True
    sys.path.insert(0, o["clone"])
    import numpy as np
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    import configs
    import datahandler
    import wae

    logging.disable(logging.CRITICAL)
    opts = copy.deepcopy(getattr(configs, "config_" + o["experiment"]))
    work_dir = os.path.abspath(o["work_dir"])
    opts.update(z_test=o["penalty"], data_dir=os.path.abspath(o["data_dir"]), work_dir=work_dir)
    if o["filters"]:
        opts.update(e_num_filters=o["filters"], g_num_filters=o["filters"])
    never = 10**9
    opts.update(e_pretrain=False, verbose=False, print_every=never, save_every_epoch=never)
    if not os.path.isdir(os.path.join(work_dir, "checkpoints")):
        os.makedirs(os.path.join(work_dir, "checkpoints"))
    if o["images"]:
        only_these(datahandler, opts["data_dir"], o["images"])
    data = datahandler.DataHandler(opts)
    if o.get("loaded"):
        for start in range(0, o["images"], 100):
            data.data[start : min(start + 100, o["images"])]
    model = wae.WAE(opts, data.num_points)
    times = []

    class Listener(object):
        """The model's session, which notes when each training step begins."""

        def __init__(self, session):
            self.session = session

        def run(self, fetches, *args, **named):
            if isinstance(fetches, list) and fetches[0] is model.ae_opt:
                times.append(time.time())
                common.mark(len(times))
                if len(times) > o["steps"]:
                    raise common.Enough
            return self.session.run(fetches, *args, **named)

        def __getattr__(self, name):
            return getattr(self.session, name)

    model.sess, model.saver = Listener(model.sess), common.Unsaved()
    try:
        model.train(data)
    except common.Enough:
        pass
    each = np.diff(times)
    each = each[(len(each) + 3) // 4 :]
    began = float(os.environ.get("SPEED_BEGAN", BEGAN))
    result = {
        "seconds": float(np.median(each)),
        "mean": float(np.mean(each)),
        "first": times[1] - began,
        "peak_mb": common.memory_mb(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    # str() of every text: the official code takes no unicode in Python 2.
    given = json.loads(sys.argv[1])
    texts = ("clone", "experiment", "penalty", "data_dir", "work_dir")
    main(dict(given, **{name: str(given[name]) for name in texts}))
