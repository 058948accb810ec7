"""An autoencoder's optimizers: of the settings or given, their learning rates, and saved with the model."""

from __future__ import annotations

from typing import Any

import keras

from wae_tf.models import arguments, inputs
from wae_tf.models.autoencoder import Autoencoder
from wae_tf.models.step import rates, updates
from wae_tf.models.step.schedules import Schedules
from wae_tf.settings import devices

#: Of `keras.Model.compile`: how steps run, not what they compute.
HOW_TO_RUN = ("jit_compile", "run_eagerly", "steps_per_execution")


class CompiledAutoencoder(Autoencoder):
    """An autoencoder, its adversary's too, with what moves their weights.

    Args:
        image_shape: of `Autoencoder`.
        *args: of `Autoencoder`.
        schedule_length: (steps an epoch, epochs) that a learning rate which is not constant follows;
            None: those of each `fit`.
        **kwargs: of `Autoencoder`.
    """

    @arguments.as_of(Autoencoder)
    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        *args: Any,
        schedule_length: tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(image_shape, *args, **kwargs)
        self.schedules = Schedules(self.settings)
        if schedule_length is not None:
            self.schedules.set_length(*schedule_length)
        self.updates: list[updates.Update] = []
        self.adversary_optimizer: keras.optimizers.Optimizer | None = None
        self.tied_rates: rates.TiedRates | None = None

    def get_config(self) -> dict[str, Any]:
        """What `keras.saving` needs to make this model again."""
        schedules = self.schedules
        length = schedules.length if schedules.follow_epochs else None
        name = "schedule_length" if schedules.length_given else "last_length"
        return super().get_config() | {name: length}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CompiledAutoencoder:
        """The model of `get_config`."""
        config = dict(config)
        last_length = config.pop("last_length", None)
        model = super().from_config(config)
        if last_length is not None:
            model.schedules.set_length(*last_length, given=False)
        return model

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        adversary_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizers and builds them; without arguments, those of the settings.

        Args:
            optimizer: of encoder and decoder.
            adversary_optimizer: of the adversary (WaeGan).
            **kwargs: of `keras.Model.compile`, such as steps_per_execution and jit_compile.

        Raises:
            ValueError: an optimizer of your own with an lr_schedule other than constant, or
                on_nonfinite="rollback", which would overwrite its learning rate; nothing that Keras
                makes an optimizer of; a loss or metrics; an adversary's without adversary; one
                optimizer for both; steps_per_execution below 1; auto_scale_loss=False with
                mixed_float16; for several replicas, one made outside of the strategy's scope, or
                that updates in some steps only.
        """
        inputs.check_compile(self, adversary_optimizer, kwargs)
        steps = kwargs.get("steps_per_execution", 1)
        for name, more in (("jit_compile", ("auto",)), ("run_eagerly", ())):
            if kwargs.get(name) not in (None, False, True, *more):
                raise ValueError(f"{name}={kwargs[name]!r} is not accepted: True or False.")
        kwargs["steps_per_execution"] = inputs.whole("steps_per_execution", steps, 1)
        _check_two(optimizer, adversary_optimizer)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            self._check_for_replicas(optimizer, adversary_optimizer)
        if (optimizer or adversary_optimizer) and self.schedules.set_rates:
            raise ValueError(
                "an optimizer of your own goes with lr_schedule='constant' and on_nonfinite='stop' "
                "only: others set the learning rate themselves."
            )
        #: What was said of how to run; `save` keeps it, since XLA draws other noise.
        self.told_to_run = {name: kwargs[name] for name in HOW_TO_RUN if name in kwargs}
        kwargs.setdefault("jit_compile", self.usual_jit)
        with self.distribute_strategy.scope():  # the model's, wherever this is called
            self._set_optimizers(optimizer, adversary_optimizer, kwargs)

    @property
    def usual_jit(self) -> bool:
        """Whether `compile` takes XLA where it is not told: as --jit says, or on GPUs."""
        jit = self.settings.jit
        return devices.has_gpu() if jit is None else jit

    def _check_for_replicas(self, *optimizers: Any) -> None:
        """Refuses what several replicas cannot do: wait inside of a condition, or share foreign variables.

        Raises:
            ValueError: an optimizer that updates in some steps alone; it, or the model, is of another scope.
        """
        there = self.distribute_strategy.extended.variable_created_in_scope
        made = {type(self).__name__: self.step}
        for optimizer in map(_inner, optimizers):
            if not isinstance(optimizer, keras.optimizers.Optimizer):
                continue  # of a name, made in the scope
            kind = type(optimizer).__name__
            made[kind] = optimizer.iterations
            for name in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
                if getattr(optimizer, name, None):
                    raise ValueError(
                        f"{kind}({name}={getattr(optimizer, name)}) does not go with several replicas, for "
                        "which Keras updates in every step alike: leave it out."
                    )
        for kind, variable in made.items():
            if not there(variable.value):
                raise ValueError(
                    f"{kind} was made outside of the strategy's scope: make it inside."
                )

    def _set_optimizers(
        self, optimizer: Any, adversary_optimizer: Any, kwargs: dict[str, Any]
    ) -> None:
        settings = self.settings
        own = optimizer or updates.make_optimizer(settings, settings.lr)
        # Keras's own scaling is of the first optimizer alone: `loss_scaled` is of both.
        scaled = {"optimizer": updates.loss_scaled(own, settings), "auto_scale_loss": False}
        super().compile(**kwargs | scaled)
        before = self.updates
        self.updates = [updates.Update(self.optimizer, self.autoencoder_variables, settings.lr)]
        if self.adversary is not None:
            own = adversary_optimizer or updates.make_optimizer(settings, settings.lr_adv)
            self.adversary_optimizer = updates.loss_scaled(own, settings)
            variables = self.adversary.trainable_variables
            self.updates.append(
                updates.Update(self.adversary_optimizer, variables, settings.lr_adv)
            )
            self.tied_rates = rates.TiedRates(self.optimizer, self.adversary_optimizer)
        steps = int(self.step.numpy())
        for i, update in enumerate(self.updates):
            update.begin(steps, before[i].skipped(steps) if before else 0)

    def get_compile_config(self) -> dict[str, Any] | None:
        """Both optimizers, with their settings, and the steps of those before; None before `compile`."""
        if not self.compiled:
            return None
        if self.tied_rates is not None and not self.schedules.set_rates:
            self.tied_rates.follow()
        serialize = keras.saving.serialize_keras_object
        return {
            "optimizer": serialize(self.optimizer),
            "adversary_optimizer": self.adversary_optimizer and serialize(self.adversary_optimizer),
            "by_others": [update.by_others for update in self.updates],
            "told_to_run": dict(self.told_to_run),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles and builds both optimizers, so that their state can be loaded."""
        deserialize = keras.saving.deserialize_keras_object
        given = [config["optimizer"], config["adversary_optimizer"]]
        if self.schedules.set_rates:
            given = []
        told = config.get("told_to_run", {})  # files of before have none
        self.compile(*(value and deserialize(value) for value in given), **told)
        for update, steps in zip(self.updates, config.get("by_others", ()), strict=False):
            update.by_others = steps

    @property
    def autoencoder_variables(self) -> list[keras.Variable]:
        """Trainable variables of encoder and decoder; what both share once, to be moved once."""
        both = self.encoder.trainable_variables + self.decoder.trainable_variables
        return list({id(variable): variable for variable in both}.values())

    def finalize_adversary(self) -> None:
        """Gives the adversary what its optimizer ends with, such as averages of `use_ema`.

        Keras does so at the end of `fit`, for `self.optimizer` alone.
        """
        if self.adversary_optimizer is None or not int(self.adversary_optimizer.iterations.numpy()):
            return  # before a first step the averages are zeros
        self.adversary_optimizer.finalize_variable_values(self.updates[1].variables)

    @property
    def wae_lambda(self) -> keras.Variable:
        """The weight of the penalty now."""
        return self.schedules.wae_lambda


def _inner(optimizer: Any) -> Any:
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if scaled else optimizer


def _check_two(optimizer: Any, adversary_optimizer: Any) -> None:
    """Refuses one optimizer for encoder, decoder and adversary: its state is of the first's variables.

    Raises:
        ValueError: both are one.
    """
    first, second = _inner(optimizer), _inner(adversary_optimizer)
    if first is second and isinstance(first, keras.optimizers.Optimizer):
        raise ValueError(
            f"compile was given one {type(first).__name__} for both the autoencoder and the adversary: "
            "two optimizers are needed, each an instance of its own."
        )
