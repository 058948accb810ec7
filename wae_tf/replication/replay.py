"""Does here what a record holds of the report's code, and measures how far the numbers are apart."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.models import by_name
from wae_tf.models.gan import WaeGan
from wae_tf.models.step import schedules
from wae_tf.models.wae import Noise, Wae
from wae_tf.objective import costs
from wae_tf.official.parity.differences import Row
from wae_tf.pixels import to_float
from wae_tf.replication import inputs, options, weights

#: Tolerances in float64 and in float32 (None: not compared there beyond the outputs).
OUTPUTS = {"f64": 1e-7, "f32": 1e-5}
LOSSES, GRADIENTS = 1e-7, 1e-6
#: After 10 steps, float64. Adam makes whole steps of gradients that are rounding (biases that a batch
#: norm centres, and the moving means that follow them): such weights are not held.
LATE = 1e-6
#: Moments of initial weights, in standard errors of the two samples' difference.
STANDARD_ERRORS = 5.0
#: Biases that a batch norm centres: their true gradient is zero.
CENTRED = re.compile(r"vae/(e[1-4]|d[2-4])\.0\.bias")
#: A rate or a pixel.
EXACT = 1e-7


class Replay:
    """One recorded case on our side.

    Args:
        path: the record.

    Raises:
        DataError: the record's inputs cannot be made here bit by bit.
    """

    def __init__(self, path: str):
        self.meta, self.arrays = inputs.load(path)
        made = inputs.hashes(self.meta)
        wrong = [part for part, value in self.meta["sha256"].items() if made[part] != value]
        if wrong:
            raise DataError(
                f"{path}: this NumPy makes other {', '.join(wrong)} than the recorder's."
            )
        self.floors = dict(zip(self.meta["floor"], self.arrays["floor"], strict=True))
        self.worst: dict[str, Row] = {}
        self.seen = {"floor"}

    def config(self, precision: str, **changes: Any) -> Any:
        """The case's Config."""
        case: dict[str, Any] = {
            key: self.meta[key] for key in ("dataset", "loss", "revision", "filters", "hidden")
        }
        case |= {"precision": precision, "jit": False} | changes
        return options.config_of(self.meta["settings"], torch=self.meta["torch"], **case)

    def rows(self) -> list[Row]:
        """All quantities that the record holds."""
        self.begin("f64")
        self.evaluation()
        self.step()
        self.test()
        if self.meta["steps"]:
            self.steps()
        self.begin("f32")
        self.evaluation()
        self.once()
        unseen = sorted(set(self.arrays) - self.seen)
        if unseen:
            raise DataError(f"{self.meta['name']}: the record holds {unseen[0]}, unknown here.")
        return list(self.worst.values())

    # Helpers.

    def begin(self, short: str) -> None:
        """Makes the model of a precision, `f64` or `f32`."""
        precision = {"f64": "float64", "f32": "float32"}[short]
        config = self.config(precision)
        self.model = by_name.from_config(
            config, tuple(self.meta["image_shape"]), 10 * config.batch_size
        )
        self.start = inputs.nudge(inputs.make_weights(self.meta), 0, precision)
        self.short = short

    def add(self, quantity: str, name: str, mine: Any, tolerance: float, scale: float = 0) -> None:
        """Compares with the recorded array, relative to `scale` or its largest absolute value."""
        stored = self.arrays[name]
        self.seen.add(name)
        mine = inputs.like(np.asarray(mine, np.float64), stored)
        scale = scale or float(np.abs(stored).max()) or 1.0
        difference = float(np.abs(mine - stored).max() / scale)
        difference = difference if np.isfinite(difference) else float("inf")
        floor = self.floors.get(name)
        row = Row(
            self.meta["name"],
            quantity,
            difference,
            tolerance,
            None if floor is None else float(floor) / scale,
            name,
        )
        worst = self.worst.get(quantity)
        if worst is None or row.difference / row.limit > worst.difference / worst.limit:
            self.worst[quantity] = row

    def both(self, quantity: str, name: str, mine: Any, tolerance: float, scale: float = 0) -> None:
        """`add` in the present precision; float32 is held by its outputs alone."""
        name = f"{self.short}/{name}"
        if name not in self.arrays:
            return
        if quantity == "blur":  # its Laplacian is float32 in either case
            self.add("blur, float32", name, mine, tolerance, scale)
        elif self.short == "f64":
            self.add(f"{quantity}, float64", name, mine, tolerance, scale)
        else:
            self.add("outputs, float32", name, mine, OUTPUTS["f32"])

    def reset(self) -> Wae:
        """The model with the record's weights."""
        weights.assign(self.model, self.start)
        return self.model

    def tensor(self, value: Any) -> tf.Tensor:
        """In the model's precision."""
        return tf.cast(tf.constant(value), self.model.full_dtype)

    def inputs(self, made: dict[str, np.ndarray]) -> tuple[tf.Tensor, tf.Tensor, Noise]:
        """Images, prior sample and noise of a pass."""
        prior_sample = self.tensor(made["prior"]) * self.model.settings.prior_scale
        noise = Noise(code=self.tensor(made["code"]), again=self.tensor(made["again"]))
        return self.tensor(made["images"]), prior_sample, noise

    def gradients(self, tape: tf.GradientTape, loss: tf.Tensor, scope: str) -> None:
        """Compares the gradients of a loss with respect to one network's variables."""
        named = {
            name: variable
            for name, (variable, _) in weights.variables(self.model).items()
            if name.startswith(scope) and variable.trainable
        }
        found = tape.gradient(loss, [v.value for v in named.values()])
        mine = weights.in_torch_order(self.model, dict(zip(named, found, strict=True)))
        largest = max(float(np.abs(value).max()) for value in mine.values())
        for name, value in mine.items():
            scale = largest if CENTRED.fullmatch(name) else 0
            self.both(f"gradients {scope}", f"grad/{name}", value, GRADIENTS, scale)

    # Passes.

    def evaluation(self) -> None:
        """Outputs with the moving moments."""
        model = self.reset()
        made = inputs.make_inputs(self.meta)
        images, _, noise = self.inputs(made)
        encoding = model.encoding(images, noise, training=False)
        outputs = {
            "mean": encoding.mean,
            "logvar": encoding.logvar,
            "codes": encoding.codes,
            "reconstructions": model.decode(encoding.codes),
            "decoded": model.decode(self.tensor(made["prior"])),
        }
        for name, value in outputs.items():
            self.both("outputs", f"eval/{name}", value, OUTPUTS["f64"])

    def step(self) -> None:
        """Losses, gradients and moments of one pass in training."""
        model = self.reset()
        images, prior_sample, noise = self.inputs(inputs.make_inputs(self.meta))
        with tf.GradientTape(persistent=True) as tape:
            terms, encoding = model.objective_and_encoding(images, prior_sample, noise)
            adversary = None
            if isinstance(model, WaeGan):
                adversary = model.adversary_loss_of(encoding.codes, prior_sample)
        moments = weights.read(model)
        penalty = float(terms["penalty"]) * model.settings.wae_lambda
        found = {"loss": terms["loss"], "cost": terms["reconstruction"], "penalty": penalty}
        if adversary is not None:
            found["adversary_loss"] = adversary
        for name, value in found.items():
            # An MMD's own size is no measure.
            scale = max(1.0, float(np.abs(self.arrays[f"{self.short}/train/{name}"])))
            self.both("losses", f"train/{name}", value, LOSSES, scale)
        self.gradients(tape, terms["loss"], "vae")
        if adversary is not None:
            self.gradients(tape, adversary, "dis")
        for name in moments:
            if "running_" in name:
                self.both("moments", f"moments/{name}", moments[name], LOSSES)

    def steps(self) -> None:
        """Losses and weights of ten steps of training."""
        model = self.reset()
        model.step.assign(0)
        model.compile(jit_compile=False)
        update = tf.function(model.update, autograph=False)
        losses, adversary = [], []
        for k in range(self.meta["steps"]):
            logs = update(*self.inputs(inputs.make_inputs(self.meta, "step", k)))
            losses.append(float(logs["loss"]))
            adversary.append(float(logs.get("adversary_loss", 0.0)))
        self.both("losses, 10 steps", "steps/loss", losses, LATE)
        if isinstance(model, WaeGan):
            self.both("losses, 10 steps", "steps/adversary_loss", adversary, LATE)
        for name, value in weights.read(model).items():
            if CENTRED.fullmatch(name) or name.endswith("running_mean"):
                self.seen.add(f"{self.short}/steps/after/{name}")
                continue
            self.both("weights, 10 steps", f"steps/after/{name}", value, LATE)

    def test(self) -> None:
        """The test line: total loss and blur over a whole batch and half of one."""
        model = self.reset()
        made = inputs.make_inputs(self.meta)
        totals = []
        for part in (made, inputs.half(made)):
            images, prior_sample, noise = self.inputs(part)
            totals.append(
                float(model.objective(images, prior_sample, noise, training=False)["loss"])
            )
            codes = model.encoding(images, noise, training=False).codes
            blur = costs.whole_batch_sharpness(tf.cast(model.decode(codes), tf.float32))
        self.both("test line", "test/loss", np.mean(totals), LOSSES)
        self.both("blur", "test/blur", float(blur), OUTPUTS["f32"])
        images = tf.cast(made["images"], tf.float32)
        self.both("blur", "blur", costs.whole_batch_sharpness(images), OUTPUTS["f32"])

    def once(self) -> None:
        """Learning rates, initial weights, pixels."""
        config = self.config("float32")
        factors = schedules.decay_table(config.lr_schedule, config.epochs)
        self.add("learning rate by epoch", "lr/vae", config.lr * factors, EXACT)
        if "lr/dis" in self.arrays:
            self.add("learning rate by epoch", "lr/dis", config.lr_adv * factors, EXACT)
        made = inputs.make_bytes(self.meta)
        images = made if self.meta["dataset"] == "celeb" else made[:, None, None]
        pixels = to_float(images, config.pixel_range_of_data)
        self.add("pixels", "pixels", pixels.reshape(made.shape), EXACT, 1.0)
        if any(name.startswith("init/") for name in self.arrays):
            self.initial_weights()

    def initial_weights(self) -> None:
        """Mean and mean square of fresh parameters, in standard errors."""
        draws: dict[str, list[np.ndarray]] = {}
        for seed in range(inputs.INITS):
            config = self.config("float32", seed=seed, **self._torch_default())
            model = by_name.from_config(config, tuple(self.meta["image_shape"]), 1000)
            for name, value in weights.read(model).items():
                draws.setdefault(f"init/{name}", []).append(value.reshape(-1))
        for name in [n for n in self.arrays if n.startswith("init/")]:
            self.seen.add(name)
            if name not in draws:
                continue  # the adversary of a run that has none
            mine = np.concatenate(draws[name]).astype(np.float64)
            mean, rms, *_, count = self.arrays[name]
            if mine.size != count:
                raise DataError(
                    f"{self.meta['name']}: {name} has {count:g} numbers, not {mine.size}"
                )
            of_mean = np.sqrt((mine.var() + max(rms**2 - mean**2, 0.0)) / count)
            of_squares = np.sqrt(2.0 * np.var(mine**2) / count)
            for ours, theirs, error in (
                (mine.mean(), mean, of_mean),
                (np.mean(mine**2), rms**2, of_squares),
            ):
                apart = abs(ours - theirs)
                errors = apart / error if error > 0 else (0.0 if apart == 0 else float("inf"))
                row = Row(
                    self.meta["name"],
                    "initial weights, standard errors",
                    float(errors),
                    STANDARD_ERRORS,
                    None,
                    name,
                )
                worst = self.worst.get(row.quantity)
                if worst is None or row.difference > worst.difference:
                    self.worst[row.quantity] = row

    def _torch_default(self) -> dict[str, str]:
        version = tuple(int(part) for part in self.meta["torch"].split(".")[:2])
        return {"init": "torch_1.0" if version < (1, 2) else "torch"}
