"""A classifier whose files do not belong together is refused."""

import dataclasses
import json

import pytest

from wae_tf.config import Config
from wae_tf.errors import DataError
from wae_tf.evaluation import classifier


def test_new_weights_with_old_facts_are_refused(tmp_path):
    shape = (8, 8, 1)
    model = classifier.build(shape, 10, 0)
    facts = classifier.Facts(
        dataset="digits", image_shape=shape, classes=10, split="", train_images=1, test_images=1,
        steps=1, seed=0, train_accuracy=1.0, test_accuracy=1.0, feature_scale=0.5,
        sha256=classifier._identity(model, 0.5),
    )  # fmt: skip
    (tmp_path / classifier.FACTS_FILE).write_text(json.dumps(dataclasses.asdict(facts)))
    model.save(tmp_path / classifier.MODEL_FILE)
    config = Config(dataset="digits")
    assert classifier.load(tmp_path, config, shape).identity == facts.sha256
    classifier.build(shape, 10, 1).save(tmp_path / classifier.MODEL_FILE)
    with pytest.raises(DataError, match="is not the network that"):
        classifier.load(tmp_path, config, shape)
