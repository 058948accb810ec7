"""What is served: each signature, its inputs and outputs, and its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.errors import RunError
from wae_tf.models.encoding import Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import priors
from wae_tf.pixels import to_unit
from wae_tf.serving import graph_pictures, graph_seeds

#: Images that one row of `sample` or `interpolate` may ask for.
MOST_IMAGES = 1000
#: How far outside the range a float pixel may lie: rounding, not another range.
SLACK = 1e-4


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


# The functions that are served.


class Graphs:
    """Checks and functions of the signatures of one float32 model."""

    def __init__(self, model: Wae, config: Config | None, jit_compile: bool):
        self.model, self.config = model, config
        self.symmetric = model.settings.pixel_range_of_data != "unit"
        self.low, self.high = (-1.0, 1.0) if self.symmetric else (0.0, 1.0)
        self.range = "[-1, 1]" if self.symmetric else "[0, 1]"
        images = tf.TensorSpec([None, *model.image_shape], tf.float32)
        codes = tf.TensorSpec([None, model.settings.zdim], tf.float32)
        # The networks alone: XLA knows neither assertions nor picture files.
        self.encoding = tf.function(
            self._encoding, input_signature=[images], jit_compile=jit_compile or None
        )
        self.decoded = tf.function(
            model.decode, input_signature=[codes], jit_compile=jit_compile or None
        )

    def _encoding(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        encoding = self.model.encoding(images, Noise(), training=False)
        if self.model.settings.encoder_noise != "gaussian":
            return {"codes": encoding.codes}
        return {"codes": encoding.codes, "mean": encoding.mean, "logvar": encoding.logvar}

    def checked_images(self, images: tf.Tensor, name: str) -> tf.Tensor:
        """The images, once their pixels are seen to lie in the model's range."""
        inside = (images >= self.low - SLACK) & (images <= self.high + SLACK)  # NaN is not
        guard = graph_pictures.check(
            tf.reduce_all(inside),
            f"{name}: pixels within {self.range} are expected; found from, to:",
            tf.reduce_min(images),
            tf.reduce_max(images),
        )
        with tf.control_dependencies([guard]):
            return tf.identity(images)

    def checked_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The codes, once they are seen to be finite."""
        finite = tf.reduce_all(tf.math.is_finite(codes))
        guard = graph_pictures.check(
            finite, "codes: finite numbers are expected, without NaN or inf"
        )
        with tf.control_dependencies([guard]):
            return tf.identity(codes)

    def checked_rows(self, lengths: tf.Tensor, name: str, least: int, *rows: tf.Tensor):
        """Lengths int32 [n]; asserts their range and that every input has n rows, at least one."""
        count = tf.shape(lengths)[0]
        same = tf.reduce_all([tf.shape(row)[0] == count for row in rows]) & (count > 0)
        guards = [
            graph_pictures.check(
                same,
                f"{name}: every input needs the same number of rows, at least 1; found",
                count,
                *(tf.shape(row)[0] for row in rows),
            ),
            graph_pictures.check(
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
            lambda data: graph_pictures.picture(data, self.config, self.model.image_shape),
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.model.image_shape, tf.uint8),
        )
        return self.model.as_pixels(pixels)

    # Named as the signatures; the arguments' names are those of the inputs.

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Codes of images."""
        return self.encoding(self.checked_images(images, "images"))

    def decode(self, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images of codes."""
        return {"images": self.decoded(self.checked_codes(codes))}

    def reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reconstructions of images."""
        return {"images": self.decoded(self.encode(images)["codes"])}

    def encode_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Codes of JPEG or PNG files."""
        return self.encoding(self.pictures(image_bytes))

    def reconstruct_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reconstructions of JPEG or PNG files."""
        return {"images": self.decoded(self.encode_bytes(image_bytes)["codes"])}

    def sample(self, count: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """New images, `count` a row; a negative seed is a fresh one."""
        count = self.checked_rows(count, "count", 1, seed)
        keys = tf.where(
            seed[:, None] < 0,
            graph_seeds.fresh_keys(tf.shape(seed)[0]),
            graph_seeds.sample_keys(tf.maximum(seed, 0)),
        )
        longest = tf.reduce_max(count)

        def row(args: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            drawn = self.model.sample_prior(*args)
            return tf.pad(drawn, [[0, longest - args[0]], [0, 0]])

        spec = tf.TensorSpec([None, self.model.settings.zdim], tf.float32)
        codes = tf.map_fn(row, (count, keys), fn_output_signature=spec)
        return {"images": self.decoded_rows(codes, count)}

    def interpolate(
        self, first: tf.Tensor, last: tf.Tensor, steps: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Images along the line between the codes of two images."""
        steps = self.checked_rows(steps, "steps", 2, first, last)
        ends = [
            self.encoding(self.checked_images(images, name))["codes"][:, None]
            for name, images in (("first", first), ("last", last))
        ]
        place = tf.range(tf.reduce_max(steps), dtype=tf.int32)
        share = tf.cast(place[None] / (steps[:, None] - 1), tf.float32)[..., None]
        codes = ends[0] * (1 - share) + ends[1] * share
        if self.model.settings.prior == "sphere":
            codes = priors.into_support("sphere", tf.reshape(codes, [-1, self.model.settings.zdim]))
            codes = tf.reshape(codes, [-1, tf.size(place), self.model.settings.zdim])
        return {"images": self.decoded_rows(codes, steps)}


def signatures(
    model: Wae, config: Config | None = None, *, jit_compile: bool = False
) -> dict[str, Signature]:
    """What is served of a float32 model, by name; `serving_default` is `reconstruct` again.

    Args:
        model: as `served_model` gives it.
        config: of its run: dataset, crop and image_size say which pictures it takes; None: those of
            its own size.
        jit_compile: compile the networks with XLA. A server must have XLA for such a model.
    """
    graphs = Graphs(model, config, jit_compile)
    settings, shape = model.settings, model.image_shape
    size = "x".join(map(str, shape))
    in_range = f"within {graphs.range}"
    images = Port("images", tf.float32, (None, *shape), f"{size} pixels {in_range}")
    decoded = images._replace(meaning=f"decoded {size} pixels {in_range}")
    rows = (None, None, *shape)
    codes = Port("codes", tf.float32, (None, settings.zdim), "codes, any finite numbers")
    encoded = [codes._replace(meaning=f"codes, prior {settings.prior}; no noise of the encoder's")]
    if settings.encoder_noise == "gaussian":
        encoded += [
            codes._replace(name="mean", meaning="mean of the encoder's distribution, as `codes`"),
            codes._replace(name="logvar", meaning="its log-variance"),
        ]
    picture = Port(
        "image_bytes", tf.string, (None,), f"JPEG or PNG files; {accepted(model, config)}"
    )
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


def accepted(model: Wae, config: Config | None = None) -> str:
    """Which pictures the bytes signatures take, in words."""
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
    one = np.ones(1, np.int64)
    examples = {
        "reconstruct": {"images": images[:1]},
        "encode": {"images": images[:1]},
        "decode": {"codes": codes[:1]},
        "sample": {"count": one, "seed": 0 * one},
        "interpolate": {"first": images[:1], "last": images[1:], "steps": 3 * one},
    }
    if model.image_shape[2] in (1, 3):
        picture = to_unit(images[0], model.settings.pixel_range_of_data)
        if config is not None and config.dataset == "celeba":
            picture = tf.image.resize(picture, (218, 178)).numpy()
        pixels = np.round(255 * picture).astype(np.uint8)
        files = [tf.io.encode_jpeg(pixels).numpy(), tf.io.encode_png(pixels).numpy()]
        for name in ("encode_bytes", "reconstruct_bytes"):
            examples[name] = {"image_bytes": np.array(files, object)}
    return {"serving_default": examples["reconstruct"], **examples}
