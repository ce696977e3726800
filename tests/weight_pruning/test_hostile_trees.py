"""Trees, forests and boosting as people really fit them: nothing kept may change."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, issparse
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune._sizes import arrays_in

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5)).round(2)
NUMBERS = X @ [2.0, -1, 0, 0.5, 0] + np.where(X[:, 0] > 0.3, 3, 0) + RNG.random(120)
CODES = np.digitize(NUMBERS, [-1, 2])
HOLES = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
WEIGHTS = RNG.choice([0.0, 0.3, 1.0, 7.0], 120)
SMALL = {"n_estimators": 4, "random_state": 0}


def two(y):
    return np.stack([y, y[::-1]], axis=1)


LABELS = {
    "strings": np.array(["low", "middle", "top"])[CODES],
    "bools": CODES > 0,
    "negatives": np.array([-7, 0, 40])[CODES],
    "objects": np.array(["b", "a", "c"], dtype=object)[CODES],
    "floats": np.array([1.0, 2.0, 5.0])[CODES],
    "one class": np.full(120, 3),
    "one of a class": np.where(np.arange(120) == 5, 9, CODES),
    "outputs": two(CODES),
    "label sets": np.stack([CODES > 0, CODES > 1, X[:, 1] > 0], axis=1).astype(int),
    "output of one class": np.stack([CODES, np.full(120, 4)], axis=1),
}
CONTAINERS = {
    "float32": lambda X: X.astype(np.float32),
    "integers": lambda X: (10 * X).astype(int),
    "bools": lambda X: X > 0,
    "csr": lambda X: csr_array(np.where(np.abs(X) < 0.5, 0, X)),
    "csc": lambda X: csc_array(np.where(np.abs(X) < 0.5, 0, X)),
    "coo": lambda X: coo_array(np.where(np.abs(X) < 0.5, 0, X)),
    "one column": lambda X: X[:, :1],
    "constant": lambda X: np.ones_like(X),
    "huge": lambda X: X * 1e37,
    "tiny": lambda X: X * 1e-40,
    "read only": lambda X: np.frombuffer(X.tobytes()).reshape(X.shape),
}


def thresholds_of(model):
    """What the splits of a scikit-learn model compare with, by column."""
    found = []
    members = getattr(model, "estimators_", None)
    if members is None:
        members = [model] if hasattr(model, "tree_") else []
    columns = getattr(model, "estimators_features_", None)
    for number, member in enumerate(np.ravel(members)):
        tree = member.tree_
        inner = tree.children_left >= 0
        at = tree.feature[inner] if columns is None else columns[number][tree.feature[inner]]
        found += zip(at, tree.threshold[inner], strict=True)
    for stage in getattr(model, "_predictors", ()):
        for predictor in stage:
            nodes = predictor.nodes[(predictor.nodes["is_leaf"] == 0)]
            nodes = nodes[nodes["is_categorical"] == 0]
            found += zip(nodes["feature_idx"], nodes["num_threshold"], strict=True)
    return found


def hostile_rows(model, X):
    """Rows at thresholds and beside them, huge, tiny and missing where they may be."""
    if issparse(X) or not isinstance(X, np.ndarray) or X.dtype.kind != "f":
        return X
    rows = [X, np.zeros_like(X[:1]), -np.zeros_like(X[:1])]
    largest = np.finfo(np.float32).max
    rows += [np.full_like(X[:1], value) for value in (largest, -largest, 1e-45, -1e-320)]
    for column, threshold in thresholds_of(model)[:30]:
        if not np.isfinite(threshold):
            continue
        for value in (
            threshold,
            np.nextafter(threshold, np.inf),
            np.nextafter(threshold, -np.inf),
            np.nextafter(np.float32(threshold), np.float32(np.inf)),
            np.nextafter(np.float32(threshold), np.float32(-np.inf)),
        ):
            row = X[:1].copy()
            row[0, column] = value
            rows.append(row)
    if type(model).__name__.startswith("Hist"):
        rows += [np.full_like(X[:1], value) for value in (np.inf, -np.inf, 1e300)]
    if model.__sklearn_tags__().input_tags.allow_nan:
        rows += [HOLES[:60, : X.shape[1]].astype(X.dtype), np.full_like(X[:1], np.nan)]
    return np.vstack(rows)


def answers(model, X):
    """What each method says; of a method that raises, the class of its error."""
    found = {}
    for method in METHODS:
        if hasattr(model, method):
            try:
                with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                    found[method] = getattr(model, method)(X)
            except (ValueError, TypeError) as error:
                found[method] = ValueError if isinstance(error, ValueError) else TypeError
    return found


def assert_equal(found, expected, rtol=0.0):
    assert set(found) == set(expected)
    for method, values in expected.items():
        if isinstance(values, type):
            assert found[method] is values
            continue
        ours, theirs = found[method], values
        assert isinstance(ours, list) == isinstance(theirs, list), method
        if not isinstance(theirs, list):
            ours, theirs = [ours], [theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == other.dtype, method
            assert one.shape == other.shape, method
            if rtol and one.dtype.kind == "f":
                np.testing.assert_allclose(one, other, rtol=rtol, err_msg=method)
            else:
                np.testing.assert_array_equal(one, other, err_msg=method)


def pruned(model, **params):
    kind = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return kind(model, **{"random_state": 0, "cv": 2, **params})


def arrays_of(thing):
    """The arrays that an object holds, those of Cython trees included."""
    found = list(arrays_in(thing))
    for tree in trees_of(thing):
        found += [tree.value, tree.threshold, tree.feature, tree.children_left]
    return found


def trees_of(thing):
    members = getattr(thing, "estimators_", None)
    members = [thing] if members is None else np.ravel(np.asarray(members, dtype=object))
    return [member.tree_ for member in members if hasattr(member, "tree_")]


def assert_apart(one, other):
    """No array of one object is written to through an array of the other."""
    bounds = []
    for number, thing in enumerate((one, other)):
        for array in arrays_of(thing):
            if array.size and array.flags.writeable:
                low, high = np.lib.array_utils.byte_bounds(array)
                bounds.append((low, high, number, array.dtype, array.shape))
    bounds.sort(key=lambda bound: bound[:3])
    reach = [(-1, None), (-1, None)]
    for low, high, number, *what in bounds:
        beyond, theirs = reach[1 - number]
        assert low >= beyond, (what, theirs)
        if high > reach[number][0]:
            reach[number] = (high, what)


def assert_lossless(model, X, y, rows=None, rtol=0.0):
    """All kept of a fitted model is the model; it stays as it was and is shared by none."""
    before = pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        small = pruned(FrozenEstimator(model), keep=1.0).fit(X, y)
    rows = hostile_rows(model, X) if rows is None else rows
    expected = answers(model, rows)
    assert_equal(answers(small.compact_, rows), expected, rtol)
    assert_equal(answers(pickle.loads(pickle.dumps(small.compact_)), rows), expected, rtol)
    one = rows[:1] if not issparse(rows) else rows.tocsr()[:1]
    assert_equal(answers(small, one), answers(model, one), rtol)
    if is_classifier(model):
        many = isinstance(model.classes_, list)
        assert isinstance(small.classes_, list) == many
        pairs = (small.classes_, model.classes_) if many else (
            [small.classes_], [model.classes_])
        for ours, theirs in zip(*pairs, strict=True):
            np.testing.assert_array_equal(ours, theirs, strict=True)
    assert pickle.dumps(model) == before
    own = {name: value for name, value in vars(small).items() if name != "estimator"}
    assert_apart(model, own)
    try:
        again = small.estimator_
    except AttributeError as error:
        assert "compact_" in str(error)
    else:
        assert_equal(answers(again, rows), expected, max(rtol, 1e-12))
        assert_apart(again, own)
    return small
