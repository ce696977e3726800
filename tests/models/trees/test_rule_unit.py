"""unit="rule": which rules are kept, what they add, and where the predictor goes."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor, compact
from sklearn_prune.inspection import rules
from sklearn_prune.models.trees.rule_family import (
    ThresholdGrid,
    boxes_of_splits,
    merged_candidates,
    split_rules,
)
from sklearn_prune.models.trees.rules import (
    Interval,
    additive_trees,
    boxes_hold,
    node_boxes,
    trees_of_rules,
)
from sklearn_prune.persistence import load, save
from sklearn_prune.weight_pruning import (
    GradualSchedule,
    MagnitudeCriterion,
    RandomCriterion,
    StabilityCriterion,
)

BINARY = load_breast_cancer(return_X_y=True)
SEVERAL = load_iris(return_X_y=True)
NUMBERS = load_diabetes(return_X_y=True)
SHALLOW = {
    "gradient": (GradientBoostingClassifier(n_estimators=8, max_depth=2), BINARY),
    "exponential": (
        GradientBoostingClassifier(n_estimators=8, max_depth=1, loss="exponential"),
        BINARY,
    ),
    "gradient of several": (GradientBoostingClassifier(n_estimators=4), SEVERAL),
    "gradient regression": (GradientBoostingRegressor(n_estimators=8), NUMBERS),
    "absolute": (
        GradientBoostingRegressor(n_estimators=8, max_depth=1, loss="absolute_error"),
        NUMBERS,
    ),
    "hist": (HistGradientBoostingClassifier(max_iter=8, max_depth=2), BINARY),
    "hist of several": (HistGradientBoostingClassifier(max_iter=4, max_depth=1), SEVERAL),
    "poisson": (
        HistGradientBoostingRegressor(max_iter=8, max_depth=2, loss="poisson"),
        NUMBERS,
    ),
    "gamma": (
        HistGradientBoostingRegressor(max_iter=8, max_depth=2, loss="gamma"),
        NUMBERS,
    ),
    "forest": (RandomForestClassifier(8, max_depth=2), BINARY),
    "forest of several": (ExtraTreesClassifier(8, max_depth=2), SEVERAL),
    "forest regression": (RandomForestRegressor(8, max_depth=2), NUMBERS),
    "tree": (DecisionTreeClassifier(max_depth=3), BINARY),
}


def pruned(name, criterion=None, keep=6, **params):
    model, (X, y) = SHALLOW[name]
    model = clone(model).set_params(random_state=0)
    kind = PrunedClassifier if hasattr(model, "predict_proba") else PrunedRegressor
    criterion = StabilityCriterion(4) if criterion is None else criterion
    owner = kind(model, criterion, unit="rule", keep=keep, random_state=0, **params)
    return owner.fit(X, y), X, y


@pytest.mark.parametrize("name", SHALLOW)
def test_kept_rules_are_what_the_predictor_says(name, tmp_path):
    model, X, y = pruned(name)
    table = rules(model, X, y)
    assert len(table) == len(model.kept_) <= 6
    assert model.n_units_ >= len(model.kept_)
    assert model.unit_ == "rule"
    held = boxes_hold(table._rules.boxes, model.compact_._check(X))
    total = table.intercept + held @ table.contributions
    np.testing.assert_allclose(table.scores(X), total, rtol=1e-12)
    answer = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    expected = getattr(model, answer)(X)
    save(model, tmp_path / "m.skprune")
    again = load(tmp_path / "m.skprune")
    np.testing.assert_array_equal(getattr(again, answer)(X), expected)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(getattr(copied, answer)(X), expected)
    assert model.feature_importances_.sum() == pytest.approx(1)
    used = {feature for box in table._rules.boxes for feature, _ in box}
    assert used == set(np.flatnonzero(model.feature_importances_))
    dummy = np.mean(y == np.bincount(y.astype(int)).argmax()) if answer != "predict" else 0
    assert model.score(X, y) > dummy + 0.1


@pytest.mark.parametrize("name", ["gradient", "hist", "hist of several", "poisson"])
def test_boosting_is_restored(name):
    model, X, _ = pruned(name)
    np.testing.assert_allclose(model.estimator_.predict(X), model.predict(X), rtol=1e-6)


def test_forest_is_not_restored():
    model, _, _ = pruned("forest")
    with pytest.raises(AttributeError, match="compact_"):
        model.estimator_


def bounds(box):
    """A box without where missing values go, which a table leaves out."""
    return tuple((feature, condition[:2]) for feature, condition in box)


@pytest.mark.parametrize("criterion", [MagnitudeCriterion(), RandomCriterion(0)])
def test_other_criteria_rank_the_rules_of_the_model(criterion):
    model, X, y = pruned("gradient", criterion)
    whole = clone(SHALLOW["gradient"][0]).set_params(random_state=0).fit(X, y)
    of_model = split_rules(additive_trees(compact(whole)))
    assert model.n_units_ == len(of_model)
    kept = rules(model, X, y)._rules.boxes
    assert set(map(bounds, kept)) <= set(map(bounds, of_model.boxes))
    if isinstance(criterion, MagnitudeCriterion):
        held = boxes_hold(of_model.boxes, X.astype(np.float32))
        effect = np.abs(of_model.values[:, 0]) * held.std(axis=0)
        best = [of_model.boxes[k] for k in np.argsort(-effect, kind="stable")[:6]]
        assert set(map(bounds, kept)) == set(map(bounds, best))


@pytest.mark.parametrize("name", ["gradient of several", "forest", "hist", "tree"])
def test_split_rules_add_up_to_the_trees(name):
    model, (X, y) = SHALLOW[name]
    predictor = compact(clone(model).set_params(random_state=0).fit(X, y))
    found = split_rules(additive_trees(predictor))
    sums = additive_trees(predictor)
    rows = predictor._check(X)
    expected = sums.start + sums.scale * predictor.trees_.sum(rows)
    np.testing.assert_allclose(found.scores(rows), expected, atol=1e-12)


def test_sizes_are_nested_and_seeded():
    kept = []
    for keep in (3, 6, 12):
        model, X, y = pruned("gradient", keep=keep)
        kept.append(set(rules(model, X, y)._rules.boxes))
    assert kept[0] < kept[1] < kept[2]
    again, X, y = pruned("gradient", keep=12)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    other = clone(model).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), model.predict_proba(X))


def test_more_rules_than_there_are():
    model, X, y = pruned("tree", keep=10_000)
    assert len(model.kept_) == model.n_units_ < 200
    assert model.n_units_ == len(rules(model, X, y))


def test_counts_are_those_of_the_splits_of_clones():
    X, y = BINARY
    stumps = GradientBoostingClassifier(n_estimators=5, max_depth=1, random_state=0)
    model = PrunedClassifier(stumps, StabilityCriterion(6), unit="rule", keep=3)
    family = model.fit(X, y)._family
    from sklearn_prune.weight_pruning import PruningContext

    context = PruningContext(stumps, X, y)
    work = family.start(stumps.fit(X, y), context)
    work, counts = family.frequencies(work, "rule", 6, 10, context)
    assert np.floor(counts).sum() == 6 * 5
    assert (np.diff(counts) <= 0).all()


def test_thresholds_move_to_quantiles():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.random(1000), rng.integers(0, 2, 1000), np.ones(1000)])
    X[rng.random(1000) < 0.95, 2] = 2.0
    grid = ThresholdGrid(X, 10)
    box = ((0, Interval(-np.inf, 0.34, False)),)
    ((_, moved),) = grid.moved(box)
    assert np.mean(X[:, 0] <= moved.high) == pytest.approx(0.3, abs=1e-3)
    assert grid.moved(((0, Interval(0.31, 0.33, False)),)) is None
    ((_, moved),) = grid.moved(((1, Interval(0.9, np.inf, True)),))
    assert moved == Interval(0.5, np.inf, True)
    ((_, moved),) = grid.moved(((2, Interval(1.2, np.inf, True)),))
    assert moved == Interval(1.5, np.inf, True)
    assert ThresholdGrid(X, None).moved(box) is box


def test_candidates_that_hold_for_the_same_rows_are_one():
    X = np.arange(10.0)[:, None] * [1, -1]
    above = ((0, Interval(4.5, np.inf, True)),)
    same = ((0, Interval(4.2, np.inf, True)), (1, Interval(-np.inf, 9.0, False)))
    rest = ((1, Interval(-4.5, np.inf, True)),)
    nothing = ((0, Interval(50.0, np.inf, True)),)
    found = {same: [1, 1.0], above: [2, 1.0], rest: [3, 1.0], nothing: [9, 1.0]}
    boxes, counts, _ = merged_candidates(found, X)
    assert boxes == [above]
    assert counts.tolist() == [6]


def test_trees_of_rules_hold_where_the_boxes_do():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((200, 3)) < 0.2, np.nan, rng.random((200, 3)))
    y = rng.integers(0, 2, 200)
    model = HistGradientBoostingClassifier(max_iter=5, max_depth=3).fit(X, y)
    arrays = additive_trees(compact(model)).arrays
    boxes = {tuple(sorted(box.items())) for box in node_boxes(arrays) if box}
    boxes = sorted(boxes, key=repr)
    values = rng.random((len(boxes), 1))
    from sklearn_prune.predictors import FlatTrees

    trees = trees_of_rules(boxes, values)
    flat = FlatTrees.build(trees, 3, exact_float64_thresholds=True)
    np.testing.assert_allclose(flat.sum(X), boxes_hold(boxes, X) @ values, atol=1e-12)
    again, _ = boxes_of_splits(additive_trees(compact(model)))
    assert set(again) <= set(boxes)


def test_categories_of_halves_have_the_codes_of_all_rows():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    letters = rng.choice([*"abcdefgh"], 300, p=[0.28, 0.28, 0.2, 0.2, *[0.01] * 4])
    y = np.isin(letters, ["b", "d", "e"]) ^ (rng.random(300) < 0.1)
    frame = pandas.DataFrame({"letter": pandas.Categorical(letters), "x": rng.random(300)})
    boosting = HistGradientBoostingClassifier(max_iter=4, max_depth=1, random_state=0)
    model = PrunedClassifier(boosting, StabilityCriterion(6), unit="rule", keep=2)
    model.fit(frame, y)
    assert model.score(frame, y) > 0.85
    table = rules(model, frame, y)
    assert any("letter is" in text for text in table.texts())
    np.testing.assert_allclose(
        table.scores(frame)[:, 0], model.decision_function(frame), atol=1e-12
    )


def test_weights_and_groups():
    X, y = BINARY
    stumps = GradientBoostingClassifier(n_estimators=4, max_depth=1, random_state=0)
    model = PrunedClassifier(
        stumps, StabilityCriterion(4), unit="rule", keep=3, random_state=0
    )
    heavy = np.where(y == 0, 20.0, 1.0)
    plain = model.fit(X, y).predict_proba(X)[:, 0].mean()
    groups = np.arange(len(y)) // 5
    weighted = model.fit(X, y, sample_weight=heavy, groups=groups).predict_proba(X)
    assert weighted[:, 0].mean() > plain + 0.1


def test_containers():
    X, y = BINARY
    stumps = GradientBoostingClassifier(n_estimators=4, max_depth=1, random_state=0)
    inside = make_pipeline(StandardScaler(), stumps)
    options = {"unit": "rule", "keep": 3, "random_state": 0}
    model = PrunedClassifier(inside, StabilityCriterion(4), **options).fit(X, y)
    assert len(model.kept_) == len(rules(model, X, y)) == 3
    forest = RandomForestClassifier(4, max_depth=1, random_state=0)
    voting = VotingClassifier([("a", stumps), ("b", forest)], voting="soft")
    model = PrunedClassifier(voting, StabilityCriterion(4), **options).fit(X, y)
    assert len(model.kept_) == 6
    assert model.score(X, y) > 0.85


def test_what_is_refused():
    X, y = BINARY
    stumps = GradientBoostingClassifier(n_estimators=3, max_depth=1)
    refused = [
        ({"keep": 0.5}, "number of rules.*keep=24"),
        ({"keep": "auto"}, "number of rules.*keep=24"),
        ({"refit": False}, "refit=True"),
        ({"schedule": GradualSchedule(2)}, "schedule=None"),
        ({"dropout": 0.1}, "dropout"),
        ({"criterion": StabilityCriterion(1)}, "n_resamples"),
        ({"criterion": StabilityCriterion(n_bins=1)}, "n_bins"),
    ]
    for params, words in refused:
        model = PrunedClassifier(stumps, **{"unit": "rule", "keep": 3, **params})
        with pytest.raises(ValueError, match=words):
            model.fit(X, y)
    rising = HistGradientBoostingClassifier(max_iter=3, monotonic_cst=[1] + [0] * 29)
    with pytest.raises(ValueError, match="monotonic"):
        PrunedClassifier(rising, unit="rule", keep=3).fit(X, y)
    two = np.column_stack([y, y])
    forest = RandomForestClassifier(3, max_depth=2)
    with pytest.raises(ValueError, match="one target"):
        PrunedClassifier(forest, unit="rule", keep=3).fit(X, two)
    with pytest.raises(ValueError, match="StabilityCriterion"):
        PrunedClassifier(stumps, StabilityCriterion(), unit="node", keep=3).fit(X, y)


def test_whole_model_and_no_split():
    X, y = BINARY
    forest = RandomForestClassifier(3, random_state=0)
    model = PrunedClassifier(forest, unit="rule", keep=1.0, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), forest.fit(X, y).predict_proba(X))
    constant = np.zeros((20, 2))
    labels = [0, 1] * 10
    model = PrunedClassifier(forest, unit="rule", keep=3).fit(constant, labels)
    assert len(model.kept_) == 0
    assert model.predict_proba(constant).shape == (20, 2)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_other_libraries(library):
    module = pytest.importorskip(library)
    X, y = BINARY
    kind = module.LGBMClassifier if library == "lightgbm" else module.XGBClassifier
    params = {"verbose": -1} if library == "lightgbm" else {}
    stumps = kind(n_estimators=6, max_depth=1, n_jobs=1, random_state=0, **params)
    model = PrunedClassifier(stumps, StabilityCriterion(4), unit="rule", keep=5)
    table = rules(model.fit(X, y), X, y)
    assert len(table) == 5
    raw = model.predict(X, raw_score=True)
    np.testing.assert_allclose(table.scores(X)[:, 0], raw, atol=1e-9)
    assert model.score(X, y) > 0.9
