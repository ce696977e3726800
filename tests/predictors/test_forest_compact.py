"""Compact forests against the models of scikit-learn that they are made from."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    BaggingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import (
    DecisionTreeRegressor,
    ExtraTreeRegressor,
)

from sklearn_prune.models.trees.work import compact_forest, is_forest_of_trees
from sklearn_prune.predictors.quantized import arrays_in
from sklearn_prune.predictors.trees.arrays import TreeArrays
from sklearn_prune.predictors.trees.flat import FlatTrees
from sklearn_prune.predictors.trees.forest import compact_score_forest
from sklearn_prune.weight_pruning import Quantizer

MANY = {"n_estimators": 9, "random_state": 0}


@pytest.fixture(scope="module")
def classes():
    return make_classification(
        700, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0
    )


@pytest.fixture(scope="module")
def numbers():
    return make_friedman1(700, n_features=8, noise=1.0, random_state=0)


def assert_same(expected, got):
    """Equal to the bit, of one shape and dtype, array by array."""
    if isinstance(expected, list):
        assert isinstance(got, list)
        assert len(got) == len(expected)
        for one, other in zip(expected, got, strict=True):
            assert_same(one, other)
        return
    assert got.dtype == expected.dtype
    assert_array_equal(got, expected, strict=True)


def with_missing(X):
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.15] = np.nan
    return X


def assert_lossless(model, X, methods=("predict",)):
    """The compact form, and the form loaded from its pickle, give what the model does."""
    compact = compact_forest(model)
    loaded = pickle.loads(pickle.dumps(compact))
    several = [X, X[:1], X[:90], X.astype(np.float32), np.asfortranarray(X)]
    if compact._allow_nan:
        several += [with_missing(X), with_missing(X)[:50]]
    for rows in several:
        for name in methods:
            with np.errstate(divide="ignore"):
                expected = getattr(model, name)(rows)
            assert_same(expected, getattr(compact, name)(rows))
            assert_same(expected, getattr(loaded, name)(rows))
    return compact


def test_constant_targets_make_trees_without_splits(numbers):
    X, _ = numbers
    model = RandomForestRegressor(**MANY).fit(X, np.full(len(X), 2.5))
    compact = assert_lossless(model, X)
    assert compact.n_parameters() == 9


def test_sparse_rows(numbers):
    X, y = numbers
    X = np.where(X < 0.4, 0, X)
    model = RandomForestRegressor(**MANY).fit(X, y)
    compact = compact_forest(model)
    for container in (sp.csr_matrix, sp.csc_array):
        for rows in (X, X[:3]):
            assert_same(model.predict(rows), compact.predict(container(rows)))
    bad = sp.csr_matrix(np.full((1, 8), np.nan))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        compact.predict(bad)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_what_does_not_fit_float32_is_refused(numbers, value):
    compact = compact_forest(DecisionTreeRegressor().fit(*numbers))
    with pytest.raises(ValueError, match="infinity or a value too large for dtype"):
        compact.predict(np.full((2, 8), value))


def test_missing_values_are_refused_where_the_model_refuses_them(numbers):
    compact = compact_forest(ExtraTreeRegressor(splitter="best").fit(*numbers))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        compact.predict(np.full((2, 8), np.nan))


def test_threads_do_not_change_results(classes):
    X, y = classes
    model = RandomForestClassifier(**MANY).fit(X, y)
    compact = compact_forest(model)
    many = np.vstack([X] * 14)
    one = compact.predict_proba(many)
    compact.n_jobs = 2
    assert_array_equal(compact.predict_proba(many), one)
    assert_array_equal(model.predict_proba(many), one)


def test_bytes_of_a_forest(classes, numbers):
    for model, data, least in [
        (RandomForestClassifier(30, random_state=0), classes, 15),
        (RandomForestRegressor(30, random_state=0), numbers, 11),
        (RandomForestRegressor(30, random_state=0, min_samples_leaf=5), numbers, 7),
    ]:
        compact = compact_forest(model.fit(*data))
        live = sum(array.nbytes for array in arrays_in(compact))
        assert len(pickle.dumps(model)) > least * live


def test_parameters_are_two_a_split_and_the_outputs_of_a_leaf(classes):
    model = RandomForestClassifier(**MANY).fit(*classes)
    trees = [tree.tree_ for tree in model.estimators_]
    n_splits = sum(tree.node_count - tree.n_leaves for tree in trees)
    values = [tree.value[tree.children_left < 0] for tree in trees]
    compact = compact_forest(model)
    n_values = sum(value.size for value in values)
    assert compact.n_parameters() == 2 * n_splits + n_values
    nonzero = sum(np.count_nonzero(value) for value in values)
    assert compact.n_nonzero() == 2 * n_splits + nonzero


def test_apply_tells_the_leaves_apart(numbers):
    X, y = numbers
    model = RandomForestRegressor(**MANY).fit(X, y)
    found = compact_forest(model).apply(X)
    for ours, theirs in zip(found.T, model.apply(X).T, strict=True):
        pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
        assert len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))


@pytest.mark.parametrize("scheme", ["int8", "float16", "codebook"])
def test_quantized_regressors_are_smaller_and_close(numbers, scheme):
    X, y = numbers
    compact = compact_forest(RandomForestRegressor(**MANY).fit(X, y))
    small = compact.quantized(Quantizer(scheme))
    bytes_of = [sum(array.nbytes for array in arrays_in(each)) for each in (compact, small)]
    assert bytes_of[1] < bytes_of[0]
    assert_allclose(small.predict(X), compact.predict(X), atol=0.2)
    assert_allclose(small.predict(X[:2]), small.predict(X)[:2], rtol=1e-12)


def test_other_models_are_refused(classes):
    X, y = classes
    model = IsolationForest(n_estimators=5).fit(X)
    assert not is_forest_of_trees(model)
    assert not is_forest_of_trees(BaggingClassifier(LogisticRegression()).fit(X, y))
    with pytest.raises(TypeError, match="Got IsolationForest"):
        compact_forest(model)


def score_trees(n_outputs, seed=0):
    rng = np.random.default_rng(seed)
    split = np.array([1, -1, -1]), np.array([2, -1, -1])
    return [
        TreeArrays(
            *split,
            np.array([t % 3, -2, -2]),
            np.zeros(3),
            rng.normal(size=(3, n_outputs)),
        )
        for t in range(6)
    ]


@pytest.mark.parametrize("n_classes", [1, 2, 4])
def test_score_classifiers(n_classes):
    X = np.random.default_rng(1).normal(size=(300, 3))
    n_outputs = n_classes if n_classes > 2 else 1
    trees = score_trees(n_outputs)
    intercept = np.linspace(-1, 0.5, n_outputs)
    scores = np.zeros((300, n_outputs)) + intercept
    for t, tree in enumerate(trees):
        scores += tree.value[np.where(X[:, t % 3] <= 0, 1, 2)]
    labels = np.array(["d", "b", "c", "a"])[:n_classes]
    compact = compact_score_forest(FlatTrees.build(trees, 3), intercept, labels)
    if n_classes > 2:
        expected = softmax(scores, axis=1)
    else:
        expected = np.hstack([expit(-scores), expit(scores)])
    if n_classes == 1:
        expected = np.ones((300, 1))
    assert_allclose(compact.predict_proba(X), expected, rtol=1e-12)
    assert_allclose(compact.predict_log_proba(X), np.log(expected), rtol=1e-9, atol=1e-12)
    assert_array_equal(compact.predict(X), labels[expected.argmax(axis=1)])
    assert_array_equal(
        pickle.loads(pickle.dumps(compact)).predict_proba(X), compact.predict_proba(X)
    )


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_score_regressors(n_outputs):
    X = np.random.default_rng(1).normal(size=(300, 3))
    trees = score_trees(n_outputs)
    expected = np.zeros((300, n_outputs)) + 0.25
    for t, tree in enumerate(trees):
        expected += tree.value[np.where(X[:, t % 3] <= 0, 1, 2)]
    compact = compact_score_forest(FlatTrees.build(trees, 3), 0.25)
    got = compact.predict(X)
    assert got.shape == ((300,) if n_outputs == 1 else (300, 2))
    assert_array_equal(got.reshape(300, -1), expected)
