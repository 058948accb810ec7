"""A model as LiteRT and ONNX files."""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from wae_tf.console import loggers
from wae_tf.errors import RunError, first_line
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints
from wae_tf.serving.graphs import Graphs


def _plain_functions(model: Wae) -> Iterator[tuple[str, tf.types.experimental.PolymorphicFunction]]:
    """encode, decode and reconstruct without checks, which converters do not know."""
    graphs = Graphs(model, None)
    images = tf.TensorSpec([None, *model.image_shape], tf.float32, name="images")
    codes = tf.TensorSpec([None, model.settings.zdim], tf.float32, name="codes")
    yield (
        "encode",
        tf.function(
            lambda images: graphs._encoding(images), input_signature=[images], autograph=False
        ),
    )
    yield (
        "decode",
        tf.function(
            lambda codes: {"images": model.decode(codes)}, input_signature=[codes], autograph=False
        ),
    )
    yield (
        "reconstruct",
        tf.function(
            lambda images: {"images": model.reconstruct(images)},
            input_signature=[images],
            autograph=False,
        ),
    )


def write_litert(model: Wae, folder: Path) -> Path:
    """Writes model.tflite, float32, with the signatures encode, decode and reconstruct.

    Args:
        model: as `served_model` gives it.
        folder: is made.

    Raises:
        RunError: the networks use ops that LiteRT does not have.
    """
    module = tf.Module(name="wae")
    module.weights = [v.value for v in (*model.encoder.variables, *model.decoder.variables)]
    functions = dict(_plain_functions(model))
    folder.mkdir()
    source = folder / "source"
    with loggers.left_alone():
        tf.saved_model.save(module, str(source), signatures=functions)
    try:
        with checkpoints.plain(source) as place:
            made = tf.lite.TFLiteConverter.from_saved_model(str(place), signature_keys=[*functions])
            data = made.convert()
    except Exception as error:  # the converter has an exception class of its own, not public
        raise _refused("litert", error) from error
    finally:
        shutil.rmtree(source, ignore_errors=True)
    path = folder / "model.tflite"
    path.write_bytes(data)
    return path


def _refused(name: str, error: Exception) -> RunError:
    # LiteRT's converter tells first, at length, where the operation is in the graph.
    operation = re.search(r"error: loc\(.*\): ('.*)", str(error))
    what = operation[1] if operation else first_line(error)
    return RunError(
        f"nothing was exported, as --export_formats={name}: the converter refused: {what}; without "
        f"{name} the others are written."
    )


def _of_onnx(graph: Any, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """A frozen graph as an ONNX model.

    Raises:
        RunError: it has ops that ONNX does not have.
    """
    import onnx
    import tf2onnx

    # It logs what it does not know, with tracebacks, and writes the operations down as they are;
    # TensorFlow logs that what it calls is deprecated.
    with _silent("tf2onnx"), _silent("tensorflow"):
        try:
            proto, _ = tf2onnx.convert.from_graph_def(
                graph, name=name, input_names=[*inputs], output_names=[*outputs], opset=18
            )
            onnx.checker.check_model(proto)
        except Exception as error:  # of tf2onnx's own, and whatever its rules run into
            raise _refused("onnx", error) from error
    return proto


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Within, a logger says nothing."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def write_onnx(model: Wae, folder: Path) -> list[Path]:
    """Writes encode.onnx, decode.onnx and reconstruct.onnx, float32, opset 18.

    Inputs and outputs are named as in the signatures, but reconstruct gives `reconstructions`.

    Args:
        model: as `served_model` gives it.
        folder: is made.

    Raises:
        RunError: tf2onnx is not installed, or the networks use ops that ONNX does not have.
    """
    try:
        importlib.import_module("tf2onnx")
    except ImportError as error:
        raise RunError(
            "--export_formats=onnx needs tf2onnx: pip install 'wae_tf[onnx]'."
        ) from error
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    folder.mkdir()
    paths = []
    for name, function in _plain_functions(model):
        concrete = function.get_concrete_function()
        frozen = convert_variables_to_constants_v2(concrete)
        taken = frozen.inputs[0].name.split(":")[0]
        names = {frozen.inputs[0].name: taken}
        for key, tensor in zip(sorted(concrete.structured_outputs), frozen.outputs, strict=True):
            # In the order of a dict's flattening. ONNX has one space of names for both ends.
            names[tensor.name] = "reconstructions" if key == taken else key
        proto = _of_onnx(
            frozen.graph.as_graph_def(),
            name,
            [frozen.inputs[0].name],
            [tensor.name for tensor in frozen.outputs],
        )
        # Here and not by tensors_to_rename, after which tf2onnx 1.17.0 no longer finds the input.
        for node in proto.graph.node:
            for tensors in (node.input, node.output):
                tensors[:] = [names.get(tensor, tensor) for tensor in tensors]
        for tensor in (*proto.graph.input, *proto.graph.output):
            tensor.name = names[tensor.name]
        paths.append(folder / f"{name}.onnx")
        paths[-1].write_bytes(proto.SerializeToString())
    return paths
