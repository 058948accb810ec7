"""Settings: everything that makes a model what it is, checked when made; no absl, no TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Any

from wae_tf import registry
from wae_tf.errors import FlagError
from wae_tf.settings.checks import (
    check_divisions_by_scale,
    check_number,
    check_report_options,
    plain,
)
from wae_tf.settings.fields import KnownKeywords, check_field, field
from wae_tf.settings.lr_schedules import schedule_speed

PRIORS = ("normal", "sphere", "uniform")

#: Multiples of the base C in the IMQ kernel sum, official wae.py:301.
MMD_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

#: Layers of a network, and width of its convolutions: far above what trains, below what aborts
#: TensorFlow or takes Python hours to build.
MOST_LAYERS, MOST_FILTER_SIZE = 100, 64
#: Above any data set's number of labels.
MOST_CLASSES = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(KnownKeywords):
    """The settings of one model. Field names are the flags' names.

    Raises:
        FlagError: a value is not accepted, or two values contradict each other.
        UnknownKeywordError: a keyword is no setting.
    """

    # Where no preset says otherwise, numbers are the official mnist's (official configs.py:58-106), but for
    # the widths of encoder and decoder; Adam's second decay and epsilon are TensorFlow 1's.

    # The random numbers and the pixels.
    model: str = field("wae_mmd", "the model to train", kind="model")
    seed: int = field(0, "every random number of the run follows from it")
    pixel_range: str = field(
        "auto",
        "symmetric: pixels in [-1, 1], tanh decoder; unit: [0, 1], sigmoid; stretched: each image's "
        "own smallest value to -1, largest to 1 (replication utils.py:27-29), tanh; any: no pixels, "
        "numbers as they are; auto: the data set's (symmetric for celeba and folder, unit for the "
        "others here)",
        choices=("auto", "symmetric", "unit", "stretched", "any"),
    )
    decoder_output: str = field(
        "auto",
        "tanh; sigmoid, whatever the pixel range (replication wae.py:144, :152); linear: as it is; "
        "auto: as the pixel range says",
        choices=("auto", "tanh", "sigmoid", "linear"),
    )

    # Optimisation.
    optimizer: str = field("adam", "of both networks", choices=("adam", "sgd"))
    lr: float = field(1e-3, "learning rate of encoder and decoder", minimum=0)
    lr_adv: float = field(5e-4, "learning rate of the latent adversary", minimum=0)
    lr_schedule: str = field(
        "constant",
        "constant, manual (/2 at epoch 30, /5 at 50, /10 at 100), manual_smooth (/100 over the "
        "run), plateau, a number s: 10^(-epoch/s), or milestones such as 30:0.5,50:0.2: from "
        "epoch 30 on times 0.5, from 50 on times 0.2 besides (replication wae.py:265-270)",
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
        None, "factor of the cost (default: 0.05 l2sq, 0.2 l2, 0.02 l1, 1 the others here)", above=0
    )
    batch_divisor: int | None = field(
        None,
        "divide what is summed over a batch (cost, KL; the MMD's pairs, N (N - 1) and N^2) as if it had "
        "N images; the replication report divides a last partial batch by its BATCH (replication "
        "wae.py:376-385); default: by its own images",
        minimum=2,
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
    mmd_distances: str = field(
        "exact",
        "IMQ: exact; replication: the replication report's bug, norms of the cross term swapped, "
        "|p_i|^2 + |q_j|^2 - 2 q_i.p_j, which can be negative (replication wae.py:361)",
        choices=("exact", "replication"),
    )
    mmd_clamp: float | None = field(
        None,
        "bound of the MMD, beyond which it has no gradient (5 in replication wae.py:395); default: "
        "none",
        above=0,
    )
    swd_projections: int = field(
        50,
        "random directions a step, along which wae_swd compares codes and prior",
        minimum=1,
        maximum=10_000,
    )
    penalty_codes: str = field(
        "same",
        "same: of the codes that are decoded; fresh: of a second pass of the encoder over the same "
        "images with fresh noise (replication wae.py:450, :469)",
        choices=("same", "fresh"),
    )
    adversary_codes: str = field(
        "after_update",
        "the adversary learns from codes after_update of the encoder (official wae.py:601-611) or "
        "from the penalty's, before_update (replication wae.py:450-456, :512-517)",
        choices=("after_update", "before_update"),
    )
    adversary_outputs: int = field(
        1, "1: a logit; 2: one a class, the prior's second (replication wae.py:233)", minimum=1
    )
    adversary_weight: float | None = field(
        None,
        "factor of the adversary's loss (default: wae_lambda, official wae.py:326; wae_lambda^2 / "
        "batch_size in replication wae.py:335, :456)",
        above=0,
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
    classes: int = field(
        0,
        "labels are joined to the decoder's input, one-hot, of so many classes; 0: none. --conditional "
        "finds the number",
        minimum=0,
        maximum=MOST_CLASSES,
    )
    encoder_noise: str = field(
        "deterministic",
        "deterministic; add_noise (truncated normal, std 0.01, on training images); gaussian; "
        "implicit",
        choices=("deterministic", "add_noise", "gaussian", "implicit"),
    )
    encoder_clip: str = field(
        "logvar",
        "gaussian encoder, whose second head is a log-variance: logvar clips it to +-50 (official "
        "wae.py:61); std_at_most takes it as it is, and of the standard deviation at most 50 "
        "(replication wae.py:166-170)",
        choices=("logvar", "std_at_most"),
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
    init: str = field(
        "normal",
        "initial weights of encoder and decoder: normal (init_std, init_bias); torch, uniform within "
        "1/sqrt(fan_in), biases too, PyTorch's own (replication wae.py:121-152 sets none); torch_1.0, "
        "batch norm's scales besides uniform in [0, 1], as PyTorch had them until 1.1",
        choices=("normal", "torch", "torch_1.0"),
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
    jit: bool | None = field(
        None,
        "XLA (default: with a GPU only; on CPUs it makes small dense networks faster, convolutions slower)",
    )

    def __post_init__(self) -> None:
        """Turns sequences into tuples and checks every value."""
        for setting in dataclasses.fields(self):
            name, value = setting.name, getattr(self, setting.name)
            if value is not None:
                object.__setattr__(self, name, plain(name, value, str(setting.type)))
        if self.mmd_scales is not None:
            object.__setattr__(self, "mmd_scales", tuple(float(s) for s in self.mmd_scales))
        if self.encoder_clip == "std":
            raise FlagError(
                "--encoder_clip=std, the second head as the standard deviation itself, is gone: nobody's "
                "code had it; std_at_most is the replication report's, logvar the official one."
            )
        for setting in dataclasses.fields(self):
            check_field(setting, getattr(self, setting.name))
        self._check_together()

    def _check_together(self) -> None:
        for scale in self.mmd_scales:
            check_number("mmd_scales", scale)
        if not self.mmd_scales or min(self.mmd_scales) <= 0:
            raise FlagError("--mmd_scales takes positive numbers separated by commas.")
        schedule_speed(self.lr_schedule)
        for name in ("adam_beta1", "adam_beta2"):
            if getattr(self, name) >= 1 - 2**-25:  # which float32 rounds to 1
                raise FlagError(f"--{name}={getattr(self, name)} must be below 1 in float32.")
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
        check_report_options(self)
        if self.classes == 1:
            raise FlagError("--classes=1 tells nothing apart; accepted: 2 up, or 0 for no labels.")
        for setting in dataclasses.fields(self):
            if setting.metadata["kind"]:
                self._check_needs(setting.name, setting.metadata["kind"])
        if self.prior_scale == 0:
            check_divisions_by_scale(self)

    def _check_needs(self, flag: str, kind: str) -> None:
        """Checks what an entry says it needs of other flags."""
        facts = registry.entry(kind, getattr(self, flag)).facts
        for other, wanted in facts.get("needs", {}).items():
            resolved = {"pixel_range": "pixel_range_of_data", "decoder_output": "output_of_decoder"}
            value = getattr(self, resolved.get(other, other))
            if value != wanted:
                reason = f": {facts['because']}" if "because" in facts else f", not {value}"
                name = getattr(self, flag)
                raise FlagError(f"--{flag}={name} needs --{other}={wanted}{reason}.")

    @property
    def pixel_range_of_data(self) -> str:
        """`symmetric`, `unit`, `stretched` or `any`; `auto` is unit where no data set says otherwise."""
        return "unit" if self.pixel_range == "auto" else self.pixel_range

    @property
    def output_of_decoder(self) -> str:
        """`tanh`, `sigmoid` or `linear`: what `auto` stands for."""
        if self.decoder_output != "auto":
            return self.decoder_output
        return {"unit": "sigmoid", "any": "linear"}.get(self.pixel_range_of_data, "tanh")

    @property
    def decoder_width(self) -> int:
        """Numbers that the decoder takes of a row: the code, and the label if there are classes."""
        return self.zdim + self.classes

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
