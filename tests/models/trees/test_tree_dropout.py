"""Dropout of whole trees: the exact form, copies of rows, forests."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import train_test_split

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.models.trees.arrays import leaves_of_rows
from sklearn_prune.models.trees.dropout import added_penalty, dropout_masks
from sklearn_prune.models.trees.family import ForestFamily
from sklearn_prune.models.trees.refit import JointRefit
from sklearn_prune.weight_pruning._context import PruningContext
from tests.estimators import sk

DROPOUT = 0.3
CLASSIFIERS = [
    sk.RandomForestClassifier(15, max_depth=8, random_state=0),
    sk.ExtraTreesClassifier(15, max_depth=8, random_state=0),
    sk.BaggingClassifier(n_estimators=8, random_state=0),
    sk.DecisionTreeClassifier(random_state=0),
]
REGRESSORS = [
    sk.RandomForestRegressor(15, random_state=0),
    sk.DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
]


def named(model):
    return type(model).__name__


def fitted_arrays(model, X, y):
    """Trees of a fitted forest as arrays, and the leaves of the rows."""
    work = ForestFamily().start(model.fit(X, y), PruningContext(model, X, y))
    return work.nodes, leaves_of_rows(work.nodes, X.astype(np.float32))


def indicators(arrays, leaves, factors=None):
    """One column for each leaf; a tree that is dropped for a row has zeros there."""
    design = np.zeros((leaves.shape[1], len(arrays.left)))
    for tree, of_tree in enumerate(leaves):
        factor = 1.0 if factors is None else factors[tree]
        design[np.arange(len(of_tree)), of_tree] = factor
    return design[:, arrays.is_leaf]


def factors_of(masks, copy):
    return ((masks >> copy) & 1) / (1 - DROPOUT)


def test_the_exact_form_is_the_mean_of_sampled_normal_equations():
    X, y = load_diabetes(return_X_y=True)
    forest = sk.RandomForestRegressor(4, max_leaf_nodes=4, random_state=0)
    arrays, leaves = fitted_arrays(forest, X, y)
    generator = np.random.default_rng(0)
    weight = generator.integers(1, 4, len(y)).astype(float)
    plain = indicators(arrays, leaves)
    mean = np.zeros((plain.shape[1],) * 2)
    right = np.zeros(plain.shape[1])
    for _ in range(2000):
        factors = (generator.random(leaves.shape) >= DROPOUT) / (1 - DROPOUT)
        design = indicators(arrays, leaves, factors)
        mean += design.T @ (weight[:, None] * design) / 2000
        right += design.T @ (weight * y) / 2000
    exact = plain.T @ (weight[:, None] * plain)
    exact += added_penalty(DROPOUT) * np.diag(plain.T @ weight)
    assert np.linalg.norm(mean - exact) < 0.02 * np.linalg.norm(exact)
    assert np.allclose(np.diag(mean), np.diag(exact), rtol=0.02)
    assert np.allclose(right, plain.T @ (weight * y), rtol=0.02)

    refit = JointRefit(
        arrays, leaves, y, weight=weight, loss="squared", strength=3.0, dropout=DROPOUT
    ).sweep(500)
    centre, scale = np.average(y, weights=weight), weight.mean()
    ridge = 3.0 * scale * np.eye(len(exact))
    expected = np.linalg.solve(exact + ridge, plain.T @ (weight * (y - centre)))
    assert np.allclose(refit.W[arrays.is_leaf, 0] * refit.unit, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_copies_of_the_rows_minimise_the_loss_over_them(n_classes):
    X, y = load_iris(return_X_y=True)
    y = np.minimum(y, n_classes - 1)
    forest = sk.RandomForestClassifier(3, max_leaf_nodes=4, random_state=0)
    arrays, leaves = fitted_arrays(forest, X, y)
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    loss = "logistic" if n_classes == 2 else "softmax"
    refit = JointRefit(
        arrays, leaves, y, weight=weight, loss=loss, strength=1.0, n_classes=n_classes,
        dropout=DROPOUT, seed=3,
    )  # fmt: skip
    refit.sweep(400)
    masks, n_copies = refit.masks
    designs = [indicators(arrays, leaves, factors_of(masks, c)) for c in range(n_copies)]
    there = indicators(arrays, leaves).T @ np.eye(n_classes)[y] > 0
    if n_classes == 2:
        there = np.ones((len(there), 1), dtype=bool)

    def objective(flat):
        weights = np.zeros(there.shape)
        weights[there] = flat
        total = (flat**2).sum() / 2
        for design in designs:
            scores = refit.intercept + design @ weights
            if n_classes == 2:
                logs = np.log(expit(np.where(y == 1, scores[:, 0], -scores[:, 0])))
            else:
                logs = log_softmax(scores, axis=1)[np.arange(len(y)), y]
            total -= refit.weight @ logs / n_copies
        return total

    found = refit._table()[arrays.is_leaf][there]
    best = minimize(objective, np.zeros(there.sum()), method="BFGS")
    assert objective(found) == pytest.approx(best.fun, rel=1e-6)
    assert objective(found + 0.05) > objective(found)


def test_trees_are_dropped_as_often_as_asked():
    masks, n_copies = dropout_masks(0.2, 50, 1000, seed=0)
    assert n_copies == 8
    shares = [((masks >> copy) & 1).mean() for copy in range(8)]
    assert np.allclose(shares, 0.8, atol=0.01)
    first, _ = dropout_masks(0.2, 20, 1000, seed=0)
    assert np.array_equal(first, masks[:20])
    assert dropout_masks(0.2, 1, 10**6, seed=0)[1] == 2


def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, train_size=350, random_state=0)


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=named)
def test_classes_are_found_about_as_well(model, keep):
    X, X_test, y, y_test = digits()
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(model, **settings).fit(X, y)
    dropped = PrunedClassifier(model, dropout=0.2, **settings).fit(X, y)
    again = PrunedClassifier(model, dropout=0.2, n_jobs=2, **settings).fit(X, y)
    scores = dropped.predict_proba(X_test)
    assert not np.allclose(scores, plain.predict_proba(X_test))
    assert np.array_equal(scores, again.predict_proba(X_test))
    assert np.allclose(scores.sum(axis=1), 1)
    loss = plain.score(X_test, y_test) - dropped.score(X_test, y_test)
    assert loss < 0.1


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("model", REGRESSORS, ids=named)
def test_numbers_are_found_about_as_well(model, keep):
    X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedRegressor(model, **settings).fit(X, y)
    dropped = PrunedRegressor(model, dropout=0.2, **settings).fit(X, y)
    found = dropped.predict(X_test)
    assert not np.allclose(found, plain.predict(X_test))
    assert plain.score(X_test, y_test) - dropped.score(X_test, y_test) < 0.1
    # Shrinking is around the mean, not around zero.
    assert found.mean() == pytest.approx(y.mean(), abs=0.2 * y.std())


@pytest.mark.parametrize(
    ("model", "unit"),
    [
        (sk.RandomForestClassifier(6, random_state=0), "node"),
        (sk.RandomForestRegressor(6, random_state=0), "tree"),
    ],
)
def test_no_dropout_is_no_change(model, unit):
    X, y = load_iris(return_X_y=True)
    family, context = ForestFamily(), PruningContext(model, X, y, seed=0)
    work = family.start(model.fit(X, y), context)
    values = [
        _values(family.refit(work, unit, PruningContext(model, X, y, seed=0, **given)))
        for given in ({}, {"dropout": 0.0}, {"dropout": 0.4})
    ]
    assert np.array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])


def _values(work):
    return work.scored.arrays.value


def test_seeds_are_in_the_copies():
    X, y = load_iris(return_X_y=True)
    model = sk.RandomForestClassifier(6, max_depth=3, random_state=0).fit(X, y)
    values = []
    for seed in (0, 0, 1):
        context = PruningContext(model, X, y, seed=seed, dropout=0.3)
        work = ForestFamily().start(model, context)
        values.append(_values(ForestFamily().refit(work, "node", context)))
    assert np.array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])


def test_a_single_tree_is_drawn_to_the_mean():
    X, y = load_diabetes(return_X_y=True)
    model = sk.DecisionTreeRegressor(max_leaf_nodes=4, random_state=0).fit(X, y)
    family = ForestFamily()
    context = PruningContext(model, X, y, dropout=0.25)
    work = replace(family.start(model, context), strength=1e-9)
    refit = family.refit(work, "node", context)
    expected = y.mean() + 0.75 * (model.predict(X) - y.mean())
    assert np.allclose(refit.compact().predict(X), expected, rtol=1e-4)


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_several_class_outputs_are_not_refitted(keep):
    X, y = load_diabetes(return_X_y=True)
    model = PrunedClassifier(sk.RandomForestClassifier(3), keep=keep, dropout=0.2)
    with pytest.raises(InvalidParameterError, match=r"output.*Write dropout=0\.0"):
        model.fit(X, np.stack([y > 100, y > 200], axis=1))
