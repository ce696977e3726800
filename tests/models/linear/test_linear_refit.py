"""The refit of what is left: scikit-learn's own fit wherever that can say what it is."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.preprocessing import scale

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.models.linear.refit import fit_multinomial, fit_outputs, fit_tasks
from sklearn_prune.weight_pruning import MagnitudeCriterion
from sklearn_prune.weight_pruning._context import PruningContext
from tests.estimators import sk

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def wine():
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def refitted(fit, model, X, y, **fit_params):
    """The model fitted, and its coefficients by one of the ways to refit all of it."""
    model = clone(model).fit(X, y, **fit_params)
    context = PruningContext(clone(model), X, y, fit_params=fit_params, seed=0)
    work = LinearFamily().start(model, context)
    return model, *fit(work, context)


@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        sk.LogisticRegression(C=0.3, tol=1e-10, max_iter=2000),
        sk.LogisticRegression(class_weight={0: 1, 1: 5, 2: 2}, tol=1e-10, max_iter=2000),
        sk.LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=2000),
        sk.LogisticRegression(fit_intercept=False, tol=1e-10, max_iter=2000),
        sk.LogisticRegression(
            solver="saga", l1_ratio=1.0, C=0.1, tol=1e-8, max_iter=20000, random_state=0
        ),
        sk.LogisticRegression(
            solver="saga", l1_ratio=0.4, C=0.1, tol=1e-8, max_iter=20000, random_state=0
        ),
        sk.LogisticRegressionCV(
            Cs=[0.1, 1.0],
            l1_ratios=(0.0,),
            cv=2,
            tol=1e-9,
            max_iter=2000,
            use_legacy_attributes=False,
            scoring="accuracy",
        ),
    ],
    ids=lambda model: str(model)[:70].replace("\n", ""),
)
def test_multinomial_refit_of_everything_is_the_fit(model, weighted, make):
    X, y = wine()
    weights = {"sample_weight": np.linspace(0.5, 2, len(y))} if weighted else {}
    if weighted and isinstance(model, sk.LogisticRegressionCV):
        pytest.skip("weights change which C it chooses")
    fitted, coefficients, intercepts = refitted(
        fit_multinomial, model, make(X), y, **weights
    )
    np.testing.assert_allclose(coefficients, fitted.coef_, atol=2e-4)
    if getattr(model, "l1_ratio", 0.0) == 1.0:
        assert np.array_equal(np.abs(coefficients) > 1e-4, np.abs(fitted.coef_) > 1e-4)
    shift = np.asarray(intercepts) - fitted.intercept_
    np.testing.assert_allclose(shift - shift.mean(), 0, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        sk.LinearSVC(C=0.1, tol=1e-8, max_iter=100000, random_state=0),
        sk.LinearSVC(C=0.1, class_weight="balanced", tol=1e-8, max_iter=100000),
        sk.LinearSVC(C=0.1, class_weight={0: 1, 1: 9, 2: 2}, fit_intercept=False, tol=1e-8),
        sk.LinearSVC(penalty="l1", C=0.1, tol=1e-7, max_iter=100000, random_state=0),
        sk.RidgeClassifier(),
        sk.RidgeClassifier(class_weight={0: 1, 1: 9, 2: 2}),
        sk.SGDClassifier(alpha=0.1, average=True, max_iter=500, tol=None, random_state=0),
    ],
    ids=lambda model: str(model)[:70],
)
def test_refit_of_each_class_against_the_rest_is_the_fit(model, weighted):
    X, y = wine()
    weights = {"sample_weight": np.linspace(0.5, 2, len(y))} if weighted else {}
    fitted, coefficients, intercepts = refitted(fit_outputs, model, X, y, **weights)
    atol = 5e-3 if isinstance(model, sk.SGDClassifier) else 1e-4
    np.testing.assert_allclose(coefficients, fitted.coef_, atol=atol)
    shape = np.shape(intercepts)
    expected = np.broadcast_to(np.ravel(fitted.intercept_), shape)
    np.testing.assert_allclose(intercepts, expected, atol=2 * atol)


@pytest.mark.parametrize(
    "model",
    [
        sk.MultiTaskLasso(alpha=0.3, tol=1e-9, max_iter=5000),
        sk.MultiTaskElasticNet(alpha=0.3, l1_ratio=0.3, tol=1e-9, max_iter=5000),
        sk.MultiTaskLasso(alpha=0.3, tol=1e-9, max_iter=5000, fit_intercept=False),
    ],
)
def test_refit_of_tasks_that_share_a_penalty_is_the_fit(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 7)) + 3
    Y = X @ rng.normal(size=(7, 3)) + rng.normal(size=(80, 3)) + 5
    fitted, coefficients, intercepts = refitted(fit_tasks, model, X, Y)
    np.testing.assert_allclose(coefficients, fitted.coef_, atol=1e-5)
    expected = np.broadcast_to(np.ravel(fitted.intercept_), 3)
    np.testing.assert_allclose(intercepts, expected, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_multinomial_refit_of_a_part_is_its_optimum(l1_ratio):
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    solver = "saga" if l1_ratio else "lbfgs"
    model = sk.LogisticRegression(l1_ratio=l1_ratio, solver=solver, C=0.5, tol=1e-8)
    small = PrunedClassifier(
        model, MagnitudeCriterion(), unit="coefficient", keep=7, random_state=0
    ).fit(X, y)
    mask = small.get_support().reshape(3, 4)

    def objective(parameters):
        coefficients = np.zeros((3, 4))
        coefficients[mask] = parameters[:7]
        scores = X @ coefficients.T + parameters[7:]
        highest = scores.max(axis=1)
        logs = np.log(np.exp(scores - highest[:, None]).sum(axis=1)) + highest
        size = np.abs(parameters[:7]).sum() * l1_ratio
        size += (1 - l1_ratio) * (parameters[:7] ** 2).sum() / 2
        return (logs - scores[np.arange(150), y]).sum() + size / 0.5

    found = np.append(small.coef_[mask], small.intercept_)
    best = min(
        minimize(objective, found + noise, method="Powell", tol=1e-10).fun
        for noise in (0.0, 0.1)
    )
    assert not small.coef_[~mask].any()
    assert objective(found) <= best + 1e-4


def test_refit_of_whole_columns_is_the_fit_on_them():
    X, y = wine()
    for model in (
        sk.LogisticRegression(),
        sk.LinearSVC(random_state=0),
        sk.RidgeClassifier(),
    ):
        small = PrunedClassifier(
            model, MagnitudeCriterion(), unit="feature", keep=5, random_state=0
        ).fit(X, y)
        expected = clone(model).fit(X[:, small.kept_], y)
        assert np.array_equal(small.coef_[:, small.kept_], expected.coef_)
        assert np.array_equal(small.predict(X), expected.predict(X[:, small.kept_]))


def test_an_output_without_columns_keeps_its_intercept():
    X = np.random.default_rng(0).normal(size=(60, 3))
    Y = np.column_stack([X @ [3.0, 2.0, 1.0], np.full(60, 7.0)])
    small = PrunedRegressor(sk.Ridge(), MagnitudeCriterion(), unit="coefficient", keep=3)
    small.fit(X, Y)
    assert list(small.kept_) == [0, 1, 2]
    np.testing.assert_allclose(small.intercept_[1], 7.0)


def test_a_number_of_coefficients_that_is_asked_for_stays():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 20))
    y = X[:, :6].sum(axis=1) + 0.1 * rng.normal(size=100)
    small = PrunedRegressor(
        sk.OrthogonalMatchingPursuit(n_nonzero_coefs=6), unit="coefficient", keep=4
    ).fit(X, y)
    assert np.count_nonzero(small.coef_) == 4
