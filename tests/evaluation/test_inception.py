"""The network of --inception: a small stand-in of the same interface, as SavedModel and frozen graph."""

import hashlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.errors import DataError, FlagError
from wae_tf.evaluation import distances, feature_networks, inception
from wae_tf.evaluation.network_files import Unreachable
from wae_tf.evaluation.options import Options

RNG = np.random.RandomState(0)
POOL = RNG.standard_normal((12, 2048)).astype(np.float32)
LOGITS = RNG.standard_normal((2048, 1008)).astype(np.float32) / 45


def tiny(images, classes=1008):
    """Images [n, 299, 299, 3] to pool_3 [n, 1, 1, 2048] and logits."""
    pooled = tf.image.resize(images, [2, 2], antialias=True)
    pool = tf.nn.relu(tf.matmul(tf.reshape(pooled, [-1, 12]), POOL))
    return {
        "pool_3": tf.reshape(pool, [-1, 1, 1, 2048]),
        "logits": tf.matmul(pool, LOGITS[:, :classes]),
    }


def save(folder, function, shape=(None, 299, 299, 3)):
    module = tf.Module()
    module.f = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), signatures=module.f)
    return str(folder)


def frozen(path, batch_of_one):
    """The shape of the graph of 2015-12-05: one picture from a file in, its pool reshaped to [1, 2048]."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        contents = v1.placeholder(tf.string, [], name="DecodeJpeg/contents")
        picture = tf.cast(tf.io.decode_jpeg(contents, 3, name="DecodeJpeg"), tf.float32)
        picture = v1.image.resize_bilinear(picture[None], [299, 299], name="ResizeBilinear")
        images = tf.multiply(picture - 128.0, 0.0078125, name="Mul")
        pooled = v1.image.resize_bilinear(images, [2, 2])
        pooled = tf.reshape(pooled, [-1, 12])
        pool = tf.nn.relu(tf.matmul(pooled, POOL))
        pool = tf.reshape(pool, [-1, 1, 1, 2048], name="pool_3")
        shape = [1, 2048] if batch_of_one else [-1, 2048]
        flat = tf.reshape(pool, shape, name="pool_3/_reshape")
        name = "softmax/logits" if batch_of_one else "logits"
        tf.matmul(flat, LOGITS, name=name)
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    # Brackets are a pattern to TensorFlow.
    return save(tmp_path_factory.mktemp("inception") / "saved[1]", tiny)


def images(count=5, shape=(32, 32, 3)):
    return np.random.RandomState(1).randint(0, 256, (count, *shape)).astype(np.uint8)


def test_saved_model(saved):
    network = inception.load(saved)
    found = distances.features(network, images(), batch_size=2)
    assert found.features.shape == (5, 2048)
    assert found.logits.shape == (5, 1008)
    expected = tiny(inception.resized(images()))
    np.testing.assert_allclose(
        found.features, tf.reshape(expected["pool_3"], [5, -1]), rtol=1e-4, atol=1e-4
    )
    assert len(network.identity) == 64
    assert network.settings["resize"] == "tf1_bilinear to 299x299"
    assert inception.load(saved).identity == network.identity
    assert inception.load(saved, "bilinear").settings != network.settings


def test_identity_is_the_hash_of_the_weights(tmp_path, saved):
    path = tmp_path / "graph.pb"
    source = frozen(path, True)
    assert inception.load(source).identity == hashlib.sha256(path.read_bytes()).hexdigest()
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    assert inception.load(str(copy)).identity == inception.load(saved).identity
    other = save(tmp_path / "other", lambda x: tiny(x + 1.0))
    assert inception.load(other).identity != inception.load(saved).identity


def test_only_inceptions_own_resize_is_called_fid(saved):
    def names(resize):
        options = Options(inception=saved, inception_resize=resize)
        network = inception.load(saved, resize)
        return feature_networks.metric_names(network, options), feature_networks.titles(
            network, options
        )["frechet"]

    own = {"frechet": "fid", "kernel": "kid", "score": "inception_score"}
    plain, title = names("tf1_bilinear")
    assert {kind: plain[kind] for kind in own} == own
    assert (plain["recall"], title) == ("recall_inception", "FID")
    assert names("bicubic")[0]["frechet"] == "fid_bicubic"
    assert names("bicubic")[0]["recall"] == "recall_inception_bicubic"
    assert names("bicubic")[1] == "FID (bicubic)"


@pytest.mark.parametrize("batch_of_one", [True, False])
def test_frozen_graph(tmp_path, batch_of_one):
    network = inception.load(frozen(tmp_path / "graph.pb", batch_of_one))
    whole = distances.features(network, images(), batch_size=5)
    single = distances.features(network, images(), batch_size=1)
    assert whole.features.shape == (5, 2048)
    np.testing.assert_allclose(whole.features, single.features, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(whole.logits, whole.features @ LOGITS, rtol=1e-3, atol=1e-3)


def test_the_resize_is_the_reference_graphs():
    pictures = images(2, (13, 9, 3))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        reference = tf.compat.v1.image.resize_bilinear(tf.cast(pictures, tf.float32), [299, 299])
        reference = session.run((reference - 128.0) * 0.0078125)
    np.testing.assert_allclose(inception.resized(pictures), reference, atol=1e-6)
    for other in ("bilinear", "bicubic"):
        assert np.abs(inception.resized(pictures, other) - reference).max() > 0.1
    grey = inception.resized(pictures[..., :1])
    assert grey.shape == (2, 299, 299, 3)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    assert float(tf.reduce_min(grey)) >= -1
    assert float(tf.reduce_max(grey)) <= 1
    sharp = inception.resized(images(2, (13, 9, 3)) // 128 * 255, "bicubic")
    assert float(tf.reduce_min(sharp)) == -1
    assert float(tf.reduce_max(sharp)) == 127 / 128


def test_other_networks_are_refused(tmp_path, saved):
    wrong = save(tmp_path / "classes", lambda x: tiny(x, 1000))
    with pytest.raises(DataError, match=r"logits of \[1000\] numbers an image: 2048 and 1008"):
        inception.load(wrong)
    names = save(tmp_path / "names", lambda x: {"features": tiny(x)["pool_3"]})
    with pytest.raises(DataError, match=r"outputs \['features'\]: pool_3 and logits"):
        inception.load(names)
    small = save(tmp_path / "small", lambda x: {**tiny(x)}, (None, 96, 96, 3))
    with pytest.raises(DataError, match=r"takes images of \[None, 96, 96, 3\]"):
        inception.load(small)
    with pytest.raises(DataError, match="is not there"):
        inception.load(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"holds no saved_model\.pb"):
        inception.load(str(tmp_path))
    text = tmp_path / "text.pb"
    text.write_text("not a graph")
    with pytest.raises(DataError, match=r"frozen graph|has no input"):
        inception.load(str(text))
    with pytest.raises(FlagError, match="--inception_resize=lanczos is not known"):
        inception.load(saved, "lanczos")


def test_a_handle_that_cannot_be_fetched_is_a_sentence(monkeypatch):
    hub = pytest.importorskip("tensorflow_hub")

    def refuse(handle):
        raise OSError("no network")

    monkeypatch.setattr(hub, "resolve", refuse)
    with pytest.raises(Unreachable, match="cannot be downloaded"):
        inception.load(inception.HANDLE)


def test_outputs_that_are_no_numbers_are_a_sentence(tmp_path):
    def strings(images):
        made = tiny(images)
        return {**made, "logits": tf.strings.as_string(made["logits"])}

    def not_finite(images):
        made = tiny(images)
        return {**made, "pool_3": made["pool_3"] / 0.0}

    for name, function, sentence in (
        ("strings", strings, "gives logits of type string: floats are expected"),
        ("nan", not_finite, "gives pool_3 with NaN or inf"),
    ):
        with pytest.raises(DataError, match=sentence):
            inception.load(save(tmp_path / name, function))
