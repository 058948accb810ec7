"""What --mode=explore opens: a run or a saved model, and the data among which neighbours are sought."""

from __future__ import annotations

import numpy as np

from wae_tf.console import interruption, progress
from wae_tf.errors import FlagError
from wae_tf.explore import server
from wae_tf.explore.explorer import Explorer
from wae_tf.models import passes
from wae_tf.models.wae import Wae

_ADVICE = "the page is closed; the same command opens it again."


def check(port: int, rows: int) -> None:
    """Says what is wrong with the mode's own flags, or missing, before a model is read.

    Raises:
        FlagError: a number out of range, or no Gradio.
    """
    if rows < 0:
        raise FlagError(
            f"--explore_rows={rows} is negative; accepted: 0 for no neighbours, and up."
        )
    server.listen(port).close()
    server.require()


def explore(
    model: Wae,
    title: str,
    data: np.ndarray | None,
    port: int,
    rows: int,
    labels: np.ndarray | None = None,
    zero_and_one: bool = False,
) -> None:
    """Opens the page of a model, until a signal.

    Args:
        model: trained.
        title: of the page.
        data: rows [n, ...] of training data, or None.
        port: see `server.listen`.
        rows: of the data, at most, among which neighbours are sought.
        labels: int64 [n], of the data, of a model with classes.
        zero_and_one: see `Explorer`.

    Raises:
        Interrupted: a signal ended it.
    """
    some = None if data is None or not rows else data[:rows]
    with interruption.listening(_ADVICE):
        if some is not None:
            progress(f"encoding {len(some):,} rows of the data, to look for neighbours")
        explorer = Explorer(model, some, passes.first(labels, rows), zero_and_one)
        server.serve(explorer, title, server.listen(port))
