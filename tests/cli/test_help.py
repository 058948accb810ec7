"""--help, and what a command line that is not understood is answered with."""

import subprocess
import sys

import pytest

from wae_tf import main, registry
from wae_tf.cli import arguments as arguments_module
from wae_tf.cli import help as help_module
from wae_tf.cli.arguments import parse
from wae_tf.errors import FlagError


def test_the_summary_names_every_mode_and_flag_once(capsys):
    assert main.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 150 and max(map(len, text.splitlines())) <= 80
    for mode in registry.names("mode"):
        assert f"--mode={mode} " in text
    for name in parse([])[0]:
        assert f"--{name}" in text or f"--[no]{name}" in text, name


def test_help_has_the_values_of_the_preset():
    assert "--lr=0.0003 " in arguments_module.help_text(
        ["--dataset=celeba", "--model=wae_gan", "--help=train"]
    )
    assert "--lr=0.5 " in arguments_module.help_text(["--help", "--lr=0.5"])
    text = arguments_module.help_text(["--dataset=nothing", "-h"])  # asked for because of it
    assert "Values are those of the defaults" in text


def test_help_of_a_mode_has_its_flags_alone():
    sample = arguments_module.help_text(["--help=sample"])
    assert "--num_samples=1000" in sample and "--epochs" not in sample
    assert "--num_samples" not in arguments_module.help_text(["--help=train"])
    everything = arguments_module.help_text(["--helpfull"])
    assert "--num_samples" in everything and "--adam_epsilon=1e-08" in everything


def test_no_help_is_none():
    for arguments in ([], ["--zdim=3"], ["--work_dir=help"]):
        assert arguments_module.help_text(arguments) is None
    with pytest.raises(FlagError, match=r"--help=eval is not known; .*did you mean evaluate"):
        arguments_module.help_text(["--help=eval"])


def test_every_setting_has_a_purpose():
    fields = [name for _, names in help_module.groups(parse([])[0]) for name in names]
    assert sorted(fields) == sorted(parse([])[0])


@pytest.mark.processes
def test_help_imports_no_tensorflow():
    program = "import sys; from wae_tf import main; main.main(['--help']); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--learning_rate=1"], "'learning_rate'; did you mean --lr?"),
        (["--latent_dim=2"], "did you mean --zdim?"),
        (["--lambda", "2"], "did you mean --wae_lambda?"),
        (["--zdimm=3"], "did you mean --zdim?"),
        (["--xyzzy"], "'xyzzy'; --help lists them."),
        (["--resume"], "goes on with the command that began it"),
        (["--nolr"], "--lr is no switch and takes a value"),
        (["--no-jit"], "--no-jit is not known; did you mean --nojit?"),
        (["--no_overwrite"], "--no_overwrite is not known; did you mean --nooverwrite?"),
        (["--zdim=much"], "--zdim=much is not a whole number."),
        (["--lr=fast"], "--lr=fast is not a number."),
        (["--jit=maybe"], "--jit=maybe is not true or false."),
        (["train"], "did you mean --mode=train?"),
        (["eval"], "did you mean --mode=evaluate?"),
        (["mnist"], "did you mean --dataset=mnist?"),
        (["vae"], "did you mean --model=vae?"),
        (["lr=0.1"], "did you mean --lr=0.1?"),
        (["true"], "--name or --noname"),
        (["."], "did you mean --data_dir=.?"),
        (["--model=mmd"], "did you mean wae_mmd?"),
        (["--dataset=celebA"], "did you mean celeba?"),
        (["--mode=generate"], "did you mean sample?"),
        (["--precision=bf16"], "did you mean mixed_bfloat16?"),
        (["--verbosity=9"], "accepted: -2, -1, 0."),
        (["--num_samples=3"], "not used by --mode=train; it goes with --mode=sample."),
        (["--mode=classifier", "--epochs=3"], "--epochs is not used by --mode=classifier"),
        (["--checkpoint=best"], "--checkpoint is not used by --mode=train"),
        (["--mode=classifier", "--nojit"], "--jit is not used by --mode=classifier"),
    ],
)
def test_a_mistake_is_answered_by_what_was_meant(arguments, sentence):
    with pytest.raises(FlagError) as caught:
        parse(arguments)
    assert sentence in str(caught.value)


def test_settings_that_a_run_decides_are_refused(tmp_path):
    (tmp_path / "flags.flags").write_text("--zdim=5\n--dataset=digits\n--model=wae_mmd\n")
    run = ["--mode=sample", f"--work_dir={tmp_path}"]
    assert parse([*run, "--zdim=5", "--seed=3", "--cache_dir=x"])[1].zdim == 5
    for given, there in (("--zdim=6", "--zdim=5"), ("--dataset=mnist", "--dataset=digits")):
        with pytest.raises(FlagError, match=f"{given} cannot be had in --mode=sample.*{there}"):
            parse([*run, given])
    # Whatever a flagfile holds besides is its own business, but the run's settings are the run's.
    (tmp_path / "more.flags").write_text(
        "--export_dir=there\n--prior_scale=3\n--model=vae\n--seed=4\n"
    )
    values, config = parse([*run, f"--flagfile={tmp_path / 'more.flags'}"])
    assert values.export_dir == "there" and config.seed == 4
    assert config.prior_scale == 1 and config.model == values.model == "wae_mmd"


@pytest.mark.parametrize("mode", ["export", "export_official", "interpolate", "explore"])
def test_what_a_mode_does_not_compute_with_is_refused(mode, tmp_path):
    """An export is float32 and of any seed; its model card says what the run was trained with."""
    (tmp_path / "flags.flags").write_text("--seed=3\n--dataset=digits\n--model=wae_mmd\n")
    run = [f"--mode={mode}", f"--work_dir={tmp_path}"]
    assert parse([*run, "--seed=3"])[1].seed == 3
    with pytest.raises(FlagError, match=f"--seed=4 cannot be had in --mode={mode}.*--seed=3"):
        parse([*run, "--seed=4"])
    if mode.startswith("export"):
        with pytest.raises(FlagError, match=f"float16 cannot be had in --mode={mode}.*float32"):
            parse([*run, "--precision=mixed_float16"])


def test_evaluate_at_end_takes_the_flags_of_evaluate():
    assert parse(["--evaluate_at_end", "--eval_samples=50"])[0].eval_samples == 50
    with pytest.raises(FlagError, match="--eval_samples is not used by --mode=train"):
        parse(["--eval_samples=50"])


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ([], "runs/digits_wae_mmd"),
        (["--flagfile=flags/official/mnist_small.flags"], "runs/official_mnist_small"),
        (
            ["--flagfile=flags/official/mnist_small.flags", "--model=wae_gan"],
            "runs/official_mnist_small_wae_gan",
        ),
        (
            ["--flagfile=flags/replication/corrected/mnist_wae_mmd.flags"],
            "runs/replication_corrected_mnist_wae_mmd",
        ),
        (["--flagfile=flags/official/mnist.flags", "--work_dir=mine"], "mine"),
        (["--flagfile=flags/mnist_wae_mmd.flags"], "runs/mnist_wae_mmd"),
        (["--flagfile=flags/celeba_wae_gan.flags"], "runs/celeba_wae_gan"),
        (["--flagfile=flags/celeba_small_wae_gan.flags"], "runs/celeba_small_wae_gan"),
        (
            ["--flagfile=flags/celeba_small_wae_mmd.flags", "--model=wae_gan"],
            "runs/celeba_small_wae_mmd_wae_gan",
        ),
    ],
)
def test_other_presets_have_folders_of_their_own(arguments, folder):
    assert parse(arguments)[1].folder == folder
