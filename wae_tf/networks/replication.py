"""The networks of the replication report (github.com/josephdviviano/wae at 8270926, wae.py:103-199)."""

from __future__ import annotations

from keras import layers

from wae_tf.networks.builder import Builder
from wae_tf.networks.fitting import REPLICATION_LAYERS as LAYERS
from wae_tf.registry import register

#: nn.LeakyReLU(0.2), replication wae.py:111.
SLOPE = 0.2
#: Padding of the encoder's convolutions, replication wae.py:121-128.
PADDING = 2
#: Epsilon of the decoder's batch norms, replication wae.py:136-150; the encoder's is 1e-5 (:122).
DECODER_EPS = 1e-3


def kernels(side: int) -> tuple[int, tuple[int, ...]]:
    """Kernel of the encoder's convolutions, and those of the decoder's four transposed ones.

    28 pixels come down by 4x4 to 15, 8, 5, 3 and go up by 3, 2, 3, 2; other sides, multiples of
    16, by 5x5 to a sixteenth and by 4x4 back (replication wae.py:113-118, :135-152).
    """
    return (4, (3, 2, 3, 2)) if side == 28 else (5, (4, 4, 4, 4))


@register(
    "encoder",
    "replication",
    help="that of the replication report, 28x28 or multiples of 16 (replication wae.py:121-131)",
    unread=("encoder_layers", "filter_size"),
    pictures=True,
    check="replication",
)
def _encoder(net: Builder, x):
    """Images to the features under the heads (replication wae.py:121-128)."""
    filters = net.settings.encoder_filters
    size, _ = kernels(x.shape[1])
    for i in range(LAYERS):
        x = layers.ZeroPadding2D(PADDING, dtype=net.policy)(x)
        x = net.conv(x, filters // 2 ** (LAYERS - 1 - i), f"h{i}_conv", size, padding="valid")
        x = net.norm(x, f"h{i}_bn", unbiased=True)
        x = layers.LeakyReLU(negative_slope=SLOPE, dtype=net.policy)(x)
    return x


@register(
    "decoder",
    "replication",
    help="that of the replication report, 28x28 or multiples of 16 (replication wae.py:134-152)",
    unread=("decoder_layers", "filter_size", "batch_norm_eps"),
    pictures=True,
    check="replication",
)
def _decoder(net: Builder, codes, image_shape: tuple[int, int, int]):
    """Codes to logits (replication wae.py:134-152); no activation after the linear layer."""
    filters = net.settings.decoder_filters
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
        x = layers.Cropping2D(1, dtype=net.full_dtype if last else net.policy)(x)
        if not last:
            x = net.norm(x, f"h{i}_bn", unbiased=True, epsilon=DECODER_EPS)
            x = layers.LeakyReLU(negative_slope=SLOPE, dtype=net.policy)(x)
    return x
