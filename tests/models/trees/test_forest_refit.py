"""Joint refit of leaves, sibling merge, collapsed nodes: against brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit, log_softmax
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_prune.models.trees.arrays import (
    collapse,
    leaves_of_rows,
    max_below,
    shared_thresholds,
)
from sklearn_prune.models.trees.refit import JointRefit
from sklearn_prune.models.trees.work import FittedForest
from sklearn_prune.predictors.trees.arrays import pick_trees

RNG = np.random.default_rng(0)


def arrays_of(forest):
    return FittedForest(forest).whole


@pytest.fixture(scope="module")
def regression():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(4, max_leaf_nodes=8, random_state=0).fit(X, y)
    arrays = arrays_of(forest)
    return forest, arrays, X, y, leaves_of_rows(arrays, X)


def indicators(arrays, leaves):
    """One column for each leaf, ones for the rows in it."""
    columns = np.zeros((leaves.shape[1], len(arrays.left)))
    for of_tree in leaves:
        columns[np.arange(len(of_tree)), of_tree] = 1
    return columns[:, arrays.is_leaf]


def test_leaves_are_those_of_scikit_learn(regression):
    forest, arrays, X, _, leaves = regression
    assert np.array_equal(leaves - arrays.start[:-1, None], forest.apply(X).T)
    assert np.array_equal(leaves_of_rows(arrays, csr_matrix(X), block=50), leaves)


def test_missing_values_go_where_scikit_learn_sends_them():
    X, y = load_iris(return_X_y=True)
    X = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    arrays = arrays_of(forest)
    found = leaves_of_rows(arrays, X) - arrays.start[:-1, None]
    assert np.array_equal(found, forest.apply(X).T)


@pytest.mark.parametrize("centred", [False, True])
def test_squared_loss_is_ridge_regression_on_leaf_indicators(regression, centred):
    _, arrays, X, y, leaves = regression
    weight = RNG.integers(1, 4, len(y)).astype(float)
    votes = arrays.value if centred else None
    refit = JointRefit(
        arrays, leaves, y, weight=weight, loss="squared", strength=3.0, votes=votes
    ).sweep(400)
    centre, mean_weight = np.average(y, weights=weight), weight.mean()
    prior = (arrays.value[arrays.is_leaf, 0] - centre) / 4 if centred else 0
    design = indicators(arrays, leaves)
    ridge = Ridge(3.0 * mean_weight, fit_intercept=False)
    ridge.fit(design, y - centre - design @ (prior * np.ones(design.shape[1])), weight)
    expected = centre + design @ (ridge.coef_ + prior)
    scored = refit.finished(rounded=False)
    assert np.allclose(scored.sums(leaves_of_rows(scored.arrays, X))[:, 0], expected)


def test_two_targets_are_two_problems(regression):
    _, arrays, _, y, leaves = regression
    both = np.stack([y, y[::-1] ** 2], axis=1)
    found = JointRefit(arrays, leaves, both, loss="squared", strength=5.0).sweep(30)
    for k in range(2):
        alone = JointRefit(arrays, leaves, both[:, k], loss="squared", strength=5.0)
        assert np.allclose(alone.sweep(30).W[:, 0], found.W[:, k])


def test_logistic_loss_is_minimised():
    X, y = load_iris(return_X_y=True)
    y = (y == 1).astype(int)
    forest = RandomForestClassifier(3, max_leaf_nodes=5, random_state=0).fit(X, y)
    arrays = arrays_of(forest)
    leaves = leaves_of_rows(arrays, X)
    refit = JointRefit(arrays, leaves, y, loss="logistic", strength=1.0).sweep(300)
    design = indicators(arrays, leaves)

    def objective(weights):
        scores = refit.intercept[0] + design @ weights
        return (
            -np.log(expit(np.where(y == 1, scores, -scores))).sum() + (weights**2).sum() / 2
        )

    best = minimize(objective, np.zeros(design.shape[1]), method="BFGS").fun
    assert objective(refit.W[arrays.is_leaf, 0]) == pytest.approx(best, rel=1e-5)


def test_softmax_loss_is_minimised_over_the_classes_in_leaves():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(3, max_leaf_nodes=4, random_state=0).fit(X, y)
    arrays = arrays_of(forest)
    leaves = leaves_of_rows(arrays, X)
    refit = JointRefit(arrays, leaves, y, loss="softmax", strength=1.0, n_classes=3)
    refit.sweep(300)
    design = indicators(arrays, leaves)
    there = design.T @ np.eye(3)[y] > 0

    def objective(flat):
        weights = np.zeros(there.shape)
        weights[there] = flat
        scores = log_softmax(refit.intercept + design @ weights, axis=1)
        return -scores[np.arange(len(y)), y].sum() + (flat**2).sum() / 2

    found = refit._table()[arrays.is_leaf]
    assert not found[~there].any()
    best = minimize(objective, np.zeros(there.sum()), method="BFGS").fun
    assert objective(found[there]) == pytest.approx(best, rel=1e-5)


def test_an_absolute_penalty_makes_zeros(regression):
    _, arrays, _, y, leaves = regression
    settings = {"loss": "squared", "strength": 40.0}
    ridge = JointRefit(arrays, leaves, y, **settings).sweep(50)
    lasso = JointRefit(arrays, leaves, y, l1=True, **settings).sweep(50)
    assert (ridge.W[arrays.is_leaf] != 0).all()
    assert 0 < (lasso.W[arrays.is_leaf] == 0).sum() < arrays.n_leaves


@pytest.mark.parametrize("kind", ["squared", "softmax"])
def test_merging_stops_at_the_size_and_keeps_rows_in_their_region(kind):
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    arrays = arrays_of(forest)
    leaves = leaves_of_rows(arrays, X)
    refit = JointRefit(
        arrays, leaves, y, loss=kind, strength=1.0, n_classes=3, watched=leaves[:, ::2]
    ).sweep(3)
    for n_splits in (20, 9, 0):
        refit.merge_to(n_splits)
        assert refit.n_splits == n_splits
        assert np.array_equal(refit.leaves[:, ::2], refit.watched)
        scored = refit.finished(rounded=False)
        assert np.count_nonzero(~scored.arrays.is_leaf) == n_splits
        smaller, position = collapse(arrays, refit.alive & ~refit.leaf)
        assert np.array_equal(leaves_of_rows(smaller, X), position[refit.leaves])


def test_the_cheapest_siblings_are_merged_first(regression):
    _, arrays, _, y, leaves = regression
    refit = JointRefit(arrays, leaves, y, loss="squared", strength=1.0).sweep(20)
    inner = np.flatnonzero(~arrays.is_leaf)
    pairs = [
        v
        for v in inner
        if arrays.is_leaf[arrays.left[v]] and arrays.is_leaf[arrays.right[v]]
    ]
    counts = np.bincount(leaves.ravel(), minlength=len(arrays.left))
    losses = []
    for v in pairs:
        a, b = arrays.left[v], arrays.right[v]
        share = counts[a] * counts[b] / max(counts[a] + counts[b], 1)
        losses.append(share * (refit.W[a, 0] - refit.W[b, 0]) ** 2)
    refit.merge_to(refit.n_splits - 1)
    assert refit.leaf[pairs[int(np.argmin(losses))]]


def test_rounded_scores_are_small_integers(regression):
    _, arrays, _, y, leaves = regression
    refit = JointRefit(arrays, leaves, y, loss="squared", strength=1.0).sweep(50)
    exact, small = refit.finished(rounded=False), refit.finished()
    codes = small.arrays.value / small.scale
    assert np.allclose(codes, np.rint(codes), atol=1e-6)
    assert np.abs(codes).max() <= 127.5
    gap = exact.sums(leaves) - small.sums(leaves)
    assert np.sqrt(np.mean(gap**2)) < 0.02 * y.std()


def test_a_copy_goes_its_own_way(regression):
    _, arrays, _, y, leaves = regression
    before = leaves.copy()
    refit = JointRefit(arrays, leaves, y, loss="squared", strength=1.0).sweep(5)
    W = refit.W.copy()
    refit.copy().sweep(5).merge_to(3)
    assert np.array_equal(refit.W, W)
    assert np.array_equal(leaves, before)
    assert refit.n_splits == 28


def test_the_best_below(regression):
    _, arrays, *_ = regression
    scores = RNG.random(len(arrays.left))
    best = max_below(arrays, scores)

    def brute(v):
        if arrays.left[v] < 0:
            return -np.inf
        return max(scores[v], brute(arrays.left[v]), brute(arrays.right[v]))

    assert np.array_equal(best, [brute(v) for v in range(len(arrays.left))])


def test_trees_are_picked_in_order(regression):
    _, arrays, X, _, leaves = regression
    picked = pick_trees(arrays, np.array([2, 0]))
    assert list(picked.tree) == [2, 0]
    found = picked.node[leaves_of_rows(picked, X)]
    assert np.array_equal(found, arrays.node[leaves[[2, 0]]])


def test_thresholds_are_shared_and_in_the_set_of_old_ones():
    X, y = load_diabetes(return_X_y=True)
    arrays = arrays_of(RandomForestRegressor(10, random_state=0).fit(X, y))
    shared = shared_thresholds(arrays)
    for feature in range(X.shape[1]):
        own = ~arrays.is_leaf & (arrays.feature == feature)
        before, after = np.unique(arrays.threshold[own]), np.unique(shared.threshold[own])
        assert np.isin(after, before).all()
        assert len(after) <= min(128, max(16, own.sum() // 3))
    same = leaves_of_rows(shared, X) == leaves_of_rows(arrays, X)
    assert same.mean() > 0.7


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("strength", [0.001, 0.1])
@pytest.mark.parametrize("weights", ["none", "balanced", "zeros", "skewed"])
def test_scores_stay_finite_where_odds_of_classes_go_far(weights, strength, dropout):
    """Steps are long where leaves are small and the penalty is weak."""
    rng = np.random.default_rng(1)
    y = np.where(rng.random(100) < 0.7, 0, rng.integers(0, 4, 100))
    X = np.hstack([np.eye(6)[(y + rng.integers(0, 3, 100)) % 6], np.ones((100, 1))])
    weight = {
        "none": None,
        "balanced": compute_sample_weight("balanced", y),
        "zeros": (rng.random(100) < 0.5) * 1.0,
        "skewed": np.exp(3 * rng.normal(size=100)),
    }[weights]
    forest = RandomForestClassifier(40, min_samples_leaf=3, random_state=0)
    arrays = arrays_of(forest.fit(X, y, sample_weight=weight))
    leaves = leaves_of_rows(arrays, X)
    refit = JointRefit(
        arrays, leaves, y, weight=weight, loss="softmax", strength=strength,
        votes=arrays.value, n_classes=4, dropout=dropout,
    ).sweep(8)  # fmt: skip
    scored = refit.finished(rounded=False)
    assert np.isfinite(scored.arrays.value).all()
    assert np.isfinite(refit.H).all()
    assert refit.H.min() > -1e-2 * refit.weight.sum()
