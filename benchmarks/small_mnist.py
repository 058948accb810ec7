"""Short trainings on MNIST with small networks: what stability.py and precision.py do alike."""

from __future__ import annotations

import argparse
from typing import Any

import common
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.data.batches import image_batches
from wae_tf.data.image_set import ImageSet
from wae_tf.models import by_name
from wae_tf.models.wae import Wae
from wae_tf.training import pretraining


def add_arguments(parser: argparse.ArgumentParser, *, seeds: int, filters: int) -> None:
    """The flags that both have."""
    parser.add_argument("--out", required=True)
    parser.add_argument("--data_dir", required=True, help="folder of MNIST's four idx files")
    parser.add_argument("--steps", type=common.number(), default=400)
    parser.add_argument("--seeds", type=common.number(), default=seeds)
    parser.add_argument("--arch", default="mlp", choices=("mlp", "dcgan"))
    parser.add_argument("--filters", type=common.number(), default=filters)


def networks(arch: str, filters: int) -> dict[str, Any]:
    """Fields of a Config: MNIST, networks of this kind and width, a short pretraining."""
    return {
        "dataset": "mnist",
        "encoder_arch": arch,
        "decoder_arch": arch if arch == "mlp" else "dcgan_mod",
        "encoder_filters": filters,
        "decoder_filters": filters,
        "pretrain_size": 500,
    }


def ready(config: Config, images: ImageSet, steps_per_call: int) -> tuple[Wae, tf.data.Dataset]:
    """The config's model, pretrained and compiled, and the batches that `fit` takes."""
    model = by_name.from_config(config, images.image_shape, len(images.train))
    if config.pretrain:
        pretraining.pretrain(
            model, images.train, progress=lambda line: None, size=config.pretrain_size
        )
    model.compile(steps_per_execution=steps_per_call)
    batches = image_batches(
        images.train,
        batch_size=config.batch_size,
        seed=config.seed,
        pixel_range=config.pixel_range_of_data,
    )
    return model, batches
