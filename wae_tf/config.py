"""Config: every setting of a run in one frozen dataclass, checked when made; no absl, no TensorFlow."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from wae_tf import registry
from wae_tf.errors import FlagError, KeywordError
from wae_tf.settings import Settings, field
from wae_tf.settings.checks import OF_PAIRS, plain

#: How CelebA comes to 64x64, official datahandler.py:194-207, replication preprocess.py:20.
CROPS = ("closecrop", "resizecrop", "squash")
SPLITS = ("official", "own", "listing")
#: Far beyond what trains: more is a mistake in typing.
MOST_EPOCHS = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The settings of one run: those of its model, its data, its length, and what it leaves.

    Field names are the flags' names.

    Raises:
        FlagError: a value is not accepted, or two values contradict each other.
    """

    plugins: tuple[str, ...] = field(
        (), "modules to import first, which register data sets, models, ... of your own"
    )

    # What to train on.
    dataset: str = field("digits", "the images to train on", kind="dataset")
    data_dir: str | None = field(
        None, "folder or file with the data set's own files; without it TFDS (digits needs none)"
    )
    cache_dir: str | None = field(
        None,
        "folder for decoded images and compiled programs (default: $WAE_TF_CACHE or ~/.cache/wae_tf)",
    )
    work_dir: str | None = field(None, "the run's folder (default: runs/<dataset>_<model>)")
    train_size: int | None = field(None, "use the first N training images only", minimum=1)
    test_size: int | None = field(
        None,
        "use the first N test images only; of digits and folder, where no test images are told apart: set "
        "N aside for testing",
        minimum=1,
    )
    split: str = field(
        "official",
        "train and test as the official code shuffles and cuts; own: as the data set's files have "
        "them (mnist, fashion_mnist, cifar10; replication utils.py:66-88); listing: the first "
        "--train_size and the first --test_size by number, which overlap, as the replication report's "
        "(celeba; replication utils.py:16-19)",
        choices=SPLITS,
    )
    batch_order: str = field(
        "random",
        "random: afresh each step; in_order: through the training images once an epoch, the last "
        "batch a partial one (replication utils.py:52, :85, a DataLoader's default)",
        choices=("random", "in_order"),
    )
    skip_bad_images: bool = field(False, "count and skip unreadable images instead of stopping")
    crop: str = field(
        "closecrop",
        "CelebA: how to come to 64x64; squash: the whole picture, bilinear (replication "
        "preprocess.py:20)",
        choices=CROPS,
    )
    image_size: int | None = field(
        None,
        "folder: crop to the centre square and resize to N x N; celeba: the crop at N x N, not 64",
        minimum=4,
        maximum=4096,
    )
    channels: int | None = field(
        None, "folder: 1 for grey, 3 for colour (default: grey if all pictures are)", minimum=1
    )
    conditional: bool = field(
        False,
        "the decoder gets each image's label too, so that samples can be of a class: digits, mnist, "
        "fashion_mnist, cifar10, and folder with a sub-folder for each class",
    )
    init_from_official: str | None = field(
        None, "PREFIX of a checkpoint of the official code: start from its weights, unpretrained"
    )

    # The length of training.
    epochs: int = field(
        20,
        "epochs; one is train_size // batch_size steps, rounded up with --batch_order=in_order",
        minimum=1,
        maximum=MOST_EPOCHS,
    )
    steps: int | None = field(
        None, "stop after N steps, where --epochs have not ended before", minimum=1
    )
    batch_size: int = field(100, "images a step", minimum=1)
    pretrain: bool = field(
        True, "first bring the codes' mean and covariance near the prior's, encoder alone"
    )
    # official configs.py:85 and wae.py:431
    pretrain_size: int = field(1000, "images a pretraining step", minimum=2)
    pretrain_steps: int = field(200, "pretraining steps at most", minimum=1)

    # How it runs.
    distribute: str = field(
        "none",
        "one device; mirrored: all GPUs of this machine (or its logical CPUs); multi_worker: the "
        "workers of TF_CONFIG",
        choices=("none", "mirrored", "multi_worker"),
    )
    tf32: bool | None = field(
        None,
        "of a GPU: products of float32 in TF32, of which 10 bits of each number's fraction count (default: "
        "as TensorFlow, on); --notf32: in float32 proper, several times slower",
    )
    steps_per_execution: int | None = field(
        None,
        "steps a call of the compiled function (default: what takes about a quarter of a second, 20 "
        "at most and on a GPU 100, and a divisor of --save_every_steps)",
        minimum=1,
    )

    # What it shows and leaves.
    figure_every: int = field(
        10, "figures after the first epoch, every N, and at the end; 0: none", minimum=0
    )
    save_every_steps: int | None = field(
        None,
        "also checkpoint every N steps (at the end of the execution that reaches them)",
        minimum=1,
    )
    save_every: int = field(1, "checkpoint every N epochs, and at the end", minimum=1)
    keep_checkpoints: int = field(3, "newest checkpoints to keep", minimum=1)
    keep_best: bool = field(False, "keep the checkpoint of the epoch that tested best, too")
    best_by: str = field(
        "val_loss",
        "what --keep_best and --early_stopping_patience look at, the smaller the better, on the first "
        "--epoch_test_size test images",
        choices=("val_loss", "val_reconstruction", "val_penalty"),
    )
    early_stopping_patience: int | None = field(
        None, "stop after N epochs that tested no better than the best (default: never)", minimum=1
    )
    checkpoint: str = field(
        "newest",
        "of the run that a mode works on: newest, best (see --keep_best), or the number of a step",
    )
    epoch_test_size: int = field(
        1000, "test images for the line of each epoch; the end uses all", minimum=1
    )
    test_line: bool = field(
        False,
        "also test_line.csv, as the replication report has it: after each epoch the mean of the total "
        "loss over the test batches, and of the last one's reconstructions the blur, one variance "
        "over all their Laplacians (replication wae.py:277-299, :527-570)",
    )
    pictures: int = field(100, "images in each panel of the figure, an even number", minimum=2)
    picture_columns: int = field(10, "columns of each panel", minimum=1)

    def __post_init__(self) -> None:
        """Imports the plugins, then checks every value."""
        object.__setattr__(self, "plugins", plain("plugins", self.plugins, "tuple[str, ...]"))
        registry.load_plugins(self.plugins)
        super().__post_init__()

    def _check_together(self) -> None:
        super()._check_together()
        if self.batch_size == 1 and self.model in OF_PAIRS:
            raise FlagError(
                f"--batch_size=1 has no pairs of codes for the MMD of --model={self.model}; accepted: "
                "2 up."
            )
        for name in ("work_dir", "data_dir", "cache_dir"):
            if "://" in (getattr(self, name) or ""):
                raise FlagError(
                    f"--{name}={getattr(self, name)} is an address; of the flags only --work_dir can "
                    "be one, and in a program wae_tf.remote.local(address) gives a folder for it."
                )
        if self.split not in ("official", *registry.fact("dataset", self.dataset, "splits", ())):
            those = " or ".join(registry.having("dataset", "splits", self.split))
            raise FlagError(
                f"--split={self.split} goes with --dataset={those} only, not {self.dataset}."
            )
        if self.batch_order == "in_order" and self.distribute != "none":
            raise FlagError(
                "--batch_order=in_order goes with --distribute=none only: replicas cannot share a "
                "partial batch."
            )
        known = self.checkpoint.isascii() and self.checkpoint.isdecimal()
        if self.checkpoint not in ("newest", "best") and not known:
            raise FlagError(
                f"--checkpoint={self.checkpoint} is not known; accepted: newest, best, or the number "
                "of a step."
            )
        if self.pictures % 2 or self.pictures % self.picture_columns:
            raise FlagError(
                f"--pictures={self.pictures} must be even and a multiple of "
                f"--picture_columns={self.picture_columns}."
            )

    @property
    def pretrains(self) -> bool:
        """Whether a run begins with pretraining: official weights come with theirs, a vae has none."""
        return self.pretrain and self.model != "vae" and not self.init_from_official

    @property
    def pixel_range_of_data(self) -> str:
        """That of `Settings`; `auto` is the data set's (official input_normalize_sym)."""
        if self.pixel_range != "auto":
            return self.pixel_range
        return registry.fact("dataset", self.dataset, "pixel_range", "unit")

    def steps_an_epoch(self, images: int) -> int:
        """Steps that go through so many training images once."""
        partial = self.batch_order == "in_order" and images % self.batch_size > 0
        return images // self.batch_size + partial

    def tested(self, images: int) -> int:
        """On how many of so many test images an epoch is measured."""
        return min(images, self.epoch_test_size)

    @property
    def of_data(self) -> dict[str, Any]:
        """The settings that say which images: what `data.load.load` and `check` take, by name."""
        names = (
            "data_dir",
            "crop",
            "split",
            "image_size",
            "channels",
            "train_size",
            "test_size",
            "skip_bad_images",
        )
        return {name: getattr(self, name) for name in names}

    @property
    def folder(self) -> str:
        """The run's folder, `~` as a shell would have it, which leaves the one behind a flag's = alone."""
        return os.path.expanduser(self.work_dir or f"runs/{self.dataset}_{self.model}")

    @property
    def settings(self) -> Settings:
        """Those of the model alone, `auto` resolved for the data set."""
        names = [field.name for field in dataclasses.fields(Settings)]
        return Settings(
            **{name: getattr(self, name) for name in names}
            | {"pixel_range": self.pixel_range_of_data}
        )


def check_is_config(config: Any) -> None:
    """Checks what a caller gives for a run's settings.

    Raises:
        KeywordError: no Config.
    """
    if not isinstance(config, Config):
        raise KeywordError(
            f"config is a {type(config).__name__}; accepted: a wae_tf.Config, such as wae_tf.preset gives."
        )
