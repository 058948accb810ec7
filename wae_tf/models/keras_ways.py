"""What Keras's ways of saving, exporting and looking at a model need to know of these."""

from __future__ import annotations

import os
from typing import Any

import keras

from wae_tf.console import loggers

try:  # what keras.saving sets while it writes an HDF5 file
    from keras.src.backend.common.global_state import get_global_attribute as _attribute
except ImportError:

    def _attribute(name: str) -> Any:
        return None


#: Endings of the older format.
HDF5 = (".h5", ".hdf5")
#: What Keras's other formats need besides, and how it is installed.
PACKAGES = {"onnx": "tf2onnx", "openvino": "openvino", "torch": "torch"}


class KerasWays(keras.Model):
    """A model that is built by its constructor, whose call takes images of one shape."""

    #: Of the images.
    image_shape: Any
    settings: Any
    encoder: Any
    decoder: Any

    def is_built(self) -> None:
        """Tells Keras, from the constructor, that all is built and what a call takes.

        Otherwise it would export a model only after a call, and LiteRT's converter none at all.
        """
        self.built = True
        self._build_shapes_dict = {"input_shape": (None, *self.image_shape)}
        self._called = True

    def get_build_config(self) -> None:
        """Nothing: the constructor's arguments are all that it needs."""

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """That of the reconstructions, without computing any."""
        return (input_shape[0], *self.image_shape)

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.save`: a .keras file, with both optimizers.

        Raises:
            ValueError: an HDF5 file, which has no place for them.
        """
        if str(filepath).lower().endswith(HDF5):
            raise no_hdf5(os.fspath(filepath))
        super().save(filepath, *args, **kwargs)

    def export(self, filepath: Any, format: str = "tf_saved_model", **kwargs: Any) -> None:
        """As `keras.Model.export`: `serve` takes float images [n, H, W, C] and reconstructs them.

        Of a model with classes it takes their labels besides, int64 [n].

        For encode, decode, sample and picture files: `wae_tf.serving.export`, or --mode=export.

        Raises:
            ValueError: a package that the format needs is not there.
        """
        exported: keras.Model = self
        if self.settings.classes:
            exported = _WithLabels(self)
            if kwargs.get("input_signature") is None:
                kwargs["input_signature"] = exported.signature
        try:
            with loggers.left_alone():
                keras.Model.export(exported, str(filepath), format=format, **kwargs)
        except ImportError as error:
            needed = PACKAGES.get(format, error.name or "a package")
            raise ValueError(
                f"export to format={format!r} needs {needed}, which is not installed; "
                "'tf_saved_model' and 'litert' need nothing more."
            ) from error

    def refuse_hdf5(self) -> None:
        """Raises where Keras is writing an HDF5 file, whoever asked for it.

        Raises:
            ValueError: it is.
        """
        if _attribute("use_legacy_config"):
            raise no_hdf5("An HDF5 file")


class _WithLabels(keras.Model):
    """A model with classes as exports need it: images and labels are its call's first arguments."""

    def __init__(self, model: KerasWays):
        super().__init__(name=model.name, dtype=model.dtype_policy)
        # The parts that have variables, not the model: Keras would trace its call for images alone.
        self.encoder, self.decoder = model.encoder, model.decoder
        self.reconstructed = model.__call__
        self.built = True
        self.signature = [
            keras.InputSpec(
                shape=(None, *model.image_shape), dtype=model.input_dtype, name="images"
            ),
            keras.InputSpec(shape=(None,), dtype="int64", name="labels"),
        ]

    def call(self, images: Any, labels: Any, training: bool = False) -> Any:
        return self.reconstructed(images, training=training, labels=labels)


def no_hdf5(what: str) -> ValueError:
    """The sentence on HDF5 files."""
    return ValueError(
        f"{what} cannot hold a model with two optimizers and the state of its steps: "
        "save('wae.keras') keeps all, save_weights('wae.weights.h5') the weights."
    )
