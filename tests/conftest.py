import gc
import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as cores: threads that wait for a core, or for each other's share of a product of
    # small matrices, cost more than they do. (Without workers the tests run on all threads.)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np
import pytest

from wae_tf.settings import processor

# What a processor has is said before training in half: tests are alike on all.
processor.CPUINFO = processor.Path(os.devnull)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Decoded images go to a temporary folder, never to the user's."""
    monkeypatch.setenv("WAE_TF_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True, scope="module")
def forgotten():
    """What a file's models leave behind, graphs of some 10 MB a run, goes with it."""
    yield
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session()
        gc.collect()


def pytest_collection_finish():
    """What was imported stays: no collection of garbage, of which figures ask for some, walks it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def hangs_up():
    """SIGHUP as a terminal's programs have it; tests behind `nohup` begin with it ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def rng():
    return np.random.RandomState(7)
