"""SAME convolutions over images of which neighbouring pixels of a row are channels of one."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wae_tf.networks.patches import padding_of

#: Places of a row that become one.
FOLD = 2


class Folding:
    """A SAME convolution of which every `FOLD` neighbouring places of a row are channels of one.

    Pixels of a row lie beside each other in memory, channel by channel, so that neither side is moved.

    Args:
        sides: (H, W) of the larger side; W a multiple of `stride * FOLD`.
        kernel: [k, k, C, D] of the convolution.
        stride: of both sides.
    """

    def __init__(self, sides: tuple[int, int], kernel: tuple[int, ...], stride: int):
        self.sides, self.kernel, self.stride = sides, kernel, stride
        size, _, channels, depth = kernel
        self.places, above, below = padding_of(sides[0], size, stride)
        before = padding_of(sides[1], size, stride)[1]
        self.pixels = stride * FOLD  # of a block of the larger side
        first = -before // self.pixels
        last = (stride * (FOLD - 1) + size - 1 - before) // self.pixels
        self.blocks = last - first + 1
        self.around = [[0, 0], [above, below], [-first, last], [0, 0]]
        self.large = [-1, sides[0], sides[1] // self.pixels, self.pixels * channels]
        self.small = [-1, self.places, sides[1] // self.pixels, FOLD * depth]
        self.filters = [size, self.blocks, self.pixels * channels, FOLD * depth]
        # Where the filters' column goes: of each block, its pixel and place, 1 at one column or none.
        block, pixel, place, column = np.ogrid[: self.blocks, : self.pixels, :FOLD, :size]
        met = (first + block) * self.pixels + pixel - stride * place + before
        self.columns = (met == column).astype(np.float32)

    def _spread(self, filters: tf.Tensor) -> tf.Tensor:
        wide = tf.einsum("bpqj,ijcd->ibpcqd", self.columns, filters)
        return tf.reshape(wide, self.filters)

    def convolved(self, large: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
        """[n, H, W, C] to [n, h, w, D], as `tf.nn.conv2d`."""
        product = tf.nn.conv2d(
            tf.reshape(large, self.large),
            self._spread(filters),
            [1, self.stride, 1, 1],
            self.around,
        )
        return tf.reshape(product, [-1, self.places, self.sides[1] // self.stride, self.kernel[3]])

    def convolved_back(self, small: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
        """[n, h, w, D] to [n, H, W, C], as `tf.nn.conv2d_transpose`."""
        product = tf.nn.conv2d_transpose(
            tf.reshape(small, self.small),
            self._spread(filters),
            [tf.shape(small)[0], *self.large[1:]],
            [1, self.stride, 1, 1],
            self.around,
        )
        return tf.reshape(product, [-1, *self.sides, self.kernel[2]])

    def convolved_back_at_stride_1(self, small: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
        """As `convolved_back`, as a convolution by the filters turned round; stride 1 alone."""
        turned = tf.transpose(tf.reverse(self._spread(filters), [0, 1]), [0, 1, 3, 2])
        around = [
            [side - 1 - before, side - 1 - after]
            for side, (before, after) in zip(self.filters[:2], self.around[1:3], strict=True)
        ]
        product = tf.nn.conv2d(tf.reshape(small, self.small), turned, 1, [[0, 0], *around, [0, 0]])
        return tf.reshape(product, [-1, *self.sides, self.kernel[2]])

    def filters_gradient(self, large: tf.Tensor, small: tf.Tensor) -> tf.Tensor:
        """The gradient [k, k, C, D] of the filters, from that of the output."""
        size, _, channels, depth = self.kernel
        wide = tf.raw_ops.Conv2DBackpropFilter(
            input=tf.reshape(large, self.large),
            filter_sizes=self.filters,
            out_backprop=tf.reshape(small, self.small),
            strides=[1, self.stride, 1, 1],
            padding="EXPLICIT",
            explicit_paddings=[side for pair in self.around for side in pair],
        )
        wide = tf.reshape(wide, [size, self.blocks, self.pixels, channels, FOLD, depth])
        return tf.einsum("bpqj,ibpcqd->ijcd", self.columns, wide)
