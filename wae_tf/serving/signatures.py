"""What is served: each signature, its inputs and its outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.errors import RunError
from wae_tf.models.wae import Wae
from wae_tf.pixels import to_unit
from wae_tf.serving.graph_checks import MOST_IMAGES
from wae_tf.serving.graphs import Graphs

#: Signatures that decode nothing.
UNLABELLED = ("encode", "encode_bytes")
#: Ends the names of the signatures that take int32 where others take int64.
INT32 = "_int32"


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

    function: Any  # a tf.function, which gives a dict of tensors
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
    bad = model.guard.first_bad_step()
    if bad is not None:
        step, terms = bad
        raise RunError(
            f"nothing was exported: {' and '.join(terms)} at step {step}; train "
            "again with a smaller --lr or --wae_lambda."
        )
    served = type(model).from_config(model.get_config() | {"precision": "float32"})
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


def signatures(
    model: Wae,
    config: Config | None = None,
    *,
    jit_compile: bool = False,
    zero_and_one: bool = False,
) -> dict[str, Signature]:
    """What is served of a float32 model, by name; `serving_default` is `reconstruct` again.

    Args:
        model: as `served_model` gives it.
        config: of its run: dataset, crop and image_size say which pictures it takes; None: those of
            its own size.
        jit_compile: compile the networks with XLA. A server must have XLA for such a model.
        zero_and_one: picture files of 0 and 1 are read as of 0 and 255, as the data were.
    """
    graphs = Graphs(model, config, jit_compile, zero_and_one)
    settings, shape = model.settings, model.image_shape
    size = "x".join(map(str, shape))
    in_range = f"within {graphs.range}"
    what = "pixels" if model.of_pictures else "numbers"
    images = Port("images", tf.float32, (None, *shape), f"{size} {what} {in_range}")
    decoded = images._replace(meaning=f"decoded {size} {what} {in_range}")
    rows = (None, None, *shape)
    codes = Port("codes", tf.float32, (None, settings.zdim), "codes, any finite numbers")
    encoded = [codes._replace(meaning=f"codes, prior {settings.prior}; no noise of the encoder's")]
    if settings.encoder_noise == "gaussian":
        encoded += [
            codes._replace(name="mean", meaning="mean of the encoder's distribution, as `codes`"),
            codes._replace(name="logvar", meaning="its log-variance"),
        ]
    picture = Port(
        "image_bytes",
        tf.string,
        (None,),
        f"JPEG or PNG files; {accepted(model, config, zero_and_one)}",
    )
    back = ", brought back onto the sphere" if settings.prior == "sphere" else ""
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
            f"images along the straight line between two images' codes, both ends included{back}",
            (
                images._replace(name="first"),
                images._replace(name="last"),
                Port("steps", tf.int64, (None,), f"images of each row, 2 to {MOST_IMAGES}"),
            ),
            (Port("images", tf.float32, rows, f"row i: steps[i] images {in_range}, then zeros"),),
        ),
    }
    if accepts_files(model):
        wanted["encode_bytes"] = ("picture files to their codes", (picture,), tuple(encoded))
        wanted["reconstruct_bytes"] = ("picture files to reconstructions", (picture,), (decoded,))
    made = {}
    if settings.classes:
        told = f"the class of each row, 0 to {settings.classes - 1}"
        labels = Port("labels", tf.int64, (None,), told)
        wanted = {
            name: (meaning, inputs if name in UNLABELLED else (*inputs, labels), outputs)
            for name, (meaning, inputs, outputs) in wanted.items()
        }
    for name, (meaning, inputs, outputs) in wanted.items():
        function = tf.function(
            getattr(graphs, name),
            input_signature=[port.spec for port in inputs],
            autograph=False,
        )
        made[name] = Signature(function, meaning, inputs, outputs)
    for name in ("sample", "interpolate"):
        made[name + INT32] = _of_int32(made[name])
    return {"serving_default": made["reconstruct"], **made}


def _of_int32(signature: Signature) -> Signature:
    """The same with int32 in place of int64: an input of a served graph has one type."""
    inputs = tuple(
        port._replace(dtype=tf.int32) if port.dtype == tf.int64 else port
        for port in signature.inputs
    )
    function = tf.function(
        widened(signature), input_signature=[port.spec for port in inputs], autograph=False
    )
    return Signature(function, f"{signature.meaning}; int32", inputs, signature.outputs)


def widened(signature: Signature) -> Callable[..., dict[str, tf.Tensor]]:
    """The signature's function, of int32 as of int64."""

    @functools.wraps(signature.function.python_function)  # for the names of its arguments
    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        # Without classes the function's own default for labels comes along.
        pairs = zip(tensors[: len(signature.inputs)], signature.inputs, strict=True)
        return signature.function(*(tf.cast(tensor, port.dtype) for tensor, port in pairs))

    return call


def accepts_files(model: Wae) -> bool:
    """Whether the data are pictures, grey or of three colours."""
    return model.of_pictures and model.image_shape[2] in (1, 3)


def accepted(model: Wae, config: Config | None = None, zero_and_one: bool = False) -> str:
    """Which pictures the bytes signatures take, in words."""
    if not accepts_files(model):
        return "none"
    if zero_and_one:
        return accepted(model, config) + "; pixels of 0 and 1 are read as 0 and 255"
    height, width, _ = model.image_shape
    if config is not None and config.dataset == "celeba":
        return f"218x178 (height x width), cropped ({config.crop}) and scaled, or {height}x{width}"
    if config is not None and config.dataset == "folder" and config.image_size is not None:
        return f"of any size, cropped to the centre square and scaled to {height}x{width}"
    return f"of {height}x{width} (height x width)"


def example_inputs(model: Wae, config: Config | None = None) -> dict[str, dict[str, np.ndarray]]:
    """A small request for each signature: for warming up, and to check what was written."""
    images = model.sample(2, seed=0).numpy()
    codes = model.encode(images).numpy()
    classes = model.settings.classes
    one = np.ones(1, np.int64)
    examples = {
        "reconstruct": {"images": images[:1]},
        "encode": {"images": images[:1]},
        "decode": {"codes": codes[:1]},
        "sample": {"count": one, "seed": 0 * one},
        "interpolate": {"first": images[:1], "last": images[1:], "steps": 3 * one},
    }
    if accepts_files(model):
        picture = to_unit(images[0], model.settings.pixel_range_of_data)
        if config is not None and config.dataset == "celeba":
            picture = tf.image.resize(picture, (218, 178)).numpy()
        pixels = np.round(255 * picture).astype(np.uint8)
        files = [tf.io.encode_jpeg(pixels).numpy(), tf.io.encode_png(pixels).numpy()]
        for name in ("encode_bytes", "reconstruct_bytes"):
            examples[name] = {"image_bytes": np.array(files, object)}
    if classes:
        for name, inputs in examples.items():
            if name not in UNLABELLED:
                inputs["labels"] = np.arange(len(next(iter(inputs.values())))) % classes
    for name in ("sample", "interpolate"):
        examples[name + INT32] = {
            key: value.astype(np.int32) if value.dtype == np.int64 else value
            for key, value in examples[name].items()
        }
    return {"serving_default": examples["reconstruct"], **examples}
