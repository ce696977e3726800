"""LightGBM and XGBoost: compact forms that predict as they do, and smaller ones."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_prune
from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
)
from sklearn_prune.comparison import compare_pruning
from sklearn_prune.models.boosting.family import BoostingFamily
from sklearn_prune.sample_selection import LossSelector
from sklearn_prune.weight_pruning._context import PruningContext
from tests.estimators import sk

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
N_TREES = 5


@pytest.fixture
def lgb():
    return pytest.importorskip("lightgbm")


@pytest.fixture
def xgb():
    return pytest.importorskip("xgboost")


def classes(n_classes):
    return make_classification(
        300, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
    )


def holes(X):
    """Some values missing, some zero."""
    rng = np.random.default_rng(0)
    X = X.copy()
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.1] = 0.0
    return X


def compact_of(model, X, y):
    family = BoostingFamily()
    assert family.accepts(model)
    compact = family.compact(family.start(model, PruningContext(model, X, y)))
    return pickle.loads(pickle.dumps(compact))


def assert_same_predictions(model, compact, X, rtol=0.0):
    for method in METHODS:
        assert hasattr(model, method) == hasattr(compact, method)
        if hasattr(model, method):
            expected, found = getattr(model, method)(X), getattr(compact, method)(X)
            assert found.dtype == expected.dtype
            if rtol and found.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, rtol=rtol)
            else:
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1},
        {"boosting_type": "dart"},
        {"class_weight": "balanced"},
    ],
)
def test_lightgbm_classifiers_have_equal_scores_to_the_bit(lgb, n_classes, params):
    X, y = classes(n_classes)
    labels = np.array(["red", "green", "blue"])[y]
    model = lgb.LGBMClassifier(n_estimators=N_TREES, n_jobs=1, verbose=-1, **params)
    for rows in (holes(X), X):
        model.fit(rows, labels)
        compact = compact_of(model, rows, labels)
        assert_same_predictions(model, compact, holes(X))
        scores = model.predict(holes(X), raw_score=True)
        raw = compact._raw(holes(X))
        np.testing.assert_array_equal(raw.reshape(scores.shape), scores)


@pytest.mark.parametrize("n_classes", [3, 10, 40])
@pytest.mark.parametrize("kind", ["softmax", "one against the rest", "hist", "xgboost"])
def test_many_classes_have_equal_scores_to_the_bit(kind, n_classes, lgb, xgb):
    """Sums of many exponentials depend on their order."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 5))
    X[:, 3:] = rng.integers(0, [12, 60], (800, 2))
    y = (3 * X.sum(axis=1) + 5 * np.sin(7 * X[:, 4])).astype(int) % n_classes
    model, params = {
        "softmax": (lgb.LGBMClassifier(), {"categorical_feature": [3, 4]}),
        "one against the rest": (
            lgb.LGBMClassifier(objective="multiclassova", sigmoid=2.0),
            {"categorical_feature": [3, 4]},
        ),
        "hist": (sk.HistGradientBoostingClassifier(categorical_features=[3, 4]), {}),
        "xgboost": (
            xgb.XGBClassifier(
                enable_categorical=True, feature_types=["q", "q", "q", "c", "c"]
            ),
            {},
        ),
    }[kind]
    if kind == "hist":
        model.set_params(max_iter=3)
    else:
        model.set_params(n_estimators=3, n_jobs=1, verbosity=0)
    model.fit(X, y, **params)
    compact = compact_of(model, X, y)
    rows = holes(X)
    rows[:40, 4], rows[40:80, 3] = (np.nan if kind == "xgboost" else 77.0), np.nan
    for n_rows in (800, 1, 2, 3, 5, 9, 17):
        assert_same_predictions(model, compact, rows[:n_rows])


@pytest.mark.parametrize(
    "objective",
    ["regression", "regression_l1", "huber", "poisson", "quantile", "gamma", "tweedie"],
)
def test_lightgbm_regressors_have_equal_scores_to_the_bit(lgb, objective):
    X, y = make_friedman1(300, random_state=0)
    model = lgb.LGBMRegressor(
        n_estimators=N_TREES, objective=objective, n_jobs=1, verbose=-1
    ).fit(X, y)
    compact = compact_of(model, X, y)
    assert_same_predictions(model, compact, X, rtol=1e-14)
    scores = model.predict(X, raw_score=True)
    np.testing.assert_array_equal(compact._raw(X).reshape(scores.shape), scores)
    pruned = PrunedRegressor(model, keep=0.5, cv=2, random_state=0).fit(X, y)
    assert np.isfinite(pruned.predict(X)).all()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [np.nan, 0.0])
def test_xgboost_classifiers_are_equal(xgb, n_classes, missing):
    X, y = classes(n_classes)
    model = xgb.XGBClassifier(n_estimators=N_TREES, n_jobs=1, missing=missing)
    model.fit(holes(X), y)
    compact = compact_of(model, holes(X), y)
    assert_same_predictions(model, compact, holes(X), rtol=1e-5)
    margins = model.predict(holes(X), output_margin=True)
    raw = compact._raw(holes(X))
    np.testing.assert_array_equal(raw.reshape(margins.shape), margins)


@pytest.mark.parametrize(
    "objective",
    ["reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie"],
)
def test_xgboost_regressors_are_equal(xgb, objective):
    X, y = make_friedman1(300, random_state=0)
    model = xgb.XGBRegressor(n_estimators=N_TREES, objective=objective, n_jobs=1).fit(X, y)
    compact = compact_of(model, X, y)
    assert_same_predictions(model, compact, X, rtol=1e-5)
    margins = model.predict(X, output_margin=True)
    np.testing.assert_array_equal(compact._raw(X)[:, 0], margins)


def test_the_best_iteration_counts(lgb, xgb):
    X, y = classes(2)
    flipped = np.where(np.random.default_rng(0).random(300) < 0.3, 1 - y, y)
    a = xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=2, n_jobs=1)
    a.fit(X[:200], flipped[:200], eval_set=[(X[200:], flipped[200:])], verbose=False)
    assert a.best_iteration < 49
    assert_same_predictions(a, compact_of(a, X, y), X, rtol=1e-5)
    b = lgb.LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1)
    b.fit(
        X[:200],
        flipped[:200],
        eval_set=[(X[200:], flipped[200:])],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    assert b.best_iteration_ < 50
    assert_same_predictions(b, compact_of(b, X, y), X)


def test_categories(lgb, xgb):
    pd = pytest.importorskip("pandas")
    X, y = make_friedman1(400, random_state=0)
    codes = np.random.default_rng(0).integers(0, 12, len(X))
    y = y + 5 * np.sin(7 * codes)
    X[:, 1] = codes
    unknown = X.copy()
    unknown[:40, 1], unknown[40:80, 1], unknown[80:120, 1] = np.nan, 77.0, -1.0
    a = lgb.LGBMRegressor(
        n_estimators=N_TREES, categorical_feature=[1], n_jobs=1, verbose=-1
    ).fit(X, y)
    assert_same_predictions(a, compact_of(a, X, y), unknown)
    frame = pd.DataFrame(X, columns=[f"f{k}" for k in range(10)])
    frame["f1"] = pd.Categorical(np.array(list("abcdefghijkl"))[codes])
    lacking = frame.copy()
    lacking.loc[:30, "f1"] = None
    b = lgb.LGBMRegressor(n_estimators=N_TREES, n_jobs=1, verbose=-1).fit(frame, y)
    c = xgb.XGBRegressor(n_estimators=N_TREES, enable_categorical=True, n_jobs=1)
    c.fit(frame, y)
    for model in (b, c):
        assert_same_predictions(model, compact_of(model, frame, y), lacking)


def frame_of_categories(pd, ordered=False):
    """Numbers, texts, categories of texts and of integers, and targets."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"number": rng.normal(size=300)})
    frame["text"] = pd.Categorical(rng.choice(["u", "v", "w"], 300), ordered=ordered)
    frame["integer"] = rng.integers(0, 9, 300)
    frame["code"] = pd.Categorical(rng.integers(5, 30, 300))
    frame["one"] = pd.Categorical(["k"] * 300)
    y = frame["number"] + 2 * (frame["text"] == "u") + np.sin(7 * frame["code"].astype(int))
    return frame, y


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("library", ["lgb", "xgb"])
def test_compact_knows_categories_without_the_frame(library, ordered, request):
    pd = pytest.importorskip("pandas")
    module = request.getfixturevalue(library)
    frame, y = frame_of_categories(pd, ordered)
    if library == "lgb":
        model = module.LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1)
    else:
        model = module.XGBRegressor(n_estimators=20, enable_categorical=True, n_jobs=1)
    model.fit(frame, y)
    compact = sklearn_prune.compact(model)
    lacking = frame.copy()
    lacking.loc[:30, "text"], lacking.loc[20:50, "code"] = None, None
    other = lacking.copy()
    other["text"] = other["text"].cat.set_categories(["w", "u", "v", "unused"])
    if library == "lgb":
        other["code"] = other["code"].cat.set_categories(range(10, 50))  # few unknown
    for rows in (frame, lacking, other):
        expected = model.predict(rows)
        np.testing.assert_array_equal(compact.predict(rows), expected)
        columns = {name: rows[name].tolist() for name in rows}
        np.testing.assert_array_equal(compact.predict(columns), expected)
    same = PrunedRegressor(FrozenEstimator(model), keep=1.0).fit(frame, y).compact_
    np.testing.assert_array_equal(same.predict(lacking), model.predict(lacking))


def test_categories_that_lightgbm_does_not_place(lgb):
    pd = pytest.importorskip("pandas")
    frame, y = frame_of_categories(pd, ordered=True)
    frame["integer"] %= 3
    model = lgb.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(frame, y)
    with pytest.warns(UserWarning, match="LightGBM stores their values, and not which"):
        sklearn_prune.compact(model)


@pytest.mark.parametrize("named", [["integer"], ["integer", "code"]])
def test_categories_that_look_like_an_integer_column(named, lgb):
    """The columns split by sets of categories are others than pandas had."""
    pd = pytest.importorskip("pandas")
    frame, y = frame_of_categories(pd)
    frame = frame[["number", "text", *named]]
    frame["integer"] %= 3
    model = lgb.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1)
    model.fit(frame, y, categorical_feature=named)
    compact = sklearn_prune.compact(model)
    with pytest.raises(ValueError, match="Categorical columns of X .* Got column 1"):
        compact.predict(frame)
    frozen = PrunedRegressor(FrozenEstimator(model), keep=1.0).fit(frame, y)
    np.testing.assert_array_equal(frozen.predict(frame), model.predict(frame))


def test_texts_that_xgboost_cuts_off(xgb):
    pd = pytest.importorskip("pandas")
    frame, y = frame_of_categories(pd)
    frame["text"] = frame["text"].cat.rename_categories(["\xfc", "v", "w"])
    model = xgb.XGBRegressor(n_estimators=5, enable_categorical=True, n_jobs=1)
    model.fit(frame, y)
    with pytest.warns(UserWarning, match="texts outside ASCII cut off"):
        sklearn_prune.compact(model)
    frozen = PrunedRegressor(FrozenEstimator(model), keep=1.0).fit(frame, y)
    np.testing.assert_array_equal(frozen.predict(frame), model.predict(frame))


def test_categories_of_several_types(lgb):
    """As an array of numpy all of them would be texts."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    values = np.array([1, "a", "b", 2], dtype=object)[rng.integers(0, 4, 200)]
    frame = pd.DataFrame({"a": pd.Categorical(values)})
    y = np.array([value in (1, "b") for value in values], dtype=float)
    model = lgb.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1, cat_smooth=1)
    model.set_params(min_child_samples=5, min_data_per_group=5).fit(frame, y)
    assert len(set(model.predict(frame))) > 1
    np.testing.assert_array_equal(
        sklearn_prune.compact(model).predict(frame), model.predict(frame)
    )


def test_sparse_rows(lgb, xgb):
    X, y = make_friedman1(300, random_state=0)
    X = csr_matrix(np.where(X < 0.5, 0.0, X))
    for model in (
        lgb.LGBMRegressor(n_estimators=N_TREES, n_jobs=1, verbose=-1),
        xgb.XGBRegressor(n_estimators=N_TREES, n_jobs=1),
    ):
        model.fit(X, y)
        assert_same_predictions(model, compact_of(model, X, y), X)


def test_models_that_are_refused_say_why(xgb, lgb):
    X, y = classes(2)
    family = BoostingFamily()
    for model, word in (
        (xgb.XGBClassifier(n_estimators=2, booster="dart"), "dart"),
        (xgb.XGBClassifier(n_estimators=2, booster="gblinear"), "gblinear"),
        (xgb.XGBRegressor(n_estimators=2, objective="rank:pairwise"), "rank"),
        (lgb.LGBMRegressor(n_estimators=2, linear_tree=True, verbose=-1), "linear"),
    ):
        if word == "rank":
            model.set_params(objective="survival:cox")
            word = "survival"
        model.fit(X, y)
        assert word in family.accepts(model).reason


@pytest.mark.parametrize("n_classes", [2, 3])
def test_pruning(lgb, xgb, n_classes):
    X, y = classes(n_classes)
    for model in (
        lgb.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1),
        xgb.XGBClassifier(n_estimators=20, n_jobs=1),
    ):
        pruned = PrunedClassifier(model, keep=0.3, cv=2, random_state=0).fit(X, y)
        report = pruned.report_
        assert report.after["parameters"] <= 0.3 * report.before["parameters"]
        assert len(pickle.dumps(pruned.compact_)) < report.before["nbytes"] / 8
        assert np.mean(pruned.predict(X) == y) > 0.85
        with pytest.raises(AttributeError, match="compact_"):
            _ = pruned.estimator_


@pytest.mark.parametrize("keep", [1.0, 0.4])
def test_frozen_models_of_frames_with_categories(lgb, xgb, keep):
    pd = pytest.importorskip("pandas")
    X, y = make_friedman1(400, random_state=0)
    codes = np.random.default_rng(0).integers(0, 12, len(X))
    y = y + 5 * np.sin(7 * codes)
    frame = pd.DataFrame(X, columns=[f"f{k}" for k in range(10)])
    frame["f1"] = pd.Categorical(np.array(list("abcdefghijkl"))[codes])
    for model in (
        lgb.LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1),
        xgb.XGBRegressor(n_estimators=20, enable_categorical=True, n_jobs=1),
    ):
        model.fit(frame, y)
        own = model.predict(frame)
        frozen = PrunedRegressor(
            FrozenEstimator(model), keep=keep, cv=2, random_state=0
        ).fit(frame, y)
        if keep == 1.0:
            np.testing.assert_array_equal(frozen.predict(frame), own)
        share = frozen.report_.after["parameters"] / frozen.report_.before["parameters"]
        assert share <= keep
        assert frozen.score(frame, y) > 0.9 * model.score(frame, y)
        np.testing.assert_array_equal(model.predict(frame), own)


@pytest.mark.parametrize("scheme", ["int8", "float16", "codebook"])
def test_quantized_leaves(lgb, xgb, scheme):
    X, y = classes(2)
    for model in (
        lgb.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1),
        xgb.XGBClassifier(n_estimators=20, n_jobs=1),
    ):
        exact = PrunedClassifier(model, keep=1.0, random_state=0).fit(X, y)
        small = PrunedClassifier(model, keep=1.0, quantize=scheme, random_state=0).fit(X, y)
        found, expected = small.predict_proba(X), exact.predict_proba(X)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, atol=0.05)
        n_values = len(np.unique(exact.compact_.trees_.id_values()))
        few = scheme == "codebook" and n_values <= 256
        assert (np.abs(found - expected).max() < 1e-6) == few


def error_of(call, *args, **params):
    with pytest.raises(ValueError) as raised:
        call(*args, **params)
    assert "\n" not in str(raised.value)
    return str(raised.value)


QUERIES = {"group": [30] * 4, "qid": np.repeat(np.arange(4), 30)}


@pytest.mark.parametrize("params", QUERIES)
@pytest.mark.parametrize("library", ["lgb", "xgb"])
def test_rankers_are_kept_whole(library, params, request):
    if (library, params) == ("lgb", "qid"):
        pytest.skip("LightGBM takes sizes of queries only")
    module = request.getfixturevalue(library)
    settings = {"n_estimators": 3}
    if library == "lgb":
        ranker = module.LGBMRanker(**settings, min_child_samples=3, verbose=-1)
    else:
        ranker = module.XGBRanker(**settings)
    X, y = classes(3)
    X, y, given = X[:120], y[:120], {params: QUERIES[params]}
    whole = PrunedRegressor(ranker, keep=1.0).fit(X, y, **given)
    np.testing.assert_array_equal(whole.predict(X), ranker.fit(X, y, **given).predict(X))
    for keep in (0.5, "auto"):
        assert "rows of a query" in error_of(
            PrunedRegressor(ranker, keep=keep).fit, X, y, **given
        )
    piped = make_pipeline(StandardScaler(), ranker)
    name = f"{type(ranker).__name__.lower()}__{params}"
    error = error_of(PrunedRegressor(piped).fit, X, y, **{name: QUERIES[params]})
    assert "rows of a query" in error
    subset = SampleSubsetRegressor(ranker, random_state=0)
    if params == "group":
        assert "group holds numbers" in error_of(subset.fit, X, y, **given)
        variants = {"all": ranker, "half": subset}
        message = error_of(compare_pruning, variants, X, y, params=given, scoring="r2")
        assert "group holds numbers" in message
        return
    assert len(subset.fit(X, y, **given).sample_indices_) == 60
    subset = SampleSubsetRegressor(ranker, LossSelector())
    assert "rows of a query" in error_of(subset.fit, X, y, **given)


def own_objective(y, raw):
    return raw - y, np.ones_like(raw)


@pytest.mark.filterwarnings("ignore:.* has no smaller form:UserWarning")
@pytest.mark.parametrize("kind", ["quantiles", "own objective"])
def test_predictions_that_are_not_one_answer_a_row(kind, request):
    X, y = classes(2)
    X, y = X[:120], y[:120]
    if kind == "quantiles":
        xgb, y = request.getfixturevalue("xgb"), X[:, 0] + y
        params = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
        inner = xgb.XGBRegressor(n_estimators=3, **params)
        pruned, subset = PrunedRegressor, SampleSubsetRegressor
    else:
        lgb = request.getfixturevalue("lgb")
        inner = lgb.LGBMClassifier(n_estimators=3, objective=own_objective, verbose=-1)
        pruned, subset = PrunedClassifier, SampleSubsetClassifier
    name = type(inner).__name__
    whole = pruned(inner, keep=1.0).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), inner.fit(X, y).predict(X))
    for keep in (0.5, "auto"):
        error = error_of(pruned(inner, keep=keep).fit, X, y)
        assert error.startswith(f"{name} must predict one ")
    error = error_of(subset(inner, LossSelector(cv=2)).fit, X, y)
    assert error.startswith(f"{name} must ")
    variants = {"all": inner, "half": subset(inner)}
    assert f"{name} must predict one " in error_of(compare_pruning, variants, X, y, cv=2)


def _importances_in_library(model, iterations, kind, n_features):
    """Importances of some iterations, by what the library itself tells of its splits."""
    if hasattr(model, "booster_"):
        splits = model.booster_.trees_to_dataframe()
        first = splits["tree_index"] // model.booster_.num_model_per_iteration()
        splits = splits[first.isin(iterations) & (splits["split_gain"] > 0)]
        features = splits["split_feature"].str.removeprefix("Column_")
        gains = splits["split_gain"]
    elif hasattr(model, "get_booster"):
        splits = model.get_booster().trees_to_dataframe()
        splits = splits[(splits["Tree"] // 3).isin(iterations)]  # of three classes
        splits = splits[splits["Feature"] != "Leaf"]
        features = splits["Feature"].str[1:]
        gains = splits["Cover" if "cover" in kind else "Gain"]
    elif hasattr(model, "estimators_"):
        trees = [tree.tree_ for tree in model.estimators_[iterations].ravel()]
        found = sum(tree.compute_feature_importances(normalize=False) for tree in trees)
        return found / found.sum()
    else:
        found = np.zeros(n_features)
        for iteration in iterations:
            for predictor in model._predictors[iteration]:
                splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                np.add.at(found, splits["feature_idx"], splits["gain"])
        return found / found.sum()
    by_feature = gains.groupby(features.astype(int))
    how = "sum" if "total" in kind or hasattr(model, "booster_") else "mean"
    found = getattr(by_feature, "size" if kind in ("split", "weight") else how)()
    found = found.reindex(range(n_features), fill_value=0).to_numpy()
    return found / found.sum() if hasattr(model, "get_booster") else found


@pytest.mark.parametrize(
    ("library", "kinds"),
    [
        ("GradientBoosting", ["gain"]),
        ("HistGradientBoosting", ["gain"]),
        ("LGBM", ["split", "gain"]),
        ("XGB", ["gain", "weight", "cover", "total_gain", "total_cover"]),
    ],
)
def test_importances_count_the_splits_that_are_left(library, kinds, lgb, xgb):
    pytest.importorskip("pandas")
    X, y = classes(3)
    y = (y + (np.random.default_rng(0).random(300) < 0.2)) % 3  # more splits on all columns
    X = np.column_stack([X, np.zeros(300)])
    for kind in kinds:
        inner = {
            "GradientBoosting": sk.GradientBoostingClassifier(
                subsample=0.6, random_state=0
            ),
            "HistGradientBoosting": sk.HistGradientBoostingClassifier(max_iter=8),
            "LGBM": lgb.LGBMClassifier(n_jobs=1, verbose=-1, importance_type=kind),
            "XGB": xgb.XGBClassifier(n_jobs=1, importance_type=kind),
        }[library]
        if library != "HistGradientBoosting":
            inner.set_params(n_estimators=8)
        bare = clone(inner).fit(X, y)
        whole = PrunedClassifier(inner, keep=1.0).fit(X, y).feature_importances_
        expected = _importances_in_library(bare, np.arange(8), kind, 6)
        np.testing.assert_allclose(whole, expected, rtol=1e-5)
        if library != "HistGradientBoosting":
            assert np.array_equal(whole, bare.feature_importances_)
        small = PrunedClassifier(inner, unit="iteration", keep=3).fit(X, y)
        expected = _importances_in_library(bare, small.kept_, kind, 6)
        np.testing.assert_allclose(small.feature_importances_, expected, rtol=1e-5)
        assert small.feature_importances_.dtype == whole.dtype
        if kind != kinds[0]:
            continue
        few = PrunedClassifier(inner, unit="feature", keep=2, random_state=0).fit(X, y)
        assert np.array_equal(np.flatnonzero(few.feature_importances_), few.kept_)
        for unit in ("auto", "node"):
            left = PrunedClassifier(inner, unit=unit, keep=0.3, random_state=0).fit(X, y)
            assert left.feature_importances_.shape == (6,)
            assert left.feature_importances_[5] == 0
            assert (left.feature_importances_ > 0).sum() >= 2
            if unit == "node" and kind == "split":
                assert left.feature_importances_.sum() == np.count_nonzero(
                    left.get_support()
                )


RANGES = {
    "lgb": [
        {"num_iteration": 2},
        {"num_iteration": 0},
        {"num_iteration": 99},
        {"start_iteration": 1},
        {"start_iteration": 1, "num_iteration": 2},
        {"start_iteration": -2, "num_iteration": 1},
        {"validate_features": True, "pred_leaf": False},
    ],
    "xgb": [
        {"iteration_range": (0, 2)},
        {"iteration_range": (1, 3)},
        {"iteration_range": (0, 0)},
        {"iteration_range": (2, 2)},
        {"validate_features": False},
    ],
}
OF_LIGHTGBM = [
    ("LGBMClassifier", {}, 2),
    ("LGBMClassifier", {}, 3),
    ("LGBMClassifier", {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1}, 3),
    ("LGBMRegressor", {"objective": "poisson"}, 0),
    ("LGBMRegressor", {"objective": "tweedie"}, 0),
    ("LGBMRegressor", {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1}, 0),
]
OF_XGBOOST = [
    ("XGBClassifier", {}, 2),
    ("XGBClassifier", {"num_parallel_tree": 2, "subsample": 0.7}, 3),
    ("XGBRegressor", {"objective": "reg:gamma"}, 0),
    ("XGBRegressor", {"objective": "reg:tweedie"}, 0),
    ("XGBRegressor", {"objective": "count:poisson"}, 0),
]


def fitted_here(library, name, params, n_classes):
    X, y = classes(n_classes) if n_classes else make_friedman1(300, 5, random_state=0)
    quiet = {"verbose": -1} if name.startswith("LGBM") else {}
    model = getattr(library, name)(n_estimators=N_TREES, n_jobs=1, **quiet, **params)
    return model.fit(X, y), X, y


def options_of(model, X):
    """Options of `predict`, and the name of the one for raw scores."""
    kind, raw = ("lgb", "raw_score") if "LGBM" in repr(model) else ("xgb", "output_margin")
    ranges = RANGES[kind]
    if kind == "xgb":
        margins = np.linspace(-1, 1, len(X) * getattr(model, "n_classes_", 1))
        if getattr(model, "n_classes_", 1) == 2:
            margins = margins[: len(X)]
        ranges = [*ranges, {"base_margin": margins.reshape(len(X), -1)}]
    return [*ranges, {raw: True}, *({raw: True, **each} for each in ranges)]


@pytest.mark.parametrize("case", [*OF_LIGHTGBM, *OF_XGBOOST], ids=repr)
def test_options_of_predict_mean_what_they_mean_in_the_library(lgb, xgb, case):
    model, X, y = fitted_here(lgb if case[0].startswith("LGBM") else xgb, *case)
    wrapper = PrunedClassifier if case[2] else PrunedRegressor
    small = wrapper(FrozenEstimator(model), keep=1.0).fit(X, y)
    for options in options_of(model, X):
        for method in ("predict", "predict_proba"):
            if not hasattr(model, method) or (
                method == "predict_proba" and "output_margin" in options
            ):
                continue
            expected = getattr(model, method)(X, **options)
            for ours in (small, small.compact_, pickle.loads(pickle.dumps(small))):
                found = getattr(ours, method)(X, **options)
                assert found.shape == expected.shape
                assert found.dtype == expected.dtype
                np.testing.assert_allclose(found, expected, rtol=2e-6, err_msg=str(options))
    for name in ("pred_leaf", "pred_contrib", "n_jobs"):
        with pytest.raises(TypeError, match=f"takes raw_score, .* Got {name}="):
            small.predict(X, **{name: True})
    columns = wrapper(model, unit="feature", keep=4, cv=2, random_state=0).fit(X, y)
    raw = columns.predict(X, raw_score=True)
    np.testing.assert_array_equal(raw, columns.compact_.inner_._scores(X[:, columns.kept_]))


@pytest.mark.parametrize("case", [OF_LIGHTGBM[1], OF_LIGHTGBM[3], OF_XGBOOST[2]], ids=repr)
def test_options_of_pruned_models(lgb, xgb, case):
    """Raw scores are there; iterations that are gone, or lie beyond the best, are not."""
    model, X, y = fitted_here(lgb if case[0].startswith("LGBM") else xgb, *case)
    wrapper = PrunedClassifier if case[2] else PrunedRegressor
    for unit in ("auto", "node", "iteration"):
        small = wrapper(model, unit=unit, keep=0.5, cv=2, random_state=0).fit(X, y)
        raw = small.predict(X, raw_score=True)
        if case[2]:
            np.testing.assert_array_equal(raw.argmax(axis=1), small.predict(X))
        else:
            np.testing.assert_allclose(np.exp(raw), small.predict(X), rtol=1e-6)
        for options in options_of(model, X):
            if "iteration" not in str(options) and "base_margin" not in options:
                continue
            with pytest.raises(ValueError, match="Write keep=1.0"):
                small.predict(X, **options)


def test_iterations_after_the_best_one_are_not_stored(xgb):
    """LightGBM does not keep them either."""
    X, y = classes(2)
    y = np.where(np.random.default_rng(0).random(300) < 0.3, 1 - y, y)
    model = xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    small = PrunedClassifier(FrozenEstimator(model), keep=1.0).fit(X, y)
    for inside in ((0, 1), (0, 0), (0, model.best_iteration + 1)):
        expected = model.predict_proba(X, iteration_range=inside)
        found = small.predict_proba(X, iteration_range=inside)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert model.best_iteration + 2 < len(model.get_booster().get_dump())
    for beyond in ((0, model.best_iteration + 2), (2, 1), (0, 999)):
        with pytest.raises(ValueError, match="up to the best one. Got iteration_range="):
            small.predict(X, iteration_range=beyond)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("lgb", "rows"),
        ("lgb", "iteration"),
        ("lgb", "feature"),
        ("xgb", "rows"),
        ("xgb", "auto"),
        ("xgb", "feature"),
        ("in a pipeline", "rows"),
        ("in a pipeline", "auto"),
        ("of one against rest", "rows"),
        ("of one against rest", "iteration"),
    ],
)
def test_frames_with_numbers_as_names(lgb, xgb, kind, unit):
    """Such columns have no names for scikit-learn, so that none are missed."""
    pandas = pytest.importorskip("pandas")
    X, y = (part[:80] for part in classes(2))
    frame = pandas.DataFrame(X, columns=range(2020, 2025))
    model = lgb.LGBMClassifier(n_estimators=3, min_child_samples=5, verbose=-1, n_jobs=1)
    if kind == "xgb":
        model = xgb.XGBClassifier(n_estimators=3, n_jobs=1)
    elif kind == "in a pipeline":
        model = make_pipeline("passthrough", model)
    elif kind == "of one against rest":
        model = OneVsRestClassifier(model)
    pruned = PrunedClassifier(model, unit=unit, random_state=0)
    if unit == "rows":
        pruned = SampleSubsetClassifier(model, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*feature names")
        for keep in (0.6, 1.0):
            pruned.set_params(keep=keep)
            expected = pruned.fit(X, y).predict_proba(X)
            found = pruned.fit(frame, y)
            assert not hasattr(found, "feature_names_in_")
            for rows in (frame, X):
                np.testing.assert_allclose(found.predict_proba(rows), expected, rtol=1e-6)


def test_names_that_are_there_are_missed(lgb):
    pandas = pytest.importorskip("pandas")
    X, y = (part[:80] for part in classes(2))
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1)
    for kind in (PrunedClassifier, SampleSubsetClassifier):
        fitted = kind(model, random_state=0).fit(frame, y)
        assert list(fitted.feature_names_in_) == list("abcde")
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            fitted.predict(X)


@pytest.mark.parametrize("zero_as_missing", [False, True])
def test_lightgbm_reads_what_float32_calls_1e_35_as_zero(lgb, zero_as_missing):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((300, 2)) < 0.4, 0.0, rng.normal(size=(300, 2)))
    y = (X[:, 0] < 0) + (X[:, 1] == 0)
    model = lgb.LGBMRegressor(
        n_estimators=3, verbose=-1, n_jobs=1, zero_as_missing=zero_as_missing
    ).fit(X, y)
    edge = np.float64(np.float32(1e-35))
    sizes = [np.nextafter(edge, 0), edge, np.nextafter(edge, 1), 1e-35, 0.0, 2e-35]
    rows = np.array([[a, b] for a in [*sizes, *np.negative(sizes)] for b in (edge, -edge)])
    compact = PrunedRegressor(FrozenEstimator(model), keep=1.0).fit(X, y).compact_
    for asked in (rows, rows.astype(np.float32)):
        np.testing.assert_array_equal(compact.predict(asked), model.predict(asked))
