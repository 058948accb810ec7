"""Convolutions written otherwise are TensorFlow's own convolutions, in training; else they are those."""

import math
import operator
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from wae_tf.config import Config
from wae_tf.networks import convolution, patches, unsafe_layers
from wae_tf.networks.convolution import Conv2D, Conv2DTranspose
from wae_tf.networks.folding import Folding
from wae_tf.networks.official import build_decoder, build_encoder
from wae_tf.settings import Settings, devices

# (H, W, channels, depth, filter, stride): even and odd filters, sides that do not divide, and a
# stride beyond the filter, where some pixels meet no place.
SHAPES = [
    (4, 4, 3, 5, 4, 2), (8, 8, 3, 5, 5, 2), (7, 7, 2, 3, 4, 2), (7, 5, 2, 3, 5, 3),
    (6, 6, 3, 2, 1, 1), (6, 6, 3, 2, 1, 2), (9, 9, 1, 2, 2, 3), (6, 6, 3, 2, 4, 1), (5, 5, 3, 2, 5, 1),
    (3, 3, 2, 2, 5, 2), (12, 12, 1, 2, 2, 3), (8, 12, 3, 2, 5, 3), (5, 4, 1, 3, 2, 2), (6, 8, 3, 2, 1, 2),
]  # fmt: skip


def close(got, expected):
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def normal(shape, seed):
    return tf.random.stateless_normal(shape, [seed, 0])


@pytest.mark.parametrize("height, width, channels, depth, size, stride", SHAPES)
def test_products_are_the_convolutions(height, width, channels, depth, size, stride, monkeypatch):
    large = normal([2, height, width, channels], 0)
    filters = normal([size, size, channels, depth], 1)
    expected = tf.nn.conv2d(large, filters, stride, "SAME")
    close(patches.convolved(large, filters, stride), expected)
    small = normal(expected.shape, 2)
    back = tf.nn.conv2d_transpose(small, filters, large.shape, stride, "SAME")
    close(patches.convolved_back(small, filters, stride, (height, width)), back)
    gradient = tf.raw_ops.Conv2DBackpropFilter(
        input=large,
        filter_sizes=filters.shape,
        out_backprop=small,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )
    close(patches.filters_gradient(large, small, size, stride), gradient)
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    close(patches.convolved(large, filters, stride), expected)
    close(patches.convolved_back(small, filters, stride, (height, width)), back)
    close(patches.filters_gradient(large, small, size, stride), gradient)
    if width % (2 * stride) == 0:
        folding = Folding((height, width), filters.shape, stride)
        close(folding.convolved(large, filters), expected)
        close(folding.convolved_back(small, filters), back)
        if stride == 1:
            close(folding.convolved_back_at_stride_1(small, filters), back)
        close(folding.filters_gradient(large, small), gradient)


def test_a_product_by_hand():
    # One place over a 2x2 image with a 2x2 filter: the sum of products; back: the filter itself.
    image = tf.constant([[[[1.0], [2.0]], [[3.0], [4.0]]]])
    filters = tf.reshape(tf.constant([10.0, 20.0, 30.0, 40.0]), [2, 2, 1, 1])
    assert patches.convolved(image, filters, 2).numpy().item() == 300
    back = patches.convolved_back(tf.constant([[[[3.0]]]]), filters, 2, (2, 2))
    assert back.numpy().ravel().tolist() == [30, 60, 90, 120]
    gradient = patches.filters_gradient(image, tf.constant([[[[2.0]]]]), 2, 2)
    assert gradient.numpy().ravel().tolist() == [2, 4, 6, 8]


#: What each setting of the thresholds makes of the layers below.
PLANS = {
    "all": {"LARGE_FILTERS": 0, "FEW_PLACES": 99, "FEW_PLACES_OF_GRADIENT": 99},
    "gradient": {"LARGE_FILTERS": 0, "FEW_PLACES": 0, "FEW_PLACES_OF_GRADIENT": 99},
    "folded": {"LARGE_FILTERS": 1 << 40, "FOLDED_FROM": 1},
}


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_layers_train_as_keras_own(name, stride, plan, onednn, monkeypatch):
    import keras

    monkeypatch.setattr(convolution, "by_onednn", lambda: onednn)
    for threshold, value in PLANS[plan].items():
        monkeypatch.setattr(convolution, threshold, value)
    images = normal([3, 6, 6, 2], 3)
    found = []
    for module in (convolution, keras.layers):
        layer = getattr(module, name)(3, 4, strides=stride, padding="same")
        layer.build(images.shape)
        layer.kernel.assign(normal(layer.kernel.shape, 4))
        layer.bias.assign([1.0, 2.0, 3.0])
        called = {"training": True} if module is convolution else {}

        @tf.function
        def pass_(layer=layer, called=called):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = layer(images, **called)
                value = tf.reduce_sum(tf.sin(outputs))
            return outputs, tape.gradient(value, [images, *layer.trainable_variables])

        outputs, gradients = pass_()
        found.append([outputs, *gradients])
        operations = [op.type for op in pass_.get_concrete_function().graph.get_operations()]
        if module is convolution and plan == "folded":
            # Six pixels of a row are no multiple of two places of two; oneDNN wants the one product alone.
            expected = (
                (name, stride) == ("Conv2DTranspose", 1)
                if onednn
                else (name, stride) != ("Conv2D", 2)
            )
            assert ("Einsum" in operations) is expected
            products = [operations.count(kind) for kind in ("Conv2D", "Conv2DBackpropInput")]
            if expected and onednn:
                # Forward and its input's gradient are convolutions both.
                assert products == [2, 0]
        if module is convolution and plan != "folded":
            assert ("Conv2DBackpropFilter" in operations) is False
            assert ("ExtractImagePatches" in operations) is True
    for got, expected in zip(*found, strict=True):
        close(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("channels, side, stride", [(3, 6, 2), (8, 2, 2), (8, 2, 1), (8, 8, 2)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_what_a_gpu_has_by_products_is_keras_own_too(
    name, padding, channels, side, stride, dtype, monkeypatch
):
    """Few channels, fewer places than the filter has, and more than those; by XLA and without."""
    import keras

    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    if padding == "valid" and name == "Conv2D":
        side += 4
    images = normal([3, side, side, channels], 3)
    found = []
    for module, jit in ((keras.layers, False), (convolution, False), (convolution, True)):
        layer = getattr(module, name)(3, 5, strides=stride, padding=padding, dtype=dtype)
        layer.build(images.shape)
        layer.kernel.assign(normal(layer.kernel.shape, 4))
        layer.bias.assign([1.0, 2.0, 3.0])
        called = {"training": True} if module is convolution else {}
        weights = normal(layer.compute_output_shape(images.shape), 5)

        @tf.function(jit_compile=jit)
        def pass_(layer=layer, called=called, weights=weights):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = layer(images, **called)
                value = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
            return outputs, tape.gradient(value, [images, *layer.trainable_variables])

        outputs, (image, kernel, bias) = pass_()
        found.append([outputs, image, kernel])
        if dtype == "float32" or jit:  # TensorFlow's own sums of half precision on a CPU are rough
            sums = tf.reduce_sum(weights, [0, 1, 2]).numpy()
            np.testing.assert_allclose(bias, sums, rtol=0, atol=0.02 * np.abs(sums).max())
    for others in found[1:]:
        for got, expected in zip(others, found[0], strict=True):
            assert got.dtype == expected.dtype
            off = np.abs(tf.cast(got - expected, tf.float64)).max()
            biggest = np.abs(tf.cast(expected, tf.float64)).max()
            assert off <= (2**-19 if dtype == "float32" else 2**-7) * biggest


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    "height, width, size, stride, padding",
    [
        (1, 1, 4, 2, "same"),
        (8, 1, 4, 2, "same"),
        (2, 2, 4, 3, "same"),
        (16, 2, 4, 2, "same"),
        (14, 4, 4, 2, "valid"),
        (32, 1, (7, 1), 1, "valid"),
        (16, 16, 4, (2, 4), "valid"),
    ],
)
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_no_layer_is_wrong_in_half_where_onednn_is(
    name, height, width, size, stride, padding, dtype
):
    """It leaves outputs and gradients unset there, on processors with half precision."""
    small = keras.layers.Conv2D(1, size, strides=stride, padding=padding)
    _, rows, columns, _ = small.compute_output_shape((3, height, width, 1))
    shape = (3, height, width, 8) if name == "Conv2D" else (3, rows, columns, 8)
    images = normal(shape, 0)
    found = []
    for policy in ("float32", dtype):
        kind = keras.layers if policy == "float32" else convolution
        layer = getattr(kind, name)(
            16, size, strides=stride, padding=padding, activation="tanh", dtype=policy
        )
        layer.build(images.shape)
        layer.kernel.assign(0.1 * normal(layer.kernel.shape, 1))
        called = {"training": True} if policy == dtype else {}
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, **called)
            assert outputs.dtype == layer.compute_dtype
            value = tf.cast(outputs, tf.float32)
            value = tf.reduce_sum(value * normal(value.shape, 2))
        gradients = tape.gradient(value, [images, layer.kernel])
        found.append([outputs, layer(images), *gradients])
    for full, half in zip(*found, strict=True):
        off = np.abs(tf.cast(half, tf.float32) - full).max()
        assert off <= 2**-5 * np.abs(full).max()


@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_wide_rows_stay_in_half(name):
    layer = getattr(convolution, name)(4, 4, strides=2, padding="same", dtype="mixed_bfloat16")

    @tf.function
    def pass_(images):
        return layer(images, training=True)

    graph = pass_.get_concrete_function(tf.TensorSpec([3, 8, 8, 8])).graph
    of = {o.type: o.inputs[-1].dtype for o in graph.get_operations() if "Conv2D" in o.type}
    assert list(of.values()) == [tf.bfloat16]


@pytest.mark.parametrize(
    "size, channels, products", [(5, 3, True), (5, 16, True), (16, 3, False), (16, 16, False)]
)
def test_patches_on_a_gpu_stay_within_what_the_images_take(size, channels, products, monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    layer = convolution.Conv2D(8, size, strides=1, padding="same")
    layer.build([2, 4, 4, channels])
    assert convolution._Plan(layer, (4, 4)).anything == products


def test_a_gpu_that_is_hidden_from_tensorflow_is_none(monkeypatch):
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [gpu])
    assert not devices.has_gpu()
    model = wae_tf.WaeMmd((8, 8, 1), zdim=2, encoder_layers=1, decoder_layers=1)
    model.compile()
    assert not model.jit_compile


@pytest.mark.parametrize("side, arch, layers", [
    (28, "replication", 4), (32, "replication", 4), (28, "dcgan", 2), (16, "dcgan_mod", 3),
    (32, "ali", 3), (8, "began", 3),
])  # fmt: skip
def test_networks_train_alike_with_and_without_what_a_gpu_has(side, arch, layers, monkeypatch):
    images = tf.abs(tf.tanh(normal([4, side, side, 1], 6)))
    found = []
    for on_gpu in (False, True):
        monkeypatch.setattr(devices, "has_gpu", lambda on_gpu=on_gpu: on_gpu)
        model = wae_tf.WaeMmd(
            (side, side, 1), zdim=2, encoder_filters=16, decoder_filters=16, init_std=0.1,
            encoder_arch=arch.removesuffix("_mod"), decoder_arch=arch, decoder_layers=layers,
        )  # fmt: skip
        with tf.GradientTape() as tape:
            codes = model.encoder(images, training=True)["mean"]
            value = tf.reduce_sum(tf.sin(model.decoder(codes, training=True)))
        found.append([value, *tape.gradient(value, model.trainable_variables)])
    largest = max(np.abs(gradient).max() for gradient in found[0])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * largest)


def convolutions(program):
    """Of each in XLA's text: places of image, filter and result, and the window's own words."""
    sides = {
        name: tuple(map(int, filter(None, numbers.split(","))))
        for name, numbers in re.findall(r"%?([\w.\-]+) = \w+\[([\d,]*)\]", program)
    }
    line = r"%?([\w.\-]+) = \S+ convolution\((.*)\), window={(.*?)}, dim_labels=(\w+)_(\w+)->(\w+)"
    for name, operands, window, *labels in re.findall(line, program):
        names = [operand.split()[-1].lstrip("%") for operand in operands.split(", ")]
        parts = [sides[part] for part in (*names, name)]
        yield *(
            tuple(part[label.index(axis)] for axis in "01")
            for part, label in zip(parts, labels, strict=True)
        ), window  # fmt: skip


@pytest.mark.parametrize("side, channels, size, arch, layers", [
    (64, 3, 5, "dcgan_mod", 4), (28, 1, 4, "dcgan", 2), (64, 3, 4, "replication", 4), (32, 3, 4, "ali", 3),
])  # fmt: skip
def test_a_gpu_gets_no_convolution_that_xla_takes_for_another(
    side, channels, size, arch, layers, monkeypatch
):
    """XLA's own conditions: SwapConvOperands; LooksLikeForwardConvolution, of filters' gradients."""

    def taken_for_others(on_gpu):
        monkeypatch.setattr(devices, "has_gpu", lambda: on_gpu)
        model = wae_tf.WaeMmd(
            (side, side, channels), zdim=2, encoder_filters=16, decoder_filters=16, filter_size=size,
            encoder_arch=arch.removesuffix("_mod"), decoder_arch=arch, decoder_layers=layers,
        )  # fmt: skip

        @tf.function(jit_compile=True)
        def gradients(images):
            with tf.GradientTape() as tape:
                codes = model.encoder(images, training=True)["mean"]
                value = tf.reduce_sum(tf.sin(model.decoder(codes, training=True)))
            return tape.gradient(value, model.trainable_variables)

        images = tf.zeros([4, side, side, channels])
        program = gradients.experimental_get_compiler_ir(images)(stage="hlo")
        found = list(convolutions(program))
        assert len(found) == program.count(" convolution(") > 10
        return [
            filters
            for image, filters, places, window in found
            if math.prod(filters) > math.prod(image)
            or ("rhs_dilate" in window and all(map(operator.le, filters, places)))
        ]

    assert taken_for_others(on_gpu=False)
    assert not taken_for_others(on_gpu=True)


def test_inference_and_xla_have_the_plain_operations(monkeypatch):
    for threshold, value in PLANS["all"].items():
        monkeypatch.setattr(convolution, threshold, value)

    def operations(training, jit, **replicas):
        settings = Settings(encoder_filters=4, encoder_layers=2, zdim=2, jit=jit)
        encoder = build_encoder(settings, (8, 8, 1), **replicas)
        network = tf.function(lambda x: encoder(x, training=training)["mean"])
        graph = network.get_concrete_function(tf.TensorSpec([2, 8, 8, 1])).graph
        return {op.type for op in graph.get_operations()}

    assert "ExtractImagePatches" in operations(True, None)
    assert "ExtractImagePatches" in operations(True, True, synchronized=True)
    for training, jit in ((False, None), (True, True)):
        assert "Conv2D" in operations(training, jit)
        assert "ExtractImagePatches" not in operations(training, jit)


def test_the_papers_networks_take_products_where_they_were_measured_faster(monkeypatch):
    def plans(image_shape, **fields):
        config = Config(encoder_filters=1024, decoder_filters=1024, **fields)
        found = {}
        for build in (build_encoder, build_decoder):
            for layer in build(config, image_shape).layers:
                if isinstance(layer, Conv2D):
                    plan = convolution._Plan(layer, layer.input.shape[1:3])
                elif isinstance(layer, Conv2DTranspose):
                    plan = convolution._Plan(layer, layer.output.shape[1:3])
                else:
                    continue
                kinds = ("forth", "back", "filters", "folding")
                found[layer.name] = " ".join(kind for kind in kinds if getattr(plan, kind))
        return found

    # official configs.py:82-93 and :30-41; the sides are those of the layers' smaller images.
    mnist = {"image_shape": (28, 28, 1), "filter_size": 4}
    celeba = {"image_shape": (64, 64, 3), "filter_size": 5, "decoder_layers": 4}
    assert plans(**mnist) == {
        "h0_conv": "", "h1_conv": "", "h2_conv": "", "h3_conv": "forth back filters",
        "h0_deconv": "filters", "h1_deconv": "", "hfinal_deconv": "folding",
    }  # fmt: skip
    assert plans(**celeba) == {
        "h0_conv": "", "h1_conv": "", "h2_conv": "", "h3_conv": "forth back filters",
        "h0_deconv": "filters", "h1_deconv": "", "h2_deconv": "", "hfinal_deconv": "folding",
    }  # fmt: skip
    # On a GPU: where XLA takes the gradients for other convolutions than they are. Filters of 4x4 and 5x5.
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    assert plans(**mnist) == {
        "h0_conv": "back", "h1_conv": "", "h2_conv": "filters", "h3_conv": "back filters",
        "h0_deconv": "", "h1_deconv": "", "hfinal_deconv": "back",
    }  # fmt: skip
    assert plans(**celeba) == {
        "h0_conv": "back", "h1_conv": "", "h2_conv": "", "h3_conv": "back filters",
        "h0_deconv": "", "h1_deconv": "", "h2_deconv": "", "hfinal_deconv": "back",
    }  # fmt: skip


@pytest.mark.parametrize("jit", [False, True])
def test_pictures_that_come_down_to_one_column_encode_in_half_as_in_full(jit):
    """Without XLA, as `encode` runs, whatever trains."""
    made = [
        wae_tf.WaeMmd(
            (32, 4, 1), zdim=2, encoder_layers=2, decoder_layers=2, encoder_filters=16,
            decoder_filters=16, init_std=0.1, jit=jit, precision=precision, seed=1,
        )
        for precision in ("float32", "mixed_bfloat16", "mixed_float16")
    ]  # fmt: skip
    images = tf.abs(tf.tanh(normal([4, 32, 4, 1], 6)))
    full, *halves = (model.encode(images) for model in made)
    for half in halves:
        assert np.abs(half - full).max() <= 2**-5 * np.abs(full).max()


def test_fit_names_keras_own_layers_that_may_be_wrong_in_half(monkeypatch):
    for onednn, module in ((True, keras.layers), (False, keras.layers), (True, convolution)):
        monkeypatch.setattr(convolution, "by_onednn", lambda onednn=onednn: onednn)
        images = keras.Input((16, 4, 1))
        x = module.Conv2D(4, 4, strides=2, padding="same", dtype="mixed_bfloat16")(images)
        x = module.Conv2D(4, 4, strides=2, padding="same", dtype="mixed_bfloat16", name="b")(x)
        x = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, dtype="float32")])(x)
        encoder = keras.Model(images, x)
        wrong = ["b"] if onednn and module is keras.layers else []
        assert unsafe_layers.wrong_layers(encoder) == wrong
        if wrong:
            model = wae_tf.WaeMmd(encoder=encoder, decoder_arch="mlp", decoder_layers=1)
            model.compile()
            with pytest.warns(UserWarning, match="may compute b of the encoder wrong"):
                model.fit(np.zeros([8, 16, 4, 1], "f"), batch_size=4, verbose=0)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_the_gradient_of_a_bias_in_half_is_the_sum_over_all_places(name, dtype):
    """TensorFlow's own stands still in bfloat16 at 256 times its terms."""
    layer = getattr(convolution, name)(2, 3, padding="same", dtype=dtype)
    images = tf.abs(normal([20, 16, 16, 3], 0))
    with tf.GradientTape() as tape:
        outputs = layer(images, training=True)
        value = tf.reduce_sum(tf.cast(outputs, tf.float32))
    found = tape.gradient(value, layer.bias)
    np.testing.assert_allclose(found, [20 * 16 * 16.0] * 2, rtol=2**-7)


@pytest.mark.parametrize("size, strides", [(1, (2, 2)), (4, (2, 1))])
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_biases_of_layers_computed_otherwise_are_summed_in_full(name, dtype, size, strides):
    """TensorFlow adds up the gradient of a plain sum in float16 on a CPU."""
    layer = getattr(convolution, name)(2, size, strides=strides, padding="same", dtype=dtype)
    side = 128 if name == "Conv2D" else 64
    images = tf.abs(normal([20, side, side, 1], 0))
    with tf.GradientTape() as tape:
        outputs = layer(images, training=True)
        value = tf.reduce_sum(tf.cast(outputs, tf.float32)) / 8
    found = tape.gradient(value, layer.bias)
    right = np.prod(outputs.shape[:3]) / 8
    np.testing.assert_allclose(found, [right] * 2, rtol=2**-7)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_filters_of_1x1_are_computed_in_float64_if_asked(name, padding):
    layer = getattr(convolution, name)(8, 1, strides=2, padding=padding, dtype="float64")
    images = tf.cast(normal([5, 10, 9, 3], 0), "float64")
    found, right = (layer(images, training=training) for training in (True, False))
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_filters_of_1x1_with_a_stride(name, padding, dtype):
    """oneDNN's gradient of these writes beyond its memory: it ended the process at such a size."""
    layer = getattr(convolution, name)(8, 1, strides=2, padding=padding, dtype=dtype)
    images = normal([5, 10, 9, 3], 0)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        value = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
    np.testing.assert_array_equal(outputs, layer(images, training=False))
    kernel, found = layer.kernel.numpy()[0, 0], tape.gradient(value, [images, layer.kernel])
    forth = kernel if name == "Conv2D" else kernel.T
    # By hand: of each image, or place of the output, that is not skipped, a product of its own.
    large = images.numpy()
    taken = large[:, ::2, ::2] if name == "Conv2D" else large
    up = 2 * taken @ forth
    of_taken, of_kernel = up @ forth.T, np.einsum("nhwc,nhwd->cd", taken, up)
    of_images = np.zeros_like(large)
    if name == "Conv2D":
        of_images[:, ::2, ::2] = of_taken
    else:
        of_images, of_kernel = of_taken, of_kernel.T
    close = {"float32": 1e-5, "mixed_bfloat16": 3e-2}[dtype]
    for mine, right in zip(found, (of_images, of_kernel[None, None]), strict=True):
        assert np.abs(mine - right).max() <= close * np.abs(right).max()
