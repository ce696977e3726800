import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from sklearn_prune._ranking import budget_size
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.sample_selection._base import RankingContext, lend_context
from sklearn_prune.sample_selection._leverage import draw
from sklearn_prune.sample_selection._sensitivity import (
    SensitivitySelector,
    inclusion_probabilities,
)


def hat_diagonal(A):
    return np.diag(A @ np.linalg.pinv(A))


def heavy_tailed(n=1000, d=5):
    rng = np.random.default_rng(0)
    X = rng.standard_t(2.0, size=(n, d))
    y = (X @ np.arange(1, d + 1) + 3 * rng.normal(size=n) > 0).astype(int)
    return X, y


def weights_of(ranking, kept):
    """One over the probability of each kept row, given the first draw not kept."""
    threshold = min(ranking.draws[i] for i in range(len(ranking.order)) if i not in kept)
    return np.array([1 / min(1, ranking.importances[i] * threshold) for i in kept])


def estimates(X, y, losses, n_draws=200):
    """Estimates of the sum of the losses by a tenth of the rows: drawn, and random."""
    m = len(X) // 10
    drawn, uniform = [], []
    for seed in range(n_draws):
        ranking = SensitivitySelector(0.1, random_state=seed).fit(X, y).ranking
        kept = set(ranking.order[:m].tolist())
        weights = weights_of(ranking, kept)
        drawn.append(weights @ losses[list(kept)])
        random_rows = np.random.default_rng(seed).choice(len(X), m, replace=False)
        uniform.append(losses[random_rows].mean() * len(X))
    return np.array(drawn), np.array(uniform)


def test_weighted_tenth_estimates_the_logistic_loss():
    X, y = heavy_tailed()
    # A fixed model whose loss has outliers of its own.
    margins = np.where(y == 1, 1, -1) * (X @ np.array([1.0, -2, 1, 3, 0.5]))
    losses = np.logaddexp(0, -margins)
    drawn, uniform = estimates(X, y, losses)
    assert drawn.mean() == pytest.approx(losses.sum(), rel=0.02)
    assert drawn.std() < 0.7 * uniform.std()


def test_weighted_tenth_estimates_the_squared_loss():
    X, _ = heavy_tailed()
    y = X @ np.arange(1.0, 6) + np.random.default_rng(1).standard_t(3, size=len(X))
    losses = (y - X @ np.array([1.0, 2, 2, 4, 6])) ** 2
    drawn, uniform = estimates(X, y, losses)
    assert drawn.mean() == pytest.approx(losses.sum(), rel=0.02)
    assert drawn.std() < 0.3 * uniform.std()


def test_weighted_tenth_fits_least_squares_closer_than_random_rows():
    X, _ = heavy_tailed(2000)
    noise = np.random.default_rng(2).normal(size=len(X))
    y = X @ np.arange(1.0, 6) + noise + 0.1 * X[:, 0] ** 2
    full = LinearRegression().fit(X, y).coef_
    scores = SensitivitySelector().fit(X, y).scores_

    def error(kept, weights=None):
        model = LinearRegression().fit(X[kept], y[kept], weights)
        return np.linalg.norm(model.coef_ - full)

    drawn, random = [], []
    for seed in range(20):
        ranking = draw(scores, seed)
        kept, threshold = ranking.order[:200], ranking.draws[ranking.order[200]]
        weights = 1 / np.minimum(1, ranking.importances[kept] * threshold)
        drawn.append(error(kept, weights))
        random.append(error(np.random.default_rng(seed).choice(2000, 200, replace=False)))
    assert np.median(drawn) < 0.2 * np.median(random)


def test_scale_of_the_weights_does_not_matter():
    X, y = heavy_tailed(100)
    weights = np.random.default_rng(0).uniform(0.5, 3, 100)
    scores = SensitivitySelector().fit(X, y, sample_weight=weights).scores_
    again = SensitivitySelector().fit(X, y, sample_weight=1e-4 * weights).scores_
    assert np.allclose(again, scores, rtol=1e-10)


def test_scores_are_root_leverages_for_classes_and_leverages_with_y_for_targets():
    X, y = heavy_tailed(150)
    A = np.column_stack([np.ones(150), X])
    bound = np.sqrt(hat_diagonal(A)) + 1 / 150
    scores = SensitivitySelector().fit(X, y).scores_
    assert np.abs(scores - bound / bound.sum()).max() < 1e-10
    targets = X[:, 0] + np.random.default_rng(0).normal(100, 2, size=150)
    bound = hat_diagonal(np.column_stack([A, targets])) + 1 / 150
    scores = SensitivitySelector().fit(X, targets).scores_
    assert np.abs(scores - bound / bound.sum()).max() < 1e-10


def test_bounds_hold_for_the_squared_loss_of_any_coefficients():
    """No coefficients give a row a larger share than its leverage in [1, X, y]."""
    X, _ = heavy_tailed(60, 3)
    y = X[:, 0] + np.random.default_rng(0).normal(size=60)
    A = np.column_stack([np.ones(60), X, y])
    scale = hat_diagonal(A).sum() + 1
    bounds = SensitivitySelector().fit(X, y).scores_ * scale
    for seed in range(200):
        losses = (A @ np.random.default_rng(seed).normal(size=5)) ** 2
        assert (losses / losses.sum() <= bounds).all()


@pytest.mark.parametrize("regression", [False, True])
def test_weights_are_copies(regression):
    X, y = heavy_tailed(60, 3)
    y = X[:, 0] ** 2 if regression else y
    copies = np.random.default_rng(0).integers(0, 4, 60)
    weighted = SensitivitySelector().fit(X, y, sample_weight=copies).scores_
    X, y = np.repeat(X, copies, axis=0), np.repeat(y, copies)
    repeated = SensitivitySelector().fit(X, y).scores_
    of_row = np.bincount(np.repeat(np.arange(60), copies), repeated, minlength=60)
    assert np.abs(weighted - of_row).max() < 1e-12


def test_inclusion_probabilities_are_how_often_rows_are_kept():
    X, y = heavy_tailed(100, 3)
    selector = SensitivitySelector(0.3).fit(X, y)
    kept = np.zeros(100)
    for seed in range(2000):
        kept[draw(selector.scores_, seed).order[:30]] += 1 / 2000
    assert np.abs(kept - selector.inclusion_probabilities_).max() < 0.06


@pytest.mark.parametrize("size", [1, 2, 5, 9, 10])
def test_inclusion_probabilities_add_up_to_the_budget(size):
    importances = np.array([100.0, 50, 3, 2, 2, 1, 1, 1, 0.5, 0.1])[::-1]
    probabilities = inclusion_probabilities(importances, size)
    assert probabilities.sum() == pytest.approx(size)
    assert ((probabilities > 0) & (probabilities <= 1)).all()
    below = probabilities < 1
    ratios = probabilities[below] / importances[below]
    assert np.allclose(ratios, ratios[:1])
    assert (importances[~below] >= importances[below].max(initial=0)).all()


def test_the_budget_of_the_caller_comes_before_keep():
    X, y = heavy_tailed(100)
    selector = SensitivitySelector(0.5, random_state=0)
    order = selector.fit(X, y).order_
    assert selector.inclusion_probabilities_.sum() == pytest.approx(budget_size(0.5, 100))
    with lend_context(selector, RankingContext(budget=7)):
        selector.fit(X, y)
    assert selector.inclusion_probabilities_.sum() == pytest.approx(7)
    assert np.array_equal(selector.order_, order)
    with pytest.raises(InvalidParameterError, match="must not exceed the number of rows"):
        SensitivitySelector(keep=101).fit(X, y)
    with pytest.raises(InvalidParameterError, match="the int 1"):
        SensitivitySelector(keep=1).fit(X, y)


def test_rows_of_weight_0_come_last():
    X, y = heavy_tailed(80)
    weights = np.ones(80)
    weights[::4] = 0
    selector = SensitivitySelector(0.9, random_state=0).fit(X, y, sample_weight=weights)
    assert set(selector.order_[60:]) == set(range(0, 80, 4))
    assert np.isfinite(selector.inclusion_probabilities_).all()
    assert selector.inclusion_probabilities_.sum() == pytest.approx(72)


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_in_one_place_are_equal(n, task):
    selector = SensitivitySelector(task=task).fit(np.full((n, 2), 0.1), np.full(n, 7.0))
    assert np.allclose(selector.scores_, 1 / n, rtol=1e-12)
