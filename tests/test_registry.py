"""Entries from outside the package: found, told of in help and errors, checked, noted and replayed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wae_tf import main, registry
from wae_tf.cli.arguments import parse
from wae_tf.config import Config
from wae_tf.data import load
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import DataError, FlagError

#: Registers without TensorFlow, as the names of the package's own entries are known without it.
LIGHT = """
from wae_tf.registry import register

@register("dataset", "mine", help="pictures of mine", pixel_range="symmetric")
def mine(): ...

@register("model", "wae_mine", help="a penalty of mine", presets_of="vae")
def model(*args): ...

@register("cost", "mine", help="a cost of mine", scale=0.25, needs={"pixel_range": "unit"})
def cost(*args): ...

@register("encoder", "mine", help="an encoder of mine", needs={"decoder_arch": "mine"})
@register("decoder", "mine", help="a decoder of mine")
def network(*args): ...

@register("mode", "mine", help="a mode of mine", of_run=False, flags={"often": (3, "how often")})
def mode(config, values):
    print("called", values.often, config.dataset)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes modules that Python finds; what they register is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    there = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in set(sys.modules) - there:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == tmp_path:
            del sys.modules[name]
    for key, entry in [*registry._imported.items()]:
        if not entry.module.startswith("wae_tf."):
            del registry._imported[key]


def test_every_kind_comes_from_its_files_without_an_import():
    assert set(registry.names("dataset")) == {
        "digits", "mnist", "fashion_mnist", "cifar10", "celeba", "dsprites", "folder",
    }  # fmt: skip
    assert {"wae_mmd", "wae_gan", "vae", "wae_mmdpp", "wae_mmdppp"} <= set(registry.names("model"))
    assert {"mlp", "dcgan", "ali", "began", "replication"} <= set(registry.names("encoder"))
    assert {"mlp", "dcgan", "dcgan_mod", "ali", "began", "replication"} <= set(
        registry.names("decoder")
    )
    assert set(registry.names("cost")) == {"l2sq", "l2", "l1", "mse", "bce", "bce_probabilities"}
    assert set(registry.names("mode")) >= {"train", "evaluate", "sample", "interpolate", "export"}


@pytest.mark.parametrize("kind", registry.KINDS)
def test_what_the_files_say_is_what_their_import_registers(kind):
    for name, read in registry._written(registry.KINDS[kind][1])[kind].items():
        loaded = registry.load(kind, name)
        assert callable(loaded.implementation)
        assert (read.name, read.help, read.module) == (loaded.name, loaded.help, loaded.module)
        assert read.help
        literal = {k: v for k, v in loaded.facts.items() if not callable(v)}
        assert dict(read.facts) == literal


@pytest.mark.processes
def test_help_and_bad_names_need_no_tensorflow(tmp_path):
    (tmp_path / "light.py").write_text(LIGHT)
    code = (
        "import sys; from wae_tf import main\n"
        "main.main(['--plugins=light', '--helpfull'])\n"
        "main.main(['--plugins=light', '--dataset=svhn'])\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 0, result.stderr
    help_text = " ".join(result.stdout.split())
    for thing in ("pictures", "a penalty", "a cost", "an encoder", "a decoder", "a mode"):
        assert f"{thing} of mine" in help_text
    assert "--mode=mine --often=3 how often" in help_text
    (sentence,) = result.stderr.strip().splitlines()
    assert sentence.endswith("folder, mnist, fashion_mnist, mine.")


def test_entries_of_a_plugin_are_accepted_checked_and_called(plugin, capsys):
    plugin("light", LIGHT)
    given = ["--plugins=light", "--dataset=mine", "--model=wae_mine"]
    config = parse(given)[1]
    assert config.folder == "runs/mine_wae_mine"
    assert config.pixel_range_of_data == "symmetric"
    assert config.plugins == ("light",)
    assert parse(["--plugins", "light", "--cost=mine"])[1].cost == "mine"
    assert Config(cost="mine").scale_of_cost == 0.25
    # Without a preset of the pair: that of the model named, of the same data set.
    assert parse(["--plugins=light", "--model=wae_mine"])[1].encoder_noise == "gaussian"
    for more, sentence in {
        "--cost=mine": "--cost=mine needs --pixel_range=unit, not symmetric.",
        "--encoder_arch=mine": "--encoder_arch=mine needs --decoder_arch=mine, not dcgan_mod.",
        "--encoder_arch=yours": "accepted: mlp, dcgan, ali, began, replication, mine.",
    }.items():
        assert main.main([*given, more]) == 2
        assert capsys.readouterr().err.strip().endswith(sentence)
    assert main.main(["--plugins=light", "--dataset=mine", "--mode=mine", "--often=4"]) == 0
    assert capsys.readouterr().out.strip() == "called 4 mine"


def test_a_mode_on_a_run_imports_the_plugins_that_the_run_names(plugin, tmp_path, monkeypatch):
    plugin("light", LIGHT)
    monkeypatch.chdir(tmp_path)
    named = ["--dataset=mine", "--model=wae_mine"]
    with pytest.raises(FlagError, match="is not known"):
        parse(["--mode=sample", *named])
    run = tmp_path / "runs" / "mine_wae_mine"
    run.mkdir(parents=True)
    (run / "flags.flags").write_text("--plugins=light\n--dataset=mine\n--model=wae_mine\n")
    assert parse(["--mode=sample", *named])[1].plugins == ("light",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "--plugins=there cannot be imported (No module named 'there'); accepted: modules"),
        ("import nowhere", "--plugins=there cannot be imported (No module named 'nowhere')"),
        ("x = 1 +", "(SyntaxError: invalid syntax"),
        ("1 / 0", "(ZeroDivisionError: division by zero)"),
        (LIGHT.replace('"dataset", "mine"', '"dataset", "mnist"'),
         "(ValueError: dataset 'mnist' is there already, in wae_tf.data.mnist)"),
        (LIGHT.replace('"dataset", "mine"', '"data", "mine"'),
         "(ValueError: 'data' is no kind of entry; there are dataset, model, "),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_had_is_a_sentence(text, sentence, plugin, capsys):
    if text is not None:
        plugin("there", text)
    assert main.main(["--plugins=there"]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    with pytest.raises(FlagError, match="--plugins=there"):
        Config(plugins=["there"])


def test_facts_that_no_kind_has_are_refused():
    """A misspelled `scale` would be 1."""
    with pytest.raises(
        ValueError, match=r"has a fact scael, which is not known.*did you mean scale\?"
    ):
        registry.register("cost", "misspelled", scael=0.05)


def test_a_modes_flag_that_is_there_already_is_a_sentence(monkeypatch):
    for name in ("num_samples", "zdim"):
        facts = {"of_run": False, "flags": {name: (5, "mine")}}
        one = registry.Entry("mode", "second", "", facts, "elsewhere", print)
        monkeypatch.setitem(registry._imported, ("mode", "second"), one)
        with pytest.raises(FlagError, match=f"registers a flag --{name}, and there is one"):
            parse([])


@pytest.mark.parametrize(
    ("rows", "labels", "sentence"),
    [
        (np.zeros((4, 8, 8, 1), np.int64), None, r"gives int64 \[4, 8, 8, 1\] as `train`"),
        (np.full((4, 8, 8, 1), 255, np.float32), None, "pictures as floats up to 255 in `train`"),
        (
            np.zeros((4, 8, 8, 1), np.uint8),
            np.zeros(3, int),
            "gives 3 labels for 4 rows of `train`",
        ),
    ],
)
def test_what_a_reader_gives_is_looked_at(rows, labels, sentence, monkeypatch):
    def read():
        return ImageSet("odd", rows, rows, labels, None, "none", "here")

    entry = registry.Entry("dataset", "odd", "", {"data_dir": "none"}, "elsewhere", read)
    monkeypatch.setitem(registry._imported, ("dataset", "odd"), entry)
    with pytest.raises(DataError, match=sentence):
        load.load("odd")
