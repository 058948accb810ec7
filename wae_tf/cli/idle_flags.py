"""Which of the flags given do nothing beside others: said, not refused, for a script may name them always."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wae_tf import registry
from wae_tf.config import Config
from wae_tf.settings import checks

#: Data sets of the package that are read picture by picture, so that one of them can be bad.
_PICTURE_BY_PICTURE = ("celeba", "folder")


def sentences(names: Iterable[str], config: Config) -> Iterator[str]:
    """What to say of flags of a training that it accepts and does not read.

    Args:
        names: of the flags that the command line itself has.
        config: what is in force.
    """
    left = list(dict.fromkeys(names))
    found = [(f"for --model={config.model}", checks.unread(left, config.model))]
    found += [(why, [name for name in left if name in of]) for why, of in _beside(config)]
    for why, idle in found:
        if those := [name for name in idle if name in left]:
            left = [name for name in left if name not in those]
            do = "does" if len(those) == 1 else "do"
            yield f"{', '.join(f'--{name}' for name in those)} {do} nothing {why}"


def _beside(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What makes flags idle, and which."""
    if config.optimizer != "adam":
        yield f"beside --optimizer={config.optimizer}", ("adam_beta1", "adam_beta2", "adam_epsilon")
    if config.mmd_kernel != "imq":
        yield f"beside --mmd_kernel={config.mmd_kernel}", ("mmd_scales",)
    if config.encoder_noise != "gaussian":
        yield f"beside --encoder_noise={config.encoder_noise}", ("encoder_clip",)
    if config.init != "normal" and config.model != "wae_gan":  # whose adversary has them still
        yield f"beside --init={config.init}", ("init_std", "init_bias")
    if not config.batch_norm:
        yield "beside --nobatch_norm", ("batch_norm_decay", "batch_norm_eps")
    if not config.pretrains:
        of = ("pretrain_size", "pretrain_steps")
        if not config.pretrain:
            yield "beside --nopretrain", of
        elif config.init_from_official:
            yield "beside --init_from_official", ("pretrain", *of)
        else:
            yield f"for --model={config.model}", ("pretrain", *of)
    if not (config.keep_best or config.early_stopping_patience):
        yield "without --keep_best or --early_stopping_patience", ("best_by",)
    if config.precision == "float64":
        yield "beside --precision=float64", ("tf32",)
    if (
        config.jit and config.distribute != "none"
    ):  # replicas' messages are no part of an XLA program
        yield f"beside --distribute={config.distribute}", ("jit",)
    own = registry.entry("dataset", config.dataset).module.startswith("wae_tf.")
    if own and config.dataset not in _PICTURE_BY_PICTURE:
        yield f"for --dataset={config.dataset}", ("skip_bad_images",)
    yield from _of_networks(config)


def _of_networks(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the architectures say that they do not read; of what both may, what neither does."""
    encoder, decoder = config.encoder_arch, config.decoder_arch
    of_encoder, of_decoder = (
        registry.fact(side, arch, "unread", ())
        for side, arch in (("encoder", encoder), ("decoder", decoder))
    )
    yield f"beside --encoder_arch={encoder}", _of_side("encoder", of_encoder)
    yield f"beside --decoder_arch={decoder}", _of_side("decoder", of_decoder)
    both = tuple(name for name in of_encoder if name in of_decoder)
    yield f"beside --encoder_arch={encoder} and --decoder_arch={decoder}", both


def _of_side(side: str, unread: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in unread if name.startswith(f"{side}_"))
