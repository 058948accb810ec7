"""The parts of a pass through encoder and decoder: pixels, noise, codes, logits."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wae_tf.models import encoding as encodings
from wae_tf.models import own_networks
from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.keras_ways import KerasWays
from wae_tf.objective import priors
from wae_tf.pixels import to_float
from wae_tf.settings import Settings


class Parts(KerasWays):
    """Encoder, decoder and prior, as the objective and the calls of users put them together."""

    settings: Settings
    #: The type of codes, costs and penalties.
    full_dtype: str
    #: Codes of each image that the penalty draws besides (MMD++).
    codes_per_image = 0

    @property
    def of_pictures(self) -> bool:
        """Whether a row of data is a picture [H, W, C]."""
        return len(self.image_shape) == 3

    @property
    def networks(self) -> dict[str, keras.layers.Layer]:
        """Encoder, decoder, and the adversary where there is one."""
        found = {name: getattr(self, name) for name in own_networks.NETWORKS}
        return {name: network for name, network in found.items() if network is not None}

    def as_pixels(self, images: Any) -> tf.Tensor:
        """Images as floats in the model's range: uint8 is scaled, floats are taken as they are."""
        images = tf.convert_to_tensor(images)
        if images.dtype == tf.uint8 and self.settings.pixel_range_of_data != "any":
            images = to_float(images, self.settings.pixel_range_of_data)
        return tf.cast(images, self.full_dtype)

    def logits(self, codes: tf.Tensor, training: bool) -> tf.Tensor:
        """What the decoder makes of codes [n, z], joined to labels if there are any, before `squash`."""
        return tf.cast(self.decoder(codes, training=training), self.full_dtype)

    def squash(self, logits: tf.Tensor) -> tf.Tensor:
        """The decoder's logits as data: by tanh or sigmoid, or as they are."""
        output = self.settings.output_of_decoder
        if output == "linear":
            return logits
        return tf.tanh(logits) if output == "tanh" else tf.sigmoid(logits)

    def unsquashed(self, logits: tf.Tensor) -> tf.Tensor | None:
        """The logits for a cost that takes them; None of a decoder that gives data as they are."""
        return None if self.settings.output_of_decoder == "linear" else logits

    def sample_prior(self, count: int | tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Codes [count, z] of the prior."""
        settings = self.settings
        sample = priors.sample(settings.prior, count, settings.zdim, settings.prior_scale, key)
        return tf.cast(sample, self.full_dtype)

    def draw_noise(
        self, count: int | tf.Tensor, step: tf.Tensor, stream: str, training: bool = True
    ) -> Noise:
        """The noise of one pass of the encoder: see `encoding.draw_noise`."""
        many, shape = self.codes_per_image, self.image_shape
        return encodings.draw_noise(
            self.settings, shape, count, step, stream, training=training, codes_per_image=many
        )

    def encoding(self, images: tf.Tensor, noise: Noise, training: bool) -> Encoding:
        """Encodes images with the noise given; without noise, into means."""
        if noise.pixels is not None:
            images += noise.pixels
        outputs = self.encoder(images, training=training)
        if not isinstance(outputs, dict):
            outputs = {"mean": outputs}
        outputs = {name: tf.cast(output, self.full_dtype) for name, output in outputs.items()}
        return encodings.sampled(outputs, noise, self.settings)._replace(training=training)
