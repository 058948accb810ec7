"""Whether a trained model's codes are far from the prior, where its samples come from, and what helps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wae_tf import registry
from wae_tf.config import Config

#: As benchmarks/stability.py counts a run as failed: the largest mean of a coordinate of the test codes,
#: the smallest and the largest deviation, over the prior's.
MEAN, STD_LEAST, STD_MOST = 0.5, 0.5, 2.0
#: What chance may add, in standard errors of a mean and of a deviation: few codes are not blamed.
STANDARD_ERRORS = 4.0

_ADVICE = "more steps, or a larger --wae_lambda"


def flag(numbers: Mapping[str, Any], count: int) -> dict[str, float]:
    """The number of metrics.json that says it.

    Args:
        numbers: what `codes.moments` gives.
        count: codes that they are of.

    Returns:
        `codes_off_prior`: 1 or 0.
    """
    chance = STANDARD_ERRORS / math.sqrt(count)
    off = (
        numbers["code_mean_max"] > MEAN + chance
        or numbers["code_std_min"] < STD_LEAST * (1 - chance / math.sqrt(2))
        or numbers["code_std_max"] > STD_MOST * (1 + chance / math.sqrt(2))
    )
    return {"codes_off_prior": float(off)}


def sentence(metrics: Mapping[str, Any], config: Config) -> str:
    """What to say of a run's metrics: nothing where the codes are near the prior.

    The advice is a fact of the model, from the stability study (docs/advice.md).
    """
    if not metrics.get("codes_off_prior"):
        return ""
    advice = registry.fact("model", config.model, "off_prior", _ADVICE)
    return (
        "the codes are far from the prior, so samples are not of what the decoder has learned: "
        f"standard deviations {metrics['code_std_min']:.2f} to {metrics['code_std_max']:.2f} of the "
        f"prior's, means up to {metrics['code_mean_max']:.2f} of it off; what helped others: {advice}."
    )
