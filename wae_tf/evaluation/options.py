"""What an evaluation may be asked for: the flags' names, defaults, help and checks; no TensorFlow."""

from __future__ import annotations

import dataclasses

from wae_tf.errors import FlagError
from wae_tf.errors.suggestions import did_you_mean
from wae_tf.settings import field

#: Where samples' codes come from: see `samplers.draw_codes`.
SAMPLERS = ("prior", "gmm", "improved")
#: How pictures come to Inception's size, the reference graph's way first: see `inception.resized`.
RESIZES = ("tf1_bilinear", "bilinear", "bicubic")


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
        for one in dataclasses.fields(self):
            value, choices = getattr(self, one.name), one.metadata["choices"]
            if choices and value not in choices:
                raise FlagError(
                    f"--{one.name}={value} is not known; accepted: {', '.join(choices)}"
                    + did_you_mean(value, choices)
                )


def tail_of(sampler: str) -> str:
    """What the names of numbers and pictures of a sampler's samples end in: nothing for the prior."""
    return "" if sampler == "prior" else f"_{sampler}"
