"""What of runs side by side does not compare, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wae_tf import registry
from wae_tf.evaluation import comparison
from wae_tf.evaluation.comparison import ComparedRun
from wae_tf.settings import checks

#: Flags that decide what a cost is.
_OF_COST = ("cost", "recon_scale", "batch_divisor", "pixel_range")
#: Flags that decide what a penalty is, and over how many codes.
_OF_PENALTY = (
    "model", "zdim", "prior", "prior_scale", "mmd_kernel", "mmd_scales", "mmd_distances", "mmd_clamp",
    "swd_projections", "penalty_codes", "adversary_outputs", "gan_trick", "batch_size",
)  # fmt: skip
#: Models whose penalty is a mean of each code's own, so that a batch's size is none of its matter.
_OF_EACH_CODE = {"vae", "wae_gan"}
#: Of runs with as many data: `count_` and a network is of all samples, with `_equal` of as many as data.
_BY_EQUAL = ", as those do whose names end in _equal."


def _of_penalty(runs: Sequence[ComparedRun]) -> list[str]:
    """The flags that decide what these runs' penalties are, but those that none of them reads."""
    models = {run.flags.get("model", "") for run in runs}
    known = set(registry.names("model"))  # a plugin's model may read all of them
    found = [
        name
        for name in _OF_PENALTY
        if any(model not in known or not checks.unread([name], model) for model in models)
    ]
    idle = set()
    if all(run.flags.get("mmd_kernel") == "rbf" for run in runs):
        idle.add("mmd_scales")
    if models <= _OF_EACH_CODE and not _divided(runs):
        idle.add("batch_size")
    return [name for name in found if name not in idle]


def _divided(runs: Sequence[ComparedRun]) -> bool:
    """Whether a sum over a batch is divided by a number of its own, so that it is as the batch is large."""
    return any(run.flags.get("batch_divisor") for run in runs)


def sentences(runs: Sequence[ComparedRun]) -> list[str]:
    """What of the runs does not compare, a sentence each."""
    differing = comparison.differing_flags(runs)

    def named(flags: Sequence[str]) -> str:
        return ", ".join(f"--{name}" for name in flags if name in differing)

    said = []
    if flags := named(comparison.OF_DATA):
        said.append(
            f"The runs are of other data ({flags}): their numbers are of other test images."
        )
    elif comparison.of_other_images(runs):
        said.append("The runs are of other images, though their flags are the same.")
    if flags := named((*_OF_COST, *(("batch_size",) if _divided(runs) else ()))):
        said.append(f"Costs and losses are not in one unit ({flags}).")
    if flags := named(_of_penalty(runs)):
        said.append(f"Penalties, and losses with them, are not of one kind ({flags}).")
    elif len({run.facts["penalty"] for run in runs if "penalty" in run.facts}) > 1:
        said.append("Penalties on test images are means over batches of different sizes.")
    if flags := named(("wae_lambda", "lambda_schedule", "adversary_weight")):
        said.append(f"Losses weigh the penalty differently ({flags}).")
    if comparison.of_stretched_pictures(runs):
        said.append(
            "--pixel_range=stretched is not all runs': their pictures are measured as the model sees them, "
            "stretched, beside the others' own."
        )
    names = {name for run in runs for name in run.metrics if name.startswith("count_")}
    if several := [
        name
        for name in ("evaluated_test", *sorted(names))
        if len(comparison.values(runs, name)) > 1
    ]:
        plain = all(name.startswith("count_") and not name.endswith("_equal") for name in several)
        said.append(
            f"Counts differ ({', '.join(several)}): Frechet distances, Gaussian MMD, precision, recall, "
            "density and coverage compare at equal counts only"
            + (_BY_EQUAL if plain else "; give --eval_samples.")
        )
    said += [
        f"{title} is not the same network in all runs: its numbers do not compare."
        for title in comparison.other_networks(runs)
    ]
    said += [text for run in runs if (text := _of_other_images(run))]
    for run in runs:
        evaluated, steps = run.metrics.get("evaluated_step"), run.metrics.get("steps")
        again = f"--mode=evaluate --work_dir={run.folder.folder}"
        if not run.facts and evaluated is None:
            said.append(f"{run.name} was never evaluated; {again} does it.")
        elif not run.facts:
            said.append(
                f"{run.name} has no {run.folder.evaluation_file.name}, which says what its numbers are of; "
                f"{again} writes it."
            )
        elif evaluated is not None and steps is not None and evaluated < steps:
            said.append(
                f"{run.name} was evaluated at step {evaluated:,} of {steps:,}; {again} renews it."
            )
        if not any(map(math.isfinite, run.history["step"])):
            said.append(f"{run.name} has no epoch behind it, so it has no curves.")
    return said


def _of_other_images(run: ComparedRun) -> str | None:
    """That the numbers of a run's evaluation are of other images than its own."""
    pairs = [
        (run.metrics.get(given), run.metrics.get(own)) for given, own in comparison.SUMS.items()
    ]
    if all(None in pair or pair[0] == pair[1] for pair in pairs):
        return None
    return (
        f"{run.name} was evaluated on other images than it was trained and tested with: its numbers do not "
        f"compare with those of runs that were not; --mode=evaluate --work_dir={run.folder.folder} on its "
        "own data renews them."
    )
