"""A run on vectors, from a table to a served model: every mode, resume, and what is refused."""

import json

import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import flags, said
from wae_tf.cli import arguments
from wae_tf.data import load, vectors
from wae_tf.evaluation.of_vectors import frechet, nearest

SMALL = flags(
    encoder_filters=16, decoder_filters=16, encoder_layers=1, decoder_layers=1, zdim=2,
    batch_size=40, epochs=2, pretrain_steps=3, test_size=30, eval_samples=50, pictures=10,
    picture_columns=5, model="wae_gan", adversary_filters=8, adversary_layers=1,
)  # fmt: skip
OF_TRAINING = [flag for flag in SMALL if not flag.startswith("--eval_samples")]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "own.csv"
    rows = np.random.default_rng(0).normal(size=(150, 5))
    np.savetxt(path, rows, delimiter=",", header="a,b,c,d,e", comments="")
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    given = ["--dataset=folder", f"--data_dir={table}", f"--work_dir={folder}", *OF_TRAINING]
    wae_tf.train(arguments.parse(given)[1])
    return folder


def test_a_run_has_numbers_and_figures_but_no_sharpness(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["vector_size"] == 5
    assert metrics["test_reconstruction"] > 0
    assert not [name for name in metrics if "sharpness" in name]
    names = {path.name for path in (run / "figures").iterdir()}
    assert {"progress_0002.png", "curves.png", "interpolations.png", "traversals.png"} <= names
    text = (run / "flags.flags").read_text()
    assert "--encoder_arch=mlp" in text
    assert "--pixel_range=any" in text


def test_the_modes_work_on_vectors(run, capsys):
    where = f"--work_dir={run}"
    assert "Frechet distance of the rows" in said(
        capsys, "--mode=evaluate", where, "--eval_samples=50"
    )
    page = (run / "report.html").read_text()
    assert "nearest training vector" in page
    assert "wrote" in said(capsys, "--mode=sample", where, "--num_samples=7")
    samples = np.load(run / "samples.npy")
    assert (samples.shape, samples.dtype) == ((7, 5), np.float32)
    said(capsys, "--mode=interpolate", where)
    said(capsys, "--mode=export", where)
    served = tf.saved_model.load(str(run / "saved_model" / "1"))
    model = wae_tf.load(run)
    row = np.array([[300.0, -2, 0, 1, 2]], "float32")  # numbers of any size
    made = served.signatures["reconstruct"](images=tf.constant(row))["images"]
    np.testing.assert_allclose(made, model.reconstruct(row), rtol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="finite"):
        served.signatures["encode"](images=tf.constant(np.full_like(row, np.inf)))
    for mode in ("evaluate", "sample"):
        text = said(capsys, f"--mode={mode}", where, "--sampler=improved", status=2)
        assert "--sampler=improved is of pictures" in text


def test_a_run_goes_on_to_the_same_weights(run, table, tmp_path):
    given = ["--dataset=folder", f"--data_dir={table}", f"--work_dir={tmp_path / 'again'}"]
    given += [*OF_TRAINING, "--figure_every=0"]
    wae_tf.train(arguments.parse([*given, "--steps=4"])[1])
    wae_tf.train(arguments.parse(given)[1])
    pairs = zip(wae_tf.load(tmp_path / "again").weights, wae_tf.load(run).weights, strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(6, 2), (3, 4, 2, 1)], ids=["series", "volumes"])
def test_series_and_volumes_are_trained_evaluated_and_served(shape, tmp_path, capsys):
    many = "series" if len(shape) == 2 else "volumes"
    rows = np.random.default_rng(0).normal(size=(150, *shape)).astype("float32")
    data, run = tmp_path / "own.npz", tmp_path / "run"
    np.savez(data, x=rows, y=np.arange(150))
    given = ["--dataset=folder", f"--data_dir={data}", f"--work_dir={run}", *OF_TRAINING]
    said(capsys, *given, "--epochs=1", "--figure_every=0")
    told = said(capsys, *given, "--epochs=2")
    assert f"read as {many} [n, " in told
    assert "going on from step 3" in told
    metrics = json.loads((run / "metrics.json").read_text())
    sizes = [value for name, value in metrics.items() if name.startswith(many.rstrip("s"))]
    assert sorted(sizes) == sorted(shape)
    where = f"--work_dir={run}"
    told = said(capsys, "--mode=evaluate", where, "--eval_samples=20", "--sampler=gmm")
    assert f"compared with: the 30 test {many}" in told
    said(capsys, "--mode=sample", where, "--num_samples=3")
    made = np.load(run / "samples.npy")
    assert made.shape == (3, *shape)
    said(capsys, "--mode=interpolate", where)
    said(capsys, "--mode=export", where)
    served = tf.saved_model.load(str(run / "saved_model" / "1"))
    again = served.signatures["reconstruct"](images=tf.constant(made))["images"]
    np.testing.assert_allclose(again, wae_tf.load(run).reconstruct(made), rtol=1e-4, atol=1e-6)
    names = {path.name for path in (run / "figures").iterdir()}
    assert {"curves.png", "interpolations.png", "traversals.png"} <= names


@pytest.mark.parametrize(
    ("array", "read"),
    [
        (np.zeros((8, 5, 4), np.uint8), None),
        (np.zeros((8, 5, 4), np.int32), None),
        (np.zeros((8, 5, 4), np.float16), "series"),
        (np.zeros((8, 5, 4, 3)), None),
        (np.zeros((8, 5, 4, 2)), None),
        (np.zeros((8, 2, 5, 4, 3), np.uint8), None),
        (np.zeros((8, 2, 5, 4, 3)), "volumes"),
        (np.zeros((8, 5), np.int32), "vectors"),
        (np.zeros(8), None),
    ],
)
def test_what_is_told_from_pictures_by_axes_and_type(array, read, tmp_path):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", x=array, y=np.arange(8))
    for path in (tmp_path / "a.npy", tmp_path / "b.npz"):
        assert (vectors.file_in(path) is not None) == (read is not None)
        if read:
            found = load.load("folder", data_dir=path)
            assert f"read as {read} [n, " in found.source
            assert found.train.shape[1:] == array.shape[1:]


def test_arrays_that_could_be_meant_otherwise_are_a_sentence(tmp_path, rng):
    for shape, dtype, sentence in (
        ((4, 6, 6, 6), "float32", r"images\[..., None\] makes volumes"),
        ((4, 6, 6, 6, 1), "uint8", "as floats of about unit variance it is volumes"),
    ):
        np.save(tmp_path / "a.npy", rng.rand(*shape).astype(dtype))
        with pytest.raises(wae_tf.DataError, match=sentence):
            load.load("folder", data_dir=tmp_path)
    np.savez(tmp_path / "b.npz", x=rng.rand(4, 3, 2), y=rng.rand(4, 3))
    with pytest.raises(wae_tf.DataError, match="no array of images"):
        load.load("folder", data_dir=tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.full((4, 3, 2), np.nan))
    with pytest.raises(wae_tf.DataError, match="no finite float32 in 4 of 4 rows"):
        load.load("folder", data_dir=tmp_path / "c.npy")


def test_vectors_of_npy_and_of_tables_are_the_same(tmp_path, rng):
    rows = rng.randint(-9, 9, (20, 3)).astype("float64")
    np.save(tmp_path / "a.npy", rows)
    np.savetxt(tmp_path / "b.csv", rows, delimiter=";")
    np.savetxt(tmp_path / "c.tsv", rows, delimiter="\t", header="x\ty\tz", comments="")
    found = [load.load("folder", data_dir=tmp_path / f"{n}") for n in ("a.npy", "b.csv", "c.tsv")]
    for one in found:
        assert (one.train.shape, one.test.shape, one.train.dtype) == ((18, 3), (2, 3), np.float32)
        np.testing.assert_array_equal(one.train, found[0].train)
    everything = np.concatenate([found[0].train, found[0].test])
    assert sorted(map(tuple, everything)) == sorted(map(tuple, rows))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "a,b\n1,2\n3,x\n", r"line 3, column 2: 'x' is no number"),
        ("a.csv", "1,2\n3\n", "line 2 has 1 columns, and the first 2"),
        ("a.csv", "1,2\n3,nan\n", "in 1 of 2 rows, first in row 2"),
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n", "holds no numbers"),
        ("a.csv", b"\xff\xfe\x00", "is no table of text"),
        ("a.npy", np.array([[1.0, np.inf]]), "in 1 of 1 rows"),
        ("a.npy", np.array([["x"]]), "vectors are real numbers"),
        ("a.csv", "1,2\n", "has 1 row: at least 2"),
    ],
)
def test_what_are_no_vectors_is_a_sentence(name, content, sentence, tmp_path):
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(wae_tf.DataError, match=sentence):
        load.load("folder", data_dir=path)
    assert vectors.file_in(tmp_path) == path


def test_flags_of_pictures_are_refused(table, tmp_path, capsys):
    given = ["--dataset=folder", f"--data_dir={table}", f"--work_dir={tmp_path / 'run'}"]
    for flag, sentence in {
        "--image_size=8": "--image_size=8 is of pictures",
        "--pixel_range=unit": "--pixel_range=unit is of pictures",
        "--encoder_arch=dcgan": "--encoder_arch=dcgan takes pictures only",
        "--test_line": "--test_line is of pictures",
    }.items():
        assert sentence in said(capsys, *given, flag, status=2)
    assert not (tmp_path / "run" / "flags.flags").exists()


def test_distances_of_rows_by_hand():
    first = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    # The same covariance 3 apart; and twice the deviations, 4/3 each of variance, in place.
    assert frechet(first, first + np.array([3, 0])) == pytest.approx(9)
    assert frechet(first, 2 * (first - 1) + 1) == pytest.approx(2 * 4 / 3)
    assert nearest(np.array([[0.0, 1], [5, 0]]), first) == pytest.approx((1 + 3) / 2)
