"""
A convolutional net without half of its channels
================================================

A small residual net learns digits from images that are moved at random in each epoch, with
batch norm, early stopping and a falling learning rate. Then channels are cut out of it, and
what is left is trained on, by the same callbacks and on images that are moved anew.
The table and the picture show accuracy, parameters and the time of a prediction.

Data: the 1,797 digits of scikit-learn; no download.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from sklearn_prune import PrunedClassifier

KEEPS = (0.75, 0.5, 0.25)


class Moved(Dataset):
    """Images with a label are moved by at most one pixel; those to predict stay."""

    def transform(self, X, y):
        """One image and its label."""
        if self.y is not None:
            X = np.roll(X, torch.randint(-1, 2, (2,)).tolist(), (1, 2))
        return super().transform(X, y)


class ResidualNet(nn.Module):
    """Two blocks whose outputs are added to what they read."""

    def __init__(self, width=24):
        super().__init__()
        self.first = self._layer(1, width)
        self.a, self.b = self._layer(width, width), self._layer(width, width)
        self.narrower = self._layer(width, 2 * width, stride=2)
        self.c, self.d = (
            self._layer(2 * width, 2 * width),
            self._layer(2 * width, 2 * width),
        )
        self.last = nn.Linear(2 * width, 10)

    @staticmethod
    def _layer(n_in, n_out, stride=1):
        convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(n_out))

    def forward(self, X):
        """Scores of images."""
        X = self.first(X).relu()
        X = (X + self.b(self.a(X).relu())).relu()
        X = self.narrower(X).relu()
        X = (X + self.d(self.c(X).relu())).relu()
        return self.last(X.mean((2, 3)))


def make_net(epochs):
    """The unfitted net."""
    return NeuralNetClassifier(
        ResidualNet,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=3e-3,
        batch_size=64,
        max_epochs=epochs,
        dataset=Moved,
        train_split=ValidSplit(10, stratified=True),
        iterator_train__shuffle=True,
        callbacks=[
            ("stop", EarlyStopping(patience=6, load_best=True)),
            ("rate", LRScheduler(policy=CosineAnnealingLR, T_max=epochs)),
        ],
        verbose=0,
    )


def milliseconds(model, X):
    """Smallest time of a prediction of 200 images."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        model.predict(X[:200])
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def measure(epochs, refit_epochs, seed=0):
    """Rows of the table: keep, parameters, accuracy and milliseconds."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=seed)
    torch.manual_seed(seed)
    net = make_net(epochs).fit(X, y)
    rows = []
    for keep in (1.0, *KEEPS):
        model = PrunedClassifier(
            FrozenEstimator(net),
            unit="channel",
            keep=keep,
            refit={"max_epochs": refit_epochs, "callbacks__rate__T_max": refit_epochs},
            random_state=seed,
        ).fit(X, y)
        size = sum(part.numel() for part in model.estimator_.module_.parameters())
        rows.append((keep, size, model.score(X_test, y_test), milliseconds(model, X_test)))
    return rows


def main():
    """Print the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--refit-epochs", type=int, default=12)
    args, _ = parser.parse_known_args()
    rows = measure(args.epochs, args.refit_epochs)
    print(f"{'keep':>5} {'parameters':>11} {'accuracy':>9} {'200 rows':>9}")
    for keep, size, score, spent in rows:
        print(f"{keep:>5} {size:>11,} {score:>9.3f} {spent:>6.1f} ms")
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    _, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot([row[1] for row in rows], [row[2] for row in rows], "o-")
    axes.set(xlabel="parameters", ylabel="accuracy on test images", xscale="log")
    plt.show()


if __name__ == "__main__":
    main()
