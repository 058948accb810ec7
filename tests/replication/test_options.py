"""What the replication report's options are, by hand, and where else they serve."""

import csv
import gzip
import struct

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.cli import arguments
from wae_tf.config import Config
from wae_tf.data import batches, load, picture_files
from wae_tf.errors import FlagError
from wae_tf.models.step import schedules
from wae_tf.networks import fitting, official
from wae_tf.objective import costs, penalties
from wae_tf.pixels import to_float
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import Settings
from wae_tf.settings.lr_schedules import milestones
from wae_tf.training import train


def test_swapped_distances_by_hand():
    q, p = tf.constant([[1.0], [3.0]]), tf.constant([[2.0], [5.0]])
    # |p_i|^2 + |q_j|^2 - 2 q_i p_j
    expected = [[4 + 1 - 4, 4 + 9 - 10], [25 + 1 - 12, 25 + 9 - 30]]
    np.testing.assert_allclose(penalties.swapped_distances(q, p), expected)
    q, p = tf.constant([[10.0], [0.0]]), tf.constant([[0.0], [6.0]])
    assert penalties.swapped_distances(q, p)[0, 1] == 0 + 0 - 2 * 60  # negative


def test_the_clamp_bounds_the_penalty_and_ends_its_gradient():
    x = tf.Variable([4.0, -7.0])
    with tf.GradientTape() as tape:
        found = penalties.clamped(x, 5.0)
    np.testing.assert_allclose(found, [4.0, -5.0])
    np.testing.assert_allclose(tape.gradient(found, x), [1.0, 0.0])
    assert penalties.clamped(x, None) is x


def test_bce_of_probabilities_takes_zeros_and_targets_below_zero():
    images = tf.constant([0.0, 1.0, -1.0, 0.5], shape=(1, 2, 2, 1))
    pixels = tf.constant([0.25, 0.0, 0.5, 1.0], shape=(1, 2, 2, 1))
    expected = -np.log(0.75) - np.log(1e-12) + (np.log(0.5) - 2 * np.log(0.5)) - 0.5 * np.log(1e-12)
    np.testing.assert_allclose(costs.bce_probabilities(images, pixels, None), [expected], rtol=1e-6)


def test_whole_batch_sharpness_by_numpy():
    images = np.random.RandomState(0).random_sample((3, 6, 5, 3)).astype(np.float32)
    grey = images.mean(-1)
    edges = (
        grey[:, :-2, 1:-1]
        + grey[:, 2:, 1:-1]
        + grey[:, 1:-1, :-2]
        + grey[:, 1:-1, 2:]
        - 4 * grey[:, 1:-1, 1:-1]
    )
    np.testing.assert_allclose(costs.whole_batch_sharpness(images), edges.var(ddof=1), rtol=1e-5)


def test_milestones_multiply():
    table = schedules.decay_table("2:0.5,4:0.1", 6)
    np.testing.assert_allclose(table, [1, 1, 0.5, 0.5, 0.05, 0.05])
    assert milestones("manual") is None
    for bad in ("30:", "0:0.5", "3:0", "3:0.5,x:1"):
        with pytest.raises(FlagError, match="is not EPOCH:FACTOR"):
            Settings(lr_schedule=bad)


@pytest.mark.parametrize("steps", [None, 2])
def test_batches_in_order_are_indices_where_the_device_holds_the_images(steps):
    """Of one size where they come out even, so that one program can take several of them."""
    assert batches.comes_out_even(6, 3, "in_order") and batches.comes_out_even(7, 3, "random")
    assert not batches.comes_out_even(7, 3, "in_order")
    found = batches.index_batches(6, batch_size=3, seed=0, order="in_order", start_step=1)
    found = batches.together(found, steps, 4) if steps else found
    assert found.element_spec.shape[-1] == 3  # XLA needs to know
    rows = np.concatenate([np.ravel(part) for part in found.take(2 if steps else 4)])
    np.testing.assert_array_equal(rows, [3, 4, 5, 0, 1, 2] * 2)
    partial = batches.index_batches(7, batch_size=3, seed=0, order="in_order")
    assert [part.tolist() for part in partial.take(4).as_numpy_iterator()] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
        [0, 1, 2],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("size", [12, 13])
def test_batches_in_order_train_alike_in_one_program(tmp_path, size):
    """13 images are three batches and a partial one, which no program of several can take."""
    numbers = []
    for together in (None, 1):
        config = Config(
            dataset="digits", model="wae_mmd", encoder_filters=8, decoder_filters=8, zdim=2,
            train_size=size, test_size=4, batch_size=4, epochs=2, batch_order="in_order",
            pretrain=False, jit=True, steps_per_execution=together, seed=1,
            work_dir=str(tmp_path / str(together)),
        )  # fmt: skip
        train.train(config)
        history = RunFolder(config.work_dir).read_history()
        numbers.append([history[name] for name in ("step", "loss", "test_reconstruction")])
    np.testing.assert_allclose(*numbers, rtol=1e-3)


def test_batches_in_order_end_with_a_partial_one():
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)
    found = batches.image_batches(
        images, batch_size=3, seed=0, pixel_range="unit", order="in_order", start_step=1
    )
    seen = [(b.numpy().reshape(-1) * 255).round().astype(int).tolist() for b in found.take(4)]
    assert seen == [[3, 4, 5], [6], [0, 1, 2], [3, 4, 5]]
    assert Config(batch_order="in_order", batch_size=3).steps_an_epoch(7) == 3
    assert Config(batch_size=3).steps_an_epoch(7) == 2
    with pytest.raises(FlagError, match="cannot share a partial batch"):
        Config(batch_order="in_order", distribute="mirrored")


def test_stretched_pixels_are_each_images_own():
    images = np.array([[10, 60], [20, 20]], np.uint8).reshape(2, 2, 1, 1)
    expected = np.array([[-1, 1], [-1, -1]], np.float32)
    for found in (to_float(images, "stretched"), to_float(tf.constant(images), "stretched")):
        np.testing.assert_array_equal(np.reshape(found, (2, 2)), expected)


def _idx(path, array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    with gzip.open(path, "wb") as file:
        file.write(head + array.tobytes())


@pytest.fixture(scope="module")
def idx_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("idx")
    random = np.random.RandomState(0)
    for part, count in (("train", 26), ("t10k", 14)):
        images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        _idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        _idx(folder / f"{part}-labels-idx1-ubyte.gz", (np.arange(count) % 10).astype(np.uint8))
    return folder


def test_own_split_is_the_files(idx_files):
    images = load.load("mnist", data_dir=idx_files, split="own")
    assert images.train_labels.tolist() == [i % 10 for i in range(26)]
    assert images.test_labels.tolist() == [i % 10 for i in range(14)]
    with pytest.raises(FlagError, match="--split=listing goes with --dataset=celeba only"):
        Config(dataset="mnist", split="listing")


def test_squash_is_the_whole_picture_here_and_in_the_graph(tmp_path):
    import io

    from PIL import Image

    from wae_tf.serving import graph_pictures

    random = np.random.RandomState(0)
    image = Image.fromarray(random.randint(0, 256, (218, 178, 3)).astype(np.uint8))
    for number in (3, 1, 2):
        image.save(tmp_path / f"{number:06d}.jpg")
    data = io.BytesIO((tmp_path / "000001.jpg").read_bytes())
    whole = Image.open(data)
    expected = np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR))
    found = picture_files.decode_celeba(data.getvalue(), "squash", 64)
    np.testing.assert_array_equal(found, expected)
    in_graph = graph_pictures._celeba(tf.constant(np.asarray(whole)), "squash", 64)
    np.testing.assert_array_equal(in_graph, expected)
    images = load.load(
        "celeba",
        data_dir=tmp_path,
        cache_dir=str(tmp_path / "cache"),
        crop="squash",
        split="listing",
        train_size=3,
        test_size=2,
    )
    assert len(images.train) == 3 and len(images.test) == 2
    np.testing.assert_array_equal(images.test, images.train[:2])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "wae_gan", "adversary_outputs": 3}, "1 or 2 is accepted"),
        ({"penalty_codes": "fresh"}, "needs --encoder_noise=gaussian or implicit"),
        ({"mmd_distances": "replication", "mmd_kernel": "rbf"}, "--mmd_kernel=imq only"),
        ({"decoder_output": "tanh", "pixel_range": "unit"}, "does not go with --pixel_range=unit"),
        ({"cost": "bce_probabilities", "pixel_range": "symmetric"}, "--decoder_output=sigmoid"),
        ({"model": "wae_gan", "mmd_distances": "replication"}, "does not go with --model=wae_gan"),
        ({"model": "wae_mmdpp", "mmd_clamp": 5.0}, "does not go with --model=wae_mmdpp"),
        ({"model": "wae_mmd", "adversary_outputs": 2}, "does not go with --model=wae_mmd"),
    ],
)
def test_what_contradicts_is_a_sentence(changes, sentence):
    with pytest.raises(FlagError, match=sentence):
        Settings(**changes)


def test_a_crop_is_asked_of_celeba_alone():
    with pytest.raises(FlagError, match="--crop goes with --dataset=celeba only, not digits"):
        load.load("digits", crop="squash")


def test_the_networks_say_which_images_they_take():
    thin = {"encoder_filters": 8, "decoder_filters": 8, "encoder_layers": 4, "decoder_layers": 4}
    settings = Settings(encoder_arch="replication", decoder_arch="replication", **thin)
    for shape in ((28, 28, 1), (64, 64, 3), (32, 48, 3)):
        assert official.build_decoder(settings, shape).output.shape[1:] == shape
        official.build_encoder(settings, shape)
    with pytest.raises(FlagError, match="28x28, or whose sides are multiples of 16"):
        fitting.check(settings, (30, 30, 1))


@pytest.mark.slow
def test_a_run_as_the_report_writes_its_test_line(idx_files, tmp_path):
    _, config = arguments.parse(
        [
            "--flagfile=flags/replication/mnist_wae_gan.flags",
            f"--data_dir={idx_files}",
            f"--work_dir={tmp_path / 'run'}",
            *(f"--{side}_filters=8" for side in ("encoder", "decoder", "adversary")),
            "--batch_size=10",
            "--batch_divisor=10",
            "--epochs=2",
            "--figure_every=0",
            "--pictures=4",
            "--picture_columns=2",
        ]
    )
    metrics = train.train(config)
    assert metrics["steps"] == 2 * 3  # 26 images are two batches and a partial one
    with (tmp_path / "run" / "test_line.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and float(row["blur"]) >= 0 for row in rows)
