"""The network of --lpips: two pictures in, the distance that people see out (1801.03924).

The weights are not ours to ship. Of the authors' package: torch.onnx.export of lpips.LPIPS(net="alex")
with two inputs [n, 3, H, W] gives a file that is read here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wae_tf.errors import DataError
from wae_tf.evaluation import any_network, network_formats
from wae_tf.evaluation.prepared import prepared
from wae_tf.evaluation.preprocessing import Preprocessing

_BATCH = 50


@dataclasses.dataclass(frozen=True)
class Lpips:
    """A network that tells how far apart two pictures look.

    Attributes:
        identity: sha256 of its files.
        said: what is done to the pictures, for people.
        distances: uint8 [n, H, W, C] twice -> float32 [n].
    """

    identity: str
    said: str
    distances: Callable[[np.ndarray, np.ndarray], np.ndarray]


def load(source: str, image_shape: tuple[int, ...]) -> Lpips:
    """The network, tried on grey pictures: their distance is 0.

    Args:
        source: see `network_formats.opened`; its inputs are pictures in [-1, 1], as the authors' are.
        image_shape: of the pictures, [H, W, C].

    Raises:
        network_files.Unreachable: a handle that cannot be downloaded.
        DataError: it is not there, or gives no distance of two pictures.
    """
    opened = network_formats.opened(source, "lpips")
    if len(opened.shapes) != 2:
        raise DataError(
            f"{opened.source} has {len(opened.shapes)} input{'s' * (len(opened.shapes) != 1)}; two, "
            "of pictures, are accepted."
        )
    if opened.whole:
        raise DataError(
            f"{opened.source} takes whole numbers ({opened.whole}); accepted: floats, of pictures in [-1, 1]."
        )
    shape = opened.shapes[0]
    if shape and shape[0]:
        raise DataError(f"{opened.source} takes {shape[0]} pictures at once; accepted: any number.")
    symmetric = Preprocessing(range="symmetric")
    wanted = any_network.completed(symmetric, shape, image_shape)

    def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        rows = []
        for i in range(0, len(first), _BATCH):
            pair = (prepared(tf.constant(x[i : i + _BATCH]), wanted) for x in (first, second))
            (made, *others), count = opened.call(*pair).values(), len(first[i : i + _BATCH])
            made = np.asarray(made, np.float32)
            if others or made.size != count:
                raise DataError(f"{opened.source} gives not one distance for two pictures.")
            rows.append(made.reshape(count))
        found = np.concatenate(rows)
        if bad := np.count_nonzero(~np.isfinite(found)):
            raise DataError(
                f"{opened.source} gives NaN or inf for {bad:,} of {len(found):,} pairs of pictures: a "
                "network of finite numbers is expected."
            )
        return found

    grey = np.full((2, *image_shape), 128, np.uint8)
    wants = "accepted: a network of two inputs [n, H, W, 3] or [n, 3, H, W]"
    with network_formats.trying(opened.source, wants):
        found = distances(grey, grey)
    if not np.abs(found).max() < 1e-3:
        raise DataError(f"{opened.source} sets a picture {found[0]:.4g} apart from itself, not 0.")
    assert wanted.size
    size = "x".join(map(str, wanted.size))
    return Lpips(opened.identity, f"pictures of {size} in [-1, 1]", distances)
