"""An autoencoder of official or own networks: encoding, decoding, sampling, saving; no training."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import Config
from wae_tf.models import arguments, inputs
from wae_tf.models import encoding as encodings
from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.keras_ways import KerasWays
from wae_tf.networks import official
from wae_tf.objective import priors
from wae_tf.pixels import to_float
from wae_tf.settings import Settings


class Autoencoder(KerasWays):
    """Encoder, decoder and the prior between them, as a model whose call is the reconstruction.

    `encode` and `decode` take and give pictures. The networks themselves are what the objective
    needs: `encoder` takes floats in the model's pixel range alone and gives a dict with the codes as
    `mean`; `decoder` gives logits, of which `squash` makes pixels.

    Args:
        image_shape: (H, W, C).
        settings: of the model; a run's `Config` has them too. Keywords replace single fields.
        encoder: images [n, H, W, C] to `mean` [n, z], alone or in a dict with `spread` [n, z], the
            log-variance, for encoder_noise gaussian; None: the official one of the settings.
        decoder: codes [n, z] to logits [n, H, W, C]; None: the official one.
        adversary: codes [n, z] to logits [n, 1] (WaeGan); None: the official one.
        data_size: number of training images N, which MMD++ needs.
        name: the model's.
        **fields: fields of `Settings`, such as zdim=16. Without settings, precision is that of
            keras.mixed_precision.set_global_policy.

    Raises:
        FlagError: settings that contradict each other or do not fit the images; a ValueError.
        ValueError: data_size is missing where it is needed.
    """

    #: What a subclass needs of settings that were not given.
    defaults: dict[str, Any] = {"model": "wae_mmd"}  # noqa: RUF012
    #: Codes of each image that the penalty draws besides (MMD++).
    codes_per_image = 0

    @arguments.checked
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        settings: Settings | None = None,
        *,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        adversary: keras.Model | None = None,
        data_size: int | None = None,
        name: str | None = None,
        **fields: Any,
    ):
        if isinstance(settings, Config):
            settings = settings.settings
        if settings is None:
            unsaid = self.defaults | {"precision": arguments.precision_of_policy()}
            settings = Settings(**unsaid | fields)
        else:
            settings = dataclasses.replace(settings, **fields)
        # `auto` says nothing in a file, where no data set is named.
        settings = dataclasses.replace(settings, pixel_range=settings.pixel_range_of_data)
        super().__init__(name=name, dtype=settings.full_precision)
        height, width, channels = image_shape
        self.image_shape = (height, width, channels)
        self.settings = settings
        self.data_size = data_size
        self.full_dtype = settings.full_precision
        given = {"encoder": encoder, "decoder": decoder, "adversary": adversary}
        self._given = tuple(name for name, network in given.items() if network is not None)
        # Batch norm over the global batch; the plain one is faster and more exact where it serves.
        replica_options = {"synchronized": tf.distribute.get_strategy().num_replicas_in_sync > 1}
        self.encoder = encoder or official.build_encoder(
            settings, self.image_shape, **replica_options
        )
        self.decoder = decoder or official.build_decoder(
            settings, self.image_shape, **replica_options
        )
        self.adversary = adversary
        self.is_built()

    # Making and saving.

    def get_config(self) -> dict[str, Any]:
        """What `keras.saving` needs to make this model again."""
        self.refuse_hdf5()
        serialize = keras.saving.serialize_keras_object
        return {
            "image_shape": list(self.image_shape),
            "data_size": self.data_size,
            "name": self.name,
            **{name: serialize(getattr(self, name)) for name in self._given},
            **dataclasses.asdict(self.settings),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Autoencoder:
        """The model of `get_config`, own networks included."""
        networks = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "decoder", "adversary")
            if config.get(name) is not None
        }
        return cls(**(config | networks))

    def build(self, input_shape: Any = None) -> None:
        """Everything is built by the constructor."""

    # What users call.

    def encode(self, images: Any) -> tf.Tensor:
        """Codes float32 [n, z] of images [n, H, W, C]: a gaussian encoder's mean, no noise.

        Images are float in the model's pixel range, or uint8.

        Raises:
            ValueError: they are not.
        """
        return self._codes(images, "encode")

    def _codes(self, images: Any, method: str) -> tf.Tensor:
        images = inputs.shown_images(self, images, method)
        return self.encoding(images, Noise(), training=False).codes

    def decode(self, codes: Any) -> tf.Tensor:
        """Images float32 [n, H, W, C], in the model's pixel range, of codes [n, z]."""
        return self.squash(self.decoder(tf.cast(codes, self.full_dtype), training=False))

    def reconstruct(self, images: Any) -> tf.Tensor:
        """decode(encode(images)): float32 [n, H, W, C]."""
        return self.decode(self._codes(images, "reconstruct"))

    def sample(self, count: int, seed: int | None = None) -> tf.Tensor:
        """`count` new images float32 [count, H, W, C], in the model's pixel range.

        Args:
            count: how many.
            seed: the same gives the same images; None, as in Keras: others each time, which
                keras.utils.set_random_seed makes repeatable.
        """
        key = streams.fresh_key() if seed is None else streams.key(seed, "sample", 0)
        return self.decode(self.sample_prior(count, key))

    def call(self, images: Any, training: bool = False) -> tf.Tensor:
        """The reconstructions, so that `predict` gives them."""
        return self.reconstruct(images)

    # Parts of a pass.

    def as_pixels(self, images: Any) -> tf.Tensor:
        """Images as floats in the model's range: uint8 is scaled, floats are taken as they are."""
        images = tf.convert_to_tensor(images)
        if images.dtype == tf.uint8:
            images = to_float(images, self.settings.pixel_range_of_data)
        return tf.cast(images, self.full_dtype)

    def squash(self, logits: tf.Tensor) -> tf.Tensor:
        """The decoder's logits as images: tanh or sigmoid."""
        tanh = self.settings.output_of_decoder == "tanh"
        return tf.tanh(logits) if tanh else tf.sigmoid(logits)

    def sample_prior(self, count: int | tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Codes [count, z] of the prior."""
        settings = self.settings
        sample = priors.sample(settings.prior, count, settings.zdim, settings.prior_scale, key)
        return tf.cast(sample, self.full_dtype)

    def draw_noise(
        self, count: int | tf.Tensor, step: tf.Tensor, stream: str, training: bool = True
    ) -> Noise:
        """The noise of one pass of the encoder: see `encoding.draw_noise`."""
        return encodings.draw_noise(
            self.settings,
            self.image_shape,
            count,
            step,
            stream,
            training=training,
            codes_per_image=self.codes_per_image,
        )

    def encoding(self, images: tf.Tensor, noise: Noise, training: bool) -> Encoding:
        """Encodes images with the noise given; without noise, into means."""
        if noise.pixels is not None:
            images += noise.pixels
        outputs = self.encoder(images, training=training)
        if not isinstance(outputs, dict):
            outputs = {"mean": outputs}
        return encodings.sampled(outputs, noise, self.settings)
