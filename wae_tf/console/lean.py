"""Keras and TensorFlow imported alone, for a process of the command line, which waits for them.

Where they are installed, both import scikit-learn, SciPy, matplotlib, pandas, JAX and others besides, for
parts that the command line does not use (such as Keras's wrappers for scikit-learn): a third of the
import's time. And Python's collector of garbage goes through all modules again and again meanwhile.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import sys
from types import ModuleType

#: What neither requires, so that both must do without.
_OPTIONAL = ("IPython", "jax", "matplotlib", "pandas", "scipy", "sklearn")
#: TensorFlow computes by oneDNN unasked where a processor has AVX512_VNNI or AMX. With AVX2 alone
#: convolutions take half the time so as well (docs/performance.md). Read when it is imported.
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def import_keras() -> None:
    """Imports Keras without the optional ones, which can be imported afterwards as ever.

    TensorFlow is told to use oneDNN on every x86 processor, unless the environment says otherwise. Where
    Keras is there already, nothing changes.
    """
    if "keras" in sys.modules or "tensorflow" in sys.modules:
        return
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault(_ONEDNN, "1")
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    absent = [name for name in _OPTIONAL if name not in modules]
    collecting = gc.isenabled()
    gc.disable()
    modules.update(dict.fromkeys(absent))  # None: the import system says that it is not there
    try:
        importlib.import_module("keras")
    finally:
        for name in absent:
            del modules[name]
        gc.freeze()  # modules stay; the collector need not look at them
        if collecting:
            gc.enable()
