"""Compiled sums of trees against walks by numpy, to the bit."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification, make_friedman1

from sklearn_prune.persistence import load, save
from sklearn_prune.predictors.quantized import arrays_in
from sklearn_prune.predictors.trees import flat as _flat
from sklearn_prune.predictors.trees import layouts
from sklearn_prune.predictors.trees.flat import FlatTrees
from sklearn_prune.predictors.trees.forest import compact_score_forest
from sklearn_prune.predictors.trees.layouts import BitVectors, Pairs
from sklearn_prune.weight_pruning import Quantizer, fitted_form
from tests.estimators import sk
from tests.predictors.test_trees import N_FEATURES, SETS, random_tree, rows

SIZES = [*range(1, 18), 100, 513, 1000]


def by_numpy(flat, X, start):
    """Sums in the dtype of `start`, from a copy that calls no compiled kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_flat, "kernels_for", lambda *_: None)
        out = np.zeros((len(X), flat.n_outputs), start.dtype) + start
        copy(flat).add_to(out, X)
    return out


def beside(thresholds, dtype):
    """Thresholds, and the numbers next to each."""
    near = thresholds.astype(dtype)
    return np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])


def check_sums(flat, X, start, sizes=SIZES):
    expected = by_numpy(flat, X, start)
    for n_rows in sizes:
        out = np.zeros((n_rows, flat.n_outputs), start.dtype) + start
        flat.add_to(out, X[:n_rows])
        assert_array_equal(out, expected[:n_rows])
        quick = flat.quick_sums(np.ascontiguousarray(X[:n_rows]), 0, start)
        if quick is not None:
            assert_array_equal(quick, expected[:n_rows])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("most", [3, 63, 200])
def test_random_trees(seed, categories, most):
    """One output or several, sums in both precisions, missing values, ties."""
    rng = np.random.default_rng([seed, most])
    sizes = rng.integers(0, most + 1, size=rng.integers(1, 24))
    trees = [random_tree(rng, size, categories=categories) for size in sizes]
    exact = categories or seed % 2 == 1
    dtype = np.float64 if exact else np.float32
    n_outputs = 1 + seed % 3
    if seed % 2 == 0:  # sums in float32 stay equal for leaves that fit
        for tree in trees:
            tree.value = tree.value.astype(np.float32).astype(np.float64)
    columns = rng.permutation(n_outputs) if seed < 4 else rng.integers(n_outputs, size=40)
    flat = FlatTrees.build(
        trees,
        N_FEATURES,
        exact_float64_thresholds=exact,
        n_outputs=n_outputs,
        output_column=columns[: len(trees)] if seed >= 4 else columns,
        category_sets=SETS if categories else (),
    )
    thresholds = beside(np.concatenate([tree.threshold for tree in trees]), dtype)
    X = rows(rng, 1000, dtype, categories=categories, thresholds=thresholds)
    start = rng.normal(size=n_outputs).astype(np.float32 if seed % 2 == 0 else np.float64)
    check_sums(flat, X, start)
    fits = BitVectors if max(sizes) < 64 else Pairs
    assert isinstance(flat._layout, fits)
    check_sums(flat, np.nan_to_num(X, posinf=1.0, neginf=-1.0), start, sizes=[1, 8, 100])
    check_sums(FlatTrees.part(flat, 0, 1 + len(trees) // 2), X, start, sizes=[1, 30])


@pytest.mark.parametrize("table", ["values", "pure", "shares", "sparse"])
@pytest.mark.parametrize("n_trees", [1, 7, 20])
def test_tables_of_several_outputs(table, n_trees):
    rng = np.random.default_rng(n_trees)
    width = {"sparse": 12, "shares": 3}.get(table, 4)
    trees = [random_tree(rng, 60, width=width) for _ in range(n_trees)]
    for tree in trees:
        if table == "values":
            continue
        counts = rng.integers(0, 9, size=tree.value.shape)
        counts *= rng.random(counts.shape) < (0.2 if table == "sparse" else 0.9)
        counts[:, 0] += counts.sum(axis=1) == 0
        tree.weight = counts.sum(axis=1).astype(float)
        tree.value = counts / tree.weight[:, None]
        if table == "pure":
            tree.value[rng.random(len(counts)) < 0.5] = np.eye(width)[1]
    options = {"one_hot_classes": width} if table != "values" else {}
    flat = FlatTrees.build(trees, N_FEATURES, **options)
    kinds = {"values": "ValueLeaves", "shares": "ShareLeaves", "sparse": "SparseLeaves"}
    assert type(flat.table).__name__ == kinds.get(table, type(flat.table).__name__)
    X = rows(rng, 1000, np.float32)
    check_sums(flat, X, np.zeros(width), sizes=[1, 2, 7, 8, 9, 100, 513])
    assert isinstance(flat._layout, Pairs)
    assert flat._layout.reads_nan
    check_sums(copy(flat), np.nan_to_num(X), np.zeros(width), sizes=[1, 2, 8, 513])


def test_missing_values_after_others():
    """Columns are told apart from the first missing value on."""
    rng = np.random.default_rng(0)
    flat = FlatTrees.build([random_tree(rng, 90) for _ in range(9)], N_FEATURES)
    X = rows(rng, 40, np.float32)
    whole = np.nan_to_num(X)
    check_sums(flat, whole, np.zeros(1), sizes=[1, 40])
    assert not flat._layout.reads_nan
    assert flat.quick_sums(X, 0, np.zeros(1)) is None
    check_sums(flat, X, np.zeros(1), sizes=[1, 40])
    assert flat._layout.reads_nan
    check_sums(flat, whole, np.zeros(1), sizes=[1, 40])


def test_more_rows_than_a_block():
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 70, width=2) for _ in range(3)]
    flat = FlatTrees.build(trees, N_FEATURES)
    X = rows(rng, 4101, np.float32)
    check_sums(flat, np.nan_to_num(X), np.array([0.5, -0.25]), sizes=[4096, 4097, 4101])
    out = rng.normal(size=(4101, 2))  # sums may start from numbers of each row
    expected = by_numpy(flat, X, out)
    flat.add_to(out, X)
    assert_array_equal(out, expected)


def test_large_trees_and_tables_have_no_layout(monkeypatch):
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 90, width=3) for _ in range(9)]
    for tree in trees:
        tree.value = np.abs(tree.value) + 1
        tree.weight = tree.value.sum(axis=1)
        tree.value = tree.value / tree.weight[:, None]
    X = rows(rng, 300, np.float32)
    for name in ("LARGEST_KEPT", "LARGEST_TABLE"):
        flat = FlatTrees.build(trees, N_FEATURES, one_hot_classes=3)
        with monkeypatch.context() as patch:
            patch.setattr(layouts, name, 5)
            if name == "LARGEST_TABLE":
                small = Quantizer("int8").quantize(flat.table.rows(3))
                flat = flat.with_leaf_values(small) if flat.n_pure else flat
            check_sums(flat, X, np.zeros(3), sizes=[1, 8, 300])


FEW = {"n_estimators": 9, "random_state": 0}


@pytest.fixture(scope="module")
def classes():
    X, y = make_classification(
        700, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0
    )
    return X.astype(np.float32).astype(float), y


def score_forest(X, y):
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, 40) for _ in range(9)]
    return compact_score_forest(FlatTrees.build(trees, 8), -0.25, ["no", "yes"])


def boosted(module, name, **options):
    def fitted(X, y):
        library = pytest.importorskip(module)
        return getattr(library, name)(n_estimators=9, **options).fit(X, y)

    return fitted


def of_two(make):
    return lambda X, y: make(X, (y > 0).astype(int))


def missing(make):
    def fitted(X, y):
        X = X.copy()
        X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
        return make(X, y)

    return fitted


MODELS = {
    "forest": lambda X, y: sk.RandomForestClassifier(**FEW).fit(X, y),
    "forest of two": of_two(lambda X, y: sk.RandomForestClassifier(**FEW).fit(X, y)),
    "forest with missing": missing(lambda X, y: sk.RandomForestClassifier(**FEW).fit(X, y)),
    "shallow forest": lambda X, y: sk.RandomForestClassifier(max_depth=3, **FEW).fit(X, y),
    "two targets": lambda X, y: sk.RandomForestClassifier(**FEW).fit(X, np.c_[y, y > 0]),
    "regression": lambda X, y: sk.RandomForestRegressor(**FEW).fit(X, X[:, 0] * y),
    "shallow regression": lambda X, y: sk.ExtraTreesRegressor(max_depth=4, **FEW).fit(
        X, X[:, 0] * y
    ),
    "two numbers": lambda X, y: sk.RandomForestRegressor(**FEW).fit(X, X[:, :2]),
    "tree": lambda X, y: sk.DecisionTreeClassifier().fit(X, y),
    "stump": lambda X, y: sk.DecisionTreeRegressor(max_depth=1).fit(X, y),
    "bagging": lambda X, y: sk.BaggingClassifier(**FEW).fit(X, y),
    "scores": score_forest,
    "gradient": lambda X, y: sk.GradientBoostingClassifier(n_estimators=9).fit(X, y),
    "gradient of two": of_two(
        lambda X, y: sk.GradientBoostingClassifier(n_estimators=9).fit(X, y)
    ),
    "hist": lambda X, y: sk.HistGradientBoostingClassifier(max_iter=9).fit(X, y),
    "hist of two": of_two(
        missing(lambda X, y: sk.HistGradientBoostingClassifier(max_iter=9).fit(X, y))
    ),
    "hist regression": lambda X, y: sk.HistGradientBoostingRegressor(
        max_iter=9, loss="poisson", max_leaf_nodes=90, min_samples_leaf=2
    ).fit(X, y),
    "hist categories": lambda X, y: sk.HistGradientBoostingClassifier(
        max_iter=9, categorical_features=[0]
    ).fit(np.c_[np.abs(X[:, 0] * 5).astype(int), X[:, 1:]], y),
    "lightgbm": boosted("lightgbm", "LGBMClassifier", verbose=-1),
    "lightgbm of two": of_two(boosted("lightgbm", "LGBMClassifier", verbose=-1)),
    "lightgbm forest": of_two(
        boosted(
            *("lightgbm", "LGBMClassifier"),
            **{"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1, "verbose": -1},
        )
    ),
    "xgboost": boosted("xgboost", "XGBClassifier"),
    "xgboost of two": of_two(missing(boosted("xgboost", "XGBClassifier"))),
    "xgboost zeros": of_two(boosted("xgboost", "XGBClassifier", missing=0.0)),
}


@pytest.fixture(scope="module")
def predictors(classes):
    made = {}

    def get(name):
        if name not in made:
            model = MODELS[name](*classes)
            made[name] = model if name == "scores" else fitted_form(model)
        return made[name]

    return get


def odd_rows(X):
    """What callers may pass: values, shapes, types and memory layouts."""
    for n_rows in (1, 20):
        part = X[:n_rows]
        values = (np.nan, np.inf, -np.inf, 1e300, 3.4028236e38, 3.4028235e38, 1e-36, -0.0)
        for value in values:
            changed = part.copy()
            changed[0, 1] = value
            yield changed
            yield changed.astype(np.float32)
        fixed = part.copy()
        fixed.flags.writeable = False
        yield from (part[:, :-1], X[0], X[:0], part.tolist(), np.asfortranarray(part))
        yield from (X[: 3 * n_rows : 3], fixed, part.astype(">f8"), part.astype(np.float16))
        yield from ((9 * part).astype(int), part.astype(object), part[None])


def outcome(function, X):
    """What comes back as bytes, or the exception."""
    with np.errstate(all="ignore"):
        try:
            found = function(X)
        except Exception as error:
            return type(error), str(error)
    parts = found if isinstance(found, list) else [found]
    return [(part.dtype, part.shape, part.tobytes()) for part in parts]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("name", MODELS)
def test_answers_and_errors_are_those_without_compiled_sums(name, classes, predictors):
    X = classes[0]
    predictor, slow = predictors(name), copy(predictors(name))
    slow.trees_ = copy(slow.trees_)
    cases = [*odd_rows(X)]
    cases += [X[:n_rows].astype(dtype) for n_rows in SIZES for dtype in "fd"]
    for method in ("predict", "predict_proba", "decision_function"):
        if not hasattr(predictor, method):
            continue
        found = [outcome(getattr(predictor, method), rows) for rows in cases]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_flat, "kernels_for", lambda *_: None)
            expected = [outcome(getattr(slow, method), rows) for rows in cases]
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert one == other, (method, number)
    assert predictor.trees_._layout


@pytest.mark.parametrize("name", ["forest", "scores", "hist of two"])
def test_threads_may_lay_out_at_once(name, classes, predictors):
    X = classes[0]
    expected = predictors(name).predict_proba(X)
    for n_rows in (1, 9):
        fresh = deepcopy(predictors(name))
        starts = [*range(0, 600, n_rows)]
        with ThreadPoolExecutor(4) as threads:
            found = list(
                threads.map(
                    lambda i, p=fresh, n=n_rows: p.predict_proba(X[i : i + n]), starts
                )
            )
        for i, part in zip(starts, found, strict=True):
            assert_array_equal(part, expected[i : i + n_rows])


@pytest.mark.parametrize("name", ["forest", "regression", "hist of two"])
def test_the_layout_is_made_by_a_call_and_stays_here(name, classes, predictors, tmp_path):
    X = classes[0]
    used = deepcopy(predictors(name))
    assert used.trees_._layout is None
    before = pickle.dumps(used)
    expected = used.predict(X)
    assert used.trees_._layout
    assert pickle.dumps(used) == before
    values = used.trees_.table.values
    others = [
        pickle.loads(before).trees_,
        deepcopy(used).trees_,
        copy(used.trees_),
        used.trees_.with_leaf_values(values),
        used.trees_.with_leaf_values(Quantizer("float16").quantize(values)),
    ]
    for other in others:
        assert other._layout is None
    save(used, tmp_path / "model.skprune")
    loaded = load(tmp_path / "model.skprune")
    assert_array_equal(loaded.predict(X), expected)
    assert loaded.trees_._layout


def nbytes(thing):
    return sum(array.nbytes for array in arrays_in(thing))


def test_bytes_of_layouts():
    X, y = make_friedman1(3000, random_state=0)
    forest = fitted_form(sk.RandomForestClassifier(9, random_state=0).fit(X, y > y.mean()))
    stored = nbytes(forest)
    forest.predict(X[:1])
    assert nbytes(forest) <= 2.9 * stored
    model = sk.HistGradientBoostingRegressor(max_iter=100, early_stopping=False).fit(X, y)
    boosting = fitted_form(model)
    assert boosting.trees_.n_leaves == 3100
    stored = nbytes(boosting)
    boosting.predict(X[:1])
    assert nbytes(boosting) - stored <= 80_000


def test_logistic_is_that_of_the_links():
    assert layouts.has_exact_logistic()
