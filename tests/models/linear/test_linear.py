"""Linear models: the same predictions, fewer coefficients, refitted as the model would."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import clone
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC, LinearSVR

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning import (
    MagnitudeCriterion,
    PenaltyCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)

CLASSIFIERS = [
    LogisticRegression(),
    LogisticRegression(C=0.1, class_weight="balanced"),
    LinearSVC(random_state=0),
    RidgeClassifier(),
    SGDClassifier(random_state=0),
    SGDClassifier(loss="log_loss", random_state=0),
    SGDClassifier(loss="modified_huber", random_state=0),
    Perceptron(random_state=0),
    LinearDiscriminantAnalysis(),
]
REGRESSORS = [
    LinearRegression(),
    LinearRegression(positive=True),
    Ridge(fit_intercept=False),
    RidgeCV(),
    ElasticNet(0.01),
    LassoLars(0.01),
    OrthogonalMatchingPursuit(n_nonzero_coefs=4),
    BayesianRidge(),
    ARDRegression(),
    HuberRegressor(max_iter=500),
    QuantileRegressor(alpha=0.001),
    TheilSenRegressor(random_state=0, max_subpopulation=200),
    PoissonRegressor(),
    GammaRegressor(),
    TweedieRegressor(power=1.5),
    SGDRegressor(random_state=0),
    LinearSVR(random_state=0),
]
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def data_for(model):
    if is_classifier(model):
        X, y = load_wine(return_X_y=True)
        return scale(X), np.array(["a", "b", "c"])[y]
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y / 50


def pruned(model, **arguments):
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return wrapper(clone(model), **arguments)


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=repr)
def test_estimator_predicts_what_the_compact_form_does(model):
    X, y = data_for(model)
    unit = "feature" if isinstance(model, LinearDiscriminantAnalysis) else "coefficient"
    small = pruned(model, unit=unit, keep=0.5).fit(X, y)
    again = small.estimator_
    assert type(again[-1] if unit == "feature" else again) is type(model)
    expected = small.predict(X)
    found = again.predict(X)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    else:
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "model", [m for m in REGRESSORS if "positive" not in repr(m)], ids=repr
)
def test_refit_of_one_output_is_the_fit_on_the_columns_left(model):
    X, y = data_for(model)
    small = pruned(model, unit="coefficient", keep=5).fit(X, y)
    bare = clone(model).fit(X[:, small.kept_], y)
    np.testing.assert_allclose(small.coef_[small.kept_], bare.coef_, rtol=1e-12)
    assert not np.delete(small.coef_, small.kept_).any()


@pytest.mark.parametrize(
    "model", [LinearSVC(C=0.5, random_state=0), RidgeClassifier(), Perceptron()], ids=repr
)
@pytest.mark.parametrize("weighted", [False, True])
def test_outputs_are_fitted_on_their_own_columns(model, weighted):
    X, y = data_for(model)
    weights = np.random.default_rng(0).random(len(X)) if weighted else None
    small = pruned(model, unit="coefficient", keep=0.4).fit(X, y, sample_weight=weights)
    for output, label in enumerate("abc"):
        columns = np.flatnonzero(small.coef_[output])
        bare = clone(model).fit(X[:, columns], y == label, sample_weight=weights)
        np.testing.assert_allclose(
            small.coef_[output, columns], np.ravel(bare.coef_), rtol=1e-6
        )


def test_second_order_is_backward_elimination_for_squared_loss():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    left, leaving = list(range(10)), []
    while len(left) > 1:
        losses = []
        for column in left:
            rest = [c for c in left if c != column]
            model = LinearRegression().fit(X[:, rest], y)
            losses.append(((y - model.predict(X[:, rest])) ** 2).sum())
        leaving.append(left.pop(int(np.argmin(losses))))
        small = (
            PrunedRegressor(
                LinearRegression(),
                SecondOrderCriterion(),
                unit="feature",
                keep=len(left) or 1,
            )
            if len(left) > 1
            else None
        )
        if small is not None:
            assert list(small.fit(X, y).kept_) == left


@pytest.mark.parametrize(
    "criterion",
    [
        MagnitudeCriterion("l1"),
        MagnitudeCriterion("l2"),
        PenaltyCriterion("l1"),
        PenaltyCriterion("l2"),
        TaylorCriterion(),
        SecondOrderCriterion(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("unit", ["coefficient", "feature"])
@pytest.mark.parametrize("classes", [False, True])
def test_criteria_find_the_columns_that_matter(criterion, unit, classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 12)) * np.geomspace(0.01, 100, 12)
    signal = X[:, 1] / X[:, 1].std() + 2 * X[:, 7] / X[:, 7].std()
    y = (signal > 0).astype(int) if classes else signal + rng.normal(size=400) / 10
    model = LogisticRegression(C=1e4, max_iter=5000) if classes else LinearRegression()
    small = pruned(model, criterion=criterion, unit=unit, keep=2).fit(X, y)
    assert list(small.kept_) == [1, 7]


@pytest.mark.parametrize("unit", ["coefficient", "feature"])
@pytest.mark.parametrize(
    "criterion",
    [SecondOrderCriterion(), PenaltyCriterion("l2"), TaylorCriterion(), None],
    ids=repr,
)
def test_sparse_rows_give_the_same(unit, criterion):
    rng = np.random.default_rng(0)
    X = rng.poisson(0.5, size=(300, 12)).astype(float)
    y = (X[:, 0] - X[:, 3] + X[:, 5] > 0).astype(int) + (X[:, 7] > 1)
    model = LogisticRegression(max_iter=2000, tol=1e-8)
    arguments = {"criterion": criterion, "unit": unit, "keep": 0.4}
    dense, sparse = (pruned(model, **arguments).fit(Z, y) for Z in (X, csr_array(X)))
    assert np.array_equal(dense.kept_, sparse.kept_)
    np.testing.assert_allclose(
        dense.predict_proba(X), sparse.predict_proba(csr_array(X)), atol=1e-4
    )


def test_several_outputs():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    Y = np.column_stack([y, -y + X[:, 0], X[:, 3]])
    for model in (Ridge(), MultiTaskLasso(0.1)):
        bare = clone(model).fit(X, Y)
        assert np.allclose(pruned(model, keep=1.0).fit(X, Y).predict(X), bare.predict(X))
        small = pruned(model, unit="coefficient", keep=12).fit(X, Y)
        assert np.count_nonzero(small.coef_) <= 12
        assert small.score(X, Y) > 0.4
    small = pruned(Ridge(), unit="coefficient", keep=12).fit(X, Y)
    for output in range(3):
        columns = np.flatnonzero(small.coef_[output])
        bare = Ridge().fit(X[:, columns], Y[:, output])
        np.testing.assert_allclose(small.coef_[output, columns], bare.coef_)


def test_the_penalty_of_the_refit_may_be_another():
    X, y = load_diabetes(return_X_y=True)
    small = PrunedRegressor(
        Ridge(1000.0), unit="coefficient", keep=4, refit={"alpha": 1e-9}
    ).fit(scale(X), y)
    bare = LinearRegression().fit(scale(X)[:, small.kept_], y)
    np.testing.assert_allclose(small.coef_[small.kept_], bare.coef_, rtol=1e-6)


def test_without_refit_the_rest_is_as_it_was():
    X, y = load_diabetes(return_X_y=True)
    full = Ridge().fit(X, y)
    small = PrunedRegressor(Ridge(), unit="coefficient", keep=4, refit=False).fit(X, y)
    assert np.array_equal(small.coef_[small.kept_], full.coef_[small.kept_])
    assert small.intercept_ == full.intercept_


@pytest.mark.parametrize("scheme", ["float16", "int8", "codebook"])
def test_quantized(scheme):
    X, y = load_wine(return_X_y=True)
    X = scale(X)
    plain = PrunedClassifier(LogisticRegression(), keep=1.0).fit(X, y)
    small = PrunedClassifier(LogisticRegression(), keep=1.0, quantize=scheme).fit(X, y)
    assert np.mean(small.predict(X) == plain.predict(X)) > 0.98
    difference = np.abs(small.predict_proba(X) - plain.predict_proba(X)).max()
    assert 0 < difference < 0.02
