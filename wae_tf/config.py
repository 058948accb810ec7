"""Config: every setting of a run in one frozen dataclass, checked when made; no absl, no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from wae_tf.errors import FlagError

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "celeba", "dsprites", "folder")
MODELS = ("wae_mmd", "wae_gan", "vae", "wae_mmdpp", "wae_mmdppp")
ARCHITECTURES = ("mlp", "dcgan", "ali", "began", "replication")
DECODER_ARCHITECTURES = ("mlp", "dcgan", "dcgan_mod", "ali", "began", "replication")
#: How CelebA's pictures come to 64x64 (official datahandler.py:194-207, replication preprocess.py).
CROPS = ("closecrop", "resizecrop", "squash")
SPLITS = ("official", "own", "listing")
PRIORS = ("normal", "sphere", "uniform")
COSTS = ("l2sq", "l2", "l1", "mse", "bce")

#: The factor of each cost: official wae.py:335, :339, :343 for l2, l2sq, l1; the others have none there.
RECON_SCALES = {"l2": 0.2, "l2sq": 0.05, "l1": 0.02, "mse": 1.0, "bce": 1.0}

#: Multiples of the base C in the IMQ kernel sum, official wae.py:303.
MMD_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _field(
    default: Any,
    help_text: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    above: float | None = None,
) -> Any:
    return dataclasses.field(
        default=default,
        metadata={"help": help_text, "choices": choices, "minimum": minimum, "above": above},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one run. Field names are the flags' names.

    Raises:
        FlagError: a value is not accepted, or two values contradict each other.
    """

    # What to train on what.
    dataset: str = _field("digits", "the images to train on", choices=DATASETS)
    model: str = _field("wae_mmd", "the model to train", choices=MODELS)
    data_dir: str | None = _field(
        None, "folder or file with the data set's own files; without it TFDS (digits needs none)"
    )
    cache_dir: str | None = _field(
        None, "folder for decoded images (default: $WAE_TF_CACHE or ~/.cache/wae_tf)"
    )
    work_dir: str | None = _field(None, "the run's folder (default: runs/<dataset>_<model>)")
    seed: int = _field(0, "every random number of the run follows from it")
    train_size: int | None = _field(None, "use the first N training images only", minimum=1)
    test_size: int | None = _field(None, "use the first N test images only", minimum=1)
    split: str = _field(
        "official",
        "train and test as the official code shuffles and cuts; own: as the data set's files have "
        "them (mnist, fashion_mnist, cifar10); listing: the first --train_size and the first "
        "--test_size by name, which overlap, as the replication report's (celeba; replication "
        "utils.py:19-22)",
        choices=SPLITS,
    )
    batch_order: str = _field(
        "random",
        "random: afresh each step; in_order: through the training images once an epoch, the last "
        "batch a partial one (replication utils.py:83, a DataLoader's default)",
        choices=("random", "in_order"),
    )
    skip_bad_images: bool = _field(False, "count and skip unreadable images instead of stopping")
    crop: str = _field(
        "closecrop",
        "CelebA: how to come to 64x64; squash: the whole picture, bilinear (replication "
        "preprocess.py:19)",
        choices=CROPS,
    )
    image_size: int | None = _field(
        None, "folder: crop to the centre square and resize to N x N", minimum=4
    )
    pixel_range: str = _field(
        "auto",
        "symmetric: pixels in [-1, 1], tanh decoder; unit: [0, 1], sigmoid; stretched: each image's "
        "own smallest value to -1, largest to 1 (replication utils.py:28-30), tanh; auto: symmetric "
        "for celeba and folder, unit otherwise",
        choices=("auto", "symmetric", "unit", "stretched"),
    )
    decoder_output: str = _field(
        "auto",
        "tanh; sigmoid, whatever the pixel range (replication wae.py:147, :159); auto: as it says",
        choices=("auto", "tanh", "sigmoid"),
    )

    init_from_official: str | None = _field(
        None, "PREFIX of a checkpoint of the official code: start from its weights, unpretrained"
    )

    # The length of training.
    epochs: int = _field(
        20,
        "epochs; one is train_size // batch_size steps, rounded up with --batch_order=in_order",
        minimum=1,
    )
    steps: int | None = _field(None, "stop after N steps, whatever --epochs says", minimum=1)
    batch_size: int = _field(100, "images a step", minimum=2)

    # Optimisation.
    optimizer: str = _field("adam", "of both networks", choices=("adam", "sgd"))
    lr: float = _field(1e-3, "learning rate of encoder and decoder", above=0)
    lr_adv: float = _field(5e-4, "learning rate of the latent adversary", above=0)
    lr_schedule: str = _field(
        "constant",
        "constant, manual (/2 at epoch 30, /5 at 50, /10 at 100), manual_smooth (/100 over the "
        "run), plateau, a number s: 10^(-epoch/s), or milestones such as 30:0.5,50:0.2: from "
        "epoch 30 on times 0.5, from 50 on times 0.2 besides",
    )
    adam_beta1: float = _field(0.5, "Adam's first decay", minimum=0)
    adam_beta2: float = _field(0.999, "Adam's second decay", minimum=0)
    adam_epsilon: float = _field(1e-8, "Adam's epsilon; TensorFlow 1's default", above=0)
    init: str = _field(
        "normal",
        "initial weights of encoder and decoder: normal (init_std, init_bias); torch, uniform within "
        "1/sqrt(fan_in), biases too; torch_1.0, batch norm's scales besides uniform in [0, 1], as "
        "PyTorch had them until 1.1",
        choices=("normal", "torch", "torch_1.0"),
    )
    init_std: float = _field(0.0099999, "standard deviation of the initial weights", above=0)
    init_bias: float = _field(0.0, "initial bias of linear and convolution layers")
    batch_norm: bool = _field(True, "batch normalisation in encoder and decoder")
    batch_norm_decay: float = _field(0.9, "decay of the moving moments", minimum=0)
    batch_norm_eps: float = _field(1e-5, "added to the variance", above=0)
    pretrain: bool = _field(
        True, "first bring the codes' mean and covariance near the prior's, encoder alone"
    )
    pretrain_size: int = _field(1000, "images a pretraining step", minimum=2)
    pretrain_steps: int = _field(200, "pretraining steps at most", minimum=1)

    # The objective.
    cost: str = _field("l2sq", "reconstruction cost c(x, x_hat)", choices=COSTS)
    recon_scale: float | None = _field(
        None, "factor of the cost (default: 0.05 l2sq, 0.2 l2, 0.02 l1, 1 mse and bce)", above=0
    )
    bce_epsilon: float | None = _field(
        None,
        "bce of the probabilities, where log(0) is log(EPSILON), as PyTorch's BCELoss (replication "
        "wae.py:52); takes pixels of any range; default: of the logits",
        above=0,
    )
    batch_divisor: str = _field(
        "own",
        "what costs, KL and MMD over a batch are divided by: own, its images and pairs; batch_size, "
        "those of a full one in the last partial batch too (replication wae.py:375-384)",
        choices=("own", "batch_size"),
    )
    wae_lambda: float = _field(10.0, "weight of the penalty (of the KL term for vae)", minimum=0)
    lambda_schedule: str = _field(
        "constant",
        "adaptive: every 1000 steps (lambda + cost / |penalty|) / 2",
        choices=("constant", "adaptive"),
    )
    mmd_kernel: str = _field("imq", "kernel of the MMD", choices=("imq", "rbf"))
    mmd_scales: tuple[float, ...] = _field(
        MMD_SCALES, "IMQ: multiples of C to sum over (wae_mmd; the others have their own)"
    )
    mmd_distances: str = _field(
        "exact",
        "IMQ: exact; replication: the replication report's bug, norms of the cross term swapped, "
        "|p_i|^2 + |q_j|^2 - 2 q_i.p_j, which can be negative (replication wae.py:361)",
        choices=("exact", "replication"),
    )
    mmd_clamp: float | None = _field(
        None,
        "bound of the MMD, beyond which it has no gradient (5 in replication wae.py:395); default: "
        "none",
        above=0,
    )
    penalty_codes: str = _field(
        "same",
        "same: of the codes that are decoded; fresh: of a second pass of the encoder over the same "
        "images with fresh noise (replication wae.py:450, :470)",
        choices=("same", "fresh"),
    )
    adversary_codes: str = _field(
        "after_update",
        "the adversary learns from codes after_update of the encoder (official wae.py:600-612) or "
        "from the penalty's, before_update (replication wae.py:450-456, :512)",
        choices=("after_update", "before_update"),
    )
    adversary_outputs: int = _field(
        1, "1: a logit; 2: one a class, the prior's second (replication wae.py:224)", minimum=1
    )
    adversary_weight: float | None = _field(
        None,
        "factor of the adversary's loss (default: wae_lambda, official wae.py:323; wae_lambda^2 / "
        "batch_size in replication wae.py:323, :455)",
        minimum=0,
    )
    gan_trick: str = _field(
        "off",
        "log p(z) added to the adversary's logits: official ([n, n] logits as the official code "
        "has them), fixed (the intended [n, 1]), off",
        choices=("off", "official", "fixed"),
    )
    fixed_point_weight: float = _field(
        0.0, "weight of the autoencoder fixed-point cost (the official w_aef)", minimum=0
    )

    # The latent space.
    zdim: int = _field(8, "dimensions of the code", minimum=1)
    prior: str = _field("normal", "P_Z", choices=PRIORS)
    prior_scale: float = _field(1.0, "factor of the prior's samples", above=0)
    encoder_noise: str = _field(
        "deterministic",
        "deterministic; add_noise (truncated normal, std 0.01, on training images); gaussian; "
        "implicit",
        choices=("deterministic", "add_noise", "gaussian", "implicit"),
    )
    encoder_clip: str = _field(
        "logvar",
        "gaussian encoder, whose second head is a log-variance: logvar clips it to +-50 (official "
        "wae.py:61); std_at_most takes it as it is, and of the standard deviation at most 50 "
        "(replication wae.py:166-170)",
        choices=("logvar", "std_at_most"),
    )

    # The networks.
    encoder_arch: str = _field("dcgan", "encoder network", choices=ARCHITECTURES)
    decoder_arch: str = _field("dcgan_mod", "decoder network", choices=DECODER_ARCHITECTURES)
    encoder_filters: int = _field(64, "units or widest filters of the encoder", minimum=1)
    encoder_layers: int = _field(4, "layers of the encoder", minimum=1)
    decoder_filters: int = _field(64, "units or widest filters of the decoder", minimum=1)
    decoder_layers: int = _field(3, "layers of the decoder", minimum=1)
    adversary_filters: int = _field(512, "units of the adversary's layers", minimum=1)
    adversary_layers: int = _field(4, "layers of the adversary", minimum=1)
    filter_size: int = _field(4, "width of the convolutions (not of ali)", minimum=1)

    # How it runs.
    precision: str = _field(
        "float32",
        "mixed: networks in half, costs and penalties in float32; float64: for checking",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "float64"),
    )
    jit: bool | None = _field(None, "XLA (default: with a GPU only; it is slower on CPUs)")
    distribute: str = _field(
        "none",
        "one device; mirrored: all GPUs of this machine (or its logical CPUs); multi_worker: the "
        "workers of TF_CONFIG",
        choices=("none", "mirrored", "multi_worker"),
    )
    steps_per_execution: int | None = _field(
        None,
        "steps a call of the compiled function (default: what takes about a quarter of a second, 20 "
        "at most, and a divisor of --save_every_steps)",
        minimum=1,
    )

    on_nonfinite: str = _field(
        "stop",
        "after a loss that is not finite: stop; rollback: go on from the last checkpoint with half "
        "the learning rates, ten times at most",
        choices=("stop", "rollback"),
    )

    # What it shows and leaves.
    figure_every: int = _field(10, "figures every N epochs, and at the end; 0: none", minimum=0)
    save_every_steps: int | None = _field(
        None,
        "also checkpoint every N steps (at the end of the execution that reaches them)",
        minimum=1,
    )
    save_every: int = _field(1, "checkpoint every N epochs, and at the end", minimum=1)
    keep_checkpoints: int = _field(3, "newest checkpoints to keep", minimum=1)
    epoch_test_size: int = _field(
        1000, "test images for the line of each epoch; the end uses all", minimum=1
    )
    test_line: bool = _field(
        False,
        "also test_line.csv, as the replication report has it: after each epoch the mean of the total "
        "loss over the test batches, and of the last one's reconstructions the blur, one variance "
        "over all their Laplacians (replication wae.py:281-302, :527-571)",
    )
    pictures: int = _field(100, "images in each panel of the figure, an even number", minimum=2)
    picture_columns: int = _field(10, "columns of each panel", minimum=1)

    def __post_init__(self) -> None:
        """Turns sequences into tuples and checks every value."""
        object.__setattr__(self, "mmd_scales", tuple(float(s) for s in self.mmd_scales))
        if self.encoder_clip == "std":
            raise FlagError(
                "--encoder_clip=std, the second head as the standard deviation itself, is gone: nobody's "
                "code had it; std_at_most is the replication report's, logvar the official one."
            )
        for field in dataclasses.fields(self):
            self._check_field(field)
        self._check_together()

    def _check_field(self, field: dataclasses.Field) -> None:
        value, meta = getattr(self, field.name), field.metadata
        if value is None:
            if field.default is not None:
                raise FlagError(f"--{field.name} needs a value: {meta['help']}.")
            return
        if meta["choices"] and value not in meta["choices"]:
            raise FlagError(
                f"--{field.name}={value} is not known; accepted: {', '.join(meta['choices'])}."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if not math.isfinite(value):
            raise FlagError(f"--{field.name}={value} is not a finite number.")
        if meta["minimum"] is not None and value < meta["minimum"]:
            raise FlagError(f"--{field.name}={value} is too small; accepted: {meta['minimum']} up.")
        if meta["above"] is not None and value <= meta["above"]:
            raise FlagError(f"--{field.name}={value} must be above {meta['above']}.")

    def _check_together(self) -> None:
        if not self.mmd_scales or min(self.mmd_scales) <= 0:
            raise FlagError("--mmd_scales takes positive numbers separated by commas.")
        schedule_speed(self.lr_schedule)
        having = {"own": ("mnist", "fashion_mnist", "cifar10"), "listing": ("celeba",)}
        if self.dataset not in having.get(self.split, DATASETS):
            raise FlagError(
                f"--split={self.split} goes with --dataset={' or '.join(having[self.split])}, not "
                f"{self.dataset}."
            )
        for name in ("work_dir", "data_dir", "cache_dir"):
            if "://" in (getattr(self, name) or ""):
                raise FlagError(
                    f"--{name}={getattr(self, name)} is an address; of the flags only --work_dir can "
                    "be one, and in a program wae_tf.remote.local(address) gives a folder for it."
                )
        for name in ("adam_beta1", "adam_beta2", "batch_norm_decay"):
            if getattr(self, name) >= 1:
                raise FlagError(f"--{name}={getattr(self, name)} must be below 1.")
        if self.encoder_noise == "gaussian" and self.prior != "normal":
            raise FlagError(
                f"--encoder_noise=gaussian goes with --prior=normal only, not {self.prior}."
            )
        if self.model in ("vae", "wae_mmdpp", "wae_mmdppp") and self.encoder_noise != "gaussian":
            raise FlagError(
                f"--model={self.model} needs --encoder_noise=gaussian, not {self.encoder_noise}."
            )
        if self.gan_trick != "off" and self.prior != "normal":
            raise FlagError(
                f"--gan_trick={self.gan_trick} goes with --prior=normal only, not {self.prior}."
            )
        if self.cost == "bce" and self.output_of_decoder == "tanh":
            raise FlagError(
                "--cost=bce needs --pixel_range=unit or --decoder_output=sigmoid: it takes the "
                "decoder's pixels for probabilities."
            )
        if self.bce_epsilon is None and self.cost == "bce" and self.pixel_range_of_data != "unit":
            raise FlagError(
                "--cost=bce needs --pixel_range=unit: it compares pixels in [0, 1]; --bce_epsilon "
                "takes others, with no lower bound."
            )
        if self.bce_epsilon is not None and self.cost != "bce":
            raise FlagError(f"--bce_epsilon goes with --cost=bce only, not {self.cost}.")
        if self.adversary_outputs > 2:
            raise FlagError(f"--adversary_outputs={self.adversary_outputs}: 1 or 2 is accepted.")
        if self.adversary_outputs == 2 and self.gan_trick != "off":
            raise FlagError("--gan_trick goes with --adversary_outputs=1 only.")
        if self.encoder_clip == "std_at_most" and self.model in ("wae_mmdpp", "wae_mmdppp"):
            raise FlagError(f"--encoder_clip=std_at_most does not go with --model={self.model}.")
        if self.penalty_codes == "fresh" and self.model in ("vae", "wae_mmdpp", "wae_mmdppp"):
            raise FlagError(
                f"--penalty_codes=fresh goes with wae_mmd and wae_gan, not {self.model}."
            )
        if self.penalty_codes == "fresh" and self.encoder_noise not in ("gaussian", "implicit"):
            raise FlagError(
                "--penalty_codes=fresh needs --encoder_noise=gaussian or implicit, not "
                f"{self.encoder_noise}: other codes of an image do not change."
            )
        if self.mmd_kernel == "rbf" and self.mmd_distances != "exact":
            raise FlagError("--mmd_distances=replication goes with --mmd_kernel=imq only.")
        if self.batch_order == "in_order" and self.distribute != "none":
            raise FlagError(
                "--batch_order=in_order goes with --distribute=none only: replicas cannot share a "
                "partial batch."
            )
        if "began" in (self.encoder_arch, self.decoder_arch) and (
            self.encoder_arch != self.decoder_arch or self.encoder_filters != self.decoder_filters
        ):
            raise FlagError(
                "--encoder_arch=began goes with --decoder_arch=began and as many "
                "--decoder_filters as --encoder_filters."
            )
        if self.pictures % 2 or self.pictures % self.picture_columns:
            raise FlagError(
                f"--pictures={self.pictures} must be even and a multiple of "
                f"--picture_columns={self.picture_columns}."
            )

    @property
    def pixel_range_of_data(self) -> str:
        """`symmetric`, `unit` or `stretched`: what `auto` stands for (configs.py: input_normalize_sym)."""
        if self.pixel_range != "auto":
            return self.pixel_range
        return "symmetric" if self.dataset in ("celeba", "folder") else "unit"

    @property
    def output_of_decoder(self) -> str:
        """`tanh` or `sigmoid`: what `auto` stands for."""
        if self.decoder_output != "auto":
            return self.decoder_output
        return "sigmoid" if self.pixel_range_of_data == "unit" else "tanh"

    def steps_an_epoch(self, images: int) -> int:
        """Steps that go through so many training images once."""
        whole = images // self.batch_size
        partial = self.batch_order == "in_order" and images % self.batch_size > 0
        return whole + partial

    @property
    def full_precision(self) -> str:
        """The type of codes, costs and penalties: float32, or float64 throughout."""
        return "float64" if self.precision == "float64" else "float32"

    @property
    def scale_of_cost(self) -> float:
        """The factor of the reconstruction cost."""
        return RECON_SCALES[self.cost] if self.recon_scale is None else self.recon_scale

    @property
    def folder(self) -> str:
        """The run's folder."""
        return self.work_dir or f"runs/{self.dataset}_{self.model}"

    def changes(self) -> dict[str, Any]:
        """The fields whose values are not the defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


def milestones(lr_schedule: str) -> tuple[tuple[int, float], ...] | None:
    """The (epoch, factor) pairs of a schedule such as `30:0.5,50:0.2`; None for one without colons.

    Raises:
        FlagError: an epoch that is no whole number from 1, or a factor that is not positive.
    """
    if ":" not in lr_schedule:
        return None
    found = []
    for part in lr_schedule.split(","):
        epoch, _, factor = part.partition(":")
        try:
            found.append((int(epoch), float(factor)))
        except ValueError:
            found.append((0, math.nan))
        if found[-1][0] < 1 or not 0 < found[-1][1] < math.inf:
            raise FlagError(
                f"--lr_schedule={lr_schedule} is not known: {part!r} is not EPOCH:FACTOR, such as "
                "50:0.2."
            )
    return tuple(found)


def schedule_speed(lr_schedule: str) -> float | None:
    """The number s of a schedule 10^(-epoch/s); None for a schedule with a name or milestones.

    Raises:
        FlagError: neither a known name nor milestones nor a positive number.
    """
    if lr_schedule in ("constant", "manual", "manual_smooth", "plateau"):
        return None
    if milestones(lr_schedule) is not None:
        return None
    try:
        speed = float(lr_schedule)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise FlagError(
            f"--lr_schedule={lr_schedule} is not known; accepted: constant, manual, "
            "manual_smooth, plateau, milestones such as 30:0.5,50:0.2, or a positive number of "
            "epochs."
        )
    return speed
