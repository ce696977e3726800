"""
LeNet-300-100 in a hundredth of its bytes
=========================================

A net of 266,610 parameters is trained on MNIST and then pruned to several sizes: weights
are cut along a cubic while the net trains on, with the outputs of the dense net as further
targets, and what is left is stored as sixteen shared values for each layer. The table, and
the picture, show the accuracy over the bytes of the file that one would ship.

``--data PATH`` takes an npz file with x_train, y_train, x_test and y_test, as
``plot_mnist_mlp.py`` does.
"""

import argparse
import lzma
import pickle
from pathlib import Path

import torch
from plot_mnist_mlp import load
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from sklearn_prune import PrunedClassifier
from sklearn_prune.weight_pruning import Quantizer

KEEPS = (0.1, 0.05, 0.02, 0.01)


class LeNet300100(nn.Sequential):
    """Two hidden layers of rectified units."""

    def __init__(self, n_features=784):
        super().__init__(
            nn.Linear(n_features, 300),
            nn.ReLU(),
            nn.Linear(300, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )


def annealed(epochs):
    """Callbacks that let the learning rate fall to zero along a cosine."""
    return [("rate", LRScheduler(policy=CosineAnnealingLR, T_max=epochs))]


def make_net(n_features, epochs):
    """The dense net, unfitted."""
    return NeuralNetClassifier(
        LeNet300100,
        module__n_features=n_features,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.0012,
        batch_size=128,
        max_epochs=epochs,
        callbacks=annealed(epochs),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def compress(X_train, y_train, X_test, y_test, *, epochs=10, refit_epochs=30, seed=0):
    """Train, then prune to each size; yield keep, accuracy, bytes and the model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        dense = clone(make_net(X_train.shape[1], epochs)).fit(X_train, y_train)
    full = PrunedClassifier(FrozenEstimator(dense), keep=1.0).fit(X_train, y_train)
    yield 1.0, full.score(X_test, y_test), _bytes(full), full
    refit = {"max_epochs": refit_epochs, "lr": 0.002, "batch_size": 256}
    refit["callbacks"] = annealed(refit_epochs)
    for keep in KEEPS:
        model = PrunedClassifier(
            FrozenEstimator(dense),
            keep=keep,
            refit=refit,
            quantize=Quantizer("codebook", n_values=16),
            random_state=seed,
        ).fit(X_train, y_train)
        yield keep, model.score(X_test, y_test), _bytes(model), model


def _bytes(model):
    """Length of the file that one would ship."""
    return len(lzma.compress(pickle.dumps(model.compact_)))


def plot(points, path):
    """Draw accuracy over bytes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot([p[2] / 1000 for p in points], [100 * p[1] for p in points], "o-")
    for keep, accuracy, stored, *_ in points:
        axes.annotate(f" {keep:g}", (stored / 1000, 100 * accuracy), va="top")
    axes.set(xscale="log", xlabel="kB on disk", ylabel="test accuracy in %")
    axes.set_title("LeNet-300-100, by the share of parameters kept")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main():
    """Load the data, compress, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, help="npz file with MNIST")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--refit-epochs", type=int, default=30)
    parser.add_argument("--picture", type=Path, default=Path("lenet_compression.png"))
    arguments = parser.parse_args()
    X_train, y_train, X_test, y_test = load(arguments.data)
    mean, deviation = X_train.mean(), X_train.std()
    X_train, X_test = (X_train - mean) / deviation, (X_test - mean) / deviation
    print(f"{'keep':>6} {'accuracy':>10} {'weights':>9} {'bytes':>9} {'smaller':>8}")
    points = []
    for point in compress(
        X_train,
        y_train,
        X_test,
        y_test,
        epochs=arguments.epochs,
        refit_epochs=arguments.refit_epochs,
    ):
        keep, accuracy, stored, model = point
        nonzero = model.report_.after["nonzero"]
        smaller = 4 * model.report_.before["parameters"] / stored
        line = f"{keep:6} {100 * accuracy:8.2f} % {nonzero:9} {stored:9} {smaller:7.0f}x"
        print(line, flush=True)
        points.append(point)
    plot(points, arguments.picture)


if __name__ == "__main__":
    main()
