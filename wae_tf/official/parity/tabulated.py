"""What follows from opts alone: schedules in every iteration, and the order of data sets."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from wae_tf.data import splits
from wae_tf.models.step import schedules
from wae_tf.models.step.schedules import Plateau
from wae_tf.official.parity import record
from wae_tf.official.parity.differences import SCHEDULES, Row


def schedule_rows(path: str) -> list[Row]:
    """Learning-rate decay and lambda in every iteration of every schedule."""
    meta, arrays = record.load(path)
    rows = []
    for name, opts in meta["schedules"].items():
        case = f"schedule {name}"
        prefix = f"schedule/{name}/"
        losses, reconstruction, penalty = (
            arrays[prefix + part] for part in ("losses", "reconstruction", "penalty")
        )
        batches = opts["batches_num"]
        decays, weights_ = [], []
        table = schedules.decay_table(str(opts["lr_schedule"]), opts["epoch_num"])
        plateau = None
        if opts["lr_schedule"] == "plateau":
            plateau = Plateau(batches)
            update = tf.function(plateau.update, autograph=False)
        adapt = tf.function(schedules.adapted_lambda, autograph=False)
        weight = tf.constant(opts["lambda"], tf.float32)
        for step in range(len(losses)):
            index = tf.constant(step, tf.int64)
            decays.append(float(plateau.decay.numpy()) if plateau else table[step // batches])
            weights_.append(float(weight))
            if plateau:
                update(index, index // batches, tf.constant(losses[step], tf.float32))
            if opts.get("lambda_schedule") == "adaptive":
                weight = adapt(
                    index,
                    weight,
                    tf.constant(reconstruction[step], tf.float32),
                    tf.constant(penalty[step], tf.float32),
                )
        for part, mine in (("decay", decays), ("lambda", weights_)):
            stored = arrays[prefix + part]
            relative = np.max(np.abs(np.array(mine) / stored - 1.0))
            rows.append(Row(case, part, float(relative), SCHEDULES, None, prefix + part))
    return rows


def split_rows(path: str) -> list[Row]:
    """The order of every data set after the official shuffle: 0 where equal, 1 where not."""
    meta, _ = record.load(path)
    rows = []
    for name, stored in meta["splits"].items():
        order = splits.celeba_order() if name == "celebA" else splits.numpy_order(stored["size"])
        order = np.asarray(order)
        same = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest() == stored["sha256"]
        same &= list(order[:50]) == stored["first"] and list(order[-50:]) == stored["last"]
        rows.append(Row(f"split {name}", "order", float(not same), 0.0, None, name))
    return rows
