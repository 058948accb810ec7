"""The network of --features: formats, what is done to pictures before it, names, and sentences."""

import json
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wae_tf.errors import DataError, FlagError
from wae_tf.evaluation import any_network, distances, network_files, prepared, preprocessing
from wae_tf.evaluation.options import Options

IMAGES = np.random.RandomState(3).randint(0, 256, (5, 12, 10, 3)).astype(np.uint8)


def small(shape=(8, 8, 3), outputs=1):
    keras.utils.set_random_seed(2)
    images = keras.Input(shape)
    x = keras.layers.Flatten()(images)
    made = [keras.layers.Dense(4, name=f"dense{i}")(x) for i in range(outputs)]
    return keras.Model(images, made[0] if outputs == 1 else made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    small().save(folder / "Small-net.keras")
    small(outputs=2).save(folder / "two.keras")
    module = tf.Module()
    module.model = small()
    spec = tf.TensorSpec([None, 3, 8, 8], tf.float32, name="pixels")
    by_channels = tf.function(
        lambda pixels: {"embedding": module.model(tf.transpose(pixels, [0, 2, 3, 1]))}, [spec]
    )
    fixed = tf.function(
        lambda pixels: {"embedding": module.model(pixels)},
        [tf.TensorSpec([2, 8, 8, 3], tf.float32, name="pixels")],
    )
    signatures = {"embed": by_channels, "fixed": fixed}
    tf.saved_model.save(module, str(folder / "saved"), signatures=signatures)
    return folder


def features(source, *given):
    network = any_network.load(str(source), given, IMAGES.shape[1:])
    return network, distances.features(network, IMAGES, batch_size=3).features


def by_hand(model, scale=1.0, shift=0.0):
    pixels = tf.image.resize(IMAGES.astype(np.float32) / 255, [8, 8])
    return model(pixels * scale + shift).numpy()


def test_a_keras_file(folder):
    network, found = features(folder / "Small-net.keras")
    np.testing.assert_allclose(found, by_hand(small()), rtol=1e-4, atol=1e-5)
    assert network.name.startswith("small_net_")
    assert network.settings == {
        "size": "8x8",
        "resize": "bilinear",
        "range": "unit",
        "channels": "3",
        "layout": "nhwc",
    }


def test_a_saved_model_with_channels_first_and_one_of_a_fixed_number(folder):
    expected = by_hand(small())
    network, found = features(folder / "saved", "signature=embed")
    assert network.settings["layout"] == "nchw"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    _, found = features(folder / "saved", "signature=fixed")  # 2 at once, batches of 3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="has the signatures embed, fixed; name one by signature="):
        features(folder / "saved")


def test_an_onnx_file_goes_through_onnx_runtime(tmp_path, monkeypatch):
    class Session:  # of onnxruntime: what is asked of it
        def __init__(self, path):
            assert path.endswith("net.onnx")

        def get_inputs(self):
            shape = ["batch", 3, 8, 8]
            return [types.SimpleNamespace(name="x", shape=shape, type="tensor(float16)")]

        def get_outputs(self):
            return [types.SimpleNamespace(name="y")]

        def run(self, names, fed):
            assert fed["x"].dtype == np.float16
            return [fed["x"].mean(axis=(2, 3))]

    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))
    (tmp_path / "net.onnx").write_bytes(b"x\n\x08location\x12\x0bweights.bin other")
    network, found = features(tmp_path / "net.onnx")
    expected = tf.image.resize(IMAGES.astype(np.float32) / 255, [8, 8]).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    (tmp_path / "other.bin").write_bytes(b"of something else")
    assert features(tmp_path / "net.onnx")[0].identity == network.identity
    (tmp_path / "weights.bin").write_bytes(b"weights of a large network")
    assert features(tmp_path / "net.onnx")[0].identity != network.identity
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DataError, match=r"net.onnx needs onnxruntime.*pip install onnxruntime"):
        features(tmp_path / "net.onnx")


def test_onnx_networks_of_other_types_of_whole_numbers(tmp_path, monkeypatch):
    pictures = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6, 1)

    def session(kind):
        return lambda path: types.SimpleNamespace(
            get_inputs=lambda: [
                types.SimpleNamespace(name="x", shape=["n", 1, 6, 6], type=f"tensor({kind})")
            ],
            get_outputs=lambda: [types.SimpleNamespace(name="y")],
            run=lambda names, fed: [fed["x"].reshape(len(fed["x"]), -1)],
        )

    (tmp_path / "net.onnx").write_bytes(b"x")
    for kind in ("int64", "int32", "uint8"):
        module = types.SimpleNamespace(InferenceSession=session(kind))
        monkeypatch.setitem(sys.modules, "onnxruntime", module)
        source = str(tmp_path / "net.onnx")
        rows, _ = any_network.load(source, ["range=bytes"], (6, 6, 1)).apply(pictures)
        np.testing.assert_array_equal(rows, pictures.reshape(4, -1))
        with pytest.raises(DataError, match=rf"takes whole numbers \({kind}\)"):
            any_network.load(source, [], (6, 6, 1))
    module = types.SimpleNamespace(InferenceSession=session("int8"))
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    with pytest.raises(DataError, match=r"takes int8, which bytes of 0 to 255 do not go into"):
        any_network.load(source, ["range=bytes"], (6, 6, 1))
    module = types.SimpleNamespace(InferenceSession=session("string"))
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    with pytest.raises(DataError, match=r"takes tensor\(string\); accepted: networks of float, "):
        any_network.load(source, [], (6, 6, 1))


def test_a_real_onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        "mean",
        [value("x", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [value("y", onnx.TensorProto.FLOAT, ["n", 3, 1, 1])],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, str(tmp_path / "mean.onnx"))
    network, found = features(tmp_path / "mean.onnx", "range=bytes")
    np.testing.assert_allclose(found, IMAGES.mean(axis=(1, 2)), rtol=1e-5)
    assert network.settings["layout"] == "nchw"
    assert network.settings["size"] == "12x10"  # the pictures' own


def test_the_name_and_the_cache_follow_from_the_preprocessing(folder, tmp_path):
    plain, _ = features(folder / "Small-net.keras")
    other, found = features(folder / "Small-net.keras", "range=symmetric")
    np.testing.assert_allclose(found, by_hand(small(), 2.0, -1.0), rtol=1e-4, atol=1e-5)
    assert plain.name != other.name
    assert plain.identity == other.identity
    for network in (plain, other, plain):
        distances.cached_features(network, IMAGES, tmp_path)
    assert len(list(tmp_path.glob("features-small_net_*.npz"))) == 2
    named, _ = features(folder / "Small-net.keras", "name=DINO v2")
    assert named.name.rpartition("_")[0] == "dino_v2"
    assert named.name.rpartition("_")[2] == plain.name.rpartition("_")[2]


def test_the_file_beside_a_network_says_the_same_as_the_flag(folder, tmp_path):
    (tmp_path / "net.keras").write_bytes((folder / "Small-net.keras").read_bytes())
    wanted = {"size": [8, 8], "mean": [0.5, 0.4, 0.3], "std": 0.25, "normalize": True}
    (tmp_path / "net.json").write_text(json.dumps(wanted))
    network, found = features(tmp_path / "net.keras")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    given = ["size=8x8", "mean=0.5:0.4:0.3", "std=0.25", "normalize=yes", "name=net"]
    assert features(folder / "Small-net.keras", *given)[0].name == network.name
    # The flag goes before the file.
    assert "normalize" not in features(tmp_path / "net.keras", "normalize=no")[0].settings
    (tmp_path / "net.json").write_text('{"sise": 8}')
    with pytest.raises(DataError, match=r"net.json: sise is not known.*did you mean size\?"):
        features(tmp_path / "net.keras")
    (tmp_path / "net.json").write_text("[")
    with pytest.raises(DataError, match=r"net\.json cannot be read as JSON"):
        features(tmp_path / "net.keras")


def test_ranges_and_channels_by_hand():
    grey = np.full((1, 2, 2, 1), 51, np.uint8)  # 0.2
    wanted = preprocessing.of(["size=2", "channels=3", "range=imagenet"])
    found = prepared.prepared(tf.constant(grey), wanted).numpy()
    means, stds = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(found[0, 0, 0], (0.2 - means) / stds, rtol=1e-5)
    wanted = preprocessing.of(["size=2", "channels=1", "range=bytes", "layout=nchw"])
    colour = np.array([10, 100, 200], np.uint8) * np.ones((1, 2, 2, 1), np.uint8)
    found = prepared.prepared(tf.constant(colour), wanted).numpy()
    assert found.shape == (1, 1, 2, 2)
    # ITU-R 601's weights, as tf.image.rgb_to_grayscale has them.
    np.testing.assert_allclose(found, 0.2989 * 10 + 0.587 * 100 + 0.114 * 200, rtol=1e-4)


@pytest.mark.parametrize("size", [(14, 10), (56, 70), (224, 224)])
@pytest.mark.parametrize("resize", ["bicubic", "bilinear_antialias"])
def test_pictures_are_resized_as_pillow_does(resize, size):
    """Bicubic overshoots edges by a quarter of the range; Pillow clips, between columns and rows too."""
    rng = np.random.default_rng(0)
    sharp = (rng.random((2, 28, 28, 3)) > 0.7).astype(np.uint8) * np.uint8(255)
    wanted = preprocessing.of([f"size={size[0]}x{size[1]}", "channels=3", f"resize={resize}"])
    found = prepared.prepared(tf.constant(sharp), wanted).numpy() * 255
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear_antialias": Image.Resampling.BILINEAR}
    for one, picture in zip(found, sharp, strict=True):
        expected = np.asarray(Image.fromarray(picture).resize(size[::-1], filters[resize]))
        np.testing.assert_allclose(one, expected, atol=1.01)
    assert wanted.told()["resize"] == f"{resize} in bytes"


def test_three_means_of_one_channel_are_refused(tmp_path):
    """They made three channels of it again."""
    images = keras.Input((None, None, None))
    keras.Model(images, keras.layers.GlobalAveragePooling2D()(images)).save(tmp_path / "any.keras")
    for given in ("range=clip", "mean=0.1:0.2:0.3"):
        with pytest.raises(DataError, match=r"of 1 channel, and mean has 3 numbers; accepted: one"):
            features(tmp_path / "any.keras", "channels=1", given)
    with pytest.raises(DataError, match="of 1 channel, and std has 3 numbers"):
        features(tmp_path / "any.keras", "channels=1", "std=1:1:2")
    given = ("channels=1", "range=clip", "mean=0.5", "std=0.5")
    assert features(tmp_path / "any.keras", *given)[1].shape == (5, 1)


def test_tokens_are_pooled(tmp_path):
    images = keras.Input((4, 4, 3))
    keras.Model(images, keras.layers.Reshape((8, 6))(images)).save(tmp_path / "tokens.keras")
    (_, every), (_, first), (_, mean) = (
        features(tmp_path / "tokens.keras", f"pool={how}") for how in ("none", "first", "mean")
    )
    assert every.shape == (5, 48)
    np.testing.assert_array_equal(first, every[:, :6])
    np.testing.assert_allclose(mean, every.reshape(5, 8, 6).mean(1), rtol=1e-5)


def test_maps_are_pooled_by_their_mean(tmp_path):
    images = keras.Input((4, 4, 3))
    keras.Model(images, images * 1.0).save(tmp_path / "map.keras")
    keras.Model(images, keras.layers.Flatten()(images)).save(tmp_path / "flat.keras")
    every = features(tmp_path / "map.keras")[1].reshape(5, 16, 3)
    found = features(tmp_path / "map.keras", "pool=mean")[1]
    np.testing.assert_allclose(found, every.mean(axis=1), rtol=1e-5)
    opened = types.SimpleNamespace(source="", call=lambda x: {"y": x.numpy()})
    wanted = preprocessing.of(["size=4", "channels=3", "layout=nchw", "pool=mean"])
    by_channels = any_network.embedded(opened, IMAGES, wanted)
    np.testing.assert_allclose(by_channels, every.mean(axis=1), rtol=1e-5)
    with pytest.raises(
        DataError, match=r"arrays \[2, 4, 4, 3\], and .*pool=first takes tokens \[n,"
    ):
        features(tmp_path / "map.keras", "pool=first")
    with pytest.raises(
        DataError, match=r"arrays \[2, 48\], and .*pool=mean takes tokens .*, or a map"
    ):
        features(tmp_path / "flat.keras", "pool=mean")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("size", "--features_input=size is no KEY=VALUE"),
        ("size=0", "--features_input=size=0 is not accepted; accepted: 224, or 224x160"),
        ("size=4x4x4", "size=4x4x4 is not accepted"),
        ("resize=nearest", "accepted: bilinear, bilinear_antialias, bicubic, tf1_bilinear"),
        ("range=x", "accepted: unit, symmetric, bytes, imagenet, clip"),
        ("mean=1:2", "mean=1:2 is not accepted; accepted: one number, or three"),
        ("std=nan", "std=nan is not accepted"),
        ("std=0", "std=0 is not accepted"),
        ("channels=2", "channels=2 is not accepted; accepted: 1, 3"),
        ("normalize=maybe", "accepted: yes, no"),
        ("name=", "name= is not accepted"),
    ],
)
def test_what_is_wrong_with_the_flag_is_said_before_anything_is_done(given, sentence):
    with pytest.raises(FlagError) as error:
        Options(features="net.keras", features_input=(given,))
    assert sentence in str(error.value)


def test_networks_that_cannot_be_used_are_sentences(folder, tmp_path):
    def sentence(name, *given):
        with pytest.raises(DataError) as error:
            features(tmp_path / name if "/" not in str(name) else name, *given)
        text = str(error.value)
        assert text.startswith("--features=")
        assert "\n" not in text
        return text

    assert "is not there" in sentence("none.keras")
    (tmp_path / "a.txt").write_text("x")
    assert "accepted: a SavedModel folder, a .keras, .h5 or .onnx file" in sentence("a.txt")
    (tmp_path / "a.keras").write_text("x")
    assert "is damaged: it is no .keras archive" in sentence("a.keras")
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert "cannot be loaded by Keras" in sentence("b.keras")
    assert "outputs dense0, dense1; name the embedding by" in sentence(folder / "two.keras")
    assert features(folder / "two.keras", "output=dense1")[1].shape == (5, 4)
    assert "has the outputs" in sentence(folder / "two.keras", "output=none")
    assert "no SavedModel, so it has no sig" in sentence(folder / "two.keras", "signature=x")
    assert "cannot take these pictures" in sentence(folder / "Small-net.keras", "size=9")
    saved = folder / "saved"
    assert "has the signatures embed, fixed" in sentence(saved, "signature=x")
    images = keras.Input((4, 4, 3))
    keras.Model(images, images / 0.0).save(tmp_path / "nan.keras")
    assert "NaN or inf for grey pictures" in sentence("nan.keras")
    second = keras.Input((1, 1, 1))
    keras.Model([images, second], images + second).save(tmp_path / "pair.keras")
    assert "has 2 inputs; one" in sentence("pair.keras")
    wide = keras.layers.UpSampling2D(64)(images)
    keras.Model(images, wide).save(tmp_path / "wide.keras")
    assert "accepted: 1 to 8,192 for each" in sentence("wide.keras")


def test_options_of_networks_are_checked():
    with pytest.raises(FlagError, match="--features_input goes with --features"):
        Options(features_input=("size=2",))
    with pytest.raises(FlagError, match=r"--bootstrap=1 is not accepted; accepted: 0, and 2 to"):
        Options(bootstrap=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("channels=1",), "which pictures of 1 channel as nhwc are not"),
        (("layout=nchw",), "which pictures of 3 channels as nchw are not"),
    ],
)
def test_arrays_that_the_input_is_not_of_are_refused(given, said, tmp_path):
    """A network that pools would have taken rows for channels, and measured by that."""
    images = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    keras.Model(images, pooled).save(tmp_path / "pooled.keras")
    with pytest.raises(DataError, match=rf"takes arrays \[any, 8, 8, 3\], {said}"):
        features(tmp_path / "pooled.keras", *given)


def test_keras_says_why_a_network_cannot_take_pictures(tmp_path):
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 9)]).save(
        tmp_path / "wide.keras"
    )
    with pytest.raises(DataError) as caught:
        features(tmp_path / "wide.keras", "size=4")
    assert "cannot take these pictures (" in str(caught.value)
    assert "Exception encountered" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_networks_of_whole_numbers_get_the_pictures_own(tmp_path, rng):
    pictures = rng.randint(0, 256, (5, 6, 6, 1)).astype(np.uint8)
    given = keras.Input((6, 6, 1), dtype="uint8")
    floats = keras.ops.cast(given, "float32")
    network = keras.Model(given, keras.layers.Flatten()(floats))
    network.save(tmp_path / "bytes.keras")
    network.export(tmp_path / "bytes", verbose=False)
    for name in ("bytes.keras", "bytes"):
        source = str(tmp_path / name)
        rows, _ = any_network.load(source, ["range=bytes"], (6, 6, 1)).apply(pictures)
        np.testing.assert_array_equal(rows, pictures.reshape(5, -1))
        for other in ([], ["range=symmetric"], ["range=bytes", "std=0.5"]):
            with pytest.raises(DataError, match=r"takes whole numbers \(uint8\)"):
                any_network.load(source, other, (6, 6, 1))


def test_networks_of_vectors_or_of_a_number_of_pictures_are_sentences(tmp_path):
    flat = keras.Sequential([keras.Input((108,)), keras.layers.Dense(2)])
    flat.save(tmp_path / "flat.keras")
    with pytest.raises(
        DataError, match=r"takes arrays \[any, 108\], which pictures \[n, H, W, C\] are"
    ):
        any_network.load(str(tmp_path / "flat.keras"), [], (6, 6, 3))

    class OfTwo(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 3])])
        def __call__(self, images):
            tf.debugging.assert_equal(tf.shape(images)[0], 2)
            return tf.reduce_mean(images, [1, 2])

    tf.saved_model.save(OfTwo(), str(tmp_path / "two"))
    with pytest.raises(DataError, match="two cannot take these pictures"):
        any_network.load(str(tmp_path / "two"), [], (6, 6, 3))


def test_a_network_of_grey_pictures_without_channels_takes_them(tmp_path):
    """keras.layers.Flatten(input_shape=(28, 28)), as Keras's own page on MNIST begins."""
    source = tmp_path / "grey.keras"
    layers = [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(3)]
    keras.Sequential(layers).save(source)
    network = any_network.load(str(source), ["channels=1"], (8, 8, 1))
    assert network.apply(np.zeros((5, 8, 8, 1), np.uint8))[0].shape == (5, 3)


def test_files_beside_an_onnx_file_are_its_own_if_it_has_their_place(tmp_path):
    net = tmp_path / "net.onnx"
    net.write_bytes(b"output\n\x08location\x12\x07w/a.bin")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "a.bin").write_bytes(b"1")
    (tmp_path / "output").write_bytes(b"1")
    before = network_files.hash_onnx(net)
    (tmp_path / "output").write_bytes(b"2")
    assert network_files.hash_onnx(net) == before
    (tmp_path / "w" / "a.bin").write_bytes(b"2")
    assert network_files.hash_onnx(net) != before
