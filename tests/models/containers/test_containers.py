import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
)
from sklearn_prune.weight_pruning import RandomCriterion
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._registry import family_of

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
NB, QDA = GaussianNB(), QuadraticDiscriminantAnalysis(reg_param=0.1)
TREE = DecisionTreeRegressor(max_depth=4, random_state=0)

CLASSES = {
    "pipeline": make_pipeline(StandardScaler(), SelectKBest(k=6), NB),
    "one vs rest": OneVsRestClassifier(NB),
    "one vs rest, scores": OneVsRestClassifier(QDA),
    "one vs one": OneVsOneClassifier(NB),
    "output code": OutputCodeClassifier(NB, random_state=0, code_size=3),
    "hard vote": VotingClassifier(
        [("a", NB), ("b", "drop"), ("c", QDA)], weights=[1, 5, 2]
    ),
    "soft vote": VotingClassifier([("a", NB), ("c", QDA)], voting="soft"),
    "stacking": StackingClassifier([("a", NB), ("c", QDA)], cv=3),
    "stacking, passthrough": StackingClassifier([("a", NB)], QDA, cv=3, passthrough=True),
    "sigmoid": CalibratedClassifierCV(NB, cv=3),
    "isotonic": CalibratedClassifierCV(NB, method="isotonic", cv=3),
    "temperature": CalibratedClassifierCV(NB, method="temperature", cv=3),
    "one calibrator": CalibratedClassifierCV(QDA, cv=3, ensemble=False),
    "search": GridSearchCV(NB, {"var_smoothing": [1e-9, 1e-3]}, cv=3),
    "elimination": RFE(DecisionTreeClassifier(random_state=0), n_features_to_select=7),
    "subset": SampleSubsetClassifier(NB, keep=0.5, random_state=0),
    "nested": make_pipeline(
        MinMaxScaler(), GridSearchCV(OneVsRestClassifier(NB), {"n_jobs": [1]}, cv=3)
    ),
}
BINARY = {
    "binary one vs rest": OneVsRestClassifier(QDA),
    "binary one vs one": OneVsOneClassifier(NB),
    "binary isotonic": CalibratedClassifierCV(NB, method="isotonic", cv=3),
    "binary temperature": CalibratedClassifierCV(NB, method="temperature", cv=3),
    "binary stacking": StackingClassifier([("a", NB), ("c", QDA)], cv=3),
    "threshold": FixedThresholdClassifier(NB, threshold=0.3, pos_label="a"),
    "tuned threshold": TunedThresholdClassifierCV(NB, cv=3),
}
LABELS = {
    "label sets": OneVsRestClassifier(NB),
    "outputs": MultiOutputClassifier(NB),
    "chain": ClassifierChain(QDA, order=[1, 0, 2], chain_method="decision_function"),
    "chain, out of fold": ClassifierChain(NB, cv=3, chain_method="predict_proba"),
}
TARGETS = {
    "regression pipeline": make_pipeline(RobustScaler(), TREE),
    "regression vote": VotingRegressor([("a", TREE), ("b", TREE)], weights=[1, 2]),
    "regression stacking": StackingRegressor([("a", TREE), ("b", "drop")], cv=3),
    "transformed target": TransformedTargetRegressor(
        TREE, func=np.log, inverse_func=np.exp
    ),
    "scaled target": TransformedTargetRegressor(TREE, transformer=StandardScaler()),
    "regression subset": SampleSubsetRegressor(TREE, keep=0.5, random_state=0),
    "regression search": GridSearchCV(TREE, {"max_depth": [2, 3]}, cv=3),
}
OUTPUTS = {
    "regression outputs": MultiOutputRegressor(TREE),
    "regression chain": RegressorChain(TREE, order=[1, 0]),
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
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), QDA
    )
    params = {"criterion": RandomCriterion(), "unit": "feature", "keep": "auto"}
    for outer in (make_pipeline(StandardScaler(), QDA), pipeline):
        model = PrunedClassifier(outer, **params, tolerance=0.25, random_state=0).fit(X, y)
        assert 0 < model.report_.keep < 1
        assert len(model.report_.path) > 3


def test_refusals():
    X, y = _data("pipeline")
    cases = [
        (make_pipeline(StandardScaler(), "passthrough"), "last step"),
        (GridSearchCV(NB, {}, refit=False), "refit=True"),
        (OneVsRestClassifier(PrunedClassifier(NB)), "pruned once"),
    ]
    for outer, message in cases:
        with pytest.raises(ValueError, match=message):
            family_of(outer)
    with pytest.raises(ValueError, match="one that VotingClassifier has.*'feature'"):
        PrunedClassifier(MODELS["soft vote"], unit="tree", keep=0.5).fit(X, y)
    outer = CalibratedClassifierCV(NB, cv=StratifiedKFold(3, shuffle=True))
    assert "drawn again" in family_of(outer)[1]
    outer = CalibratedClassifierCV(NB, cv=StratifiedKFold(3, shuffle=True, random_state=0))
    assert family_of(outer)[1] is None
    model = PrunedClassifier(MODELS["tuned threshold"], keep=1.0).fit(*_data("threshold"))
    with pytest.raises(AttributeError, match="tunes its threshold"):
        _ = model.estimator_
