"""Pictures are [n, H, W, C], whatever Keras's own setting says of channels."""

import keras
import numpy as np
import pytest

import wae_tf

NETWORKS = (
    {"encoder_arch": "dcgan", "decoder_arch": "dcgan_mod"},
    {"encoder_arch": "began", "decoder_arch": "dcgan"},
    {"encoder_arch": "ali", "decoder_arch": "ali"},
    {"encoder_arch": "replication", "decoder_arch": "replication", "decoder_layers": 4},
)


@pytest.fixture
def channels_first():
    """A program, or a keras.json, that has other networks in mind."""
    yield lambda: keras.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("networks", NETWORKS, ids=lambda networks: networks["encoder_arch"])
def test_a_setting_of_keras_moves_nothing(networks, channels_first, rng):
    images = rng.randint(0, 256, (2, 32, 32, 3), "uint8")
    made = []
    for before in (lambda: None, channels_first):
        before()
        model = wae_tf.WaeMmd(
            (32, 32, 3), zdim=2, encoder_filters=16, decoder_filters=16, init_std=0.3, **networks
        )
        made.append(model.reconstruct(images))
    assert made[0].shape == images.shape
    np.testing.assert_array_equal(*made)
    assert keras.config.image_data_format() == "channels_first"
