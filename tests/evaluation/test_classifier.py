"""A classifier whose files do not belong together is refused."""

import contextlib
import dataclasses
import json

import pytest

from tests import faults
from tests.real_files import noise, png
from wae_tf.config import Config
from wae_tf.errors import DataError
from wae_tf.evaluation import classifier
from wae_tf.main import main


def made(seed, **fields):
    shape = (8, 8, 1)
    model = classifier.build(shape, 10, seed)
    identity = classifier._identity(model, 0.5)
    facts = classifier.Facts(
        dataset="digits", image_shape=shape, classes=10, split="", train_images=1, test_images=1,
        steps=1, seed=seed, train_accuracy=1.0, test_accuracy=1.0, feature_scale=0.5,
        sha256=identity, **fields,
    )  # fmt: skip
    return model, facts


@pytest.mark.parametrize("operation", ["replace", "sync"])
@pytest.mark.parametrize("time", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_killed_while_it_is_retrained_there_is_the_old_or_the_new(
    operation, time, after, two, tmp_path
):
    (old, old_facts), (new, new_facts) = two
    classifier._save(tmp_path, old, old_facts)
    killed = faults.fault(operation, f"{tmp_path}*", faults.Killed(), time=time, after=after)
    with contextlib.suppress(faults.Killed), killed:
        classifier._save(tmp_path, new, new_facts)
    known = json.loads((tmp_path / classifier.FACTS_FILE).read_text())
    network = classifier.load(tmp_path, Config(dataset="digits"), (8, 8, 1))
    facts = next(f for f in (old_facts, new_facts) if f.sha256 == network.identity)
    assert known["seed"] == facts.seed
    classifier._save(tmp_path, new, new_facts)
    assert {p.name for p in tmp_path.iterdir()} == {classifier.FACTS_FILE, new_facts.network}


@pytest.fixture(scope="module")
def two():
    return [made(seed, network=f"classifier-{seed}.keras") for seed in (0, 1)]


def test_new_weights_with_old_facts_are_refused(tmp_path):
    shape = (8, 8, 1)
    model, facts = made(0)
    (tmp_path / classifier.FACTS_FILE).write_text(json.dumps(dataclasses.asdict(facts)))
    model.save(tmp_path / facts.network)
    config = Config(dataset="digits")
    assert classifier.load(tmp_path, config, shape).identity == facts.sha256
    classifier.build(shape, 10, 1).save(tmp_path / facts.network)
    with pytest.raises(DataError, match="is not the network that"):
        classifier.load(tmp_path, config, shape)


def _pictures(folder, rng):
    for part, count in (("train", 6), ("test", 2)):
        for kind in ("cat", "dog"):
            for i in range(count):
                png(folder / "pictures" / part / kind / f"{i}.png", noise(rng, 9, 10, 3))


def test_weights_that_are_not_finite_are_not_saved(tmp_path, rng, monkeypatch, capsys):
    _pictures(tmp_path, rng)
    monkeypatch.setattr(classifier, "RATE", float("nan"))
    flags = ["--mode=classifier", "--dataset=folder", "--classifier_steps=2"]
    work = [f"--data_dir={tmp_path / 'pictures'}", f"--work_dir={tmp_path / 'made'}"]
    assert main([*flags, *work]) == 1
    assert "weights are not finite after 2 steps: nothing is saved." in capsys.readouterr().err
    assert not (tmp_path / "made" / classifier.FACTS_FILE).exists()


def test_few_pictures_in_class_folders_of_any_size_are_enough(tmp_path, rng):
    """A classifier has neither the auto-encoder's batches nor its networks."""
    _pictures(tmp_path, rng)
    flags = ["--mode=classifier", "--dataset=folder", "--classifier_steps=2"]
    work = [f"--data_dir={tmp_path / 'pictures'}", f"--work_dir={tmp_path / 'made'}"]
    assert main([*flags, *work]) == 0
    facts = json.loads((tmp_path / "made" / classifier.FACTS_FILE).read_text())
    assert facts["test_images"] == 4
