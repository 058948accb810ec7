"""What an evaluation may be asked for: the flags' names, defaults, help and checks; no TensorFlow."""

from __future__ import annotations

import dataclasses

from wae_tf import registry
from wae_tf.errors import FlagError
from wae_tf.errors.suggestions import did_you_mean
from wae_tf.evaluation import preprocessing
from wae_tf.settings import field

#: Where samples' codes come from: see `samplers.draw_codes`.
SAMPLERS = ("prior", "gmm", "improved")
#: How pictures come to Inception's size, the reference graph's way first: see `inception.resized`.
RESIZES = ("tf1_bilinear", "bilinear", "bicubic")

#: Resamples at most: a weight of each row is held for each.
MOST_RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to evaluate by; field names are the flags' names.

    Raises:
        FlagError: a value is not accepted.
    """

    eval_samples: int = field(10_000, "samples to measure")
    sampler: str = field("prior", "where samples' codes come from", choices=SAMPLERS)
    sphere_axis: str = field(
        "code", "--sampler=improved: what is normalised on a sphere", choices=("code", "batch")
    )
    inception: str | None = field(
        None,
        "network of FID, KID and Inception Score: a TF-Hub handle, a SavedModel folder, or "
        "the frozen graph of 2015-12-05",
    )
    inception_resize: str = field(
        "tf1_bilinear", "how pictures come to 299x299 for it", choices=RESIZES
    )
    features: str | None = field(
        None,
        "network with an embedding of pictures, to measure distances by: a SavedModel folder, a .keras, "
        ".h5 or .onnx file, or a TF-Hub handle",
    )
    features_input: tuple[str, ...] = field(
        (),
        "what it wants, above what the JSON file beside it says: size=224, resize=bicubic, "
        "range=imagenet, channels=3, mean=, std=, layout=, output=, signature=, pool=, normalize=, name=",
    )
    lpips: str | None = field(
        None,
        "network of LPIPS: two pictures in [-1, 1] to a distance; files as of --features",
    )
    bootstrap: int = field(100, "resamples of the 95% intervals; 0: no intervals")
    classifier: str | None = field(
        None,
        "folder of a classifier (default: runs/<dataset>_classifier, where it is there)",
    )

    @property
    def tail(self) -> str:
        """What the names of the samples' numbers and pictures end in."""
        return tail_of(self.sampler)

    def __post_init__(self) -> None:
        """Checks every value."""
        if self.eval_samples < 2:
            raise FlagError(f"--eval_samples={self.eval_samples} is too small; accepted: 2 up.")
        if not 0 <= self.bootstrap <= MOST_RESAMPLES or self.bootstrap == 1:
            raise FlagError(
                f"--bootstrap={self.bootstrap} is not accepted; accepted: 0, and 2 to {MOST_RESAMPLES:,}."
            )
        if self.features_input and not self.features:
            raise FlagError("--features_input goes with --features=NETWORK, which it is of.")
        preprocessing.of(self.features_input)
        for one in dataclasses.fields(self):
            value, choices = getattr(self, one.name), one.metadata["choices"]
            if choices and value not in choices:
                raise FlagError(
                    f"--{one.name}={value} is not known; accepted: {', '.join(choices)}"
                    + did_you_mean(value, choices)
                )
        if self.inception_resize != RESIZES[0] and not self.inception:
            raise FlagError("--inception_resize goes with --inception=NETWORK, which it is of.")
        if self.sphere_axis != "code" and self.sampler != "improved":
            raise FlagError("--sphere_axis goes with --sampler=improved, which it is of.")


def check_sampler(
    sampler: str,
    of_pictures: bool,
    data: str = "other data",
    conditional: bool = False,
    cost: str | None = None,
) -> None:
    """Refuses the sampler that is of pictures, of models without classes and of distances, for others.

    Args:
        sampler: one of SAMPLERS.
        of_pictures: whether the data are.
        data: what they are else, in the plural.
        conditional: whether the model has classes.
        cost: the model's.

    Raises:
        FlagError: it is asked for.
    """
    if sampler != "improved":
        return
    if not of_pictures:
        raise FlagError(
            "--sampler=improved is of pictures, whose contrast it evens out; accepted for "
            f"{data}: prior, gmm."
        )
    if conditional:
        raise FlagError(
            "--sampler=improved is of models without classes; accepted with --conditional: prior, gmm."
        )
    if cost and registry.fact("cost", cost, "logits"):
        raise FlagError(f"--sampler=improved needs a distance, and --cost={cost} has none.")


def tail_of(sampler: str) -> str:
    """What the names of numbers and pictures of a sampler's samples end in: nothing for the prior."""
    return "" if sampler == "prior" else f"_{sampler}"
