"""The networks of the replication report (github.com/josephdviviano/wae at 8270926, wae.py:105-195)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from wae_tf.errors import FlagError

#: nn.LeakyReLU(0.2), replication wae.py:111.
SLOPE = 0.2
#: Padding of the encoder's convolutions, replication wae.py:121-128.
PADDING = 2
#: Epsilon of the decoder's batch norms, replication wae.py:136-157; the encoder's is 1e-5 (:122).
DECODER_EPS = 1e-3
#: Convolutions of each network.
LAYERS = 4


def kernels(side: int) -> tuple[int, tuple[int, ...]]:
    """Kernel of the encoder's convolutions, and those of the decoder's four transposed ones.

    28 pixels come down by 4x4 to 15, 8, 5, 3 and go up by 3, 2, 3, 2; other sides, multiples of
    16, by 5x5 to a sixteenth and by 4x4 back (replication wae.py:113-118, :138-159).
    """
    return (4, (3, 2, 3, 2)) if side == 28 else (5, (4, 4, 4, 4))


def check(side: str, filters: int, count: int, image_shape: tuple[int, int, int]) -> None:
    """Checks that the network fits the images.

    Args:
        side: `encoder` or `decoder`.
        filters: the widest.
        count: layers.
        image_shape: (H, W, C).

    Raises:
        FlagError: it does not.
    """
    height, width, _ = image_shape
    if count != LAYERS:
        raise FlagError(f"--{side}_arch=replication has --{side}_layers={LAYERS}, not {count}.")
    if filters < 8:
        raise FlagError(f"--{side}_filters={filters} is too small for replication; accepted: 8 up.")
    if (height, width) != (28, 28) and (height % 16 or width % 16):
        raise FlagError(
            f"--{side}_arch=replication takes images of 28x28, or whose sides are multiples of 16, "
            f"not {height}x{width}."
        )


def encoder_features(net: Any, filters: int, x: Any) -> Any:
    """Images to the features under the heads (replication wae.py:121-128).

    Args:
        net: the builder of `networks.official`.
        filters: of the last convolution; an eighth of it in the first.
        x: [n, H, W, C].
    """
    size, _ = kernels(x.shape[1])
    for i in range(LAYERS):
        x = layers.ZeroPadding2D(PADDING, dtype=net.policy)(x)
        x = net.conv(x, filters // 2 ** (LAYERS - 1 - i), f"h{i}_conv", size, padding="valid")
        x = net.norm(x, f"h{i}_bn", unbiased=True)
        x = layers.LeakyReLU(negative_slope=SLOPE, dtype=net.policy)(x)
    return x


def decoder_logits(net: Any, filters: int, codes: Any, image_shape: tuple[int, int, int]) -> Any:
    """Codes to logits (replication wae.py:134-159); no activation after the linear layer.

    Args:
        net: the builder of `networks.official`.
        filters: of the linear layer; an eighth of it before the last layer.
        codes: [n, z].
        image_shape: (H, W, C).
    """
    height, width, channels = image_shape
    _, sizes = kernels(height)
    start = (3, 3) if height == 28 else (height // 16, width // 16)
    x = net.linear(codes, start[0] * start[1] * filters, "h0_lin")
    x = layers.Reshape((*start, filters), dtype=net.policy)(x)
    for i, size in enumerate(sizes):
        last = i == LAYERS - 1
        name = "hfinal_deconv" if last else f"h{i}_deconv"
        depth = channels if last else filters // 2 ** (i + 1)
        x = net.deconv(x, depth, name, size, padding="valid", last=last)
        # PyTorch's padding of 1 takes as much off each side of the result.
        x = layers.Cropping2D(1, dtype=net.full if last else net.policy)(x)
        if not last:
            x = net.norm(x, f"h{i}_bn", unbiased=True, epsilon=DECODER_EPS)
            x = layers.LeakyReLU(negative_slope=SLOPE, dtype=net.policy)(x)
    return x


def initializers(
    fan_in: int, seed: int
) -> tuple[keras.initializers.Initializer, keras.initializers.Initializer]:
    """PyTorch's initial weights and biases of linear and convolution layers, torch 1.0 to today.

    Both are uniform within 1 / sqrt(fan_in); a transposed convolution's fan_in counts its outputs.

    Args:
        fan_in: inputs of a unit.
        seed: of the weights; the biases' follows from it.
    """
    bound = fan_in**-0.5
    return tuple(
        keras.initializers.RandomUniform(-bound, bound, seed=number) for number in (seed, seed ^ 1)
    )
