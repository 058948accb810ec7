"""Convolutions written otherwise where oneDNN's or XLA's own ways are slow, or wrong in half precision."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from wae_tf.networks import biases, patches
from wae_tf.networks.folding import FOLD, Folding
from wae_tf.settings import devices

#: oneDNN's kernels go through the whole filter bank for every image. From the bank's size on (bytes;
#: more than a last-level cache gives) and up to so many places of the smaller side they wait for
#: memory, and a product over the patches of all images is faster: up to 3 times at 2x2 and 4x4 places.
#: At 7x7 and 8x8 that holds for the gradient of the filters alone. Between 13 MB, where the product is
#: slower everywhere, and 33 MB, where it is faster, nothing was measured.
LARGE_FILTERS = 24 << 20
FEW_PLACES, FEW_PLACES_OF_GRADIENT = 16, 64

#: Channels so few fill a part of a vector register alone. Two neighbouring places of a row then become
#: channels of one: more products, nearly half of them by 0, but faster with so many channels of the other
#: side, by stride (1; more). Measured with 8 to 512 of them; where oneDNN computes (see below) all but the
#: transposed convolution of stride 1 is faster as it is.
FEW_CHANNELS = 4
FOLDED_FROM, FOLDED_TO = 8, (256, 16)
#: With oneDNN, which is slow at transposed convolutions to few channels: from up to so many they are folded
#: and computed as convolutions (0.7 of the time), from more by TensorFlow's own kernel (0.4 to 0.55).
AS_CONVOLUTION_TO = 32

#: Types of which oneDNN computes some convolutions wrong (`is_wrong`).
HALF = ("bfloat16", "float16")

#: On a GPU a layer is no product whose patches hold more than so many times the numbers of its two images,
#: for the memory that those take: any filter up to 5x5 holds fewer.
MOST_OF_PATCHES = 25


def by_onednn() -> bool:
    """Whether TensorFlow computes by oneDNN: unless told, on processors with AVX512_VNNI or AMX."""
    try:
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:  # not public; releases may move it
        return True
    return bool(_pywrap_util_port.IsMklEnabled())


def _usual(layer: Any) -> bool:
    """Whether channels are last and in one group, and filters without holes."""
    return (
        layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and getattr(layer, "groups", 1) == 1
    )


def skips(layer: Any) -> bool:
    """Whether filters of 1x1 leave places out: oneDNN's gradient of those writes beyond its memory."""
    return (
        layer.kernel_size == (1, 1)
        and max(layer.strides) > 1
        and _usual(layer)
        and by_onednn()
        and not devices.has_gpu()
    )


def is_wrong(layer: Any, places: int | None) -> bool:
    """Whether TensorFlow may compute a convolution or its gradients wrong: oneDNN's of half precision.

    In bfloat16 it leaves parts of the filters' gradient unset where a row is shorter than the stride, and
    with AMX parts of the convolution where a row has one place or the strides differ; in float16 both ways
    where a row has one place and the filters are a column. What is unset is what was in the memory.

    Args:
        layer: with strides and compute_dtype.
        places: of a row of the smaller side; None: unknown.
    """
    half = layer.compute_dtype in HALF and by_onednn() and not devices.has_gpu()
    return half and (places == 1 or len(set(layer.strides)) > 1)


class _Plan:
    """How to compute a convolution and its gradients, for (H, W) of its larger side.

    `forth`, `back` and `filters` say what is a product over patches: the convolution, its transpose, and the
    gradient of its filters.
    """

    def __init__(self, layer: Any, sides: tuple[Any, ...]):
        kernel, stride = tuple(layer.kernel.shape), layer.strides[0]
        self.padding = layer.padding
        on_gpu = devices.has_gpu()
        plain = (
            kernel[0] == kernel[1]
            and layer.strides[0] == layer.strides[1]
            and layer.padding in ("same", *(["valid"] if on_gpu else []))
            and _usual(layer)
            and layer.activation is keras.activations.linear
            and layer.compute_dtype in ("float32", *(HALF if on_gpu else ()))
            and None not in sides
        )
        self.forth = self.back = self.filters = self.back_alone = False
        self.folding: Folding | None = None
        if plain:
            places = [
                patches.padding_of(side, size, stride, self.padding)[0]
                for side, size in zip(sides, kernel[:2], strict=True)
            ]
            if on_gpu:
                self._on_gpu(kernel, sides, places)
            else:
                self._on_cpu(layer, kernel, sides, places)
        self.anything = self.forth or self.back or self.filters or self.folding is not None

    def _on_cpu(
        self, layer: Any, kernel: tuple[int, ...], sides: tuple[Any, ...], places: list[int]
    ) -> None:
        stride = layer.strides[0]
        large = 4 * math.prod(kernel) >= LARGE_FILTERS
        self.forth = self.back = large and math.prod(places) <= FEW_PLACES
        self.filters = large and math.prod(places) <= FEW_PLACES_OF_GRADIENT
        few = kernel[2] <= FEW_CHANNELS and FOLDED_FROM <= kernel[3] <= FOLDED_TO[stride > 1]
        if few and kernel[0] >= stride and sides[1] % (stride * FOLD) == 0:
            self.folding = Folding(tuple(sides), kernel, stride)
        self.back_alone = self.folding is not None and by_onednn()
        if self.back_alone and (stride > 1 or not isinstance(layer, Conv2DTranspose)):
            self.folding = None

    def _on_gpu(self, kernel: tuple[int, ...], sides: tuple[Any, ...], places: list[int]) -> None:
        of_patches = math.prod(places) * math.prod(kernel[:3])
        of_images = math.prod(sides) * kernel[2] + math.prod(places) * kernel[3]
        if of_patches > MOST_OF_PATCHES * of_images:
            return
        # XLA swaps a convolution's operands where the filter has more places than the image, ...
        self.forth = math.prod(kernel[:2]) > math.prod(sides)
        self.back = math.prod(kernel[:2]) > math.prod(places) or kernel[2] <= FEW_CHANNELS
        # ... and takes the gradient of filters for a dilated convolution where they are no smaller than
        # that of the places.
        self.filters = all(here <= size for here, size in zip(places, kernel[:2], strict=True))

    def convolve(self, large: tf.Tensor, filters: tf.Tensor, stride: int) -> tf.Tensor:
        if self.forth:
            return patches.convolved(large, filters, stride, self.padding)
        if self.folding and not self.back_alone:
            return self.folding.convolved(large, filters)
        return tf.nn.conv2d(large, filters, stride, self.padding.upper())

    def convolve_back(
        self, small: tf.Tensor, filters: tf.Tensor, stride: int, sides: tuple[int, int]
    ) -> tf.Tensor:
        if self.back:
            # Pieces are added up, in half precision too, in float32: as they are within a convolution.
            full, filters = tf.cast(small, tf.float32), tf.cast(filters, tf.float32)
            back = patches.convolved_back(full, filters, stride, sides, self.padding)
            return tf.cast(back, small.dtype)
        if self.folding and self.back_alone and filters.shape[3] <= AS_CONVOLUTION_TO:
            return self.folding.convolved_back_at_stride_1(small, filters)
        if self.folding:
            return self.folding.convolved_back(small, filters)
        shape = [tf.shape(small)[0], *sides, filters.shape[2]]
        return tf.nn.conv2d_transpose(small, filters, shape, stride, self.padding.upper())

    def differentiate(
        self, large: tf.Tensor, small: tf.Tensor, filters: tf.Tensor, stride: int
    ) -> tf.Tensor:
        if self.filters:
            return patches.filters_gradient(large, small, filters.shape[0], stride, self.padding)
        if self.folding and not self.back_alone:
            return self.folding.filters_gradient(large, small)
        return tf.raw_ops.Conv2DBackpropFilter(
            input=large,
            filter_sizes=filters.shape,
            out_backprop=small,
            strides=[1, stride, stride, 1],
            padding=self.padding.upper(),
        )


@keras.saving.register_keras_serializable("wae_tf")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that trains by other products where those are faster.

    Inference is Keras's own, so that exported models hold the operation that every server and
    converter knows. Not for XLA on a CPU, which makes a slow convolution of the patches.
    Where half precision would be wrong (`is_wrong`) both are float32's, of the same rounded numbers.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[n, H, W, C] to [n, h, w, D]."""
        if not training:
            return super().call(inputs)
        if skips(self):
            down, along = self.strides
            return _ended(self, _at_each_place(self, inputs[:, ::down, ::along], self.kernel))
        stride = self.strides[0]
        plan = _Plan(self, tuple(inputs.shape[1:3]))
        if not plan.anything:
            if self.compute_dtype == biases.SUMS_IN_HALF:
                return _ended(self, self.convolution_op(inputs, self.kernel))
            return super().call(inputs)

        @tf.custom_gradient
        def product(large: tf.Tensor, filters: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                along = plan.convolve_back(upstream, filters, stride, tuple(large.shape[1:3]))
                return along, plan.differentiate(large, upstream, filters, stride)

            return plan.convolve(large, filters, stride), gradient

        return _ended(self, product(inputs, tf.convert_to_tensor(self.kernel)))

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Keras's convolution of the two."""
        channels_first = self.data_format == "channels_first"
        if not is_wrong(self, self.compute_output_shape(inputs.shape)[3 if channels_first else 2]):
            return super().convolution_op(inputs, kernel)
        full = super().convolution_op(tf.cast(inputs, tf.float32), tf.cast(kernel, tf.float32))
        return tf.cast(full, self.compute_dtype)


@keras.saving.register_keras_serializable("wae_tf")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` that trains by other products, as Conv2D does."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[n, h, w, D] to [n, h * stride, w * stride, C], `valid` by size - stride more."""
        if training and self.output_padding is None and skips(self):
            return _ended(self, self._spread(inputs))
        if self.data_format == "channels_last" and is_wrong(self, inputs.shape[2]):
            return self._transposed(inputs, "float32")
        if not training or self.output_padding is not None:
            return super().call(inputs)
        stride = self.strides[0]
        beyond = max(self.kernel_size[0] - stride, 0) if self.padding == "valid" else 0
        sides = tuple(places and stride * places + beyond for places in inputs.shape[1:3])
        plan = _Plan(self, sides)
        if not plan.anything:
            usual = self.compute_dtype == "float32" and self.data_format == "channels_last"
            if usual or self.compute_dtype == biases.SUMS_IN_HALF:
                return self._transposed(inputs, self.compute_dtype)
            return super().call(inputs)

        @tf.custom_gradient
        def product(small: tf.Tensor, filters: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                along = plan.convolve(upstream, filters, stride)
                return along, plan.differentiate(upstream, small, filters, stride)

            return plan.convolve_back(small, filters, stride, sides), gradient

        return self._ended(product(inputs, tf.convert_to_tensor(self.kernel)))

    def _spread(self, inputs: tf.Tensor) -> tf.Tensor:
        filters = tf.transpose(tf.convert_to_tensor(self.kernel), [0, 1, 3, 2])
        made = _at_each_place(self, inputs, filters)
        (down, along), (count, height, width, channels) = self.strides, tf.unstack(tf.shape(made))
        apart = tf.reshape(made, [count, height, 1, width, 1, channels])
        apart = tf.pad(apart, [[0, 0], [0, 0], [0, down - 1], [0, 0], [0, along - 1], [0, 0]])
        shape = self.compute_output_shape(inputs.shape)
        spread = tf.reshape(apart, [count, height * down, width * along, channels])
        return tf.ensure_shape(spread, shape)

    def _transposed(self, inputs: tf.Tensor, dtype: str) -> tf.Tensor:
        made = keras.ops.conv_transpose(
            tf.cast(inputs, dtype),
            tf.cast(tf.convert_to_tensor(self.kernel), dtype),
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self._ended(tf.cast(made, self.compute_dtype), as_keras=dtype == self.compute_dtype)

    def _ended(self, outputs: tf.Tensor, as_keras: bool = False) -> tf.Tensor:
        if self.compute_dtype != "float32" or not self.use_bias:
            return _ended(self, outputs)
        return self.activation(biases.added_in_rows(outputs, self.bias, by_kernel=as_keras))


def _at_each_place(layer: Any, inputs: tf.Tensor, filters: Any) -> tf.Tensor:
    """A convolution by filters of 1x1; in half precision, which may be wrong here, by float32."""
    dtype = "float32" if layer.compute_dtype in HALF else layer.compute_dtype
    inputs, filters = (tf.cast(tf.convert_to_tensor(part), dtype) for part in (inputs, filters))
    return tf.cast(tf.nn.conv2d(inputs, filters, 1, "VALID"), layer.compute_dtype)


def _ended(layer: Any, outputs: tf.Tensor) -> tf.Tensor:
    """With the layer's bias and activation."""
    if layer.use_bias:
        outputs = biases.added(outputs, layer.bias, layer.data_format == "channels_first")
    return layer.activation(outputs)
