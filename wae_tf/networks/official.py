"""Encoder, decoder and latent adversary as Keras functional models; layers bear the official names."""

from __future__ import annotations

import hashlib
import math

import keras
from keras import layers

from wae_tf.config import Config
from wae_tf.errors import FlagError
from wae_tf.networks import convolution, replication
from wae_tf.networks.batch_norm import FusedBatchNormalization


class _Builder:
    """Makes the layers of one network with the config's initialisers, batch norm and precision."""

    def __init__(self, config: Config, scope: str, synchronized: bool = False):
        self.config = config
        self.scope = scope
        self.synchronized = synchronized
        self.policy = config.precision
        # Heads and the decoder's last layer stay full under mixed precision.
        self.full = config.full_precision
        self.convolutions = layers if config.jit else convolution

    def _seed(self, name: str) -> int:
        digest = hashlib.sha256(f"{self.config.seed}/{self.scope}/{name}".encode()).digest()
        return int.from_bytes(digest[:4], "little") >> 1

    def _normal(self, name: str) -> keras.initializers.Initializer:
        # Linear and transposed convolution: plain normal (official ops.py:84, :142).
        return keras.initializers.RandomNormal(stddev=self.config.init_std, seed=self._seed(name))

    def _bias(self) -> keras.initializers.Initializer:
        return keras.initializers.Constant(self.config.init_bias)

    def _initial(self, name: str, fan_in: int, kernel: keras.initializers.Initializer, bias):
        if self.config.init == "normal" or self.scope == "adversary":
            return {"kernel_initializer": kernel, "bias_initializer": bias}
        kernel, bias = replication.initializers(fan_in, self._seed(name))
        return {"kernel_initializer": kernel, "bias_initializer": bias}

    def linear(self, x, units: int, name: str, last: bool = False):
        """A linear layer on the flattened input; the last of a network stays float32."""
        if len(x.shape) > 2:
            x = layers.Flatten(dtype=self.policy)(x)
        return layers.Dense(
            units,
            **self._initial(name, x.shape[-1], self._normal(name), self._bias()),
            name=name,
            dtype=self.full if last else self.policy,
        )(x)

    def conv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """A convolution; its initial filters are truncated normal (official ops.py:114)."""
        size = size or self.config.filter_size
        kernel = keras.initializers.TruncatedNormal(
            stddev=self.config.init_std, seed=self._seed(name)
        )
        return self.convolutions.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            **self._initial(name, size * size * x.shape[-1], kernel, self._bias()),
            name=name,
            dtype=self.full if last else self.policy,
        )(x)

    def deconv(self, x, filters: int, name: str, size=None, stride=2, padding="same", last=False):
        """A transposed convolution; its bias starts at 0 whatever init_bias says (official ops.py:149)."""
        size = size or self.config.filter_size
        return self.convolutions.Conv2DTranspose(
            filters,
            size,
            strides=stride,
            padding=padding,
            **self._initial(name, size * size * filters, self._normal(name), "zeros"),
            name=name,
            dtype=self.full if last else self.policy,
        )(x)

    def norm(self, x, name: str, unbiased: bool = False, epsilon: float | None = None):
        """Batch normalisation, biased variance (official ops.py:16-24) or PyTorch's unbiased."""
        if not self.config.batch_norm:
            return x
        gamma: str | keras.initializers.Initializer = "ones"
        if self.config.init == "torch_1.0":
            gamma = keras.initializers.RandomUniform(0.0, 1.0, seed=self._seed(name))
        return FusedBatchNormalization(
            unbiased=unbiased,
            gamma_initializer=gamma,
            momentum=self.config.batch_norm_decay,
            epsilon=epsilon or self.config.batch_norm_eps,
            synchronized=self.synchronized,
            name=name,
            dtype=self.policy,
        )(x)

    def activation(self, x, kind: str):
        """relu, elu, tanh, or lrelu with slope 0.1 (official models.py:141)."""
        if kind == "lrelu":
            return layers.LeakyReLU(negative_slope=0.1, dtype=self.policy)(x)
        return layers.Activation(kind, dtype=self.policy)(x)


def check(config: Config, image_shape: tuple[int, int, int]) -> None:
    """Checks that architectures, filters and image size fit each other.

    Raises:
        FlagError: they do not; the sentence says what would.
    """
    height, width, _ = image_shape
    size = f"{height}x{width}"
    for side, filters, count in (
        ("encoder", config.encoder_filters, config.encoder_layers),
        ("decoder", config.decoder_filters, config.decoder_layers),
    ):
        arch = getattr(config, f"{side}_arch")
        if arch == "replication":
            replication.check(side, filters, count, image_shape)
        if arch in ("dcgan", "dcgan_mod") and filters < 2 ** (count - 1):
            raise FlagError(
                f"--{side}_filters={filters} is too small for {count} {arch} layers, which halve it "
                f"each; accepted: {2 ** (count - 1)} up."
            )
        if arch == "ali":
            if (height, width) != (32, 32):
                raise FlagError(
                    f"--{side}_arch=ali takes 32x32 images only (its convolutions end at 1x1), not "
                    f"{size}."
                )
            if filters < 8:
                raise FlagError(f"--{side}_filters={filters} is too small for ali; accepted: 8 up.")
    if config.decoder_arch in ("dcgan", "dcgan_mod"):
        halvings = config.decoder_layers - (config.decoder_arch == "dcgan_mod")
        if height % 2**halvings or width % 2**halvings:
            raise FlagError(
                f"--decoder_arch={config.decoder_arch} with --decoder_layers="
                f"{config.decoder_layers} needs height and width divisible by {2**halvings}, not "
                f"{size}."
            )
    if config.decoder_arch == "began":
        side = 8 * 2 ** len(_began_resamplings(config.decoder_layers))
        if (height, width) != (side, side):
            raise FlagError(
                f"--decoder_arch=began with --decoder_layers={config.decoder_layers} makes "
                f"{side}x{side} images, not {size}."
            )
    if min(height, width) < 3:
        raise FlagError(f"images of {size} are too small; accepted: 3x3 up.")


def _began_resamplings(count: int) -> list[int]:
    return [i for i in range(count - 1) if i % 3 == 2]


def _began_width(i: int, count: int) -> int:
    # Widths grow as in the official code (official models.py:170-180), integer divisions included.
    ii = i - i // 3
    return ii + 1 - ii // 2 if i != count - 2 else ii - (ii - 1) // 2


def _encoder_features(net: _Builder, config: Config, x):
    filters, count = config.encoder_filters, config.encoder_layers
    if config.encoder_arch == "mlp":
        for i in range(count):
            x = net.norm(net.linear(x, filters, f"h{i}_lin"), f"h{i}_bn")
            x = net.activation(x, "relu")
    elif config.encoder_arch == "dcgan":
        for i in range(count):
            x = net.conv(x, filters // 2 ** (count - 1 - i), f"h{i}_conv")
            x = net.activation(net.norm(x, f"h{i}_bn"), "relu")
    elif config.encoder_arch == "replication":
        x = replication.encoder_features(net, filters, x)
    elif config.encoder_arch == "ali":
        # Kernel, stride, filters of official models.py:122-127.
        table = ((5, 1, filters // 8), (4, 2, filters // 4), (4, 1, filters // 2))
        table += ((4, 2, filters), (4, 1, filters * 2))
        for i, (size, stride, width) in enumerate(table):
            x = net.conv(x, width, f"h{i}_conv", size, stride, "valid")
            x = net.activation(net.norm(x, f"h{i}_bn"), "lrelu")
        x = net.conv(x, filters * 2, "conv2d_1x1", 1, 1)
        x = net.activation(net.norm(x, "hfinal_bn"), "lrelu")
        x = net.conv(x, filters // 2, "conv2d_1x1_2", 1, 1)
    else:  # began has no batch norm
        x = net.conv(x, filters, "hfirst_conv")
        for i in range(count):
            if i % 3 < 2:
                x = net.conv(x, filters * _began_width(i, count), f"h{i}_conv", stride=1)
                x = net.activation(x, "elu")
            elif i != count - 1:
                x = layers.MaxPooling2D(2, padding="same", dtype=net.policy)(x)
    return x


def build_encoder(config: Config, image_shape: tuple[int, int, int], **kwargs) -> keras.Model:
    """The encoder (official models.py:6-73), before sampling and before the prior's projection.

    Args:
        config: arch, filters, layers, encoder_noise.
        image_shape: (H, W, C).

    Returns:
        images [n, H, W, C] -> dict of float32: `mean` [n, z]; for encoder_noise gaussian also
        `spread` [n, z] (log-variance, unclipped); for implicit also `matrix` [n, z, z].

    Raises:
        FlagError: the architecture does not fit the images.
    """
    check(config, image_shape)
    net = _Builder(config, "encoder", **kwargs)
    images = keras.Input(image_shape, name="images", dtype=net.full)
    x = _encoder_features(net, config, images)
    if config.encoder_noise == "gaussian":
        outputs = {
            "mean": net.linear(x, config.zdim, "mean_lin", last=True),
            "spread": net.linear(x, config.zdim, "log_sigmas_lin", last=True),
        }
    else:
        # ali alone calls its last layer hlast_lin (official models.py:157).
        name = "hlast_lin" if config.encoder_arch == "ali" else "hfinal_lin"
        outputs = {"mean": net.linear(x, config.zdim, name, last=True)}
    if config.encoder_noise == "implicit":
        hidden = outputs["mean"]
        for i in range(3):  # official models.py:357-372
            units = max(2 * (i + 1) * config.zdim, 2)
            hidden = net.linear(hidden, units, f"eps_h{i + 1}_lin", last=True)
            hidden = layers.Activation("tanh", dtype=net.full)(hidden)
        matrix = net.linear(hidden, config.zdim**2, "eps_hfinal_lin", last=True)
        outputs["matrix"] = layers.Reshape((config.zdim, config.zdim), dtype=net.full)(matrix)
    return keras.Model(images, outputs, name="encoder")


def build_decoder(config: Config, image_shape: tuple[int, int, int], **kwargs) -> keras.Model:
    """The decoder up to its logits (official models.py:75-106).

    Args:
        config: arch, filters, layers.
        image_shape: (H, W, C).

    Returns:
        codes [n, z] -> float32 logits [n, H, W, C]; tanh or sigmoid makes images of them.

    Raises:
        FlagError: the architecture does not fit the images.
    """
    check(config, image_shape)
    net = _Builder(config, "decoder", **kwargs)
    height, width, channels = image_shape
    filters, count = config.decoder_filters, config.decoder_layers
    codes = x = keras.Input((config.zdim,), name="codes", dtype=net.full)
    if config.decoder_arch == "mlp":
        for i in range(count):
            x = net.activation(net.linear(x, filters, f"h{i}_lin"), "relu")
            x = net.norm(x, f"h{i}_bn")
        x = net.linear(x, math.prod(image_shape), f"h{count}_lin", last=True)
        x = layers.Reshape(image_shape, dtype=net.full)(x)
    elif config.decoder_arch in ("dcgan", "dcgan_mod"):
        modified = config.decoder_arch == "dcgan_mod"
        shrink = 2 ** (count - modified)
        x = net.linear(x, filters * (height // shrink) * (width // shrink), "h0_lin")
        x = layers.Reshape((height // shrink, width // shrink, filters), dtype=net.policy)(x)
        x = net.activation(x, "relu")
        for i in range(count - 1):
            x = net.deconv(x, filters // 2 ** (i + 1), f"h{i}_deconv")
            x = net.activation(net.norm(x, f"h{i}_bn"), "relu")
        x = net.deconv(x, channels, "hfinal_deconv", stride=1 if modified else 2, last=True)
    elif config.decoder_arch == "replication":
        x = replication.decoder_logits(net, filters, x, image_shape)
    elif config.decoder_arch == "ali":
        x = layers.Reshape((1, 1, config.zdim), dtype=net.policy)(x)
        table = ((4, 1, filters), (4, 2, filters // 2), (4, 1, filters // 4))
        table += ((4, 2, filters // 8), (5, 1, filters // 8))
        for i, (size, stride, units) in enumerate(table):
            x = net.deconv(x, units, f"h{i}_deconv", size, stride, "valid")
            x = net.activation(net.norm(x, f"h{i}_bn"), "lrelu")
        x = net.conv(x, filters // 8, "conv2d_1x1", 1, 1)
        x = net.activation(net.norm(x, "hfinal_bn"), "lrelu")
        x = net.conv(x, channels, "conv2d_1x1_2", 1, 1, last=True)
    else:
        x = start = layers.Reshape((8, 8, filters), dtype=net.policy)(
            net.linear(x, filters * 64, "h0_lin")
        )
        resamplings = _began_resamplings(count)
        for i in range(count):
            if i % 3 < 2:
                x = net.activation(net.conv(x, filters, f"h{i}_conv", stride=1), "elu")
            elif i in resamplings:
                x = layers.UpSampling2D(2, dtype=net.policy)(x)
                skip = layers.UpSampling2D(2 ** (i // 3 + 1), dtype=net.policy)(start)
                x = layers.Concatenate(dtype=net.policy)([x, skip])
        x = net.conv(x, channels, "hfinal_conv", stride=1, last=True)
    return keras.Model(codes, x, name="decoder")


def build_adversary(config: Config) -> keras.Model:
    """The adversary (official models.py:325-338): codes [n, z] -> float32 logits [n, 1]."""
    net = _Builder(config, "adversary")
    codes = x = keras.Input((config.zdim,), name="codes", dtype=net.full)
    for i in range(config.adversary_layers):
        x = net.activation(net.linear(x, config.adversary_filters, f"h{i + 1}_lin"), "relu")
    return keras.Model(
        codes,
        net.linear(x, config.adversary_outputs, "hfinal_lin", last=True),
        name="adversary",
    )


def operations(network: keras.Model) -> list[float]:
    """Floating-point operations of each layer's product for one input, two a multiply-add.

    Padding counts as pixels; what is no matrix product or convolution is left out.
    """
    found = []
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        places = 1
        if len(kernel.shape) == 4:
            # A transposed convolution multiplies at every place of its input.
            transposed = isinstance(layer, layers.Conv2DTranspose)
            places = math.prod((layer.input if transposed else layer.output).shape[1:3])
        found.append(2.0 * math.prod(kernel.shape) * places)
    return found
