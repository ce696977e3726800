"""A fitted boosting model, whichever library fitted it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklearn_prune.predictors import TreeArrays, joined, levels


@dataclass(frozen=True)
class BoostedModel:
    """A fitted boosting model.

    Parameters
    ----------
    trees : TreeArrays
        With `gain`, `iteration` and `output`.
    start : ndarray of shape (n_outputs,), float64 or float32
        Raw score before the first tree; its dtype is the one of the sums.
    library : {"gradient", "hist", "lightgbm", "xgboost"}
        Name of the `Dialect` that holds.
    link : {"identity", "log", "sqrt", "log1p", "logit", "softmax", "one_vs_rest"}
        How raw scores become what is predicted.
    loss : str or None
        What the trees minimise, where a Newton step exists for it.
    n_features : int
        Number of columns of X.
    slope : float
        Factor of the raw score inside the logistic function.
    divisor : int
        Raw scores are divided by it before they mean anything: by the number of
        iterations where these are averaged.
    missing : float
        Value that stands for a missing one, beside NaN.
    categories : dict of int to array
        Values of a column that are replaced by their positions.
    classes, names : ndarray or None
        Class labels, feature names.
    zeros_missing : bool
        Whether zeros are missing values, in columns without categories.
    weights_by_code : bool
        Whether the class weights of the estimator name the codes of classes.
    n_fitted : int or None
        How many iterations were fitted: more than there are here, where training went on
        after the best one. None where `predict` of the library cannot ask for some.
    """

    trees: TreeArrays
    start: np.ndarray
    library: str
    link: str
    loss: str | None
    n_features: int
    slope: float = 1.0
    divisor: int = 1
    missing: float = np.nan
    categories: dict | None = None
    classes: np.ndarray | None = None
    names: np.ndarray | None = None
    zeros_missing: bool = False
    weights_by_code: bool = False
    n_fitted: int | None = None

    @property
    def n_outputs(self):
        """Number of columns of the raw score."""
        return len(self.start)


def boosted_trees(parts, category_sets=()):
    """The trees of a boosting model from arrays of each, whose inner values are not read.

    Splits are numbered.
    """
    trees = joined(parts)
    trees.category_sets = tuple(category_sets)
    trees.node = np.cumsum(trees.left >= 0) - 1
    fill_inner_values(trees)
    return trees


def fill_inner_values(trees):
    """Write at each split the mean of its children, weighted by their weight, in place."""
    for level in reversed(levels(trees)):
        left, right = trees.left[level], trees.right[level]
        weights = trees.weight[left] + trees.weight[right]
        share = np.divide(
            trees.weight[left], weights, out=np.full(len(level), 0.5), where=weights > 0
        )
        trees.value[level] = share * trees.value[left] + (1 - share) * trees.value[right]


@dataclass(frozen=True)
class BoostingReader:
    """How the models of one library are read.

    Parameters
    ----------
    read : callable
        Makes a BoostedModel of (fitted model, X of the fit or None); its `names` may be
        any sequence, and its `classes` are not read.
    refusal : callable
        Says why a model, fitted or not, has no predictor of its own, or gives None.
    needs_frame : callable
        Says why only the frame of the fit tells the categories of a fitted model, or
        gives None.
    """

    read: Callable
    refusal: Callable
    needs_frame: Callable = lambda model: None


def values_of_categories(values):
    """The values of a list of categories, each of the type that it has in a column."""
    mixed = 0 < sum(isinstance(value, str) for value in values) < len(values)
    return np.asarray(values, dtype=object if mixed else None)
