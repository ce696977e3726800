import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    KFold,
    StratifiedKFold,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
)
from sklearn.multioutput import (
    MultiOutputRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
)
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune.models.containers.members import BaggedModelsFamily
from sklearn_prune.weight_pruning import RandomCriterion
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._protocol import PruningRequest
from sklearn_prune.weight_pruning._registry import family_for, family_of

NB = GaussianNB()


def _data():
    X, y = load_wine(return_X_y=True)
    return X, np.array(["a", "b", "c"])[y]


def _labels():
    X, y = load_wine(return_X_y=True)
    return X, np.column_stack([y > 0, y > 1, y == 1]).astype(int)


def _equal(first, second):
    if isinstance(first, list):
        return all(map(_equal, first, second))
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "f":
        return np.array_equal(first, second)
    return np.allclose(first, second, rtol=1e-9, atol=1e-10)  # naive Bayes inside


def test_sparse_label_sets_and_one_class():
    X, Y = _labels()
    Y[:, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label that all rows have
        peer = OneVsRestClassifier(NB).fit(X, csr_array(Y))
        model = PrunedClassifier(OneVsRestClassifier(NB), keep=1.0).fit(X, csr_array(Y))
        half = PrunedClassifier(clone(peer), RandomCriterion(), unit="feature", keep=3)
        half.fit(X, Y)
    found, expected = model.predict(X), peer.predict(X)
    assert type(found) is type(expected)
    assert np.array_equal(found.toarray(), expected.toarray())
    assert _equal(model.predict_proba(X), peer.predict_proba(X))
    assert len(half.kept_) == 6


def test_calibrators_follow_the_pruned_models():
    X, y = _data()
    outer = CalibratedClassifierCV(NB, cv=3)
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
    X, y = _data()
    if rare:  # one fold has not seen the last class
        last = np.flatnonzero(y == np.unique(y)[-1])
        X, y = np.delete(X, last[1:], axis=0), np.delete(y, last[1:])
    stacking = StackingClassifier([("a", NB)], cv=KFold(4, shuffle=True, random_state=0))
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
    expected = LogisticRegression().fit(columns, np.unique(y, return_inverse=True)[1])
    assert np.allclose(
        compact.final_.predict_proba(columns), expected.predict_proba(columns)
    )


def _replace_seed(context, pruned):
    outer = PruningContext(pruned.estimator, context.X, context.y, seed=0)
    return replace(context, seed=outer.role_seed("member-0"))


def test_parameters_of_the_refit_reach_members():
    X, y = _data()
    outer = OneVsRestClassifier(GaussianNB())
    model = PrunedClassifier(
        outer, unit="feature", keep=12, refit={"estimator__var_smoothing": 0.5}
    ).fit(X, y)
    restored = model.estimator_.estimators_[0]
    assert restored[-1].var_.min() > 1.0  # half of the largest variance is in all


def test_weights_reach_members():
    X, y = _data()
    weights = np.arange(1.0, len(X) + 1)
    vote = VotingClassifier(
        [("a", NB), ("b", GaussianNB(var_smoothing=1e-3))], voting="soft"
    )
    peer = clone(vote).fit(X, y, sample_weight=weights)
    context = PruningContext(vote, X, y, fit_params={"sample_weight": weights}, seed=0)
    model = context.fit_first()
    work = family_of(model)[0].start(model, context)
    for member, own in zip(work.members, peer.estimators_, strict=True):
        assert _equal(member.context.fit_first().theta_, own.theta_)
    pipeline = make_pipeline(StandardScaler(), NB)
    context = PruningContext(pipeline, X, y, {"gaussiannb__sample_weight": weights}, seed=0)
    model = context.fit_first()
    (member,) = family_of(model)[0].start(model, context).members
    assert _equal(member.context.sample_weight, weights)


def test_weights_are_routed(routing):
    X, y = _data()
    weights = np.arange(1.0, len(X) + 1)
    inner = GaussianNB().set_fit_request(sample_weight=True)
    for outer in (OneVsRestClassifier(inner), OneVsOneClassifier(inner)):
        peer = clone(outer).fit(X, y, sample_weight=weights)
        context = PruningContext(outer, X, y, fit_params={"sample_weight": weights}, seed=0)
        model = context.fit_first()
        work = family_of(model)[0].start(model, context)
        for member, own in zip(work.members, peer.estimators_, strict=True):
            assert _equal(member.context.fit_first().theta_, own.theta_)


def test_self_training():
    X, y = _data()
    outer = SelfTrainingClassifier(NB, threshold=0.9)
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
    X, y = _data()
    X = StandardScaler().fit_transform(X)
    outer = SampleSubsetClassifier(
        KNeighborsClassifier(1, metric="precomputed"), keep=0.5, random_state=0
    )
    distances = np.abs(X[:, None] - X[None]).sum(axis=2)
    peer = clone(outer).fit(distances, y)
    whole = PrunedClassifier(outer, keep=1.0).fit(distances, y)
    assert _equal(whole.predict(distances), peer.predict(distances))


@pytest.mark.parametrize("max_features", [1.0, 0.5])
@pytest.mark.parametrize("inner", [NB, KNeighborsClassifier(3)])
def test_bagging(inner, max_features):
    """Members of any kind; trees have a family of their own."""
    X, y = _data()
    outer = BaggingClassifier(inner, 4, max_features=max_features, random_state=0)
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
    outer = MultiOutputRegressor(RadiusNeighborsRegressor())
    model = PrunedRegressor(outer, keep=1.0, quantize="int8")
    with pytest.raises(ValueError, match="RadiusNeighborsRegressor, which has none"):
        model.fit(X, np.column_stack([y, y]))
