import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from wae_tf.settings import processor

# What a processor has is said before training in half: tests are alike on all.
processor.CPUINFO = processor.Path(os.devnull)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Decoded images go to a temporary folder, never to the user's."""
    monkeypatch.setenv("WAE_TF_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def rng():
    return np.random.RandomState(7)
