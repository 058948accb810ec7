"""Wae, WaeMmd, WaeGan, WaeMmdpp, WaeMmdppp and Vae: Keras models with the official training step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wae_tf import streams
from wae_tf.config import Config
from wae_tf.models.step import replicas, schedules
from wae_tf.models.step.adam import FusedAdam
from wae_tf.models.step.running_means import Mean, Sum
from wae_tf.models.step.schedules import Plateau
from wae_tf.networks import official
from wae_tf.objective import costs, penalties, priors
from wae_tf.pixels import to_float, to_float_by_table

#: official models.py:13, standard deviation of add_noise.
PIXEL_NOISE = 0.01
#: Codes whose root mean square is so many times the prior's standard deviation have exploded.
CODES_EXPLODED = 1e4
#: An adversary whose loss is below this part of lambda * 2 log 2, balance, has won: the codes learn
#: next to nothing from it.
ADVERSARY_WON = 0.02
#: Bound of the log-variance (official wae.py:61), or of the standard deviation (replication wae.py:170).
SPREAD_BOUND = 50.0


class Noise(NamedTuple):
    """The random numbers of one pass of the encoder; None where its kind of noise is not used."""

    pixels: tf.Tensor | None = None  # [n, H, W, C], added to the images: encoder_noise add_noise
    code: tf.Tensor | None = None  # [n, z], standard normal: gaussian and implicit
    many: tf.Tensor | None = None  # [10 n, z], standard normal: MMD++
    again: tf.Tensor | None = None  # [n, z], as code, for the pass of penalty_codes=fresh


class Encoding(NamedTuple):
    """What the encoder says of images: the sampled codes and, if gaussian, their distribution."""

    codes: tf.Tensor  # [n, z]
    mean: tf.Tensor | None = None  # [n, z]
    logvar: tf.Tensor | None = None  # [n, z], clipped
    matrix: tf.Tensor | None = None  # [n, z, z], implicit noise


@keras.saving.register_keras_serializable("wae_tf")
class Wae(keras.Model):
    """A Wasserstein auto-encoder: reconstruction cost + lambda * penalty (arXiv 1711.01558, eq. 4).

    Subclasses supply `penalty`. Training steps are pure functions of (seed, step): the noise of
    every step is drawn from stateless generators, so the same seed gives the same numbers.

    Args:
        image_shape: (H, W, C).
        config: every setting; keywords replace single fields of it.
        data_size: number of training images N; schedules by epoch and MMD++ need it.
        **fields: fields of `Config`, such as zdim=16.

    Raises:
        FlagError: settings that contradict each other or do not fit the images.
        ValueError: data_size is missing where it is needed.
    """

    #: What a subclass needs of a Config that was not given.
    defaults: dict[str, Any] = {"model": "wae_mmd"}  # noqa: RUF012

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        config: Config | None = None,
        *,
        data_size: int | None = None,
        name: str | None = None,
        **fields: Any,
    ):
        if config is None:
            config = Config(**(self.defaults | fields))
        elif fields:
            config = dataclasses.replace(config, **fields)
        super().__init__(name=name, dtype=config.full_precision)
        self.image_shape = tuple(image_shape)
        self.config = config
        self.data_size = data_size
        # Batch norm over the global batch; the plain one is faster and more exact where it serves.
        many = {"synchronized": tf.distribute.get_strategy().num_replicas_in_sync > 1}
        self.encoder = official.build_encoder(config, self.image_shape, **many)
        self.decoder = official.build_decoder(config, self.image_shape, **many)
        self.adversary: keras.Model | None = None
        self.full = config.full_precision

        self.step = self._state("step", (), 0, "int64")
        self.wae_lambda = self._state("wae_lambda", (), config.wae_lambda, self.full)
        # The first step whose loss was not finite (-1: none), and which terms, as bits.
        self.bad_step = self._state("bad_step", (), -1, "int64")
        self.bad_terms = self._state("bad_terms", (), 0, "int32")
        # The last step's objective and terms, for curves that no running mean has smoothed.
        # --on_nonfinite=rollback halves the first and counts in the second.
        self.lr_factor = self._state("lr_factor", (), 1.0)
        self.rollbacks = self._state("rollbacks", (), 0, "int64")
        self.latest = self._state("latest", (1 + len(self.terms),), 0, self.full)
        self.steps_per_epoch = config.steps_an_epoch(data_size or 0)
        if config.lr_schedule != "constant" and self.steps_per_epoch == 0:
            raise ValueError(
                f"lr_schedule={config.lr_schedule} needs data_size=N, the number of training "
                f"images, at least batch_size={config.batch_size}."
            )
        self.plateau = None
        if config.lr_schedule == "plateau":
            self.plateau = Plateau(self._state, self.steps_per_epoch)
            # As attributes of the model: what only a plain object holds is in no checkpoint.
            self.plateau_losses = self.plateau.losses
            self.plateau_wait, self.plateau_decay = self.plateau.wait, self.plateau.decay
        self._decays = schedules.decay_table(config.lr_schedule, config.epochs)
        self.adversary_optimizer: keras.optimizers.Optimizer | None = None
        self._trackers = {term: Mean(name=term) for term in ("loss", *self.terms)}
        self._held: Callable[[], tf.Variable] | None = None
        self._most_steps: int | None = None
        self._tested = Sum(name="tested")  # batches tested since the last reset
        self.built = True

    #: The parts of the objective, in the order of the bits of `bad_terms`.
    terms: tuple[str, ...] = ("reconstruction", "penalty")

    def _state(self, name: str, shape: tuple[int, ...], value: Any, dtype: str = "float32"):
        initializer = keras.initializers.Constant(float("inf") if value == "inf" else value)
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=False,
            aggregation="only_first_replica",  # all replicas compute the same value
            name=name,
        )

    # Making and saving.

    def get_config(self) -> dict[str, Any]:
        """What `keras.saving` needs to make this model again."""
        return {
            "image_shape": list(self.image_shape),
            "data_size": self.data_size,
            "name": self.name,
            **dataclasses.asdict(self.config),
        }

    def build(self, input_shape: Any = None) -> None:
        """Everything is built by the constructor."""

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        adversary_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizers and builds them; without arguments, those of the config.

        Args:
            optimizer: of encoder and decoder.
            adversary_optimizer: of the adversary (WaeGan).
            **kwargs: of `keras.Model.compile`, such as steps_per_execution and jit_compile.

        Raises:
            ValueError: an optimizer of your own with a schedule other than constant, which would
                overwrite its learning rate.
        """
        if (optimizer or adversary_optimizer) and self.sets_learning_rate:
            raise ValueError(
                "an optimizer of your own goes with lr_schedule='constant' and on_nonfinite='stop' "
                "only: others set the learning rate themselves."
            )
        jit = self.config.jit
        kwargs.setdefault(
            "jit_compile", bool(tf.config.list_physical_devices("GPU")) if jit is None else jit
        )
        kwargs.setdefault("steps_per_execution", self.config.steps_per_execution or 1)
        super().compile(
            optimizer=self._scaled(optimizer or self.make_optimizer(self.config.lr)),
            auto_scale_loss=False,
            **kwargs,
        )
        self.optimizer.build(self.autoencoder_variables)
        if self.adversary is not None:
            self.adversary_optimizer = self._scaled(
                keras.optimizers.get(adversary_optimizer)
                if adversary_optimizer
                else self.make_optimizer(self.config.lr_adv)
            )
            self.adversary_optimizer.build(self.adversary.trainable_variables)

    def get_compile_config(self) -> dict[str, Any]:
        """Both optimizers, with their settings."""
        serialize = keras.saving.serialize_keras_object
        return {
            "optimizer": serialize(self.optimizer),
            "adversary_optimizer": self.adversary_optimizer and serialize(self.adversary_optimizer),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles and builds both optimizers, so that their state can be loaded."""
        deserialize = keras.saving.deserialize_keras_object
        if self.sets_learning_rate:
            self.compile()
        else:
            self.compile(*(value and deserialize(value) for value in config.values()))

    def make_optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        """The config's optimizer (official wae.py:368-377)."""
        if self.config.optimizer == "sgd":
            return keras.optimizers.SGD(learning_rate)
        return FusedAdam(
            learning_rate,
            beta_1=self.config.adam_beta1,
            beta_2=self.config.adam_beta2,
            epsilon=self.config.adam_epsilon,
        )

    def _scaled(self, optimizer: Any) -> keras.optimizers.Optimizer:
        # Keras would wrap self.optimizer alone; both networks of WaeGan compute in half.
        optimizer = keras.optimizers.get(optimizer)
        wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if self.config.precision == "mixed_float16" and not wrapped:
            return keras.optimizers.LossScaleOptimizer(optimizer)
        return optimizer

    @property
    def autoencoder_variables(self) -> list[keras.Variable]:
        """Trainable variables of encoder and decoder."""
        return self.encoder.trainable_variables + self.decoder.trainable_variables

    @property
    def sets_learning_rate(self) -> bool:
        """Whether every step sets the optimizers' learning rates."""
        config = self.config
        return config.lr_schedule != "constant" or config.on_nonfinite == "rollback"

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means of the objective's terms over an epoch."""
        return [*self._trackers.values(), self._tested]

    # What users call.

    def encode(self, images: Any) -> tf.Tensor:
        """Codes float32 [n, z] of images [n, H, W, C]: a gaussian encoder's mean, no noise.

        Images are float in the model's pixel range, or uint8.
        """
        encoding = self.encoding(self.as_pixels(images), Noise(), training=False)
        return encoding.codes

    def decode(self, codes: Any) -> tf.Tensor:
        """Images float32 [n, H, W, C], in the model's pixel range, of codes [n, z]."""
        return self.squash(self.decoder(tf.cast(codes, self.full), training=False))

    def reconstruct(self, images: Any) -> tf.Tensor:
        """decode(encode(images)): float32 [n, H, W, C]."""
        return self.decode(self.encode(images))

    def sample(self, count: int, seed: int = 0) -> tf.Tensor:
        """`count` new images float32 [count, H, W, C]; the same for the same seed."""
        return self.decode(self.sample_prior(count, streams.key(seed, "sample", 0)))

    def call(self, images: Any, training: bool = False) -> tf.Tensor:
        """The reconstructions, so that `predict` gives them."""
        return self.reconstruct(images)

    # Parts of a pass.

    def as_pixels(self, images: Any) -> tf.Tensor:
        """Images as floats in the model's range: uint8 is scaled, floats are taken as they are."""
        images = tf.convert_to_tensor(images)
        if images.dtype == tf.uint8:
            images = to_float(images, self.config.pixel_range_of_data)
        return tf.cast(images, self.full)

    def squash(self, logits: tf.Tensor) -> tf.Tensor:
        """The decoder's logits as images: tanh or sigmoid."""
        return (tf.tanh if self.config.output_of_decoder == "tanh" else tf.sigmoid)(logits)

    def sample_prior(self, count: int | tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Codes [count, z] of the prior."""
        config = self.config
        sample = priors.sample(config.prior, count, config.zdim, config.prior_scale, key)
        return tf.cast(sample, self.full)

    def draw_noise(
        self, count: int | tf.Tensor, step: tf.Tensor, stream: str, training: bool = True
    ) -> Noise:
        """The noise of one pass of the encoder at a step, for `count` images.

        stream: `autoencoder`, `adversary`, `pretrain` or `test`, which differ.
        """

        def key(kind: str) -> tf.Tensor:
            return streams.key(self.config.seed, f"{stream}/{kind}", step)

        def normal(kind: str, rows: Any) -> tf.Tensor:
            shape = [rows, self.config.zdim]
            return tf.cast(tf.random.stateless_normal(shape, key(kind), alg="philox"), self.full)

        pixels = code = None
        if self.config.encoder_noise == "add_noise" and training:
            pixels = tf.random.stateless_truncated_normal(
                [count, *self.image_shape], key("pixels"), stddev=PIXEL_NOISE, alg="philox"
            )
            pixels = tf.cast(pixels, self.full)
        if self.config.encoder_noise in ("gaussian", "implicit"):
            code = normal("code", count)
        again = None
        if self.config.penalty_codes == "fresh" and code is not None:
            again = normal("again", count)
        return Noise(pixels, code, self._many_noise(count, normal), again)

    def _many_noise(self, count: Any, normal: Any) -> tf.Tensor | None:
        return None

    def encoding(self, images: tf.Tensor, noise: Noise, training: bool) -> Encoding:
        """Encodes images with the noise given; without noise, into means (official models.py:6-73)."""
        if noise.pixels is not None:
            images += noise.pixels
        outputs = self.encoder(images, training=training)
        mean = codes = outputs["mean"]
        logvar = matrix = None
        if "spread" in outputs:
            logvar = outputs["spread"]
            if self.config.encoder_clip == "std_at_most":
                std = tf.minimum(tf.exp(0.5 * logvar), SPREAD_BOUND)
            else:
                logvar = tf.clip_by_value(logvar, -SPREAD_BOUND, SPREAD_BOUND)
                std = tf.sqrt(1e-8 + tf.exp(logvar))
            if noise.code is not None:
                codes += noise.code * std
        if "matrix" in outputs:
            matrix = outputs["matrix"]
            if noise.code is not None:
                codes += tf.einsum("ni,nij->nj", noise.code, matrix)
        return Encoding(priors.into_support(self.config.prior, codes), mean, logvar, matrix)

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """D_Z(Q_Z, P_Z) of a batch, a scalar."""
        raise NotImplementedError

    def losses(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise, training: bool = True
    ) -> dict[str, tf.Tensor]:
        """The objective of encoder and decoder on a batch, all randomness passed in.

        Args:
            images: float [n, H, W, C] in the model's pixel range; in a replica, its rows of them.
            prior_sample: [n, z], of the global batch.
            noise: of this pass, for the global batch.
            training: batch norm by the batch's moments, which moves the moving ones.

        Returns:
            scalars `loss`, `reconstruction`, `penalty`, and `code_width`, the root mean square of
            the codes over the prior's scale.
        """
        return self._losses_and_encoding(images, prior_sample, noise, training)[0]

    def _losses_and_encoding(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise, training: bool
    ) -> tuple[dict[str, tf.Tensor], Encoding]:
        """`losses`, and the encoding that the penalty saw."""
        encoding = self._encoding_of_own(images, noise, training)
        logits = self.decoder(encoding.codes, training=training)
        reconstruction = replicas.mean(self.cost(images, self.squash(logits), logits))
        if self.config.penalty_codes == "fresh":
            fresh = noise._replace(code=noise.again)
            encoding = self._encoding_of_own(images, fresh, training)
        encoding = _gathered(encoding)
        penalty = self.penalty(encoding, prior_sample, noise)
        loss = reconstruction + tf.convert_to_tensor(self.wae_lambda) * penalty
        if self.config.fixed_point_weight:
            own = replicas.own_rows(prior_sample)
            cost = replicas.mean(self.fixed_point_cost(own, training))
            loss += self.config.fixed_point_weight * cost
        width = tf.sqrt(tf.reduce_mean(tf.square(encoding.codes))) / self.config.prior_scale
        terms = {"loss": loss, "reconstruction": reconstruction, "penalty": penalty}
        return terms | {"code_width": width}, encoding

    def cost(
        self, images: tf.Tensor, reconstructions: tf.Tensor, logits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The scaled reconstruction cost, a scalar."""
        config = self.config
        mean = costs.reconstruction(
            config.cost, images, reconstructions, logits, config.scale_of_cost, config.bce_epsilon
        )
        return mean * self._share_of_batch(images)

    def _share_of_batch(self, rows: tf.Tensor) -> tf.Tensor | float:
        """What turns a mean over a batch's rows into a sum over them divided by a full batch's."""
        if self.config.batch_divisor == "own" or replicas.replicas() > 1:
            return 1.0  # replicas share whole batches only
        return tf.cast(tf.shape(rows)[0], self.full) / self.config.batch_size

    def fixed_point_cost(self, prior_sample: tf.Tensor, training: bool) -> tf.Tensor:
        """Cost of sampled images that are not their own reconstruction (official improved_wae.py:135-172).

        Its value is c(G(z), G(E(G(z)))); its gradient is that through the first G(z) alone, so the
        decoder learns to sample what the autoencoder keeps. The official code means this (b + a - c)
        but calls reconstruction_loss without opts and cannot run; codes are means here, as there.
        """

        def cycle(images: tf.Tensor) -> tf.Tensor:
            codes = self.encoding(images, Noise(), training).codes
            logits = self.decoder(codes, training=training)
            return self.cost(images, self.squash(logits), logits)

        generated = self.squash(self.decoder(prior_sample, training=training))
        whole = cycle(generated)
        return tf.stop_gradient(whole) + whole - cycle(tf.stop_gradient(generated))

    # Steps.

    def lr_decay(self) -> tf.Tensor:
        """The factor of both learning rates at this step."""
        if self.plateau is not None:
            return tf.convert_to_tensor(self.plateau.decay)
        epoch = tf.convert_to_tensor(self.step) // max(self.steps_per_epoch, 1)
        table = tf.constant(self._decays, tf.float32)
        return tf.gather(table, tf.minimum(epoch, len(self._decays) - 1))

    def _encoding_of_own(self, images: tf.Tensor, noise: Noise, training: bool) -> Encoding:
        # noise.many is the penalty's, of the global batch.
        own = Noise(replicas.own_rows(noise.pixels), replicas.own_rows(noise.code))
        return self.encoding(images, own, training)

    def _scaled_loss(self, optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
        # Every replica has the global loss, and Keras sums their gradients.
        count = replicas.replicas()
        return optimizer.scale_loss(loss if count == 1 else loss / count)

    def _apply(self, optimizer: Any, gradients: list, variables: list) -> None:
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras asks each replica of its own gradients, before they are summed.
            gradients = replicas.spoiled_together(gradients)
        optimizer.apply(gradients, variables)

    def update(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
        adversary_noise: Noise | None = None,
    ) -> dict[str, tf.Tensor]:
        """One iteration as the official loop makes it (official wae.py:566-647), randomness passed in.

        Args:
            images: float [n, H, W, C] in the model's pixel range.
            prior_sample: [n, z], used by both passes.
            noise: of the autoencoder's pass.
            adversary_noise: of the adversary's pass (WaeGan).

        Returns:
            scalars: the terms of the objective before the update.
        """
        if self.sets_learning_rate:
            decay = self.lr_decay() * tf.convert_to_tensor(self.lr_factor)
            self.optimizer.learning_rate.assign(self.config.lr * decay)
            if self.adversary_optimizer is not None:
                self.adversary_optimizer.learning_rate.assign(self.config.lr_adv * decay)
        with tf.GradientTape() as tape:
            logs, encoding = self._losses_and_encoding(images, prior_sample, noise, True)
            scaled = self._scaled_loss(self.optimizer, logs["loss"])
        variables = self.autoencoder_variables
        self._apply(self.optimizer, tape.gradient(scaled, variables), variables)
        logs |= self.update_adversary(images, prior_sample, adversary_noise, encoding.codes)

        step = tf.convert_to_tensor(self.step)
        if self.plateau is not None:
            self.plateau.update(step, tf.cast(logs["loss"], tf.float32))
        if self.config.lambda_schedule == "adaptive":
            weight = tf.convert_to_tensor(self.wae_lambda)
            self.wae_lambda.assign(
                schedules.adapted_lambda(step, weight, logs["reconstruction"], logs["penalty"])
            )
        self._note_bad_terms(step, logs)
        self.latest.assign(tf.stack([logs[term] for term in ("loss", *self.terms)]))
        self.step.assign_add(1)
        return logs

    def update_adversary(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise | None,
        penalty_codes: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The adversary's step, where there is one."""
        return {}

    def _note_bad_terms(self, step: tf.Tensor, logs: dict[str, tf.Tensor]) -> None:
        bad = [tf.cast(~tf.math.is_finite(logs[term]), tf.int32) for term in self.terms]
        bad.append(tf.cast(logs["code_width"] > CODES_EXPLODED, tf.int32))
        bits = tf.add_n([bit * 2**i for i, bit in enumerate(bad)])
        first = (tf.convert_to_tensor(self.bad_step) < 0) & (bits > 0)
        self.bad_terms.assign(tf.where(first, bits, self.bad_terms))
        self.bad_step.assign(tf.where(first, step, self.bad_step))

    def trouble(self) -> tuple[int, list[str]] | None:
        """The first step (zero-based) that went wrong and what was wrong there, or None."""
        step, bits = int(self.bad_step.numpy()), int(self.bad_terms.numpy())
        if step < 0:
            return None
        names = [f"{term} not finite" for term in self.terms]
        names.append(f"codes over {CODES_EXPLODED:g} times as wide as the prior")
        return step, [name for i, name in enumerate(names) if bits >> i & 1]

    def skipped_steps(self) -> int:
        """Updates left out because their gradients overflowed half precision, of both optimizers."""
        optimizers = (o for o in (self.optimizer, self.adversary_optimizer) if o is not None)
        scaled = [o for o in optimizers if isinstance(o, keras.optimizers.LossScaleOptimizer)]
        return sum(int(self.step.numpy()) - int(o.iterations.numpy()) for o in scaled)

    def warning(self) -> tuple[int, str] | None:
        """The step (zero-based) since which something looks wrong, and what, as a clause; or None."""
        return None

    def finite(self) -> bool:
        """Whether all weights and moving moments of the networks are."""
        networks_ = [n for n in (self.encoder, self.decoder, self.adversary) if n is not None]
        return all(
            bool(tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(v))))
            for network in networks_
            for v in network.weights
            if v.dtype.startswith(("float", "bfloat"))
        )

    def hold(self, images_uint8: np.ndarray) -> None:
        """Keeps images on the model's device, so that batches can be indices (`data.index_batches`).

        Args:
            images_uint8: uint8 [N, H, W, C]; on many devices each gets them all.
        """
        with self.distribute_strategy.scope():
            held = tf.Variable(images_uint8, trainable=False, name="held_images")
        self._held = lambda: held  # not the variable, which checkpoints would hold too

    @property
    def holds_images(self) -> bool:
        """Whether `hold` was called."""
        return self._held is not None

    def _images_of(self, batch: Any) -> tf.Tensor:
        images, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if images.shape.rank == 1 and images.dtype == tf.int64 and self.holds_images:
            images = to_float_by_table(
                tf.gather(self._held(), images), self.config.pixel_range_of_data
            )
        if images.shape.rank != 4 or tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(
                f"images of shape {tuple(images.shape)} do not fit: this model takes "
                f"[n, {', '.join(map(str, self.image_shape))}]."
            )
        return self.as_pixels(images)

    def _track(self, logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for term, tracker in self._trackers.items():
            if term in logs:
                tracker.update_state(logs[term])
        return {t: tracker.result() for t, tracker in self._trackers.items() if t in logs}

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """A step on images [n, H, W, C] (a tuple's first part), uint8 or float in pixel range."""
        images = self._images_of(batch)
        count = (images.shape[0] or tf.shape(images)[0]) * replicas.replicas()
        step = tf.convert_to_tensor(self.step)
        prior_sample = self.sample_prior(count, streams.key(self.config.seed, "prior", step))
        noise = self.draw_noise(count, step, "autoencoder")
        adversary_noise = None
        if self.adversary is not None:
            adversary_noise = self.draw_noise(count, step, "adversary")
        return self._track(self.update(images, prior_sample, noise, adversary_noise))

    def take_executions(self, most: int) -> None:
        """Lets `fit` take a data set whose elements are all batches [steps, n, ...] of an execution.

        XLA then compiles the loop over the steps, not a step: weights stay where they are from step
        to step, and nothing is launched in between. The program is one whatever the number of steps
        of an execution, so it does not change what a run that goes on computes.

        Args:
            most: the most steps that an element may have.
        """
        self._most_steps = most
        self.train_function = None

    @property
    def takes_executions_whole(self) -> bool:
        """Whether `take_executions` was called."""
        return self._most_steps is not None

    def _make_program(self) -> Callable[[Any], dict[str, tf.Tensor]]:
        most = self._most_steps

        @tf.function(jit_compile=True)
        def steps(batches: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
            def step(number: tf.Tensor) -> tf.Tensor:
                self.train_step(batches[number])
                return number + 1

            tf.while_loop(lambda number: number < count, step, [0], parallel_iterations=1)
            return {term: tracker.result() for term, tracker in self._trackers.items()}

        @tf.function
        def execution(iterator: Any) -> dict[str, tf.Tensor]:
            batches = next(iterator)
            count = tf.shape(batches)[0]
            rest = [[0, 0]] * (len(batches.shape) - 1)
            batches = tf.pad(batches, [[0, most - count], *rest])
            return steps(tf.ensure_shape(batches, [most, *batches.shape[1:]]), count)

        return execution

    def make_train_function(self, force: bool = False) -> None:
        """Keras's compiled step; one for many replicas; or one for whole executions.

        Keras's own averages logs over replicas, which fails across workers; here every replica has
        the same logs, and the first one's are taken.
        """
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync == 1 and self._most_steps is None:
            return super().make_train_function(force)
        if self.train_function is not None and not force:
            return self.train_function
        if strategy.num_replicas_in_sync == 1:
            self.train_function = self._make_program()
            return self.train_function

        def on_all(batch: Any) -> dict[str, tf.Tensor]:
            logs = strategy.run(self.train_step, args=(batch,))
            return {k: strategy.experimental_local_results(v)[0] for k, v in logs.items()}

        step = on_all if self.run_eagerly else tf.function(on_all, reduce_retracing=True)

        def several(iterator: Any) -> dict[str, tf.Tensor]:
            for _ in range(self.steps_per_execution):
                logs = step(next(iterator))
            return logs

        self.train_function = several
        return several

    def test_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """The terms on a test batch, with the moving moments of batch norm and no pixel noise."""
        images = self._images_of(batch)
        count = images.shape[0] or tf.shape(images)[0]
        index = tf.cast(self._tested.result(), tf.int64)
        self._tested.update_state(1.0)
        prior_sample = self.sample_prior(count, streams.key(self.config.seed, "test/prior", index))
        noise = self.draw_noise(count, index, "test", training=False)
        return self._track(self.losses(images, prior_sample, noise, training=False))

    def pretrain_step(
        self,
        optimizer: keras.optimizers.Optimizer,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
    ) -> tf.Tensor:
        """One step of the encoder towards the prior's moments (official wae.py:428-452); returns the loss."""
        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:
            codes = self._encoding_of_own(images, noise, training=True).codes
            codes = replicas.gathered(codes)
            loss = penalties.moment_matching(codes, prior_sample, self.config.pretrain_size)
            scaled = self._scaled_loss(optimizer, loss)
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        self._apply(optimizer, gradients, variables)
        return loss


def _gathered(encoding: Encoding) -> Encoding:
    return Encoding(*map(replicas.gathered, encoding))
