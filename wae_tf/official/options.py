"""The official code's opts as a Config of this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wae_tf.config import Config
from wae_tf.errors import FlagError

#: Official opts that are a field of Config under another or the same name.
RENAMED = {
    "adam_beta1": "adam_beta1",
    "batch_norm": "batch_norm",
    "batch_norm_decay": "batch_norm_decay",
    "batch_norm_eps": "batch_norm_eps",
    "batch_size": "batch_size",
    "celebA_crop": "crop",
    "conv_filters_dim": "filter_size",
    "cost": "cost",
    "d_num_filters": "adversary_filters",
    "d_num_layers": "adversary_layers",
    "data_dir": "data_dir",
    "e_arch": "encoder_arch",
    "e_noise": "encoder_noise",
    "e_num_filters": "encoder_filters",
    "e_num_layers": "encoder_layers",
    "e_pretrain": "pretrain",
    "e_pretrain_sample_size": "pretrain_size",
    "epoch_num": "epochs",
    "g_arch": "decoder_arch",
    "g_num_filters": "decoder_filters",
    "g_num_layers": "decoder_layers",
    "init_bias": "init_bias",
    "init_std": "init_std",
    "lambda": "wae_lambda",
    "lambda_schedule": "lambda_schedule",
    "lr": "lr",
    "lr_adv": "lr_adv",
    "optimizer": "optimizer",
    "pz": "prior",
    "pz_scale": "prior_scale",
    "w_aef": "fixed_point_weight",
    "zdim": "zdim",
}

#: Official opts that are translated by `config_of` rather than renamed.
TRANSLATED = (
    "dataset",
    "gan_p_trick",
    "input_normalize_sym",
    "lr_schedule",
    "mmd_kernel",
    "z_test",
)

#: Official opts without a field here, with the reason.
WITHOUT = {
    "checkpoint": "--init_from_official names the checkpoint",
    "mode": "--mode; the official test mode is --mode=sample --sampler=improved",
    "plot_num_cols": "--picture_columns; it does not change a number",
    "plot_num_pics": "--pictures; it does not change a number",
    "print_every": "the line and the figures come by epochs here: --figure_every",
    "save_every_epoch": "--save_every; it does not change a number",
    "verbose": "progress is always shown",
    "work_dir": "--work_dir",
    "gmm_max_val": "toy data of points, which no network of the official code takes",
    "gmm_modes_num": "toy data of points, which no network of the official code takes",
    "mnist3_dataset_size": "data sets outside datashapes: WAE.__init__ refuses them",
    "mnist3_to_channels": "data sets outside datashapes: WAE.__init__ refuses them",
    "random_seed": "toy data of points, which no network of the official code takes",
    "toy_dataset_dim": "toy data of points, which no network of the official code takes",
    "toy_dataset_size": "toy data of points, which no network of the official code takes",
}

_DATASETS = {"celebA": "celeba", "grassli": "folder"}
_MODELS = {"mmd": "wae_mmd", "gan": "wae_gan", "mmdpp": "wae_mmdpp", "mmdppp": "wae_mmdppp"}


def config_of(opts: Mapping[str, Any], **changes: Any) -> Config:
    """The Config that means what official opts mean.

    Args:
        opts: a complete dict as configs.py has them, with z_test.
        **changes: fields to set otherwise, such as precision.

    Raises:
        FlagError: an opt that the official code does not have, or values that contradict.
    """
    unknown = sorted(set(opts) - set(RENAMED) - set(TRANSLATED) - set(WITHOUT))
    if unknown:
        raise FlagError(
            f"opts: {', '.join(unknown)} is no option of the official code; its options are those "
            "of configs.py and w_aef."
        )
    fields = {ours: opts[theirs] for theirs, ours in RENAMED.items() if theirs in opts}
    fields["dataset"] = _DATASETS.get(opts["dataset"], opts["dataset"])
    fields["model"] = _MODELS.get(opts["z_test"], opts["z_test"])
    fields["pixel_range"] = "symmetric" if opts["input_normalize_sym"] else "unit"
    fields["lr_schedule"] = str(opts["lr_schedule"])
    fields["mmd_kernel"] = opts["mmd_kernel"].lower()
    trick = opts.get("gan_p_trick") and opts["z_test"] == "gan"
    fields["gan_trick"] = "official" if trick else "off"
    return Config(**(fields | changes))
