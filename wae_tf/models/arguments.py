"""What the constructor of a model was given: read in the words of who calls it, keywords."""

from __future__ import annotations

import keras

from wae_tf.errors import KeywordError

#: Keras's policies that are a `precision` too.
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16", "float64")


def precision_of_policy() -> str:
    """The precision that keras.mixed_precision.set_global_policy asks for.

    Raises:
        KeywordError: one that keeps weights in half, or quantises.
    """
    policy = keras.mixed_precision.dtype_policy().name
    if policy not in POLICIES:
        raise KeywordError(
            f"Keras's global policy is {policy}, whose weights would be too coarse to train; accepted: "
            f"{', '.join(POLICIES)}, by keras.mixed_precision.set_global_policy or by precision=."
        )
    return policy
