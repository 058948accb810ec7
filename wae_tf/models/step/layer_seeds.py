"""Dropout and other layers that draw: their numbers, too, are a function of (seed, step)."""

from __future__ import annotations

import keras
import tensorflow as tf

from wae_tf import streams

#: Of the variables of Keras's SeedGenerator, which are among a layer's `variables` and no weights.
_NAME = "seed_generator_state"


def states(network: keras.layers.Layer) -> list[keras.Variable]:
    """The random states of a network's layers, in the order of the layers."""
    weights = {id(weight) for weight in network.weights}
    others = [v for v in network.variables if id(v) not in weights and v.path.endswith(_NAME)]
    return list({id(v): v for v in others}.values())


def set_to(seed: int, step: tf.Tensor, networks: dict[str, keras.layers.Layer]) -> None:
    """Makes what the layers draw next follow from the model's seed and the step.

    Nothing of their state needs saving then: a run that goes on draws what it would have drawn.

    Args:
        seed: the model's.
        step: an integer scalar.
        networks: by name, as streams call them.
    """
    for name, network in networks.items():
        for place, state in enumerate(states(network)):
            key = tf.random.fold_in(streams.key(seed, f"{name}/layers", step), place, alg="philox")
            state.assign(tf.cast(key & 0x7FFFFFFF, state.dtype))
