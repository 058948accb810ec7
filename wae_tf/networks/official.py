"""Encoder, decoder and latent adversary as Keras functional models; layers bear the official names."""

from __future__ import annotations

import math

import keras
from keras import layers

from wae_tf import registry
from wae_tf.networks import fitting, sizes
from wae_tf.networks.builder import Builder, network
from wae_tf.registry import register
from wae_tf.settings import Settings


def _began_width(i: int, count: int) -> int:
    # Widths grow as in the official code (official models.py:182-192), integer divisions included.
    ii = i - i // 3
    return ii + 1 - ii // 2 if i != count - 2 else ii - (ii - 1) // 2


@register("encoder", "mlp", help="linear layers", unread=("filter_size",))
def _mlp_encoder(net: Builder, x):
    # official models.py:21-32
    for i in range(net.settings.encoder_layers):
        x = net.norm(net.linear(x, net.settings.encoder_filters, f"h{i}_lin"), f"h{i}_bn")
        x = net.activation(x, "relu")
    return x


@register(
    "encoder",
    "dcgan",
    help="strided convolutions, each twice as wide as that before",
    pictures=True,
    check="halving_filters",
)
def _dcgan_encoder(net: Builder, x):
    # official models.py:109-120
    filters, count = net.settings.encoder_filters, net.settings.encoder_layers
    for i in range(count):
        x = net.conv(x, filters // 2 ** (count - 1 - i), f"h{i}_conv")
        x = net.activation(net.norm(x, f"h{i}_bn"), "relu")
    return x


# ali alone calls its last layer hlast_lin (official models.py:168).
@register(
    "encoder",
    "ali",
    help="that of adversarially learned inference, 32x32",
    unread=("encoder_layers", "filter_size"),
    last_layer="hlast_lin",
    pictures=True,
    check="ali",
)
def _ali_encoder(net: Builder, x):
    filters = net.settings.encoder_filters
    # Kernel, stride, filters of official models.py:132-137.
    table = [(5, 1, filters // 8), (4, 2, filters // 4), (4, 1, filters // 2)]
    table += [(4, 2, filters), (4, 1, filters * 2)]
    for i, (size, stride, width) in enumerate(table):
        x = net.conv(x, width, f"h{i}_conv", size, stride, "valid")
        x = net.activation(net.norm(x, f"h{i}_bn"), "lrelu")
    # Those of one pixel: official models.py:157-165.
    x = net.conv(x, filters * 2, "conv2d_1x1", 1, 1)
    x = net.activation(net.norm(x, "hfinal_bn"), "lrelu")
    return net.conv(x, filters // 2, "conv2d_1x1_2", 1, 1)


@register(
    "encoder",
    "began",
    help="pairs of convolutions between poolings, no batch norm",
    unread=("batch_norm", "batch_norm_decay", "batch_norm_eps"),
    pictures=True,
    check="began_encoder",
)
def _began_encoder(net: Builder, x):
    # official models.py:176-196
    filters, count = net.settings.encoder_filters, net.settings.encoder_layers
    x = net.conv(x, filters, "hfirst_conv")
    for i in range(count):
        if i % 3 < 2:
            x = net.conv(x, filters * _began_width(i, count), f"h{i}_conv", stride=1)
            x = net.activation(x, "elu")
        elif i != count - 1:
            x = layers.MaxPooling2D(2, padding="same", dtype=net.policy)(x)
    return x


@register("decoder", "mlp", help="linear layers", unread=("filter_size",))
def _mlp_decoder(net: Builder, x, image_shape: tuple[int, int, int]):
    # official models.py:78-90
    count = net.settings.decoder_layers
    for i in range(count):
        x = net.activation(net.linear(x, net.settings.decoder_filters, f"h{i}_lin"), "relu")
        x = net.norm(x, f"h{i}_bn")
    # Without layers the last is h1_lin, not h0_lin (official models.py:81, :89).
    x = net.linear(x, math.prod(image_shape), f"h{count or 1}_lin", last=True)
    return layers.Reshape(image_shape, dtype=net.full_dtype)(x)


@register(
    "decoder",
    "dcgan",
    help="transposed convolutions that double the sides",
    pictures=True,
    check="dcgan_decoder",
)
@register(
    "decoder",
    "dcgan_mod",
    help="the same, the last of stride 1",
    pictures=True,
    check="dcgan_decoder",
)
def _dcgan_decoder(net: Builder, x, image_shape: tuple[int, int, int]):
    # official models.py:208-241
    height, width, channels = image_shape
    filters, count = net.settings.decoder_filters, net.settings.decoder_layers
    modified = net.settings.decoder_arch == "dcgan_mod"
    shrink = 2 ** (count - modified)
    x = net.linear(x, filters * (height // shrink) * (width // shrink), "h0_lin")
    x = layers.Reshape((height // shrink, width // shrink, filters), dtype=net.policy)(x)
    x = net.activation(x, "relu")
    for i in range(count - 1):
        x = net.deconv(x, filters // 2 ** (i + 1), f"h{i}_deconv")
        x = net.activation(net.norm(x, f"h{i}_bn"), "relu")
    return net.deconv(x, channels, "hfinal_deconv", stride=1 if modified else 2, last=True)


@register(
    "decoder",
    "ali",
    help="that of adversarially learned inference, 32x32",
    unread=("decoder_layers", "filter_size"),
    pictures=True,
    check="ali",
)
def _ali_decoder(net: Builder, x, image_shape: tuple[int, int, int]):
    filters = net.settings.decoder_filters
    x = layers.Reshape((1, 1, net.settings.decoder_width), dtype=net.policy)(x)
    # Kernel, stride, filters of official models.py:257-261; those of one pixel: :282-289.
    table = [(4, 1, filters), (4, 2, filters // 2), (4, 1, filters // 4)]
    table += [(4, 2, filters // 8), (5, 1, filters // 8)]
    for i, (size, stride, units) in enumerate(table):
        x = net.deconv(x, units, f"h{i}_deconv", size, stride, "valid")
        x = net.activation(net.norm(x, f"h{i}_bn"), "lrelu")
    x = net.conv(x, filters // 8, "conv2d_1x1", 1, 1)
    x = net.activation(net.norm(x, "hfinal_bn"), "lrelu")
    return net.conv(x, image_shape[-1], "conv2d_1x1_2", 1, 1, last=True)


@register(
    "decoder",
    "began",
    help="pairs of convolutions between upsamplings, the start added to each",
    unread=("batch_norm", "batch_norm_decay", "batch_norm_eps"),
    pictures=True,
    check="began_decoder",
)
def _began_decoder(net: Builder, x, image_shape: tuple[int, int, int]):
    # official models.py:295-323
    filters, count = net.settings.decoder_filters, net.settings.decoder_layers
    x = start = layers.Reshape((8, 8, filters), dtype=net.policy)(
        net.linear(x, filters * 64, "h0_lin")
    )
    resamplings = fitting.began_resamplings(count)
    for i in range(count):
        if i % 3 < 2:
            x = net.activation(net.conv(x, filters, f"h{i}_conv", stride=1), "elu")
        elif i in resamplings:
            x = layers.UpSampling2D(2, dtype=net.policy)(x)
            skip = layers.UpSampling2D(2 ** (i // 3 + 1), dtype=net.policy)(start)
            x = layers.Concatenate(dtype=net.policy)([x, skip])
    return net.conv(x, image_shape[-1], "hfinal_conv", stride=1, last=True)


@network("encoder")
def build_encoder(settings: Settings, image_shape: tuple[int, int, int], **kwargs) -> keras.Model:
    """The encoder (official models.py:6-60), before sampling and before the prior's projection.

    Args:
        settings: arch, filters, layers, encoder_noise.
        image_shape: (H, W, C).
        **kwargs: of `Builder`: synchronized, batch norm over all replicas.

    Returns:
        images [n, H, W, C] -> dict of float32: `mean` [n, z]; for encoder_noise gaussian also
        `spread` [n, z] (log-variance, unclipped); for implicit also `matrix` [n, z, z].

    Raises:
        FlagError: the architecture does not fit the images.
    """
    fitting.check(settings, image_shape)
    net = Builder(settings, "encoder", **kwargs)
    images = keras.Input(image_shape, name="images", dtype=net.full_dtype)
    sizes.check(net, lambda counted: _encoder_outputs(counted, images))
    return keras.Model(images, _encoder_outputs(net, images), name="encoder")


def _encoder_outputs(net: Builder, images) -> dict:
    settings = net.settings
    arch = registry.load("encoder", settings.encoder_arch)
    x = arch.implementation(net, images)
    if settings.encoder_noise == "gaussian":
        return {
            "mean": net.linear(x, settings.zdim, "mean_lin", last=True),
            "spread": net.linear(x, settings.zdim, "log_sigmas_lin", last=True),
        }
    name = arch.facts.get("last_layer", "hfinal_lin")
    outputs = {"mean": net.linear(x, settings.zdim, name, last=True)}
    if settings.encoder_noise == "implicit":
        hidden = outputs["mean"]
        for i in range(3):  # official models.py:358-371
            units = max(2 * (i + 1) * settings.zdim, 2)
            hidden = net.linear(hidden, units, f"eps_h{i + 1}_lin", last=True)
            hidden = layers.Activation("tanh", dtype=net.full_dtype)(hidden)
        matrix = net.linear(hidden, settings.zdim**2, "eps_hfinal_lin", last=True)
        outputs["matrix"] = layers.Reshape((settings.zdim, settings.zdim), dtype=net.full_dtype)(
            matrix
        )
    return outputs


@network("decoder")
def build_decoder(settings: Settings, image_shape: tuple[int, int, int], **kwargs) -> keras.Model:
    """The decoder up to its logits (official models.py:72-107).

    Args:
        settings: arch, filters, layers.
        image_shape: (H, W, C).
        **kwargs: of `Builder`: synchronized, batch norm over all replicas.

    Returns:
        codes [n, z], with classes [n, z + classes] -> float32 logits [n, H, W, C]; tanh or sigmoid
        makes images of them.

    Raises:
        FlagError: the architecture does not fit the images.
    """
    fitting.check(settings, image_shape)
    net = Builder(settings, "decoder", **kwargs)
    codes = keras.Input((settings.decoder_width,), name="codes", dtype=net.full_dtype)
    arch = registry.get("decoder", settings.decoder_arch)
    sizes.check(net, lambda counted: arch(counted, codes, image_shape))
    logits = arch(net, codes, image_shape)
    return keras.Model(codes, logits, name="decoder")


@network("adversary")
def build_adversary(settings: Settings) -> keras.Model:
    """The adversary (official models.py:329-339): codes [n, z] -> float32 logits [n, 1].

    Or [n, 2], of which the second is the prior's (replication wae.py:233).
    """
    net = Builder(settings, "adversary")
    codes = keras.Input((settings.zdim,), name="codes", dtype=net.full_dtype)
    sizes.check(net, lambda counted: _adversary_logits(counted, codes))
    return keras.Model(codes, _adversary_logits(net, codes), name="adversary")


def _adversary_logits(net: Builder, x):
    for i in range(net.settings.adversary_layers):
        units = net.settings.adversary_filters
        x = net.activation(net.linear(x, units, f"h{i + 1}_lin"), "relu")
    return net.linear(x, net.settings.adversary_outputs, "hfinal_lin", last=True)
