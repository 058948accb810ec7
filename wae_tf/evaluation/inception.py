"""The Inception network of FID, KID and Inception Score: from a handle, a folder or a frozen graph.

Images go to 299 x 299 by the resize of the graph of 2015-12-05 itself (TensorFlow 1's
ResizeBilinear: no antialias, corners not aligned, pixel centres at whole numbers) and to
(x - 128) / 128, as that graph's own Sub and Mul do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError, FlagError, first_line
from wae_tf.evaluation import network_files, prepared
from wae_tf.evaluation.distances import FeatureNetwork
from wae_tf.evaluation.options import RESIZES
from wae_tf.files import of_user
from wae_tf.runs import checkpoints

#: Of Inception v3 as TF-GAN has it: the side of its pictures, the numbers of pool_3, the logits.
SIZE, FEATURES, CLASSES = 299, 2048, 1008

#: A handle that TF-GAN names (inception_metrics.py), for the sentence on how to supply a network.
HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"
HOW = (
    "FID, KID and Inception Score need --inception=NETWORK: a TF-Hub handle such as "
    f"{HANDLE}, a SavedModel folder, or the frozen graph of 2015-12-05 (inceptionv1_for_inception_score.pb "
    "or classify_image_graph_def.pb)."
)

#: Tensors of frozen graphs: where images in [-1, 1] go in, the last pool, the logits of 1008.
_INPUTS = ("Mul:0", "inputs:0", "input:0", "images:0", "Placeholder:0")
_POOLS = ("pool_3:0", "pool_3/Identity:0", "Inception/pool_3:0")
_LOGITS = ("logits:0", "softmax/logits:0", "Inception/logits:0")


def resized(images: Any, method: str = "tf1_bilinear") -> tf.Tensor:
    """Images of 0 to 255 [n, H, W, C] as floats [n, SIZE, SIZE, 3] for the network.

    Args:
        images: uint8 or float; one channel is made three, of more than three the first are taken.
        method: tf1_bilinear, as the reference graph; bilinear, at half-pixel centres without
            antialias; bicubic, with antialias, clipped to 0 and 255.

    Returns:
        float32 in [-1, 1]: (x - 128) / 128.
    """
    _check_resize(method)
    colour = prepared.with_channels(tf.cast(images, tf.float32), 3)
    return (prepared.resized(colour, (SIZE, SIZE), method, to_bytes=False) - 128.0) / 128.0


def _check_resize(resize: str) -> None:
    if resize not in RESIZES:
        raise FlagError(
            f"--inception_resize={resize} is not known; accepted: {', '.join(RESIZES)}."
        )


def load(source: str, resize: str = "tf1_bilinear") -> FeatureNetwork:
    """The network of --inception, checked on two grey images.

    Args:
        source: a SavedModel folder, a frozen graph (.pb), or a TF-Hub or Kaggle handle.
        resize: one of RESIZES.

    Raises:
        network_files.Unreachable: a handle that cannot be downloaded.
        DataError: no such file, or a network of another kind.
        FlagError: an unknown resize.
    """
    _check_resize(resize)
    path = of_user(source)
    if network_files.is_handle(source):
        path = network_files.download(source, "inception")
    elif not path.exists():
        raise DataError(f"--inception={source} is not there. {HOW}")
    if path.is_file():
        function, identity = _frozen(path, source), network_files.hash_file(path)
    elif (path / "saved_model.pb").is_file():
        function, identity = _saved_model(path, source), network_files.hash_saved_model(path)
    else:
        raise DataError(f"--inception={source} holds no saved_model.pb. {HOW}")
    _check(function, source)

    @tf.function(reduce_retracing=True, autograph=False)
    def preprocess(images: tf.Tensor) -> tf.Tensor:
        return resized(images, resize)

    def apply(images: np.ndarray) -> tuple[Any, Any]:
        return function(preprocess(tf.constant(images)))

    told = f"{resize} to {SIZE}x{SIZE}{', clipped' * (resize == 'bicubic')}"
    return FeatureNetwork(
        name="inception",
        title="Inception",
        identity=identity,
        settings={"resize": told, "range": "(x - 128) / 128"},
        apply=apply,
        batch_size=50,
    )


Function = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def _check(function: Function, source: str) -> None:
    try:
        pool, logits = map(tf.convert_to_tensor, function(tf.zeros([2, SIZE, SIZE, 3])))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise DataError(
            f"--inception={source} does not take images [n, {SIZE}, {SIZE}, 3]: {first_line(error)}."
        ) from error
    if tuple(pool.shape) != (2, FEATURES) or tuple(logits.shape) != (2, CLASSES):
        raise DataError(
            f"--inception={source} gives pool_3 of {list(pool.shape[1:])} and logits of "
            f"{list(logits.shape[1:])} numbers an image: {FEATURES} and {CLASSES} are expected."
        )
    for name, output in (("pool_3", pool), ("logits", logits)):
        if not output.dtype.is_floating:
            raise DataError(
                f"--inception={source} gives {name} of type {output.dtype.name}: floats are expected."
            )
        if not np.isfinite(output.numpy()).all():
            raise DataError(f"--inception={source} gives {name} with NaN or inf for black images.")


def _flat(pool: tf.Tensor) -> tf.Tensor:
    # [n, 1, 1, 2048] in the graph.
    pool = tf.convert_to_tensor(pool)
    return tf.reshape(pool, [tf.shape(pool)[0], -1])


def _named(outputs: Any, source: str) -> tuple[tf.Tensor, tf.Tensor]:
    if isinstance(outputs, dict) and {"pool_3", "logits"} <= set(outputs):
        return _flat(outputs["pool_3"]), outputs["logits"]
    names = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
    raise DataError(f"--inception={source} has outputs {names}: pool_3 and logits are expected.")


def _saved_model(folder: Path, source: str) -> Function:
    try:
        with checkpoints.plain(folder) as place:
            loaded = tf.saved_model.load(str(place))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise DataError(f"--inception={source} cannot be loaded as a SavedModel.") from error
    for signature in getattr(loaded, "signatures", {}).values():
        inputs = signature.structured_input_signature[1]
        if {"pool_3", "logits"} <= set(signature.structured_outputs) and len(inputs) == 1:
            ((name, spec),) = inputs.items()
            if not spec.shape.is_compatible_with([None, SIZE, SIZE, 3]):
                raise DataError(
                    f"--inception={source} takes images of {spec.shape.as_list()}: "
                    f"[n, {SIZE}, {SIZE}, 3] is expected."
                )

            def call(
                images: tf.Tensor,
                signature: Any = signature,
                name: str = name,
                keep: Any = loaded,  # a signature does not keep its variables alive
            ) -> Any:
                return _named(signature(**{name: images}), source)

            return call
    if callable(loaded):
        return lambda images: _named(loaded(images), source)
    names = sorted({n for s in loaded.signatures.values() for n in s.structured_outputs})
    raise DataError(f"--inception={source} has outputs {names}: pool_3 and logits are expected.")


def _frozen(file: Path, source: str) -> Function:
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's, whose class differs between its implementations
        raise DataError(f"--inception={source} is not a frozen graph (.pb).") from error
    nodes = {node.name: node for node in graph.node}

    def find(names: tuple[str, ...], what: str) -> str:
        for name in names:
            if name.partition(":")[0] in nodes:
                return name
        raise DataError(
            f"--inception={source} has no {what}: one of {', '.join(names)} is expected."
        )

    entry, pool, logits = (
        find(*names)
        for names in ((_INPUTS, "input"), (_POOLS, "pool_3"), (_LOGITS, "logits of 1008"))
    )
    _free_batch(nodes, pool.partition(":")[0])

    def imported(images: tf.Tensor) -> list[tf.Tensor]:
        # Mapped, not fed: the graph's own input is a single picture, with a shape to match.
        return tf.graph_util.import_graph_def(
            graph, input_map={entry: images}, return_elements=[pool, logits]
        )

    try:
        function = tf.compat.v1.wrap_function(
            imported, [tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)]
        )
    except (ValueError, tf.errors.OpError) as error:
        raise DataError(f"--inception={source} cannot be imported: {first_line(error)}.") from error

    def call(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pooled, made = function(images)
        return _flat(pooled), made

    return call


def _free_batch(nodes: dict[str, Any], pool: str) -> None:
    """The graph of 2015-12-05 reshapes the pool to [1, 2048]: makes that [-1, 2048]."""
    for node in nodes.values():
        if node.op != "Reshape" or node.input[0].partition(":")[0] != pool:
            continue
        shape = nodes.get(node.input[1].partition(":")[0])
        if shape is None or shape.op != "Const":
            continue
        value = tf.make_ndarray(shape.attr["value"].tensor)
        if value.shape == (2,) and value[0] == 1:
            free = np.array([-1, value[1]], value.dtype)
            shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(free))
