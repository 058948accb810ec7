"""Trains pythae's WAE_MMD on what against_pythae.py wrote; imports nothing of wae_tf.

    PYTHON pythae_worker.py SETTINGS.json GIVEN.npz MADE.npz

GIVEN: the initial weights e0, e1, ... of encoder and decoder, kernel and bias in turns, the training
and the test vectors, and the rows of each batch. MADE: the test codes and reconstructions, and the
seconds at which each epoch ended.
"""

import itertools
import json
import logging
import sys
import tempfile
import time

import numpy as np
import torch
from pythae.data.datasets import BaseDataset, collate_dataset_output
from pythae.models import WAE_MMD, WAE_MMD_Config
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn


def network(given, letter):
    """Linear layers with the weights given and ReLUs between."""
    parts = []
    for i in itertools.count(0, 2):
        if f"{letter}{i}" not in given:
            return nn.Sequential(*parts[:-1])
        kernel, bias = given[f"{letter}{i}"], given[f"{letter}{i + 1}"]
        layer = nn.Linear(*kernel.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        parts += [layer, nn.ReLU()]


class Encoder(BaseEncoder):
    """A network in pythae's form."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        """Give the codes."""
        return ModelOutput(embedding=self.net(x))


class Decoder(BaseDecoder):
    """As Encoder."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z):
        """Give what the codes stand for."""
        return ModelOutput(reconstruction=self.net(z))


class InOrder(BaseTrainer):
    """pythae's trainer, whose batches are the rows given instead of those of a shuffle."""

    order = None

    def get_train_dataloader(self, train_dataset):
        """One loader for all epochs, an epoch's rows each time it is gone through."""
        epochs = iter(self.order)

        class Sampler(torch.utils.data.Sampler):
            def __iter__(self):
                return iter(next(epochs).tolist())

            def __len__(self):
                return len(train_dataset)

        loader = torch.utils.data.DataLoader(
            train_dataset, batch_size=self.training_config.per_device_train_batch_size,
            sampler=Sampler(), collate_fn=collate_dataset_output,
        )  # fmt: skip
        return loader


class Epochs(TrainingCallback):
    """Notes when epochs end."""

    def __init__(self):
        self.ends = []

    def on_epoch_end(self, training_config, **kwargs):
        """Note it."""
        self.ends.append(time.perf_counter())


def main(settings, given, path):
    """Trains and writes."""
    logging.disable(logging.CRITICAL)
    torch.manual_seed(settings["seed"])
    torch.set_num_threads(settings["threads"])
    train = torch.from_numpy(given["train"])
    config = WAE_MMD_Config(
        input_dim=(train.shape[1],), latent_dim=settings["zdim"], kernel_choice="imq",
        reg_weight=settings["wae_lambda"], kernel_bandwidth=1.0, scales=settings["scales"],
        reconstruction_loss_scale=settings["recon_scale"],
    )  # fmt: skip
    networks = Encoder(network(given, "e")), Decoder(network(given, "d"))
    model = WAE_MMD(config, *networks)
    epochs = Epochs()
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder, num_epochs=len(given["order"]), learning_rate=settings["lr"],
            per_device_train_batch_size=settings["batch_size"], no_cuda=True, optimizer_cls="Adam",
            optimizer_params={"betas": (0.9, 0.999), "eps": settings["epsilon"]}, seed=settings["seed"],
        )  # fmt: skip
        # The trainer goes through the loader once, to try the model: that takes no epoch's rows.
        tried = np.arange(len(train))[None]
        InOrder.order = np.concatenate([tried, given["order"]])
        of_training = BaseDataset(train, torch.zeros(len(train)))
        trainer = InOrder(model, of_training, None, training, callbacks=[epochs])
        began = time.perf_counter()
        trainer.train()
    model.eval()
    with torch.no_grad():
        codes = model.encoder(torch.from_numpy(given["test"])).embedding
        made = model.decoder(codes).reconstruction
    ends = np.array(epochs.ends) - began
    np.savez(path, codes=codes.numpy(), made=made.numpy(), ends=ends)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file), dict(np.load(sys.argv[2])), sys.argv[3])
