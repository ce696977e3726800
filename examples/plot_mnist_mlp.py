"""
MNIST with half of its rows
===========================

A net of 128 hidden units with dropout is trained on MNIST twice from the same initial
parameters: on all rows, and on the rows that are left when each is deleted at random
with probability 0.5.

The same net is then pruned: by the size of its weights (magnitude), after training under
an L1 and under an L2 penalty, by whole neurons, with dropout of hidden units while it is
trained again, and with its weights stored as half floats, as bytes and as sixteen shared
values. Random weights of equal number are the control. One table shows all.

The initial parameters are saved before the first training. A skorch callback reloads them
when a training starts, wherever it starts: also in the clone that
``SampleSubsetClassifier`` makes.

``--data PATH`` takes an npz file with x_train, y_train, x_test and y_test. Without it the
data come from OpenML, and where that cannot be reached, scikit-learn's digits stand in.
"""

import argparse
import lzma
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import fetch_openml, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier
from sklearn_prune.sample_selection import RandomSelector
from sklearn_prune.weight_pruning import PenaltyCriterion, Quantizer, RandomCriterion

KEEP = 0.1  # of the weights
PRUNINGS = {
    "all weights": {"keep": 1.0},
    "random weights": {"criterion": RandomCriterion(), "unit": "weight"},
    "large weights": {"unit": "weight"},
    "large weights, cut while training": {},
    "after an L1 penalty": {"criterion": PenaltyCriterion("l1"), "unit": "weight"},
    "after an L2 penalty": {"criterion": PenaltyCriterion("l2"), "unit": "weight"},
    "large weights, dropout 0.2": {"unit": "weight", "dropout": 0.2},
    "neurons": {"unit": "neuron"},
    "large weights, float16": {"quantize": "float16"},
    "large weights, int8": {"quantize": "int8"},
    "large weights, 16 shared values": {"quantize": Quantizer("codebook", n_values=16)},
}


class ReloadParameters(Callback):
    """Set the parameters of the module to saved ones when training begins.

    A module that has lost neurons keeps those that it has.

    Parameters
    ----------
    saved : dict of str -> ndarray
        The parameters by name.
    """

    def __init__(self, saved):
        self.saved = saved

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Load the saved parameters into the module."""
        state = {name: torch.as_tensor(value) for name, value in self.saved.items()}
        own = net.module_.state_dict()
        if all(own[name].shape == value.shape for name, value in state.items()):
            net.module_.load_state_dict(state)


class MLP(nn.Sequential):
    """One hidden layer of rectified units with dropout."""

    def __init__(self, n_features=784, n_hidden=128, n_classes=10, dropout=0.2):
        super().__init__(
            nn.Linear(n_features, n_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_classes),
        )


def make_net(n_features, *, max_epochs=5, seed=0):
    """Return a net that starts each training from the same saved parameters."""
    net = NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        batch_size=32,
        iterator_train__shuffle=True,
        max_epochs=max_epochs,
        train_split=None,
        verbose=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        initial = clone(net).initialize().module_.state_dict()
    saved = {name: value.numpy() for name, value in initial.items()}
    return net.set_params(callbacks=[("reload", ReloadParameters(saved))])


def load(path=None):
    """Return X_train, y_train, X_test, y_test with pixels in [0, 1]."""
    if path is not None:
        with np.load(path) as data:
            names = ("x_train", "y_train", "x_test", "y_test")
            X_train, y_train, X_test, y_test = (data[name] for name in names)
    else:
        try:
            with warnings.catch_warnings(action="ignore"):  # of each retry
                X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
        except OSError as error:
            print(f"OpenML cannot be reached ({error}). Using scikit-learn's digits.")
            X, y = load_digits(return_X_y=True)
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=0.2, stratify=y, random_state=0
            )
        else:
            X_train, X_test, y_train, y_test = (
                X[:60_000],
                X[60_000:],
                y[:60_000],
                y[60_000:],
            )
    scale = 255 if X_train.max() > 16 else 16
    X_train, X_test = (
        (X.reshape(len(X), -1) / scale).astype(np.float32) for X in (X_train, X_test)
    )
    return X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64)


def train_twice(X_train, y_train, X_test, y_test, *, max_epochs=5, seed=0):
    """Train on all rows and on half of them; yield what to print, and the model."""
    net = make_net(X_train.shape[1], max_epochs=max_epochs, seed=seed)
    deleted_at_random = RandomSelector(scheme="bernoulli")
    for label, keep in (("all rows", 1.0), ("each row deleted with p = 0.5", 0.5)):
        model = SampleSubsetClassifier(net, deleted_at_random, keep=keep, random_state=seed)
        start = time.perf_counter()
        model.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        yield label, model.score(X_test, y_test), len(model.sample_indices_), seconds, model


def prune(X_train, y_train, X_test, y_test, *, max_epochs=5, seed=0):
    """Prune the net in several ways; yield what to print, and the model."""
    net = make_net(X_train.shape[1], max_epochs=max_epochs, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = clone(net).fit(X_train, y_train)
    for label, how in PRUNINGS.items():
        arguments = {"keep": KEEP, "random_state": seed, **how}
        start = time.perf_counter()
        model = PrunedClassifier(FrozenEstimator(net), **arguments).fit(X_train, y_train)
        seconds = time.perf_counter() - start
        stored = len(lzma.compress(pickle.dumps(model.compact_)))
        yield label, model.score(X_test, y_test), stored, seconds, model


def main():
    """Load the data, train twice, prune, print one line for each training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, help="npz file with MNIST")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = load(arguments.data)
    print(f"{'training set':32} {'test accuracy':>13} {'rows':>7} {'seconds':>8}")
    for label, accuracy, n_rows, seconds, _ in train_twice(
        *data, max_epochs=arguments.epochs, seed=arguments.seed
    ):
        print(f"{label:32} {100 * accuracy:11.2f} % {n_rows:7} {seconds:8.1f}", flush=True)
    head = f"{'weights':36} {'test accuracy':>13} {'non-zero':>9} {'bytes':>8}"
    print(f"\n{head} {'seconds':>8}")
    for label, accuracy, stored, seconds, model in prune(
        *data, max_epochs=arguments.epochs, seed=arguments.seed
    ):
        nonzero = model.report_.after["nonzero"]
        line = f"{label:36} {100 * accuracy:11.2f} % {nonzero:9} {stored:8} {seconds:8.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
