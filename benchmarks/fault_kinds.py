"""Kinds of faults that `faults.py` tries on tiny runs of digits, each try in a process of its own.

A try is lost if what was there before is gone or changed, if another number came out without a word, or
if the answer is no sentence with its status. A traceback is counted besides.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fault_runs
import hostile
import numpy as np
from fault_runs import Process, Runs, Try
from PIL import Image

#: Where each mode is told to end: its phases, by the function that begins them.
PHASES = {
    "train": [
        "training.reading:load_images", "training.setup:build", "training.resuming:begin",
        "training.pretraining:pretrain", "models.pretraining:step", "runs.checkpoints:save",
        "models.wae:Wae.train_step", "training.callbacks:StopOnBadStep.on_train_batch_end",
        "evaluation.brief:test_terms", "figures.of_model:draw_progress", "evaluation.brief:evaluate",
        "runs.folder:RunFolder.append_history", "runs.integrity:kept",
    ],
    "sample": [
        "training.reading:load_images", "models.by_name:from_config", "runs.checkpoints:restore",
        "evaluation.samplers:draw_codes", "models.passes:decoded", "files:sync",
        "figures.of_model:draw_samples",
    ],
    "interpolate": [
        "training.reading:load_images", "runs.checkpoints:restore",
        "figures.of_model:draw_interpolations", "figures.of_model:draw_traversals",
    ],
    "evaluate": [
        "training.reading:load_images", "runs.checkpoints:restore", "evaluation.full:evaluate",
        "models.passes:reconstructions", "models.passes:codes", "runs.folder:RunFolder.update_metrics",
        "evaluation.report:write",
    ],
    "export": [
        "training.resuming:restore_model", "serving.signatures:served_model",
        "serving.signatures:signatures", "serving.export:save", "serving.export:_read_back",
        "serving.export:_publish",
    ],
    "export_official": ["training.resuming:restore_model", "official.weights:write_checkpoint"],
    "compare": ["evaluation.comparison:read", "evaluation.comparison_page:write"],
    "classifier": [
        "training.reading:load_images", "evaluation.classifier:build",
        "tensorflow:GradientTape.gradient", "evaluation.classifier:_outputs",
        "evaluation.classifier:_save", "files:sync",
    ],
}  # fmt: skip
#: Seconds that a signal may wait for its answer.
ANSWERED_WITHIN = 5
NOBODY = 65534
NAMES = [
    "lr[0.1]", "back\\slash", "a]b", "[", "a*b", "what?", "sp ace", "ünïcode", "-dash", "a;b", "'q\"",
    "--seed=1", "%s{0}", "a" * 200, "trailing ", "$HOME", "#", ".hidden", "a,b", "漢字",
]  # fmt: skip
REFUSED_NAMES = ["new\nline", "tab\t", "bell\a", "escape\x1b[2J", "\udcff"]
#: Bytes that a file may grow to; beyond, writing fails as on a full disk (EFBIG).
LIMITS = (0, 2000, 20_000, 100_000)
BITS = 2  # in each file


def signals(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """A signal at each phase of each mode, in its imports, and at random moments of its work."""
    turns = 0
    # Of these two, moments as well that no function's beginning is.
    life = {mode: runs.command(mode, runs.copy()).seconds for mode in ("train", "evaluate")}
    for mode, phases in PHASES.items():
        places = [*phases, *["random"] * 4 * (mode in life), "imports"]
        for place in places:
            number = (signal.SIGTERM, signal.SIGINT)[turns % 2]
            turns += 1
            new = mode == "train" and turns % 3 > 0  # else one that goes on
            folder = runs.new() if new else runs.copy()

            told = folder.parent / "told"

            def send(number: int = number, told: Path = told) -> None:
                told.write_text(str(time.monotonic()))
                os.kill(os.getpid(), number)

            wait = {"imports": chance.uniform(0.3, 3.0)}.get(place)
            before = None
            if place == "random":
                wait = chance.uniform(0.05, 1.0) * life[mode]
            elif wait is None:
                before = fault_runs.at(place, send)
            drawn = ["--figure_every=2"] * (mode == "train")
            process = runs.start(mode, folder, *drawn, before=before, fresh=place == "imports")
            ended = process.end(wait, number)
            # The clock is one of all processes.
            answered = ended.moment - float(told.read_text()) if told.exists() else ended.waited
            lost = ""
            if answered and answered > ANSWERED_WITHIN:
                lost = f"answered in {answered:.1f} s"
            if mode == "train" or not new:
                lost = lost or runs.lost(mode, folder)
            when = place if wait is None else f"{place}, {wait:.1f} s"
            # 0: it had done its work by then.
            expected = (128 + number,) if before else (128 + number, 0)
            result = dataclasses.replace(ended.judged(expected, lost), seconds=answered)
            yield f"{mode}, {number.name}, {when}", result


def disk(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """No file may grow over a limit in each mode: a sentence, and what was there stands."""
    for mode in fault_runs.MODES:
        for limit in LIMITS:
            folder = runs.copy()

            def small(limit: int = limit) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            ended = runs.command(mode, folder, before=small)
            yield f"{mode}, {limit} bytes", ended.judged((0, 1), runs.lost(mode, folder))


def unwritable(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """The run is another user's, who lets it be read: a sentence in each mode."""
    for mode in fault_runs.MODES:
        folder = runs.copy()
        for beside in ("classifier", "compare"):
            (folder.parent / beside).mkdir()
        for path in (folder.parent, folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        ended = runs.command(mode, folder, before=_as_nobody)
        for path in (folder.parent, folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield mode, ended.judged((1,), runs.lost(mode, folder))


def unreadable(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Each file and folder that may not be read for a moment: it is there afterwards, byte for byte."""
    folders = sorted(str(p.relative_to(runs.whole)) for p in runs.whole.rglob("*") if p.is_dir())
    for name in (*fault_runs.files(runs.whole), *folders):
        first = name.split("/")[0] in fault_runs.LASTING or "/" not in name
        for mode in ("train", "sample") if first else ("train",):
            folder = runs.copy()
            modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
            if os.geteuid() == 0:
                for path in (folder.parent, *modes):
                    os.chown(path, *(0, 0) if path == folder / name else (NOBODY, NOBODY))
            os.chmod(folder / name, 0)
            ended = runs.command(mode, folder, before=_as_nobody)
            for path, bits in modes.items():
                if path.exists():
                    path.chmod(bits)
            lost = fault_runs.changed(runs.whole, folder) if ended.status else ""
            yield f"{mode}, {name}", ended.judged((0, 1), lost or runs.lost(mode, folder))


def _as_nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def bits(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Flipped bits in each file: the same samples, the same end, the same table, or a sentence."""

    def table_of(said: str, folder: Path) -> str:
        return said.replace(f"/{folder.parent.name}/", "/N/")

    whole = runs.copy()
    table = table_of(runs.command("compare", whole).said, whole)
    for name in fault_runs.files(runs.whole):
        if "/" not in name:
            folder = runs.copy()
            what = _flip(folder / name, chance)
            ended = runs.command("compare", folder)
            other = table_of(ended.said, folder) != table
            told = ended.said + ended.error
            silent = ended.status == 0 and other and not ("damaged" in told or "put right" in told)
            lost = "another table in silence" if silent else ""
            yield f"compare, {name}: {what}", ended.judged((0, 1, 2), lost)
        for turn in range(BITS):
            folder = runs.copy()
            if not (folder / name).stat().st_size:
                continue
            what = _flip(folder / name, chance)
            mode = ("sample", "train")[turn % 2]
            if mode == "sample":
                (folder / "samples.npy").unlink(missing_ok=True)
            ended = runs.command(mode, folder)
            named = "damaged" in ended.said or "put right" in ended.said
            lost = ""
            if ended.status == 0 and not named:
                if mode == "sample" and (folder / "samples.npy").read_bytes() != runs.samples:
                    lost = "other samples in silence"
                if mode == "train" and fault_runs.outcome(folder) != fault_runs.outcome(
                    runs.longer
                ):
                    lost = "another end in silence"
            yield f"{mode}, {name}: {what}", ended.judged((0, 1, 2), lost)


def others(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Flipped bits in each file of a classifier and of the cache: the same numbers, or a sentence."""
    measured = runs.copy()
    classifier = measured.parent / "classifier"  # where that mode writes
    for mode, flag in (("classifier", "--seed=0"), ("evaluate", f"--classifier={classifier}")):
        ended = runs.command(mode, measured, flag)
        assert ended.status == 0, ended.error
    expected = (measured / "metrics.json").read_bytes()
    for path in [path for path in sorted(classifier.iterdir()) for _ in range(BITS)]:
        folder, damaged = runs.copy(), runs.new("classifier")
        shutil.copytree(classifier, damaged)
        what = _flip(damaged / path.name, chance)
        ended = runs.command("evaluate", folder, f"--classifier={damaged}")
        other = ended.status == 0 and (folder / "metrics.json").read_bytes() != expected
        yield f"evaluate, {what}", ended.judged((0, 1), "other numbers in silence" if other else "")
    cached = sorted((runs.out / "cache").glob("features-*"))
    for path in [path for path in cached for _ in range(BITS)]:
        folder, cache = runs.copy(), runs.new("cache")
        shutil.copytree(runs.out / "cache", cache)
        what = _flip(cache / path.name, chance)
        given = (f"--classifier={classifier}", f"--cache_dir={cache}")
        ended = runs.command("evaluate", folder, *given)
        other = ended.status == 0 and (folder / "metrics.json").read_bytes() != expected
        yield f"evaluate, {what}", ended.judged((0, 1), "other numbers in silence" if other else "")
    pictures = runs.new("pictures")
    pictures.mkdir()
    for index, image in enumerate(
        np.frombuffer(runs.samples[-64 * 784 :], np.uint8).reshape(-1, 28, 28)
    ):
        Image.fromarray(np.roll(image, index)).save(pictures / f"{index}.png")
    data = ["--dataset=folder", f"--data_dir={pictures}", "--train_size=50", "--test_size=10"]
    data += ["--batch_size=10", "--epochs=1", "--figure_every=0"]
    runs.command("train", whole := runs.new(), *data, f"--cache_dir={runs.out / 'decoded'}")
    expected = fault_runs.outcome(whole)
    for path in [path for path in sorted((runs.out / "decoded").iterdir()) for _ in range(BITS)]:
        folder, cache = runs.new(), runs.new("decoded")
        shutil.copytree(runs.out / "decoded", cache)
        what = _flip(cache / path.name, chance)
        ended = runs.command("train", folder, *data, f"--cache_dir={cache}")
        other = ended.status == 0 and fault_runs.outcome(folder) != expected
        yield f"train, {what}", ended.judged((0, 1), "another end in silence" if other else "")


def _flip(path: Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"{path.name}, bit {bit} of byte {place}"


def oddities(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """A pipe, a folder, a dangling link, nothing in place of each file; files as folders."""

    def pipe(path: Path) -> None:
        os.mkfifo(path)

    def nowhere(path: Path) -> None:
        path.symlink_to("nowhere/at/all")

    odd = {"a pipe": pipe, "a folder": Path.mkdir, "a dangling link": nowhere, "empty": Path.touch}
    names = [name for name in fault_runs.files(runs.whole) if name != "samples.npy"]
    for index, name in enumerate(names):
        for turn, (what, make) in enumerate(odd.items()):
            mode = "train" if (index + turn) % 4 == 0 else "sample"
            folder = runs.copy()
            (folder / name).unlink()
            make(folder / name)
            yield f"{mode}, {what} for {name}", runs.command(mode, folder).judged((0, 1, 2))
    for name in ("figures", "checkpoints", "events"):
        for mode in ("train", "interpolate"):
            folder = runs.copy()
            shutil.rmtree(folder / name)
            (folder / name).write_text("no folder")
            yield f"{mode}, a file for {name}", runs.command(mode, folder).judged((0, 1, 2))


def names(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """A run under each name goes on, is sampled and exported; what no name can be is refused."""
    for name in NAMES:
        folder = runs.copy(name)
        modes = ["sample", "export_official"]
        modes += ["train"] * bool(set(name) & set("[]*?\\")) + ["export"] * (name in NAMES[:2])
        for mode in modes:
            ended = runs.command(mode, folder)
            lost = runs.lost(mode, folder) if mode == "train" else ""
            yield f"{mode}, {name}", ended.judged((0,), lost)
    for name in REFUSED_NAMES:
        ended = Process([f"--work_dir={runs.new(name)}"], None, fresh=False).end()
        yield f"train, {name!r}", ended.judged((2,))


def flags(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Flags that cannot be used: a sentence, status 2 or 1."""
    with tempfile.TemporaryDirectory() as made:
        for arguments in hostile.command_lines(Path(made)):
            ended = Process(hostile.with_work_dir(arguments, Path(made)), None, fresh=False).end()
            yield " ".join(map(str, arguments))[:100], ended.judged((1, 2))


def requests(runs: Runs, chance: random.Random) -> Iterator[tuple[str, Try]]:
    """Requests to the served digits model: what they ask for, or a sentence."""
    for what, lost in hostile.try_requests(print):
        yield what, Try(lost)


KINDS: dict[str, Callable[[Runs, random.Random], Iterator[tuple[str, Try]]]] = {
    "signals": signals,
    "disk": disk,
    "unwritable": unwritable,
    "unreadable": unreadable,
    "bits": bits,
    "others": others,
    "oddities": oddities,
    "names": names,
    "flags": flags,
    "requests": requests,
}


def run(kinds: list[str], out: Path, seed: int) -> int:
    """Tries each kind that OUT has no file of, and prints the table of all that it has files of.

    Args:
        kinds: names of `KINDS`.
        out: a folder; OUT/KIND.json keeps the tries of a kind, and is removed to try it again.
        seed: of random moments and places; those of a kind are the same whichever went before.

    Returns:
        1 if anything was lost, else 0.
    """
    out.mkdir(parents=True, exist_ok=True)
    runs = None
    # Requests last: they use TensorFlow in this process, which then forks no more.
    for kind in sorted(kinds, key=list(KINDS).index):
        if (out / f"{kind}.json").exists():
            continue
        runs = runs or Runs(Path(tempfile.mkdtemp(prefix="runs-", dir=out)))
        revision, began, tries = _revision(), time.monotonic(), []
        for what, result in KINDS[kind](runs, random.Random(f"{seed} {kind}")):
            tries.append({"what": what, **dataclasses.asdict(result)})
            words = f"LOST: {result.lost}" if result.lost else "survived"
            words += ", a traceback" * result.traceback
            words += f", answered in {result.seconds:.1f} s" if result.seconds else ""
            print(f"{kind}: {what!r}: {words}", flush=True)
        head = {"revision": revision, "date": time.strftime("%Y-%m-%d", time.gmtime())}
        head["seconds"] = round(time.monotonic() - began)
        (out / f"{kind}.json").write_text(json.dumps({**head, "tries": tries}, indent=1))
    return _table(out)


def _revision() -> str:
    """The last change of the package, and whether files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    last = subprocess.run(
        [*git, "log", "-1", "--format=%h", "--", "../wae_tf"], capture_output=True
    )
    changes = subprocess.run([*git, "status", "--porcelain", "../wae_tf"], capture_output=True)
    return (last.stdout.decode().strip() or "unknown") + " with changes" * bool(changes.stdout)


def _table(out: Path) -> int:
    """Prints what OUT keeps; 1 if anything was lost."""
    print("\n| kind | tries | survived | lost | tracebacks | wae_tf at |\n|" + " --- |" * 6)
    anything, answers = 0, ""
    for kind in KINDS:
        if not (out / f"{kind}.json").exists():
            continue
        kept = json.loads((out / f"{kind}.json").read_text())
        tries = kept["tries"]
        lost, tracebacks = (sum(bool(t[key]) for t in tries) for key in ("lost", "traceback"))
        anything |= lost or tracebacks
        row = (kind, len(tries), len(tries) - lost, lost, tracebacks, kept["revision"])
        print("| " + " | ".join(map(str, row)) + " |")
        waits = sorted(t["seconds"] for t in tries if t["seconds"])
        if waits:
            middle = waits[len(waits) // 2]
            answers = f"{kind}: answered in {middle:.1f} s (median), {waits[-1]:.1f} s at most"
    if answers:
        print(f"\n{answers}")
    return int(bool(anything))
