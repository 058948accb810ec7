"""What a model makes of images, drawn: runs it, and hands arrays to `panels` and `six_panel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wae_tf import streams
from wae_tf.figures import drawing, panels, six_panel
from wae_tf.figures.projection import least_gaussian_plane
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import priors
from wae_tf.pixels import to_unit

#: Traversals: the coordinates at most, and the values in the prior's standard deviations.
TRAVERSED = 16
TRAVERSAL_VALUES = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
INTERPOLATION_ROWS, INTERPOLATION_STEPS = 10, 10
RANDOM_PAIRS, PAIRS_A_ROW = 40, 4
#: Of the figure by class: rows at most, and samples of each.
CLASS_ROWS, CLASS_COLUMNS = 20, 10


def _pictures(model: Wae, images: np.ndarray) -> np.ndarray:
    return to_unit(np.asarray(images), model.settings.pixel_range_of_data)


def _shown(model: Wae, images: np.ndarray) -> np.ndarray:
    return passes.in_batches(model.as_pixels, images)


def _fitting(available: int, columns: int) -> int:
    # As many whole rows as there are images, an even number for the pairs.
    rows = available // columns
    while rows and rows * columns % 2:
        rows -= 1
    return rows * columns


def codes_in_plane(
    model: Wae, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The prior's codes and those of training and test data, [n, 2] each.

    In the plane where they look least normal, or the first two coordinates of other priors.
    """
    settings = model.settings
    train, test = passes.codes(model, train), passes.codes(model, test)
    prior = model.sample_prior(len(train), streams.key(settings.seed, "figure", 0)).numpy()
    found: tuple[np.ndarray, ...] = (prior, train, test)
    if settings.prior == "normal" and settings.zdim > 2:
        both = np.concatenate([train, test])
        plane = least_gaussian_plane(both, settings.prior_scale, settings.seed)
        found = tuple(codes @ plane for codes in found)
    elif settings.zdim == 1:
        found = tuple(np.concatenate([codes, np.zeros_like(codes)], axis=1) for codes in found)
    prior, train, test = (codes[:, :2] for codes in found)
    return prior, train, test


def draw_progress(
    model: Wae,
    path: Path,
    train: np.ndarray,
    test: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    title: str,
    *,
    pictures: int,
    columns: int,
    train_labels: np.ndarray | None = None,
    test_labels: np.ndarray | None = None,
) -> None:
    """The official six-panel figure (official wae.py:785-966): the first images of train and test.

    Args:
        model: the model.
        path: PNG to write.
        train: uint8 [n, H, W, C].
        test: uint8 [m, H, W, C].
        curves: as `six_panel.SixPanels` has them.
        title: above the figure.
        pictures: images in each panel, at most.
        columns: of each panel.
        train_labels: int64 [n], which a model with classes needs.
        test_labels: likewise [m].
    """
    if len(train) == 1:  # the panels show pairs
        train = np.repeat(train, 2, 0)
        train_labels = None if train_labels is None else np.repeat(train_labels, 2, 0)
    available = min(pictures, len(train), len(test))
    columns = min(columns, available)
    if not _fitting(available, columns):  # a single row of an odd number
        columns -= columns % 2
    count = _fitting(available, columns)
    train, test = _shown(model, train[:count]), _shown(model, test[:count])
    prior_codes, codes_train, codes_test = codes_in_plane(model, train, test)
    made = [
        passes.reconstructions(model, part, labels=passes.first(labels, count))
        for part, labels in ((train, train_labels), (test, test_labels))
    ]
    shown = six_panel.SixPanels(
        train=_pictures(model, train),
        train_reconstructions=_pictures(model, made[0]),
        test=_pictures(model, test),
        test_reconstructions=_pictures(model, made[1]),
        samples=_pictures(model, passes.samples(model, count, seed=model.settings.seed)),
        data=_pictures(model, train),
        codes_train=codes_train,
        codes_test=codes_test,
        prior_codes=prior_codes,
        curves=curves,
        columns=columns,
        title=title,
    )
    six_panel.write(path, shown)


def draw_samples(model: Wae, path: Path, images: np.ndarray, pictures: int, columns: int) -> None:
    """A grid of at most `pictures` samples float [n, H, W, C] in the model's pixel range."""
    columns = min(columns, len(images))
    count = min(len(images), pictures) // columns * columns
    panels.samples(path, _pictures(model, images[:count]), columns)


def draw_data(model: Wae, path: Path, images: np.ndarray, pictures: int, columns: int) -> None:
    """A grid of at most `pictures` images of the data [n, H, W, C], as the networks see them."""
    draw_samples(model, path, _shown(model, images[:pictures]), pictures, columns)


def draw_classes(model: Wae, path: Path, seed: int) -> None:
    """Samples of a model with classes: a class a row, the same codes in each; of at most CLASS_ROWS."""
    classes = min(model.settings.classes, CLASS_ROWS)
    codes = model.sample_prior(CLASS_COLUMNS, streams.key(seed, "sample", 0)).numpy()
    labels = np.repeat(np.arange(classes), CLASS_COLUMNS)
    made = passes.decoded(model, passes.joined(model, np.tile(codes, (classes, 1)), labels))
    pictures = _pictures(model, made)
    panels.classes(path, pictures.reshape(classes, CLASS_COLUMNS, *pictures.shape[1:]))


def draw_interpolations(
    model: Wae, path: Path, test: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """Decoded straight lines between the codes of pairs of test images, on the prior's support.

    Of a model with classes the way leads from the one's label to the other's too.
    """
    rows = min(INTERPOLATION_ROWS, len(test) // 2)
    images = _shown(model, test[: 2 * rows])
    codes = model.encode(images).numpy()
    ends = images.reshape(rows, 2, *images.shape[1:])
    first, last = (np.repeat(codes[i::2], INTERPOLATION_STEPS, axis=0) for i in (0, 1))
    share = np.linspace(0.0, 1.0, INTERPOLATION_STEPS, dtype=np.float32)
    share = np.tile(share, rows)[:, None]
    line = np.asarray(priors.between(model.settings.prior, first, last, share))
    if labels is not None and model.settings.classes:
        hot = np.eye(model.settings.classes, dtype=np.float32)[labels[: 2 * rows]]
        one, other = (np.repeat(hot[i::2], INTERPOLATION_STEPS, axis=0) for i in (0, 1))
        line = np.concatenate([line, (1 - share) * one + share * other], axis=1)
    decoded = passes.decoded(model, line)
    decoded = decoded.reshape(rows, INTERPOLATION_STEPS, *decoded.shape[1:])
    panels.interpolations(path, _pictures(model, decoded), ends=_pictures(model, ends))


def traversed(model: Wae, code: np.ndarray) -> np.ndarray:
    """A code [z] with one coordinate at a time moved over the prior's range, [coordinates, values, z]."""
    count = min(model.settings.zdim, TRAVERSED)
    scale = passes.prior_std(model)
    grid = np.tile(code, (count, len(TRAVERSAL_VALUES), 1))
    for i in range(count):
        grid[i, :, i] = scale * np.asarray(TRAVERSAL_VALUES)
    return grid


def draw_traversals(
    model: Wae, path: Path, test: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """The first test image's code with one coordinate at a time moved over the prior's range."""
    grid = traversed(model, model.encode(_shown(model, test[:1])).numpy()[0])
    first = passes.first(labels, 1)
    flat = grid.reshape(-1, model.settings.zdim)
    own = None if first is None else np.repeat(first, len(flat))
    decoded = passes.decoded(model, passes.joined(model, flat, own))
    decoded = decoded.reshape(*grid.shape[:2], *decoded.shape[1:])
    image = _shown(model, test[:1])
    unmoved = np.concatenate([image, passes.reconstructions(model, image, labels=first)])
    panels.traversals(
        path, _pictures(model, decoded), TRAVERSAL_VALUES, unmoved=_pictures(model, unmoved)
    )


def draw_reconstructions(
    model: Wae, path: Path, test: np.ndarray, seed: int = 0, labels: np.ndarray | None = None
) -> None:
    """Random test images, each left of its reconstruction."""
    count = min(RANDOM_PAIRS, len(test))
    chosen = np.sort(np.random.default_rng(seed % 2**32).choice(len(test), count, replace=False))
    images = _shown(model, np.asarray(test)[chosen])
    own = None if labels is None else labels[chosen]
    both = drawing.pairs(
        _pictures(model, images),
        _pictures(model, passes.reconstructions(model, images, labels=own)),
        2 * count,
    )
    across = min(PAIRS_A_ROW, count)
    rows = count // across
    both = both[: 2 * rows * across].reshape(rows, across, 2, *both.shape[1:])
    panels.side_by_side(path, [both[:, i] for i in range(across)])


def draw_neighbours(path: Path, images: np.ndarray, train: np.ndarray, where: np.ndarray) -> None:
    """Samples, each followed by its nearest training images.

    Args:
        path: PNG to write.
        images: uint8 [n, H, W, C].
        train: uint8 [N, H, W, C].
        where: indices [n, k] of the nearest ones.
    """
    near = np.asarray(train[where.reshape(-1)]).reshape(*where.shape, *images.shape[1:])
    half = len(images) // 2
    if half:  # two columns of rows
        parts = [part[i : i + half] for i in (0, half) for part in (images[:, None], near)]
    else:
        parts = [images[:, None], near]
    panels.side_by_side(path, [part.astype(np.float32) / 255 for part in parts])
