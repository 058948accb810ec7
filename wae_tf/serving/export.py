"""A trained model as a SavedModel for TF Serving, the TF C and Java APIs, LiteRT and ONNX Runtime.

The SavedModel holds plain TensorFlow ops and variables: whoever loads it needs neither this package
nor Keras. Every input and output has the batch as its first dimension, so TF Serving's batching can
merge requests to any signature, and both of its REST formats work.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import loggers
from wae_tf.console import progress as console_progress
from wae_tf.errors import RunError, of_a_file
from wae_tf.files import held_folder, write_atomically
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints, measures
from wae_tf.runs.folder import RunFolder
from wae_tf.serving import model_card, other_runtimes, signatures
from wae_tf.serving.formats import check as check_formats
from wae_tf.serving.signatures import Signature
from wae_tf.settings.checks import of_home

#: The highest version.
MOST = 2**63 - 1
#: Seconds in which an export makes its folder and holds it.
_YOUNG = 10
#: How far the loaded model may be from the one in memory.
TOLERANCE = 1e-5

_MODELS_CONFIG = """\
# tensorflow_model_server --model_config_file=/models/wae/models.config
model_config_list {
  config {
    name: "wae"
    base_path: "/models/wae"
    model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 1 } }
  }
}
"""
_BATCHING_CONFIG = """\
# tensorflow_model_server --enable_batching=true
#   --batching_parameters_file=/models/wae/batching.config
# Rows of waiting requests are put together up to 64; a lone request waits for 1 ms at most.
max_batch_size { value: 64 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""


# Writing.


def save(
    model: Wae,
    folder: Path,
    config: Config | None = None,
    *,
    jit_compile: bool = False,
    zero_and_one: bool = False,
) -> dict[str, Signature]:
    """Writes the SavedModel alone; returns its signatures.

    Args:
        model: as `served_model` gives it.
        folder: where to; empty or not there.
        config: see `signatures`.
        jit_compile: see `signatures`.
        zero_and_one: see `signatures`.
    """
    made = signatures.signatures(model, config, jit_compile=jit_compile, zero_and_one=zero_and_one)
    module = tf.Module(name="wae")
    # The variables and functions alone: Keras objects would bring their own way of saving.
    module.weights = [v.value for v in (*model.encoder.variables, *model.decoder.variables)]
    for name in made:
        if name != "serving_default" and not name.endswith(signatures.INT32):
            setattr(module, name, _of_any_int(name, made))
    functions = {name: signature.function for name, signature in made.items()}
    with loggers.left_alone():
        tf.saved_model.save(module, str(folder), signatures=functions)
    return made


def _of_any_int(name: str, made: Mapping[str, Signature]) -> Any:
    """The function of a signature; where it has one of int32, a function of either."""
    if name + signatures.INT32 not in made:
        return made[name].function
    either = tf.function(signatures.widened(made[name]), autograph=False)
    for one in (name, name + signatures.INT32):
        either.get_concrete_function(*(port.spec for port in made[one].inputs))
    return either


def export(
    model: Wae,
    folder: str | os.PathLike,
    *,
    config: Config | None = None,
    formats: str | Sequence[str] = ("savedmodel",),
    metrics: Mapping[str, float | None] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Writes the next version of a model below a folder that a server may be watching.

    The version appears by a rename, complete: SavedModel, model_card.json and warm-up requests,
    and, if asked for, litert/model.tflite and onnx/*.onnx. Beside the versions lie a models.config
    and a batching.config for TF Serving; ones that are there already are left alone.

    Args:
        model: of any precision; float32 is written.
        folder: made if need be.
        config: of its run, see `signatures`.
        formats: of `formats.FORMATS`, several or one; the SavedModel is always written.
        metrics: of the run, for the model card; with `pixels_of_0_and_1` such picture files are read
            as of 0 and 255.
        progress: is called with a line on what was left out and what was written.

    Returns:
        folder/<version>, the highest version there plus one.

    Raises:
        FlagError: an unknown format, or one that has no labels.
        RunError: the run has diverged, the folder cannot be written to, a converter is missing, or
            the model that was read back gives other numbers.
    """
    formats = formats.split(",") if isinstance(formats, str) else formats
    check_formats(formats, model.settings.classes)
    served = signatures.served_model(model)
    folder = Path(folder)
    temporary = folder / f".{time.time_ns()}.new"  # no number: a server does not see it
    held = contextlib.ExitStack()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        temporary.mkdir()
        held.enter_context(held_folder(temporary))
        of_ones = measures.ones_are_white(metrics or {})
        made = save(served, temporary, config, zero_and_one=of_ones)
        examples = signatures.example_inputs(served, config)
        _read_back(temporary, made, examples)
        if not write_warmup(temporary, examples):
            progress(
                "no warm-up requests were written: pip install 'wae_tf[serving]' for them; the "
                "server works without."
            )
        for name, writer in (
            ("litert", other_runtimes.write_litert),
            ("onnx", other_runtimes.write_onnx),
        ):
            if name in formats:
                writer(served, temporary / name)
        for name, text in (
            ("models.config", _MODELS_CONFIG),
            ("batching.config", _BATCHING_CONFIG),
        ):
            if not (folder / name).exists():
                write_atomically(folder / name, text)
        card = model_card.model_card(model, config, made, metrics or {})
        final = _publish(temporary, folder, card)
    except (OSError, tf.errors.OpError) as error:
        found = of_a_file(error)
        if found is None and not isinstance(error, OSError):
            raise
        reason = found[1] if found else error
        raise RunError(f"--export_dir={folder} cannot be written to: {reason}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        held.close()
    progress(f"wrote {final} with the signatures {', '.join(made)}")
    if checkpoints.is_pattern(final):
        progress(
            "TensorFlow loads nothing from a path with [, ], *, ? or \\: copy it to another one"
        )
    return final


def _sweep(folder: Path) -> None:
    """Removes what killed exports left: folders that no process holds, or, without locks, an hour old."""
    for path in folder.glob(".*.new"):
        with contextlib.suppress(OSError):
            age = time.time() - path.stat().st_mtime
            if not path.name[1:-4].isdecimal() or age < _YOUNG:
                continue
            with held_folder(path) as free:
                if free or (free is None and age > 3600):
                    shutil.rmtree(path)


def _publish(temporary: Path, folder: Path, card: dict[str, Any]) -> Path:
    while True:
        names = [p.name for p in folder.iterdir() if p.name.isascii() and p.name.isdecimal()]
        # TF Serving's versions are int64; a longer number is no version to it.
        version = 1 + max((int(n) for n in names if len(n) < 20 and int(n) <= MOST), default=0)
        if version > MOST:
            raise RunError(
                f"--export_dir={folder} holds version {MOST}, the highest that TF Serving takes; "
                "remove it or give another folder."
            )
        text = json.dumps({"version": version, **card}, indent=2) + "\n"
        (temporary / "model_card.json").write_text(text, encoding="utf-8")
        try:
            os.rename(temporary, folder / str(version))
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                continue  # another export was faster
            raise
        return folder / str(version)


def _read_back(
    folder: Path, made: Mapping[str, Signature], examples: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Loads what was written and compares every signature's numbers with those in memory."""
    with checkpoints.plain(folder) as place:
        loaded = tf.saved_model.load(str(place))
    for name, inputs in examples.items():
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        expected = made[name].function(**tensors)
        for key, value in loaded.signatures[name](**tensors).items():
            error = relative_error(value.numpy(), expected[key].numpy())
            if not error <= TOLERANCE:  # NaN fails too
                raise RunError(
                    f"nothing was exported: {name}'s {key} of the model that was written differ by "
                    f"{error:.1e} (relative) from the trained model's."
                )


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected magnitude."""
    scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
    return float(np.abs(np.subtract(actual, expected, dtype=np.float64)).max(initial=0)) / scale


# Warm-up requests.


def write_warmup(folder: Path, examples: Mapping[str, Mapping[str, np.ndarray]]) -> bool:
    """Writes one request a signature for the server to run at load.

    Returns:
        whether it could: tensorflow-serving-api has to be installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        return False
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in examples.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "wae"
            request.model_spec.signature_name = name
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())
    return True


def export_run(
    run: RunFolder,
    model: Wae,
    config: Config,
    folder: str | os.PathLike | None = None,
    *,
    formats: str | Sequence[str] = ("savedmodel",),
    progress: Callable[[str], None] = console_progress,
) -> Path:
    """`export` of a run's restored model, with its metrics, by default into its `saved_model`.

    Raises:
        UserError: as `export`; RunError also for a run that stopped because it diverged; FlagError
            for a home folder that is not known.
    """
    metrics = run.read_metrics()
    if metrics.get("diverged_step") is not None:
        raise RunError(
            f"nothing was exported: the run in --work_dir={run.folder} diverged at step "
            f"{metrics['diverged_step']}; train again with a smaller --lr or --wae_lambda."
        )
    for name in ("train_loss", "test_reconstruction"):
        if name in metrics and metrics[name] is None:
            raise RunError(
                f"nothing was exported: {name} of the run in --work_dir={run.folder} is not finite; "
                "train again with a smaller --lr or --wae_lambda."
            )
    folder = run.folder / "saved_model" if folder is None else of_home("export_dir", folder)
    return export(model, folder, config=config, formats=formats, metrics=metrics, progress=progress)
