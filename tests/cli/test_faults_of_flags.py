"""Flags that are empty, unread, or wrong for a run: said at once, in one sentence, with status 2."""

import itertools
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from tests.factory import said, tiny_run
from wae_tf import console, main, registry
from wae_tf.cli import idle_flags
from wae_tf.cli.arguments import parse
from wae_tf.config import Config
from wae_tf.data import load
from wae_tf.errors import DataError, FlagError
from wae_tf.runs import integrity
from wae_tf.runs.folder import RunFolder
from wae_tf.settings import Settings
from wae_tf.training import reading, resuming


def pictures(folder, count, seed=0, size=8):
    folder.mkdir()
    draws = np.random.RandomState(seed).randint(0, 256, (count, size, size, 3)).astype(np.uint8)
    for i, picture in enumerate(draws):
        Image.fromarray(picture).save(folder / f"{i:03}.png")
    return folder


def of_folder(data, work, **fields):
    small = {"train_size": None, "test_size": None, "batch_size": 4, "epochs": 1, "image_size": 8}
    flags = tiny_run(**{**small, "pictures": 4, "picture_columns": 2, **fields})
    return ["--dataset=folder", f"--data_dir={data}", f"--work_dir={work}", "--nopretrain", *flags]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of 40 pictures of a folder, and the folder."""
    base = tmp_path_factory.mktemp("trained")
    data = pictures(base / "data", 40)
    assert main.main(of_folder(data, base / "run")) == 0
    return data, base / "run"


@pytest.fixture
def own(trained, tmp_path):
    """A copy of both, to be changed."""
    data, run = (shutil.copytree(path, tmp_path / path.name) for path in trained)
    return data, run


@pytest.mark.parametrize("name", ["data_dir", "cache_dir", "work_dir", "init_from_official"])
def test_an_empty_path_is_refused(name):
    with pytest.raises(FlagError, match=f"--{name}= is empty; accepted: a path, or leave"):
        parse(["--dataset=mnist", f"--{name}="])


def test_an_empty_data_dir_that_an_older_run_noted_is_none(own, monkeypatch):
    _, run = own
    flags = (run / "flags.flags").read_text().splitlines()
    flags = ["--data_dir=" if line.startswith("--data_dir") else line for line in flags]
    (run / "flags.flags").write_text("\n".join(flags) + "\n")
    config = parse(["--mode=sample", f"--work_dir={run}"])[1]
    monkeypatch.chdir(run)
    with pytest.raises(DataError, match="--dataset=folder needs --data_dir"):
        load.load("folder", data_dir=config.data_dir)


def test_data_dir_is_refused_where_a_data_set_has_no_files(tmp_path):
    sentence = (
        "--data_dir=nowhere goes with --dataset=celeba or .* only, not digits, which needs no"
    )
    with pytest.raises(FlagError, match=sentence):
        parse(["--data_dir=nowhere"])
    file = tmp_path / "mine.flags"  # which may be for another data set
    file.write_text("--data_dir=nowhere\n")
    assert parse([f"--flagfile={file}"])[1].data_dir == "nowhere"
    assert parse(["--data_dir=nowhere", "--dataset=mnist"])[1].data_dir == "nowhere"


def of_model(capsys, *arguments):
    console.to_stdout()
    parse(list(arguments))
    return [line for line in capsys.readouterr().out.splitlines() if " nothing " in line]


def test_flags_of_another_models_parts_are_told(capsys):
    given = ["--swd_projections=9", "--lr_adv=0.1", "--adversary_layers=7", "--gan_trick=fixed"]
    assert of_model(capsys, "--model=wae_mmd", *given) == [
        "--swd_projections, --lr_adv, --adversary_layers, --gan_trick do nothing for --model=wae_mmd"
    ]
    assert of_model(capsys, "--model=wae_swd", "--mmd_kernel=rbf") == [
        "--mmd_kernel does nothing for --model=wae_swd"
    ]
    assert of_model(capsys, "--model=vae", "--mmd_scales=1")
    assert of_model(capsys, "--model=wae_mmdpp", "--mmd_scales=1", "--mmd_kernel=imq")[
        0
    ].startswith("--mmd_scales does")
    assert not of_model(capsys, "--model=wae_mmdppp", "--mmd_kernel=rbf")
    assert not of_model(capsys, "--model=wae_gan", "--lr_adv=0.1", "--gan_trick=fixed")
    # Beside other flags, too; a switch that is off is idle without a word.
    assert of_model(capsys, "--mmd_kernel=rbf", "--mmd_scales=1") == [
        "--mmd_scales does nothing beside --mmd_kernel=rbf"
    ]
    assert of_model(
        capsys, "--optimizer=sgd", "--adam_beta1=0.3", "--nopretrain", "--pretrain_steps=3",
        "--pretrain_size=9", "--best_by=val_penalty", "--nobatch_norm", "--batch_norm_eps=1e-3",
        "--skip_bad_images", "--encoder_clip=logvar",
    ) == [
        "--adam_beta1 does nothing beside --optimizer=sgd",
        "--encoder_clip does nothing beside --encoder_noise=add_noise",
        "--batch_norm_eps does nothing beside --nobatch_norm",
        "--pretrain_steps, --pretrain_size do nothing beside --nopretrain",
        "--best_by does nothing without --keep_best or --early_stopping_patience",
        "--skip_bad_images does nothing for --dataset=digits",
    ]  # fmt: skip
    assert of_model(capsys, "--model=vae", "--pretrain", "--pretrain_steps=3") == [
        "--pretrain, --pretrain_steps do nothing for --model=vae"
    ]
    assert not of_model(capsys, "--model=vae", "--nopretrain")
    assert of_model(capsys, "--distribute=mirrored", "--jit") == [
        "--jit does nothing beside --distribute=mirrored"
    ]
    assert not of_model(capsys, "--distribute=mirrored", "--nojit")
    assert of_model(capsys, "--precision=float64", "--tf32") == [
        "--tf32 does nothing beside --precision=float64"
    ]
    arches = ["--encoder_arch=mlp", "--decoder_arch=mlp"]
    assert of_model(capsys, *arches, "--filter_size=3", "--encoder_layers=2") == [
        "--filter_size does nothing beside --encoder_arch=mlp and --decoder_arch=mlp"
    ]
    assert of_model(capsys, "--encoder_arch=replication", "--encoder_layers=3") == [
        "--encoder_layers does nothing beside --encoder_arch=replication"
    ]
    assert not of_model(capsys, arches[0], "--filter_size=3", "--keep_best", "--best_by=val_loss")
    assert of_model(capsys, "--init=torch", "--init_std=0.1")
    assert not of_model(capsys, "--init=torch", "--init_std=0.1", "--model=wae_gan")
    # What presets name for all models is no mistake of anybody's.
    assert not of_model(capsys, "--flagfile=flags/official/mnist_small.flags", "--model=wae_gan")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--mode=sample", "--num_samples=0"], 2, "--num_samples=0 is too small; accepted: 1 up."),
        (["--mode=sample", "--labels=13"], 2, "--labels is of a run that was trained with"),
        (["--mode=sample", "--sampler=gnm"], 2, "--sampler=gnm is not known"),
        (["--mode=evaluate", "--bootstrap=1"], 2, "--bootstrap=1 is not accepted"),
        (
            ["--mode=evaluate", "--checkpoint=13"],
            1,
            "has no checkpoint of that step; it has those of",
        ),
        (["--mode=export", "--export_formats=foo"], 2, "--export_formats=foo is not known"),
        (["--mode=export", "--export_formats=onnx"], 1, "--export_formats=onnx needs tf2onnx"),
        (["--mode=export", "--export_dir=gs://x"], 2, "--export_dir=gs://x is an address"),
    ],
)
def test_what_needs_no_data_is_said_before_they_are_read(
    arguments, status, sentence, trained, monkeypatch, capsys
):
    def read(*_, **__):
        pytest.fail("the data were read, or the model restored")

    for module, name in ((reading, "ahead"), (reading, "load_images"), (resuming, "restore_model")):
        monkeypatch.setattr(module, name, read)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    text = said(capsys, f"--work_dir={trained[1]}", *arguments, status=status)
    assert sentence in text
    assert not (trained[1] / "saved_model").exists()


def test_a_checkpoint_that_is_not_there_is_told_before_data_are_read(own, monkeypatch, capsys):
    monkeypatch.setattr(reading, "ahead", lambda *_, **__: pytest.fail("the data were read"))
    evaluate = ["--mode=evaluate", f"--work_dir={own[1]}"]
    with monkeypatch.context() as patch:
        patch.setattr(integrity, "_newest_state", lambda _: (9, {"best": {"step": 5}}))
        text = said(capsys, *evaluate, "--checkpoint=best", status=1)
    assert "has not kept its best one; train with --keep_best." in text
    flags = own[1] / "flags.flags"
    monkeypatch.setattr(integrity, "mend", lambda *_: None)
    flags.write_text(flags.read_text().replace("--keep_best=false", "--keep_best=true"))
    with monkeypatch.context() as patch:
        patch.setattr(integrity, "_newest_state", lambda _: (9, {"best": {"step": 0}}))
        text = said(capsys, *evaluate, "--checkpoint=best", status=1)
    assert "has ended, so none was the best; it has the steps " in text
    shutil.rmtree(own[1] / "checkpoints")
    assert "has no whole checkpoint; train first." in said(capsys, *evaluate, status=1)


@pytest.mark.parametrize("mode", ["evaluate", "sample", "interpolate", "export_official"])
def test_a_run_that_cannot_be_written_to_is_told_before_data_are_read(
    mode, trained, monkeypatch, capsys
):
    monkeypatch.setattr(reading, "ahead", lambda *_, **__: pytest.fail("the data were read"))
    monkeypatch.setattr(resuming, "restore_model", lambda *_: pytest.fail("the model was restored"))
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    text = said(capsys, f"--mode={mode}", f"--work_dir={trained[1]}", status=1)
    assert f"--work_dir={trained[1]} cannot be written to: {trained[1]}: Permission denied." in text


def test_a_classifier_that_cannot_be_written_is_told_before_it_is_trained(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(reading, "load_images", lambda *_, **__: pytest.fail("the data were read"))
    (tmp_path / "file").touch()
    run = ["--mode=classifier", f"--work_dir={tmp_path / 'file' / 'x'}"]
    assert f"cannot be written to: {tmp_path / 'file'}: Not a directory." in said(
        capsys, *run, status=1
    )


def test_samples_of_the_prior_need_no_data(own, capsys):
    run = own[1]
    again = ["--mode=sample", f"--work_dir={run}", "--num_samples=5"]
    said(capsys, *again)
    first = np.load(run / "samples.npy")
    moved = [*again, "--data_dir=/nowhere/data"]
    assert "wrote" in said(capsys, *moved)
    np.testing.assert_array_equal(np.load(run / "samples.npy"), first)
    assert "does not exist" in said(capsys, *moved, "--sampler=gmm", status=1)
    idle = "--train_size does nothing: samples are drawn from the prior, without images"
    assert idle in said(capsys, *again, "--train_size=3")


def test_data_of_another_shape_than_the_runs_is_named(own, capsys):
    run = ["--mode=interpolate", f"--work_dir={own[1]}"]
    for flag, shape in (("--image_size=16", "16x16x3"), ("--channels=1", "8x8x1")):
        text = said(capsys, *run, flag, status=1)
        assert f"has images of {shape}, and the run in --work_dir={own[1]} is of 8x8x3" in text


def test_one_test_image_an_epoch_has_no_penalty_of_pairs(tmp_path, capsys):
    given = tiny_run(epoch_test_size=1, epochs=1, work_dir=tmp_path / "run")
    text = said(capsys, *given, status=2)
    assert "--epoch_test_size=1 is too small for --model=wae_mmd" in text
    assert "accepted: 2 up" in text and not (tmp_path / "run").exists()


def test_a_precision_whose_weights_are_of_another_type_is_refused(own, capsys):
    again = ["--mode=sample", f"--work_dir={own[1]}", "--num_samples=5"]
    text = said(capsys, *again, "--precision=float64", status=2)
    assert "--precision=float64 cannot be had in --mode=sample" in text
    assert "has --precision=float32." in text
    # The optimizers of mixed_float16 have a loss scale, of which the run's checkpoint has none.
    for precision in ("mixed_bfloat16", "mixed_float16"):
        assert "wrote" in said(capsys, *again, f"--precision={precision}")


def test_a_run_of_another_model_is_named_by_it(own, capsys, monkeypatch):
    data, run = own

    def read(*_, **__):
        pytest.fail("the data were read")

    monkeypatch.setattr(reading, "ahead", read)
    text = said(capsys, *of_folder(data, run), "--model=vae", status=2)
    assert "holds a run already, with --model=wae_mmd, not vae; give that run's flags" in text
    text = said(capsys, *of_folder(data, run), "--lr=0.5", "--zdim=4", status=2)
    assert "with --lr=0.001, --zdim=3, not --lr=0.5, --zdim=4; give" in text
    text = said(capsys, *of_folder(data, run), "--zdim=4", status=2)
    assert "with --zdim=3, not 4; give" in text


def changed(data, names):
    for name in names:
        path = data / name
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)


def test_evaluating_on_other_images_is_said_noted_and_compared(own, tmp_path, capsys):
    data, run = own
    moved = shutil.copytree(data, tmp_path / "moved")
    other = pictures(tmp_path / "other", 40, seed=1)
    evaluate = [f"--work_dir={run}", "--mode=evaluate", "--bootstrap=0", "--eval_samples=20"]
    assert "ATTENTION" not in said(capsys, *evaluate, f"--data_dir={moved}")
    honest = shutil.copytree(run, tmp_path / "honest")
    compare = ["--mode=compare", f"--runs={run},{honest}", f"--work_dir={tmp_path / 'page'}"]
    assert "other images" not in said(capsys, *compare)
    page, sums = RunFolder(honest).report_file.read_text(), ("train", "test")
    assert all(f"evaluated_{part}_sum" in page for part in sums)  # of the first evaluation already
    text = said(capsys, *evaluate, f"--data_dir={other}")
    sentence = "has other images than the run in"
    assert text.count(sentence) == 2 and "(those for training and test differ)" in text
    noted = RunFolder(run).read_metrics()
    assert noted["evaluated_test_sum"] != noted["test_rows_sum"]
    text = said(capsys, *compare)
    assert "run was evaluated on other images than it was trained and tested with" in text
    assert "honest was evaluated on other" not in text
    said(capsys, *evaluate, f"--data_dir={moved}")
    assert "other images" not in said(capsys, *compare)


def test_too_few_pictures_are_advised_by_what_helps(tmp_path, capsys):
    few = pictures(tmp_path / "few", 3)
    text = said(capsys, *of_folder(few, tmp_path / "run", batch_size=2), status=1)
    assert (
        "leave 1 training image: at least 2 are needed for --model=wae_mmd; give more images."
        in text
    )
    text = said(capsys, *of_folder(few, tmp_path / "run", batch_size=2, test_size=1), status=1)
    assert "leave 1 test image" in text and text.rstrip().endswith("give more images.")
    two = pictures(tmp_path / "two", 2)
    text = said(capsys, *of_folder(two, tmp_path / "run", test_size=2), status=1)
    assert "--test_size=2 leaves no training image of 2: 1 is accepted." in text
    five = pictures(tmp_path / "five", 5)
    text = said(capsys, *of_folder(five, tmp_path / "run", test_size=1), status=1)
    assert text.rstrip().endswith("give more images, or a larger --test_size.")
    text = said(capsys, *of_folder(five, tmp_path / "run", test_size=4), status=1)
    assert text.rstrip().endswith("give more images, or a smaller --test_size.")
    text = said(capsys, *of_folder(five, tmp_path / "run", train_size=1), status=1)
    assert text.rstrip().endswith("give more images, or a larger --train_size.")
    text = said(capsys, *of_folder(five, tmp_path / "run"), status=2)
    assert "larger than the 3 training images of folder; accepted: 2 to 3." in text
    text = said(capsys, *of_folder(five, tmp_path / "run", train_size=2), status=2)
    assert "accepted: 2." in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few", "five", "two"]


class Noting:
    """Settings that note which of them are read."""

    def __init__(self, settings):
        self.settings, self.read = settings, set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self.settings, name)


def test_what_is_said_to_do_nothing_is_what_no_architecture_reads():
    """Of all of the package: one that is added, and reads other flags than it says, fails here."""
    import keras

    from wae_tf.networks.builder import Builder

    flags = [
        *("encoder_layers", "decoder_layers", "encoder_filters", "decoder_filters", "filter_size"),
        *("batch_norm", "batch_norm_decay", "batch_norm_eps"),
    ]
    read = {}
    for side, inputs in (("encoder", [(32, 32, 3)]), ("decoder", [(8,), (32, 32, 3)])):
        for arch in registry.names(side):
            entry = registry.load(side, arch)
            if not entry.module.startswith("wae_tf."):
                continue  # of another test
            settings = Noting(Settings(zdim=8, **{f"{side}_arch": arch}))
            with keras.device("cpu"):
                entry.implementation(Builder(settings, side), keras.Input(inputs[0]), *inputs[1:])
            read[side, arch] = settings.read
    assert len(read) >= 11
    for (first, encoder), (second, decoder) in itertools.product(read, read):
        if (first, second) != ("encoder", "decoder"):
            continue
        config = Config(encoder_arch=encoder, decoder_arch=decoder)
        said = " ".join(idle_flags.sentences(flags, config))
        idle = set(flags) - read["encoder", encoder] - read["decoder", decoder]
        assert set(re.findall(r"--(\w+)(?=[ ,])", said)) & set(flags) == idle, (encoder, decoder)
