"""Images with few channels as rows of many places, along which numbers of each channel go faster."""

from __future__ import annotations

import math

import tensorflow as tf

#: TensorFlow's operations of [n, H, W, C] and [C] on CPUs go C numbers at a time: with 8 they take twice the
#: time that they need, with 16 half as much again, with 64 no more (one core with AVX-512). Rows of some
#: hundred numbers are the fastest, and the results are the same, since each is of one number and its own.
MOST_CHANNELS, MOST_OF_A_ROW = 32, 1024


class WideRows:
    """How images [n, H, W, C] are seen as rows of several places, and numbers [C] as often in a row.

    Args:
        images: of which all sides but the first are known, else they are seen as they are.
    """

    def __init__(self, images: tf.Tensor):
        self._shape = images.shape
        self.places = 1
        if images.shape.rank == 4 and None not in images.shape[1:]:
            channels, places = images.shape[3], math.prod(images.shape[1:3])
            if 1 < channels <= MOST_CHANNELS:  # one number is none of a row's
                most = min(MOST_OF_A_ROW // channels, places)
                self.places = max((k for k in range(1, most + 1) if places % k == 0), default=1)

    def of(self, images: tf.Tensor) -> tf.Tensor:
        """The rows [n * H * W / places, places * C] of images."""
        return (
            images if self.places == 1 else tf.reshape(images, [-1, self.places * self._shape[3]])
        )

    def each(self, numbers: tf.Tensor) -> tf.Tensor:
        """Numbers [C] for each place of a row."""
        return numbers if self.places == 1 else tf.tile(numbers, [self.places])

    def back(self, rows: tf.Tensor) -> tf.Tensor:
        """Images again."""
        return rows if self.places == 1 else tf.reshape(rows, [-1, *self._shape[1:]])
