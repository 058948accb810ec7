"""Training curves in half precision against float32: is the difference that of another seed?

    python benchmarks/precision.py --out=OUT --data_dir=MNIST_DIR [--steps=400] [--seeds=3]

WAE-MMD and WAE-GAN on MNIST with small networks (--arch, --filters), every precision with every seed.
Writes OUT/precision.csv (a row a run), OUT/precision.png (the curves, means of ten steps) and
OUT/table.md. Other seeds give other numbers; a precision is called within the spread where its mean
over the seeds differs from float32's by less than twice the standard error of the difference,
sqrt(s1^2/n + s2^2/n). Milliseconds a step are of this machine: CPUs may have no fast half precision.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import common
import keras
import numpy as np
import small_mnist

from wae_tf.config import Config
from wae_tf.data import load
from wae_tf.data.image_set import ImageSet
from wae_tf.evaluation import brief
from wae_tf.figures import drawing
from wae_tf.models import passes

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
COLOURS = {"float32": "#333333", "mixed_bfloat16": "#1f5fbf", "mixed_float16": "#d62728"}
#: What is compared: of the curves, at half and at the end, and of the finished model.
QUANTITIES = (
    "half_reconstruction", "half_penalty", "end_reconstruction", "end_penalty",
    "test_reconstruction", "test_penalty", "sharpness",
)  # fmt: skip
#: Steps that a point of the curves is the mean of.
STEPS_A_POINT = 10


def run(config: Config, images: ImageSet, steps: int) -> tuple[dict[str, Any], np.ndarray]:
    """Trains one model; its numbers, and its curves [points, 2]."""
    model, batches = small_mnist.ready(config, images, STEPS_A_POINT)
    points, times = [], []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            logs = logs or {}
            points.append([logs["reconstruction"], logs["penalty"]])
            times.append(time.perf_counter())
            self.model.reset_metrics()  # so that a point is the mean of its own steps

    model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[Note()])
    curves = np.asarray(points, np.float64)
    tenth = max(1, len(curves) // 10)
    half = curves[: max(1, len(curves) // 2)][-tenth:].mean(axis=0)
    end = curves[-tenth:].mean(axis=0)
    test = images.test[:2000]
    tested = brief.test_terms(model, test, config.batch_size)
    samples = passes.samples(model, 1000, seed=config.seed)
    return {
        "half_reconstruction": half[0],
        "half_penalty": half[1],
        "end_reconstruction": end[0],
        "end_penalty": end[1],
        "test_reconstruction": tested["test_reconstruction"],
        "test_penalty": tested["test_penalty"],
        "sharpness": float(brief.sharpness(samples).mean()),
        "skipped_steps": model.skipped_steps(),
        "ms_a_step": 1e3 * float(np.median(np.diff(times))) / STEPS_A_POINT,
    }, curves


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: means and deviations over the seeds, and the difference in standard errors."""
    here = [p for p in PRECISIONS if p in {row["precision"] for row in rows}]
    head = ["model", "quantity", *here, "differences, in standard errors", "within the spread"]
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):

        def of(precision: str, name: str, model: str = model) -> np.ndarray:
            some = [r for r in rows if (r["model"], r["precision"]) == (model, precision)]
            return np.array([float(r[name]) for r in some])

        for name in QUANTITIES:
            plain, cells, apart = of("float32", name), [], []
            for precision in here:
                values = of(precision, name)
                cells.append(f"{values.mean():.5f} ± {values.std(ddof=1):.5f}")
                if precision != "float32":
                    error = math.sqrt((values.var(ddof=1) + plain.var(ddof=1)) / len(values))
                    difference = values.mean() - plain.mean()
                    apart.append(difference / error if difference else 0.0)
            verdict = "yes" if max(map(abs, apart)) <= 2 else "no"
            shown = ", ".join(f"{a:+.1f}" for a in apart)
            lines.append([model, name, *cells, shown, verdict])
        for name, form in (("skipped_steps", "{:.1f}"), ("ms_a_step", "{:.3g}")):
            cells = [form.format(of(precision, name).mean()) for precision in here]
            lines.append([model, name, *cells, "", ""])
    return common.markdown(head, lines)


def draw(curves: dict[tuple[str, str, int], np.ndarray], path: Path, title: str) -> None:
    """A panel a model and term, a line a run."""
    names = list(dict.fromkeys(model for model, _, _ in curves))
    figure = drawing.new_figure(9, 3.6 * len(names), layout="constrained")
    axes = figure.subplots(len(names), 2, squeeze=False)
    for row, name in enumerate(names):
        for column, term in enumerate(("reconstruction", "penalty")):
            ax = axes[row, column]
            for (model, precision, seed), points in curves.items():
                if model == name:
                    steps = STEPS_A_POINT * (np.arange(len(points)) + 1)
                    label = precision if seed == 0 else None
                    colour = COLOURS[precision]
                    ax.plot(steps, points[:, column], color=colour, lw=0.9, alpha=0.8, label=label)
            ax.set_title(f"{name}, {term}")
            ax.set_xlabel("step")
            ax.grid(color="#dddddd")
            if term == "reconstruction":
                ax.set_yscale("log")
    axes[0, 0].legend()
    figure.suptitle(title)
    figure.savefig(path)


def main() -> None:
    """Runs everything, writes, prints the table."""
    parser = common.parser(__doc__)
    small_mnist.add_arguments(parser, seeds=3, filters=128)
    parser.add_argument("--precisions", type=common.names(PRECISIONS), default=",".join(PRECISIONS))
    options = parser.parse_args()
    if options.seeds < 2 or "float32" not in options.precisions or len(options.precisions) < 2:
        parser.error("a comparison takes --seeds=2 or more, float32, and another of --precisions")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    images = load.load("mnist", data_dir=options.data_dir)
    rows, curves = [], {}
    for seed in range(options.seeds):
        for model in ("wae_mmd", "wae_gan"):
            for precision in options.precisions:
                config = Config(
                    **small_mnist.networks(options.arch, options.filters),
                    model=model,
                    seed=seed,
                    precision=precision,
                    encoder_layers=3,
                    decoder_layers=3,
                    adversary_filters=options.filters,
                )
                numbers, points = run(config, images, options.steps)
                row = {"model": model, "precision": precision, "seed": seed, **numbers}
                rows.append(row)
                curves[model, precision, seed] = points
                common.write_rows(out / "precision.csv", rows)
                print(
                    f"{model} {precision} seed {seed}: test reconstruction "
                    f"{row['test_reconstruction']:.4f}, {row['ms_a_step']:.3g} ms a step, "
                    f"{row['skipped_steps']} skipped",
                    flush=True,
                )
    what = f"MNIST, {options.arch} of {options.filters}, {options.seeds} seeds"
    draw(curves, out / "precision.png", what)
    (out / "table.md").write_text(table(rows) + "\n")
    print(table(rows))


if __name__ == "__main__":
    common.program(main)
