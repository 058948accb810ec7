"""A small classifier of a data set's own labels, for distances where Inception means nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wae_tf.config import Config
from wae_tf.console import interruption
from wae_tf.console import progress as console_progress
from wae_tf.data.batches import batch_indices, image_batches
from wae_tf.data.image_set import ImageSet
from wae_tf.errors import DataError, RunError
from wae_tf.evaluation.distances import FeatureNetwork, Progress
from wae_tf.files import of_user, read_text, sync, write_atomically
from wae_tf.models.step.guard import finite
from wae_tf.networks.builder import channels_last, float32_by_default
from wae_tf.pixels import to_float
from wae_tf.runs.numbers import checksum

FEATURES = 64
BATCH, RATE, STEPS = 100, 1e-3, 3000
#: The facts name the file of the network, so that one rename puts both in the place of older ones.
FACTS_FILE = "classifier.json"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a trained classifier; the fields of classifier.json."""

    dataset: str
    image_shape: tuple[int, ...]
    classes: int
    split: str
    train_images: int
    test_images: int
    steps: int
    seed: int
    train_accuracy: float
    test_accuracy: float
    feature_scale: float  # features times this have a mean square of 1 on training images
    sha256: str
    network: str = "classifier.keras"  # its file, beside; the default is what older ones had


@channels_last()
def build(image_shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """Three convolutions and two dense layers; outputs `features` [n, 64] and `logits`."""
    keras.utils.set_random_seed(seed % 2**32)
    images = keras.Input(image_shape, name="images")
    x = images
    for i, (filters, stride) in enumerate(((32, 1), (64, 2), (64, 2))):
        x = keras.layers.Conv2D(
            filters, 3, stride, padding="same", activation="relu", name=f"conv{i}"
        )(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.3)(x)
    features = keras.layers.Dense(FEATURES, activation="relu", name="features")(x)
    logits = keras.layers.Dense(classes, name="logits")(keras.layers.Dropout(0.3)(features))
    return keras.Model(images, {"features": features, "logits": logits}, name="classifier")


def _labels(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    if images.train_labels is None or images.test_labels is None:
        raise DataError(
            f"--mode=classifier needs labels, and {images.name} has none; accepted: digits, mnist, "
            "fashion_mnist, cifar10, and folder with a sub-folder of pictures for each class."
        )
    return np.asarray(images.train_labels), np.asarray(images.test_labels)


@float32_by_default()
def train(
    images: ImageSet, folder: Path, *, steps: int, seed: int, progress: Progress = console_progress
) -> Facts:
    """Trains a classifier, tests it and saves both network and facts into the folder.

    Raises:
        DataError: no labels.
        RunError: the folder cannot be written, or holds something else.
    """
    labels, test_labels = _labels(images)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or (folder / "flags.flags").exists()):
        raise RunError(
            f"--work_dir={folder} holds a run of an auto-encoder; give the classifier another one."
        )
    classes = int(max(labels.max(), test_labels.max())) + 1
    model = build(images.image_shape, classes, seed)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(model.trainable_variables)
    label_tensor = tf.constant(labels, tf.int32)
    batch_size = min(BATCH, len(labels))

    @tf.function(autograph=False)
    def step(batch: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)["logits"]
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(expected, logits)
            loss = tf.reduce_mean(loss)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    # The same draws as the pictures': a batch is a function of (seed, step).
    drawn: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "stream": "classifier/batches"}
    batches = image_batches(images.train, pixel_range="unit", **drawn)
    for index, batch in enumerate(batches.take(steps)):
        interruption.check()
        rows = batch_indices(step=index, size=len(labels), **drawn)
        loss = step(batch, tf.gather(label_tensor, rows))
        if (index + 1) % 500 == 0 or index + 1 == steps:
            progress(f"classifier: step {index + 1} of {steps}, loss {float(loss):.4f}")
    if not finite([model]):
        raise RunError(
            f"the classifier's weights are not finite after {steps} steps: nothing is saved."
        )

    def tested(pictures: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
        right, square = 0, 0.0
        for start in range(0, len(pictures), 500):
            found, made = _outputs(model, pictures[start : start + 500])
            right += int((np.argmax(made, axis=1) == expected[start : start + 500]).sum())
            square += float(np.square(found, dtype=np.float64).sum()) / FEATURES
        return right / len(pictures), square / len(pictures)

    train_accuracy, square = tested(images.train[:5000], labels[:5000])
    scale = 1 / max(square, 1e-12) ** 0.5
    facts = Facts(
        dataset=images.name,
        image_shape=images.image_shape,
        classes=classes,
        split=images.split,
        train_images=len(labels),
        test_images=len(test_labels),
        steps=steps,
        seed=seed,
        train_accuracy=train_accuracy,
        test_accuracy=tested(images.test, test_labels)[0],
        feature_scale=scale,
        sha256=(identity := _identity(model, scale)),
        network=f"classifier-{identity[:12]}.keras",
    )
    _save(folder, model, facts)
    return facts


def _save(folder: Path, model: keras.Model, facts: Facts) -> None:
    """Writes a network and, once it is whole, the facts, which take the place of older ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".new-{facts.network}"
        model.save(part)
        sync(part)
        os.replace(part, folder / facts.network)
        known = json.loads(json.dumps(dataclasses.asdict(facts)))
        text = json.dumps({**known, "sum": checksum(known)}, indent=2)
        write_atomically(folder / FACTS_FILE, text + "\n")
        for path in (*folder.glob("classifier*.keras"), *folder.glob(".new-classifier*.keras")):
            if path.name != facts.network:
                path.unlink()
    except OSError as error:
        raise RunError(f"--work_dir={folder} cannot be written to: {error.strerror}.") from error


def _outputs(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    made = model(to_float(np.asarray(images), "unit"), training=False)
    return made["features"].numpy(), made["logits"].numpy()


def _identity(model: keras.Model, scale: float) -> str:
    # Of everything the features depend on; the .keras file itself holds a date.
    digest = hashlib.sha256(f"{FEATURES} {scale!r}".encode())
    for weight in model.get_weights():
        digest.update(f"{weight.shape}".encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def default_folder(dataset: str) -> str:
    """Where --mode=classifier writes without --work_dir."""
    return f"runs/{dataset}_classifier"


def how(config: Config) -> str:
    """How to supply a classifier of a run's images, in a sentence."""
    asked: dict[str, Any] = {"plugins": ",".join(config.plugins), "dataset": config.dataset}
    for name in ("data_dir", "image_size", "channels"):
        asked[name] = getattr(config, name)
    flags = [f"--{name}={value}" for name, value in asked.items() if value not in (None, "")]
    return (
        f"A Frechet distance by a {config.dataset} classifier needs --classifier=FOLDER, made once "
        f"by: {shlex.join(['python', '-m', 'wae_tf.main', '--mode=classifier', *flags])}."
    )


def load(folder: str | Path, config: Config, image_shape: tuple[int, ...]) -> FeatureNetwork:
    """The network of --classifier.

    Raises:
        DataError: no classifier there, or one of other images.
    """
    path = of_user(folder)
    if not (path / FACTS_FILE).is_file():
        raise DataError(f"--classifier={folder} holds no classifier. {how(config)}")
    try:
        known: dict[str, Any] = json.loads(read_text(path / FACTS_FILE))
        whole = known.pop("sum", checksum(known)) == checksum(known)
        facts = Facts(**{**known, "image_shape": tuple(known["image_shape"])})
        model = keras.models.load_model(path / Path(facts.network).name)
    except PermissionError as error:
        raise DataError(
            f"--classifier={folder} cannot be read: {error.filename}: {error.strerror}."
        ) from error
    except Exception as error:  # a damaged archive of Keras's fails in many ways
        raise DataError(
            f"--classifier={folder} is damaged ({type(error).__name__}). {how(config)}"
        ) from error
    identity = _identity(model, facts.feature_scale)
    if not whole:
        raise DataError(
            f"--classifier={folder} is damaged: {FACTS_FILE} is not what was written. {how(config)}"
        )
    if identity != facts.sha256:
        raise DataError(
            f"--classifier={folder} is damaged: {facts.network} is not the network that {FACTS_FILE} "
            f"tells of. {how(config)}"
        )
    if facts.dataset != config.dataset or facts.image_shape != tuple(image_shape):
        raise DataError(
            f"--classifier={folder} knows {facts.dataset} images of {list(facts.image_shape)}, not "
            f"{config.dataset} of {list(image_shape)}. {how(config)}"
        )

    @tf.function(
        input_signature=[tf.TensorSpec([None, *image_shape], tf.uint8)],
        reduce_retracing=True,
        autograph=False,
    )
    def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        made = model(to_float(images, "unit"), training=False)
        # Without a scale of their own, distances of two classifiers could not even be guessed at,
        # and the cubic kernel would be all noise.
        return made["features"] * facts.feature_scale, made["logits"]

    return FeatureNetwork(
        name=f"{facts.dataset}_classifier",
        title=f"{facts.dataset} classifier",
        identity=identity,
        settings={"test_accuracy": f"{facts.test_accuracy:.4f}", "split": facts.split},
        apply=run,
        batch_size=500,
    )
