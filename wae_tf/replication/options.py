"""The constants of a run of the replication report as a Config of this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wae_tf.config import Config

MODELS = {"vae": "vae", "wae-gan": "wae_gan", "wae-mmd": "wae_mmd"}

#: What every run has (lines of replication wae.py, or the file named).
COMMON: dict[str, Any] = {
    "epochs": 80,  # :27
    "optimizer": "adam",  # :261-262
    "adam_beta1": 0.5,  # :261-262
    "adam_beta2": 0.999,  # :261-262
    "adam_epsilon": 1e-8,  # torch's default
    "init": "torch_1.0",  # torch's defaults
    "init_std": 0.0099999,  # :236-240, of the adversary
    "batch_norm": True,
    "batch_norm_decay": 0.9,  # torch's momentum 0.1
    "batch_norm_eps": 1e-5,  # of the encoder; torch's default
    "pretrain": False,
    "encoder_noise": "gaussian",  # :175-180, in all runs
    "encoder_clip": "std_at_most",  # :170
    "encoder_arch": "replication",  # :121-131
    "encoder_layers": 4,
    "decoder_arch": "replication",  # :134-152
    "decoder_layers": 4,
    "decoder_output": "sigmoid",  # :144, :152
    "prior": "normal",  # :205-210
    "batch_order": "in_order",  # utils.py:52, :85
}


def schedule(torch: str) -> str:
    """What two MultiStepLR on one optimizer come to (replication wae.py:265-270, :599-604).

    Until torch 1.3 a scheduler sets the rate from the first one, so the second, called last, counts
    alone; later ones multiply what they find, called before the epoch: from epochs 29 and 49 on.

    Args:
        torch: its version.
    """
    version = tuple(int(part) for part in torch.split(".")[:2])
    return "50:0.2" if version < (1, 4) else "29:0.5,49:0.2"


def config_of(
    settings: Mapping[str, Any],
    *,
    dataset: str,
    loss: str,
    revision: str,
    filters: int,
    hidden: int,
    torch: str = "1.0.0",
    **changes: Any,
) -> Config:
    """The Config that means what the constants mean.

    Args:
        settings: the module's constants: BATCH, LAMBDA and so on.
        dataset: `mnist` or `celeb`.
        loss: `vae`, `wae-gan` or `wae-mmd`.
        revision: of the code; it says what divides the reconstruction's sum.
        filters: ngf and ndf.
        hidden: units of the adversary.
        torch: whose schedulers.
        **changes: fields to set otherwise, such as precision.
    """
    batch = settings["BATCH"]
    # The reconstruction's sum is divided by BATCH at 7731ed4 (:421), at 3c60659 (:416) not for
    # the VAE, at 8270926 never. Ours is a mean over the batch.
    summed = revision == "8270926" or (revision == "3c60659" and loss == "vae")
    cost_scale = batch if summed else 1
    fields: dict[str, Any] = COMMON | {
        "dataset": {"celeb": "celeba"}.get(dataset, dataset),
        "model": MODELS[loss],
        "batch_size": batch,
        "batch_divisor": batch,  # :376-385, 7731ed4 :421
        "lr": settings["LR_VAE"],
        "lr_schedule": schedule(torch),
        "zdim": settings["N_Z"],
        "encoder_filters": 8 * filters,
        "decoder_filters": 8 * filters,
        "pixel_range": "stretched" if dataset == "celeb" else "unit",
        "filter_size": 5 if dataset == "celeb" else 4,
    }
    fields["cost"] = "bce_probabilities" if settings["RECON"] == "BCELoss" else "l2sq"
    if loss == "vae":
        # Its KL is to N(0, 1) whatever SIGMA says, and is a sum over the batch (:307-313); SCALE is
        # not applied (:441-443).
        fields |= {"recon_scale": cost_scale, "wae_lambda": batch, "prior_scale": 1.0}
        return Config(**(fields | changes))
    fields |= {
        "recon_scale": settings["SCALEBULLSHIT"] * cost_scale,
        "wae_lambda": settings["LAMBDA"],
        "prior_scale": settings["SIGMA"],
        "penalty_codes": "fresh",  # :450, :469
    }
    if loss == "wae-gan":
        fields |= {
            "lr_adv": settings["LR_DIS"],
            "adversary_filters": hidden,  # :225
            "adversary_layers": 4,  # :229-232
            "adversary_outputs": 2,
            "adversary_codes": "before_update",
            "adversary_weight": settings["LAMBDA"] ** 2 / batch,  # :335, :456
            "gan_trick": "off",
        }
    else:
        fields |= {"mmd_distances": "replication", "mmd_clamp": 5.0}  # :361, :395
    return Config(**(fields | changes))
