"""Convolutions as matrix products over patches, where oneDNN's own kernels are slow: training on CPUs."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

#: oneDNN's kernels go through the whole filter bank for every image. From the bank's size on (bytes;
#: more than a last-level cache gives) and up to so many places of the smaller side they wait for
#: memory, and a product over the patches of all images is faster: up to 3 times at 2x2 and 4x4 places.
#: At 7x7 and 8x8 that holds for the gradient of the filters alone. Between 13 MB, where the product is
#: slower everywhere, and 33 MB, where it is faster, nothing was measured.
LARGE_FILTERS = 24 << 20
FEW_PLACES, FEW_PLACES_OF_GRADIENT = 16, 64

#: Up to so many channels a transposed convolution's kernel is mostly padding (to 16).
FEW_CHANNELS = 4


def _padding(side: int, size: int, stride: int) -> tuple[int, int, int]:
    """Places of a SAME convolution over `side` pixels, and the padding before and after."""
    places = -(-side // stride)
    total = max((places - 1) * stride + size - side, 0)
    return places, total // 2, total - total // 2


def _patches(large: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """The patches [n * h * w, size * size * C] under each place of a SAME convolution."""
    found = tf.image.extract_patches(
        large, [1, size, size, 1], [1, stride, stride, 1], [1, 1, 1, 1], "SAME"
    )
    return tf.reshape(found, [-1, size * size * large.shape[-1]])


def convolved(large: tf.Tensor, filters: tf.Tensor, stride: int) -> tf.Tensor:
    """`tf.nn.conv2d(large, filters, stride, "SAME")` as one product.

    Args:
        large: [n, H, W, C].
        filters: [k, k, C, D].
        stride: of both sides.

    Returns:
        [n, ceil(H / stride), ceil(W / stride), D].
    """
    size, depth = filters.shape[0], filters.shape[-1]
    height, width = (_padding(side, size, stride)[0] for side in large.shape[1:3])
    product = tf.matmul(_patches(large, size, stride), tf.reshape(filters, [-1, depth]))
    return tf.reshape(product, [-1, height, width, depth])


def convolved_back(
    small: tf.Tensor, filters: tf.Tensor, stride: int, sides: tuple[int, int]
) -> tf.Tensor:
    """The transpose of `convolved`: `tf.nn.conv2d_transpose` with padding SAME, as one product.

    Args:
        small: [n, h, w, D].
        filters: [k, k, C, D].
        stride: of both sides.
        sides: (H, W) of the result.

    Returns:
        [n, H, W, C].
    """
    size, _, channels, depth = filters.shape
    product = tf.matmul(
        tf.reshape(small, [-1, depth]), tf.reshape(filters, [-1, depth]), transpose_b=True
    )
    # Column by column and then row by row, each a sum of `size` shifted pieces.
    height, width = small.shape[1:3]
    product = tf.reshape(product, [-1, height, width, size, size, channels])
    columns = [product[:, :, :, :, j] for j in range(size)]
    product = _overlaid(columns, 2, stride, _padding(sides[1], size, stride)[1], sides[1])
    rows = [product[:, :, :, i] for i in range(size)]
    return _overlaid(rows, 1, stride, _padding(sides[0], size, stride)[1], sides[0])


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


def filters_gradient(large: tf.Tensor, small: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """The gradient [k, k, C, D] of the filters of a SAME convolution, as one product.

    Args:
        large: [n, H, W, C], the convolution's input.
        small: [n, h, w, D], the gradient of its output.
        size: k.
        stride: of both sides.
    """
    depth = small.shape[-1]
    patches = _patches(large, size, stride)
    product = tf.matmul(patches, tf.reshape(small, [-1, depth]), transpose_a=True)
    return tf.reshape(product, [size, size, large.shape[-1], depth])


def _convolved_back_by_rows(
    small: tf.Tensor, filters: tf.Tensor, stride: int, sides: tuple[int, int]
) -> tf.Tensor:
    """`convolved_back` for stride 1 and few channels, by rows of the images.

    A convolution along columns into the channels of all columns of the filter, which are then overlaid.
    """
    size, _, channels, depth = filters.shape
    _, before, after = _padding(sides[0], size, stride)
    tall = tf.transpose(tf.reverse(filters, [0]), [0, 3, 1, 2])
    tall = tf.reshape(tall, [size, 1, depth, size * channels])
    around = [[0, 0], [after, before], [0, 0], [0, 0]]  # of a transposed convolution
    product = tf.nn.conv2d(small, tall, 1, around)
    product = tf.reshape(product, [-1, *sides, size, channels])
    columns = [product[:, :, :, j] for j in range(size)]
    return _overlaid(columns, 2, stride, _padding(sides[1], size, stride)[1], sides[1])


class _Plan:
    """Which of a convolution's three products to take as such, for the shapes of its two sides."""

    def __init__(self, layer: Any, places: tuple[int, ...], channels: int, transposed: bool):
        kernel = layer.kernel.shape
        plain = (
            kernel[0] == kernel[1]
            and layer.strides[0] == layer.strides[1]
            and layer.padding == "same"
            and layer.data_format == "channels_last"
            and tuple(layer.dilation_rate) == (1, 1)
            and getattr(layer, "groups", 1) == 1
            and layer.activation is keras.activations.linear
            and layer.compute_dtype == "float32"
            and None not in places
            and not tf.config.list_physical_devices("GPU")
        )
        large = plain and 4 * math.prod(kernel) >= LARGE_FILTERS
        self.all = large and math.prod(places) <= FEW_PLACES
        self.gradient = large and math.prod(places) <= FEW_PLACES_OF_GRADIENT
        self.by_rows = plain and transposed and layer.strides[0] == 1 and channels <= FEW_CHANNELS
        self.anything = self.all or self.gradient or self.by_rows

    def convolve(self, large: tf.Tensor, filters: tf.Tensor, stride: int) -> tf.Tensor:
        if self.all:
            return convolved(large, filters, stride)
        return tf.nn.conv2d(large, filters, stride, "SAME")

    def convolve_back(
        self, small: tf.Tensor, filters: tf.Tensor, stride: int, sides: tuple[int, int]
    ) -> tf.Tensor:
        if self.all:
            return convolved_back(small, filters, stride, sides)
        if self.by_rows:
            return _convolved_back_by_rows(small, filters, stride, sides)
        shape = [tf.shape(small)[0], *sides, filters.shape[2]]
        return tf.nn.conv2d_transpose(small, filters, shape, stride, "SAME")

    def differentiate(
        self, large: tf.Tensor, small: tf.Tensor, filters: tf.Tensor, stride: int
    ) -> tf.Tensor:
        if self.gradient:
            return filters_gradient(large, small, filters.shape[0], stride)
        return tf.raw_ops.Conv2DBackpropFilter(
            input=large,
            filter_sizes=filters.shape,
            out_backprop=small,
            strides=[1, stride, stride, 1],
            padding="SAME",
        )


@keras.saving.register_keras_serializable("wae_tf")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that trains on matrix products where they are faster.

    Inference is Keras's own, so that exported models hold the operation that every server and
    converter knows. Not for XLA, which makes a slow convolution of the patches.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[n, H, W, C] to [n, h, w, D]."""
        stride = self.strides[0]
        places = tuple(side and -(-side // stride) for side in inputs.shape[1:3])
        plan = _Plan(self, places, inputs.shape[-1], transposed=False)
        if not (training and plan.anything):
            return super().call(inputs)

        @tf.custom_gradient
        def product(large: tf.Tensor, filters: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                along = plan.convolve_back(upstream, filters, stride, tuple(large.shape[1:3]))
                return along, plan.differentiate(large, upstream, filters, stride)

            return plan.convolve(large, filters, stride), gradient

        outputs = product(inputs, tf.convert_to_tensor(self.kernel))
        return outputs + self.bias if self.use_bias else outputs


@keras.saving.register_keras_serializable("wae_tf")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` that trains on matrix products where they are faster; see Conv2D."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[n, h, w, D] to [n, h * stride, w * stride, C]."""
        stride, places = self.strides[0], tuple(inputs.shape[1:3])
        plan = _Plan(self, places, self.filters, transposed=True)
        if not (training and plan.anything) or self.output_padding is not None:
            return super().call(inputs)
        sides = (stride * places[0], stride * places[1])

        @tf.custom_gradient
        def product(small: tf.Tensor, filters: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                along = plan.convolve(upstream, filters, stride)
                return along, plan.differentiate(upstream, small, filters, stride)

            return plan.convolve_back(small, filters, stride, sides), gradient

        outputs = product(inputs, tf.convert_to_tensor(self.kernel))
        return outputs + self.bias if self.use_bias else outputs
