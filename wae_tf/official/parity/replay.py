"""Does here what a record holds of the official code, and measures how far the numbers are apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.evaluation.samplers import Descent
from wae_tf.figures import projection
from wae_tf.figures.projection import least_gaussian_plane
from wae_tf.models import pretraining
from wae_tf.models.gan import WaeGan
from wae_tf.models.wae import Noise
from wae_tf.objective import costs, mmdpp, priors
from wae_tf.official import weights
from wae_tf.official.parity import record, terms
from wae_tf.official.parity.differences import (
    FORKS,
    LATE_LOSSES,
    LATE_OUTPUTS,
    LATE_WEIGHTS,
    LOSSES,
    OUTPUTS,
    SCHEDULES,
    STEADY,
    Row,
)
from wae_tf.official.parity.gradients import Gradients


class Replay(Gradients):
    """Does what a case holds of the official code, part by part."""

    _update: Callable[..., dict[str, tf.Tensor]] | None = None

    def rows(self) -> list[Row]:
        """All quantities that the record holds."""
        self.evaluation()
        self.single_passes()
        self._forked(self.gradients)
        if self.opts["e_pretrain"]:
            self._forked(self.pretraining)
        self.sharpness()
        self.plane()
        if self.meta["steps"]:
            self._forked(self.steps)
        if "improved/loss" in self.arrays:
            self.improved()
        unseen = sorted(set(self.arrays) - self.differences.seen)
        if unseen:
            raise DataError(f"{self.meta['name']}: the record holds {unseen[0]}, unknown here.")
        return list(self.differences.rows.values())

    def evaluation(self) -> None:
        """Outputs and losses with is_training False."""
        model = self._reset()
        images, prior_sample, noise = self._inputs()
        noise = noise._replace(pixels=None)
        encoding = model.encoding(images, noise, training=False)
        logits = model.decoder(encoding.codes, training=False)
        decoded = model.decoder(prior_sample, training=False)
        outputs = {
            "codes": encoding.codes,
            "reconstruction_logits": logits,
            "reconstructions": model.squash(logits),
            "decoded_logits": decoded,
            "decoded": model.squash(decoded),
        }
        if encoding.logvar is not None:
            outputs |= {"mean": encoding.mean, "logvar": encoding.logvar}
        if encoding.matrix is not None:
            outputs["encoder_A"] = encoding.matrix
        self._pass_losses("eval/", images, prior_sample, noise, outputs, training=False)
        for name, value in outputs.items():
            self.differences.add("outputs", f"eval/{name}", value, OUTPUTS)

    def _pass_losses(
        self,
        prefix: str,
        images: tf.Tensor,
        prior_sample: tf.Tensor,
        noise: Noise,
        outputs: dict[str, Any],
        training: bool,
    ) -> None:
        model = self._reset()
        values = model.objective(images, prior_sample, noise, training=training)
        if training:
            self._moments("moments/")
        del values["code_width"]  # the guard's, not the official code's
        # What the penalty differs by is told by its own row: lambda times it, rounding of a lambda of 300
        # too, is no difference of the sum.
        official = float(self.arrays[f"{prefix}penalty"])
        apart = official - float(values["penalty"])
        values["objective"] = float(values.pop("loss")) + self.opts["lambda"] * apart
        if isinstance(model, WaeGan):
            self._reset()
            values["adversary_loss"] = model.adversary_loss(images, prior_sample, noise, training)
            if training:
                self._moments("moments_adv/")
            codes = model.encoding(images, noise, training).codes
            outputs |= {
                "logits_pz": model.adversary_logits(prior_sample)[0],
                "logits_qz": model.adversary_logits(codes)[0],
            }
        for name, value in values.items():
            large = self._terms(images, prior_sample, noise, training) if name == "penalty" else 0.0
            self.differences.loss("losses", prefix + name, value, LOSSES, large)

    def _terms(
        self, images: tf.Tensor, prior_sample: tf.Tensor, noise: Noise, training: bool
    ) -> float:
        """The size of the penalty's terms, of MMD+++: its N weights one of them with N. Others' are of 1."""
        config = self.config
        if self.opts["z_test"] != "mmdppp":
            return 0.0
        encoding = self._reset().encoding(images, noise, training)
        codes = mmdpp.many_codes(encoding.mean, encoding.logvar, noise.codes_per_image)
        return terms.mmdppp(
            codes.numpy(),
            prior_sample.numpy(),
            self.meta["train_size"],
            config.mmd_kernel,
            priors.kernel_width(config.prior, config.zdim, config.prior_scale),
        )

    def single_passes(self) -> None:
        """Training-mode outputs and losses, and batch-norm moments after one pass."""
        images, prior_sample, noise = self._inputs()
        model = self._reset()
        encoding = model.encoding(images, noise, training=True)
        outputs = {
            "codes": encoding.codes,
            "reconstruction_logits": model.decoder(encoding.codes, training=True),
        }
        self._pass_losses("train/", images, prior_sample, noise, outputs, training=True)
        for name, value in outputs.items():
            self.differences.add("outputs", f"train/{name}", value, OUTPUTS)

    def gradients(self, nudge: int = 0) -> None:
        """Gradients of the objective, and of the adversary's loss."""
        self._compare("gradients, autoencoder", "grad/ae/", self._ours("grad/ae/", nudge))
        if isinstance(self.model, WaeGan):
            self._compare("gradients, adversary", "grad/adv/", self._ours("grad/adv/", nudge))

    def pretraining(self, nudge: int = 0) -> None:
        """The pretraining loss, its gradients, and the encoder after one step."""
        images, prior_sample, noise = self._pretraining_inputs()
        gradients = self._ours("grad/pretrain/", nudge)
        self._compare("gradients, pretraining", "grad/pretrain/", gradients)
        model = self._reset(nudge)
        update = pretraining.make_update(model)
        value = pretraining.step(model, update, images, prior_sample, noise)
        self.differences.loss("losses", "pretrain/loss", value, LOSSES)
        variables = weights.official_variables(model)
        prefix = "pretrain/after/"
        for name in [n[len(prefix) :] for n in self.arrays if n.startswith(prefix)]:
            self._after_one_step(prefix, name, variables[name], gradients)
        self._moments("moments_pretrain/")

    def _after_one_step(
        self, prefix: str, name: str, mine: Any, gradients: Mapping[str, np.ndarray]
    ) -> None:
        if "/moving_" in name:
            self.differences.add("moments", prefix + name, mine, OUTPUTS)
            return
        # Adam's first step is lr in the direction of the gradient's sign, which rounding decides
        # where the gradient is rounding itself: such elements may be two steps apart.
        stored, mine = self.arrays[prefix + name], np.asarray(mine)
        if self.config.optimizer == "adam":
            before, step = self.weights[name], self.config.lr
            largest = max(float(np.abs(g).max()) for g in gradients.values())
            doubtful = np.abs(gradients[name]) < 1e-4 * largest
            if mine.shape == stored.shape:
                mine = np.where(doubtful & (np.abs(mine - before) <= 1.01 * step), stored, mine)
            elif doubtful.any():
                limit = 2.0 * step / (float(np.abs(stored).max()) or 1.0)
                self.differences.add("pretraining step, signs", prefix + name, mine, limit)
                return
        self.differences.add("pretraining step", prefix + name, mine, LATE_WEIGHTS)

    def sharpness(self) -> None:
        """The sharpness of the images."""
        images = self._inputs()[0]
        self.differences.add("sharpness", "sharpness", costs.sharpness(images), OUTPUTS)

    def plane(self) -> None:
        """The least-Gaussian plane's objective, and ten of its steps."""
        made = record.make_plane_inputs(self.meta)
        start = np.stack([made["v"][:, 0], made["u"][:, 0]])

        def plane(steps: int) -> np.ndarray:
            return least_gaussian_plane(
                made["sample"], self.config.prior_scale, 0, 1, steps, tolerance=0.0, start=start
            )

        first = plane(0)
        covariance = np.cov(made["sample"] @ first, rowvar=False)
        value = -projection.objective(made["sample"], first, self.config.prior_scale)
        for name, mine in {
            "plane/loss": value,
            "plane/v": first[:, :1],
            "plane/u": first[:, 1:],
            "plane/covhat": covariance,
            "plane/after/v": plane(record.PLANE_STEPS)[:, :1],
            "plane/after/u": plane(record.PLANE_STEPS)[:, 1:],
        }.items():
            if name.startswith("plane/after") and self.config.zdim == 2:
                # Two dimensions have one plane: the official climb turns it by rounding alone, and
                # its figure does not use it there (official wae.py:731).
                self.differences.seen.add(name)
                continue
            stored = self.arrays[name]
            mine = np.array(mine).reshape(stored.shape)
            if self.config.zdim == 1:
                # One dimension leaves nothing for u: the official u is the rounding of u - u over
                # 1e-6. What it does not enter is compared, v and the variance along v.
                if name in ("plane/loss", "plane/u", "plane/after/u"):
                    self.differences.seen.add(name)
                    continue
                if name == "plane/covhat":
                    mine.flat[1:] = stored.flat[1:]
            self.differences.add("plane", name, mine, OUTPUTS)

    def _forked(self, passes: Callable[[int], None]) -> None:
        """`passes`, and again from weights moved by one rounding while what can fork goes another way."""
        kept, self.differences.rows = self.differences.rows, {}
        passes(0)
        first = rows = self.differences.rows
        steady = all(first[name].ok for name in STEADY & first.keys())
        for nudge in range(1, FORKS + 1 if steady else 1):
            if all(row.ok for row in rows.values()):
                break
            self.differences.rows = {}
            passes(nudge)
            moved = {n: row for n, row in self.differences.rows.items() if n not in STEADY}
            rows = {name: dataclasses.replace(row, forks=nudge) for name, row in moved.items()}
        if not all(row.ok for row in rows.values()):
            rows = first
        self.differences.rows = kept
        for row in (first | rows).values():
            self.differences.keep(row)

    def steps(self, nudge: int = 0) -> None:
        """Iterations as `train()` makes them: losses, then outputs and weights."""
        model = self._reset(nudge)
        model.step.assign(0)
        update = self._compiled()
        names = {"objective": "loss", "reconstruction": "reconstruction", "penalty": "penalty"}
        if isinstance(model, WaeGan):
            names["adversary_loss"] = "adversary_loss"
        mine: dict[str, list[float]] = {name: [] for name in (*names, "lr_decay", "lambda")}
        for step in range(self.meta["steps"]):
            mine["lr_decay"].append(float(model.schedules.decay(tf.convert_to_tensor(model.step))))
            mine["lambda"].append(float(model.wae_lambda.numpy()))
            logs = update(*self.step_inputs(step))
            for name, ours in names.items():
                mine[name].append(float(logs[ours]))
        for name, values in mine.items():
            late = name in names
            quantity = "losses, 20 steps" if late else "schedules, 20 steps"
            limit = LATE_LOSSES if late else SCHEDULES
            self.differences.loss(quantity, f"steps/{name}", np.array(values), limit)
        made = record.make_inputs(self.meta)
        noise = self._noise(made)._replace(pixels=None)
        encoding = model.encoding(self._tensor(made["images"]), noise, training=False)
        for name, value in {
            "codes": encoding.codes,
            "reconstructions": model.decode(encoding.codes),
            "decoded": model.decode(made["prior_sample"]),
        }.items():
            name = f"steps/after/eval/{name}"
            self.differences.add("outputs, 20 steps", name, value, LATE_OUTPUTS)
        # Adam turns the sign of rounding into steps of lr where a batch norm makes the gradient of
        # a bias zero, and the moving means follow: such runs are held by the losses and outputs
        # above, and their weights are reported without a tolerance.
        exact = self.config.optimizer == "sgd" or not self.config.batch_norm
        prefix = "steps/after/var/"
        variables = weights.official_variables(model)
        for name in [n[len(prefix) :] for n in self.arrays if n.startswith(prefix)]:
            limit = LATE_WEIGHTS if exact else math.inf
            scale = self._largest_on_the_way(name, self.arrays[prefix + name])
            self.differences.add("weights, 20 steps", prefix + name, variables[name], limit, scale)

    def _largest_on_the_way(self, name: str, after: np.ndarray) -> float:
        """How large a weight was while it was trained: what is small after may be left of what was not.

        The rounding of its start and of the steps, of which one of Adam is lr at most, stays.
        """
        largest = float(np.abs(after).max(initial=0.0))
        if "/moving_" in name:  # its start fades
            return largest
        path = 0.0
        if self.config.optimizer == "adam":
            rate = self.config.lr_adv if name.startswith("z_adversary/") else self.config.lr
            path = self.meta["steps"] * rate
        return max(largest, float(np.abs(self.weights[name]).max(initial=0.0)), path)

    def step_inputs(self, step: int) -> tuple[tf.Tensor, tf.Tensor, Noise, Noise | None]:
        """What `update` takes in an iteration: images, prior sample, and the noise of its passes."""
        made = record.make_step_inputs(self.meta, step)
        second = self._noise(made, "noise_adv/") if isinstance(self.model, WaeGan) else None
        images, prior_sample = self._tensor(made["images"]), self._tensor(made["prior_sample"])
        return images, prior_sample, self._noise(made), second

    def _compiled(self) -> Callable[..., dict[str, tf.Tensor]]:
        """The update of new optimizers; traced once, for each fork their state is put back."""
        if self._update is None:
            self.model.compile(jit_compile=False)
            optimizers = [update.optimizer for update in self.model.updates]
            self._new = [(v, v.numpy()) for each in optimizers for v in each.variables]
            self._update = tf.function(self.model.update, autograph=False)
        for variable, value in self._new:
            variable.assign(value)
        return self._update

    def improved(self) -> None:
        """Improved sampling of one batch, sphere as the official code normalises it."""
        model = self._reset()
        made = record.make_improved_inputs(self.meta)
        noise = self._noise(made)._replace(pixels=None)
        descent = Descent(model, record.IMPROVED_ROWS, "batch", noise)
        codes, images, looks = descent.descend(made["codes"])
        steps = np.array([step + 1 for step, _ in looks])
        self.differences.add("improved sampling", "improved/steps", steps, 0.0)
        values = np.array([loss for _, loss in looks])
        self.differences.loss("improved sampling", "improved/loss", values, LATE_LOSSES)
        for name, value in {"codes": codes, "pictures": images}.items():
            self.differences.add("improved sampling", f"improved/{name}", value, LATE_OUTPUTS)
