"""Trees, forests and bagging: sizes, votes kept or refitted, inner judging, restoring."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_friedman1
from sklearn.model_selection import train_test_split

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune import weight_pruning as wp
from sklearn_prune._ranking import Ranking
from sklearn_prune.models.trees.family import BaggedTreesFamily, ForestFamily
from sklearn_prune.models.trees.units import greedy_order, out_of_bag
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._protocol import PruningRequest
from tests.estimators import sk

CANCER = load_breast_cancer(return_X_y=True)
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


def forest(kind=sk.RandomForestClassifier, n=12, **params):
    return kind(n, random_state=0, **params)


def started(model, X, y, **settings):
    """A family, its working form of the fitted model, and the context."""
    family = BaggedTreesFamily() if "Bagging" in type(model).__name__ else ForestFamily()
    context = PruningContext(clone(model), X, y, seed=0, **settings)
    assert family.accepts(model)
    return family, family.start(model, context), context


def parameters(model):
    """Two for each split and the outputs of each leaf, tree by tree."""
    total = 0
    for member in getattr(model, "estimators_", [model]):
        tree = member.tree_
        width = (
            int(np.sum(tree.n_classes)) if hasattr(member, "classes_") else (tree.n_outputs)
        )
        total += 2 * (tree.node_count - tree.n_leaves) + width * tree.n_leaves
    return total


MODELS = [
    (forest(), CANCER),
    (forest(), IRIS),
    (forest(sk.RandomForestRegressor), DIABETES),
    (forest(sk.ExtraTreesClassifier), IRIS),
    (sk.DecisionTreeClassifier(random_state=0), CANCER),
    (sk.DecisionTreeRegressor(random_state=0), DIABETES),
    (sk.ExtraTreeClassifier(random_state=0), IRIS),
    (sk.BaggingClassifier(n_estimators=12, max_features=0.5, random_state=0), CANCER),
    (sk.BaggingRegressor(n_estimators=8, random_state=0), DIABETES),
    (forest(), (IRIS[0], np.stack([IRIS[1], IRIS[1] % 2], axis=1))),
    (forest(sk.RandomForestRegressor), (DIABETES[0], np.stack([DIABETES[1]] * 2, axis=1))),
]
IDS = [f"{type(model).__name__}-{np.shape(y)}" for model, (_, y) in MODELS]


def pruned(model, **params):
    kind = PrunedClassifier if hasattr(model, "predict_proba") else PrunedRegressor
    return kind(model, random_state=0, **params)


@pytest.mark.parametrize(("model", "data"), MODELS, ids=IDS)
def test_nothing_pruned_is_the_model_to_the_bit(model, data):
    fitted = clone(model).fit(*data)
    family, work, _ = started(fitted, *data)
    compact = family.compact(work)
    assert np.array_equal(compact.predict(data[0]), fitted.predict(data[0]))
    assert family.count(work)[0] == parameters(fitted) == compact.n_parameters()
    assert family.count(work)[1] == compact.n_nonzero()


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize(("model", "data"), MODELS, ids=IDS)
def test_a_share_of_the_parameters_is_left(model, data, refit):
    whole = parameters(clone(model).fit(*data))
    for keep in (0.5, 0.1):
        small = pruned(model, keep=keep, refit=refit).fit(*data)
        assert small.compact_.n_parameters() <= np.floor(keep * whole + 0.5)
        again = pickle.loads(pickle.dumps(small.compact_))
        assert np.array_equal(again.predict(data[0]), small.predict(data[0]))
        assert small.predict(data[0]).shape == data[1].shape


@pytest.mark.parametrize(("model", "data"), MODELS, ids=IDS)
def test_without_refit_the_pruned_model_is_one_of_scikit_learn(model, data):
    small = pruned(model, keep=0.3, refit=False).fit(*data)
    restored = small.estimator_
    assert type(restored) is type(model)
    assert np.array_equal(restored.predict(data[0]), small.predict(data[0]))
    if hasattr(restored, "predict_proba"):
        found, expected = restored.predict_proba(data[0]), small.predict_proba(data[0])
        if data[1].ndim == 1:
            found, expected = [found], [expected]
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one, other)
    assert parameters(restored) == small.compact_.n_parameters()


def test_summed_scores_are_not_scikit_learns():
    family, work, context = started(forest().fit(*CANCER), *CANCER)
    scored = family.refit(work, "node", context).compact()
    with pytest.raises(AttributeError, match="cannot hold refitted leaves"):
        family.restore(scored, forest())


@pytest.mark.parametrize("unit", ["node", "leaf"])
@pytest.mark.parametrize(
    "criterion",
    [
        wp.RandomCriterion(),
        wp.MagnitudeCriterion(),
        wp.SecondOrderCriterion(),
        wp.PenaltyCriterion("l1"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("data", [CANCER, IRIS, DIABETES], ids=["two", "three", "numbers"])
def test_as_many_nodes_and_leaves_as_asked_for(unit, criterion, data):
    model = forest(
        sk.RandomForestRegressor if data is DIABETES else sk.RandomForestClassifier, 5
    )
    fitted = clone(model).fit(*data)
    sizes = np.array([[t.tree_.node_count, t.tree_.n_leaves] for t in fitted.estimators_])
    before = None
    for keep in (30, 12):
        small = pruned(model, criterion=criterion, unit=unit, keep=keep, refit=False)
        small.fit(*data)
        trees = [t.tree_ for t in small.estimator_.estimators_]
        leaves = sum(t.n_leaves for t in trees)
        splits = sum(t.node_count - t.n_leaves for t in trees)
        assert (splits if unit == "node" else leaves) == keep == len(small.kept_)
        assert small.n_units_ == (sizes[:, 1] if unit == "leaf" else sizes @ [1, -1]).sum()
        support = small.get_support()
        if before is not None:
            assert not (support & ~before).any()
        before = support


def test_the_magnitude_of_a_node_is_its_decrease_of_impurity():
    model = sk.DecisionTreeClassifier(random_state=0).fit(*CANCER)
    family, work, context = started(model, *CANCER)
    tree, expected = model.tree_, []
    for v in range(tree.node_count):
        left, right = tree.children_left[v], tree.children_right[v]
        if left >= 0:
            of = tree.weighted_n_node_samples * tree.impurity / len(CANCER[1])
            expected.append(of[v] - of[left] - of[right])
    found = family.weights(work, "node", context)[:, 0]
    assert np.allclose(found, expected)
    small = family.apply(work, "node", np.array([0]), context)
    stump = sk.DecisionTreeClassifier(max_depth=1, random_state=0).fit(*CANCER)
    compact = family.compact(small)
    assert np.array_equal(compact.predict_proba(CANCER[0]), stump.predict_proba(CANCER[0]))


def test_importances_are_those_of_the_splits_that_are_left():
    for model in (forest(), sk.DecisionTreeClassifier(random_state=0)):
        fitted = clone(model).fit(*CANCER)
        family, work, context = started(fitted, *CANCER)
        nodes = family.table(work, "node", context)
        all_kept = family.apply(work, "node", np.arange(len(nodes.ids)), context)
        whole = family.feature_importances(all_kept)
        assert np.allclose(whole, fitted.feature_importances_)
    shallow = forest(max_depth=4).fit(*CANCER)
    family, work, context = started(shallow, *CANCER)
    roots = [t.tree_.feature[0] for t in shallow.estimators_]
    nodes = work.nodes
    inner = np.flatnonzero(~nodes.is_leaf)
    kept = np.flatnonzero(np.isin(inner, nodes.start[:-1]))
    found = family.feature_importances(family.apply(work, "node", kept, context))
    assert np.allclose(found, np.bincount(roots, minlength=30) / 12)


def test_trees_are_dropped_whole():
    fitted = forest().fit(*CANCER)
    family, work, context = started(fitted, *CANCER)
    kept = np.array([1, 4, 7])
    small = family.compact(family.apply(work, "tree", kept, context))
    votes = [fitted.estimators_[t].predict_proba(CANCER[0]) for t in kept]
    assert np.allclose(small.predict_proba(CANCER[0]), np.mean(votes, axis=0))
    assert "tree" not in family_units(sk.DecisionTreeClassifier().fit(*CANCER))


def family_units(model):
    return ForestFamily().accepts(model).family.units


def test_out_of_bag_rows_are_those_that_a_tree_has_not_drawn():
    fitted = forest().fit(*CANCER)
    _, work, context = started(fitted, *CANCER)
    counted = out_of_bag(work, context)
    for own, rows in zip(counted, fitted.estimators_samples_, strict=True):
        assert set(np.flatnonzero(~own)) == set(rows)
    frozen = PruningContext(sk.FrozenEstimator(fitted), *CANCER, seed=0)
    assert np.array_equal(out_of_bag(work, frozen), counted)
    other = PruningContext(sk.FrozenEstimator(fitted), CANCER[0][::-1], CANCER[1][::-1])
    assert out_of_bag(work, other).all()


def test_greedy_order_takes_the_best_next_tree():
    rng = np.random.default_rng(0)
    truth = np.eye(2)[rng.integers(0, 2, 60)]
    votes = np.stack(
        [np.where(rng.random((60, 1)) < p, truth, 1 - truth) for p in (0.6, 0.9, 0.7, 0.8)]
    )
    counted = np.ones((4, 60), dtype=bool)
    order = greedy_order(votes, truth, np.ones(60), counted, "reduced_error", classes=True)
    chosen, left = [], [0, 1, 2, 3]
    while left:

        def value(m):
            mean = votes[[*chosen, m]].mean(axis=0)
            hits = mean.argmax(axis=1) == truth.argmax(axis=1)
            return np.mean(hits + 1e-3 * (mean * truth).sum(axis=1))

        chosen.append(max(left, key=value))
        left.remove(chosen[-1])
    assert isinstance(order, Ranking)
    assert list(order.order) == chosen


@pytest.mark.parametrize("measure", ["reduced_error", "complementarity", "margin"])
@pytest.mark.parametrize("data", [CANCER, IRIS, DIABETES], ids=["two", "three", "numbers"])
def test_contributions_order_all_trees(measure, data):
    kind = sk.RandomForestRegressor if data is DIABETES else sk.RandomForestClassifier
    small = pruned(
        forest(kind), criterion=wp.ContributionCriterion(measure), unit="tree", keep=4
    ).fit(*data)
    assert len(small.kept_) == 4
    assert small.score(*data) > (0.7 if data is DIABETES else 0.9)


def test_the_smallest_size_that_is_not_worse_is_small_and_good():
    X, y = make_friedman1(1500, noise=1.0, random_state=0)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = sk.RandomForestRegressor(40, random_state=0)
    full = clone(model).fit(X, y)
    small = pruned(model, keep="auto", tolerance=0.002).fit(X, y)
    assert small.score(X_test, y_test) > full.score(X_test, y_test) - 0.01
    assert small.report_.after["parameters"] < 0.1 * parameters(full)
    assert len(small.report_.path) > 5


def test_joint_refit_beats_votes_at_a_twentieth():
    X, y = make_friedman1(1200, noise=1.0, random_state=1)
    y = y > np.median(y)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = sk.RandomForestClassifier(40, random_state=0)
    refitted = pruned(model, keep=0.05).fit(X, y).score(X_test, y_test)
    votes = pruned(model, keep=0.05, refit=False).fit(X, y).score(X_test, y_test)
    fresh = sk.RandomForestClassifier(40, max_leaf_nodes=7, random_state=0).fit(X, y)
    assert refitted > max(votes, fresh.score(X_test, y_test))


def test_weights_move_the_refit():
    X, y = CANCER
    weights = np.where(y == 0, 20.0, 1.0)
    model = forest(max_leaf_nodes=3)
    family, work, _ = started(clone(model).fit(X, y), X, y)
    plain = PruningContext(model, X, y, seed=0)
    heavy = PruningContext(model, X, y, fit_params={"sample_weight": weights}, seed=0)
    balanced = PruningContext(clone(model).set_params(class_weight={0: 20, 1: 1}), X, y)
    shares = [
        (family.refit(work, "node", each).compact().predict(X) == 0).mean()
        for each in (plain, heavy, balanced)
    ]
    assert shares[1] > shares[0]
    assert shares[1] == shares[2]


def test_missing_values_sparse_rows_and_labels():
    X, y = CANCER
    rng = np.random.default_rng(0)
    holes = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    small = pruned(forest(), unit="node", keep=0.5).fit(holes, y)
    assert small.score(holes, y) > 0.9
    names = np.array(["malignant", "benign"])[y]
    dense = pruned(forest(), keep=0.2).fit(X, names)
    sparse = pruned(forest(), keep=0.2).fit(csr_matrix(X), names)
    assert np.array_equal(dense.predict(X), sparse.predict(csr_matrix(X)))
    assert set(dense.predict(X)) == set(names)


def test_a_frozen_forest_is_judged_by_trees_that_have_not_seen_the_rows():
    X, y = CANCER
    fitted = forest(n=30).fit(X, y)
    small = pruned(sk.FrozenEstimator(fitted), keep="auto", tolerance=0.0).fit(X, y)
    losses = [each["loss"] for each in small.report_.path]
    assert losses[-1] > 0.005
    assert fitted.score(X, y) > 0.99
    loose = pruned(sk.FrozenEstimator(fitted), keep="auto", tolerance=1.0).fit(X, y)
    assert loose.report_.keep < small.report_.keep


def test_one_seed_is_one_model():
    with parallel_config(backend="threading"):
        first, second = (
            pruned(forest(), keep="auto", n_jobs=n_jobs).fit(*IRIS) for n_jobs in (1, 2)
        )
    assert pickle.dumps(first.compact_) == pickle.dumps(second.compact_)


def test_rounds_and_random_nodes():
    X, y = CANCER
    rounds = pruned(forest(), keep=0.2, schedule=wp.IterativeSchedule(3)).fit(X, y)
    random = pruned(forest(), keep=0.2, criterion=wp.RandomCriterion()).fit(X, y)
    whole = parameters(forest().fit(X, y))
    for small in (rounds, random):
        assert small.compact_.n_parameters() <= 0.2 * whole + 0.5
        assert small.score(X, y) > 0.9


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss"])
def test_any_score_may_be_watched(scoring):
    small = pruned(forest(), keep="auto", scoring=scoring, tolerance=0.05).fit(*CANCER)
    assert small.report_.path
    assert small.score(*CANCER) > 0.9


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_rows(n):
    X, y = DIABETES
    small = pruned(forest(sk.RandomForestRegressor), keep=0.5).fit(X[:n], y[:n])
    assert np.isfinite(small.predict(X[:n])).all()


def test_constant_targets_and_columns():
    X = np.ones((30, 3))
    model = forest()
    assert (pruned(model, keep=0.5).fit(X, np.zeros(30)).predict(X) == 0).all()
    small = pruned(model, keep="auto").fit(X, np.arange(30) % 2)
    assert len(small.kept_) == 0


def test_bagging_on_some_of_the_columns():
    X, y = IRIS
    model = sk.BaggingClassifier(n_estimators=10, max_features=2, random_state=0)
    whole = clone(model).fit(X, y)
    small = pruned(model, unit="tree", keep=0.5, refit=False).fit(X, y)
    votes = [
        whole.estimators_[t].predict_proba(X[:, whole.estimators_features_[t]])
        for t in small.kept_
    ]
    assert np.allclose(small.predict_proba(X), np.mean(votes, axis=0))


def test_an_explicit_option_is_followed():
    fitted = forest().fit(*CANCER)
    family, work, context = started(fitted, *CANCER)
    options = family.options(work, PruningRequest("auto"), context)
    assert any(option.strength is None for option in options)
    assert all(
        option.strength is None
        for option in family.options(work, PruningRequest("auto", refit=False), context)
    )
    (small,) = family.reduce(
        work, [0.2], PruningRequest("auto", option=options[0]), context
    )
    assert small.scored is None


@pytest.mark.parametrize("measure", ["reduced_error", "complementarity", "margin"])
@pytest.mark.parametrize("kind", [sk.RandomForestClassifier, sk.RandomForestRegressor])
@pytest.mark.parametrize("most", [20, None])
def test_trees_are_ranked_where_few_rows_count(kind, measure, most):
    """A tree whose out-of-bag rows all weigh nothing is not the first, if others do."""
    X, y = IRIS
    weight = np.zeros(len(y))
    weight[[0, 1, 60, 61, 120, 121]] = 1.0
    model = forest(kind, max_samples=most).fit(X, y, sample_weight=weight)
    family, work, context = started(model, X, y, fit_params={"sample_weight": weight})
    counted = out_of_bag(work, context)[:, weight > 0].any(axis=1)
    assert (0 < counted.sum() < 12) == (most == 20)
    order = family.contributions(work, "tree", measure, context).order
    assert sorted(order) == list(range(12))
    assert counted[order[0]] == (most == 20)
