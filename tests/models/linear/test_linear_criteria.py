"""What ranks coefficients and columns, against brute force, and what it keeps."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import (
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    lasso_path,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC, LinearSVR

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.models.linear.losses import derivatives
from sklearn_prune.weight_pruning import (
    MagnitudeCriterion,
    PenaltyCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext

CRITERIA = [
    MagnitudeCriterion("l1"),
    MagnitudeCriterion("l2"),
    PenaltyCriterion("l1"),
    PenaltyCriterion("l2"),
    TaylorCriterion(),
    SecondOrderCriterion(),
]
MODELS = [
    LogisticRegression(C=0.5),
    RidgeClassifier(),
    LinearSVC(random_state=0),
    LinearSVC(loss="hinge", random_state=0, max_iter=5000),
    *(
        SGDClassifier(loss=loss, alpha=0.01, random_state=0)
        for loss in ("hinge", "perceptron", "modified_huber")
    ),
    Ridge(),
    HuberRegressor(),
    QuantileRegressor(alpha=0.001),
    LinearSVR(random_state=0, epsilon=0.1),
    SGDRegressor(loss="squared_epsilon_insensitive", random_state=0),
    PoissonRegressor(),
]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def planted(model, n_useful=3):
    """Targets that the first columns decide, on columns of unequal spread."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 15))
    score = 2 * X[:, :n_useful].sum(axis=1) + 0.3 * rng.normal(size=300)
    X = X * rng.permutation(np.geomspace(0.5, 2, 15))
    if is_classifier(model):
        return X, np.where(score > 0, "yes", "no")
    return X, np.exp(score / 8) if hasattr(model, "_get_loss") else score


@pytest.mark.parametrize("unit", ["coefficient", "feature"])
@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model)[:50])
def test_the_columns_that_decide_are_kept(model, criterion, unit):
    X, y = planted(model)
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    small = wrapper(clone(model), criterion, unit=unit, keep=3, random_state=0).fit(X, y)
    assert list(small.kept_) == [0, 1, 2]
    assert np.array_equal(small.estimator_.predict(X), small.predict(X))
    rows = csr_array(X)
    same = wrapper(clone(model), criterion, unit=unit, keep=3, random_state=0).fit(rows, y)
    assert list(same.kept_) == [0, 1, 2]


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (LogisticRegression(), lambda m, s, t: np.log1p(np.exp(-t * s)).sum()),
        (
            LinearSVC(random_state=0),
            lambda m, s, t: (np.maximum(1 - t * s, 0) ** 2).sum(),
        ),
        (HuberRegressor(), lambda m, s, t: _huber(s - t, m.epsilon * m.scale_)),
        (Ridge(), lambda m, s, t: ((s - t) ** 2).sum() / 2),
        (
            QuantileRegressor(quantile=0.3, alpha=0.01),
            lambda m, s, t: np.where(t > s, 0.3 * (t - s), 0.7 * (s - t)).sum(),
        ),
        (
            LinearSVR(epsilon=0.3, random_state=0, loss="squared_epsilon_insensitive"),
            lambda m, s, t: (np.maximum(np.abs(s - t) - 0.3, 0) ** 2).sum(),
        ),
        (PoissonRegressor(), lambda m, s, t: (np.exp(s) - t * s).sum()),
        (
            SGDClassifier(loss="modified_huber", random_state=0),
            lambda m, s, t: np.where(
                t * s < -1, -4 * t * s, np.maximum(1 - t * s, 0) ** 2
            ).sum(),
        ),
    ],
    ids=lambda part: "" if callable(part) else str(part)[:30],
)
def test_gradients_are_those_of_the_loss(model, loss):
    X, y = planted(model)
    model = clone(model).fit(X, y)
    scores = np.random.default_rng(1).normal(size=(40, 1))
    targets = np.sign(scores[::-1]) if is_classifier(model) else y[:40, None]
    found, _ = derivatives(model, scores, targets)
    for row in range(40):
        step = np.zeros((40, 1))
        step[row] = 1e-6
        slope = loss(model, scores + step, targets) - loss(model, scores - step, targets)
        assert found[row, 0] == pytest.approx(slope / 2e-6, abs=1e-5)


def _huber(residuals, width):
    small = np.abs(residuals) <= width
    return np.where(small, residuals**2 / 2, width * np.abs(residuals) - width**2 / 2).sum()


def test_second_order_losses_are_exact_for_ridge():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), (y - y.mean()) / y.std()
    model = Ridge(alpha=20.0).fit(X, y)

    def optimum(columns):
        part = Ridge(alpha=20.0).fit(X[:, columns], y)
        residuals = y - part.predict(X[:, columns])
        return (residuals @ residuals + 20.0 * part.coef_ @ part.coef_) / 2

    family, context = LinearFamily(), PruningContext(Ridge(alpha=20.0), X, y)
    found = family.removal_losses(family.start(model, context), "coefficient", context)
    left, before, dearest = list(range(10)), optimum(list(range(10))), 0.0
    while len(left) > 1:
        losses = [optimum([c for c in left if c != gone]) - before for gone in left]
        dearest = max(dearest, min(losses))
        gone = left.pop(int(np.argmin(losses)))
        before += min(losses)
        assert found[gone] == pytest.approx(dearest, rel=1e-6)


def test_l1_strengths_are_where_the_lasso_path_lets_columns_in():
    rng = np.random.default_rng(0)
    X = scale(rng.normal(size=(200, 20)) + rng.normal(size=(200, 1)) / 2)
    y = scale(X @ np.geomspace(3, 0.03, 20) + rng.normal(size=200))
    family, context = LinearFamily(), PruningContext(Ridge(), X, y)
    work = family.start(Ridge().fit(X, y), context)
    _, found = family.penalised(work, "coefficient", "l1", context)
    penalties, path, _ = lasso_path(X, y, eps=1e-3, alphas=400)
    first = [np.append(np.flatnonzero(row), len(penalties) - 1)[0] for row in path]
    expected = penalties[first] / penalties[0]
    step = 1e-3 ** (-1 / 20)
    assert np.all(found <= expected * step * 1.05)
    assert np.all(found >= expected / step / 1.05)


def test_effects_are_root_mean_squares_over_rows():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(fit_intercept=False, C=0.1).fit(X, y)
    family, context = LinearFamily(), PruningContext(LogisticRegression(), X, y)
    work = family.start(model, context)
    slopes = model.predict_proba(X) - np.eye(3)[y]
    effects = slopes[:, :, None] * X[:, None] * model.coef_
    found = family.gradient_effects(work, "coefficient", context)
    np.testing.assert_allclose(found, np.sqrt((effects**2).mean(axis=0)).ravel())
    found = family.gradient_effects(work, "feature", context)
    np.testing.assert_allclose(found, np.sqrt((effects.sum(axis=1) ** 2).mean(axis=0)))


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_outputs_count_relative_to_their_spread(criterion):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    Y = np.column_stack([X[:, 0] + X[:, 1], 1000 * (X[:, 2] + X[:, 3])])
    Y += np.array([0.1, 100.0]) * rng.normal(size=Y.shape)
    small = PrunedRegressor(Ridge(), criterion, unit="coefficient", keep=4).fit(X, Y)
    assert list(small.kept_) == [0, 1, 8, 9]
