"""Anomaly detection by score, on the breast cancer data that scikit-learn carries, beside PCA's.

Thirty measures of cell nuclei in 569 samples. The models learn from three quarters of the benign samples
alone; a sample's score is the cost of its reconstruction, and the ROC AUC says how well it tells the 212
malignant samples from the benign ones that were left out. PCA has as many components as the codes have
numbers; its score is the squared error of its reconstruction.

    python examples/anomalies.py [--seeds=5] [--epochs=200] [--zdim=4]
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import wae_tf


def data(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Benign samples to learn from; others and the malignant ones; which of them are malignant."""
    measures, benign = load_breast_cancer(return_X_y=True)
    train, held_out = train_test_split(measures[benign == 1], test_size=0.25, random_state=seed)
    scaler = StandardScaler().fit(train)
    test = np.concatenate([held_out, measures[benign == 0]])
    malignant = np.arange(len(test)) >= len(held_out)
    train, test = (scaler.transform(part).astype("float32") for part in (train, test))
    return train, test, malignant


def wae(dimensions: int, zdim: int, seed: int) -> wae_tf.WaeMmd:
    """A WAE-MMD on networks of one hidden layer."""
    encoder = keras.Sequential(
        [keras.Input((dimensions,)), layers.Dense(64, "relu"), layers.Dense(zdim)]
    )
    decoder = keras.Sequential(
        [keras.Input((zdim,)), layers.Dense(64, "relu"), layers.Dense(dimensions)]
    )
    model = wae_tf.WaeMmd(encoder=encoder, decoder=decoder, wae_lambda=1.0, seed=seed)
    model.compile()
    return model


def aucs(seed: int, zdim: int, epochs: int) -> dict[str, float]:
    """The ROC AUC of each score."""
    keras.utils.set_random_seed(seed)
    train, test, malignant = data(seed)
    model = wae(train.shape[1], zdim, seed)
    model.fit(train, epochs=epochs, batch_size=64, verbose=0)
    pca = PCA(zdim).fit(train)
    apart = test - pca.inverse_transform(pca.transform(test))
    scores = {"WAE-MMD": np.asarray(model.score(test)), "PCA": np.sum(apart**2, axis=1)}
    return {name: float(roc_auc_score(malignant, score)) for name, score in scores.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--zdim", type=int, default=4)
    asked = parser.parse_args()
    found = [aucs(seed, asked.zdim, asked.epochs) for seed in range(asked.seeds)]
    print(f"ROC AUC of malignant against benign, {asked.seeds} seeds (split and weights)")
    for name in found[0]:
        each = [one[name] for one in found]
        spread = " ".join(f"{value:.3f}" for value in each)
        print(f"{name:8} mean {np.mean(each):.3f}   {spread}")


if __name__ == "__main__":
    main()
