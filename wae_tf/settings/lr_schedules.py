"""What a value of --lr_schedule means: a name, a number of epochs, or milestones."""

from __future__ import annotations

import math

from wae_tf.errors import FlagError

#: Factors of a learning rate that are numbers of float32, and not 0.
LEAST_FACTOR, LARGEST_FACTOR = 1.2e-38, 3.4e38


def milestones(lr_schedule: str) -> tuple[tuple[int, float], ...] | None:
    """The (epoch, factor) pairs of a schedule such as `30:0.5,50:0.2`; None for one without colons.

    Raises:
        FlagError: an epoch that is no whole number from 1, or a factor outside of the two above.
    """
    if ":" not in lr_schedule:
        return None
    found = []
    for part in lr_schedule.split(","):
        epoch, _, factor = part.partition(":")
        try:
            found.append((int(epoch), float(factor)))
        except ValueError:
            found.append((0, math.nan))
        if found[-1][0] < 1 or not LEAST_FACTOR <= found[-1][1] <= LARGEST_FACTOR:
            raise FlagError(
                f"--lr_schedule={lr_schedule} is not known: {part!r} is not EPOCH:FACTOR, such as "
                f"50:0.2, with an epoch from 1 and a factor from {LEAST_FACTOR} to {LARGEST_FACTOR}."
            )
    return tuple(found)


def schedule_speed(lr_schedule: str) -> float | None:
    """The number s of a schedule 10^(-epoch/s); None for one with a name or milestones.

    Raises:
        FlagError: neither a known name nor milestones nor a positive number.
    """
    if lr_schedule in ("constant", "manual", "manual_smooth", "plateau"):
        return None
    if milestones(lr_schedule) is not None:
        return None
    try:
        speed = float(lr_schedule)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise FlagError(
            f"--lr_schedule={lr_schedule} is not known; accepted: constant, manual, "
            "manual_smooth, plateau, milestones such as 30:0.5,50:0.2, or a positive number of "
            "epochs."
        )
    return speed
