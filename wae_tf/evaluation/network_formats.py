"""Networks of others opened: a SavedModel, a Keras file or an ONNX file as one function of arrays."""

from __future__ import annotations

import contextlib
import dataclasses
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError, first_line
from wae_tf.evaluation import network_files
from wae_tf.files import of_user
from wae_tf.runs import checkpoints

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Opened:
    """A network.

    Attributes:
        source: as the user named it, with the flag.
        identity: sha256 of its files.
        shapes: of its inputs, None where any number goes; () where nothing is known of one.
        call: float32 arrays, an input each -> outputs by name.
        whole: the type of whole numbers that its inputs are of; "" of floats, or where nothing is known.
    """

    source: str
    identity: str
    shapes: list[Shape]
    call: Callable[..., dict[str, Any]]
    whole: str = ""


@contextlib.contextmanager
def trying(source: str, wants: str) -> Iterator[None]:
    """Within, pictures go through a network for the first time.

    Args:
        source: of the network, as the user named it.
        wants: what it takes, as a clause, for the sentence.

    Raises:
        DataError: it cannot take them.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # TensorFlow's, Keras's and ONNX Runtime's own
        raise DataError(
            f"{source} cannot take these pictures ({first_line(error)}); {wants}."
        ) from error


def opened(source: str, flag: str, signature: str | None = None) -> Opened:
    """The network of a flag.

    Args:
        source: a SavedModel folder, a .keras, .h5 or .onnx file, or a TF-Hub handle.
        flag: its name, for sentences.
        signature: of a SavedModel; None: serving_default, or the only one.

    Raises:
        network_files.Unreachable: a handle that cannot be downloaded.
        DataError: it is not there, or cannot be opened.
    """
    path, named = of_user(source), f"--{flag}={source}"
    if network_files.is_handle(source):
        path = network_files.download(source, flag)
    if (path / "saved_model.pb").is_file():
        return _saved_model(path, named, signature)
    readers = {".keras": _keras, ".h5": _keras, ".onnx": _onnx}
    if not path.exists():
        raise DataError(f"{named} is not there.")
    if path.is_dir() or path.suffix not in readers:
        raise DataError(
            f"{named} is no network; accepted: a SavedModel folder, a .keras, .h5 or .onnx file, "
            "or a TF-Hub handle."
        )
    if signature:
        raise DataError(f"{named} is no SavedModel, so it has no signature {signature}.")
    return readers[path.suffix](path, named)


def _shape(shape: Any) -> Shape:
    """Whole numbers of a shape; whatever else stands there is None."""
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape or ())


#: What ONNX calls the types of numbers that TensorFlow has too.
_ONNX_TYPES = {
    "float": np.float32, "float16": np.float16, "double": np.float64, "uint8": np.uint8,
    "int8": np.int8, "int16": np.int16, "uint16": np.uint16, "int32": np.int32, "uint32": np.uint32,
    "int64": np.int64, "uint64": np.uint64,
}  # fmt: skip


def _whole(kinds: Iterable[Any]) -> str:
    """The first type of whole numbers among types, "" without one."""
    return next((tf.as_dtype(kind).name for kind in kinds if tf.as_dtype(kind).is_integer), "")


def _cast(array: Any, kind: Any) -> tf.Tensor:
    """Floats as another type: to the nearest of whole numbers, which a cast would not take."""
    kind = tf.as_dtype(kind)
    return tf.cast(tf.round(array) if kind.is_integer else array, kind)


def _saved_model(folder: Path, named: str, signature: str | None) -> Opened:
    try:
        with checkpoints.plain(folder) as place:
            loaded = tf.saved_model.load(str(place))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise DataError(
            f"{named} cannot be loaded as a SavedModel: {first_line(error)}."
        ) from error
    identity, signatures = network_files.hash_saved_model(folder), dict(loaded.signatures)
    if not signatures and not signature and callable(loaded):
        return Opened(named, identity, [()], lambda *arrays: _by_name(loaded(*arrays)))
    key = signature or ("serving_default" if "serving_default" in signatures else None)
    key = next(iter(signatures)) if key is None and len(signatures) == 1 else key
    if key not in signatures:
        raise DataError(
            f"{named} has the signatures {', '.join(sorted(signatures)) or '(none)'}; name one by "
            "signature=NAME."
        )
    function = signatures[key]
    specs = function.structured_input_signature[1]

    def call(*arrays: Any, keep: Any = loaded) -> dict[str, Any]:  # its variables live with it
        given = zip(specs.items(), arrays, strict=True)
        return function(**{name: _cast(array, spec.dtype) for (name, spec), array in given})

    shapes = [_shape(spec.shape.as_list()) if spec.shape.rank else () for spec in specs.values()]
    return Opened(named, identity, shapes, call, _whole(spec.dtype for spec in specs.values()))


def _keras(path: Path, named: str) -> Opened:
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):  # Keras would not find it
        raise DataError(f"{named} is damaged: it is no .keras archive.")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged archive, layers that are not known, code that is not run
        raise DataError(f"{named} cannot be loaded by Keras: {first_line(error)}.") from error
    tensors = getattr(model, "inputs", None) or []
    inputs, kinds = [tensor.shape for tensor in tensors], [tensor.dtype for tensor in tensors]

    def call(*arrays: Any) -> dict[str, Any]:
        if kinds:
            arrays = tuple(map(_cast, arrays, kinds))
        made = model(arrays[0] if len(arrays) == 1 else list(arrays), training=False)
        return _by_name(made, getattr(model, "output_names", None))

    shapes = [_shape(shape) for shape in inputs] or [()]
    return Opened(named, network_files.hash_file(path), shapes, call, _whole(kinds))


def _onnx(path: Path, named: str) -> Opened:
    try:
        import onnxruntime
    except Exception as error:  # missing, or broken in any way
        raise DataError(
            f"{named} needs onnxruntime, which cannot be imported ({first_line(error)}): pip install "
            "onnxruntime."
        ) from error
    try:
        session = onnxruntime.InferenceSession(str(path))
    except Exception as error:  # its classes are not public
        raise DataError(
            f"{named} cannot be loaded by ONNX Runtime: {first_line(error)}."
        ) from error
    inputs = session.get_inputs()
    for one in inputs:
        if one.type[7:-1] not in _ONNX_TYPES:  # "tensor(float)"
            raise DataError(
                f"{named} takes {one.type}; accepted: networks of {', '.join(_ONNX_TYPES)}."
            )
    kinds = [_ONNX_TYPES[one.type[7:-1]] for one in inputs]
    names = [one.name for one in session.get_outputs()]

    def call(*arrays: Any) -> dict[str, Any]:
        given = zip(inputs, kinds, arrays, strict=True)
        fed = {one.name: _cast(array, kind).numpy() for one, kind, array in given}
        return dict(zip(names, session.run(None, fed), strict=True))

    shapes = [_shape(one.shape) for one in inputs]
    return Opened(named, network_files.hash_onnx(path), shapes, call, _whole(kinds))


def _by_name(outputs: Any, names: list[str] | None = None) -> dict[str, Any]:
    if isinstance(outputs, dict):
        return outputs
    parts = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    known = names if names and len(names) == len(parts) else map(str, range(len(parts)))
    return dict(zip(known, parts, strict=True))
