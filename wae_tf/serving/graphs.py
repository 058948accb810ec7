"""The functions that are served of one float32 model, as graphs that check what they are given."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.config import Config
from wae_tf.models.encoding import Noise
from wae_tf.models.wae import Wae
from wae_tf.objective import priors
from wae_tf.serving import graph_checks, graph_pictures, graph_seeds
from wae_tf.serving.graph_checks import MOST_IMAGES
from wae_tf.serving.graph_loops import concatenated, in_parts

#: How far outside the range a float pixel may lie: rounding, not another range.
SLACK = 1e-4
#: The ranges of `pixel_range` that are not [-1, 1].
ENDS = {"unit": (0.0, 1.0), "any": (float(tf.float32.min), float(tf.float32.max))}


class Graphs:
    """Checks and functions of the signatures of one float32 model."""

    def __init__(
        self,
        model: Wae,
        config: Config | None,
        jit_compile: bool = False,
        zero_and_one: bool = False,
    ):
        self.model, self.config, self.zero_and_one = model, config, zero_and_one
        self.low, self.high = ENDS.get(model.settings.pixel_range_of_data, (-1.0, 1.0))
        self.range = f"[{self.low:g}, {self.high:g}]"
        if model.settings.pixel_range_of_data == "any":
            self.range = "the finite numbers"
        self.most = graph_checks.most_rows(
            graph_checks.numbers_of(model.image_shape, model.settings.zdim)
        )
        images = tf.TensorSpec([None, *model.image_shape], tf.float32)
        codes = tf.TensorSpec([None, model.settings.decoder_width], tf.float32)
        # The networks alone: XLA knows neither assertions nor picture files.
        self._encoding_at_once = tf.function(
            self._encoding,
            input_signature=[images],
            jit_compile=jit_compile or None,
            autograph=False,
        )
        self._decoded_at_once = tf.function(
            model.decode,
            input_signature=[codes],
            jit_compile=jit_compile or None,
            autograph=False,
        )

    def _encoding(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        encoding = self.model.encoding(images, Noise(), training=False)
        if self.model.settings.encoder_noise != "gaussian":
            return {"codes": encoding.codes}
        return {"codes": encoding.codes, "mean": encoding.mean, "logvar": encoding.logvar}

    def encoding(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Codes of checked images; of a gaussian encoder also mean and logvar."""
        gaussian = self.model.settings.encoder_noise == "gaussian"
        names = ("codes", "mean", "logvar") if gaussian else ("codes",)
        shape = (self.model.settings.zdim,)
        parts = in_parts(
            lambda part: [self._encoding_at_once(part)[name] for name in names],
            images,
            [shape for _ in names],
        )
        return dict(zip(names, parts, strict=True))

    def decoded(self, codes: tf.Tensor) -> tf.Tensor:
        """Images of checked codes."""
        return in_parts(
            lambda part: [self._decoded_at_once(part)], codes, [self.model.image_shape]
        )[0]

    def checked_images(self, images: tf.Tensor, name: str) -> tf.Tensor:
        """The images, once their shape is the model's and their pixels lie in its range."""
        images = graph_checks.sized(images, name, self.model.image_shape, self.most)
        # NaN is in no range.
        inside = (images >= self.low - SLACK) & (images <= self.high + SLACK)
        guard = graph_checks.check(
            tf.reduce_all(inside),
            f"{name}: {'numbers' if self.high > 1 else 'pixels'} within {self.range} are expected; found "
            "from, to:",
            tf.reduce_min(images),
            tf.reduce_max(images),
        )
        with tf.control_dependencies([guard]):
            return tf.identity(images)

    def checked_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The codes, once they are seen to be of z finite numbers each."""
        codes = graph_checks.sized(codes, "codes", (self.model.settings.zdim,), self.most)
        finite = tf.reduce_all(tf.math.is_finite(codes))
        guard = graph_checks.check(finite, "codes: finite numbers are expected, without NaN or inf")
        with tf.control_dependencies([guard]):
            return tf.identity(codes)

    def joined(self, codes: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Codes and their checked labels, as the decoder takes them."""
        if labels is None:
            return codes
        return tf.concat([codes, tf.one_hot(labels, self.model.settings.classes)], axis=1)

    def checked_labels(self, labels: tf.Tensor | None, *rows: tf.Tensor) -> tf.Tensor | None:
        """Labels [n], once they are seen to be the model's classes, one of each row."""
        classes = self.model.settings.classes
        if labels is None:
            return None
        labels = graph_checks.sized(labels, "labels", (), self.most)
        guards = [
            graph_checks.check(
                tf.reduce_all((labels >= 0) & (labels < classes)),
                f"labels: 0 to {classes - 1} are accepted, not",
                labels,
            ),
            graph_checks.check(
                tf.reduce_all([tf.shape(row)[0] == tf.shape(labels)[0] for row in rows]),
                "labels: every input needs the same number of rows; found",
                tf.shape(labels)[0],
                *(tf.shape(row)[0] for row in rows),
            ),
        ]
        with tf.control_dependencies(guards):
            return tf.identity(labels)

    def checked_lengths(self, lengths: tf.Tensor, name: str, least: int, *rows: tf.Tensor):
        """Lengths [n] as int32, once all inputs have n rows and the answer is seen to be small."""
        lengths = graph_checks.sized(lengths, name, (), self.most)
        count = tf.shape(lengths)[0]
        guards = [
            graph_checks.check(
                tf.reduce_all([tf.shape(row)[0] == count for row in rows]),
                f"{name}: every input needs the same number of rows; found",
                count,
                *(tf.shape(row)[0] for row in rows),
            ),
            graph_checks.check(
                tf.reduce_all((lengths >= least) & (lengths <= MOST_IMAGES)),
                f"{name}: {least} to {MOST_IMAGES} a row are accepted, not",
                lengths,
            ),
        ]
        with tf.control_dependencies(guards):
            lengths = tf.cast(lengths, tf.int32)
        longest = tf.reduce_max(tf.concat([lengths, [0]], axis=0))
        # Of rows of two numbers there may be millions, and int32 would wrap.
        images = tf.cast(count, tf.int64) * tf.cast(longest, tf.int64)
        small = graph_checks.check(
            images <= self.most,
            f"{name}: rows times the longest is {self.most} at most in a request, not",
            images,
        )
        with tf.control_dependencies([small]):
            return tf.identity(lengths)

    def decoded_rows(self, codes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Codes [sum of lengths, z], row by row -> images [n, longest, H, W, C], zeros behind."""
        longest = tf.reduce_max(tf.concat([lengths, [0]], axis=0))
        places = tf.cast(tf.where(tf.sequence_mask(lengths, longest)), tf.int32)
        shape = tf.concat([[tf.shape(lengths)[0], longest], self.model.image_shape], axis=0)
        return tf.scatter_nd(places, self.decoded(codes), shape)

    def pictures(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """float32 [n, H, W, C] of JPEG or PNG strings [n]."""
        image_bytes = graph_checks.sized(image_bytes, "image_bytes", (), self.most)
        image_bytes = graph_pictures.bounded(image_bytes)
        pixels = tf.map_fn(
            lambda data: graph_pictures.picture(
                data, self.config, self.model.image_shape, self.zero_and_one
            ),
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.model.image_shape, tf.uint8),
        )
        return self.model.as_pixels(pixels)

    # Named as the signatures; the arguments' names are those of the inputs.

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Codes of images."""
        return self.encoding(self.checked_images(images, "images"))

    def decode(self, codes: tf.Tensor, labels: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Images of codes, and of labels where the model has classes."""
        codes = self.checked_codes(codes)
        return {"images": self.decoded(self.joined(codes, self.checked_labels(labels, codes)))}

    def reconstruct(
        self, images: tf.Tensor, labels: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Reconstructions of images, by their labels where the model has classes."""
        codes = self.encode(images)["codes"]
        return {"images": self.decoded(self.joined(codes, self.checked_labels(labels, codes)))}

    def encode_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Codes of JPEG or PNG files."""
        return self.encoding(self.pictures(image_bytes))

    def reconstruct_bytes(
        self, image_bytes: tf.Tensor, labels: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Reconstructions of JPEG or PNG files."""
        codes = self.encode_bytes(image_bytes)["codes"]
        return {"images": self.decoded(self.joined(codes, self.checked_labels(labels, codes)))}

    def sample(
        self, count: tf.Tensor, seed: tf.Tensor, labels: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """New images, `count` a row, of the row's label; a negative seed is a fresh one."""
        seed = graph_checks.sized(seed, "seed", (), self.most)
        labels = self.checked_labels(labels, seed)
        count = self.checked_lengths(count, "count", 1, seed)
        keys = tf.where(
            seed[:, None] < 0,
            graph_seeds.fresh_keys(tf.shape(seed)[0]),
            graph_seeds.sample_keys(tf.maximum(seed, 0)),
        )
        (codes,) = concatenated(
            lambda row: [self.model.sample_prior(count[row], keys[row])],
            tf.shape(count)[0],
            [(self.model.settings.zdim,)],
        )
        if labels is not None:
            codes = self.joined(codes, tf.repeat(labels, count))
        return {"images": self.decoded_rows(codes, count)}

    def interpolate(
        self,
        first: tf.Tensor,
        last: tf.Tensor,
        steps: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Images along the line between the codes of two images."""
        first, last = self.checked_images(first, "first"), self.checked_images(last, "last")
        steps = self.checked_lengths(steps, "steps", 2, first, last)
        labels = self.checked_labels(labels, steps)
        row = tf.repeat(tf.range(tf.shape(steps)[0]), steps)
        place = tf.range(tf.size(row)) - tf.gather(tf.cumsum(steps, exclusive=True), row)
        share = tf.cast(place / (tf.gather(steps, row) - 1), tf.float32)[:, None]
        one, other = (tf.gather(self.encoding(images)["codes"], row) for images in (first, last))
        codes = priors.between(self.model.settings.prior, one, other, share)
        if labels is not None:
            codes = self.joined(codes, tf.repeat(labels, steps))
        return {"images": self.decoded_rows(codes, steps)}
