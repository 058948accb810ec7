"""Convolutions as single matrix products over all patches of all images."""

from __future__ import annotations

import tensorflow as tf

from wae_tf.settings import devices

#: On a GPU rows have a multiple of so many numbers: 16 bytes in float32.
EVEN = 4


def padding_of(side: int, size: int, stride: int, padding: str = "same") -> tuple[int, int, int]:
    """Places of a convolution over `side` pixels, and the padding before and after; `valid` has none."""
    if padding == "valid":
        return (side - size) // stride + 1, 0, 0
    places = -(-side // stride)
    total = max((places - 1) * stride + size - side, 0)
    return places, total // 2, total - total // 2


def _patches(large: tf.Tensor, size: int, stride: int, padding: str) -> tf.Tensor:
    """The patches [n * h * w, size * size * C] under each place of a convolution."""
    if devices.has_gpu():
        found = _slices(large, size, stride, padding)
    else:
        found = tf.image.extract_patches(
            large, [1, size, size, 1], [1, stride, stride, 1], [1, 1, 1, 1], padding.upper()
        )
    return tf.reshape(found, [-1, size * size * large.shape[-1]])


def _slices(large: tf.Tensor, size: int, stride: int, padding: str) -> tf.Tensor:
    """As `tf.image.extract_patches`, of which XLA would make a convolution."""
    around, spans = [[0, 0]], []
    for side in large.shape[1:3]:
        places, before, after = padding_of(side, size, stride, padding)
        around.append([before, after])
        spans.append((places - 1) * stride + 1)
    padded = tf.pad(large, [*around, [0, 0]])
    found = [
        padded[:, i : i + spans[0] : stride, j : j + spans[1] : stride]
        for i in range(size)
        for j in range(size)
    ]
    return tf.stack(found, 3)


def convolved(
    large: tf.Tensor, filters: tf.Tensor, stride: int, padding: str = "same"
) -> tf.Tensor:
    """`tf.nn.conv2d` as one product.

    Args:
        large: [n, H, W, C].
        filters: [k, k, C, D].
        stride: of both sides.
        padding: `same` or `valid`.

    Returns:
        [n, h, w, D], a number for each place.
    """
    size, depth = filters.shape[0], filters.shape[-1]
    height, width = (padding_of(side, size, stride, padding)[0] for side in large.shape[1:3])
    product = tf.matmul(_patches(large, size, stride, padding), tf.reshape(filters, [-1, depth]))
    return tf.reshape(product, [-1, height, width, depth])


def convolved_back(
    small: tf.Tensor,
    filters: tf.Tensor,
    stride: int,
    sides: tuple[int, int],
    padding: str = "same",
) -> tf.Tensor:
    """The transpose of `convolved`: `tf.nn.conv2d_transpose` as one product.

    Args:
        small: [n, h, w, D].
        filters: [k, k, C, D].
        stride: of both sides.
        sides: (H, W) of the result.
        padding: `same` or `valid`.

    Returns:
        [n, H, W, C].
    """
    size, _, channels, depth = filters.shape
    rows = tf.reshape(filters, [-1, depth])
    # Rows that do not come out even keep products from a GPU's units for them.
    columns = size * size * channels
    odd = -columns % EVEN if devices.has_gpu() else 0
    if odd:
        rows = tf.pad(rows, [[0, odd], [0, 0]])
    product = tf.matmul(tf.reshape(small, [-1, depth]), rows, transpose_b=True)
    # Column by column and then row by row, each a sum of `size` shifted pieces.
    height, width = small.shape[1:3]
    product = product[:, :columns] if odd else product
    product = tf.reshape(product, [-1, height, width, size, size, channels])
    columns = [product[:, :, :, :, j] for j in range(size)]
    above, before = (padding_of(side, size, stride, padding)[1] for side in sides)
    product = _overlaid(columns, 2, stride, before, sides[1])
    rows = [product[:, :, :, i] for i in range(size)]
    return _overlaid(rows, 1, stride, above, sides[0])


def _overlaid(pieces: list[tf.Tensor], axis: int, stride: int, before: int, side: int) -> tf.Tensor:
    """The sum of pieces, the i-th one's element p at `p * stride + i - before` of `side`, along an axis."""
    most = -(-len(pieces) // stride)  # pieces of each phase
    phases = []
    for phase in range(stride):
        shifted = []
        for number, piece in enumerate(pieces[phase::stride]):
            around = [[0, 0]] * len(piece.shape)
            around[axis] = [number, most - 1 - number]
            shifted.append(tf.pad(piece, around))
        phases.append(tf.add_n(shifted) if shifted else None)
    # Fewer pieces than phases: places that no piece reaches.
    first = phases[0]
    assert first is not None
    zeros = tf.zeros_like(first)
    woven = tf.stack([zeros if p is None else p for p in phases], axis + 1)
    shape = tf.shape(first)
    length = first.shape[axis] * stride
    woven = tf.reshape(woven, tf.concat([shape[:axis], [length], shape[axis + 1 :]], 0))
    if (short := before + side - length) > 0:
        around = [[0, 0]] * len(woven.shape)
        around[axis] = [0, short]
        woven = tf.pad(woven, around)
    begin, count = [0] * len(woven.shape), [-1] * len(woven.shape)
    begin[axis], count[axis] = before, side
    return tf.slice(woven, begin, count)


def filters_gradient(
    large: tf.Tensor, small: tf.Tensor, size: int, stride: int, padding: str = "same"
) -> tf.Tensor:
    """The gradient [k, k, C, D] of the filters of a convolution, as one product.

    Args:
        large: [n, H, W, C], the convolution's input.
        small: [n, h, w, D], the gradient of its output.
        size: k.
        stride: of both sides.
        padding: `same` or `valid`.
    """
    depth = small.shape[-1]
    patches = _patches(large, size, stride, padding)
    product = tf.matmul(patches, tf.reshape(small, [-1, depth]), transpose_a=True)
    return tf.reshape(product, [size, size, large.shape[-1], depth])
