"""Runs to be set side by side: what their folders hold, which flags differ; no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence

from wae_tf.config import Config
from wae_tf.errors import FlagError, RunError
from wae_tf.errors.suggestions import did_you_mean
from wae_tf.files import of_user, read_text
from wae_tf.runs import integrity, remote
from wae_tf.runs.flags_file import flags_by_name, flags_text
from wae_tf.runs.folder import RunFolder

#: Runs at most: a column of a page each.
MOST = 12
#: Flags that say where things are, and nothing of the run.
_PLACES = ("work_dir", "data_dir", "cache_dir")
#: Flags that decide which images there are.
OF_DATA = ("dataset", "split", "crop", "image_size", "channels", "test_size")
#: Sums of images in metrics.json: those that an evaluation was given, and the run's own.
SUMS = {"evaluated_train_sum": "train_rows_sum", "evaluated_test_sum": "test_rows_sum"}
#: Characters of a network's fact that say which one it is: sha256, a space, the sum.
_SUM = 71


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """What a run's folder holds.

    Attributes:
        name: what the run is called: its folder's name, or the path where two have the same.
        folder: where it is.
        flags: by name, those at their default too.
        metrics: of metrics.json; None is a number that was not finite.
        history: the columns of history.csv.
        facts: of evaluation.json, what its numbers are of; {} of a run that was never evaluated.
    """

    name: str
    folder: RunFolder
    flags: dict[str, str]
    metrics: dict[str, float | None]
    history: dict[str, list[float]]
    facts: dict[str, str]


def read(paths: Sequence[str], progress: Callable[[str], None]) -> list[ComparedRun]:
    """The runs of --runs.

    Args:
        paths: of their folders.
        progress: is called with a line on what was put right, see `integrity.mend`.

    Raises:
        FlagError: fewer than two, more than MOST, or one twice.
        RunError: a folder holds no run, or one that cannot be read.
    """
    paths = [path for path in paths if path]
    if not 2 <= len(paths) <= MOST:
        raise FlagError(
            f"--runs={','.join(paths)} names {len(paths)} run{'s' * (len(paths) != 1)}; accepted: "
            f"folders of 2 to {MOST} runs, separated by commas."
        )
    for address in filter(remote.is_address, paths):
        raise FlagError(f"--runs: {address} is an address; copy the run's folder here first.")
    whole = [of_user(path).resolve() for path in paths]
    for i, path in enumerate(whole):
        if path in whole[:i]:
            raise FlagError(f"--runs={','.join(paths)} names {paths[i]} twice.")
    names = [path.name for path in whole]
    return [
        _read(path, name if names.count(name) == 1 else path, progress)
        for path, name in zip(paths, names, strict=True)
    ]


def _read(path: str, name: str, progress: Callable[[str], None]) -> ComparedRun:
    run = RunFolder(of_user(path))
    if not run.flags.is_file():
        there = [p.parent.name for p in run.folder.parent.glob("*/flags.flags") if p.is_file()]
        raise RunError(
            f"--runs: {path} holds no run: it has no {run.flags.name}"
            + did_you_mean(run.folder.name, there)
        )
    integrity.mend(run, progress)
    try:
        flags = flags_by_name(read_text(run.flags))
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{run.flags} cannot be read as text.") from error
    if not {"dataset", "model"} <= set(flags):
        raise RunError(f"{run.flags} is damaged: it names no data set and model.")
    return ComparedRun(
        name=str(name),
        folder=run,
        flags=flags_by_name(flags_text(Config())) | flags,
        metrics=run.read_metrics(),
        history=run.read_history(),
        facts=facts_of(run),
    )


def facts_of(run: RunFolder) -> dict[str, str]:
    """What evaluation.json says that its numbers are of; {} where there is none.

    Raises:
        RunError: it is damaged.
    """
    if not run.evaluation_file.exists():
        return {}
    try:
        return {
            str(what): str(text)
            for what, text in json.loads(read_text(run.evaluation_file))["facts"]
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{run.evaluation_file} is damaged; --mode=evaluate --work_dir={run.folder} writes it anew."
        ) from error


def differing_flags(runs: Sequence[ComparedRun]) -> dict[str, list[str]]:
    """The flags that are not the same in all runs, each with a value a run; "" where it is not set."""
    names = [field.name for field in dataclasses.fields(Config)]
    found = sorted(
        {name for run in runs for name in run.flags} - {*_PLACES},
        key=lambda name: (names.index(name) if name in names else len(names), name),
    )
    rows = {name: [run.flags.get(name, "") for run in runs] for name in found}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def of_other_images(runs: Sequence[ComparedRun]) -> bool:
    """Whether two runs noted other images to train and test with, as far as they noted any."""
    return any(len(values(runs, name)) > 1 for name in ("train_sum", *SUMS.values()))


def evaluated_on_others(runs: Sequence[ComparedRun]) -> bool:
    """Whether two runs' evaluations noted other images."""
    return any(len(values(runs, name)) > 1 for name in SUMS)


def of_stretched_pictures(runs: Sequence[ComparedRun]) -> bool:
    """Whether some runs, and not all, see and measure pictures that are stretched."""
    return len({run.flags.get("pixel_range") == "stretched" for run in runs}) > 1


def other_networks(runs: Sequence[ComparedRun]) -> list[str]:
    """Titles of networks that are not the same in all runs, by the sums of their weights."""

    def sums(title: str) -> set[str]:
        return {found for run in runs if (found := sum_in(run.facts.get(title, "")))}

    titles = sorted({title for run in runs for title in run.facts})
    return [title for title in titles if len(sums(title)) > 1]


def sum_in(text: str) -> str:
    """What a fact on a network begins with, which says which one it is; "" of other facts."""
    return text[:_SUM] if text.startswith("sha256 ") else ""


def of_network(name: str, title: str) -> bool:
    """Whether a number of metrics.json is by the network of a title, as `feature_networks` names both."""
    own = {"Inception": r"inception|fid|kid", "LPIPS": "test_lpips"}
    pattern = own.get(title, re.escape(title.replace(" ", "_")))
    return re.search(rf"(^|_)({pattern})(_|$)", name) is not None


def values(runs: Sequence[ComparedRun], name: str) -> set[float | None]:
    """What a number is in the runs that have it."""
    return {run.metrics[name] for run in runs if name in run.metrics}
