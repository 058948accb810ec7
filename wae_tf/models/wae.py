"""Wae: a Wasserstein auto-encoder as a Keras model, the objective and the official training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wae_tf import streams
from wae_tf.models import arguments, inputs, labels
from wae_tf.models.encoding import Encoding, Noise
from wae_tf.models.inputs import TO_IMAGES, Aim
from wae_tf.models.loop import Loop
from wae_tf.models.step import layer_seeds, replicas
from wae_tf.models.step.guard import Guard
from wae_tf.models.step.running_means import RunningMeans
from wae_tf.objective import costs, priors


@keras.saving.register_keras_serializable("wae_tf")
class Wae(Loop):
    """A Wasserstein auto-encoder: reconstruction cost + lambda * penalty (arXiv 1711.01558, eq. 4).

    Subclasses supply `penalty`. Training steps are pure functions of (seed, step): the noise of
    every step is drawn from stateless generators, so the same seed gives the same numbers.

    Args:
        image_shape: of a row of data, (H, W, C) of pictures; None: that of the networks given.
        *args: `settings` alone: a `Settings`, or a run's `Config`, which has them.
        **kwargs: single settings, by the flags' names, such as zdim=16 (`docs/flags.md` lists them);
            `encoder`, `decoder`, `adversary`: networks of your own instead of the official ones;
            `output`: what the own decoder's last layer means, `linear`, `unit` or `symmetric`;
            `data_size`: the number of training images, for MMD++; `schedule_length`: (steps an
            epoch, epochs) that a learning rate follows, if not those of `fit`; `name`.
            `Autoencoder` and `CompiledAutoencoder` tell more of each.

    Raises:
        FlagError: settings that contradict each other or do not fit the images.
        ValueError: a keyword that is none; networks that are not built or do not fit; data_size is
            missing where it is needed.
    """

    #: The parts of the objective.
    terms: tuple[str, ...] = ("reconstruction", "penalty")

    @arguments.as_of(Loop)
    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        *args: Any,
        **kwargs: Any,
    ):
        super().__init__(image_shape, *args, **kwargs)
        self.guard = Guard(self.terms)
        self.running_means = RunningMeans(("loss", *self.terms), self.full_dtype)
        self.step = self.add_weight(
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="step",
        )
        #: What makes images of a batch's first part, if not `as_pixels`: `training.feeding` sets it.
        self.batch_to_images: Callable[[tf.Tensor], tf.Tensor] | None = None
        #: Likewise labels of it, of a model with classes.
        self.batch_to_labels: Callable[[tf.Tensor], tf.Tensor] | None = None

    # The objective: equation 4 of the paper.

    def penalty(self, encoding: Encoding, prior_sample: tf.Tensor, noise: Noise) -> tf.Tensor:
        """D_Z(Q_Z, P_Z) of a batch, a scalar."""
        raise NotImplementedError(
            f"{type(self).__name__} has no penalty: make a WaeMmd, WaeGan, ..., or a subclass with a "
            "method penalty(self, encoding, prior_sample, noise)."
        )

    def cost(
        self,
        images: tf.Tensor,
        reconstructions: tf.Tensor,
        logits: tf.Tensor | None = None,
        weights: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The scaled reconstruction cost, a scalar; weights [n] multiply each image's."""
        scale = self.settings.scale_of_cost
        parts = (images, reconstructions, logits, scale, weights)
        mean = costs.reconstruction(self.settings.cost, *parts)
        return mean * self._share_of_batch(images)

    def _share_of_batch(self, rows: tf.Tensor) -> tf.Tensor | float:
        """What turns a mean over a batch's rows into their sum over `batch_divisor`."""
        divisor = self.settings.batch_divisor
        if divisor is None:
            return 1.0
        count = tf.shape(rows)[0] * replicas.replicas()
        return tf.cast(count, self.full_dtype) / divisor

    def of_means(self, images: tf.Tensor, terms: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`loss` and `reconstruction` of a batch with the cost's mean, whatever `batch_divisor`.

        What is averaged over batches by their images must be means: of sums over a divisor a last batch
        of fewer images would count less than its share.

        Args:
            images: of the batch; in a replica, its rows of them.
            terms: of `objective`, on them.
        """
        loss, mean = terms["loss"], terms["reconstruction"]
        if self.settings.batch_divisor is not None:
            mean /= self._share_of_batch(images)
            loss = loss - terms["reconstruction"] + mean
        return {"loss": loss, "reconstruction": mean}

    def objective(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
        training: bool = True,
        aim: Aim = TO_IMAGES,
    ) -> dict[str, tf.Tensor]:
        """The objective of encoder and decoder on a batch, all randomness passed in.

        Args:
            images: float [n, H, W, C] in the model's pixel range; in a replica, its rows of them.
            prior_sample: [n, z], of the global batch.
            noise: of this pass, for the global batch.
            training: batch norm by the batch's moments, which moves the moving ones.
            aim: what the reconstructions are held against, if not the images, and their weights.

        Returns:
            scalars `loss`, `reconstruction`, `penalty`, and `code_width`, the root mean square of
            the codes over the prior's scale. The loss is reconstruction + lambda * penalty, and what
            layers of own networks add (regularizers, `add_loss`).

        Raises:
            ValueError: a penalty of one's own is no single number.
        """
        return self.objective_and_encoding(images, prior_sample, noise, training, aim)[0]

    def objective_and_encoding(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
        training: bool = True,
        aim: Aim = TO_IMAGES,
    ) -> tuple[dict[str, tf.Tensor], Encoding]:
        """`objective`, and the encoding that the penalty saw."""
        encoding = self.encoding(images, noise.of_own_rows(), training)
        # Before replicas wait for each other: another's call replaces what a layer added in this one's.
        added = {"encoder": self.encoder.losses}
        joined = labels.joined(self, encoding.codes, aim.labels, "y, the labels,")
        logits = self.logits(joined, training=training)
        added["decoder"] = self.decoder.losses
        targets = images if aim.targets is None else aim.targets
        cost = self.cost(targets, self.squash(logits), self.unsquashed(logits), aim.weights)
        if self.settings.penalty_codes == "fresh":
            fresh = noise._replace(code=noise.again)
            encoding = self.encoding(images, fresh.of_own_rows(), training)
            added["encoder"] = self.encoder.losses
        encoding, reconstruction = encoding.gathered(cost)
        penalty = self._one_number(self.penalty(encoding, prior_sample, noise))
        loss = reconstruction + tf.convert_to_tensor(self.wae_lambda) * penalty
        loss = self.with_added(loss, added["encoder"] + added["decoder"] + self._added_twice())
        if self.settings.fixed_point_weight:
            cost = self.fixed_point_cost(replicas.own_rows(prior_sample), training, aim.labels)
            loss += self.settings.fixed_point_weight * replicas.mean(cost)
        width = tf.sqrt(tf.reduce_mean(tf.square(encoding.codes)))
        width /= priors.unit(self.settings.prior_scale)
        terms = {"loss": loss, "reconstruction": reconstruction, "penalty": penalty}
        return terms | {"code_width": width}, encoding

    def _one_number(self, penalty: Any) -> tf.Tensor:
        """A penalty as the loss takes it, or a sentence on what it is instead."""
        whose = f"the penalty of {type(self).__name__} is"
        if penalty is None:
            raise ValueError(f"{whose} None; accepted: a number for the batch (return it).")
        penalty = tf.cast(penalty, self.full_dtype)
        if penalty.shape.rank != 0:
            raise ValueError(
                f"{whose} of shape {list(penalty.shape)}; accepted: one number for the batch, such as a mean."
            )
        return penalty

    def with_added(self, loss: tf.Tensor, added: list[tf.Tensor]) -> tf.Tensor:
        """A loss and what layers of networks added in their latest calls, `losses`, as Keras sums it."""
        sums = [tf.reduce_sum(tf.cast(one, loss.dtype)) for one in added]
        return loss + replicas.mean(tf.add_n(sums)) if sums else loss

    def _added_twice(self) -> list[tf.Tensor]:
        """Regularizers of variables that encoder and decoder share, negative: each network adds them."""
        own = {id(variable) for variable in self.encoder.trainable_variables}
        return [
            -variable.regularizer(variable)
            for variable in self.decoder.trainable_variables
            if id(variable) in own and variable.regularizer is not None
        ]

    def fixed_point_cost(
        self, prior_sample: tf.Tensor, training: bool, own: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Cost of sampled images that are not their own reconstruction (official improved_wae.py:135-172).

        Its value is c(G(z), G(E(G(z)))); its gradient is that through the first G(z) alone, so the
        decoder learns to sample what the autoencoder keeps. The official code means this (b + a - c)
        but calls reconstruction_loss without opts and cannot run; codes are means here, as there.
        """

        def cycle(images: tf.Tensor) -> tf.Tensor:
            codes = self.encoding(images, Noise(), training).codes
            logits = self.logits(labels.joined(self, codes, own), training=training)
            return self.cost(images, self.squash(logits), self.unsquashed(logits))

        joined = labels.joined(self, prior_sample, own)
        generated = self.squash(self.logits(joined, training=training))
        whole = cycle(generated)
        return tf.stop_gradient(whole) + whole - cycle(tf.stop_gradient(generated))

    # The step: algorithms 1 and 2 of the paper.

    def update(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
        adversary_noise: Noise | None = None,
        aim: Aim = TO_IMAGES,
    ) -> dict[str, tf.Tensor]:
        """One iteration as the official loop makes it (official wae.py:569-650), randomness passed in.

        Args:
            images: float [n, H, W, C] in the model's pixel range.
            prior_sample: [n, z], used by both passes.
            noise: of the autoencoder's pass.
            adversary_noise: of the adversary's pass (WaeGan).
            aim: as for `objective`.

        Returns:
            scalars: the terms of the objective before the update.
        """
        step = tf.convert_to_tensor(self.step)
        if self.schedules.set_rates:
            for update in self.updates:
                update.set_rate(self.schedules.rate(step))
        elif self.tied_rates is not None:
            self.tied_rates.follow()
        autoencoder = self.updates[0]
        layer_seeds.set_to(self.settings.seed, step, self.networks)
        with tf.GradientTape() as tape:
            terms, encoding = self.objective_and_encoding(images, prior_sample, noise, aim=aim)
            scaled = autoencoder.scaled(terms["loss"])
        autoencoder.apply(tape.gradient(scaled, autoencoder.variables))
        terms |= self.update_adversary(images, prior_sample, adversary_noise, encoding)

        self.schedules.note(step, terms)
        self.guard.note(step, terms)
        self.running_means.note_latest(terms)
        self.step.assign_add(1)
        return terms

    def update_adversary(
        self,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise | None,
        penalised: Encoding,
    ) -> dict[str, tf.Tensor]:
        """The adversary's step, where there is one."""
        return {}

    def test_adversary(self, encoding: Encoding, prior_sample: tf.Tensor) -> dict[str, tf.Tensor]:
        """The adversary's loss on a test batch, where there is one."""
        return {}

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """A step on a batch as `inputs.taken` has it."""
        images, aim = inputs.taken(self, batch)
        count = replicas.count(images)
        with self.once_there_is(images):
            step = tf.convert_to_tensor(self.step)
            prior_sample = self.sample_prior(count, streams.key(self.settings.seed, "prior", step))
            noise = self.draw_noise(count, step, "autoencoder")
            adversary_noise = None
            if self.adversary is not None:
                adversary_noise = self.draw_noise(count, step, "adversary")
            terms = self.update(images, prior_sample, noise, adversary_noise, aim)
            alike = None if self.trusts_batches else count
            return self.running_means.update(terms, alike, self.least_codes)

    def test_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """The terms on a test batch, with the moving moments of batch norm and no pixel noise."""
        images, aim = inputs.taken(self, batch)
        with self.once_there_is(images):
            terms = self.test_terms(images, self.running_means.next_test_batch(), aim)
            terms |= self.of_means(images, terms)
            return self.running_means.update(terms, replicas.count(images), self.least_codes)

    def test_terms(
        self, images: tf.Tensor, index: tf.Tensor, aim: Aim = TO_IMAGES
    ) -> dict[str, tf.Tensor]:
        """`objective` of a test batch, float [n, H, W, C]; its noise follows from the batch's number."""
        count = replicas.count(images)
        key = streams.key(self.settings.seed, "test/prior", index)
        prior_sample = self.sample_prior(count, key)
        noise = self.draw_noise(count, index, "test", training=False)
        terms, encoding = self.objective_and_encoding(images, prior_sample, noise, False, aim)
        return terms | self.test_adversary(encoding, prior_sample)

    def skipped_steps(self) -> int:
        """Updates left out because their gradients overflowed half precision, of both optimizers."""
        steps = int(self.step.numpy())
        return sum(update.skipped(steps) for update in self.updates)

    def advice(self) -> tuple[int, str] | None:
        """The step (from 1) since which something looks wrong, and what, as a clause; or None."""
        return None
