"""Does here what a record holds of the official code, and measures how far the numbers are apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.data import splits
from wae_tf.errors import DataError
from wae_tf.evaluation.samplers import Descent
from wae_tf.figures import projection
from wae_tf.figures.projection import least_gaussian_plane
from wae_tf.models import by_name
from wae_tf.models.gan import WaeGan
from wae_tf.models.step import schedules
from wae_tf.models.step.schedules import Plateau
from wae_tf.models.wae import Noise, Wae
from wae_tf.objective import costs, penalties
from wae_tf.official import options, weights
from wae_tf.official.parity import record

#: How many times the measured floor a difference may be where the floor is above the tolerance.
#: The floor is what one rounding of the weights alone does; here every operation rounds otherwise.
FLOOR_FACTOR = 3.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: the largest difference of a case's quantity.

    `floor` is what the official code differs by from itself when its initial weights are moved by
    one float32 rounding, in the same measure as `difference`; None where it was not recorded.
    """

    case: str
    quantity: str
    difference: float
    tolerance: float
    floor: float | None
    where: str  # the array that is nearest to its limit, or beyond it
    forks: int = 0  # nudged runs it took until one went the official run's way

    @property
    def limit(self) -> float:
        """The tolerance, or FLOOR_FACTOR times the floor where that is more."""
        return max(self.tolerance, FLOOR_FACTOR * (self.floor or 0.0))

    @property
    def verdict(self) -> str:
        """`ok`, `floor` (beyond the tolerance, but not beyond the official code's own), `FAIL`.

        `fork`: our run went another way, one from weights moved by one rounding the official way.
        """
        if self.forks and self.difference <= self.limit:
            return "fork"
        if self.difference <= self.tolerance:
            return "ok"
        return "floor" if self.difference <= self.limit else "FAIL"

    @property
    def ok(self) -> bool:
        """Whether the difference is a number within its limit."""
        return self.verdict != "FAIL"


#: Runs from weights moved by one rounding that are tried where 20 iterations ended far apart: a unit
#: near its threshold can fall on either side by rounding alone, and the run then takes another way.
FORKS = 24

#: Tolerances by quantity, from the official code under TensorFlow 1.15 against the same code under
#: 2.21 (outputs to 2e-5, losses 1e-6, gradients 1e-5, of mmdppp 4e-4).
OUTPUTS, LOSSES, GRADIENTS, GRADIENTS_1D = 3e-5, 1e-5, 1e-4, 1e-3
#: After 20 iterations.
LATE_LOSSES, LATE_OUTPUTS, LATE_WEIGHTS = 1e-3, 1e-2, 1e-5
#: A schedule's value, against float64.
SCHEDULES = 1e-6


class _Differences:
    """Collects the largest relative difference of each quantity of a case."""

    def __init__(self, case: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]):
        self.case, self.arrays = case, arrays
        self.floors = dict(zip(meta.get("floor", ()), arrays.get("floor", ()), strict=True))
        self.rows: dict[str, Row] = {}
        self.seen: set[str] = {"floor"} & set(arrays)

    def add(
        self, quantity: str, name: str, mine: Any, tolerance: float, scale: float | None = None
    ) -> None:
        """Compares with the recorded array: the largest |difference| over `scale`.

        Without a scale: the recorded array's largest absolute value.
        """
        stored = self.arrays[name]
        self.seen.add(name)
        mine = record.like(np.asarray(mine), stored).astype(np.float64)
        stored = stored.astype(np.float64)
        if scale is None:
            scale = float(np.abs(stored).max()) or 1.0
        difference = float(np.abs(mine - stored).max() / scale) if stored.size else 0.0
        if not np.isfinite(difference):
            difference = float("inf")
        floor = float(self.floors[name]) / scale if name in self.floors else None
        row = Row(self.case, quantity, difference, tolerance, floor, name)
        worst = self.rows.get(quantity)
        if worst is None or _share(row) > _share(worst):
            self.rows[quantity] = row

    def loss(self, quantity: str, name: str, mine: Any, tolerance: float) -> None:
        """Compares a loss, relative to max(1, |value|): an MMD's own size is no measure."""
        largest = float(np.abs(self.arrays[name]).max())
        self.add(quantity, name, mine, tolerance, max(1.0, largest))


def _share(row: Row) -> float:
    if math.isinf(row.limit):
        return row.difference
    return row.difference / row.limit if row.limit else float(row.difference > 0)


class Replay:
    """One recorded case on our side.

    Args:
        path: the record.
        precision: `float32`, or `float64` to see which difference is rounding.

    Raises:
        DataError: the record's inputs cannot be made here bit by bit.
    """

    def __init__(self, path: str, precision: str = "float32"):
        self.meta, self.arrays = record.load(path)
        wrong = record.check_inputs(self.meta)
        if wrong:
            raise DataError(
                f"{path}: this NumPy makes other {', '.join(wrong)} than the recorder's."
            )
        self.opts = self.meta["opts"]
        self.config = options.config_of(self.opts, precision=precision)
        self.weights = record.make_weights(self.meta)
        self.model = by_name.from_config(
            self.config, tuple(self.meta["image_shape"]), self.meta["train_size"]
        )
        self.differences = _Differences(self.meta["name"], self.meta, self.arrays)
        self.penalty_is_1d = self.opts["z_test"] == "mmdppp"

    def rows(self) -> list[Row]:
        """All quantities that the record holds."""
        self.evaluation()
        self.single_passes()
        if self.opts["e_pretrain"]:
            self.pretraining()
        self.sharpness()
        self.plane()
        if self.meta["steps"]:
            self.steps_with_forks()
        if "improved/loss" in self.arrays:
            self.improved()
        unseen = sorted(set(self.arrays) - self.differences.seen)
        if unseen:
            raise DataError(f"{self.meta['name']}: the record holds {unseen[0]}, unknown here.")
        return list(self.differences.rows.values())

    # Helpers.

    def _reset(self, nudge: int = 0) -> Wae:
        weights.assign(self.model, record.nudge(self.weights, nudge), "the record")
        return self.model

    def _tensor(self, value: Any) -> tf.Tensor:
        return tf.cast(tf.constant(value), self.model.full)

    def _noise(self, made: Mapping[str, np.ndarray], prefix: str = "noise/") -> Noise:
        kinds = {"pixels": "pixels", "code": "code", "many": "many_codes"}
        return Noise(
            **{
                ours: self._tensor(made[prefix + theirs])
                for ours, theirs in kinds.items()
                if prefix + theirs in made
            }
        )

    def _gradients(self, quantity: str, prefix: str, mine: Mapping[str, np.ndarray]) -> None:
        tolerance = GRADIENTS_1D if self.opts["z_test"] == "mmdppp" else GRADIENTS
        recorded = {n[len(prefix) :]: a for n, a in self.arrays.items() if n.startswith(prefix)}
        largest: dict[str, float] = {}
        for name, value in recorded.items():
            scope = name.split("/")[0]
            largest[scope] = max(largest.get(scope, 0.0), float(np.abs(value).max()))
        for name in recorded:
            # The true gradient of a bias that a batch norm centres is zero.
            centred = self.config.batch_norm and weights.feeds_batch_norm(name, self.weights)
            scale = largest[name.split("/")[0]] if centred else None
            self.differences.add(quantity, prefix + name, mine[name], tolerance, scale)

    def _gradient_of(self, function: Callable[[], tf.Tensor], scopes: tuple[str, ...]) -> dict:
        named = {
            name: variable
            for name, variable in weights.official_variables(self.model).items()
            if name.split("/")[0] in scopes and variable.trainable
        }
        with tf.GradientTape() as tape:
            loss = function()
        gradients = tape.gradient(
            loss, [v.value for v in named.values()], unconnected_gradients="zero"
        )
        return {name: g.numpy() for name, g in zip(named, gradients, strict=True)}

    def _moments(self, prefix: str) -> None:
        variables = weights.official_variables(self.model)
        for name in self.arrays:
            if name.startswith(prefix) and "/moving_" in name:
                self.differences.add("moments", name, variables[name[len(prefix) :]], OUTPUTS)

    # Passes.

    def _inputs(self) -> tuple[tf.Tensor, tf.Tensor, Noise]:
        made = record.make_inputs(self.meta)
        return self._tensor(made["images"]), self._tensor(made["prior_sample"]), self._noise(made)

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
        values = model.losses(images, prior_sample, noise, training=training)
        del values["code_width"]  # the guard's, not the official code's
        values["objective"] = values.pop("loss")
        if isinstance(model, WaeGan):
            values["adversary_loss"] = model.adversary_loss(images, prior_sample, noise, training)
            codes = model.encoding(images, noise, training).codes
            outputs |= {
                "logits_pz": model.adversary_logits(prior_sample)[0],
                "logits_qz": model.adversary_logits(codes)[0],
            }
        for name, value in values.items():
            self.differences.loss("losses", prefix + name, value, LOSSES)

    def single_passes(self) -> None:
        """Training-mode losses, gradients, and batch-norm moments after one pass."""
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

        model = self._reset()
        gradients = self._gradient_of(
            lambda: model.losses(images, prior_sample, noise)["loss"], ("encoder", "generator")
        )
        self._gradients("gradients, autoencoder", "grad/ae/", gradients)
        self._moments("moments/")
        if isinstance(model, WaeGan):
            self._reset()
            gradients = self._gradient_of(
                lambda: model.adversary_loss(images, prior_sample, noise), ("z_adversary",)
            )
            self._gradients("gradients, adversary", "grad/adv/", gradients)
            self._moments("moments_adv/")

    def pretraining(self) -> None:
        """The pretraining loss, its gradients, and the encoder after one step."""
        made = record.make_inputs(self.meta)
        images = self._tensor(made["pretrain/images"])
        prior_sample = self._tensor(made["pretrain/prior_sample"])
        noise = self._noise(made, "pretrain/noise/")
        model = self._reset()
        size = self.config.pretrain_size

        def loss() -> tf.Tensor:
            codes = model.encoding(images, noise, training=True).codes
            return penalties.moment_matching(codes, prior_sample, size)

        gradients = self._gradient_of(loss, ("encoder",))
        self._gradients("gradients, pretraining", "grad/pretrain/", gradients)
        self._reset()
        optimizer = model.make_optimizer(self.config.lr)
        optimizer.build(model.encoder.trainable_variables)
        value = model.pretrain_step(optimizer, images, prior_sample, noise)
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
                # its figure does not use it there (official wae.py:732).
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

    def steps_with_forks(self) -> None:
        """`steps`, and again from weights moved by one rounding while the run goes another way."""
        before = dict(self.differences.rows)
        for nudge in range(FORKS + 1):
            self.differences.rows = {}
            self.steps(nudge)
            rows = self.differences.rows
            if nudge == 0:
                first = rows
            if all(row.ok for row in rows.values()):
                break
        else:
            nudge, rows = 0, first
        rows = {name: dataclasses.replace(row, forks=nudge) for name, row in rows.items()}
        self.differences.rows = before | rows

    def steps(self, nudge: int = 0) -> None:
        """Iterations as `train()` makes them: losses, then outputs and weights."""
        model = self._reset(nudge)
        model.step.assign(0)
        model.compile(jit_compile=False)
        update = tf.function(model.update)
        names = {"objective": "loss", "reconstruction": "reconstruction", "penalty": "penalty"}
        if isinstance(model, WaeGan):
            names["adversary_loss"] = "adversary_loss"
        mine: dict[str, list[float]] = {name: [] for name in (*names, "lr_decay", "lambda")}
        for step in range(self.meta["steps"]):
            made = record.make_step_inputs(self.meta, step)
            mine["lr_decay"].append(float(model.lr_decay()))
            mine["lambda"].append(float(model.wae_lambda.numpy()))
            second = self._noise(made, "noise_adv/") if "adversary_loss" in names else None
            logs = update(
                self._tensor(made["images"]),
                self._tensor(made["prior_sample"]),
                self._noise(made),
                second,
            )
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
            self.differences.add("weights, 20 steps", prefix + name, variables[name], limit)

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


def schedule_rows(path: str) -> list[Row]:
    """Learning-rate decay and lambda in every iteration of every schedule."""
    meta, arrays = record.load(path)
    rows = []
    for name, setting in meta["schedules"].items():
        case = f"schedule {name}"
        prefix, opts = f"schedule/{name}/", setting
        losses, reconstruction, penalty = (
            arrays[prefix + part] for part in ("losses", "reconstruction", "penalty")
        )
        batches = setting["batches_num"]
        decays, weights_ = [], []
        table = schedules.decay_table(str(opts["lr_schedule"]), opts["epoch_num"])
        plateau = None
        if opts["lr_schedule"] == "plateau":
            plateau = Plateau(_variable, batches)
            update = tf.function(plateau.update)
        adapt = tf.function(schedules.adapted_lambda)
        weight = tf.constant(opts["lambda"], tf.float32)
        for step in range(len(losses)):
            index = tf.constant(step, tf.int64)
            decays.append(float(plateau.decay) if plateau else table[step // batches])
            weights_.append(float(weight))
            if plateau:
                update(index, tf.constant(losses[step], tf.float32))
            if opts.get("lambda_schedule") == "adaptive":
                weight = adapt(
                    index,
                    weight,
                    tf.constant(reconstruction[step], tf.float32),
                    tf.constant(penalty[step], tf.float32),
                )
        for part, mine in (("decay", decays), ("lambda", weights_)):
            stored = arrays[prefix + part]
            relative = np.max(np.abs(np.array(mine) / stored - 1.0))
            rows.append(Row(case, part, float(relative), SCHEDULES, None, prefix + part))
    return rows


def _variable(name: str, shape: tuple[int, ...], value: Any, dtype: str = "float32") -> tf.Variable:
    filled = np.full(shape, float("inf") if value == "inf" else value)
    return tf.Variable(filled.astype(dtype), name=name)


def split_rows(path: str) -> list[Row]:
    """The order of every data set after the official shuffle: 0 where equal, 1 where not."""
    import hashlib

    meta, _ = record.load(path)
    rows = []
    for name, stored in meta["splits"].items():
        order = splits.celeba_order() if name == "celebA" else splits.numpy_order(stored["size"])
        order = np.asarray(order)
        same = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest() == stored["sha256"]
        same &= list(order[:50]) == stored["first"] and list(order[-50:]) == stored["last"]
        rows.append(Row(f"split {name}", "order", float(not same), 0.0, None, name))
    return rows
