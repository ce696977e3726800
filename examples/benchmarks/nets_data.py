"""MNIST and the nets of `nets.py`."""

import os
import time
from itertools import pairwise

import numpy as np
import torch
from families_data import Split
from sklearn.base import clone
from sklearn.datasets import fetch_openml
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

_LOADED = {}


def mnist(*, flat=True):
    """The usual split, pixels standardised by their common mean and deviation."""
    if not _LOADED:
        path = os.environ.get("SKLEARN_PRUNE_MNIST")
        if path:
            with np.load(path) as data:
                names = ("x_train", "y_train", "x_test", "y_test")
                arrays = [data[name] for name in names]
        else:
            X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
            arrays = [X[:60_000], y[:60_000], X[60_000:], y[60_000:]]
        X, y, X_test, y_test = arrays
        X, X_test = (
            ((part.reshape(len(part), -1) / 255 - 0.1307) / 0.3081).astype(np.float32)
            for part in (X, X_test)
        )
        _LOADED["split"] = Split(
            X, y.astype(np.int64), X_test, y_test.astype(np.int64), True
        )
    split = _LOADED["split"]
    if flat:
        return split
    shape = (-1, 1, 28, 28)
    return Split(
        split.X.reshape(shape), split.y, split.X_test.reshape(shape), split.y_test, True
    )


class Dense(nn.Sequential):
    """Layers of rectified units: LeNet-300-100 for (784, 300, 100, 10)."""

    def __init__(self, sizes=(784, 300, 100, 10), dropout=0.0):
        layers = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        last = 3 if dropout else 2
        super().__init__(*layers[: len(layers) - last + 1])


class LeNet5(nn.Sequential):
    """Two convolutions and two dense layers: LeNet-5 as in Caffe for (20, 50, 500)."""

    def __init__(self, sizes=(20, 50, 500)):
        first, second, third = sizes
        super().__init__(
            nn.Conv2d(1, first, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * second, third),
            nn.ReLU(),
            nn.Linear(third, 10),
        )


def annealed(epochs):
    """Callbacks that let the learning rate fall to zero along a cosine."""
    return [("rate", LRScheduler(policy=CosineAnnealingLR, T_max=epochs))]


def net(module, *, epochs, lr=1.2e-3, batch_size=128, **module_params):
    """A skorch net under Adam, trained on all rows."""
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=lr,
        batch_size=batch_size,
        max_epochs=epochs,
        callbacks=annealed(epochs),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **{f"module__{name}": value for name, value in module_params.items()},
    )


def fitted(model, part, seed):
    """A clone of a net, trained with this seed, and the CPU seconds that it took."""
    start = time.process_time()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = clone(model).fit(part.X, part.y)
    return model, time.process_time() - start


def torch_forward(model):
    """The bare forward pass of a net, as a function of rows."""
    module = model.module_.eval()

    def forward(X):
        with torch.inference_mode():
            return module(torch.from_numpy(X))

    return forward
