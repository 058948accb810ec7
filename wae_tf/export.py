"""A trained model as a SavedModel for TF Serving, the TF C and Java APIs, LiteRT and ONNX Runtime.

The SavedModel holds plain TensorFlow ops and variables: whoever loads it needs neither this package
nor Keras. Every input and output has the batch as its first dimension, so TF Serving's batching can
merge requests to any signature, and both of its REST formats work.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import wae_tf
from wae_tf import in_graph, models, priors
from wae_tf.data import to_unit
from wae_tf.errors import FlagError, RunError
from wae_tf.models import Noise, Wae
from wae_tf.runs import Run, write_atomically

FORMATS = ("savedmodel", "litert", "onnx")

#: Images that one row of `sample` or `interpolate` may ask for.
MOST_IMAGES = 1000
#: How far outside the range a float pixel may lie: rounding, not another range.
SLACK = 1e-4
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


class Port(NamedTuple):
    """One input or output of a signature."""

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...]
    meaning: str

    @property
    def spec(self) -> tf.TensorSpec:
        """For tf.function."""
        return tf.TensorSpec(self.shape, self.dtype, name=self.name)

    def described(self) -> dict[str, Any]:
        """For the model card; -1 is any number, as in saved_model_cli."""
        shape = [-1 if side is None else side for side in self.shape]
        return {"dtype": self.dtype.name, "shape": shape, "meaning": self.meaning}


class Signature(NamedTuple):
    """One way to call the served model: a tf.function that returns a dict of tensors."""

    function: Callable[..., dict[str, tf.Tensor]]
    meaning: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def described(self) -> dict[str, Any]:
        """For the model card."""
        return {
            "meaning": self.meaning,
            "inputs": {port.name: port.described() for port in self.inputs},
            "outputs": {port.name: port.described() for port in self.outputs},
        }


def served_model(model: Wae) -> Wae:
    """The model in float32 throughout, whatever precision it was trained in.

    Raises:
        RunError: the model's training, or a weight of it, is not finite.
    """
    trouble = model.trouble()
    if trouble is not None:
        step, terms = trouble
        raise RunError(
            f"nothing was exported: {' and '.join(terms)} at step {step + 1}; train "
            "again with a smaller --lr or --wae_lambda."
        )
    config = dataclasses.replace(model.config, precision="float32")
    served = models.from_config(config, model.image_shape, model.data_size)
    for source, target in ((model.encoder, served.encoder), (model.decoder, served.decoder)):
        for old, new in zip(source.variables, target.variables, strict=True):
            value = old.numpy()
            if not np.isfinite(value).all():
                raise RunError(
                    f"nothing was exported: {old.path} holds values that are not finite; train "
                    "again with a smaller --lr."
                )
            new.assign(value)
    return served


# The functions that are served.


class _Graphs:
    """Checks and functions of the signatures of one float32 model."""

    def __init__(self, model: Wae, jit_compile: bool):
        self.model = model
        self.symmetric = model.config.pixel_range_of_data == "symmetric"
        self.low, self.high = (-1.0, 1.0) if self.symmetric else (0.0, 1.0)
        self.range = "[-1, 1]" if self.symmetric else "[0, 1]"
        images = tf.TensorSpec([None, *model.image_shape], tf.float32)
        codes = tf.TensorSpec([None, model.config.zdim], tf.float32)
        # The networks alone: XLA knows neither assertions nor picture files.
        self.encoding = tf.function(
            self._encoding, input_signature=[images], jit_compile=jit_compile or None
        )
        self.decoded = tf.function(
            model.decode, input_signature=[codes], jit_compile=jit_compile or None
        )

    def _encoding(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        encoding = self.model.encoding(images, Noise(), training=False)
        if self.model.config.encoder_noise != "gaussian":
            return {"codes": encoding.codes}
        return {"codes": encoding.codes, "mean": encoding.mean, "logvar": encoding.logvar}

    def checked_images(self, images: tf.Tensor, name: str) -> tf.Tensor:
        inside = (images >= self.low - SLACK) & (images <= self.high + SLACK)  # NaN is not
        guard = in_graph.check(
            tf.reduce_all(inside),
            f"{name}: pixels within {self.range} are expected; found from, to:",
            tf.reduce_min(images),
            tf.reduce_max(images),
        )
        with tf.control_dependencies([guard]):
            return tf.identity(images)

    def checked_codes(self, codes: tf.Tensor) -> tf.Tensor:
        finite = tf.reduce_all(tf.math.is_finite(codes))
        guard = in_graph.check(finite, "codes: finite numbers are expected, without NaN or inf")
        with tf.control_dependencies([guard]):
            return tf.identity(codes)

    def checked_rows(self, lengths: tf.Tensor, name: str, least: int, *rows: tf.Tensor):
        """Lengths int32 [n]; asserts their range and that every input has n rows, at least one."""
        count = tf.shape(lengths)[0]
        same = tf.reduce_all([tf.shape(row)[0] == count for row in rows]) & (count > 0)
        guards = [
            in_graph.check(
                same,
                f"{name}: every input needs the same number of rows, at least 1; found",
                count,
                *(tf.shape(row)[0] for row in rows),
            ),
            in_graph.check(
                tf.reduce_all((lengths >= least) & (lengths <= MOST_IMAGES)),
                f"{name}: {least} to {MOST_IMAGES} a row are accepted, not",
                lengths,
            ),
        ]
        with tf.control_dependencies(guards):
            return tf.cast(lengths, tf.int32)

    def decoded_rows(self, codes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Codes [n, longest, z], the first lengths[i] of row i -> images, zeros behind them."""
        mask = tf.sequence_mask(lengths, tf.shape(codes)[1])
        images = self.decoded(tf.boolean_mask(codes, mask))
        shape = tf.concat([tf.shape(mask), self.model.image_shape], axis=0)
        return tf.scatter_nd(tf.cast(tf.where(mask), tf.int32), images, shape)

    def pictures(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """float32 [n, H, W, C] of JPEG or PNG strings [n]."""
        pixels = tf.map_fn(
            lambda data: in_graph.picture(data, self.model.config, self.model.image_shape),
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.model.image_shape, tf.uint8),
        )
        return self.model.as_pixels(pixels)

    # Named as the signatures; the arguments' names are those of the inputs.

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.encoding(self.checked_images(images, "images"))

    def decode(self, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": self.decoded(self.checked_codes(codes))}

    def reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": self.decoded(self.encode(images)["codes"])}

    def encode_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.encoding(self.pictures(image_bytes))

    def reconstruct_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": self.decoded(self.encode_bytes(image_bytes)["codes"])}

    def sample(self, count: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        count = self.checked_rows(count, "count", 1, seed)
        keys = tf.where(
            seed[:, None] < 0,
            in_graph.fresh_keys(tf.shape(seed)[0]),
            in_graph.sample_keys(tf.maximum(seed, 0)),
        )
        longest = tf.reduce_max(count)

        def row(args: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            drawn = self.model.sample_prior(*args)
            return tf.pad(drawn, [[0, longest - args[0]], [0, 0]])

        spec = tf.TensorSpec([None, self.model.config.zdim], tf.float32)
        codes = tf.map_fn(row, (count, keys), fn_output_signature=spec)
        return {"images": self.decoded_rows(codes, count)}

    def interpolate(
        self, first: tf.Tensor, last: tf.Tensor, steps: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        steps = self.checked_rows(steps, "steps", 2, first, last)
        ends = [
            self.encoding(self.checked_images(images, name))["codes"][:, None]
            for name, images in (("first", first), ("last", last))
        ]
        place = tf.range(tf.reduce_max(steps), dtype=tf.int32)
        share = tf.cast(place[None] / (steps[:, None] - 1), tf.float32)[..., None]
        codes = ends[0] * (1 - share) + ends[1] * share
        if self.model.config.prior == "sphere":
            codes = priors.project("sphere", tf.reshape(codes, [-1, self.model.config.zdim]))
            codes = tf.reshape(codes, [-1, tf.size(place), self.model.config.zdim])
        return {"images": self.decoded_rows(codes, steps)}


def signatures(model: Wae, *, jit_compile: bool = False) -> dict[str, Signature]:
    """What is served of a float32 model, by name; `serving_default` is `reconstruct` again.

    Args:
        model: as `served_model` gives it.
        jit_compile: compile the networks with XLA. A server must have XLA for such a model.
    """
    graphs = _Graphs(model, jit_compile)
    config, shape = model.config, model.image_shape
    size = "x".join(map(str, shape))
    in_range = f"within {graphs.range}"
    images = Port("images", tf.float32, (None, *shape), f"{size} pixels {in_range}")
    decoded = images._replace(meaning=f"decoded {size} pixels {in_range}")
    rows = (None, None, *shape)
    codes = Port("codes", tf.float32, (None, config.zdim), "codes, any finite numbers")
    encoded = [codes._replace(meaning=f"codes, prior {config.prior}; no noise of the encoder's")]
    if config.encoder_noise == "gaussian":
        encoded += [
            codes._replace(name="mean", meaning="mean of the encoder's distribution, as `codes`"),
            codes._replace(name="logvar", meaning="its log-variance"),
        ]
    picture = Port("image_bytes", tf.string, (None,), f"JPEG or PNG files; {_accepted(model)}")
    wanted = {
        "reconstruct": ("images to their reconstructions", (images,), (decoded,)),
        "encode": ("images to their codes", (images,), tuple(encoded)),
        "decode": ("codes to images", (codes,), (decoded,)),
        "sample": (
            "new images from the prior",
            (
                Port("count", tf.int64, (None,), f"images of each row, 1 to {MOST_IMAGES}"),
                Port("seed", tf.int64, (None,), "0 up: the same images each time; negative: fresh"),
            ),
            (Port("images", tf.float32, rows, f"row i: count[i] images {in_range}, then zeros"),),
        ),
        "interpolate": (
            "images along the straight line between two images' codes, both ends included",
            (
                images._replace(name="first"),
                images._replace(name="last"),
                Port("steps", tf.int64, (None,), f"images of each row, 2 to {MOST_IMAGES}"),
            ),
            (Port("images", tf.float32, rows, f"row i: steps[i] images {in_range}, then zeros"),),
        ),
    }
    if shape[2] in (1, 3):
        wanted["encode_bytes"] = ("picture files to their codes", (picture,), tuple(encoded))
        wanted["reconstruct_bytes"] = ("picture files to reconstructions", (picture,), (decoded,))
    made = {}
    for name, (meaning, inputs, outputs) in wanted.items():
        function = tf.function(
            getattr(graphs, name), input_signature=[port.spec for port in inputs]
        )
        made[name] = Signature(function, meaning, inputs, outputs)
    return {"serving_default": made["reconstruct"], **made}


def _accepted(model: Wae) -> str:
    """Which pictures the bytes signatures take, in words."""
    config = model.config
    height, width, _ = model.image_shape
    if config.dataset == "celeba":
        return f"218x178 (height x width), cropped ({config.crop}) and scaled, or {height}x{width}"
    if config.dataset == "folder" and config.image_size is not None:
        return f"of any size, cropped to the centre square and scaled to {height}x{width}"
    return f"of {height}x{width} (height x width)"


def example_inputs(model: Wae) -> dict[str, dict[str, np.ndarray]]:
    """A small request for each signature: for warming up, and to check what was written."""
    config = model.config
    images = model.sample(2, seed=0).numpy()
    codes = model.encode(images).numpy()
    one = np.ones(1, np.int64)
    examples = {
        "reconstruct": {"images": images[:1]},
        "encode": {"images": images[:1]},
        "decode": {"codes": codes[:1]},
        "sample": {"count": one, "seed": 0 * one},
        "interpolate": {"first": images[:1], "last": images[1:], "steps": 3 * one},
    }
    if model.image_shape[2] in (1, 3):
        picture = to_unit(images[0], config.pixel_range_of_data)
        if config.dataset == "celeba":
            picture = tf.image.resize(picture, (218, 178)).numpy()
        pixels = np.round(255 * picture).astype(np.uint8)
        files = [tf.io.encode_jpeg(pixels).numpy(), tf.io.encode_png(pixels).numpy()]
        for name in ("encode_bytes", "reconstruct_bytes"):
            examples[name] = {"image_bytes": np.array(files, object)}
    return {"serving_default": examples["reconstruct"], **examples}


# Writing.


def save(model: Wae, folder: Path, *, jit_compile: bool = False) -> dict[str, Signature]:
    """Writes the SavedModel alone; returns its signatures.

    Args:
        model: as `served_model` gives it.
        folder: where to; must not exist.
        jit_compile: see `signatures`.
    """
    made = signatures(model, jit_compile=jit_compile)
    module = tf.Module(name="wae")
    # The variables and functions alone: Keras objects would bring their own way of saving.
    module.weights = [v.value for v in (*model.encoder.variables, *model.decoder.variables)]
    for name, signature in made.items():
        if name != "serving_default":
            setattr(module, name, signature.function)
    functions = {name: signature.function for name, signature in made.items()}
    tf.saved_model.save(module, str(folder), signatures=functions)
    return made


def export(
    model: Wae,
    folder: str | os.PathLike,
    *,
    formats: Sequence[str] = ("savedmodel",),
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
        formats: of FORMATS; the SavedModel is always written.
        metrics: of the run, for the model card.
        progress: is called with a line on what was left out and what was written.

    Returns:
        folder/<version>, the highest version there plus one.

    Raises:
        FlagError: an unknown format.
        RunError: the run has diverged, the folder cannot be written to, a converter is missing, or
            the model that was read back gives other numbers.
    """
    check_formats(formats)
    served = served_model(model)
    folder = Path(folder)
    temporary = folder / f".{os.getpid()}.new"  # no number: a server does not see it
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = save(served, temporary)
        examples = example_inputs(served)
        _read_back(temporary, made, examples)
        if not write_warmup(temporary, examples):
            progress(
                "no warm-up requests were written: pip install 'wae_tf[serving]' for them; the "
                "server works without."
            )
        for name, writer in (("litert", write_litert), ("onnx", write_onnx)):
            if name in formats:
                writer(served, temporary / name)
        for name, text in (
            ("models.config", _MODELS_CONFIG),
            ("batching.config", _BATCHING_CONFIG),
        ):
            if not (folder / name).exists():
                write_atomically(folder / name, text)
        card = model_card(model, made, metrics or {})
        final = _publish(temporary, folder, card)
    except OSError as error:
        raise RunError(
            f"--export_dir={folder} cannot be written to: {error.strerror or error}."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    progress(f"wrote {final} with the signatures {', '.join(made)}")
    return final


def check_formats(formats: Sequence[str]) -> None:
    """Raises FlagError for a format that is not one of FORMATS."""
    for name in formats:
        if name not in FORMATS:
            raise FlagError(
                f"--export_formats={name} is not known; accepted: {', '.join(FORMATS)}."
            )


def _publish(temporary: Path, folder: Path, card: dict[str, Any]) -> Path:
    while True:
        version = 1 + max((int(p.name) for p in folder.iterdir() if p.name.isdecimal()), default=0)
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
    loaded = tf.saved_model.load(str(folder))
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


def model_card(
    model: Wae, made: Mapping[str, Signature], metrics: Mapping[str, float | None]
) -> dict[str, Any]:
    """What a user of the model must know; paths of the machine that trained it are left out."""
    config = model.config
    flags = dataclasses.asdict(config)
    for private in ("data_dir", "cache_dir", "work_dir"):
        flags.pop(private, None)
    low = -1.0 if config.pixel_range_of_data == "symmetric" else 0.0
    return {
        "name": f"{config.model} trained on {config.dataset}",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": {
            "dataset": config.dataset,
            "training_images": model.data_size,
            "image_shape": list(model.image_shape),
            "pixel_range": [low, 1.0],
            "pictures_accepted": _accepted(model),
        },
        "training": {
            "step": int(model.step.numpy()),
            "precision": config.precision,
            "parameters": models.parameter_count(model),
        },
        "latent": {
            "dimensions": config.zdim,
            "prior": config.prior,
            "prior_scale": config.prior_scale,
        },
        "signatures": {name: signature.described() for name, signature in made.items()},
        "notes": [
            "Signatures are float32 whatever precision the model was trained in.",
            f"Float pixels outside {[low, 1.0]} by more than {SLACK:g} are an error; a picture's "
            "bytes are brought into the range.",
            "EXIF orientation is not applied, and 16-bit PNGs lose their lower byte.",
        ],
        "metrics": dict(metrics),
        "flags": flags,
        "versions": {
            "wae_tf": wae_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


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


# Other runtimes.


def _plain_functions(model: Wae) -> Iterator[tuple[str, tf.types.experimental.PolymorphicFunction]]:
    """encode, decode and reconstruct without checks, which converters do not know."""
    graphs = _Graphs(model, jit_compile=False)
    images = tf.TensorSpec([None, *model.image_shape], tf.float32, name="images")
    codes = tf.TensorSpec([None, model.config.zdim], tf.float32, name="codes")
    yield "encode", tf.function(lambda images: graphs._encoding(images), input_signature=[images])
    yield (
        "decode",
        tf.function(lambda codes: {"images": model.decode(codes)}, input_signature=[codes]),
    )
    yield (
        "reconstruct",
        tf.function(lambda images: {"images": model.reconstruct(images)}, input_signature=[images]),
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
    tf.saved_model.save(module, str(source), signatures=functions)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=[*functions])
    try:
        data = converter.convert()
    except Exception as error:  # the converter has an exception class of its own, not public
        first = str(error).strip().splitlines()[0]
        raise RunError(f"--export_formats=litert: the converter refused: {first}.") from error
    finally:
        shutil.rmtree(source, ignore_errors=True)
    path = folder / "model.tflite"
    path.write_bytes(data)
    return path


def write_onnx(model: Wae, folder: Path) -> list[Path]:
    """Writes encode.onnx, decode.onnx and reconstruct.onnx, float32, opset 18.

    Inputs and outputs are named as in the signatures, but reconstruct gives `reconstructions`.

    Args:
        model: as `served_model` gives it.
        folder: is made.

    Raises:
        RunError: tf2onnx is not installed.
    """
    try:
        import tf2onnx
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
        proto, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            name=name,
            input_names=[frozen.inputs[0].name],
            output_names=[tensor.name for tensor in frozen.outputs],
            opset=18,
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


def export_run(
    run: Run,
    model: Wae,
    folder: str | os.PathLike | None = None,
    *,
    formats: Sequence[str] = ("savedmodel",),
    progress: Callable[[str], None] = print,
) -> Path:
    """`export` of a run's restored model, with its metrics, by default into its `saved_model`.

    Raises:
        UserError: as `export`; RunError also for a run that stopped because it diverged.
    """
    metrics = run.read_metrics()
    if metrics.get("diverged_step") is not None:
        raise RunError(
            f"nothing was exported: the run in --work_dir={run.folder} diverged at step "
            f"{metrics['diverged_step']}; train again with a smaller --lr or --wae_lambda."
        )
    for name in ("loss", "test_reconstruction"):
        if name in metrics and metrics[name] is None:
            raise RunError(
                f"nothing was exported: {name} of the run in --work_dir={run.folder} is not finite; "
                "train again with a smaller --lr or --wae_lambda."
            )
    folder = run.folder / "saved_model" if folder is None else folder
    return export(model, folder, formats=formats, metrics=metrics, progress=progress)
