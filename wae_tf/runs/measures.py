"""Which split each number of history.csv, metrics.json and TensorBoard is of, and its older names.

| name | is of |
| --- | --- |
| train_loss, train_reconstruction, train_penalty, train_adversary_loss | training batches, mean over \
the epoch |
| test_reconstruction, test_penalty, test_loss | test images (history.csv: the first \
--epoch_test_size) |
| loss, reconstruction, penalty, adversary_loss of history.csv | the same as train_... |
| penalty of metrics.json | the same as test_penalty |
| sharpness of history.csv | the minimum over samples |
| sharpness_samples, _reconstructions, _data | samples; test images reconstructed; test images |
| code_..., codes_off_prior, mmd_test... | the codes of all test images |
| frechet_..., kernel_..., score_..., fid, kid, ... | samples against all test images; \
..._reconstructions and ..._data as the columns of the table, ..._equal: as many samples as data |
| test_psnr, test_ssim, test_lpips | test images and their reconstructions |
| ..._ci95 | half the width of the 95% interval of the number before |
| count_..., evaluated_... | how many pictures the numbers of a network, and the last evaluation, are of |
| pixels_of_0_and_1 | 1 where the data's files have these, which are 0 and 255 to the model |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: The key that says of what pixels the data's files are.
ZERO_AND_ONE = "pixels_of_0_and_1"
#: Columns of history.csv that name no split, and the column that says the same and names it.
HISTORY_SPLITS = {
    "loss": "train_loss",
    "reconstruction": "train_reconstruction",
    "penalty": "train_penalty",
    "adversary_loss": "train_adversary_loss",
}
#: Keys of metrics.json of runs before the splits were named. Its `penalty` is of the test set.
_RENAMED = {"loss": "train_loss", "reconstruction": "train_reconstruction"}


def ones_are_white(metrics: Mapping[str, Any]) -> bool:
    """Whether picture files of 0 and 1 are to be read as of 0 and 255, as the run's data were."""
    return bool(metrics.get(ZERO_AND_ONE))


def history_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of history.csv with each training term under both of its names."""
    row = dict(row)
    for short, full in HISTORY_SPLITS.items():
        for name, other in ((short, full), (full, short)):
            if row.get(name) is None and row.get(other) is not None:
                row[name] = row[other]
    return row


def metrics_with_splits(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of metrics.json, those of an older run under the names of today."""
    found = dict(metrics)
    for old, new in _RENAMED.items():
        if old in found:
            value = found.pop(old)
            found.setdefault(new, value)
    if "test_penalty" in found:
        found["penalty"] = found["test_penalty"]
    elif "penalty" in found:
        found["test_penalty"] = found["penalty"]
    return found


def one_split_each(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's finite numbers without the names that tell no split, for TensorBoard."""
    return {
        name: value
        for name, value in history_row(row).items()
        if name not in ("epoch", "step", *HISTORY_SPLITS)
        and value is not None
        and math.isfinite(value)
    }
