"""Settings: everything that makes a model what it is, checked when made; no absl, no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from wae_tf import registry
from wae_tf.errors import FlagError
from wae_tf.setting_checks import check_number, check_text, shown

PRIORS = ("normal", "sphere", "uniform")

#: Multiples of the base C in the IMQ kernel sum, official wae.py:303.
MMD_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

#: Layers of a network, and width of its convolutions: far above what trains, below what aborts
#: TensorFlow or takes Python hours to build.
MOST_LAYERS, MOST_FILTER_SIZE = 100, 64


def field(
    default: Any,
    help_text: str,
    *,
    choices: tuple[str, ...] | None = None,
    kind: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
) -> Any:
    """A setting: its default, its help, and what is accepted: `kind` says entries of the registry."""
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "choices": choices,
            "kind": kind,
            "minimum": minimum,
            "maximum": maximum,
            "above": above,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one model. Field names are the flags' names.

    Raises:
        FlagError: a value is not accepted, or two values contradict each other.
    """

    # The random numbers and the pixels.
    model: str = field("wae_mmd", "the model to train", kind="model")
    seed: int = field(0, "every random number of the run follows from it")
    pixel_range: str = field(
        "auto",
        "symmetric: pixels in [-1, 1], tanh decoder; unit: [0, 1], sigmoid; auto: the data set's "
        "(symmetric for celeba and folder, unit for the others here)",
        choices=("auto", "symmetric", "unit"),
    )

    # Optimisation.
    optimizer: str = field("adam", "of both networks", choices=("adam", "sgd"))
    lr: float = field(1e-3, "learning rate of encoder and decoder", minimum=0)
    lr_adv: float = field(5e-4, "learning rate of the latent adversary", minimum=0)
    lr_schedule: str = field(
        "constant",
        "constant, manual (/2 at epoch 30, /5 at 50, /10 at 100), manual_smooth (/100 over the "
        "run), plateau, or a number s: 10^(-epoch/s)",
    )
    adam_beta1: float = field(0.5, "Adam's first decay", minimum=0)
    adam_beta2: float = field(0.999, "Adam's second decay", minimum=0)
    adam_epsilon: float = field(1e-8, "Adam's epsilon; TensorFlow 1's default", above=0)
    on_nonfinite: str = field(
        "stop",
        "after a loss that is not finite: stop; rollback: go on from the last checkpoint with half "
        "the learning rates, ten times at most",
        choices=("stop", "rollback"),
    )

    # The objective.
    cost: str = field("l2sq", "reconstruction cost c(x, x_hat)", kind="cost")
    recon_scale: float | None = field(
        None, "factor of the cost (default: 0.05 l2sq, 0.2 l2, 0.02 l1, 1 mse and bce)", above=0
    )
    wae_lambda: float = field(10.0, "weight of the penalty (of the KL term for vae)")
    lambda_schedule: str = field(
        "constant",
        "adaptive: every 1000 steps (lambda + cost / |penalty|) / 2",
        choices=("constant", "adaptive"),
    )
    mmd_kernel: str = field("imq", "kernel of the MMD", choices=("imq", "rbf"))
    mmd_scales: tuple[float, ...] = field(
        MMD_SCALES, "IMQ: multiples of C to sum over (wae_mmd; the others have their own)"
    )
    gan_trick: str = field(
        "off",
        "log p(z) added to the adversary's logits: official ([n, n] logits as the official code "
        "has them), fixed (the intended [n, 1]), off",
        choices=("off", "official", "fixed"),
    )
    fixed_point_weight: float = field(
        0.0, "weight of the autoencoder fixed-point cost (the official w_aef)", minimum=0
    )

    # The latent space.
    zdim: int = field(8, "dimensions of the code", minimum=1)
    prior: str = field("normal", "P_Z", choices=PRIORS)
    prior_scale: float = field(1.0, "factor of the prior's samples")
    encoder_noise: str = field(
        "deterministic",
        "deterministic; add_noise (truncated normal, std 0.01, on training images); gaussian; "
        "implicit",
        choices=("deterministic", "add_noise", "gaussian", "implicit"),
    )
    encoder_clip: str = field(
        "logvar",
        "gaussian encoder: logvar, the log-variance is clipped to +-50; std, the second head is "
        "the standard deviation itself, clipped to +-50, as the replication did",
        choices=("logvar", "std"),
    )

    # The networks.
    encoder_arch: str = field("dcgan", "encoder network", kind="encoder")
    decoder_arch: str = field("dcgan_mod", "decoder network", kind="decoder")
    encoder_filters: int = field(64, "units or widest filters of the encoder", minimum=1)
    encoder_layers: int = field(4, "layers of the encoder", minimum=0, maximum=MOST_LAYERS)
    decoder_filters: int = field(64, "units or widest filters of the decoder", minimum=1)
    decoder_layers: int = field(3, "layers of the decoder", minimum=0, maximum=MOST_LAYERS)
    adversary_filters: int = field(512, "units of the adversary's layers", minimum=1)
    adversary_layers: int = field(4, "layers of the adversary", minimum=0, maximum=MOST_LAYERS)
    filter_size: int = field(
        4, "width of the convolutions (not of ali)", minimum=1, maximum=MOST_FILTER_SIZE
    )
    init_std: float = field(0.0099999, "standard deviation of the initial weights", minimum=0)
    init_bias: float = field(0.0, "initial bias of linear and convolution layers")
    batch_norm: bool = field(True, "batch normalisation in encoder and decoder")
    batch_norm_decay: float = field(0.9, "decay of the moving moments", minimum=0)
    batch_norm_eps: float = field(1e-5, "added to the variance", minimum=0)

    # How it computes.
    precision: str = field(
        "float32",
        "mixed: networks in half, costs and penalties in float32; float64: for checking",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "float64"),
    )
    jit: bool | None = field(None, "XLA (default: with a GPU only; it is slower on CPUs)")

    def __post_init__(self) -> None:
        """Turns sequences into tuples and checks every value."""
        object.__setattr__(self, "mmd_scales", tuple(float(s) for s in self.mmd_scales))
        for field in dataclasses.fields(self):
            self._check_field(field)
        self._check_together()

    def _check_field(self, field: dataclasses.Field) -> None:
        value, meta = getattr(self, field.name), field.metadata
        if value is None:
            if field.default is not None:
                raise FlagError(f"--{field.name} needs a value: {meta['help']}.")
            return
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str):
                check_text(field.name, text)
        if meta["choices"] and value not in meta["choices"]:
            raise FlagError(
                f"--{field.name}={shown(value)} is not known; accepted: {', '.join(meta['choices'])}."
            )
        if meta["kind"]:
            registry.entry(meta["kind"], value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        check_number(field.name, value, any_int=field.name == "seed")
        if meta["minimum"] is not None and value < meta["minimum"]:
            raise FlagError(f"--{field.name}={value} is too small; accepted: {meta['minimum']} up.")
        if meta["maximum"] is not None and value > meta["maximum"]:
            raise FlagError(
                f"--{field.name}={value} is too large; accepted: {meta['maximum']} at most."
            )
        if meta["above"] is not None and value <= meta["above"]:
            raise FlagError(f"--{field.name}={value} must be above {meta['above']}.")

    def _check_together(self) -> None:
        for scale in self.mmd_scales:
            check_number("mmd_scales", scale)
        if not self.mmd_scales or min(self.mmd_scales) <= 0:
            raise FlagError("--mmd_scales takes positive numbers separated by commas.")
        schedule_speed(self.lr_schedule)
        for name in ("adam_beta1", "adam_beta2"):
            if getattr(self, name) >= 1:
                raise FlagError(f"--{name}={getattr(self, name)} must be below 1.")
        if self.batch_norm_decay > 1:
            raise FlagError(f"--batch_norm_decay={self.batch_norm_decay} must be 1 at most.")
        if self.encoder_noise == "gaussian" and self.prior != "normal":
            raise FlagError(
                f"--encoder_noise=gaussian goes with --prior=normal only, not {self.prior}."
            )
        if self.gan_trick != "off" and self.prior != "normal":
            raise FlagError(
                f"--gan_trick={self.gan_trick} goes with --prior=normal only, not {self.prior}."
            )
        for field in dataclasses.fields(self):
            if field.metadata["kind"]:
                self._check_needs(field.name, field.metadata["kind"])
        if self.prior_scale == 0:
            self._check_divisions_by_scale()

    def _check_divisions_by_scale(self) -> None:
        # NaN in the official code too.
        divides = {
            "the KL of --model=vae": self.model == "vae",
            f"--gan_trick={self.gan_trick}": self.gan_trick != "off",
            f"the kernel of --model={self.model} with --mmd_kernel=imq": self.mmd_kernel == "imq"
            and self.model in ("wae_mmd", "wae_mmdpp", "wae_mmdppp")
            and self.prior == "normal",
        }
        for what, does in divides.items():
            if does:
                raise FlagError(
                    f"--prior_scale=0 makes the prior a point, and {what} divides by its scale; "
                    "accepted: any other number."
                )

    def _check_needs(self, flag: str, kind: str) -> None:
        """Checks what an entry says it needs of other flags."""
        facts = registry.entry(kind, getattr(self, flag)).facts
        for other, wanted in facts.get("needs", {}).items():
            value = self.pixel_range_of_data if other == "pixel_range" else getattr(self, other)
            if value != wanted:
                because = f": {facts['because']}" if "because" in facts else f", not {value}"
                raise FlagError(
                    f"--{flag}={getattr(self, flag)} needs --{other}={wanted}{because}."
                )

    @property
    def pixel_range_of_data(self) -> str:
        """`symmetric` or `unit`; `auto` is unit where no data set says otherwise."""
        return "unit" if self.pixel_range == "auto" else self.pixel_range

    @property
    def full_precision(self) -> str:
        """The type of codes, costs and penalties: float32, or float64 throughout."""
        return "float64" if self.precision == "float64" else "float32"

    @property
    def scale_of_cost(self) -> float:
        """The factor of the reconstruction cost."""
        if self.recon_scale is not None:
            return self.recon_scale
        return registry.fact("cost", self.cost, "scale", 1.0)

    def changes(self) -> dict[str, Any]:
        """The fields whose values are not the defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


def schedule_speed(lr_schedule: str) -> float | None:
    """The number s of a schedule 10^(-epoch/s); None for a schedule with a name.

    Raises:
        FlagError: neither a known name nor a positive number.
    """
    if lr_schedule in ("constant", "manual", "manual_smooth", "plateau"):
        return None
    try:
        speed = float(lr_schedule)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise FlagError(
            f"--lr_schedule={shown(lr_schedule)} is not known; accepted: constant, manual, "
            "manual_smooth, plateau, or a positive number of epochs."
        )
    return speed
