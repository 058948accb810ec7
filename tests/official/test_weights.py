"""Checkpoints of the official code, read and written; what its Saver wants is recorded by hand."""

import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny
from wae_tf import main
from wae_tf.errors import DataError
from wae_tf.official import weights

SMALL = tiny(8, adversary_filters=4, zdim=2)


def make(seed, cls=wae_tf.WaeGan, **fields):
    return cls((28, 28, 1), **(SMALL | {"seed": seed} | fields))


def test_names_are_the_official_ones():
    # As TensorFlow 1.15 lists them in a checkpoint of the official mnist_small with z_test gan and
    # one layer each; 3 Adams: autoencoder, adversary, pretraining.
    names = set(weights.official_variables(make(0)))
    bn = {"gamma", "beta", "moving_mean", "moving_variance"}
    expected = {f"{scope}/{layer}/{v}" for scope, layer, v in [
        *[("encoder", layer, v) for layer in ("h0_lin", "hfinal_lin") for v in "Wb"],
        *[("encoder", "h0_bn", v) for v in bn],
        *[("generator", layer, v) for layer in ("h0_lin", "h1_lin") for v in "Wb"],
        *[("generator", "h0_bn", v) for v in bn],
        *[("z_adversary", layer, v) for layer in ("h1_lin", "hfinal_lin") for v in "Wb"],
    ]}  # fmt: skip
    assert names == expected


def test_written_and_read_back(tmp_path):
    first, second = make(0, init_std=0.3), make(1)
    prefix = str(tmp_path / "ckpt")
    weights.write_checkpoint(first, prefix)
    weights.read_checkpoint(second, prefix)
    images = np.random.RandomState(0).rand(5, 28, 28, 1).astype("float32")
    np.testing.assert_array_equal(first.reconstruct(images), second.reconstruct(images))
    # A model without the adversary reads the rest.
    third = make(2, wae_tf.WaeMmd)
    weights.read_checkpoint(third, prefix)
    np.testing.assert_array_equal(first.reconstruct(images), third.reconstruct(images))


def test_written_checkpoint_has_every_variable_of_the_official_graph(tmp_path):
    prefix = str(tmp_path / "ckpt")
    weights.write_checkpoint(make(0), prefix)
    shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    slots = [name for name in shapes if name.startswith("encoder/h0_lin/W/")]
    assert sorted(slot.rsplit("/", 1)[1] for slot in slots) == [
        "Adam",
        "Adam_1",
        "Adam_2",
        "Adam_3",
    ]
    assert "generator/h0_lin/W/Adam_1" in shapes
    assert "generator/h0_lin/W/Adam_2" not in shapes
    powers = {"beta1_power", "beta1_power_1", "beta1_power_2", "leastGaussian2d/beta1_power"}
    assert powers <= set(shapes)
    assert shapes["leastGaussian2d/leastGaussian2d/proj_u/Adam_1"] == [2, 1]
    assert shapes["leastGaussian2d/proj_v"] == [2, 1]
    reader = tf.train.load_checkpoint(prefix)
    assert reader.get_tensor("beta1_power") == np.float32(0.5)
    assert reader.get_tensor("leastGaussian2d/beta1_power") == np.float32(0.9)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"encoder_filters": 9}, "of shape"),
        ({"encoder_layers": 2}, "lacks encoder/h1_"),
        ({"batch_norm": False}, "has encoder/h0_bn"),
    ],
)
def test_other_networks_are_refused(fields, sentence, tmp_path):
    prefix = str(tmp_path / "ckpt")
    weights.write_checkpoint(make(0), prefix)
    with pytest.raises(DataError, match=sentence):
        weights.read_checkpoint(make(0, **fields), prefix)


def test_command_line_starts_from_and_writes_official_checkpoints(tmp_path, capsys, monkeypatch):
    first = make(0, wae_tf.WaeMmd, init_std=0.3)
    prefix = str(tmp_path / "ckpt")
    weights.write_checkpoint(first, prefix)
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    flags += ["--train_size=100", "--batch_size=50", "--pictures=20", "--picture_columns=5"]
    start = [*flags, f"--init_from_official={prefix}"]

    run = f"--work_dir={tmp_path / 'sampled'}"
    assert main.main([run, "--mode=sample", "--num_samples=9", *start]) == 0
    samples = np.load(tmp_path / "sampled" / "samples.npy")
    np.testing.assert_allclose(
        samples / 255.0, first.sample(9, seed=0).numpy(), atol=0.5 / 255 + 1e-6
    )
    assert main.main([run, "--mode=export_official"]) == 0
    again = make(3, wae_tf.WaeMmd)
    weights.read_checkpoint(again, str(tmp_path / "sampled" / "official" / "trained-wae-0"))
    np.testing.assert_array_equal(first.sample(4, seed=0), again.sample(4, seed=0))

    capsys.readouterr()
    read, times = weights.read_checkpoint, []

    def counted(*given):
        times.append(given)
        read(*given)

    monkeypatch.setattr(weights, "read_checkpoint", counted)
    run = f"--work_dir={tmp_path / 'trained'}"
    assert main.main([run, "--epochs=1", "--figure_every=0", *start]) == 0
    out = capsys.readouterr().out
    assert "took the weights of the official checkpoint" in out and len(times) == 1
    assert "pretrained" not in out

    assert main.main([f"--work_dir={tmp_path / 'no'}", "--init_from_official=none", *flags]) == 1
    assert "--init_from_official=none is no checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()  # the command that has it right begins the run


def test_damaged_checkpoints_are_a_sentence_and_change_nothing(tmp_path):
    model = make(1)
    weights.write_checkpoint(make(0), str(tmp_path / "ckpt"))
    names = ("ckpt.index", "ckpt.data-00000-of-00001")
    whole = {name: (tmp_path / name).read_bytes() for name in names}
    before = {n: v.numpy() for n, v in weights.official_variables(model).items()}
    rng = np.random.RandomState(0)
    for name in names:
        size = len(whole[name])
        damaged = [whole[name][:end] for end in (0, 1, size // 3, size // 2, size - 300)]
        damaged += [rng.bytes(size), bytes(size)]
        for data in damaged:
            (tmp_path / name).write_bytes(data)
            # (The data's last bytes are of an optimizer's slot, which is not read.)
            with pytest.raises(DataError, match=r"--init_from_official=.*ckpt "):
                weights.read_checkpoint(model, str(tmp_path / "ckpt"))
        (tmp_path / name).write_bytes(whole[name])
    for name, variable in weights.official_variables(model).items():
        np.testing.assert_array_equal(variable.numpy(), before[name])


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"global_step": tf.constant(1)}, "lacks encoder/h0_bn/beta"),
        ({"encoder/h0_lin/W": tf.constant(["a"])}, "encoder/h0_lin/W of type string"),
        ({"encoder/h0_lin/W": tf.constant([1])}, "encoder/h0_lin/W of type int32"),
    ],
)
def test_checkpoints_of_something_else_are_a_sentence(tensors, sentence, tmp_path):
    prefix = str(tmp_path / "ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    with pytest.raises(DataError, match=sentence):
        weights.read_checkpoint(make(0), prefix)


def test_weights_that_are_not_finite_are_a_sentence(tmp_path):
    model = make(0)
    weights.official_variables(model)["encoder/h0_lin/b"].assign(np.full(8, np.nan))
    weights.write_checkpoint(model, str(tmp_path / "ckpt"))
    with pytest.raises(DataError, match="encoder/h0_lin/b with NaN or inf"):
        weights.read_checkpoint(make(1), str(tmp_path / "ckpt"))


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_file_of_a_checkpoint_is_told_from_its_prefix(ending, tmp_path):
    """As a shell completes it: TensorFlow took the index for a checkpoint without variables."""
    prefix = tmp_path / "trained-wae-1"
    weights.write_checkpoint(make(0), str(prefix))
    with pytest.raises(
        DataError, match=f"is a file of a checkpoint: give its prefix, {prefix}\\.$"
    ):
        weights.read_checkpoint(make(1), f"{prefix}.{ending}")
