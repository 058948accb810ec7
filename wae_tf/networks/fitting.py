"""Whether architectures, filters and sizes of images fit each other; imports no TensorFlow.

So a folder of the wrong pictures is refused at once, not after TensorFlow's import. The package's own
architectures name their function of this file as their `check`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wae_tf import registry
from wae_tf.errors import FlagError
from wae_tf.settings import Settings

#: Convolutions of each of the replication report's networks.
REPLICATION_LAYERS = 4


def check(settings: Settings, image_shape: tuple[int, ...]) -> None:
    """Checks that architectures, filters and image size fit each other.

    Raises:
        FlagError: they do not; the sentence says what would.
    """
    pictures = len(image_shape) == 3
    height, width = image_shape[:2] if pictures else (3, 3)
    if min(height, width) < 3:
        raise FlagError(f"images of {height}x{width} are too small; accepted: 3x3 up.")
    for side, arch in (("encoder", settings.encoder_arch), ("decoder", settings.decoder_arch)):
        facts = registry.entry(side, arch).facts
        if facts.get("pictures") and not pictures:
            raise FlagError(
                f"--{side}_arch={arch} takes pictures only, not data of {list(image_shape)}; accepted: "
                "mlp."
            )
        if "check" in facts:
            own = facts["check"]
            found: Callable[..., None] = own if callable(own) else _OWN[own]
            found(settings, image_shape, side)


def _halving_filters(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    arch, filters, count = (
        getattr(settings, f"{side}_{of}") for of in ("arch", "filters", "layers")
    )
    if count and filters < 2 ** (count - 1):
        raise FlagError(
            f"--{side}_filters={filters} is too small for {count} {arch} layers, which halve it "
            f"each; accepted: {2 ** (count - 1)} up."
        )


def _dcgan_decoder(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    if settings.decoder_layers < 1:
        raise FlagError(
            f"--decoder_layers=0 is too few for --decoder_arch={settings.decoder_arch}; accepted: 1 up."
        )
    _halving_filters(settings, image_shape, side)
    height, width, _ = image_shape
    unhalved = int(settings.decoder_arch == "dcgan_mod")
    halvings = settings.decoder_layers - unhalved
    if height % 2**halvings or width % 2**halvings:
        factor = math.gcd(height, width)
        most = (factor & -factor).bit_length() - 1 + unhalved
        raise FlagError(
            f"--decoder_arch={settings.decoder_arch} with --decoder_layers={settings.decoder_layers} "
            f"needs height and width divisible by {2**halvings}, not {height}x{width}"
            + (f": --decoder_layers={most} at most, of these images." if most else ".")
        )


def _ali(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    height, width, _ = image_shape
    filters = getattr(settings, f"{side}_filters")
    if (height, width) != (32, 32):
        raise FlagError(
            f"--{side}_arch=ali takes 32x32 images only (its convolutions end at 1x1), not "
            f"{height}x{width}."
        )
    if filters < 8:
        raise FlagError(f"--{side}_filters={filters} is too small for ali; accepted: 8 up.")


def _began_encoder(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    if settings.encoder_filters != settings.decoder_filters:
        raise FlagError(
            "--encoder_arch=began needs as many --decoder_filters as --encoder_filters, "
            f"{settings.encoder_filters}, not {settings.decoder_filters}."
        )


def _began_decoder(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    height, width, _ = image_shape
    made = 8 * 2 ** len(began_resamplings(settings.decoder_layers))
    if (height, width) != (made, made):
        raise FlagError(
            f"--decoder_arch=began with --decoder_layers={settings.decoder_layers} makes "
            f"{made}x{made} images, not {height}x{width}."
        )


def began_resamplings(count: int) -> list[int]:
    """The layers of --decoder_arch=began behind which the sides are doubled."""
    return [i for i in range(count - 1) if i % 3 == 2]


def _replication(settings: Settings, image_shape: tuple[int, int, int], side: str) -> None:
    height, width, _ = image_shape
    filters, count = (getattr(settings, f"{side}_{of}") for of in ("filters", "layers"))
    if count != REPLICATION_LAYERS:
        raise FlagError(
            f"--{side}_arch=replication has --{side}_layers={REPLICATION_LAYERS}, not {count}."
        )
    if filters < 8:
        raise FlagError(f"--{side}_filters={filters} is too small for replication; accepted: 8 up.")
    if (height, width) != (28, 28) and (height % 16 or width % 16):
        raise FlagError(
            f"--{side}_arch=replication takes images of 28x28, or whose sides are multiples of 16, "
            f"not {height}x{width}."
        )


#: By the names that architectures give as their `check`.
_OWN = {
    "halving_filters": _halving_filters,
    "ali": _ali,
    "began_encoder": _began_encoder,
    "dcgan_decoder": _dcgan_decoder,
    "began_decoder": _began_decoder,
    "replication": _replication,
}
