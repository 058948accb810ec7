"""Values that no flag takes, and sizes that no memory holds: one sentence each, before anything is taken."""

import copy
import dataclasses
import fractions
import inspect
import math
import pickle
import re
import sys

import numpy as np
import pytest

from wae_tf import Config, FlagError, main
from wae_tf.models import by_name
from wae_tf.settings import Settings, memory
from wae_tf.training import setup

DIGITS = "9" * 400


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--nojit=true", "does not take an argument"),
        (f"--seed={DIGITS}", "--seed=a number of over 60 digits is too large"),
        (f"--seed=-{DIGITS}", "is too small"),
        (f"--seed={'9' * 5000}", "seed"),
        (f"--epochs={2**31}", "2147483647 at most"),
        (f"--num_samples={2**31}", "2147483647 at most"),
        ("--mmd_scales=nan", "--mmd_scales=nan is not a finite number"),
        ("--wae_lambda=1e300", "too large for float32"),
        ("--adam_epsilon=1e-300", "is 0 in float32"),
        ("--lr=1e-400", "--lr=1e-400 is 0 in float32; accepted: 0, or 1.2e-38 up"),
        (f"--wae_lambda=-0.{'0' * 400}1E5", "is 0 in float32"),
        ("--mmd_scales=1,1e-400", "--mmd_scales=1e-400 is 0 in float32"),
        ("--adam_beta1=1", "adam_beta1=1.0 must be below 1 in float32"),
        ("--adam_beta2=0.9999999999", "must be below 1 in float32"),
        ("--work_dir=a\nb", "has a control character"),
        ("--data_dir=a\0b", "has a control character"),
        ("--export_dir=a\0b", "has a control character"),
        ("--data_dir=\udcff", "is not UTF-8"),
        ("--cache_dir=~nosuchuser/a", "home folder that is not known"),
        ("--classifier=~nosuchuser/a", "home folder that is not known"),
        ("--flagfile=a\0b", "has a control character"),
        ("--export_dir=", "--export_dir= is empty"),
        ("--filter_size=1000", "accepted: 64 at most"),
        ("--encoder_layers=100000", "accepted: 100 at most"),
        ("--image_size=1000000", "accepted: 4096 at most"),
    ],
)
def test_values_that_cannot_be_are_a_sentence(flag, sentence, capsys):
    assert main.main([flag]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and len(error) < 500


def test_paths_that_python_was_told_not_to_read_are_no_broken_utf8(monkeypatch, capsys):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert main.main(["--work_dir=" + "ä".encode().decode("ascii", "surrogateescape")]) == 2
    assert "has characters beyond ascii" in capsys.readouterr().err


def test_numbers_of_other_types_become_those_that_flags_are_written_as():
    config = Config(lr=fractions.Fraction(1, 3), epochs=np.int64(2))
    assert type(config.lr) is float and config.lr == 1 / 3
    assert type(config.epochs) is int
    for lr, why in (
        (fractions.Fraction(1, 10**400), "is 0 in"),
        (fractions.Fraction(10**400), "inf"),
    ):
        with pytest.raises(FlagError, match=why):
            Config(lr=lr)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        # The largest layer of each, and what the others add.
        ({"encoder_filters": 10**8}, "the encoder, 105,000,0"),
        ({"decoder_filters": 10**9}, "the decoder, 10,000,000,"),
        ({"zdim": 10**5, "encoder_noise": "implicit"}, "the encoder, 6,"),
        ({"model": "wae_gan", "adversary_filters": 10**8}, "the adversary, 30,000,00"),
    ],
)
def test_networks_that_cannot_fit_are_a_sentence(flags, sentence, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    with pytest.raises(FlagError, match=f"{sentence}.* GB of memory, and 1.0 GB are free"):
        by_name.from_config(Config(**flags), (28, 28, 1), 1000)


def test_the_estimate_is_of_weights_gradients_and_moments(monkeypatch):
    # 784 * 2000 + 2000 * 8 = 1,584,000 weights of 16 bytes: 25,344,000.
    small = {"encoder_arch": "mlp", "encoder_layers": 1, "decoder_arch": "mlp", "decoder_layers": 1}
    config = Config(**small, encoder_filters=2000)
    monkeypatch.setattr(memory, "available", lambda: 25_343_999)
    with pytest.raises(FlagError, match="the encoder, 1,584,000 weights"):
        by_name.from_config(config, (28, 28, 1), 1000)
    monkeypatch.setattr(memory, "available", lambda: 25_344_000)
    by_name.from_config(config, (28, 28, 1), 1000)


def test_batches_that_cannot_fit_are_a_sentence(monkeypatch):
    small = {"encoder_arch": "mlp", "encoder_layers": 1, "decoder_arch": "mlp", "decoder_layers": 1}
    config = Config(**small, batch_size=10**7, pretrain_size=2)
    model = by_name.from_config(config, (28, 28, 1), 1000)
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    with pytest.raises(FlagError, match=r"--batch_size=10000000: .* GB of memory, and 1.0 GB"):
        setup._check_memory(config, model, 10**8)
    config = Config(**small, pretrain_size=10**7)
    with pytest.raises(FlagError, match="--pretrain_size=10000000"):
        setup._check_memory(config, model, 10**8)
    setup._check_memory(
        config, model, 1000
    )  # of so many images pretraining takes those that are there
    for idle in ({"pretrain": False}, {"model": "vae", "encoder_noise": "gaussian"}):
        setup._check_memory(dataclasses.replace(config, **idle), model, 10**8)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("epochs", 10**6 + 1, "--epochs=1000001 is too large; accepted: 1000000 at most."),
        ("lr_schedule", "3:1e300", "'3:1e300' is not EPOCH:FACTOR, such as 50:0.2, with an epoch"),
        ("lr_schedule", "2:0.5,3:1e-300", "'3:1e-300' is not EPOCH:FACTOR"),
    ],
)
def test_numbers_that_no_training_can_have(field, value, sentence):
    with pytest.raises(FlagError, match=re.escape(sentence)):
        Config(**{field: value})


def test_what_is_free_is_known_here():
    free = memory.available()
    assert free is None or 10**7 < free < 10**14


@pytest.mark.parametrize(
    ("encoder", "decoder", "shape", "fields"),
    [
        ("dcgan", "dcgan_mod", (28, 28, 1), {}),
        ("dcgan", "dcgan", (24, 40, 3), {"filter_size": 5}),
        ("mlp", "mlp", (9, 7, 1), {"encoder_noise": "implicit"}),
        ("ali", "ali", (32, 32, 3), {"encoder_noise": "gaussian"}),
        ("began", "began", (16, 16, 1), {"encoder_layers": 5, "decoder_layers": 4}),
    ],
)
def test_what_is_counted_is_what_is_made(encoder, decoder, shape, fields, monkeypatch):
    counted = []
    monkeypatch.setattr(memory, "require", lambda needed, *_: counted.append(needed))
    filters = {"encoder_filters": 16, "decoder_filters": 16}
    arches = {"encoder_arch": encoder, "decoder_arch": decoder}
    model = by_name.from_config(Config(**arches, **filters, **fields), shape, 1000)
    for network, needed in zip((model.encoder, model.decoder), counted, strict=True):
        kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
        assert needed == 16 * sum(math.prod(kernel.shape) for kernel in kernels)


def test_paths_are_text(tmp_path):
    config = Config(data_dir=tmp_path, work_dir=tmp_path / "run")
    assert (config.data_dir, config.work_dir) == (str(tmp_path), str(tmp_path / "run"))
    with pytest.raises(FlagError, match=r"--epochs=.* is of the type PosixPath; accepted: a whole"):
        Config(epochs=tmp_path)
    with pytest.raises(FlagError, match=r"--work_dir=.* is of the type bytes; accepted: text"):
        Config(work_dir=b"run")


def test_a_keyword_that_is_no_setting_is_named():
    for made in (lambda: Config(zdimm=3), lambda: dataclasses.replace(Config(), zdimm=3)):
        with pytest.raises(TypeError, match=r"^Config has no argument zdimm; did you mean zdim\?$"):
            made()
    with pytest.raises(TypeError, match=r"^Settings has no argument lrr; did you mean lr\?$"):
        Settings(lrr=1, zdimm=3)  # the first of them
    assert copy.deepcopy(Config(zdim=3)) == pickle.loads(pickle.dumps(Config(zdim=3)))
    assert {"zdim", "lr"} <= inspect.signature(Settings).parameters.keys()


def test_settings_of_ones_own_take_keywords_of_their_own():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Doubling(Config):
        codes: dataclasses.InitVar[int] = 2

        def __post_init__(self, codes):
            object.__setattr__(self, "zdim", 2 * codes)
            super().__post_init__()

    class Named(Settings):
        def __init__(self, size, **others):
            super().__init__(zdim=size, **others)

    assert Doubling(codes=3).zdim == 6
    assert Named(size=3, lr=0.1) == Named(3, lr=0.1)
    with pytest.raises(TypeError, match=r"^Doubling has no argument coods; did you mean codes"):
        Doubling(coods=3)
