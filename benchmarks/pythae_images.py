"""Trains pythae's WAE_MMD on what images_beside_pythae.py wrote; imports nothing of wae_tf.

    PYTHON pythae_images.py OUT

OUT: settings.json, and the images train.npy and test.npy, uint8 [n, H, W, C]. Writes OUT/pythae.npz: test
codes, reconstructions (made) and samples (drawn) in [0, 1] as [n, H, W, C], epochs and seconds of
training. The epochs are those that fit in the seconds given, by 40 steps timed before.
"""

import contextlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch_speed
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import WAE_MMD, WAE_MMD_Config
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from pythae_worker import Decoder, Encoder

WARM, TIMED = 10, 40


class Pictures(BaseDataset):
    """Bytes [n, C, H, W], as floats one by one: all of them at once would not fit."""

    def __init__(self, images, symmetric):
        super().__init__(images, torch.zeros(len(images)))
        self.symmetric = symmetric

    def __getitem__(self, index):
        """One picture."""
        x = self.data[index].float() / 255
        return DatasetOutput(data=2 * x - 1 if self.symmetric else x)


class Times(TrainingCallback):
    """Shows epochs, notes when steps end, and stops after so many."""

    def __init__(self, steps=None):
        self.steps, self.ends = steps, []

    def on_train_step_end(self, training_config, **kwargs):
        """Note it."""
        self.ends.append(time.perf_counter())
        if self.steps and len(self.ends) >= self.steps:
            raise StopIteration

    def on_epoch_end(self, training_config, **kwargs):
        """Show it."""
        metrics = kwargs.get("metrics") or {}
        shown = ", ".join(f"{k} {v:.5g}" for k, v in metrics.items() if v is not None)
        print(f"{len(self.ends)} steps: {shown}", flush=True)


def trainer(o, train, folder, epochs, times):
    """One that trains a new model."""
    torch.manual_seed(o["seed"])
    height, width, channels = o["shape"]
    config = WAE_MMD_Config(
        input_dim=(channels, height, width), latent_dim=o["zdim"], kernel_choice="imq",
        reg_weight=o["wae_lambda"], kernel_bandwidth=1.0,
        reconstruction_loss_scale=o["recon_scale"],
    )  # fmt: skip
    # MultiStepLR has one factor for all milestones.
    parts = [(max(1, round(part * epochs)), factor) for part, factor in o["drops"]]

    def rate(epoch):
        return float(np.prod([factor for first, factor in parts if epoch >= first]))

    settings = BaseTrainerConfig(
        output_dir=folder, num_epochs=epochs, learning_rate=o["lr"], no_cuda=True, seed=o["seed"],
        per_device_train_batch_size=o["batch_size"], optimizer_cls="Adam",
        optimizer_params={"betas": (o["adam_beta1"], o["adam_beta2"]), "eps": o["adam_epsilon"]},
        scheduler_cls="LambdaLR", scheduler_params={"lr_lambda": rate},
    )  # fmt: skip
    settings.to_dict = lambda: {}  # which a function does not go into
    settings.save_json = lambda *_: None
    nets = [
        torch_speed.initial(of(o), o["init_std"])
        for of in (torch_speed.encoder, torch_speed.decoder)
    ]
    return BaseTrainer(
        WAE_MMD(config, Encoder(nets[0]), Decoder(nets[1])), Pictures(train, o["symmetric"]), None, settings,
        callbacks=[times],
    )  # fmt: skip


def main(out):
    """Trains and writes."""
    logging.disable(logging.CRITICAL)
    o = json.loads((out / "settings.json").read_text())
    torch.set_num_threads(o["threads"])
    train = torch.from_numpy(np.load(out / "train.npy")).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory() as folder:
        tried = Times(WARM + TIMED)
        with contextlib.suppress(StopIteration):
            trainer(o, train, folder, 1, tried).train()
        seconds = (tried.ends[-1] - tried.ends[WARM - 1]) / (len(tried.ends) - WARM)
        steps = -(-len(train) // o["batch_size"])
        epochs = max(1, round(o["seconds"] / (steps * seconds)))
        print(f"{1e3 * seconds:.4g} ms a step: {epochs} epochs in {o['seconds']:.0f} s", flush=True)
        times = Times()
        training = trainer(o, train, folder, epochs, times)
        began = time.perf_counter()
        training.train()
        took = time.perf_counter() - began
    model = training.model.eval()
    test = torch.from_numpy(np.load(out / "test.npy")).permute(0, 3, 1, 2)
    scaled = Pictures(test, o["symmetric"])
    with torch.no_grad():
        rows = [torch.arange(len(test))[i : i + 100] for i in range(0, len(test), 100)]
        found = torch.cat([model.encoder(scaled[i]["data"]).embedding for i in rows])
        made = torch.cat([model.decoder(z).reconstruction for z in found.split(100)])
        prior = torch.randn(o["samples"], o["zdim"])
        drawn = torch.cat([model.decoder(z).reconstruction for z in prior.split(100)])

    def unit(pictures):
        pictures = pictures.permute(0, 2, 3, 1).numpy()
        return (pictures + 1) / 2 if o["symmetric"] else pictures

    part = out / "pythae.part.npz"
    np.savez(
        part, codes=found.numpy(), made=unit(made), drawn=unit(drawn), epochs=epochs, seconds=took,
    )  # fmt: skip
    part.replace(out / "pythae.npz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
