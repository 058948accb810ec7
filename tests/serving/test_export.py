"""Exports as their users meet them: another process, another runtime, a server's files, errors."""

import base64
import io
import json
import shutil
import subprocess
import sys
import threading
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.factory import TINY, flags
from wae_tf import Config, FlagError, RunError, main
from wae_tf.cli.arguments import parse
from wae_tf.models import by_name
from wae_tf.models.encoding import Noise
from wae_tf.objective import priors
from wae_tf.runs import checkpoints
from wae_tf.runs.folder import RunFolder
from wae_tf.serving import export, other_runtimes, signatures
from wae_tf.training import reading, resuming

TRAINING = ["--train_size=200", "--test_size=60", "--batch_size=50", "--figure_every=0"]
SIGNATURES = ["reconstruct", "encode", "decode", "sample", "interpolate"]
SIGNATURES += ["encode_bytes", "reconstruct_bytes", "sample_int32", "interpolate_int32"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a gaussian encoder, whose codes have a mean and a log-variance."""
    folder = tmp_path_factory.mktemp("export") / "run"
    arguments = [f"--work_dir={folder}", "--encoder_noise=gaussian", *flags(**TINY), *TRAINING]
    assert main.main([*arguments, "--epochs=5", "--nopretrain"]) == 0
    return folder


@pytest.fixture(scope="module")
def version(trained):
    """The exported version, made while the data set cannot be had."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "load_images", lambda config: pytest.fail("the data was loaded"))
        assert main.main(["--mode=export", f"--work_dir={trained}"]) == 0
    return trained / "saved_model" / "1"


@pytest.fixture(scope="module")
def model(trained):
    """The trained model itself."""
    return resuming.restore_model(parse(["--mode=evaluate", f"--work_dir={trained}"])[1])


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def requests_and_answers(model, rows):
    """For each signature, inputs of some rows and what the training model itself says."""
    rng = np.random.RandomState(rows)
    shape = (rows, *model.image_shape)
    first, last = rng.rand(*shape).astype(np.float32), rng.rand(*shape).astype(np.float32)
    pixels = rng.randint(0, 256, shape).astype(np.uint8)
    codes = rng.randn(rows, model.settings.zdim).astype(np.float32)
    counts, seeds = 1 + np.arange(rows) % 3, 7 + 10**9 * np.arange(rows)
    steps = 2 + np.arange(rows) % 4
    samples = np.zeros((rows, counts.max(), *model.image_shape), np.float32)
    lines = np.zeros((rows, steps.max(), *model.image_shape), np.float32)
    for row in range(rows):
        samples[row, : counts[row]] = model.sample(int(counts[row]), seed=int(seeds[row]))
        ends = model.encode(np.stack([first[row], last[row]])).numpy()
        share = np.linspace(0, 1, steps[row], dtype=np.float32)[:, None]
        line = priors.into_support(model.settings.prior, ends[:1] * (1 - share) + ends[1:] * share)
        lines[row, : steps[row]] = model.decode(line)

    def encoded(images):
        encoding = model.encoding(model.as_pixels(images), Noise(), training=False)
        answer = {"codes": encoding.codes}
        if encoding.logvar is not None:
            answer |= {"mean": encoding.mean, "logvar": encoding.logvar}
        return {name: value.numpy() for name, value in answer.items()}

    files = np.array([png(image) for image in pixels], object)
    return {
        "serving_default": ({"images": first}, {"images": model.reconstruct(first).numpy()}),
        "reconstruct": ({"images": first}, {"images": model.reconstruct(first).numpy()}),
        "encode": ({"images": first}, encoded(first)),
        "decode": ({"codes": codes}, {"images": model.decode(codes).numpy()}),
        "sample": ({"count": counts, "seed": seeds}, {"images": samples}),
        "interpolate": ({"first": first, "last": last, "steps": steps}, {"images": lines}),
        "encode_bytes": ({"image_bytes": files}, encoded(pixels)),
        "reconstruct_bytes": (
            {"image_bytes": files},
            {"images": model.reconstruct(pixels).numpy()},
        ),
    }


ELSEWHERE = """
import pickle, sys
import numpy as np
import tensorflow as tf
# TensorFlow itself imports parts of Keras, where it is installed; loading must ask for no more.
theirs = {m for m in sys.modules if m.split(".")[0] in ("keras", "tf_keras")}
folder, requests = sys.argv[1:]
loaded = tf.saved_model.load(folder)
worst = 0.0
for name, (inputs, expected) in pickle.load(open(requests, "rb")):
    answer = loaded.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
    assert sorted(answer) == sorted(expected), (name, sorted(answer))
    for key, value in expected.items():
        got = answer[key].numpy()
        assert got.shape == value.shape and got.dtype == np.float32, (name, key, got.shape)
        worst = max(worst, np.abs(got - value).max() / np.abs(value).max())
fresh = loaded.signatures["sample"](count=tf.constant([2], tf.int64), seed=tf.constant([-1], tf.int64))
assert theirs == {m for m in sys.modules if m.split(".")[0] in ("keras", "tf_keras")}
assert "wae_tf" not in sys.modules
print("worst", worst, "fresh", float(tf.reduce_sum(fresh["images"])))
"""


@pytest.mark.processes
def test_a_process_with_tensorflow_alone_gives_the_trained_models_numbers(version, model, tmp_path):
    import pickle

    requests = [*requests_and_answers(model, 1).items(), *requests_and_answers(model, 5).items()]
    (tmp_path / "requests").write_bytes(pickle.dumps(requests))
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    fresh = set()
    command = [sys.executable, "-I", str(tmp_path / "elsewhere.py")]
    command += [str(version), str(tmp_path / "requests")]
    for process in [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]:
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, error[-2000:]
        _, worst, _, total = out.split()
        assert float(worst) <= 1e-5
        fresh.add(total)
    assert len(fresh) == 2  # a negative seed: another draw in each server


def test_fresh_samples_differ_from_call_to_call_and_row_to_row(loaded):
    sample = loaded.signatures["sample"]
    both = [
        sample(count=tf.constant([2, 2], tf.int64), seed=tf.constant([-1, -1], tf.int64))["images"]
        for _ in range(2)
    ]
    images = np.concatenate([b.numpy().reshape(4, -1) for b in both])
    assert len(np.unique(images.round(6), axis=0)) == 8


@pytest.mark.slow
@pytest.mark.processes
def test_saved_model_cli_shows_and_runs(version):
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    expression = "codes=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]"
    commands = [
        ["show", "--dir", str(version), "--all"],
        ["run", "--dir", str(version), "--tag_set=serve", "--signature_def=decode"],
    ]
    commands[1] += ["--input_exprs", expression]
    processes = [
        subprocess.Popen([*tool, *c], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for c in commands
    ]
    shown, ran = (process.communicate(timeout=120) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], shown[1] + ran[1]
    for name in ["serving_default", *SIGNATURES]:
        assert f"signature_def['{name}']" in shown[0]
    assert "inputs['image_bytes'] tensor_info:" in shown[0]
    assert "shape: (-1, 28, 28, 1)" in shown[0]
    assert "Result for output key images:" in ran[0]


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_c_api_gives_the_same_numbers(version, model, tmp_path):
    from pathlib import Path

    libraries = Path(tf.sysconfig.get_lib())
    if not (libraries / "libtensorflow_cc.so.2").exists():
        pytest.skip("this tensorflow wheel has no libtensorflow_cc")
    program = tmp_path / "c_api"
    source = Path(__file__).parent / "c_api.c"
    subprocess.run(
        ["gcc", str(source), "-o", str(program), f"-I{tf.sysconfig.get_include()}",
         f"-L{libraries}", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2",
         f"-Wl,-rpath,{libraries}"],
        check=True,
    )  # fmt: skip
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    decode = saved.meta_graphs[0].signature_def["decode"]
    names = [decode.inputs["codes"].name, decode.outputs["images"].name]
    codes = np.random.RandomState(0).randn(4, 3).astype(np.float32)
    numbers = f"4 3 {' '.join(map(repr, codes.ravel().tolist()))}"
    result = subprocess.run(
        [str(program), str(version), *names], input=numbers, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    got = np.array(result.stdout.split(), np.float32).reshape(4, 28, 28, 1)
    assert export.relative_error(got, model.decode(codes).numpy()) <= 1e-5


ONE = np.zeros((1, 28, 28, 1), np.float32)


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        ("encode", {"images": ONE + 255}, r"images: pixels within \[0, 1\] are expected"),
        ("serving_default", {"images": ONE - 0.5}, r"images: pixels within \[0, 1\]"),
        ("reconstruct", {"images": ONE * np.nan}, r"images: pixels within \[0, 1\]"),
        ("decode", {"codes": np.full((1, 3), np.inf, np.float32)}, "codes: finite numbers"),
        ("sample", {"count": [0], "seed": [1]}, "count: 1 to 1000 a row"),
        ("sample", {"count": [1001], "seed": [1]}, "count: 1 to 1000 a row"),
        ("sample", {"count": [1, 2], "seed": [1]}, "same number of rows"),
        ("interpolate", {"first": ONE, "last": ONE, "steps": [1]}, "steps: 2 to 1000 a row"),
        ("interpolate", {"first": ONE, "last": ONE + 2, "steps": [3]}, "last: pixels within"),
        ("interpolate", {"first": ONE[:0], "last": ONE, "steps": [3]}, "same number of rows"),
        ("encode_bytes", {"image_bytes": [b"no picture"]}, "a JPEG or PNG file is expected"),
        (
            "reconstruct_bytes",
            {"image_bytes": [png(np.zeros((9, 8, 1), np.uint8))]},
            "a picture of 28x28 pixels",
        ),
    ],
)
def test_bad_requests_are_answered_by_a_sentence(loaded, name, inputs, sentence):
    tensors = {
        key: tf.constant(value, tf.int64 if key in ("count", "seed", "steps") else None)
        for key, value in inputs.items()
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        loaded.signatures[name](**tensors)


def test_rounding_at_the_range_is_no_error_and_no_rows_are_no_images(loaded):
    loaded.signatures["encode"](images=tf.constant(ONE + 1.00001))
    assert loaded.signatures["encode"](images=tf.constant(ONE[:0]))["codes"].shape == (0, 3)
    nothing = tf.constant([], tf.string)
    answer = loaded.signatures["reconstruct_bytes"](image_bytes=nothing)
    assert answer["images"].shape == (0, 28, 28, 1)


def test_the_card_says_what_the_signatures_say(version, loaded, trained):
    card = json.loads((version / "model_card.json").read_text())
    assert card["version"] == 1
    assert (card["data"]["dataset"], card["data"]["training_images"]) == ("digits", 200)
    assert card["flags"]["zdim"] == 3
    assert "work_dir" not in card["flags"]
    written = json.loads((trained / "metrics.json").read_text())
    assert card["metrics"] == {k: v for k, v in written.items() if k != "checksum"}
    assert card["versions"]["tensorflow"] == tf.__version__
    assert sorted(card["signatures"]) == sorted(loaded.signatures)
    for name, described in card["signatures"].items():
        function = loaded.signatures[name]
        specs = function.structured_input_signature[1]
        for ports, actual in (
            (described["inputs"], specs),
            (described["outputs"], function.structured_outputs),
        ):
            assert sorted(ports) == sorted(actual)
            for key, port in ports.items():
                shape = [-1 if side is None else side for side in actual[key].shape]
                if not name.startswith(("sample", "interpolate")) or key != "images":
                    assert port["shape"] == shape
                assert port["dtype"] == actual[key].dtype.name
                assert port["meaning"]


@pytest.fixture(scope="module")
def small():
    return by_name.from_config(Config(**TINY, model="wae_gan"), (8, 8, 1), 100)


@pytest.mark.slow
def test_versions_go_up_and_a_failed_export_leaves_nothing(small, tmp_path, monkeypatch):
    tmp_path = tmp_path / "a[1]*"  # a pattern to TensorFlow
    (tmp_path / "7").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "models.config").write_text("mine")
    assert export.export(small, tmp_path).name == "8"
    assert (tmp_path / "models.config").read_text() == "mine"
    before = sorted(path.name for path in tmp_path.iterdir())
    assert before == ["7", "8", "batching.config", "models.config", "notes"]

    seen = []

    def look(*arguments):
        seen.extend(path.name for path in tmp_path.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_warmup", look)
    with pytest.raises(RunError, match="cannot be written to: No space left on device"):
        export.export(small, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    # While it was written, a server that polls saw no new number.
    assert [name for name in seen if name.isdecimal()] == ["7", "8"] or sorted(
        name for name in seen if name.isdecimal()
    ) == ["7", "8"]


def test_a_model_that_reads_back_differently_is_not_published(small, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "relative_error", lambda *arguments: 0.5)
    with pytest.raises(RunError, match="nothing was exported"):
        export.export(small, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_diverged_model_is_refused(tmp_path):
    model = by_name.from_config(Config(**TINY), (8, 8, 1), 100)
    model.guard.bad_step.assign(3)
    model.guard.bad_terms.assign(1)
    with pytest.raises(RunError, match="nothing was exported: reconstruction not finite at step 4"):
        export.export(model, tmp_path / "a")
    model.guard.bad_step.assign(-1)
    weights = model.decoder.get_weights()
    weights[0][0, 0] = np.nan
    model.decoder.set_weights(weights)
    with pytest.raises(RunError, match=r"decoder.*|h0_lin.* not finite"):
        export.export(model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_run_that_diverged_is_refused(tmp_path, capsys):
    explode = ["--lr=1e6", "--init_std=1", "--nobatch_norm", "--optimizer=sgd", "--nopretrain"]
    folder = f"--work_dir={tmp_path / 'run'}"
    assert main.main([folder, *flags(**TINY), *TRAINING, *explode, "--epochs=40"]) == 1
    assert "codes over 10000 times as wide as the prior at step" in capsys.readouterr().err
    # Even where a checkpoint of before the divergence is there.
    source = by_name.from_config(parse(["--mode=sample", folder])[1], (28, 28, 1), 200)
    source.compile()
    checkpoints.save(tmp_path / "run" / "checkpoints", source, {}, keep=3)
    assert main.main(["--mode=export", folder]) == 1
    error = capsys.readouterr().err
    assert "nothing was exported: the run in --work_dir=" in error
    assert "diverged at step" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "saved_model").exists()


@pytest.mark.slow
def test_an_export_reads_pixels_of_0_and_1_as_the_training_did(tmp_path, rng):
    masks = rng.randint(0, 2, (40, 8, 8)).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    for i, mask in enumerate(masks):
        (tmp_path / "masks" / f"{i}.png").write_bytes(png(mask[..., None]))
    run = tmp_path / "run"
    data = ["--dataset=folder", f"--data_dir={tmp_path / 'masks'}", "--batch_size=20"]
    options = [*flags(**TINY), "--figure_every=0", "--steps=2", "--nopretrain"]
    assert main.main([f"--work_dir={run}", *data, *options]) == 0
    assert json.loads((run / "metrics.json").read_text())["pixels_of_0_and_1"] == 1
    shutil.rmtree(tmp_path / "masks")  # the run has noted it
    assert main.main(["--mode=export", f"--work_dir={run}"]) == 0
    version = run / "saved_model" / "1"
    card = json.loads((version / "model_card.json").read_text())
    assert card["data"]["pictures_accepted"].endswith("; pixels of 0 and 1 are read as 0 and 255")
    encode = tf.saved_model.load(str(version)).signatures
    pixels = tf.constant(2.0 * masks[:1, ..., None] - 1, tf.float32)
    for factor in (1, 255):
        stored = tf.constant([png(masks[0, ..., None] * np.uint8(factor))])
        found = encode["encode_bytes"](image_bytes=stored)["codes"]
        np.testing.assert_allclose(found, encode["encode"](images=pixels)["codes"], rtol=1e-5)


def test_bad_formats_are_bad_flags(trained, capsys):
    assert main.main(["--mode=export", f"--work_dir={trained}", "--export_formats=coreml"]) == 2
    assert "accepted: savedmodel, litert, onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("float64", marks=pytest.mark.slow)]
)
def test_every_precision_is_exported_in_float32(precision, tmp_path):
    config = Config(**TINY | {"init_std": 0.3}, precision=precision, pixel_range="symmetric")
    model = by_name.from_config(config, (8, 8, 3), 100)
    folder = export.export(model, tmp_path)
    loaded = tf.saved_model.load(str(folder))
    images = np.random.RandomState(0).uniform(-1, 1, (6, 8, 8, 3)).astype(np.float32)
    served = loaded.signatures["reconstruct"](images=tf.constant(images))["images"]
    assert served.dtype == tf.float32
    assert {v.dtype for v in tf.nest.flatten(loaded.weights)} == {tf.float32}
    trained = tf.cast(model.reconstruct(images), tf.float32).numpy()
    exact = signatures.served_model(model).reconstruct(images).numpy()
    assert export.relative_error(served.numpy(), exact) <= 1e-5
    near = 1e-5 if precision == "float64" else 0.03
    assert export.relative_error(served.numpy(), trained) <= near
    card = json.loads((folder / "model_card.json").read_text())
    assert card["training"]["precision"] == precision
    assert card["data"]["pixel_range"] == [-1.0, 1.0]


@pytest.mark.parametrize("prior", ["sphere", pytest.param("uniform", marks=pytest.mark.slow)])
def test_other_priors_are_served_as_they_are_sampled(prior):
    config = Config(**TINY, prior=prior, prior_scale=2.0, encoder_noise="implicit")
    model = by_name.from_config(config, (8, 8, 1), 100)
    made = signatures.signatures(signatures.served_model(model))
    for name, (inputs, expected) in requests_and_answers(model, 3).items():
        if not name.endswith("_bytes"):
            answer = made[name].function(**{key: tf.constant(v) for key, v in inputs.items()})
            for key, value in expected.items():
                assert export.relative_error(answer[key].numpy(), value) <= 1e-5, (name, key)


def test_xla_signatures_give_the_same_numbers(small):
    images = np.random.RandomState(0).rand(3, 8, 8, 1).astype(np.float32)
    function = signatures.signatures(small, jit_compile=True)["reconstruct"].function
    served = function(images=tf.constant(images))["images"].numpy()
    assert export.relative_error(served, small.reconstruct(images).numpy()) <= 1e-5


# The server's REST format, https://www.tensorflow.org/tfx/serving/api_rest.


def tensors_of(body, function):
    """The tensors of a request body as TF Serving makes them: by row or by column, b64 decoded."""
    body = json.loads(body)
    specs = function.structured_input_signature[1]
    if "instances" in body:
        rows = body["instances"]
        if len(specs) == 1 and not (isinstance(rows[0], dict) and set(rows[0]) == set(specs)):
            rows = [{next(iter(specs)): row} for row in rows]
        columns = {name: [row[name] for row in rows] for name in specs}
    else:
        columns = body["inputs"]
        if len(specs) == 1 and not (isinstance(columns, dict) and set(columns) == set(specs)):
            columns = {next(iter(specs)): columns}

    def plain(value):
        if isinstance(value, dict):
            assert set(value) == {"b64"}
            return base64.b64decode(value["b64"])
        return [plain(part) for part in value] if isinstance(value, list) else value

    tensors = {}
    for name, spec in specs.items():
        tensors[name] = tf.constant(plain(columns[name]), spec.dtype)
        assert spec.shape.is_compatible_with(tensors[name].shape), name
    return tensors


def test_rest_bodies_by_row_and_by_column_fit_the_signatures(loaded, model):
    for rows in (1, 3):
        for name, (inputs, expected) in requests_and_answers(model, rows).items():

            def json_of(value):
                return (
                    {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
                )

            columns = {key: [json_of(v) for v in value.tolist()] for key, value in inputs.items()}
            instances = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
            bodies = [{"inputs": columns}, {"instances": instances}]
            if len(columns) == 1:  # the name of a single input may be left out
                (only,) = columns.values()
                bodies += [{"inputs": only}, {"instances": only}]
            for body in bodies:
                text = json.dumps({"signature_name": name, **body})
                function = loaded.signatures[name]
                answer = function(**tensors_of(text, function))
                for key, value in expected.items():
                    assert export.relative_error(answer[key].numpy(), value) <= 1e-5


# tensorflow-serving-api.


def test_warmup_requests_replay_and_configs_parse(version, loaded):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    names = []
    for record in tf.data.TFRecordDataset(str(path)):
        request = logs.PredictionLog.FromString(record.numpy()).predict_log.request
        name = request.model_spec.signature_name
        names.append(name)
        inputs = {key: tf.constant(tf.make_ndarray(p)) for key, p in request.inputs.items()}
        # TF Serving's batching refuses inputs without a first dimension, or of unequal ones.
        assert len({value.shape[0] for value in inputs.values()}) == 1
        answer = loaded.signatures[name](**inputs)
        (rows,) = {value.shape[0] for value in inputs.values()}
        for value in answer.values():
            assert value.shape[0] == rows  # nor outputs of another
            assert np.isfinite(value).all()
    assert names == ["serving_default", *SIGNATURES]

    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    text = (version.parent / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert config.model_config_list.config[0].base_path == "/models/wae"


def test_requests_merged_by_a_server_are_answered_as_alone(loaded):
    """Rows of different counts in one batch, as TF Serving's batching puts them together."""
    sample = loaded.signatures["sample"]

    def images(counts, seeds):
        return sample(count=tf.constant(counts, tf.int64), seed=tf.constant(seeds, tf.int64))[
            "images"
        ]

    merged = images([1, 4, 2], [5, 6, 7]).numpy()
    for row, (count, seed) in enumerate([(1, 5), (4, 6), (2, 7)]):
        alone = images([count], [seed]).numpy()[0]
        np.testing.assert_allclose(merged[row, :count], alone, rtol=1e-5, atol=1e-7)
        assert not merged[row, count:].any()


def test_a_grpc_client_gets_its_answers(loaded, model):
    """The client's protos through a real connection; the server here stands in for TF Serving's."""
    grpc = pytest.importorskip("grpc")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    from tensorflow_serving.apis import prediction_service_pb2_grpc as service

    class Servicer(service.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {key: tf.constant(tf.make_ndarray(p)) for key, p in request.inputs.items()}
            response = predict_pb2.PredictResponse()
            try:
                answer = loaded.signatures[request.model_spec.signature_name](**inputs)
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            for key, value in answer.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(2))
    service.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = service.PredictionServiceStub(channel)
            for name, (inputs, expected) in requests_and_answers(model, 2).items():
                request = predict_pb2.PredictRequest()
                request.model_spec.name, request.model_spec.signature_name = "wae", name
                for key, value in inputs.items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
                response = stub.Predict(request, timeout=30)
                for key, value in expected.items():
                    got = tf.make_ndarray(response.outputs[key])
                    assert export.relative_error(got, value) <= 1e-5
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = "encode"
            request.inputs["images"].CopyFrom(tf.make_tensor_proto(ONE + 9))
            with pytest.raises(grpc.RpcError, match="pixels within"):
                stub.Predict(request, timeout=30)
    finally:
        server.stop(None)


@pytest.mark.slow
def test_missing_serving_api_is_a_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    said = []
    folder = export.export(small, tmp_path, progress=said.append)
    assert "no warm-up requests were written: pip install" in said[0]
    assert not (folder / "assets.extra").exists()


def test_concurrent_exports_get_versions_of_their_own(small, tmp_path):
    """Two that saw the same highest version: the slower takes the next one."""
    card, gate = {"name": "x"}, threading.Barrier(2)
    for name in (".1.new", ".2.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(name)
    results = []

    def publish(name):
        gate.wait()
        results.append(export._publish(tmp_path / name, tmp_path, card).name)

    threads = [threading.Thread(target=publish, args=(name,)) for name in (".1.new", ".2.new")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["1", "2"]
    assert json.loads((tmp_path / "2" / "model_card.json").read_text())["version"] == 2


# Other runtimes.


def plain_answers(model):
    answers = requests_and_answers(model, 4)
    return {name: answers[name] for name in ("encode", "decode", "reconstruct")}


@pytest.mark.filterwarnings("ignore")
def test_litert_gives_the_same_numbers(model, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = other_runtimes.write_litert(signatures.served_model(model), tmp_path / "litert")
    assert [p.name for p in path.parent.iterdir()] == ["model.tflite"]
    runner = interpreter.Interpreter(model_path=str(path))
    for name, (inputs, expected) in plain_answers(model).items():
        answer = runner.get_signature_runner(name)(**inputs)
        assert sorted(answer) == sorted(expected)
        for key, value in expected.items():
            assert export.relative_error(answer[key], value) <= 1e-5, (name, key)


@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(model, tmp_path):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    paths = other_runtimes.write_onnx(signatures.served_model(model), tmp_path / "onnx")
    for path in paths:
        inputs, expected = plain_answers(model)[path.stem]
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        expected = {"reconstructions" if key in inputs else key: v for key, v in expected.items()}
        assert sorted(names) == sorted(expected)
        for key, got in zip(names, session.run(names, inputs), strict=True):
            assert export.relative_error(got, expected[key]) <= 1e-5, (path.stem, key)


@pytest.mark.slow
def test_missing_tf2onnx_is_a_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(RunError, match="--export_formats=onnx needs tf2onnx: pip install"):
        export.export(small, tmp_path, formats=["onnx"])
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_one_format_needs_no_list(small, tmp_path):
    with pytest.raises(FlagError, match="--export_formats=coreml is not known"):
        export.export(small, tmp_path, formats="coreml")
    with pytest.raises(FlagError, match="--export_formats=coreml is not known"):
        export.export(small, tmp_path, formats="savedmodel,coreml")


def test_metrics_of_a_run_that_is_not_finite_refuse_it(small, tmp_path):
    run = RunFolder(tmp_path)
    run.update_metrics({"test_reconstruction": float("nan")})
    with pytest.raises(RunError, match="test_reconstruction of the run"):
        export.export_run(run, small, Config(**TINY))
