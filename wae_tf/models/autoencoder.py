"""An autoencoder of official or own networks: encoding, decoding, sampling, saving; no training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import Config
from wae_tf.models import arguments, batching, inputs, network_shapes, own_networks
from wae_tf.models import codes as codes_module
from wae_tf.models import labels as labels_module
from wae_tf.models.encoding import Noise
from wae_tf.models.parts import Parts
from wae_tf.networks import official
from wae_tf.objective import costs
from wae_tf.settings import Settings


class Autoencoder(Parts):
    """Encoder, decoder and the prior between them, as a model whose call is the reconstruction.

    `encode` and `decode` take and give data: pictures, or arrays of any other shape; what they and their
    like give is float32, with precision="float64" float64. The networks
    themselves are what the objective needs: the official `encoder` takes floats in the model's pixel
    range alone and gives a dict with the codes as `mean`; the official `decoder` gives logits, of
    which `squash` makes pixels.

    Args:
        image_shape: of a row of data: (H, W, C) of pictures, or (d,), (t, c), ...; None: that of the
            networks given.
        settings: of the model; a run's `Config` has them too. Keywords replace single fields.
        encoder: data [n, ...] to `mean` [n, z], alone or in a dict with `spread` [n, z], the
            log-variance, for encoder_noise gaussian; built, so that its shapes are known. None: the
            official one of the settings.
        decoder: codes [n, z] to [n, ...], of the meaning that `output` says, likewise built; None: the
            official one.
        adversary: codes [n, z] to logits [n, 1] (WaeGan); None: the official one.
        output: what the decoder's last layer means: `linear`, numbers as they are; `unit`, numbers in
            [0, 1]; `symmetric`, in [-1, 1]; of a last layer without an activation these are made by
            a sigmoid or tanh. None: by its activation, where it is a sigmoid or tanh; else linear,
            and of pictures the official logits, which pixel_range says how to squash.
        data_size: number of training images N, which MMD++ needs.
        name: the model's.
        **fields: fields of `Settings`, such as wae_lambda=10. Those that the networks say, such as
            zdim, may be left out. Without settings, precision is that of
            keras.mixed_precision.set_global_policy.

    Raises:
        FlagError: settings that contradict each other or do not fit the data; a ValueError.
        ValueError: networks that are not built or do not fit; data_size is missing where it is needed.
    """

    #: What a subclass needs of settings that were not given.
    defaults: dict[str, Any] = {"model": "wae_mmd"}  # noqa: RUF012

    @arguments.checked
    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        settings: Settings | None = None,
        *,
        encoder: keras.layers.Layer | None = None,
        decoder: keras.layers.Layer | None = None,
        adversary: keras.layers.Layer | None = None,
        output: str | None = None,
        data_size: int | None = None,
        name: str | None = None,
        **fields: Any,
    ):
        if isinstance(settings, Config):
            settings = settings.settings
        image_shape, settings = own_networks.settled(
            self.defaults,
            image_shape,
            settings,
            fields,
            encoder=encoder,
            decoder=decoder,
            output=output,
        )
        super().__init__(name=name, dtype=settings.full_precision)
        self.image_shape = image_shape
        self.settings = settings
        self.data_size = data_size
        self.full_dtype = settings.full_precision
        given = {"encoder": encoder, "decoder": decoder, "adversary": adversary}
        self._given = tuple(name for name, network in given.items() if network is not None)
        # Batch norm over the global batch; the plain one is faster and more exact where it serves.
        replica_options = {"synchronized": tf.distribute.get_strategy().num_replicas_in_sync > 1}
        if encoder is None:
            encoder = official.build_encoder(settings, self.image_shape, **replica_options)
        if decoder is None:
            decoder = official.build_decoder(settings, self.image_shape, **replica_options)
        if adversary is not None:
            network_shapes.check_adversary(adversary, settings.zdim, settings.adversary_outputs)
        self.encoder, self.decoder, self.adversary = encoder, decoder, adversary
        self.is_built()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in own_networks.NETWORKS:
            own_networks.check_assignment(self, name, value)
        super().__setattr__(name, value)

    # Making and saving.

    def get_config(self) -> dict[str, Any]:
        """What `keras.saving` needs to make this model again."""
        self.refuse_hdf5()
        return {
            "image_shape": list(self.image_shape),
            "data_size": self.data_size,
            "name": self.name,
            **own_networks.config_of(self.networks, self._given),
            **dataclasses.asdict(self.settings),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Autoencoder:
        """The model of `get_config`, own networks included."""
        return own_networks.made(cls, config)

    def build(self, input_shape: Any = None) -> None:
        """Everything is built by the constructor."""

    # What users call. Each takes NumPy arrays, tensors and tf.data, and gives a tensor.

    def encode(self, x: Any, batch_size: int | None = None) -> tf.Tensor:
        """Codes float32 [n, z] of data [n, ...]: a gaussian encoder's mean, no noise.

        Args:
            x: float in the model's pixel range, or uint8; array, tensor or tf.data (see `batching.over`).
            batch_size: rows at once; None: 256.

        Raises:
            ValueError: data that the model cannot take.
        """
        return self._means(x, batch_size, "x of encode")

    def _means(self, x: Any, batch_size: int | None, name: str) -> tf.Tensor:
        def codes(rows: Any) -> tf.Tensor:
            rows = inputs.shown_images(self, rows, name)
            return self.encoding(rows, Noise(), training=False).codes

        return batching.over(codes, x, 1 + len(self.image_shape), batch_size)

    def decode(self, codes: Any, labels: Any = None, batch_size: int | None = None) -> tf.Tensor:
        """Data float32 [n, ...], in the model's pixel range, of codes [n, z].

        Args:
            codes: float [n, z].
            labels: of a model with classes: integers [n], or one for all; one-hot [n, classes].
            batch_size: rows at once; None: 256.

        Raises:
            ValueError: codes of another shape, or not finite; labels that are missing or none of the
                model's.
        """
        return self._made(codes, labels, batch_size, "decode")

    def _made(self, codes: Any, labels: Any, batch_size: int | None, method: str) -> tf.Tensor:
        def made(rows: Any, own: Any) -> tf.Tensor:
            rows = codes_module.shown(self, rows, f"codes of {method}", joined=own is None)
            return self._decoded(rows, own, f"labels of {method}")

        labelled = bool(self.settings.classes)
        return batching.over_labelled(made, codes, labels, 2, batch_size, labelled)

    def reconstruct(self, x: Any, batch_size: int | None = None, labels: Any = None) -> tf.Tensor:
        """decode(encode(x)), `batch_size` rows at once: float32 [n, ...].

        Args:
            x: as for `encode`; of a model with classes a data set may be of (x, y), y the labels.
            batch_size: rows at once; None: 256.
            labels: as for `decode`.

        Raises:
            ValueError: data or labels that the model cannot take.
        """
        return self._over_data(self._reconstructed, x, labels, batch_size, "reconstruct")

    def _over_data(
        self, function: Callable, x: Any, labels: Any, batch_size: int | None, method: str
    ) -> tf.Tensor:
        def of_rows(rows: Any, own: Any) -> tf.Tensor:
            data = inputs.shown_images(self, rows, f"x of {method}")
            return function(data, own, f"labels of {method}")

        rank, labelled = 1 + len(self.image_shape), bool(self.settings.classes)
        return batching.over_labelled(of_rows, x, labels, rank, batch_size, labelled)

    def sample(
        self,
        count: int,
        seed: int | None = None,
        batch_size: int | None = None,
        labels: Any = None,
    ) -> tf.Tensor:
        """`count` new rows of data float32 [count, ...], in the model's pixel range.

        Args:
            count: how many.
            seed: a whole number, of which the same gives the same; None, as in Keras: others each
                time, which keras.utils.set_random_seed makes repeatable.
            batch_size: rows decoded at once; None: 256.
            labels: of a model with classes, as for `decode`; None: every class in turn.

        Raises:
            ValueError: a seed that is no whole number, a count that is none from 0 up, or labels that the
                model cannot take.
        """
        count = codes_module.whole("count", count, 0)
        labels_module.refused(self, labels, "labels of sample")
        seed = seed if seed is None else codes_module.whole("seed", seed)
        key = streams.fresh_key() if seed is None else streams.key(seed, "sample", 0)
        labels = labels_module.in_turn(self, count) if labels is None else labels
        return self._made(self.sample_prior(count, key), labels, batch_size, "sample")

    def interpolate(
        self,
        first: Any,
        last: Any,
        steps: int = 10,
        batch_size: int | None = None,
        labels: Any = None,
    ) -> tf.Tensor:
        """Data float32 [n, steps, ...] on the way from each first to each last, both ends included.

        The way is straight between their codes; along the sphere where the prior is one.

        Args:
            first: data [n, ...], or codes [n, z].
            last: as many, of the same kind.
            steps: 2 up.
            batch_size: rows at once; None: 256.
            labels: of a model with classes, as for `decode`: one for the whole of a way.

        Raises:
            ValueError: steps that are no whole number or fewer than 2, not as many ends as beginnings, or
                data or labels that the model cannot take.
        """
        steps = inputs.whole("steps", steps, 2)  # both ends are among them
        labels_module.refused(self, labels, "labels of interpolate")
        first = self._as_codes(first, batch_size, "first of interpolate")
        last = self._as_codes(last, batch_size, "last of interpolate")
        if not first.shape.is_compatible_with(last.shape):
            raise ValueError(f"first and last are {first.shape[0]} and {last.shape[0]} rows.")
        line = codes_module.way(self.settings.prior, first, last, steps)
        if labels is not None:
            hot = labels_module.one_hot(self, labels, "labels of interpolate", first.shape[0])
            labels = tf.repeat(hot, steps, axis=0)
        made = self._made(line, labels, batch_size, "interpolate")
        return tf.reshape(made, [-1, steps, *self.image_shape])

    def score(self, x: Any, batch_size: int | None = None, labels: Any = None) -> tf.Tensor:
        """Cost float32 [n] of each row's reconstruction, scaled as in the objective; large: unlike the data.

        Args:
            x: as for `encode`.
            batch_size: rows at once; None: 256.
            labels: as for `reconstruct`.

        Raises:
            ValueError: data or labels that the model cannot take.
        """

        def scores(data: tf.Tensor, own: Any, name: str) -> tf.Tensor:
            codes = self.encoding(data, Noise(), training=False).codes
            codes = labels_module.joined(self, codes, own, name)
            settings, logits = self.settings, self.logits(codes, training=False)
            made, logits = self.squash(logits), self.unsquashed(logits)
            return costs.each(settings.cost, data, made, logits, settings.scale_of_cost)

        return self._over_data(scores, x, labels, batch_size, "score")

    def call(self, images: Any, training: bool = False, labels: Any = None) -> tf.Tensor:
        """The reconstructions, so that `predict` gives them; of a model with classes by their labels."""
        data = inputs.shown_images(self, images, "x of the model's call")
        return self._reconstructed(data, labels, "labels of the model's call")

    def _decoded(self, codes: Any, own: Any, name: str) -> tf.Tensor:
        codes = labels_module.joined(self, codes, own, name)
        return self.squash(self.logits(tf.cast(codes, self.full_dtype), training=False))

    def _reconstructed(self, data: tf.Tensor, own: Any, name: str) -> tf.Tensor:
        return self._decoded(self.encoding(data, Noise(), training=False).codes, own, name)

    def _as_codes(self, end: Any, batch_size: int | None, name: str) -> tf.Tensor:
        if isinstance(end, list | tuple):
            end = batching.as_array(end)
        shape, code = tuple(getattr(end, "shape", ())), (self.settings.zdim,)
        if code != self.image_shape and code in (shape, shape[1:]):
            return codes_module.shown(self, end, name, joined=False)
        return self._means(end, batch_size, name)
