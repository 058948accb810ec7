"""Did you mean: the accepted name that a wrong one is near to, or that is another word for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


def _by_word(words: Mapping[str, str]) -> Mapping[str, str]:
    return {word: name for name, others in words.items() for word in others.split()}


#: What other codes call the flags: pythae, PyTorch-VAE, Keras, the official and the replication's code.
FLAGS: Mapping[str, str] = _by_word(
    {
        "lr": "learning_rate learningrate lr_ae lrate",
        "lr_adv": "adversary_lr lr_d lr_disc lr_gan lr_discriminator learning_rate_adv",
        "lr_schedule": "scheduler lr_scheduler lr_decay",
        "zdim": (
            "latent_dim latent_size latent latents z_dim zsize z nz code_size code_dim "
            "hidden_dim latent_dims dim_z n_z embedding_dim"
        ),
        "wae_lambda": (
            "lambda lambda_ lamda lam lmbda beta reg_weight penalty_weight kl_weight lambda_mmd"
        ),
        "lambda_schedule": "lambda_scheduler lambda_decay",
        "batch_size": "batch bs batchsize minibatch mini_batch_size",
        "epochs": "epoch num_epochs n_epochs max_epochs epoch_num",
        "steps": "num_steps max_steps n_steps iterations iters",
        "data_dir": (
            "data data_path dataset_dir dataset_path datadir input input_dir path images "
            "image_dir img_dir root train_dir"
        ),
        "dataset": "data_set ds",
        "work_dir": (
            "output out output_dir out_dir outdir logdir log_dir save_dir model_dir run_dir "
            "workdir checkpoint_dir results_dir exp_dir run"
        ),
        "model": "model_name model_type net method",
        "mode": "task action command phase",
        "seed": "random_seed rng_seed manual_seed",
        "image_size": "img_size size resolution image_dim imsize",
        "num_samples": "n_samples samples nsamples num_images",
        "channels": "num_channels nc in_channels image_channels",
        "encoder_filters": "filters nf ngf ndf width e_num_filters",
        "decoder_filters": "g_num_filters",
        "encoder_layers": "layers depth num_layers e_num_layers",
        "decoder_layers": "g_num_layers",
        "encoder_arch": "arch architecture network encoder e_arch",
        "decoder_arch": "decoder g_arch",
        "mmd_kernel": "kernel mmd_kernel_type kernel_choice",
        "mmd_scales": "scales kernel_scales bandwidth bandwidths",
        "cost": "loss recon_loss reconstruction_loss criterion",
        "recon_scale": "recon_weight reconstruction_weight cost_scale",
        "prior": "pz prior_type latent_prior pz_kind",
        "prior_scale": "sigma sigma_z prior_std pz_scale sigma_prior",
        "encoder_noise": "noise e_noise",
        "precision": "fp16 amp mixed_precision half dtype bf16",
        "jit": "xla jit_compile",
        "tf32": "allow_tf32 tensor_float_32",
        "distribute": "gpus devices strategy ddp distributed num_gpus",
        "optimizer": "opt optim optimiser",
        "adam_beta1": "beta1 beta_1 b1",
        "adam_beta2": "beta2 beta_2 b2",
        "batch_norm": "bn batchnorm",
        "flagfile": "config cfg config_file exp preset",
        "cache_dir": "cache cachedir",
        "overwrite": "force restart clean",
        "save_every": "save_freq checkpoint_every save_interval",
        "verbosity": "loglevel log_level verbose v",
        "help": "usage h",
    }
)
#: What else the values are called.
VALUES: Mapping[str, str] = _by_word(
    {
        "wae_mmd": "wae mmd wae-mmd waemmd",
        "wae_swd": "swd swae sliced sliced_wasserstein",
        "wae_gan": "gan wae-gan waegan aae adversarial",
        "vae": "betavae beta_vae beta-vae",
        "celeba": "celebA celeb_a celeb celeba64 faces",
        "fashion_mnist": "fashion fashion-mnist fashionmnist",
        "cifar10": "cifar cifar-10 cifar_10",
        "dsprites": "sprites dsprite",
        "folder": "images imagefolder custom own directory npy",
        "evaluate": "eval test fid metrics report",
        "train": "fit training resume run",
        "sample": "generate gen samples sampling",
        "interpolate": "interpolation traverse traversal traversals",
        "export": "save serve saved_model savedmodel serving",
        "l2sq": "mse_loss l2_loss squared",
        "l1": "mae l1_loss",
        "bce": "cross_entropy binary_crossentropy xent",
        "normal": "gaussian_prior standard_normal gauss",
        "imq": "inverse_multiquadratic inverse_multiquadric",
        "rbf": "gaussian_kernel rbf_kernel",
        "mixed_float16": "fp16 float16 half mixed",
        "mixed_bfloat16": "bf16 bfloat16",
        "float32": "fp32 single",
        "float64": "fp64 double",
        "mirrored": "multi_gpu multigpu gpu gpus mirror",
        "dcgan": "conv cnn convolutional",
        "mlp": "dense fc linear",
        "manual": "step multistep milestones",
    }
)


def near(name: str, accepted: Iterable[str], others: Mapping[str, str] = VALUES) -> str | None:
    """The accepted name that a wrong one most likely stands for.

    Args:
        name: as it was written.
        accepted: the names that are known.
        others: other words for names.

    Returns:
        None where nothing is near.
    """
    names = list(accepted)
    plain = name.strip().lower().replace("-", "_")
    for word in (name, plain):
        if others.get(word) in names:
            return others[word]
    if plain in names:
        return plain
    found = difflib.get_close_matches(plain, names, n=1, cutoff=0.7)
    return found[0] if found else None


def did_you_mean(name: str, accepted: Iterable[str], others: Mapping[str, str] = VALUES) -> str:
    """The end of a sentence on a name that is not known, by `near`: "." where nothing is."""
    found = near(name, accepted, others)
    return f"; did you mean {found}?" if found else "."
