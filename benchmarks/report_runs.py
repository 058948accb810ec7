"""The replication report's six runs, trained: as run, corrected, and with the paper's settings.

    python benchmarks/report_runs.py --out=OUT --data_dir=MNIST_DIR --celeba_dir=CELEBA \
        --replication_dir=CLONE --filters=32 --adversary_filters=64 --epochs 1 10 40 80

Trains flags/replication/, flags/replication/corrected/ and, on the same networks and images, the paper's
presets, all of them to the first number of --epochs, then all to the next. Runs that were stopped go on
where they were; those that are there are not trained again, so that the same command brings table and
figures at any time (--epochs 0 trains nothing more). Without --filters, --adversary_filters and the
sizes of CelebA the runs are the report's own: for a GPU. --runs=NAMES are some of them alone, so that
several commands can share a GPU; what each measures stays in its folder for the command that draws all.

Writes OUT/curves.csv (total test loss and blur of each epoch), OUT/measures.csv, OUT/tables.md,
OUT/curves.png and OUT/mnist.png (test images over their reconstructions, samples, traversals). Each
run's folder is OUT/runs/NAME, with its figures and what was measured at its last checkpoint (measured.json,
strip.npz). Pictures of CelebA stay there.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import common

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from wae_tf import console
from wae_tf.cli import arguments
from wae_tf.cli.presets import preset_folder
from wae_tf.config import Config
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import RunError
from wae_tf.evaluation import (
    brief,
    classifier,
    codes,
    picture_measures,
    reconstruction_quality,
    tfgan,
)
from wae_tf.figures import drawing, of_model
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import costs
from wae_tf.pixels import to_unit
from wae_tf.runs import checkpoints
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import Settings
from wae_tf.training import resuming, train

MODELS = ("vae", "wae_gan", "wae_mmd")
TITLES = {"vae": "VAE", "wae_gan": "WAE-GAN", "wae_mmd": "WAE-MMD"}
#: The paper's settings on the report's networks, so that settings alone differ; no pretraining, which
#: the report has not either; the report's images, so that numbers are of the same ones.
PAPER = [
    "--encoder_arch=replication",
    "--decoder_arch=replication",
    "--encoder_layers=4",
    "--decoder_layers=4",
    "--pretrain=false",
    "--test_line=true",
]
PAPER_DATA = {"mnist": ["--split=own"], "celeba": ["--split=listing", "--crop=squash"]}
#: The report's, where nothing else is asked for.
CELEBA_SIZES = {"train_size": 20_000, "test_size": 1_000}
#: The epochs of the table; the last one reached stands besides.
SHOWN = (1, 10, 40, 80)
SAMPLES = 2_000
TESTED = 2_000  # test images at most that the measures are of
#: The total test loss at the last checkpoint by BCE as torch before 1.0 has it, as the CSVs' torch was.
OLDER = "loss_by_older_bce"


@dataclasses.dataclass(frozen=True)
class Run:
    """One of the runs: `kind` is as run, corrected or paper's settings."""

    dataset: str
    model: str
    kind: str

    @property
    def preset(self) -> str:
        """Its file below flags/."""
        folder = {"as run": "replication/", "corrected": "replication/corrected/"}
        return f"{folder.get(self.kind, '')}{self.dataset}_{self.model}.flags"

    @property
    def name(self) -> str:
        """Of its folder."""
        short = {"as run": "as_run", "corrected": "corrected", "paper's settings": "paper"}
        return f"{self.dataset}_{self.model}_{short[self.kind]}"

    @property
    def label(self) -> str:
        """For tables and figures."""
        return f"{self.dataset} {TITLES[self.model]}, {self.kind}"

    @property
    def csv(self) -> str:
        """The report's table of it, "" where there is none."""
        if self.kind != "as run":
            return ""
        dataset = {"celeba": "celeb"}.get(self.dataset, self.dataset)
        return f"{dataset}_{self.model.replace('_', '-')}_stats.csv"


def runs_of(dataset: str) -> list[Run]:
    """The seven of a data set."""
    made = [Run(dataset, "wae_mmd", kind) for kind in ("as run", "corrected", "paper's settings")]
    return made + [
        Run(dataset, model, kind)
        for model in ("wae_gan", "vae")
        for kind in ("as run", "paper's settings")
    ]


def flags_of(run: Run, options: argparse.Namespace) -> list[str]:
    """The command line of a run, but for its folder, its data's place and its epochs."""
    line = [f"--flagfile={preset_folder() / run.preset}"]
    if run.kind == "paper's settings":
        line += PAPER + PAPER_DATA[run.dataset]
    if options.filters:
        line += [f"--{side}_filters={options.filters}" for side in ("encoder", "decoder")]
    if options.adversary_filters and run.model == "wae_gan":
        line += [f"--adversary_filters={options.adversary_filters}"]
    for name, usual in (CELEBA_SIZES if run.dataset == "celeba" else {}).items():
        line += [f"--{name}={getattr(options, f'celeba_{name}') or usual}"]
    return [*line, "--figure_every=0", "--epoch_test_size=1000", f"--seed={options.seed}"]


def config_of(run: Run, options: argparse.Namespace, epochs: int) -> Config:
    """The Config of a run that goes to so many epochs."""
    place = options.celeba_dir if run.dataset == "celeba" else options.data_dir
    folder = Path(options.out) / "runs" / run.name
    line = [f"--data_dir={place}", f"--work_dir={folder}", f"--epochs={epochs}"]
    return arguments.parse([*flags_of(run, options), *line])[1]


def epochs_done(run: Run, options: argparse.Namespace) -> int:
    """Whole epochs of a run that are trained and saved."""
    folder = RunFolder(Path(options.out) / "runs" / run.name)
    if not folder.history.is_file():
        return 0
    return int(folder.read_history()["epoch"][-1])


def train_all(runs: list[Run], options: argparse.Namespace) -> None:
    """Trains all runs to each of --epochs in turn, one after the other."""
    for epochs in options.epochs:
        for run in runs:
            if epochs_done(run, options) >= epochs:
                continue
            began = time.monotonic()
            print(f"{run.name} to epoch {epochs}", flush=True)
            try:
                train.train(config_of(run, options, epochs))
            except RunError as error:  # not finite: the table says so by the epochs it reached
                print(f"{run.name}: {error}", flush=True)
            keras.backend.clear_session()
            print(f"{run.name}: {time.monotonic() - began:.0f} s", flush=True)


def test_lines(path: Path) -> dict[int, tuple[float, float]]:
    """{epoch from 1: (total test loss, blur)} of a test_line.csv, or of a CSV of the report's."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = 1 if "fid" in rows[0] else 0  # the report's count from 0
    return {
        int(row["epoch"]) + first: (float(row["loss"]), float(row["blur"]))
        for row in rows
        if row["blur"]  # celeb_wae-gan_stats.csv ends in a piece of a line
    }


def bce_older(images: tf.Tensor, reconstructions: tf.Tensor) -> tf.Tensor:
    """Sums of cross entropies [n] with log(p + 1e-12), which has a lower bound for images below 0.

    So torch has it before 1.0; from then on 1e-12 is in the gradient alone, where it was before, too.
    """

    def log(p: tf.Tensor) -> tf.Tensor:
        return tf.math.log(p + costs.PROBABILITY_EPSILON)

    pixels = images * log(reconstructions) + (1.0 - images) * log(1.0 - reconstructions)
    return -tf.reduce_sum(pixels, axis=[1, 2, 3])


def loss_by_older_bce(model: Wae, images: ImageSet, batch_size: int) -> float:
    """The total test loss, as in test_line.csv, by `bce_older`."""

    def reconstruction(
        _: str, images: tf.Tensor, made: tf.Tensor, logits: Any, scale: float, weights: Any
    ) -> tf.Tensor:
        return scale * tf.reduce_mean(bce_older(images, made))

    with mock.patch.object(costs, "reconstruction", reconstruction):
        return brief.test_line(model, np.asarray(images.test), batch_size)["loss"]


def measures(
    run: Run, model: Wae, images: ImageSet, network: Any, seed: int
) -> dict[str, float | str]:
    """What compares all runs of a data set, whatever their losses are, at their last checkpoint."""
    test = np.asarray(images.test[:TESTED])
    range_ = model.settings.pixel_range_of_data
    pixels = passes.in_batches(model.as_pixels, test)
    shown = to_unit(passes.reconstructions(model, test), range_)
    found: dict[str, float | str] = {
        "squared_error": float(
            np.square(shown - to_unit(pixels, range_)).sum(axis=(1, 2, 3)).mean()
        )
    }
    test_codes = passes.codes(model, test)
    spread = passes.prior_std(model)
    prior = model.sample_prior(len(test_codes), tf.constant([1, 2])).numpy()
    settings: Settings = model.settings
    width = 2.0 * settings.zdim * spread**2
    found["code_width"] = float(np.sqrt(np.mean(np.square(test_codes))) / spread)
    found["mmd"] = codes.mmd(test_codes, prior, width)
    samples = to_unit(passes.samples(model, SAMPLES, seed=seed), range_)
    samples = np.rint(samples * 255).astype(np.uint8)
    test = reconstruction_quality.originals(model, test)  # as decoded: stretched where it is
    if network is not None:
        real = picture_measures.distances.features(network, test, what="test images")
        made = picture_measures.distances.features(network, samples, what="samples")
        found["frechet"] = tfgan.frechet_distance(real.features, made.features)
    else:
        for level, (_, apart) in enumerate(tfgan.sliced_wasserstein(test, samples, seed)):
            found[f"sliced_{test.shape[1] // 2**level}"] = apart
    return found


def strip(model: Wae, images: ImageSet, seed: int) -> list[np.ndarray]:
    """Ten test images over their reconstructions; twenty samples; two traversals."""
    range_ = model.settings.pixel_range_of_data
    test = np.asarray(images.test[:10])
    pixels = passes.in_batches(model.as_pixels, test)
    made = passes.reconstructions(model, pixels)
    spread, code = passes.prior_std(model), model.encode(pixels[:1]).numpy()[0]
    moved = np.tile(code, (2, len(of_model.TRAVERSAL_VALUES), 1))
    for i in range(2):
        moved[i, :, i] = spread * np.asarray(of_model.TRAVERSAL_VALUES)
    blocks = [
        np.concatenate([pixels, made]),
        passes.samples(model, 20, seed=seed),
        passes.decoded(model, moved.reshape(-1, len(code))),
    ]
    columns = (10, 10, len(of_model.TRAVERSAL_VALUES))
    return [
        drawing.image_grid(to_unit(block, range_), count, gap=1)
        for block, count in zip(blocks, columns, strict=True)
    ]


def looked_at(
    runs: list[Run], options: argparse.Namespace
) -> Iterator[tuple[Run, dict[str, Any], list[np.ndarray]]]:
    """Measures and strips of the runs; figures of each in its folder.

    What was measured before counts as long as no later checkpoint lies beside it, also where none does:
    the weights need not be brought along.
    """
    network = None
    for run in runs:
        folder = RunFolder(Path(options.out) / "runs" / run.name)
        newest = checkpoints.newest(folder.checkpoints, print)
        measured, pictures = folder.folder / "measured.json", folder.folder / "strip.npz"
        if measured.is_file() and pictures.is_file():
            numbers = json.loads(measured.read_text())
            if newest in (None, numbers["steps"]):
                with np.load(pictures) as kept:
                    yield run, numbers, [kept[name] for name in kept.files]
                continue
        if not folder.flags.is_file() or newest is None:
            continue
        config = config_of(run, options, max(epochs_done(run, options), 1))
        model, images = resuming.restore(config)
        if run.dataset == "mnist" and network is None:
            network = _classifier(config, images, options)
        numbers = {
            "run": run.label,
            "epochs": epochs_done(run, options),
            "steps": int(model.step.numpy()),
            **measures(run, model, images, network, options.seed),
        }
        if (config.cost, config.pixel_range) == ("bce_probabilities", "stretched"):
            numbers[OLDER] = loss_by_older_bce(model, images, config.batch_size)
        folder.figures.mkdir(exist_ok=True)
        of_model.draw_reconstructions(model, folder.figures / "reconstructions.png", images.test)
        of_model.draw_traversals(model, folder.figures / "traversals.png", images.test)
        samples = passes.samples(model, 100, seed=options.seed)
        of_model.draw_samples(model, folder.figures / "samples.png", samples, 100, 10)
        blocks = strip(model, images, options.seed)
        np.savez_compressed(pictures, *blocks)
        measured.write_text(json.dumps(numbers))
        yield run, numbers, blocks
        keras.backend.clear_session()


def _classifier(config: Config, images: ImageSet, options: argparse.Namespace) -> Any:
    """The MNIST classifier of OUT/classifier, trained where it is not there yet."""
    folder = Path(options.out) / "classifier"
    if not (folder / classifier.FACTS_FILE).is_file():
        classifier.train(images, folder, steps=options.classifier_steps, seed=options.seed)
    facts = json.loads((folder / classifier.FACTS_FILE).read_text())
    print(f"classifier: test accuracy {facts['test_accuracy']:.4f}", flush=True)
    return classifier.load(folder, config, images.image_shape)


def number(value: Any) -> str:
    """For people."""
    if value is None:
        return "-"
    if isinstance(value, str | int):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table, numbers for people."""
    return common.markdown(head, [map(number, row) for row in rows]) + "\n"


def loss_table(
    runs: list[Run], older: dict[str, tuple[int, float]], options: argparse.Namespace
) -> str:
    """Total test loss and blur at SHOWN and at the last epoch, and the report's beside them.

    Args:
        runs: of the table.
        older: {label of a run: (its last epoch, the loss by `bce_older`)}.
        options: of the command line.
    """
    every = {
        run: test_lines(Path(options.out) / "runs" / run.name / "test_line.csv") for run in runs
    }
    reached = {max(lines) for lines in every.values() if lines}
    epochs = sorted({*SHOWN, *reached})
    rows = []
    for run, ours in every.items():
        if not ours:
            continue
        rows.append([run.label, *(_cell(ours, epoch) for epoch in epochs)])
        if run.label in older:
            last, loss = older[run.label]
            cells = [number(loss) if epoch == last else "-" for epoch in epochs]
            rows.append([f"{run.label}, BCE of torch before 1.0", *cells])
        theirs = test_lines(Path(options.replication_dir or "/nowhere") / run.csv)
        if run.csv and theirs:
            rows.append([f"its {run.csv}", *(_cell(theirs, epoch) for epoch in epochs)])
    return table(["total test loss; blur", *(f"epoch {epoch}" for epoch in epochs)], rows)


def _cell(lines: dict[int, tuple[float, float]], epoch: int) -> str:
    return "; ".join(map(number, lines[epoch])) if epoch in lines else "-"


def draw_curves(
    path: Path,
    runs: list[Run],
    numbers: list[dict[str, Any]],
    older: dict[str, tuple[int, float]],
    options: argparse.Namespace,
) -> None:
    """Total test loss against the epoch, the report's beside it; distances of samples by run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    datasets = list(dict.fromkeys(run.dataset for run in runs))
    models = [model for model in MODELS if model in {run.model for run in runs}]
    figure, grid = pyplot.subplots(
        len(datasets),
        len(models) + 1,
        figsize=(1 + 4 * (len(models) + 1), 4 * len(datasets)),
        squeeze=False,
        constrained_layout=True,
    )
    for axes, dataset in zip(grid, datasets, strict=True):
        for axis, model in zip(axes, models, strict=False):
            for run in [r for r in runs if (r.dataset, r.model) == (dataset, model)]:
                if run.kind == "paper's settings":  # its loss is another sum
                    continue
                lines = test_lines(Path(options.out) / "runs" / run.name / "test_line.csv")
                colour = "tab:red" if run.kind == "as run" else "tab:blue"
                if lines:
                    losses = [loss for loss, _ in lines.values()]
                    narrow = ", narrow" if options.filters else ""
                    axis.plot(list(lines), losses, ".-", color=colour, label=run.kind + narrow)
                if run.label in older:
                    axis.plot(
                        *older[run.label], "D", color=colour, label="by BCE of torch before 1.0"
                    )
                theirs = test_lines(Path(options.replication_dir or "/nowhere") / run.csv)
                if run.csv and theirs:
                    losses = [loss for loss, _ in theirs.values()]
                    axis.plot(list(theirs), losses, color="0.6", label="the report's CSV")
            axis.set(title=f"{dataset} {TITLES[model]}", xlabel="epoch", xscale="log")
            if axis.lines:
                if all((line.get_ydata() > 0).all() for line in axis.lines):
                    axis.set_yscale("log")
                axis.legend()
        axes[0].set_ylabel("total test loss")
        rows = [row for row in numbers if row["run"].startswith(dataset)]
        if rows:
            key = "frechet" if "frechet" in rows[0] else max(k for k in rows[0] if "sliced" in k)
            names = [row["run"].removeprefix(f"{dataset} ") for row in rows]
            axes[-1].barh(names, [row[key] for row in rows], color="0.6")
            axes[-1].invert_yaxis()
            axes[-1].set(
                title="Frechet distance of samples" if key == "frechet" else f"samples: {key}"
            )
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def draw_strips(path: Path, strips: dict[str, list[np.ndarray]]) -> None:
    """A row a run: test images over reconstructions, samples, traversals of two coordinates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(
        len(strips),
        3,
        figsize=(15, 1.15 * len(strips) + 0.4),
        squeeze=False,
        constrained_layout=True,
    )
    titles = ("test images over reconstructions", "samples", "traversals of coordinates 1 and 2")
    for axes, (name, blocks) in zip(grid, strips.items(), strict=True):
        for axis, block in zip(axes, blocks, strict=True):
            axis.imshow(drawing.rgb(block), interpolation="nearest")
            axis.set_axis_off()
        label = name.removeprefix("mnist ").replace(", ", ",\n")
        place = axes[0].transAxes
        axes[0].text(-0.02, 0.5, label, transform=place, ha="right", va="center")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> None:
    """Trains what is left, then measures, tabulates and draws what there is."""
    parser = common.parser(__doc__)
    parser.add_argument("--out", required=True, help="folder of the runs, tables and figures")
    parser.add_argument("--data_dir", help="folder of MNIST's four idx files")
    parser.add_argument("--celeba_dir", help="CelebA's pictures, a folder or the zip")
    parser.add_argument("--replication_dir", help="a clone of the report's code, for its CSVs")
    parser.add_argument("--runs", nargs="+", help="names of some, as mnist_wae_mmd_as_run")
    parser.add_argument("--epochs", type=common.number(least=0), nargs="+", default=list(SHOWN))
    parser.add_argument(
        "--filters", type=common.number(), help="widest filters; the report's are 1024"
    )
    parser.add_argument("--adversary_filters", type=common.number(), help="the report's are 512")
    parser.add_argument("--celeba_train_size", type=common.number(), help="the report's is 20000")
    parser.add_argument("--celeba_test_size", type=common.number(), help="the report's is 1000")
    parser.add_argument("--classifier_steps", type=common.number(), default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console.to_stdout()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    places = {"mnist": options.data_dir, "celeba": options.celeba_dir}
    runs = [run for dataset, place in places.items() if place for run in runs_of(dataset)]
    if not runs:
        parser.error("--data_dir, --celeba_dir or both are needed")
    if options.runs:
        unknown = sorted(set(options.runs) - {run.name for run in runs})
        if unknown:
            parser.error(
                f"--runs: {', '.join(unknown)}; there are {', '.join(r.name for r in runs)}"
            )
        runs = [run for run in runs if run.name in options.runs]
    train_all(runs, options)

    numbers: list[dict[str, Any]] = []
    strips: dict[str, list[np.ndarray]] = {}
    for run, found, pictures in looked_at(runs, options):
        numbers.append(found)
        if run.dataset == "mnist":  # pictures of CelebA stay in its runs' folders
            strips[run.label] = pictures
    commands = [
        f"python -m wae_tf.main {' '.join(flags_of(run, options))}".replace(
            f"{preset_folder()}{os.sep}", "flags/"
        )
        for run in runs
    ]
    lines = [
        {"run": run.label, "epoch": epoch, "loss": loss, "blur": blur}
        for run in runs
        for epoch, (loss, blur) in test_lines(out / "runs" / run.name / "test_line.csv").items()
    ]
    older = {
        row["run"]: (row["epochs"], row.pop(OLDER)) for row in numbers if OLDER in row
    }  # has no column of its own
    text = loss_table(runs, older, options)
    if numbers:
        common.write_rows(out / "curves.csv", lines)
        columns = dict.fromkeys(
            name for row in numbers for name in row
        )  # each data set has its own
        common.write_rows(out / "measures.csv", numbers, columns)
        for dataset in dict.fromkeys(run.dataset for run in runs):
            rows = [row for row in numbers if row["run"].startswith(dataset)]
            if rows:
                text += "\n" + table(list(rows[0]), [list(row.values()) for row in rows])
        draw_curves(out / "curves.png", runs, numbers, older, options)
    if strips:
        draw_strips(out / "mnist.png", strips)
    text += "\n" + "\n".join(commands) + "\n"
    (out / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    common.program(main)
