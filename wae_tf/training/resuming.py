"""Goes on where a run was stopped, and back to a checkpoint after a bad step."""

from __future__ import annotations

from typing import Any

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.files import read_text
from wae_tf.models import by_name
from wae_tf.models.step.guard import finite
from wae_tf.models.wae import Wae
from wae_tf.runs import checkpoints, integrity
from wae_tf.runs.flags_file import flags_by_name
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import shapes
from wae_tf.training import best, distribution, reading, setup
from wae_tf.training.callbacks import BadStep
from wae_tf.training.programs import Length

#: After so many rollbacks a run stops: its learning rates are a thousandth by then.
MOST_ROLLBACKS = 10
#: What `begin` returns where no step is left.
FINISHED = -2


def begin(run: RunFolder, config: Config, images: ImageSet, length: Length, overwrite: bool) -> int:
    """Makes the folder ready; returns the step of the checkpoint to go on from, -1, or FINISHED.

    Raises:
        FlagError: the run has other flags, or is beyond where these end.
        DataError: it is of other images.
        RunError: its files cannot be used.
    """
    if not overwrite:
        integrity.mend(run, progress)
    if overwrite or not run.begun(config):
        setup.create(run, config, images, overwrite)
        return -1
    known = run.read_metrics()
    if known.get("train_images", len(images.train)) != len(images.train):
        raise DataError(
            f"--work_dir={run.folder} holds a run on {known['train_images']} training images, and "
            f"there are {len(images.train)} now; give the same data, or --overwrite to start anew."
        )
    facts = setup.facts_of(config, images)
    if differing := setup.parts_that_differ(known, facts):
        raise DataError(
            f"--work_dir={run.folder} holds a run on other images than {images.source} has now (those for "
            f"{' and '.join(differing)} differ); give the same data, or --overwrite to start anew."
        )
    checkpoints.sweep(run.checkpoints)
    step, total = checkpoints.newest(run.checkpoints, progress), length.total
    longer, asked = ("--steps", total) if total == config.steps else ("--epochs", config.epochs)
    ways = "to go on, give another --work_dir, or --overwrite to remove it and start anew."
    if step is not None and step > total:
        raise FlagError(
            f"{longer}={asked} ends at step {total}, and the run in --work_dir={run.folder} is at step "
            f"{step} already; raise {longer} {ways}"
        )
    if step is not None and step == known.get("steps"):
        if step == total:
            progress(
                f"nothing to do: --work_dir={run.folder} holds a run already, finished at step {step}; "
                f"raise {longer} {ways}"
            )
            return FINISHED
        state = checkpoints.state_of(run.checkpoints, step).get("best", {})
        if best.is_over(state, config, config.tested(len(images.test))):
            progress(
                f"nothing to do: --work_dir={run.folder} holds a run already, ended at step {step}: "
                f"{state['waited']} epochs were no better than epoch {state['epoch']}; raise "
                f"--early_stopping_patience {ways}"
            )
            return FINISHED
    run.write_flags(config)
    for folder in (run.figures, run.checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    run.sweep()
    step = -1 if step is None else step
    checkpoints.set_aside_after(run.checkpoints, step)
    # The row of an epoch that --steps had cut short goes too, where this epoch now goes on.
    run.cut_history(lambda at: at <= step and length.ends(at))
    run.update_metrics(facts, drop=("diverged_step", "steps"))
    return step


def roll_back(model: Wae, config: Config, run: RunFolder, bad: BadStep) -> dict[str, Any]:
    """Puts the last checkpoint back with half the learning rates; returns its state.

    Raises:
        RunError: --on_nonfinite=stop, no checkpoint, or rolled back too often.
    """
    strategy = model.distribute_strategy
    chief = distribution.is_chief(strategy)
    newest = checkpoints.newest(run.checkpoints, progress) if chief else None
    step = distribution.from_chief(strategy, -1 if newest is None else newest)
    count = int(model.schedules.rollbacks.numpy()) + 1
    if config.on_nonfinite == "stop" or step < 0 or count > MOST_ROLLBACKS:
        if chief:
            run.update_metrics({"diverged_step": bad.step})
        kept = f"the last good checkpoint is that of step {step}" if step >= 0 else "none is saved"
        raise RunError(
            f"the run stopped: {bad}; {kept}; try a smaller --lr or --wae_lambda"
            + (", or --on_nonfinite=rollback." if config.on_nonfinite == "stop" else ".")
        ) from bad
    factor = float(model.schedules.lr_factor.numpy()) / 2
    state = checkpoints.restore(run.checkpoints, step, model)
    model.schedules.lr_factor.assign(factor)
    model.schedules.rollbacks.assign(count)
    if chief:
        checkpoints.set_aside_after(run.checkpoints, step)  # damaged ones, in the way of new ones
        run.cut_history(lambda at: at <= step)
    progress(f"{bad}; going on from step {step} with {factor:g} of the learning rates")
    return state


def restore(config: Config, images: ImageSet | None = None) -> tuple[Wae, ImageSet]:
    """The model of a finished or stopped run from the checkpoint that --checkpoint names, with its images.

    Other images than the run's are taken, with a line that says so.

    Raises:
        DataError: the images are of another shape than the run's, or of more classes.
        RunError: no run or no such checkpoint in the folder.
    """
    model, images, _ = restore_with_facts(config, images)
    return model, images


def restore_with_facts(
    config: Config, images: ImageSet | None = None
) -> tuple[Wae, ImageSet, dict[str, int]]:
    """As `restore`, and what `setup.facts_of` says of the images, for which all are read once.

    Raises:
        DataError: the images are of another shape than the run's, or of more classes.
        RunError: no run or no checkpoint in the folder.
    """
    run = RunFolder(config.folder)
    run.require()
    images = images or reading.load_images(config)
    _check_kind(run, config, images)
    config = setup.with_classes(config, images)
    facts = setup.facts_of(config, images)
    if said := of_other_images(run, facts, images):
        progress(said)
    return _restored(config, setup.build(config, images)), images, facts


def evaluated_sums(facts: dict[str, int]) -> dict[str, float]:
    """What metrics.json notes of the images that an evaluation's numbers are of, by `setup.facts_of`."""
    return {f"evaluated_{part}_sum": facts[f"{part}_rows_sum"] for part in ("train", "test")}


def of_other_images(run: RunFolder, facts: dict[str, int], images: ImageSet) -> str | None:
    """A sentence where images, of which `setup.facts_of` says the facts, are not the run's; else None."""
    differing = setup.parts_that_differ(run.read_metrics(), facts)
    if not differing:
        return None
    return (
        f"ATTENTION: {images.source} has other images than the run in {run.folder} was trained with (those "
        f"for {' and '.join(differing)} differ): what is measured and made now is of these."
    )


def restore_model(config: Config) -> Wae:
    """As `restore`, without the images: the run has noted their shape and number.

    Raises:
        RunError: no run or no checkpoint in the folder.
    """
    run = RunFolder(config.folder)
    run.require()
    if (noted := _noted(run)) is None:  # a run of before they were noted
        return restore(config)[0]
    return _restored(config, by_name.from_config(config, *noted))


def _noted(run: RunFolder) -> tuple[tuple[int, ...], int] | None:
    """The shape and the number of a run's training images; None of one that has not noted them."""
    known = run.read_metrics()
    for kind in shapes.KINDS.values():
        names = (*kind.sizes, "train_images")
        noted = [int(known[name] or 0) for name in names if isinstance(known.get(name), int)]
        if len(noted) == len(names) and min(noted) > 0:
            return tuple(noted[:-1]), noted[-1]
    return None


def _check_kind(run: RunFolder, config: Config, images: ImageSet) -> None:
    """Refuses data that a run's networks cannot take, whatever they show."""
    here, noted = images.image_shape, _noted(run)
    labels = [own for own in (images.train_labels, images.test_labels) if own is not None]
    classes = 1 + max((int(own.max()) for own in labels), default=0)
    has = takes = None
    if noted and noted[0] != here:
        has, takes = ("x".join(map(str, shape)) for shape in (here, noted[0]))
        has = f"{shapes.kind_of(here).many} of {has}"
    elif config.classes and classes > config.classes:
        has, takes = f"{classes} classes", str(config.classes)
    if has:
        raise DataError(
            f"{images.source} has {has}, and the run in --work_dir={run.folder} is of {takes}; give data "
            "as it was trained with."
        )


def _restored(config: Config, model: Wae) -> Wae:
    run = RunFolder(config.folder)
    model.compile()
    # Those of mixed_float16 scale the loss, and have other state.
    same = flags_by_name(read_text(run.flags)).get("precision") in (None, config.precision)
    while True:
        there = checkpoints.steps(run.checkpoints)
        try:
            step = _step_of(run, config.checkpoint)
            checkpoints.restore(run.checkpoints, step, model, optimizers=same)
            break
        except (RunError, OSError):
            # A training that goes on drops some and adds others meanwhile.
            if checkpoints.steps(run.checkpoints) == there:
                raise
    if not finite((model.encoder, model.decoder)):
        raise RunError(
            f"{checkpoints.path_of(run.checkpoints, step)} holds weights that are not finite, of which "
            "nothing can be made; --checkpoint=N takes that of another step."
        )
    progress(f"restored step {step} of {run.folder}")
    return model


def _step_of(run: RunFolder, checkpoint: str) -> int:
    """The step that --checkpoint names.

    Raises:
        RunError: the run has no such checkpoint.
    """
    newest = checkpoints.newest(run.checkpoints, progress)
    if newest is None:
        raise integrity.without_checkpoint(run)
    if checkpoint == "newest":
        return newest
    if checkpoint == "best":
        known = integrity.best_of(run, checkpoints.state_of(run.checkpoints, newest))
        progress(f"step {known['step']} is best: {known['by']} {known['value']:.4f}")
        return known["step"]
    integrity.require_step(run, int(checkpoint))
    return int(checkpoint)
