"""Trees, forests and boosting as people really fit them: nothing kept may change."""

import pickle
import warnings
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, issparse
from sklearn.base import clone, is_classifier

from sklearn_prune.weight_pruning import PenaltyCriterion
from tests import matrix
from tests.estimators import sk
from tests.matrix import (
    assert_apart,
    assert_same,
    assert_valid,
    fit_quietly,
    fitted,
    pruned,
    restored_or_reason,
)

pytestmark = pytest.mark.sampled(3)

answers = partial(matrix.answers, options=())
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
    members = np.ravel(np.asarray(getattr(model, "estimators_", [model]), dtype=object))
    columns = getattr(model, "estimators_features_", None)
    for number, member in enumerate(members):
        if not hasattr(member, "tree_"):
            continue
        tree = member.tree_
        inner = tree.children_left >= 0
        at = (
            tree.feature[inner] if columns is None else columns[number][tree.feature[inner]]
        )
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


def own_parts(small):
    """What a pruned model holds itself."""
    return {name: value for name, value in vars(small).items() if name != "estimator"}


def classes_of(model):
    return model.classes_ if isinstance(model.classes_, list) else [model.classes_]


def assert_lossless(model, X, y, rows=None, rtol=0.0):
    """All kept of a fitted model is the model; it stays as it was and is shared by none."""
    rows = hostile_rows(model, X) if rows is None else rows
    expected = answers(model, rows)
    before = pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        small = pruned(sk.FrozenEstimator(model), keep=1.0).fit(X, y)
    assert pickle.dumps(model) == before
    for form in (small.compact_, pickle.loads(pickle.dumps(small.compact_))):
        assert_same(answers(form, rows), expected, rtol, 1e-12 * (rtol > 0))
    one = rows[:1] if not issparse(rows) else rows.tocsr()[:1]
    assert_same(answers(small, one), answers(model, one), rtol, 1e-12 * (rtol > 0))
    if is_classifier(model):
        for ours, theirs in zip(classes_of(small), classes_of(model), strict=True):
            np.testing.assert_array_equal(ours, theirs, strict=True)
    assert_apart(model, own_parts(small))
    again = restored_or_reason(small)
    if isinstance(again, str):
        assert "compact_" in again
    else:
        assert_same(answers(again, rows), expected, max(rtol, 1e-12), 1e-12)
        assert_apart(again, own_parts(small))
    return small


def assert_smaller(model, X, y, rows=None, units=("auto",), **fit_params):
    """At smaller sizes, of a frozen model too, which stays as it was and is not shared."""
    whole = fitted(model, X, y, **fit_params)
    rows = hostile_rows(whole, X) if rows is None else rows
    sizes = [(0.5, None, True), (0.1, "int8", False), ("auto", "codebook", True)]
    for unit, (keep, quantize, refit) in product(units, sizes):
        before = pickle.dumps(whole)
        inner = model if unit == "feature" or keep == "auto" else sk.FrozenEstimator(whole)
        refit = refit or unit == "feature"
        small = pruned(inner, unit=unit, keep=keep, quantize=quantize, refit=refit)
        small.fit(X, y, **fit_params)
        assert pickle.dumps(whole) == before
        assert_valid(small, whole, rows)
        assert_apart(whole, own_parts(small))
        again = restored_or_reason(small)
        if not isinstance(again, str):
            assert_apart(again, own_parts(small))


FORESTS = [
    sk.DecisionTreeClassifier(random_state=0),
    sk.ExtraTreeClassifier(random_state=0),
    sk.RandomForestClassifier(**SMALL),
    sk.ExtraTreesClassifier(**SMALL),
    sk.BaggingClassifier(**SMALL),
    sk.DecisionTreeRegressor(random_state=0),
    sk.ExtraTreeRegressor(random_state=0),
    sk.RandomForestRegressor(**SMALL),
    sk.ExtraTreesRegressor(**SMALL),
    sk.BaggingRegressor(**SMALL),
]
HIST = {"max_iter": 4, "min_samples_leaf": 5, "random_state": 0}
BOOSTING = [
    sk.GradientBoostingClassifier(**SMALL),
    sk.HistGradientBoostingClassifier(**HIST),
    sk.GradientBoostingRegressor(**SMALL),
    sk.HistGradientBoostingRegressor(**HIST),
]
each = pytest.mark.parametrize(
    "model", FORESTS + BOOSTING, ids=lambda model: type(model).__name__
)


@each
@pytest.mark.parametrize("name", LABELS)
def test_labels(model, name):
    y = LABELS[name]
    if not is_classifier(model):
        y = {"outputs": two(NUMBERS), "one class": np.full(120, 7.5)}.get(name, NUMBERS)
        if name not in ("outputs", "one class", "floats"):
            return
    several = np.ndim(y) == 2 and (
        model in BOOSTING or isinstance(model, sk.BaggingClassifier)
    )
    if several or (name == "one class" and type(model) is sk.GradientBoostingClassifier):
        with pytest.raises(ValueError, match="1d array|1 class"):
            pruned(model, keep=1.0).fit(X, y)
        return
    assert_lossless(fitted(model, X, y), X, y)


@each
@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_of_rows(model, name):
    rows = CONTAINERS[name](X)
    y = LABELS["strings"] if is_classifier(model) else NUMBERS
    if issparse(rows) and "Hist" in type(model).__name__:
        with pytest.raises(TypeError, match="dense data is required"):
            pruned(model, keep=1.0).fit(rows, y)
        return
    assert_lossless(fitted(model, rows, y), rows, y)


@each
def test_missing_values_weights_and_odd_targets(model):
    y = CODES if is_classifier(model) else NUMBERS
    assert_lossless(fitted(model, X, y, sample_weight=WEIGHTS), X, y)
    if model.__sklearn_tags__().input_tags.allow_nan:
        assert_lossless(fitted(model, HOLES, y), HOLES, y)
    if not is_classifier(model):
        for odd in (y * 1e150, y * 1e-200, y.astype(np.float32), y[:, None], CODES):
            assert_lossless(fitted(model, X, odd), X, odd)


def settings(*models):
    """Models that differ from the first one by one setting each."""
    return [pytest.param(model, id=" ".join(repr(model).split())) for model in models]


def over(kind, base, *changes):
    """Models of a kind, one for each change of its settings."""
    return settings(*(kind(**(base | change)) for change in changes))


SEED = {"random_state": 0}
OF_TREES = [
    {"max_depth": 1},
    {"max_leaf_nodes": 4},
    {"ccp_alpha": 0.02},
    {"ccp_alpha": 1e6},
    {"max_features": 1},
    {"min_impurity_decrease": 0.05},
    {"min_weight_fraction_leaf": 0.2},
]
OF_CLASSES = [{"criterion": "log_loss"}, {"class_weight": {0: 3, 1: 0.5, 2: 0}}]
OF_NUMBERS = [{"criterion": "absolute_error"}, {"criterion": "poisson"}]
OF_FORESTS = [{"bootstrap": False}, {"bootstrap": True, "oob_score": True}]
OF_FORESTS += [{"bootstrap": True, "max_samples": 0.3}, {"n_estimators": 1}]
OF_HIST = [
    {"max_leaf_nodes": 2},
    {"max_leaf_nodes": None, "min_samples_leaf": 1},
    {"min_samples_leaf": 100},
    {"max_bins": 3},
    {"max_features": 0.3},
    {"interaction_cst": "no_interactions"},
    {"interaction_cst": [[0, 1], [2]]},
    {"learning_rate": 30.0},
    {"early_stopping": True, "max_iter": 30, "n_iter_no_change": 2},
]
OF_GRADIENT = [
    {"init": "zero"},
    {"subsample": 0.5, "n_iter_no_change": 1, "n_estimators": 30},
    {"ccp_alpha": 1e6},
    {"max_depth": None},
    {"max_leaf_nodes": 3},
    {"learning_rate": 0.0},
    {"learning_rate": 100.0},
]


@pytest.mark.parametrize(
    "model",
    [
        *over(sk.DecisionTreeClassifier, SEED, *OF_TREES, *OF_CLASSES),
        *over(sk.ExtraTreesClassifier, SMALL, *OF_TREES, *OF_CLASSES, *OF_FORESTS),
        *over(sk.RandomForestClassifier, SMALL, {"class_weight": "balanced_subsample"}),
        *over(sk.DecisionTreeRegressor, SEED, *OF_TREES, *OF_NUMBERS),
        *over(sk.RandomForestRegressor, SMALL, *OF_TREES, *OF_NUMBERS, *OF_FORESTS),
        *over(
            sk.BaggingClassifier, SMALL, {"max_features": 1}, {"bootstrap_features": True}
        ),
        *over(sk.BaggingRegressor, SMALL, {"max_samples": 2}, {"oob_score": True}),
        *over(
            sk.HistGradientBoostingClassifier, HIST, *OF_HIST, {"class_weight": "balanced"}
        ),
        *over(sk.HistGradientBoostingRegressor, HIST, *OF_HIST, {"loss": "poisson"}),
        *over(sk.GradientBoostingClassifier, SMALL, *OF_GRADIENT),
        *over(
            sk.GradientBoostingClassifier,
            SMALL,
            {"init": sk.DummyClassifier(strategy="most_frequent")},
        ),
        *over(
            sk.GradientBoostingRegressor, SMALL, *OF_GRADIENT, {"loss": "absolute_error"}
        ),
    ],
)
def test_settings(model):
    y = CODES if is_classifier(model) else np.abs(NUMBERS) + 0.1
    assert_lossless(fitted(model, X, y), X, y)


@pytest.mark.parametrize("model", [*FORESTS[2:4], *BOOSTING[:2]], ids=repr)
def test_grown_twice(model):
    size = "max_iter" if "max_iter" in model.get_params() else "n_estimators"
    grown = fitted(model.set_params(warm_start=True), X, CODES)
    grown.set_params(**{size: 9}).fit(X, CODES)
    assert len(getattr(grown, "_predictors", None) or grown.estimators_) == 9
    assert_lossless(grown, X, CODES)


@pytest.mark.parametrize(
    "model",
    [
        sk.ExtraTreesClassifier(**SMALL),
        sk.HistGradientBoostingClassifier(**HIST),
        sk.DecisionTreeRegressor(random_state=0),
        sk.HistGradientBoostingRegressor(**HIST),
    ],
    ids=lambda model: type(model).__name__,
)
def test_monotonic(model):
    y = CODES > 0 if is_classifier(model) else NUMBERS
    model = clone(model).set_params(monotonic_cst=[1, 0, 0, 0, -1])
    for rows in (X, HOLES):
        assert_lossless(fitted(model, rows, y), rows, y)


SIGNS = {"monotonic_cst": [1, -1, 0, 0, 0], "random_state": 0}
BENDING = np.sin(3 * X[:, 0]) - X[:, 1] + X[:, 2] ** 2 + RNG.random(120)


def assert_monotonic(model, columns=None):
    """Sweep each constrained feature, at random values of the others."""
    largest = []
    for feature, sign in ((0, 1), (1, -1)):
        rows = np.repeat(X[:30], 40, axis=0)
        rows[:, feature] = np.tile(np.linspace(-3, 3, 40), 30)
        rows = rows if columns is None else columns(rows)
        is_class = hasattr(model, "classes_")
        found = model.predict_proba(rows)[:, 1] if is_class else model.predict(rows)
        steps = sign * np.diff(found.reshape(30, 40).astype(np.float64), axis=1)
        assert steps.min() >= -1e-6
        largest.append(steps.max())
    assert max(largest) > 0.01  # there is something to keep


def assert_stays_monotonic(model, units, columns=None):
    y = np.median(BENDING) < BENDING if is_classifier(model) else BENDING
    rows = X if columns is None else columns(X)
    for unit in units:
        criteria = [None, PenaltyCriterion("l1"), PenaltyCriterion("l2")]
        for criterion in criteria[: 1 if unit == "auto" else 3]:
            for changes in ({}, {"refit": False, "quantize": "int8"}):
                small = pruned(model, criterion=criterion, unit=unit, keep=0.5, **changes)
                assert_monotonic(fit_quietly(small, rows, y.astype(float)), columns)


@pytest.mark.parametrize(
    "model",
    [
        sk.DecisionTreeRegressor(**SIGNS),
        sk.ExtraTreeClassifier(**SIGNS),
        sk.RandomForestClassifier(6, **SIGNS),
        sk.ExtraTreesRegressor(6, **SIGNS),
        sk.BaggingClassifier(sk.DecisionTreeClassifier(**SIGNS), 5, random_state=0),
        sk.VotingRegressor([("forest", sk.RandomForestRegressor(4, **SIGNS))]),
        sk.HistGradientBoostingClassifier(**HIST | SIGNS),
        sk.HistGradientBoostingRegressor(**HIST | SIGNS),
    ],
    ids=lambda model: type(model).__name__,
)
def test_monotonic_models_stay_so(model):
    units = ["auto", "iteration", "node"]
    if "Hist" not in type(model).__name__:
        single = isinstance(model, sk.DecisionTreeRegressor | sk.ExtraTreeClassifier)
        units = ["auto", "node", "leaf", *(["tree"] * (not single))]
    assert_stays_monotonic(model, units)


def test_monotonic_models_of_libraries_stay_so():
    lgb, xgb = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    frame = partial(pytest.importorskip("pandas").DataFrame, columns=list("abcde"))
    units, signs = ("auto", "iteration", "node"), [1, -1, 0, 0, 0]
    assert_stays_monotonic(lgb.LGBMClassifier(monotone_constraints=signs, **LIGHT), units)
    assert_stays_monotonic(lgb.LGBMRegressor(mc=signs, **LIGHT), units)
    text = xgb.XGBRegressor(monotone_constraints="(1,-1)", **EXTREME)
    assert_stays_monotonic(text, units)
    named = xgb.XGBRegressor(monotone_constraints={"a": 1, "b": -1}, **EXTREME)
    assert_stays_monotonic(named, units, frame)


def test_trees_under_constraints_take_no_dropout():
    for model in (sk.DecisionTreeRegressor(**SIGNS), sk.RandomForestRegressor(4, **SIGNS)):
        for keep in (0.5, 1.0):
            with pytest.raises(ValueError, match="no monotonic_cst. Got dropout=0.2"):
                pruned(model, keep=keep, dropout=0.2).fit(X, NUMBERS)


@pytest.mark.parametrize(
    "model",
    [
        sk.DecisionTreeClassifier(max_depth=12, random_state=0),
        sk.RandomForestClassifier(2, max_depth=5, random_state=0),
        sk.BaggingClassifier(sk.DecisionTreeClassifier(max_depth=4), 2, random_state=0),
        sk.HistGradientBoostingClassifier(
            max_iter=1, max_leaf_nodes=3, early_stopping=False
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_thousand_classes(model):
    rows, y = np.random.default_rng(1).normal(size=(2000, 3)), np.arange(2000) % 1000
    model = fitted(model, rows, y)
    small = pruned(sk.FrozenEstimator(model), keep=1.0).fit(rows, y)
    assert_same(answers(small, rows[:50]), answers(model, rows[:50]))


def test_many_rows_and_threads():
    rows = np.random.default_rng(2).normal(size=(30_000, 5))
    for model in (FORESTS[2], FORESTS[7], FORESTS[9], BOOSTING[1]):
        y = CODES if is_classifier(model) else NUMBERS
        model = fitted(model, X, y)
        expected = answers(model, rows)
        if hasattr(model, "n_jobs"):  # sums of several threads end in another last digit
            model.set_params(n_jobs=2)
        small = pruned(sk.FrozenEstimator(model), keep=1.0).fit(X, y)
        assert_same(answers(small, rows), expected)


UNITS = {
    "Tree": ("auto", "node", "leaf", "feature"),
    "Forest": ("auto", "tree", "node", "leaf"),
    "Bagging": ("auto", "tree", "node", "leaf"),
    "Boosting": ("auto", "iteration", "node", "feature"),
}


def units_of(model):
    return next(units for name, units in UNITS.items() if name in type(model).__name__)


@pytest.mark.parametrize(
    ("model", "rows", "y"),
    [
        pytest.param(FORESTS[0], X, "one class", id="tree of one leaf"),
        pytest.param(FORESTS[0], X, "label sets", id="tree of label sets"),
        pytest.param(FORESTS[2], X, "one of a class", id="forest, one of a class"),
        pytest.param(FORESTS[2], HOLES, "strings", id="forest with holes"),
        pytest.param(FORESTS[2], CONTAINERS["integers"](X), "strings", id="forest, ints"),
        pytest.param(FORESTS[3], X, "output of one class", id="extra trees of outputs"),
        pytest.param(
            sk.BaggingClassifier(max_features=0.6, **SMALL),
            CONTAINERS["csr"](X),
            "strings",
            id="sparse bagging",
        ),
        pytest.param(FORESTS[4], X[:, :1], "bools", id="bagging of one column"),
        pytest.param(FORESTS[7], X, two(NUMBERS), id="forest of two numbers"),
        pytest.param(FORESTS[5], X, np.zeros(120), id="tree of zeros"),
        pytest.param(FORESTS[9], HOLES, NUMBERS * 1e-200, id="bagging of tiny numbers"),
        pytest.param(BOOSTING[0], X, "one of a class", id="boosting, one of a class"),
        pytest.param(BOOSTING[1], HOLES, "objects", id="hist with holes"),
        pytest.param(BOOSTING[1], X, "one class", id="hist of one class"),
        pytest.param(BOOSTING[2], X, np.zeros(120), id="boosting of zeros"),
        pytest.param(BOOSTING[3], X * 1e37, NUMBERS * 1e20, id="hist of huge numbers"),
        pytest.param(
            sk.GradientBoostingClassifier(loss="exponential", **SMALL),
            X,
            "bools",
            id="exponential",
        ),
        pytest.param(
            sk.HistGradientBoostingRegressor(loss="gamma", **HIST),
            HOLES,
            np.abs(NUMBERS) + 0.1,
            id="gamma",
        ),
    ],
)
def test_smaller_sizes(model, rows, y):
    y = LABELS[y] if isinstance(y, str) else y
    units = units_of(model) if np.ndim(y) == 1 else units_of(model)[:3]
    assert_smaller(model, rows, y, units=units)


def test_rounded_class_shares_still_sum_to_one():
    model = sk.DecisionTreeClassifier(random_state=0)
    assert_smaller(model, X, CODES, units=("auto", "node"), sample_weight=WEIGHTS)
    small = pruned(model, keep=0.3, refit=False, quantize="int8", unit="node")
    small.fit(X, CODES, sample_weight=WEIGHTS)
    with pytest.raises(AttributeError, match="rounded ones do not. Use compact_"):
        _ = small.estimator_


def test_numbers_that_overflow_are_refused():
    for model in (FORESTS[7], BOOSTING[2]):
        small = pruned(model, keep=0.3, quantize="int8")
        with pytest.raises(ValueError, match=r"finite numbers. Got .* Scale"):
            small.fit(X, NUMBERS * 1e150)
        assert not hasattr(small, "compact_")


@pytest.mark.parametrize(
    "changes",
    [
        {"categorical_features": [1]},
        {"monotonic_cst": [0, 1, 0, 0, 0]},
        {"interaction_cst": [[0, 1], [2, 4]]},
    ],
    ids=repr,
)
def test_columns_that_a_setting_counts_do_not_move(changes):
    rows = np.where(np.arange(5) == 1, CODES[:, None] * 0, X)
    model = sk.HistGradientBoostingRegressor(**HIST, **changes)
    with pytest.raises(ValueError, match=f"counts them. Got {next(iter(changes))}="):
        pruned(model, unit="feature", keep=2).fit(rows, NUMBERS)
    assert_lossless(fitted(model, rows, NUMBERS), rows, NUMBERS)


def test_constraints_of_other_models_do_not_move():
    lgb, xgb = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    signs = [0, 1, 0, 0, 0]
    tree = sk.DecisionTreeRegressor(max_depth=2, monotonic_cst=signs)
    for model in (
        sk.RandomForestRegressor(2, monotonic_cst=signs),
        sk.AdaBoostRegressor(tree, n_estimators=2),
        lgb.LGBMRegressor(mc=signs, **LIGHT),
        xgb.XGBRegressor(monotone_constraints="(0, 1)", **EXTREME),
    ):
        with pytest.raises(ValueError, match="counts them. Got mono|counts them. Got mc="):
            pruned(model, unit="feature", keep=2).fit(X, NUMBERS)


@pytest.fixture
def frames():
    """Categories of several kinds: as they were, unknown ones, and in another order."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["letter"] = pd.Categorical(rng.choice(list("uvwxyz"), 120))
    frame["number"] = pd.Categorical(rng.choice([10, -3, 7], 120))
    frame["flag"] = rng.random(120) < 0.5
    frame["whole"] = pd.array(rng.integers(0, 5, 120), dtype="Int64")
    frame.loc[::7, "letter"], frame.loc[::11, "whole"] = None, pd.NA
    unknown, ordered = frame.copy(), frame.copy()
    unknown["letter"] = pd.Categorical(rng.choice(list("uvQR"), 120))
    unknown["number"] = pd.Categorical(rng.choice([10, -3, 99], 120))
    ordered["letter"] = pd.Categorical(frame["letter"], categories=list("zyxwvu"))
    return frame, unknown, ordered


@pytest.mark.parametrize("by", ["from_dtype", ["letter", "number"], None])
def test_categories_of_hist(frames, by):
    y = LABELS["strings"]
    if by is None:
        frames = [frame.drop(columns=["letter", "number"]) for frame in frames]
    for model, target in ((BOOSTING[1], y), (BOOSTING[3], NUMBERS)):
        model = fitted(clone(model).set_params(categorical_features=by), frames[0], target)
        for rows in frames:
            assert_lossless(model, frames[0], target, rows)
    assert_smaller(clone(BOOSTING[1]).set_params(categorical_features=by), frames[0], y,
                   frames[1], units=("auto", "iteration", "node"))  # fmt: skip


LIGHT = {"n_estimators": 4, "n_jobs": 1, "verbose": -1, "min_child_samples": 3}
EXTREME = {"n_estimators": 4, "n_jobs": 1, "random_state": 0}


def library_rows(rows):
    """Missing, infinite, and values that LightGBM takes for zeros."""
    values = (np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0, -0.0, 1e-36, 1e-35, 2e-35)
    return np.vstack([rows, HOLES, *(np.full((1, 5), value) for value in values)])


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "cross_entropy"},
        {"objective": "cross_entropy_lambda"},
        {"objective": "multiclassova"},
        {"sigmoid": 2.0},
        {"is_unbalance": True},
        {"num_leaves": 2},
        {"min_child_samples": 500},
        {"max_bin": 3},
        {"extra_trees": True},
        {"data_sample_strategy": "goss"},
        {"monotone_constraints": [1, -1, 0, 0, 0]},
        {"interaction_constraints": [[0, 1], [2]]},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"linear_tree": True},
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Found `n_estimators`")
def test_settings_of_lightgbm(changes):
    lgb = pytest.importorskip("lightgbm")
    y = CODES if changes.get("objective") == "multiclassova" else CODES > 0
    for rows, params in ((X, {}), (HOLES, {}), (X, {"sample_weight": WEIGHTS + 0.1})):
        model = fitted(lgb.LGBMClassifier(**(LIGHT | changes)), rows, y, **params)
        assert_lossless(model, rows, y, library_rows(rows), rtol=1e-13)


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "multi:softprob"},
        {"base_score": 0.3},
        {"base_score": 0.0},
        {"scale_pos_weight": 3.0},
        {"num_parallel_tree": 3},
        {"tree_method": "exact"},
        {"grow_policy": "lossguide", "max_leaves": 4},
        {"learning_rate": 0.0},
        {"gamma": 100.0},
        {"missing": -1.0},
        {"monotone_constraints": (1, -1, 0, 0, 0)},
        {"multi_strategy": "multi_output_tree"},
        {"booster": "gblinear"},
        {"booster": "dart"},
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_settings_of_xgboost(changes):
    xgb = pytest.importorskip("xgboost")
    three = {"objective", "multi_strategy", "booster"} & set(changes)
    y = CODES if three else (CODES > 0).astype(int)
    for rows, params in ((X, {}), (HOLES, {}), (X, {"sample_weight": WEIGHTS})):
        model = fitted(xgb.XGBClassifier(**(EXTREME | changes)), rows, y, **params)
        assert_lossless(model, rows, y, library_rows(rows), rtol=1e-5)


def test_odd_targets_of_libraries():
    lgb, xgb = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    one, zeros = np.zeros(120, dtype=int), np.zeros(120)
    for model, y in (
        (lgb.LGBMClassifier(**LIGHT), LABELS["one class"]),
        (lgb.LGBMRegressor(**LIGHT), zeros),
        (lgb.LGBMRegressor(objective="regression", reg_sqrt=True, **LIGHT), NUMBERS),
        (xgb.XGBClassifier(**EXTREME), one),
        (xgb.XGBRegressor(**EXTREME), two(NUMBERS)),
        (xgb.XGBRegressor(objective="count:poisson", **EXTREME), zeros),
        (xgb.XGBRegressor(objective="reg:logistic", **EXTREME), np.ones(120)),
        (xgb.XGBRFRegressor(n_estimators=3, n_jobs=1), NUMBERS),
    ):
        model = fitted(model, X, y)
        assert_lossless(model, X, y, library_rows(X), rtol=1e-5)


def test_smaller_models_of_libraries():
    lgb, xgb = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    units = ("auto", "iteration", "node")
    for model, y in (
        (lgb.LGBMClassifier(**LIGHT), LABELS["strings"]),
        (lgb.LGBMRegressor(objective="poisson", **LIGHT), np.abs(NUMBERS)),
        (xgb.XGBClassifier(num_parallel_tree=2, **EXTREME), CODES),
        (xgb.XGBClassifier(**EXTREME), np.zeros(120, dtype=int)),
        (xgb.XGBRegressor(objective="reg:gamma", **EXTREME), np.abs(NUMBERS) + 0.1),
    ):
        assert_smaller(model, HOLES, y, library_rows(HOLES), units=units)


def test_categories_of_libraries(frames):
    lgb, xgb = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    frame, unknown, ordered = frames
    light = fitted(lgb.LGBMRegressor(cat_smooth=1.0, **LIGHT), frame, NUMBERS)
    for rows in frames:
        assert_lossless(light, frame, NUMBERS, rows, rtol=1e-13)
    for most in (1, 100):
        model = xgb.XGBRegressor(
            enable_categorical=True, max_cat_to_onehot=most, **EXTREME
        ).fit(frame, NUMBERS)
        for rows in (frame, ordered):
            small = assert_lossless(model, frame, NUMBERS, rows, rtol=1e-5)
        with pytest.raises(ValueError, match="must hold categories of the fit. Got"):
            small.predict(unknown)  # XGBoost raises for numbers and guesses for texts
