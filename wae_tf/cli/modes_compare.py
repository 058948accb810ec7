"""--mode=compare: runs side by side; needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from wae_tf.config import Config
from wae_tf.console import progress
from wae_tf.errors import RunError
from wae_tf.registry import register

#: Where the page goes without --work_dir.
FOLDER = "runs/comparison"


@register(
    "mode",
    "compare",
    help="sets runs side by side: a table and a page",
    of_run=False,
    settings=("work_dir",),
    flags={"runs": ([], "folders of the runs to compare, separated by commas")},
)
def compare(config: Config, values: flags.FlagValues) -> None:
    """Prints the table of --runs and writes comparison.html into --work_dir.

    Raises:
        UserError: runs that cannot be compared, or a folder that cannot be written to.
    """
    from wae_tf.evaluation import (
        comparison,
        comparison_limits,
        comparison_page,
        comparison_rows,
        tables,
    )

    runs = comparison.read(values.runs, progress)
    told, _ = comparison_rows.rows(runs)
    head = ["", *(run.name for run in runs)]
    numbers = [[row.name, *row.cells, row.better] for row in told]
    print("\n".join(tables.aligned([*head, "better"], numbers)))
    if differing := comparison.differing_flags(runs):
        lines = [[f"--{name}", *row] for name, row in differing.items()]
        print("\n".join(["", *tables.aligned(head, lines)]))
    print("\n".join(["", *comparison_limits.sentences(runs)]))
    folder = Path(config.folder if values.work_dir else FOLDER)
    try:
        path = comparison_page.write(runs, folder)
    except OSError as error:
        raise RunError(f"--work_dir={folder} cannot be written to: {error.strerror}.") from error
    print(f"\nwrote {path}")
