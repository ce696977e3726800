"""Containers as people really nest them: nothing kept may change, nothing is shared."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.compose import make_column_selector
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from tests.estimators import sk
from tests.matrix import assert_apart, assert_same, fitted, pruned, restored_or_reason
from tests.models.test_hostile_trees import (
    CODES,
    HOLES,
    LABELS,
    NUMBERS,
    WEIGHTS,
    X,
    answers,
    assert_lossless,
    assert_smaller,
    own_parts,
    two,
)

pytestmark = pytest.mark.sampled(3)

SEED = {"random_state": 0}
TREE = sk.DecisionTreeClassifier(max_depth=4, **SEED)
FOREST = sk.RandomForestClassifier(3, **SEED)
HIST = sk.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, **SEED)
BOOSTING = sk.GradientBoostingClassifier(n_estimators=2, **SEED)
KNN = sk.KNeighborsClassifier(3, algorithm="brute")
BAGGED = sk.BaggingClassifier(TREE, n_estimators=2, **SEED)
TREES = sk.DecisionTreeRegressor(max_depth=4, **SEED)
FORESTS = sk.RandomForestRegressor(3, **SEED)
HISTS = sk.HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5, **SEED)
POSITIVE = np.abs(NUMBERS) + 0.1


def imputed(model):
    return make_pipeline(sk.SimpleImputer(), model)


def around(model):
    """Every container of classifiers around one model."""
    return {
        "pipeline": make_pipeline(sk.StandardScaler(), sk.SelectKBest(k=2), model),
        "search": sk.GridSearchCV(model, {}, cv=2),
        "subset": SampleSubsetClassifier(model, keep=0.7, **SEED),
        "one vs rest": sk.OneVsRestClassifier(model),
        "one vs one": sk.OneVsOneClassifier(model),
        "codes": sk.OutputCodeClassifier(model, code_size=3, **SEED),
        "hard": sk.VotingClassifier([("a", model), ("b", TREE)], weights=[2, 1]),
        "bagging": sk.BaggingClassifier(model, 2, max_features=0.6, **SEED),
        "stacking": sk.StackingClassifier([("a", TREE), ("b", "drop")], model, cv=2),
        "sigmoid": sk.CalibratedClassifierCV(model, cv=2),
        "isotonic": sk.CalibratedClassifierCV(model, method="isotonic", cv=2),
        "temperature": sk.CalibratedClassifierCV(model, method="temperature", cv=2),
        "one calibrator": sk.CalibratedClassifierCV(model, cv=2, ensemble=False),
    }


NESTED = {
    "calibrated in pipeline": imputed(
        sk.CalibratedClassifierCV(sk.OneVsRestClassifier(TREE), cv=2)
    ),
    "stacking in vote": sk.VotingClassifier(
        [
            ("a", imputed(FOREST)),
            ("b", sk.StackingClassifier([("a", HIST), ("b", TREE)], cv=2)),
            ("c", "drop"),
        ],
        voting="soft",
    ),
    "search in search": sk.GridSearchCV(
        imputed(sk.GridSearchCV(FOREST, {"max_depth": [2, 3]}, cv=2)),
        {"simpleimputer__strategy": ["mean", "median"]},
        cv=2,
    ),
    "search over models": sk.GridSearchCV(
        sk.Pipeline([("i", sk.SimpleImputer()), ("m", TREE)]), {"m": [FOREST, HIST]}, cv=2
    ),
    "random search": sk.RandomizedSearchCV(
        TREE, {"max_depth": [2, 3]}, n_iter=2, cv=2, **SEED
    ),
    "vote in bagging": sk.BaggingClassifier(
        sk.VotingClassifier([("a", TREE), ("b", HIST)]), 2, **SEED
    ),
    "pipeline in subset": SampleSubsetClassifier(imputed(FOREST), keep=0.6, **SEED),
    "subset in subset": SampleSubsetClassifier(
        SampleSubsetClassifier(FOREST, keep=0.6, **SEED), keep=0.6, **SEED
    ),
    "subset in pipeline": imputed(
        SampleSubsetClassifier(sk.CalibratedClassifierCV(TREE, cv=2), **SEED)
    ),
    "one vs rest in one vs one": sk.OneVsOneClassifier(sk.OneVsRestClassifier(TREE)),
    "calibrated in one vs rest": sk.OneVsRestClassifier(
        sk.CalibratedClassifierCV(TREE, cv=2)
    ),
    "bagging in codes": sk.OutputCodeClassifier(BAGGED, code_size=2, **SEED),
    "vote in stacking": sk.StackingClassifier(
        [
            ("a", sk.VotingClassifier([("a", TREE), ("b", HIST)], voting="soft")),
            ("b", BAGGED),
        ],
        FOREST,
        cv=2,
        passthrough=True,
    ),
    "search in calibrated": sk.CalibratedClassifierCV(
        sk.GridSearchCV(TREE, {"max_depth": [2, 3]}, cv=2), cv=2, ensemble=False
    ),
    "columns": make_pipeline(
        sk.ColumnTransformer(
            [
                ("q", sk.QuantileTransformer(n_quantiles=10), [0, 1]),
                ("p", "passthrough", [2]),
            ]
        ),
        HIST,
    ),
    "union": imputed(
        make_pipeline(
            sk.FeatureUnion([("p", sk.PCA(2)), ("k", sk.SelectKBest(k=2))]), FOREST
        )
    ),
    "bins": imputed(make_pipeline(sk.KBinsDiscretizer(4), BAGGED)),
    "eliminated": make_pipeline(
        sk.StandardScaler(), sk.RFE(FOREST, n_features_to_select=2)
    ),
    "eliminated by folds": sk.RFECV(TREE, cv=2),
    "selected": imputed(make_pipeline(sk.SelectFromModel(TREE), BOOSTING)),
}
TWO_CLASSES = {
    "fixed threshold": sk.FixedThresholdClassifier(FOREST, threshold=0.4),
    "tuned threshold": sk.TunedThresholdClassifierCV(imputed(HIST), cv=2),
    "threshold of scores": sk.FixedThresholdClassifier(
        sk.SVC(), threshold=0.2, response_method="decision_function"
    ),
    "threshold of calibrated": sk.FixedThresholdClassifier(
        sk.CalibratedClassifierCV(BAGGED, cv=2), threshold=0.3
    ),
    "stacked thresholds": sk.StackingClassifier(
        [("a", sk.FixedThresholdClassifier(TREE)), ("b", HIST)], cv=2
    ),
}
NUMERIC = {
    "logarithm": sk.TransformedTargetRegressor(
        make_pipeline(sk.StandardScaler(), HISTS), func=np.log, inverse_func=np.exp
    ),
    "quantiles": sk.TransformedTargetRegressor(
        FORESTS, transformer=sk.QuantileTransformer(n_quantiles=20)
    ),
    "vote": sk.VotingRegressor(
        [("a", HISTS), ("b", TREES), ("c", "drop")], weights=[1, 3, 2]
    ),
    "stacking": sk.StackingRegressor([("a", FORESTS), ("b", sk.Ridge())], HISTS, cv=2),
    "bagging of transformed": sk.BaggingRegressor(
        sk.TransformedTargetRegressor(TREES, transformer=sk.StandardScaler()), 2, **SEED
    ),
    "subset of transformed": SampleSubsetRegressor(
        sk.TransformedTargetRegressor(HISTS, transformer=sk.StandardScaler()), **SEED
    ),
    "eliminated": sk.RFE(FORESTS, n_features_to_select=2),
}
SEVERAL = {
    "outputs": sk.MultiOutputRegressor(HISTS),
    "chain": sk.RegressorChain(HISTS, order="random", cv=2, **SEED),
    "transformed outputs": sk.TransformedTargetRegressor(
        sk.MultiOutputRegressor(HISTS), transformer=sk.StandardScaler()
    ),
    "bagged chain": sk.BaggingRegressor(sk.RegressorChain(TREES), 2, **SEED),
    "outputs of votes": sk.MultiOutputRegressor(
        sk.VotingRegressor([("a", TREES), ("b", HISTS)])
    ),
}
LABEL_SETS = {
    "outputs": sk.MultiOutputClassifier(imputed(FOREST)),
    "calibrated outputs": sk.MultiOutputClassifier(sk.CalibratedClassifierCV(TREE, cv=2)),
    "chain": sk.ClassifierChain(HIST, order=[2, 0, 1], chain_method="predict_proba"),
    "chain out of fold": sk.ClassifierChain(imputed(TREE), cv=2),
    "one vs rest": sk.OneVsRestClassifier(FOREST),
    "pipeline": make_pipeline(sk.StandardScaler(), sk.OneVsRestClassifier(TREE)),
}
BY_SUMS = ("Logistic", "SVC", "Calibrated", "Stacking", "PCA", "KNeighbors", "Ridge")


def check(model, rows, y, asked=None, **fit_params):
    """Equal to the bit, or to the last digits where sums are taken in another order."""
    rtol = 1e-9 if any(name in repr(model) for name in BY_SUMS) else 0.0
    if rtol and getattr(rows, "dtype", None) == np.float32:
        rtol = 1e-5
    model = fitted(model, rows, y, **fit_params)
    if asked is None:
        asked = rows
        if isinstance(rows, np.ndarray):
            asked = np.vstack([rows, 1e6 * rows, 0 * rows[:1], rows + 1e-7])
    return assert_lossless(model, rows, y, asked, rtol=rtol)


@pytest.mark.parametrize(
    "model", [FOREST, HIST, BOOSTING, KNN, sk.SVC()], ids=lambda model: type(model).__name__
)
@pytest.mark.parametrize("name", around(TREE))
def test_around_each_model(name, model):
    container = around(model)[name]
    check(container, X, LABELS["strings"])
    if name not in ("isotonic", "temperature"):  # steps; scikit-learn finds NaN
        check(container, X.astype(np.float32), np.where(CODES > 0, -7, 40))


@pytest.mark.parametrize("name", NESTED)
def test_nested(name):
    check(NESTED[name], X, LABELS["bools"])
    check(NESTED[name], X, LABELS["objects"])
    if name in ("search in search", "bins", "pipeline in subset", "subset in pipeline"):
        check(NESTED[name], HOLES, LABELS["negatives"])


@pytest.mark.parametrize("name", TWO_CLASSES)
def test_two_classes(name):
    check(TWO_CLASSES[name], X, LABELS["bools"])
    if name == "threshold of calibrated":
        check(TWO_CLASSES[name], X, np.array(["no", "yes"])[1 * (CODES > 0)])


@pytest.mark.parametrize("name", NUMERIC)
def test_numbers(name):
    check(NUMERIC[name], X, POSITIVE)


@pytest.mark.parametrize("name", SEVERAL)
def test_several_numbers(name):
    check(SEVERAL[name], X, two(POSITIVE))


@pytest.mark.parametrize("name", LABEL_SETS)
def test_label_sets(name):
    check(LABEL_SETS[name], X, LABELS["label sets"])


def test_unlabelled_rows():
    y = np.where(np.arange(120) % 3 == 0, -1, CODES)
    for inner in (FOREST, imputed(TREE), HIST):
        check(sk.SelfTrainingClassifier(inner), X, y)


@pytest.mark.parametrize("name", ["hard", "bagging", "one calibrator", "subset"])
def test_weights_sparse_rows_and_rare_classes(name):
    container = around(FOREST)[name]
    check(container, X, CODES, sample_weight=WEIGHTS + 0.1)
    check(container, csr_array(np.where(np.abs(X) < 0.5, 0, X)), CODES)
    if name != "one calibrator":
        check(container, X, LABELS["one of a class"])


def test_bagged_machines_that_have_not_seen_a_class():
    """Bagging hands on weights, and rows that weigh nothing are no support vectors."""
    model = fitted(
        sk.BaggingClassifier(sk.SVC(), 3, max_features=0.6, **SEED),
        X,
        LABELS["one of a class"],
    )
    assert min(len(member._n_support) for member in model.estimators_) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = pruned(sk.FrozenEstimator(model), keep=1.0).fit(X, model.predict(X))
    assert np.array_equal(small.predict(X), model.predict(X))


def test_frames_of_mixed_columns():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(HOLES, columns=list("abcde"))
    frame["letter"] = rng.choice(list("uvw"), 120).astype(object)
    frame["kind"] = pd.Categorical(rng.choice(list("xyz"), 120))
    unknown = frame.copy()
    unknown["letter"] = rng.choice(list("uQ"), 120).astype(object)
    prepared = sk.ColumnTransformer(
        [
            ("one hot", sk.OneHotEncoder(handle_unknown="ignore"), ["letter", "kind"]),
            ("numbers", sk.SimpleImputer(), make_column_selector(dtype_include=float)),
        ]
    )
    boosted = clone(HIST).set_params(categorical_features="from_dtype")
    for model in (
        make_pipeline(prepared, sk.CalibratedClassifierCV(FOREST, cv=2)),
        sk.VotingClassifier([("a", make_pipeline(prepared, TREE)), ("b", FOREST)][:1]),
    ):
        for rows in (frame, unknown):
            check(model, frame, LABELS["strings"], asked=rows)
    for model in (
        sk.GridSearchCV(boosted, {"max_iter": [2]}, cv=2),
        SampleSubsetClassifier(boosted, **SEED),
        sk.OneVsRestClassifier(boosted),
    ):
        rows = frame.drop(columns="letter")
        if isinstance(model, sk.OneVsRestClassifier):
            model = make_pipeline(prepared, sk.OneVsRestClassifier(TREE))
            rows = frame
        check(model, rows, LABELS["strings"], asked=rows)


@pytest.mark.parametrize(
    "container",
    [
        make_pipeline(sk.FrozenEstimator(sk.StandardScaler().fit(X)), FOREST),
        sk.CalibratedClassifierCV(sk.FrozenEstimator(fitted(FOREST, X, CODES))),
        sk.VotingClassifier(
            [("a", sk.FrozenEstimator(fitted(HIST, X, CODES))), ("b", TREE)]
        ),
        sk.StackingClassifier(
            [("a", sk.FrozenEstimator(fitted(BAGGED, X, CODES))), ("b", TREE)], cv="prefit"
        ),
        make_pipeline(
            sk.StandardScaler(),
            sk.FrozenEstimator(fitted(sk.LogisticRegression(), X, CODES)),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_frozen_members_are_not_shared(container):
    if getattr(container, "cv", None) == "prefit":
        container = clone(container).set_params(
            estimators=[("a", fitted(BAGGED, X, CODES)), ("b", fitted(TREE, X, CODES))]
        )
        container = sk.FrozenEstimator(container.fit(X, CODES))
    expected = answers(clone(container).fit(X, CODES), X)
    for keep in (1.0, 0.5):
        small = pruned(container, keep=keep).fit(X, CODES)
        if keep == 1.0:
            assert_same(answers(small, X), expected, rtol=1e-9)
        own = own_parts(small)
        for part in container.get_params().values():
            if isinstance(part, sk.FrozenEstimator):
                assert_apart(part.estimator, own)
        if isinstance(container, sk.FrozenEstimator):
            assert_apart(container.estimator, own)
        again = restored_or_reason(small)
        if not isinstance(again, str):
            assert_apart(again, own)
    assert_same(answers(clone(container).fit(X, CODES), X), expected)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (NESTED["calibrated in pipeline"], "strings"),
        (NESTED["search over models"], "bools"),
        (NESTED["vote in bagging"], "one of a class"),
        (NESTED["subset in pipeline"], "negatives"),
        (NESTED["vote in stacking"], "strings"),
        (TWO_CLASSES["fixed threshold"], "bools"),
        (LABEL_SETS["chain"], "label sets"),
        (sk.OutputCodeClassifier(TREE, code_size=3, **SEED), "objects"),
        (NUMERIC["logarithm"], POSITIVE),
        (NUMERIC["bagging of transformed"], POSITIVE),
        (SEVERAL["outputs of votes"], two(POSITIVE)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_smaller_sizes(model, y):
    y = LABELS[y] if isinstance(y, str) else y
    assert is_classifier(model) == (y.dtype.kind != "f")
    assert_smaller(model, X, y, rows=np.vstack([X, 1e6 * X]))
