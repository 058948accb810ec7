"""Weights by their official variable names: into a model, out of and into TF1 checkpoints."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError, RunError
from wae_tf.files import of_user
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints

#: Our variables by their Keras names, as official models.py and ops.py call them.
_SUFFIXES = {
    "Dense": {"kernel": "W", "bias": "b"},
    "Conv2D": {"kernel": "filter", "bias": "b"},
    "Conv2DTranspose": {"kernel": "filter", "bias": "b"},
    "FusedBatchNormalization": {
        name: name for name in ("gamma", "beta", "moving_mean", "moving_variance")
    },
}

#: How the names of a checkpoint's files go on behind its prefix.
_FILES = re.compile(r"\.(index|data-\d{5}-of-\d{5}|meta)$")


def official_variables(model: Wae) -> dict[str, keras.Variable]:
    """The model's variables by official names, such as `generator/h0_deconv/filter`."""
    named = {}
    networks = {"encoder": model.encoder, "generator": model.decoder}
    if model.adversary is not None:
        networks["z_adversary"] = model.adversary
    for scope, network in networks.items():
        for layer in network.layers:
            for variable in layer.weights:
                suffix = _SUFFIXES[type(layer).__name__][variable.name]
                named[f"{scope}/{layer.name}/{suffix}"] = variable
    return named


def feeds_batch_norm(name: str, names: Iterable[str]) -> bool:
    """Whether a variable is the bias of a layer whose output a batch norm centres.

    Its true gradient is zero: what is found of one is rounding. An mlp decoder's batch norm comes
    after the relu (official models.py:83-87), so its biases are not such.
    """
    scope, layer, suffix = name.split("/")
    if suffix != "b" or (scope == "generator" and layer.endswith("_lin")):
        return False
    norms = {other.split("/")[1] for other in names if other.startswith(f"{scope}/")}
    place = layer.split("_")[0]
    return f"{place}_bn" in norms or (layer == "conv2d_1x1" and "hfinal_bn" in norms)


def assign(model: Wae, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Sets all of the model's weights.

    Args:
        model: the model.
        arrays: by official names; more than the model has is refused, so that nothing is lost.
        source: what a sentence calls the arrays.

    Raises:
        DataError: a variable is missing, too much, or of another shape.
    """
    check_shapes(model, {name: array.shape for name, array in arrays.items()}, source)
    for name, variable in official_variables(model).items():
        variable.assign(arrays[name])


def check_shapes(model: Wae, shapes: Mapping[str, Sequence[int]], source: str) -> None:
    """Checks that the model's weights, no more and no fewer, are there in their shapes.

    Raises:
        DataError: as `assign`.
    """
    variables = official_variables(model)
    missing, extra = sorted(set(variables) - set(shapes)), sorted(set(shapes) - set(variables))
    if missing or extra:
        parts = [f"lacks {missing[0]}"] if missing else []
        parts += [f"has {extra[0]}, which this model has not"] if extra else []
        raise DataError(
            f"{source} {' and '.join(parts)}: the flags must name the networks it was trained with."
        )
    for name, variable in variables.items():
        if tuple(shapes[name]) != tuple(variable.shape):
            raise DataError(
                f"{source} has {name} of shape {list(shapes[name])}, this model "
                f"{list(variable.shape)}: the flags must name the networks it was trained with."
            )


def read_checkpoint(model: Wae, prefix: str) -> None:
    """Sets the model's weights from a checkpoint that the official code wrote.

    Optimizer slots and the least-Gaussian plane are left out; an adversary's weights are needed by
    WaeGan and ignored otherwise.

    Args:
        model: the model.
        prefix: PREFIX of PREFIX.index and PREFIX.data-00000-of-00001.

    Raises:
        DataError: no such checkpoint, or one of other networks.
    """
    source = f"--init_from_official={prefix}"
    path = of_user(prefix)
    if _FILES.search(path.name):  # TensorFlow would take it for an empty checkpoint of version 1
        raise DataError(
            f"{source} is a file of a checkpoint: give its prefix, {_FILES.sub('', str(path))}."
        )
    try:
        with checkpoints.plain(path.parent) as place:
            reader = tf.train.load_checkpoint(str(place / path.name))
            arrays = _arrays(model, reader, source)
    except DataError:
        raise
    except Exception as error:  # the reader's own: OpError, IndexError, RuntimeError, ...
        raise DataError(
            f"{source} is no checkpoint, or a damaged one: PREFIX.index and "
            "PREFIX.data-00000-of-00001 of the official code are expected."
        ) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise DataError(f"{source} has {name} with NaN or inf.")
    assign(model, arrays, source)


def _arrays(model: Wae, reader: Any, source: str) -> dict[str, np.ndarray]:
    """The weights of a checkpoint, once their names, types and shapes are seen to be the model's."""
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    scopes = {"encoder", "generator", *(() if model.adversary is None else ("z_adversary",))}
    names = [name for name in shapes if _is_weight(name, scopes)]
    for name in names:
        # Before reading: a damaged index may claim any size and type.
        if types[name] not in (tf.float32, tf.float64, tf.float16, tf.bfloat16):
            raise DataError(
                f"{source} has {name} of type {types[name].name}; weights of the official code are "
                "float32."
            )
    check_shapes(model, {name: shapes[name] for name in names}, source)
    return {name: reader.get_tensor(name) for name in names}


def _is_weight(name: str, scopes: set[str]) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[0] in scopes


def write_checkpoint(model: Wae, prefix: str, *, pretrained: bool = True) -> None:
    """Writes the weights as a checkpoint that the official code's Saver restores.

    That saver wants every variable of its graph, so slots of its optimizers and the vectors of the
    least-Gaussian plane are written as the official code initialises them (official wae.py:391-408,
    :175-180, :204-205).

    Args:
        model: the model.
        prefix: where PREFIX.index and PREFIX.data-00000-of-00001 go.
        pretrained: whether the official options have a pretraining, whose optimizer has slots too.

    Raises:
        RunError: a model with classes, which the official code does not have.
    """
    settings = model.settings
    if settings.classes:
        raise RunError(
            "the official decoder takes no labels, so a model with classes is not written."
        )
    arrays = {name: np.asarray(v) for name, v in official_variables(model).items()}
    trained = {n: a for n, a in arrays.items() if n.rsplit("/", 1)[1][:7] != "moving_"}
    sets = [{n: a for n, a in trained.items() if not n.startswith("z_adversary/")}]
    if model.adversary is not None:
        sets.append({n: a for n, a in trained.items() if n.startswith("z_adversary/")})
    if pretrained:
        sets.append({n: a for n, a in trained.items() if n.startswith("encoder/")})

    rng = np.random.RandomState(settings.seed % 2**32)
    plane = [f"leastGaussian2d/proj_{vector}" for vector in "vu"]
    for name in plane:
        arrays[name] = rng.randn(settings.zdim, 1)
        for slot in ("Adam", "Adam_1"):
            arrays[f"leastGaussian2d/{name}/{slot}"] = np.zeros((settings.zdim, 1))
    arrays["leastGaussian2d/beta1_power"] = np.array(0.9)
    arrays["leastGaussian2d/beta2_power"] = np.array(0.999)
    if settings.optimizer == "adam":
        taken: dict[str, int] = {}
        for index, variables in enumerate(sets):
            suffix = f"_{index}" if index else ""
            arrays[f"beta1_power{suffix}"] = np.array(settings.adam_beta1)
            arrays[f"beta2_power{suffix}"] = np.array(settings.adam_beta2)
            for name, value in variables.items():
                for _ in range(2):
                    count = taken.setdefault(name, 0)
                    arrays[f"{name}/Adam{f'_{count}' if count else ''}"] = np.zeros_like(value)
                    taken[name] += 1
    names = sorted(arrays)
    path = Path(prefix)
    # In a folder beside first: a full disk leaves the checkpoint that was there.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as part:
        tf.raw_ops.SaveV2(
            prefix=str(Path(part) / path.name),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(arrays[name], tf.float32) for name in names],
        )
        for made in sorted(Path(part).iterdir()):  # the data before the index that leads to them
            os.replace(made, path.parent / made.name)
