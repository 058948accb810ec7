"""What `fit` warns of at its start: weights and layers that TensorFlow computes wrong or coarsely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wae_tf import console
from wae_tf.networks import unsafe_layers
from wae_tf.settings import devices, processor

#: Types too coarse for weights that are trained; the mixed policies compute in them alone.
HALF = {"float16", "bfloat16"}


def tell(model: Any, batch_size: int) -> None:
    """Warns of what a model's networks will meet in batches of so many rows."""
    for name, network in model.networks.items():
        for sentence in _of_network(name, network, batch_size, model.jit_compile):
            console.warn(sentence)
    for sentence in _of_changes(model):
        console.warn(sentence)
    if not devices.has_gpu() and (told := processor.against_half(model.settings.precision)):
        console.warn(f"{told}.")


def _of_changes(model: Any) -> Iterator[str]:
    """That what is trained was settled by `compile`, as the optimizers' own state is."""
    settled = {id(weight) for update in model.updates for weight in update.variables}
    for name, network in model.networks.items():
        trained = {id(weight) for weight in network.trainable_weights}
        frozen = {id(weight) for weight in network.weights} & settled - trained
        if frozen:
            yield (
                f"{len(frozen)} weights of the {name} were frozen after compile() and are trained all the "
                "same: compile again."
            )
        if trained - settled:
            yield (
                f"{len(trained - settled)} weights of the {name} were made trainable after compile() and "
                "are not trained: compile again."
            )


def _of_network(name: str, network: Any, batch_size: int, by_xla: bool) -> Iterator[str]:
    for half in sorted({variable.dtype for variable in network.trainable_variables} & HALF):
        because = ", in which Adam's epsilon of 1e-8 is 0" if half == "float16" else ""
        yield (
            f"weights of the {name} are {half}{because}: updates are rounded away, and training "
            f"stands still or is not finite; layers of dtype='mixed_{half}' keep theirs in float32."
        )
    if wrong := unsafe_layers.wrong_layers(network):
        yield (
            f"TensorFlow on a CPU may compute {', '.join(wrong)} of the {name} wrong in half "
            "precision (rows of one place, strides that differ, three dimensions): give "
            "dtype='float32' to them, or use Conv2D and Conv2DTranspose of wae_tf.networks.convolution."
        )
    if fatal := unsafe_layers.fatal_layers(network):
        yield (
            f"TensorFlow's gradient of {', '.join(fatal)} of the {name}, filters of 1x1 with a "
            "stride, may end the process on a CPU: use Conv2D and Conv2DTranspose of "
            "wae_tf.networks.convolution, or set TF_ENABLE_ONEDNN_OPTS=0 before TensorFlow is imported."
        )
    # XLA adds them up in float32.
    if not by_xla and (coarse := unsafe_layers.coarse_layers(network, batch_size)):
        yield (
            f"TensorFlow on a CPU adds up the gradients of biases of {', '.join(coarse)} of the {name} in "
            "bfloat16, where a sum stands still at 256 times its terms: give dtype='float32' to them, "
            "compile with jit_compile=True, or, of convolutions, use Conv2D and Conv2DTranspose of "
            "wae_tf.networks.convolution."
        )
