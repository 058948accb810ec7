"""Lets Keras know the package's classes in every process that has imported both, in any order.

Keras opens a file by the names of registered classes; importing them at once would import
TensorFlow, for which `--help` does not wait.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any

#: Every registered class is in a module that this one imports.
CLASSES = "wae_tf.models.by_name"
#: While one of these is being imported its names are not all there.
_WATCHED = ("keras", "tensorflow", "wae_tf")
#: What Keras computes by else.
_OTHERS = ("jax", "torch", "numpy", "openvino")


def register_once_keras_is_there() -> None:
    """Imports the classes now, or at the end of the import that brings Keras in."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Watch())


def _register() -> None:
    # Under another backend the models cannot run, and `import keras` must not fail for it.
    keras = importlib.import_module("keras")  # another thread may be about it still
    if hasattr(keras, "backend") and keras.backend.backend() == "tensorflow":
        importlib.import_module(CLASSES)


def check_backend() -> None:
    """Looks whether Keras computes by TensorFlow.

    Raises:
        ImportError: it does not.
    """
    sentence = (
        "Keras computes by {} here (KERAS_BACKEND, or Keras's keras.json), and wae_tf's models by "
        "TensorFlow: set KERAS_BACKEND=tensorflow before Keras is imported."
    )
    try:
        backend = importlib.import_module("keras").config.backend()
    except ImportError as error:
        backend = os.environ.get("KERAS_BACKEND") or str(error.name).partition(".")[0]
        if backend not in _OTHERS:
            raise
        raise ImportError(sentence.format(backend)) from error
    if backend != "tensorflow":
        raise ImportError(sentence.format(backend))


class _Watch:
    """A finder of modules that finds none of its own: it notes when the watched ones are whole."""

    def __init__(self) -> None:
        self.depth = 0  # of watched imports inside each other

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As if this finder were not there; the module's loader tells when it is done."""
        if name.partition(".")[0] != "wae_tf" and name not in _WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            found = finder.find_spec(name, path, target)
            if found is not None:
                self._follow(found.loader)
                return found
        return None

    def _follow(self, loader: Any) -> None:
        if not hasattr(loader, "exec_module"):
            return
        execute = loader.exec_module

        def followed(module: Any) -> None:
            self.depth += 1
            try:
                execute(module)
            finally:
                self.depth -= 1
            if self.depth == 0 and "keras" in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                _register()

        try:
            loader.exec_module = followed
        except AttributeError:  # a loader that takes no attribute: its module is not followed
            return
