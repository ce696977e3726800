import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetTransformer,
)
from sklearn_prune.models.containers.members import BaggedModelsFamily
from sklearn_prune.sample_selection import ENNSelector
from sklearn_prune.weight_pruning import RandomCriterion
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._protocol import PruningRequest
from sklearn_prune.weight_pruning._registry import family_for, family_of
from tests.estimators import sk

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
NB, QDA = sk.GaussianNB(), sk.QuadraticDiscriminantAnalysis(reg_param=0.1)
TREE = sk.DecisionTreeRegressor(max_depth=4, random_state=0)

CLASSES = {
    "pipeline": make_pipeline(sk.StandardScaler(), sk.SelectKBest(k=6), NB),
    "one vs rest": sk.OneVsRestClassifier(NB),
    "one vs rest, scores": sk.OneVsRestClassifier(QDA),
    "one vs one": sk.OneVsOneClassifier(NB),
    "output code": sk.OutputCodeClassifier(NB, random_state=0, code_size=3),
    "hard vote": sk.VotingClassifier(
        [("a", NB), ("b", "drop"), ("c", QDA)], weights=[1, 5, 2]
    ),
    "soft vote": sk.VotingClassifier([("a", NB), ("c", QDA)], voting="soft"),
    "stacking": sk.StackingClassifier([("a", NB), ("c", QDA)], cv=3),
    "stacking, passthrough": sk.StackingClassifier(
        [("a", NB)], QDA, cv=3, passthrough=True
    ),
    "sigmoid": sk.CalibratedClassifierCV(NB, cv=3),
    "isotonic": sk.CalibratedClassifierCV(NB, method="isotonic", cv=3),
    "temperature": sk.CalibratedClassifierCV(NB, method="temperature", cv=3),
    "one calibrator": sk.CalibratedClassifierCV(QDA, cv=3, ensemble=False),
    "search": sk.GridSearchCV(NB, {"var_smoothing": [1e-9, 1e-3]}, cv=3),
    "elimination": sk.RFE(
        sk.DecisionTreeClassifier(random_state=0), n_features_to_select=7
    ),
    "subset": SampleSubsetClassifier(NB, keep=0.5, random_state=0),
    "nested": make_pipeline(
        sk.MinMaxScaler(),
        sk.GridSearchCV(sk.OneVsRestClassifier(NB), {"n_jobs": [1]}, cv=3),
    ),
}
BINARY = {
    "binary one vs rest": sk.OneVsRestClassifier(QDA),
    "binary one vs one": sk.OneVsOneClassifier(NB),
    "binary isotonic": sk.CalibratedClassifierCV(NB, method="isotonic", cv=3),
    "binary temperature": sk.CalibratedClassifierCV(NB, method="temperature", cv=3),
    "binary stacking": sk.StackingClassifier([("a", NB), ("c", QDA)], cv=3),
    "threshold": sk.FixedThresholdClassifier(NB, threshold=0.3, pos_label="a"),
    "tuned threshold": sk.TunedThresholdClassifierCV(NB, cv=3),
}
LABELS = {
    "label sets": sk.OneVsRestClassifier(NB),
    "outputs": sk.MultiOutputClassifier(NB),
    "chain": sk.ClassifierChain(QDA, order=[1, 0, 2], chain_method="decision_function"),
    "chain, out of fold": sk.ClassifierChain(NB, cv=3, chain_method="predict_proba"),
}
TARGETS = {
    "regression pipeline": make_pipeline(sk.RobustScaler(), TREE),
    "regression vote": sk.VotingRegressor([("a", TREE), ("b", TREE)], weights=[1, 2]),
    "regression stacking": sk.StackingRegressor([("a", TREE), ("b", "drop")], cv=3),
    "transformed target": sk.TransformedTargetRegressor(
        TREE, func=np.log, inverse_func=np.exp
    ),
    "scaled target": sk.TransformedTargetRegressor(TREE, transformer=sk.StandardScaler()),
    "regression subset": SampleSubsetRegressor(TREE, keep=0.5, random_state=0),
    "regression search": sk.GridSearchCV(TREE, {"max_depth": [2, 3]}, cv=3),
}
OUTPUTS = {
    "regression outputs": sk.MultiOutputRegressor(TREE),
    "regression chain": sk.RegressorChain(TREE, order=[1, 0]),
}


def _data(name):
    X, y = load_wine(return_X_y=True)
    if name in CLASSES:
        return X, np.array(["a", "b", "c"])[y]
    if name in BINARY:
        X, y = load_breast_cancer(return_X_y=True)
        return X[:300, :12], np.array(["a", "b"])[y[:300]]
    if name in LABELS:
        return X, np.column_stack([y > 0, y > 1, y == 1]).astype(int)
    X, y = load_diabetes(return_X_y=True)
    if name in OUTPUTS:
        y = np.column_stack([y, np.sqrt(y)])
    return X[:200], y[:200]


MODELS = CLASSES | BINARY | LABELS | TARGETS | OUTPUTS
NOT_RESTORED = {"tuned threshold"}


def _wrapped(model, **params):
    kind = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return kind(clone(model), **params)


@pytest.fixture(scope="module")
def fitted():
    """The plain models, fitted once."""
    cache = {}

    def get(name):
        if name not in cache:
            X, y = _data(name)
            cache[name] = clone(MODELS[name]).fit(X, y)
        return cache[name]

    return get


def _equal(first, second):
    if isinstance(first, list):
        return all(map(_equal, first, second))
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "f":
        return np.array_equal(first, second)
    return np.allclose(first, second, rtol=1e-9, atol=1e-10)  # naive Bayes inside


@pytest.mark.parametrize("name", MODELS)
def test_pruned_per_member(name):
    X, y = _data(name)
    before = pickle.dumps(MODELS[name])
    params = {"criterion": RandomCriterion(), "unit": "feature", "keep": 3}
    model = _wrapped(MODELS[name], **params, random_state=0).fit(X, y)
    again = _wrapped(MODELS[name], **params, random_state=0).fit(X, y)
    assert _equal(model.predict(X), again.predict(X))
    members = model.compact_
    while not hasattr(members, "columns_") or hasattr(members.inner_, "columns_"):
        members = members.members_[0] if hasattr(members, "members_") else members.inner_
    assert len(members.columns_) == 3
    assert len(model.kept_) % 3 == 0
    assert len(model.kept_) < model.n_units_
    if name not in NOT_RESTORED:
        assert _equal(model.predict(X), model.estimator_.predict(X))
    assert pickle.dumps(MODELS[name]) == before


@pytest.mark.parametrize("name", MODELS)
def test_members_are_fitted_again_alike(name):
    """A member's context holds all that its first fit saw."""
    X, y = _data(name)
    context = PruningContext(clone(MODELS[name]), X, y, seed=7)
    model = context.fit_first()
    work = family_of(model)[0].start(model, context)
    for member in work.members:
        if type(member.model).__name__ == "_ConstantPredictor":
            continue
        again = member.context.fit_first()
        rows = member.context.X
        assert _equal(member.model.predict(rows), again.predict(rows))
        score = getattr(again, "predict_proba", again.predict)(rows)
        assert _equal(getattr(member.model, "predict_proba", again.predict)(rows), score)


def test_size_chosen_inside():
    X, y = _data("pipeline")
    pipeline = make_pipeline(
        sk.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), QDA
    )
    params = {"criterion": RandomCriterion(), "unit": "feature", "keep": "auto"}
    for outer in (make_pipeline(sk.StandardScaler(), QDA), pipeline):
        model = PrunedClassifier(outer, **params, tolerance=0.25, random_state=0).fit(X, y)
        path = model.report_.path
        assert len(path) > 3
        chosen = [entry["keep"] for entry in path if entry["chosen"]]
        assert model.report_.keep in (chosen or [1.0])


def test_refusals():
    X, y = _data("pipeline")
    cases = [
        (make_pipeline(sk.StandardScaler(), "passthrough"), "last step"),
        (sk.GridSearchCV(NB, {}, refit=False), "refit=True"),
        (sk.OneVsRestClassifier(PrunedClassifier(NB)), "pruned once"),
    ]
    for outer, message in cases:
        with pytest.raises(ValueError, match=message):
            family_of(outer)
    with pytest.raises(ValueError, match="one that VotingClassifier has.*'feature'"):
        PrunedClassifier(MODELS["soft vote"], unit="tree", keep=0.5).fit(X, y)
    outer = sk.CalibratedClassifierCV(NB, cv=StratifiedKFold(3, shuffle=True))
    assert "drawn again" in family_of(outer)[1]
    outer = sk.CalibratedClassifierCV(
        NB, cv=StratifiedKFold(3, shuffle=True, random_state=0)
    )
    assert family_of(outer)[1] is None
    model = PrunedClassifier(MODELS["tuned threshold"], keep=1.0).fit(*_data("threshold"))
    with pytest.raises(AttributeError, match="tunes its threshold"):
        _ = model.estimator_


def test_sparse_label_sets_and_one_class():
    X, Y = _data("outputs")
    Y[:, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label that all rows have
        peer = sk.OneVsRestClassifier(NB).fit(X, csr_array(Y))
        model = PrunedClassifier(sk.OneVsRestClassifier(NB), keep=1.0).fit(X, csr_array(Y))
        half = PrunedClassifier(clone(peer), RandomCriterion(), unit="feature", keep=3)
        half.fit(X, Y)
    found, expected = model.predict(X), peer.predict(X)
    assert type(found) is type(expected)
    assert np.array_equal(found.toarray(), expected.toarray())
    assert _equal(model.predict_proba(X), peer.predict_proba(X))
    assert len(half.kept_) == 6


def test_calibrators_follow_the_pruned_models():
    X, y = _data("pipeline")
    outer = sk.CalibratedClassifierCV(NB, cv=3)
    model = PrunedClassifier(outer, RandomCriterion(), unit="feature", keep=3)
    compact = model.fit(X, y).compact_
    folds = StratifiedKFold(3).split(X, y)
    for member, curves, (_, test) in zip(
        compact.members_, compact.curves_, folds, strict=True
    ):
        scores = member.predict_proba(X[test])
        for column, (slope, intercept) in enumerate(curves):
            target = (y[test] == compact.classes_[column]).astype(float)
            positives = target.sum()
            # Platt's smoothed targets: at the optimum the means agree.
            high = (positives + 1) / (positives + 2)
            low = 1 / (len(target) - positives + 2)
            target = np.where(target == 1, high, low)
            found = 1 / (1 + np.exp(slope * scores[:, column] + intercept))
            assert found.mean() == pytest.approx(target.mean(), abs=1e-3)


@pytest.mark.filterwarnings("ignore:Number of classes in training fold:RuntimeWarning")
@pytest.mark.parametrize("rare", [False, True])
def test_final_model_learns_out_of_fold(rare):
    X, y = _data("pipeline")
    if rare:  # one fold has not seen the last class
        last = np.flatnonzero(y == np.unique(y)[-1])
        X, y = np.delete(X, last[1:], axis=0), np.delete(y, last[1:])
    stacking = sk.StackingClassifier([("a", NB)], cv=KFold(4, shuffle=True, random_state=0))
    kept = PrunedClassifier(
        stacking, RandomCriterion(), unit="feature", keep=3, random_state=0
    )
    compact = kept.fit(X, y).compact_
    columns = np.zeros((len(X), 3))
    for train, test in KFold(4, shuffle=True, random_state=0).split(X):
        context = PruningContext(NB, X[train], np.unique(y, return_inverse=True)[1][train])
        inner = _replace_seed(context, kept)
        family = family_for(NB, "feature")[0]
        random = PruningRequest("feature", RandomCriterion())
        work = family.start(inner.fit_first(), inner)
        (work,) = family.reduce(work, [3], random, inner)
        one = family.compact(work)
        columns[np.ix_(test, one.classes_)] = one.predict_proba(X[test])
    expected = sk.LogisticRegression().fit(columns, np.unique(y, return_inverse=True)[1])
    assert np.allclose(
        compact.final_.predict_proba(columns), expected.predict_proba(columns)
    )


def _replace_seed(context, pruned):
    outer = PruningContext(pruned.estimator, context.X, context.y, seed=0)
    return replace(context, seed=outer.role_seed("member-0"))


def test_parameters_of_the_refit_reach_members():
    X, y = _data("pipeline")
    outer = sk.OneVsRestClassifier(sk.GaussianNB())
    model = PrunedClassifier(
        outer, unit="feature", keep=12, refit={"estimator__var_smoothing": 0.5}
    ).fit(X, y)
    restored = model.estimator_.estimators_[0]
    assert restored[-1].var_.min() > 1.0  # half of the largest variance is in all


def test_weights_reach_members():
    X, y = _data("pipeline")
    weights = np.arange(1.0, len(X) + 1)
    vote = sk.VotingClassifier(
        [("a", NB), ("b", sk.GaussianNB(var_smoothing=1e-3))], voting="soft"
    )
    peer = clone(vote).fit(X, y, sample_weight=weights)
    context = PruningContext(vote, X, y, fit_params={"sample_weight": weights}, seed=0)
    model = context.fit_first()
    work = family_of(model)[0].start(model, context)
    for member, own in zip(work.members, peer.estimators_, strict=True):
        assert _equal(member.context.fit_first().theta_, own.theta_)
    pipeline = make_pipeline(sk.StandardScaler(), NB)
    context = PruningContext(pipeline, X, y, {"gaussiannb__sample_weight": weights}, seed=0)
    model = context.fit_first()
    (member,) = family_of(model)[0].start(model, context).members
    assert _equal(member.context.sample_weight, weights)


def test_weights_are_routed(routing):
    X, y = _data("pipeline")
    weights = np.arange(1.0, len(X) + 1)
    inner = sk.GaussianNB().set_fit_request(sample_weight=True)
    for outer in (sk.OneVsRestClassifier(inner), sk.OneVsOneClassifier(inner)):
        peer = clone(outer).fit(X, y, sample_weight=weights)
        context = PruningContext(outer, X, y, fit_params={"sample_weight": weights}, seed=0)
        model = context.fit_first()
        work = family_of(model)[0].start(model, context)
        for member, own in zip(work.members, peer.estimators_, strict=True):
            assert _equal(member.context.fit_first().theta_, own.theta_)


def test_self_training():
    X, y = _data("pipeline")
    outer = sk.SelfTrainingClassifier(NB, threshold=0.9)
    codes = np.searchsorted(["a", "b", "c"], y)
    codes[np.arange(len(y)) % 3 > 0] = -1
    peer = clone(outer).fit(X, codes)
    whole = PrunedClassifier(outer, keep=1.0).fit(X, codes)
    assert _equal(whole.predict_proba(X), peer.predict_proba(X))
    context = PruningContext(outer, X, codes, seed=0)
    model = context.fit_first()
    (member,) = family_of(model)[0].start(model, context).members
    assert _equal(member.context.fit_first().theta_, peer.estimator_.theta_)
    half = PrunedClassifier(outer, unit="feature", keep=6).fit(X, codes)
    assert _equal(half.estimator_.predict(X), half.predict(X))


def test_kernel_matrix_of_kept_rows():
    X, y = _data("pipeline")
    X = sk.StandardScaler().fit_transform(X)
    outer = SampleSubsetClassifier(
        sk.KNeighborsClassifier(1, metric="precomputed"), keep=0.5, random_state=0
    )
    distances = np.abs(X[:, None] - X[None]).sum(axis=2)
    peer = clone(outer).fit(distances, y)
    whole = PrunedClassifier(outer, keep=1.0).fit(distances, y)
    assert _equal(whole.predict(distances), peer.predict(distances))


@pytest.mark.parametrize("max_features", [1.0, 0.5])
@pytest.mark.parametrize("inner", [NB, sk.KNeighborsClassifier(3)])
def test_bagging(inner, max_features):
    """Members of any kind; trees have a family of their own."""
    X, y = _data("pipeline")
    outer = sk.BaggingClassifier(inner, 4, max_features=max_features, random_state=0)
    context = PruningContext(outer, X, y, seed=0)
    model = context.fit_first()
    family = BaggedModelsFamily()
    assert family.accepts(model)
    work = family.start(model, context)
    compact = family.compact(work)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with np.errstate(divide="ignore"):
            expected, found = getattr(model, method)(X), getattr(compact, method)(X)
        if max_features == 1.0 and method != "predict":
            # scikit-learn copies the columns, and numpy adds up another layout.
            assert np.allclose(expected, found, rtol=1e-10, atol=1e-13)
        else:
            assert _equal(expected, found)
    assert _equal(family.restore(compact, outer).predict(X), model.predict(X))
    for member, rows in zip(work.members, model.estimators_samples_, strict=True):
        again = member.context.fit_first().predict(member.context.X)
        assert _equal(again, member.model.predict(member.context.X))
        assert len(rows) == len(X)
    (smaller,) = family.reduce(
        work, [3], PruningRequest("feature", RandomCriterion()), context
    )
    assert len(family.table(smaller, "feature", context).ids) == 12


def test_no_member_is_rounded_that_has_no_form():
    X, y = load_diabetes(return_X_y=True)
    outer = sk.MultiOutputRegressor(sk.RadiusNeighborsRegressor())
    model = PrunedRegressor(outer, keep=1.0, quantize="int8")
    with pytest.raises(ValueError, match="RadiusNeighborsRegressor, which has none"):
        model.fit(X, np.column_stack([y, y]))


def test_selectors_become_columns():
    X, y = _data("pipeline")
    selector = sk.SelectFromModel(sk.DecisionTreeClassifier(random_state=0))
    plain = make_pipeline(selector, NB).fit(X, y)
    model = PrunedClassifier(make_pipeline(selector, NB), keep=1.0).fit(X, y)
    assert b"DecisionTree" not in pickle.dumps(model.compact_)
    assert _equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    "transformer",
    [
        sk.StandardScaler(),
        sk.StandardScaler(with_mean=False),
        sk.StandardScaler(with_std=False),
        sk.FunctionTransformer(np.log, np.exp),
        sk.FunctionTransformer(),
        sk.MinMaxScaler(),
        sk.MaxAbsScaler(),
        sk.RobustScaler(),
        sk.RobustScaler(with_scaling=False),
    ],
)
def test_fast_inverses_to_the_bit(transformer):
    from sklearn_prune.predictors.containers import inverse_steps, transformed_back

    y = np.random.default_rng(0).uniform(1, 2, size=(50, 1))
    transformer = clone(transformer).fit(y)
    inside = transformer.transform(y)
    before = inside.copy()
    assert _equal(
        transformed_back(inverse_steps(transformer), inside),
        transformer.inverse_transform(inside),
    )
    assert np.array_equal(inside, before)


def test_pipeline_refuses_what_its_steps_refuse():
    X, y = _data("pipeline")
    compact = (
        PrunedClassifier(make_pipeline(sk.StandardScaler(), NB), keep=1.0)
        .fit(X, y)
        .compact_
    )
    with pytest.raises(ValueError, match="13 features"):
        compact.predict(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        compact.predict(np.where(X > 1000, np.nan, X))
    with pytest.raises(ValueError, match="infinity"):
        compact.predict(np.where(X > 1000, np.inf, X))
    with pytest.raises(ValueError, match="0 sample"):
        compact.predict(X[:0])


def test_pandas_output_keeps_names():
    pytest.importorskip("pandas")
    X, y = _data("pipeline")
    pipeline = make_pipeline(sk.StandardScaler(), sk.SelectKBest(k=5), NB)
    pipeline.set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = PrunedClassifier(pipeline, keep=1.0).fit(X, y)
        found = model.predict_proba(X)
    assert _equal(found, clone(pipeline).fit(X, y).predict_proba(X))


class NamedOtherwise(sk.TargetEncoder):
    """A cross-fitted transformer of somebody else."""


@pytest.mark.parametrize("wrap", [None, "columns", "union", "rows", "params"])
def test_cross_fitted_transformers_are_out_of_fold(wrap):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 60, size=(200, 2)).astype(str)
    y, groups, params = rng.integers(0, 2, size=200), np.arange(200) % 9, {}
    encoder = NamedOtherwise(cv=KFold(3))
    with config_context(enable_metadata_routing=wrap == "params"):
        if wrap == "columns":
            encoder = sk.ColumnTransformer([("encoder", encoder, [0])])
        if wrap == "union":
            encoder = sk.FeatureUnion([("encoder", encoder)])
        if wrap == "rows":
            encoder = SampleSubsetTransformer(encoder, keep=0.8, random_state=0)
        if wrap == "params":
            encoder, params = sk.TargetEncoder(cv=GroupKFold(3)), {"groups": groups}
        pipeline = make_pipeline(encoder, NB)
        context = PruningContext(pipeline, X, y, fit_params=params, seed=0)
        model = context.fit_first()
        (member,) = family_of(model)[0].start(model, context).members
        expected = clone(pipeline[0]).fit_transform(X, y, **params)
    assert _equal(member.context.X, expected)
    assert not _equal(member.context.X, model[0].transform(X))


ENCODED = make_pipeline(sk.TargetEncoder(), sk.LogisticRegression())
BOTH = make_pipeline(sk.TargetEncoder(), sk.GradientBoostingClassifier(n_estimators=4))


@pytest.mark.parametrize(
    "model",
    [
        PrunedClassifier(ENCODED),
        PrunedClassifier(BOTH, keep="auto", cv=2),
        PrunedClassifier(sk.CalibratedClassifierCV(BOTH, cv=2)),
        PrunedClassifier(sk.StackingClassifier([("a", NB)], ENCODED, cv=2)),
        PrunedClassifier(sk.ClassifierChain(BOTH, cv=2)),
        SampleSubsetClassifier(NB, make_pipeline(sk.TargetEncoder(), ENNSelector())),
    ],
    ids=str,
)
def test_a_seed_fixes_the_folds_of_encoders(model):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 9, (120, 3)), rng.integers(0, 2, (120, 2))
    if not isinstance(model.estimator, sk.ClassifierChain):
        y = y[:, 0]
    found = []
    for seed in range(2):
        np.random.seed(seed)
        fitted = clone(model).set_params(random_state=0).fit(X, y)
        found.append(fitted.predict_proba(X))
    assert np.array_equal(*found)


def test_texts():
    texts = ["red apple", "green apple", "red car", "fast car", "green pear", "slow car"]
    y = np.array([0, 0, 1, 1, 0, 1])
    pipeline = make_pipeline(sk.TfidfVectorizer(), sk.MultinomialNB())
    peer = clone(pipeline).fit(texts, y)
    whole = PrunedClassifier(pipeline, keep=1.0).fit(texts, y)
    assert _equal(whole.predict_proba(texts), peer.predict_proba(texts))
    params = {"criterion": RandomCriterion(), "unit": "feature", "keep": 6}
    half = PrunedClassifier(pipeline, **params, random_state=0).fit(texts, y)
    assert half.compact_.predict(["apple", "car"]).shape == (2,)
    assert len(half.kept_) == 6
