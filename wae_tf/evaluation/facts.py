"""What the numbers of an evaluation are of, in words."""

from __future__ import annotations

from collections.abc import Sequence

from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import bootstrap, brief, kernels, manifolds, picture_measures, tfgan
from wae_tf.evaluation.distances import FeatureNetwork
from wae_tf.evaluation.lpips import Lpips
from wae_tf.evaluation.network_measures import PAIRED
from wae_tf.evaluation.options import Options
from wae_tf.evaluation.picture_measures import (
    DIRECTIONS,
    MOST_SLICED,
    SEARCHED,
    SLICED_SIDE,
    Pictures,
)


def of_pictures(
    config: Config,
    images: ImageSet,
    options: Options,
    pictures: Pictures,
    networks: Sequence[tuple[FeatureNetwork, int]],
    perceptual: Lpips | None,
    step: int,
) -> list[tuple[str, str]]:
    """What the numbers are of, as (what, text).

    Args:
        config: of the run.
        images: its data.
        options: of the evaluation.
        pictures: that were compared.
        networks: each with how many features it has.
        perceptual: the network of LPIPS, if there is one.
        step: of the checkpoint.
    """
    count = f"{len(images.test):,}"
    sliced = images.test_labels is None and min(images.image_shape[:2]) >= SLICED_SIDE
    crop = f"; crop {config.crop}" if config.dataset == "celeba" else ""
    facts = [
        ("data", f"{images.name}, {images.split}{crop}; from {images.source}"),
        ("checkpoint", f"step {step:,}, {config.checkpoint}"),
        ("penalty", f"on the test set, the mean over full batches of {config.batch_size:,}"),
        ("compared with", f"the {count} test images, as bytes{_stretched(config)}"),
        (
            "columns",
            f"samples: {len(pictures.samples):,} by sampler {options.sampler}, seed {config.seed}; "
            f"reconstructions: of the {count} test images, so compared with their own originals"
            f"{', but by sliced Wasserstein distances' if sliced else ''}; data: the first "
            f"{len(pictures.data):,} training images, what a model that gives real pictures would get",
        ),
        (
            "L2 distance",
            f"mean over {min(SEARCHED, len(pictures.samples)):,} samples, pixels in [0, 1]; in the column "
            f"of data, over {min(SEARCHED, len(images.test)):,} test images",
        ),
        (
            "sharpness",
            f"of at most {brief.SHARPNESS_OF:,} pictures in each column, on the pixel range as trained; "
            f"samples drawn with seed {config.seed}",
        ),
    ]
    for network, _ in networks:
        settings = "; ".join(f"{k.replace('_', ' ')} {v}" for k, v in network.settings.items())
        ours = network.name == f"{config.dataset}_classifier"
        seen = "; trained on the training images" if ours else ""
        facts.append((network.title, f"sha256 {network.identity}; {settings}{seen}"))
    if networks:
        facts += _of_networks(pictures)
    if options.bootstrap:
        text = _intervals(config, options, networks, pictures)
        if sliced:
            text += _of_sliced(options)
        facts.append(("±", text))
    facts.append(
        (
            "PSNR and SSIM",
            f"TensorFlow's, of bytes, mean over the {count} test images; their reconstructions are "
            "drawn as in training, the encoder's noise included",
        )
    )
    if perceptual:
        facts.append(("LPIPS", f"sha256 {perceptual.identity}; {perceptual.said}"))
    if sliced:
        facts.append(("sliced Wasserstein", _sliced(pictures)))
    return facts


def _stretched(config: Config) -> str:
    if config.pixel_range_of_data != "stretched":
        return ""
    return (
        ", stretched as the model sees them: each from its own smallest value at 0 to its largest at 255; "
        "so are the data and the training images that are searched"
    )


def _sliced(pictures: Pictures) -> str:
    other = picture_measures.sliced_reconstructions(pictures)
    height, width = pictures.test.shape[1:3]
    side = min(height, width)
    cut = (
        "" if height == width else f"; of the centre {side}x{side} of each picture, its rest unseen"
    )
    return (
        f"TF-GAN's, of {picture_measures.sliced_count(pictures):,} samples, or data, and as many test "
        f"images; of {other:,} reconstructions, of the second half of the test images, and {other:,} of the "
        "first half, for beside its original a copy would have an edge; 1,000 times the distance, a level of "
        "the Laplacian pyramid each; noise of one grey level added"
        f"{cut}"
    )


def _of_networks(pictures: Pictures) -> list[tuple[str, str]]:
    equal = pictures.equal_count
    return [
        (
            "counts",
            f"by networks, samples and data are {equal:,} each, for most distances fall as the number "
            f"grows; {pictures.tail}_equal ends the names of these samples' numbers",
        ),
        (
            "Frechet and kernel distance",
            "by TF-GAN 2.1 (of a network of --features, the Frechet distance in float64 by eigenvalues of "
            "any size); the kernel of KID, in blocks of 1,024",
        ),
        (
            "Gaussian MMD",
            f"CMMD's (sigma {kernels.SIGMA:g}, times {kernels.SCALE:,.0f}), which is CMMD where the network "
            "is CLIP and normalizes",
        ),
        (
            "precision, recall; density, coverage",
            f"balls out to the {manifolds.NEAREST}rd nearest neighbour; to the "
            f"{manifolds.NEAREST_DENSITY}th; as the Gaussian MMD, of the first {PAIRED:,} at most",
        ),
    ]


def _intervals(
    config: Config,
    options: Options,
    networks: Sequence[tuple[FeatureNetwork, int]],
    pictures: Pictures,
) -> str:
    text = (
        f"half a 95% interval: 1.96 standard deviations over {options.bootstrap:,} bootstrap resamples "
        f"of pictures, seed {config.seed}"
    )
    rows = len(pictures.samples) + len(pictures.test)
    for network, width in networks:
        fewer = bootstrap.frechet_resamples(rows, width, options.bootstrap)
        if fewer < options.bootstrap:
            text += f", {fewer} for the Frechet distance by {network.title}"
    return f"{text}; both sets are drawn anew, a reconstruction with its original"


def _of_sliced(options: Options) -> str:
    return (
        f"; sliced Wasserstein distances: {min(options.bootstrap, MOST_SLICED)} resamples along {DIRECTIONS} "
        f"of their {tfgan.DIRECTIONS} directions, reconstructions apart from the test images beside them"
    )
