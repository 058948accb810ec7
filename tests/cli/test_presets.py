"""Every preset is read, built on images of its size and stepped once; the official ones are configs.py."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from wae_tf import registry
from wae_tf.cli import arguments, presets
from wae_tf.models import by_name
from wae_tf.networks import fitting
from wae_tf.replication import cases, inputs, options

GOLDENS = Path(__file__).parent.parent / "goldens" / "replication"
FLAGS = presets.preset_folder()
PRESETS = sorted(str(path.relative_to(FLAGS)) for path in FLAGS.rglob("*.flags"))
SHAPES = {
    "digits": (28, 28, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "celeba": (64, 64, 3),
    "folder": (64, 64, 3),
    "dsprites": (64, 64, 1),
}

#: Models that a preset of before had, at these widths.
STEPPED = set()


def config_of(name, *more):
    data = [] if name.startswith("digits") else ["--data_dir=somewhere"]
    return arguments.parse([f"--flagfile=flags/{name}", *data, *more])[1]


def test_there_is_a_preset_for_every_pair():
    for dataset in registry.names("dataset"):
        for model in ("wae_mmd", "wae_gan", "vae", "wae_mmdpp", "wae_mmdppp"):
            assert f"{dataset}_{model}.flags" in PRESETS
    assert len([p for p in PRESETS if p.startswith("official/")]) == 7
    assert len([p for p in PRESETS if p.startswith("replication/")]) == 6 + 2


@pytest.mark.parametrize("name", PRESETS)
def test_preset_names_its_command_its_source_and_what_to_expect(name):
    head = [line for line in (FLAGS / name).read_text().splitlines() if line.startswith("#")]
    assert any(line.startswith("# python -m wae_tf.main") for line in head)
    assert len(head) >= 3


#: Presets that the slow tests step: of data like others', and the report's.
SLOW = ("cifar10", "dsprites", "folder", "replication")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n.startswith(SLOW) else n for n in PRESETS],
)
def test_preset_is_built_and_stepped(name):
    # Full widths would take minutes: the flags that set the widths are lowered, nothing else.
    config = config_of(name)
    thin = {"encoder_filters": 8, "decoder_filters": 8, "adversary_filters": 8}
    narrow = config_of(name, *(f"--{flag}={value}" for flag, value in thin.items()))
    fitting.check(config, SHAPES[config.dataset])  # the full widths fit as well
    # Rates and lambda are past the first losses: with all else alike it is the step of another preset.
    same = dataclasses.replace(narrow.settings, lr=1.0, lr_adv=1.0, wae_lambda=1.0)
    case = repr((SHAPES[config.dataset], config.batch_size, config.model, same))
    if case in STEPPED:
        return
    STEPPED.add(case)
    model = by_name.from_config(narrow, SHAPES[config.dataset], data_size=config.batch_size)
    model.compile()
    images = tf.constant(
        np.random.RandomState(0).randint(0, 256, (8, *model.image_shape)), tf.uint8
    )
    logs = model.train_step(images)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert model.guard.first_bad_step() is None


@pytest.mark.parametrize("name", list(cases.REVISIONS))
def test_replication_presets_are_the_recorded_constants(name):
    """Every field but the ones of data and figures is what the constants of the report's code mean."""
    meta, _ = inputs.load(str(GOLDENS / f"{name}.npz"))
    constants = {**meta["settings"], "BATCH": 64 if meta["dataset"] == "celeb" else 100}
    run = {key: meta[key] for key in ("dataset", "loss", "revision")}
    expected = options.config_of(constants, **run, filters=128, hidden=512)
    found = config_of(f"replication/{name}.flags")
    ours = {"data_dir", "crop", "split", "train_size", "test_size", "epoch_test_size", "test_line"}
    ours |= {"figure_every", "pictures", "picture_columns", "pretrain_size", "work_dir"}
    if "gan" not in name:
        ours |= {"gan_trick", "lr_adv", "adversary_filters", "adversary_layers"}  # not in use
    for field in dataclasses.fields(expected):
        if field.name not in ours:
            assert getattr(found, field.name) == getattr(expected, field.name), field.name


@pytest.mark.parametrize("name", ["celeba_wae_mmd", "mnist_wae_mmd"])
def test_corrected_presets_differ_in_one_line(name):
    wrong = config_of(f"replication/{name}.flags")
    right = config_of(f"replication/corrected/{name}.flags")
    same = {"mmd_distances": "replication", "work_dir": wrong.work_dir}
    assert wrong == dataclasses.replace(right, **same)
    assert wrong != right


def test_official_presets_are_the_official_options():
    """A sample of configs.py, retyped from the file: what differs between experiments."""
    table = {
        # lr, schedule, epochs, batch, noise, e/g filters, e/g layers, archs, zdim, lambda, filter
        "celebA": (
            5e-4,
            "manual_smooth",
            50,
            "add_noise",
            1024,
            4,
            4,
            "dcgan",
            "dcgan_mod",
            64,
            100,
            5,
        ),
        "celebA_small": (5e-4, "plateau", 50, "gaussian", 256, 3, 3, "mlp", "mlp", 2, 100, 5),
        "mnist": (1e-3, "manual", 100, "add_noise", 1024, 4, 3, "dcgan", "dcgan_mod", 8, 10, 4),
        "mnist_small": (1e-3, "plateau", 30, "gaussian", 256, 3, 3, "mlp", "mlp", 4, 10, 4),
        "dsprites": (1e-3, "plateau", 100, "add_noise", 256, 4, 4, "dcgan", "dcgan_mod", 12, 10, 4),
        "grassli": (5e-4, "manual", 100, "implicit", 1024, 4, 4, "dcgan", "dcgan_mod", 30, 100, 5),
        "grassli_small": (
            5e-4,
            "plateau",
            100,
            "implicit",
            64,
            2,
            2,
            "dcgan",
            "dcgan_mod",
            2,
            100,
            5,
        ),
    }
    for name, expected in table.items():
        c = config_of(f"official/{name}.flags")
        assert (
            c.lr,
            c.lr_schedule,
            c.epochs,
            c.encoder_noise,
            c.encoder_filters,
            c.encoder_layers,
            c.decoder_layers,
            c.encoder_arch,
            c.decoder_arch,
            c.zdim,
            c.wae_lambda,
            c.filter_size,
        ) == expected, name
        assert c.decoder_filters == c.encoder_filters
        assert (c.batch_size, c.adam_beta1, c.adam_epsilon, c.prior_scale) == (100, 0.5, 1e-8, 1.0)
        assert (c.cost, c.scale_of_cost, c.mmd_kernel) == ("l2sq", 0.05, "imq")
        symmetric = name.startswith(("celebA", "grassli"))
        assert c.pixel_range_of_data == ("symmetric" if symmetric else "unit")
        assert c.gan_trick == ("official" if symmetric else "off")
        assert c.pretrain_size == (256 if symmetric else 1000)
        assert c.adversary_filters == {"dsprites": 256}.get(name, 1024 if symmetric else 512)
        assert c.lr_adv == (1e-3 if symmetric else 5e-4)
