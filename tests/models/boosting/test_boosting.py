"""Boosted trees: compact forms that predict as the library does, and smaller ones."""

import lzma
import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone, is_regressor
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.boosting.family import BoostingFamily
from sklearn_prune.models.boosting.iterations import margins_of
from sklearn_prune.models.boosting.refit import (
    LeafPath,
    collapse_costs,
    derivatives,
    penalised_path,
)
from sklearn_prune.models.readers.boosting import refusal
from sklearn_prune.weight_pruning import (
    ContributionCriterion,
    IterativeSchedule,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def classes(n_classes, *, missing=False, n=300):
    X, y = make_classification(
        n, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
    )
    if missing:
        X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    return X, np.array(["red", "green", "blue"])[y]


def numbers(*, n=400):
    return make_friedman1(n, noise=1.0, random_state=0)


def compact_of(model, X, y):
    family = BoostingFamily()
    return family.compact(family.start(model, PruningContext(model, X, y)))


def started(model, X, y):
    """The work of the family on a fitted model, and the rows that it was trained on."""
    family, context = BoostingFamily(), PruningContext(model, X, y)
    work = family.start(model, context)
    return work, family.training_rows(work, context)


def assert_same_predictions(model, compact, X):
    for method in METHODS:
        assert hasattr(model, method) == hasattr(compact, method)
        if hasattr(model, method):
            expected, found = getattr(model, method)(X), getattr(compact, method)(X)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    ("model", "n_classes", "missing"),
    [
        (GradientBoostingClassifier(n_estimators=5, loss="exponential"), 2, False),
        (HistGradientBoostingClassifier(max_iter=5), 2, True),
    ],
)
def test_classifiers_are_equal_to_the_bit(model, n_classes, missing):
    X, y = classes(n_classes, missing=missing)
    model.set_params(random_state=0).fit(X, y)
    compact = compact_of(model, X, y)
    rows = np.vstack([X, X + 0.1])
    assert_same_predictions(model, compact, rows)
    assert_same_predictions(model, pickle.loads(pickle.dumps(compact)), rows[:1])


@pytest.mark.parametrize(
    "model",
    [
        *(
            GradientBoostingRegressor(loss=loss, n_estimators=5)
            for loss in ("squared_error", "absolute_error", "huber", "quantile")
        ),
        *(
            HistGradientBoostingRegressor(loss=loss, max_iter=5)
            for loss in ("squared_error", "absolute_error", "poisson", "gamma")
        ),
        HistGradientBoostingRegressor(loss="quantile", quantile=0.2, max_iter=5),
    ],
)
def test_regressors_are_equal_to_the_bit_and_can_be_pruned(model):
    X, y = numbers()
    y = np.abs(y) + 0.1
    model.set_params(random_state=0).fit(X, y)
    assert_same_predictions(model, compact_of(model, X, y), X)
    pruned = PrunedRegressor(model, keep=0.5, random_state=0, cv=2).fit(X, y)
    assert np.isfinite(pruned.predict(X)).all()


def test_categories_of_arrays_and_frames():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = numbers()
    codes = rng.integers(0, 8, len(X))
    X[:, 1] = 10.0 * codes
    y = y + 5 * np.sin(7 * codes)
    rows = X.copy()
    rows[:40, 1], rows[40:80, 1] = np.nan, 77.0
    model = HistGradientBoostingRegressor(max_iter=5, categorical_features=[1]).fit(X, y)
    assert_same_predictions(model, compact_of(model, X, y), rows)
    frame = pd.DataFrame(X, columns=[f"f{k}" for k in range(10)])
    frame["f1"] = pd.Categorical(np.array(list("abcdefgh"))[codes])
    model = HistGradientBoostingRegressor(max_iter=5).fit(frame, y)
    compact = compact_of(model, frame, y)
    unknown = frame.copy()
    unknown["f1"] = np.where(rng.random(len(X)) < 0.2, "?", frame["f1"])
    assert_same_predictions(model, compact, frame)
    assert_same_predictions(model, compact, unknown.astype({"f1": "category"}))


def test_half_of_the_compact_form_of_hist_is_in_its_pickle():
    X, y = numbers(n=2000)
    model = HistGradientBoostingRegressor(early_stopping=False).fit(X, y)
    ours, own = (
        pickle.dumps(each, protocol=5) for each in (compact_of(model, X, y), model)
    )
    assert len(own) > 7 * len(ours)
    assert len(own) > 10 * len(lzma.compress(ours))


def walked(trees, X):
    """Raw scores without the start, one row and one node at a time."""
    raw = np.zeros((len(X), trees.output.max() + 1))
    for row, x in enumerate(X):
        for root, output in zip(trees.roots, trees.output, strict=True):
            node = root
            while trees.left[node] >= 0:
                value = x[trees.feature[node]]
                goes_left = (
                    trees.missing[node] == 1
                    if np.isnan(value)
                    else value <= trees.threshold[node]
                )
                node = trees.left[node] if goes_left else trees.right[node]
            raw[row, output] += trees.value[node]
    return raw


def test_rows_end_where_a_plain_walk_ends():
    X, y = classes(3, missing=True, n=120)
    model = HistGradientBoostingClassifier(max_iter=4).fit(X, y)
    work, rows = started(model, X, y)
    trees = work.model.trees
    found = np.zeros((3, len(X)))
    np.add.at(found, trees.output, trees.value[rows.leaves])
    np.testing.assert_allclose(found.T, walked(trees, X))
    np.testing.assert_allclose(rows.target.T, model.decision_function(X))


@pytest.mark.parametrize("refit", [True, False])
def test_pruning_meets_the_size_and_changes_no_input(refit):
    X, y = classes(3)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, y)
    state = pickle.dumps(model)
    given = X.copy()
    family, context = BoostingFamily(), PruningContext(model, X, y, seed=0)
    work = family.start(model, context)
    before = pickle.dumps(work)
    pruned = PrunedClassifier(
        GradientBoostingClassifier(n_estimators=20, random_state=0),
        keep=0.3,
        refit=refit,
        cv=2,
        random_state=0,
    ).fit(X, y)
    report = pruned.report_
    share = report.after["parameters"] / report.before["parameters"]
    assert 0.8 * 0.3 <= share <= 0.3
    assert report.after["nbytes"] < report.before["nbytes"]
    assert pickle.dumps(work) == before
    assert pickle.dumps(model) == state
    np.testing.assert_array_equal(X, given)
    with parallel_config("threading"):
        again = clone(pruned).set_params(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(X), pruned.decision_function(X))


def test_a_refit_comes_closer_to_the_whole_model():
    X, y = numbers(n=1500)
    model = HistGradientBoostingRegressor(random_state=0).fit(X[:1000], y[:1000])
    work, rows = started(model, X[:1000], y[:1000])
    distances = []
    for refits in (False, True):
        path = LeafPath(work.model, rows, refits)
        for share in (0.5, 0.2):
            path.advance(int(share * 3 * path.n_splits))
        smaller = path.trees_now()
        found = walked(smaller.trees, X[1000:])[:, 0] + smaller.start[0]
        distances.append(np.mean((found - model.predict(X[1000:])) ** 2))
    assert distances[1] < distances[0] / 2


def test_the_cost_of_a_merge_is_the_loss_that_it_causes():
    X, y = numbers(n=200)
    model = GradientBoostingRegressor(n_estimators=1, learning_rate=1.0).fit(X, y)
    work, rows = started(model, X, y)
    trees = work.model.trees
    path = LeafPath(work.model, rows, refits=False)
    for split, cost in zip(
        np.flatnonzero(trees.left >= 0), collapse_costs(trees, path.curvature), strict=True
    ):
        below = np.zeros(trees.n_nodes, dtype=bool)
        below[split] = True
        for node in range(trees.n_nodes):
            if below[node] and trees.left[node] >= 0:
                below[[trees.left[node], trees.right[node]]] = True
        ends = trees.value[path.rows.leaves[0]][below[path.rows.leaves[0]]]
        np.testing.assert_allclose(cost, np.sum((ends - ends.mean()) ** 2) / 2)
    kept = path.n_splits - 1
    cheapest = collapse_costs(trees, path.curvature).min()
    path.shrink(3 * kept + 1)
    moved = path.rows.target - path.scores(path.rows.leaves)
    np.testing.assert_allclose(np.sum(moved**2) / 2, cheapest)


@pytest.mark.parametrize(
    ("unit", "criterion"),
    [
        ("iteration", ContributionCriterion()),
        ("iteration", PenaltyCriterion("l1")),
        ("iteration", PenaltyCriterion("l2")),
        ("iteration", RandomCriterion()),
        ("node", SecondOrderCriterion()),
        ("node", MagnitudeCriterion()),
        ("node", PenaltyCriterion("l2")),
        ("node", RandomCriterion()),
    ],
)
def test_units(unit, criterion):
    X, y = classes(3)
    model = HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=0)
    pruned = PrunedClassifier(model, criterion, unit=unit, keep=0.4, random_state=0)
    pruned.fit(X, y)
    n_units = pruned.n_units_
    assert n_units == (10 if unit == "iteration" else 10 * 3 * 7)
    assert len(pruned.kept_) <= round(0.4 * n_units)
    if not isinstance(criterion, RandomCriterion):
        assert len(pruned.kept_) == round(0.4 * n_units)
        assert pruned.score(X, y) > 0.8


def test_ranked_splits_beat_random_ones():
    X, y = numbers(n=1200)
    model = HistGradientBoostingRegressor(max_iter=40, random_state=0)
    scores = [
        PrunedRegressor(model, criterion, unit="node", keep=0.2, random_state=0)
        .fit(X[:800], y[:800])
        .score(X[800:], y[800:])
        for criterion in (SecondOrderCriterion(), MagnitudeCriterion(), RandomCriterion())
    ]
    assert min(scores[:2]) > scores[2]


@pytest.mark.parametrize("loss", ["squared", "logistic", "exponential", "poisson", "gamma"])
def test_derivatives(loss):
    losses = {
        "squared": lambda raw, y: (raw - y) ** 2 / 2,
        "logistic": lambda raw, y: np.log1p(np.exp(raw)) - y * raw,
        "exponential": lambda raw, y: np.exp(np.where(y > 0, -raw, raw)),
        "poisson": lambda raw, y: np.exp(raw) - y * raw,
        "gamma": lambda raw, y: y * np.exp(-raw) + raw,
    }
    raw, y = np.array([[-1.0, 0.3, 2.0, 0.5]]), np.array([0.0, 1.0, 1.0, 0.0])
    gradient, hessian = derivatives(loss, raw, y)
    step = 1e-4
    up, middle, down = (losses[loss](raw + d, y) for d in (step, 0, -step))
    np.testing.assert_allclose(gradient, (up - down) / (2 * step), atol=1e-6)
    np.testing.assert_allclose(hessian, (up - 2 * middle + down) / step**2, atol=1e-5)


@pytest.mark.parametrize("keep", [1.0, 0.3])
def test_restored_models_predict_the_same(keep):
    X, y = classes(3)
    for model in (
        GradientBoostingClassifier(n_estimators=6, random_state=0),
        HistGradientBoostingClassifier(max_iter=6, random_state=0),
    ):
        pruned = PrunedClassifier(model, keep=keep, cv=2, random_state=0).fit(X, y)
        restored = pruned.estimator_
        assert type(restored) is type(model)
        assert restored.get_params() == model.get_params()
        np.testing.assert_allclose(
            restored.decision_function(X),
            pruned.decision_function(X),
            rtol=1e-10,
            atol=1e-12,
        )
        np.testing.assert_array_equal(restored.predict(X), pruned.predict(X))


def test_monotonic_models_stay_so():
    X, y = numbers()
    model = HistGradientBoostingRegressor(monotonic_cst=[0, 0, 0, 1, *[0] * 6], max_iter=30)
    pruned = PrunedRegressor(model, keep=0.3, random_state=0).fit(X, y)
    rows = np.tile(X[:1], (50, 1))
    rows[:, 3] = np.linspace(0, 1, 50)
    found = pruned.predict(rows)
    assert (np.diff(found) >= -1e-3).all()
    assert found[-1] > found[0]


def test_weights_of_rows_count():
    X, y = classes(2)
    weights = np.where(np.arange(len(y)) < 150, 1.0, 0.0)
    pruned = PrunedClassifier(
        HistGradientBoostingClassifier(max_iter=10, random_state=0),
        keep=0.5,
        random_state=0,
    )
    junk = y.copy()
    junk[150:] = y[0]
    a = clone(pruned).fit(X, y, sample_weight=weights).decision_function(X)
    assert np.isfinite(a).all()
    family = BoostingFamily()
    model = clone(pruned.estimator).fit(X, y, sample_weight=weights)
    context = PruningContext(model, X, y, fit_params={"sample_weight": weights})
    rows = family.training_rows(family.start(model, context), context)
    assert (rows.weights[:, 150:] == 0).all()
    assert (rows.weights[:, :150] > 0).all()


def test_models_that_are_refused_say_why():
    X, y = numbers()
    model = GradientBoostingRegressor(init=LinearRegression(), n_estimators=2).fit(X, y)
    assert "init" in refusal(model)
    assert refusal(GradientBoostingRegressor(n_estimators=2).fit(X, y)) is None


SCHEMES = ("int8", "float16", "codebook")


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_quantized_leaves_are_close_and_thresholds_exact(scheme, keep):
    X, y = classes(2, n=600)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    exact = PrunedClassifier(model, keep=keep, cv=2, random_state=0).fit(X, y)
    small = clone(exact).set_params(quantize=scheme).fit(X, y)
    for name in ("nodes", "node_start", "leaf_start"):
        np.testing.assert_array_equal(
            getattr(small.compact_.trees_, name), getattr(exact.compact_.trees_, name)
        )
    largest = np.abs(exact.compact_.trees_.leaf_values()).max()
    moved = small.compact_.trees_.leaf_values() - exact.compact_.trees_.leaf_values()
    assert np.abs(moved).max() <= largest / 100
    scores = small.decision_function(X)
    assert 0 < np.abs(scores - exact.decision_function(X)).max() < 0.2 or keep < 1
    assert np.mean(small.predict(X) == exact.predict(X)) > 0.99
    table = 4 * 256 if scheme == "codebook" else 0
    limit = len(pickle.dumps(exact.compact_)) + 200 + table
    assert len(pickle.dumps(small.compact_)) <= limit
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(small.compact_)).decision_function(X[:3]), scores[:3]
    )


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 20.0}, "balanced"])
def test_class_weights_count_in_the_refit(class_weight):
    X, y = classes(2)
    rare = np.flatnonzero((y == "red") & (np.arange(len(y)) % 5 == 0))
    rows = np.sort(np.concatenate([np.flatnonzero(y == "green"), rare]))
    X, y = X[rows], y[rows]
    model = HistGradientBoostingClassifier(max_iter=5, class_weight=class_weight)
    weights = started(model.fit(X, y), X, y)[1].row_weights
    counts = np.sum(y == "green") / np.sum(y == "red")
    ratio = counts if class_weight == "balanced" else 20.0
    light = weights[y == "green"][0]
    np.testing.assert_allclose(weights, np.where(y == "red", ratio, 1.0) * light)
    pruned = PrunedClassifier(model, unit="node", keep=0.2, random_state=0).fit(X, y)
    plain = clone(pruned).set_params(estimator__class_weight=None).fit(X, y)
    assert np.mean(pruned.predict(X) == "red") > np.mean(plain.predict(X) == "red")


@pytest.mark.parametrize("unit", ["auto", "node", "iteration"])
def test_rows_without_weight_do_not_count(unit):
    X, y = classes(2)
    counts = np.arange(len(y)) < 200
    junk = y.copy()
    junk[~counts] = y[0]
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    found = []
    for labels in (y, junk):
        pruned = PrunedClassifier(model, unit=unit, keep=0.5, cv=2, random_state=0)
        pruned.fit(X, labels, sample_weight=counts.astype(float))
        found.append(pruned.score(X[counts], y[counts]))
    assert min(found) > 0.85


@pytest.mark.parametrize("unit", ["auto", "node", "iteration"])
def test_rounds_meet_the_size_and_change_the_model(unit):
    X, y = numbers(n=800)
    model = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    at_once = PrunedRegressor(model, unit=unit, keep=0.2, cv=2, random_state=0).fit(X, y)
    rounds = clone(at_once).set_params(schedule=IterativeSchedule(3)).fit(X, y)
    limit = 0.2 if unit == "auto" else 1.0
    after, before = rounds.report_.after, rounds.report_.before
    assert after["parameters"] <= limit * before["parameters"]
    if unit == "auto":
        assert after["parameters"] >= 0.8 * limit * before["parameters"]
    else:
        assert len(rounds.kept_) == len(at_once.kept_)
    assert not np.array_equal(rounds.predict(X), at_once.predict(X))
    assert rounds.score(X, y) > 0.7


def test_each_measure_orders_the_iterations_in_its_own_way():
    X, y = classes(3)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    X_numbers, y_numbers = numbers()
    regressor = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    regressor.fit(X_numbers, y_numbers)
    family = BoostingFamily()
    for fitted, rows, target in ((model, X, y), (regressor, X_numbers, y_numbers)):
        context = PruningContext(fitted, rows, target, seed=0)
        work = family.start(fitted, context)
        orders = {
            tuple(family.contributions(work, "iteration", measure, context).order)
            for measure in ("reduced_error", "complementarity", "margin")
        }
        assert len(orders) == 3
        assert all(sorted(order) == list(range(20)) for order in orders)


def test_greedy_order_takes_the_iteration_that_leaves_least():
    X, y = numbers(n=200)
    model = GradientBoostingRegressor(n_estimators=6, random_state=0).fit(X, y)
    family, context = BoostingFamily(), PruningContext(model, X, y)
    work = family.start(model, context)
    rows = family.training_rows(work, context)
    wanted = rows.target[0] - work.model.start[0]
    left = []
    for leaves in rows.leaves:
        found = np.zeros(len(wanted))
        for leaf in np.unique(leaves):
            inside = leaves == leaf
            found[inside] = wanted[inside].sum() / (inside.sum() + 10)
        left.append(np.sum((wanted - found) ** 2))
    order = family.contributions(work, "iteration", "reduced_error", context).order
    assert order[0] == np.argmin(left)


def test_margins():
    scores = np.array([[1.0, 0.0], [3.0, 2.0], [2.0, 5.0]])
    np.testing.assert_array_equal(margins_of(scores, np.array([1.0, 0.0])), [1.0, -5.0])
    np.testing.assert_array_equal(margins_of(scores[:1], np.array([1.0, 0.0])), [1.0, 0.0])


def test_an_l1_penalty_empties_leaves_and_an_l2_penalty_shrinks_them():
    X, y = numbers(n=300)
    model = GradientBoostingRegressor(n_estimators=10, random_state=0).fit(X, y)
    work, rows = started(model, X, y)
    reached = np.unique(rows.leaves)
    own = work.model.trees.value[reached]
    lasso = penalised_path(work.model, rows, "l1").value[reached]
    ridge = penalised_path(work.model, rows, "l2").value[reached]
    assert np.count_nonzero(lasso) < 0.9 * len(lasso)
    assert np.count_nonzero(ridge) == len(ridge)
    assert np.sum(ridge**2) < np.sum(own**2)


def test_a_penalised_tree_has_its_optimum():
    X, y = numbers(n=200)
    model = GradientBoostingRegressor(n_estimators=1, learning_rate=1.0).fit(X, y)
    work, rows = started(model, X, y)
    leaves, sizes = np.unique(rows.leaves, return_counts=True)
    own = work.model.trees.value[leaves]
    path = penalised_path(work.model, rows, "l2")
    np.testing.assert_allclose(path.value[leaves], own * sizes / (sizes + path.ridge))
    path = penalised_path(work.model, rows, "l1")
    expected = np.sign(own) * np.maximum(np.abs(own) - path.lasso / sizes, 0)
    np.testing.assert_allclose(path.value[leaves], expected)


def test_enough_judged_rows_end_the_folds(monkeypatch):
    X, y = numbers(n=300)
    seen = []
    own = BoostingFamily.fold_outputs

    def counted(self, work, shares, requests, fold):
        seen.append(len(fold.test))
        return own(self, work, shares, requests, fold)

    monkeypatch.setattr(BoostingFamily, "fold_outputs", counted)
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    pruned = PrunedRegressor(model, keep="auto", cv=3, random_state=0).fit(X, y)
    assert seen == [100, 100, 100]
    assert min(entry["keep"] for entry in pruned.report_.path) == 0.02
    monkeypatch.setattr(BoostingFamily, "enough_rows", 101)
    clone(pruned).fit(X, y)
    assert seen[3:] == [100, 100]


@pytest.mark.parametrize("unit", ["node", "iteration"])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_constant_target_is_no_trouble(unit, penalty):
    X, _ = numbers(n=100)
    y = np.ones(len(X))
    for model in (
        GradientBoostingRegressor(n_estimators=3),
        HistGradientBoostingRegressor(max_iter=3),
    ):
        criterion = PenaltyCriterion(penalty)
        pruned = PrunedRegressor(model, criterion, unit=unit, keep=0.5).fit(X, y)
        np.testing.assert_allclose(pruned.predict(X), 1.0)


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingRegressor(loss="poisson", max_iter=9),
        HistGradientBoostingRegressor(loss="gamma", max_iter=9),
        HistGradientBoostingRegressor(max_iter=9),
        HistGradientBoostingClassifier(max_iter=9),
        GradientBoostingRegressor(n_estimators=6, random_state=0),
        GradientBoostingClassifier(n_estimators=6, random_state=0),
    ],
    ids=lambda model: f"{type(model).__name__}-{model.loss}",
)
def test_raw_scores_come_before_the_link(model, keep):
    regresses = is_regressor(model)
    X, y = numbers() if regresses else classes(3)
    y = y - y.min() + 1 if regresses else y
    pruned = (PrunedRegressor if regresses else PrunedClassifier)(
        model, keep=keep, cv=2, random_state=0
    ).fit(X, y)
    raw = pruned.predict(X, raw_score=True)
    if not regresses:
        np.testing.assert_array_equal(raw, pruned.decision_function(X))
    elif model.loss in ("poisson", "gamma"):
        np.testing.assert_array_equal(np.exp(raw), pruned.predict(X))
        if keep == 1.0:
            own = clone(model).set_params(random_state=0).fit(X, y)
            np.testing.assert_array_equal(raw, own._raw_predict(X).ravel())
    else:
        np.testing.assert_array_equal(raw, pruned.predict(X))
    with pytest.raises(TypeError, match="takes raw_score besides X. Got num_iteration=2"):
        pruned.predict(X, num_iteration=2)
