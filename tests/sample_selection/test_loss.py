import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection._loss import EL2NSelector, LossSelector, MarginSelector

SELECTORS = [LossSelector, MarginSelector, EL2NSelector]


def flipped_digits(n=600, share=0.2):
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(y))[:n]
    X, y = X[rows], y[rows]
    wrong = rng.random(n) < share
    return X, np.where(wrong, (y + rng.integers(1, 10, n)) % 10, y), wrong


@pytest.fixture
def cross_fitted(classes):
    X, y = classes
    cv = StratifiedKFold(3)
    table = cross_val_predict(LogisticRegression(), X, y, cv=cv, method="predict_proba")
    return X, y, cv, table


def test_loss_is_the_log_loss(cross_fitted):
    X, y, cv, table = cross_fitted
    scores = LossSelector(LogisticRegression(), cv=cv).fit(X, y).scores_
    expected = [log_loss([y[i]], table[[i]], labels=[0, 1, 2]) for i in range(len(y))]
    np.testing.assert_allclose(-scores, expected)


def test_margin_is_own_minus_best_other(cross_fitted):
    X, y, cv, table = cross_fitted
    selector = MarginSelector(LogisticRegression(), cv=cv).fit(X, y)
    expected = [
        table[i, y[i]] - max(table[i, c] for c in range(3) if c != y[i])
        for i in range(len(y))
    ]
    np.testing.assert_allclose(selector.scores_, expected)
    predicted = table.argmax(axis=1)
    assert selector.natural_size_ == np.count_nonzero(predicted == y)
    kept = selector.order_[: selector.natural_size_]
    assert set(kept) == set(np.flatnonzero(predicted == y))


def test_el2n_is_the_norm_of_the_error(cross_fitted):
    X, y, cv, table = cross_fitted
    scores = EL2NSelector(LogisticRegression(), cv=cv, n_repeats=2).fit(X, y).scores_
    expected = [np.sqrt(sum((table[i] - np.eye(3)[y[i]]) ** 2)) for i in range(len(y))]
    np.testing.assert_allclose(-scores, expected)


def test_el2n_averages_over_folds_and_seeds(X, y):
    model = RandomForestClassifier(5)
    one, four = (
        [EL2NSelector(model, n_repeats=n, random_state=s).fit(X, y).scores_ for s in (0, 1)]
        for n in (1, 4)
    )
    assert np.corrcoef(*four)[0, 1] > np.corrcoef(*one)[0, 1] + 0.02


def test_regression_scores():
    X, y = load_diabetes(return_X_y=True)
    cv = KFold(4)
    residuals = y - cross_val_predict(Ridge(), X, y, cv=cv)
    options = {"cv": cv, "task": "regression"}
    loss = LossSelector(Ridge(), **options).fit(X, y)
    np.testing.assert_allclose(loss.scores_, -(residuals**2))
    margin = MarginSelector(Ridge(), **options).fit(X, y)
    deviation = 1.4826 * np.median(np.abs(residuals))
    np.testing.assert_allclose(margin.scores_, 2.5 - np.abs(residuals) / deviation)
    assert margin.natural_size_ == np.count_nonzero(np.abs(residuals) <= 2.5 * deviation)
    el2n = EL2NSelector(Ridge(), **options).fit(X, y)
    np.testing.assert_allclose(el2n.scores_, -np.abs(residuals))
    for other in (margin, el2n):
        np.testing.assert_array_equal(other.order_, loss.order_)


@pytest.mark.parametrize("selector", SELECTORS)
def test_wrong_labels_come_last(selector):
    X, y, wrong = flipped_digits()
    fitted = selector(random_state=0).fit(X, y)
    assert roc_auc_score(~wrong, fitted.scores_) > 0.9
    assert wrong[fitted.order_[:300]].mean() < 0.02


@pytest.mark.parametrize("selector", SELECTORS)
def test_wrong_targets_come_last(selector):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X @ [1.0, 2, 3, 4] + 0.1 * rng.normal(size=200)
    y[:10] += 5
    order = selector(random_state=0).fit(X, y).order_
    assert set(order[-10:]) == set(range(10))


@pytest.mark.parametrize("selector", [LossSelector, EL2NSelector])
def test_hard_is_the_reverse(X, y, selector):
    easy = selector(random_state=0).fit(X, y)
    hard = selector(prefer="hard", random_state=0).fit(X, y)
    np.testing.assert_array_equal(hard.scores_, -easy.scores_)
    np.testing.assert_array_equal(hard.order_, easy.order_[::-1])


def test_hard_margins_are_the_smallest_that_are_not_contradicted(X, y):
    margins = MarginSelector(random_state=0).fit(X, y).scores_
    hard = MarginSelector(prefer="hard", random_state=0).fit(X, y)
    agreed = [i for i in range(len(y)) if margins[i] >= 0]
    others = [i for i in range(len(y)) if margins[i] < 0]
    assert hard.natural_size_ == len(agreed)
    expected = sorted(agreed, key=lambda i: margins[i])
    expected += sorted(others, key=lambda i: -margins[i])
    assert hard.order_.tolist() == expected


def test_keep_auto_drops_contradicted_rows():
    X, y, wrong = flipped_digits(400)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    kept = SampleSubsetClassifier(model, MarginSelector(), keep="auto", random_state=0)
    kept = kept.fit(X, y).sample_indices_
    assert wrong[kept].mean() < 0.05
    assert np.count_nonzero(~wrong[kept]) > 0.8 * np.count_nonzero(~wrong)


@pytest.mark.parametrize("selector", SELECTORS)
def test_ties_go_by_position(selector):
    X, y = np.ones((30, 2)), np.tile([0, 1], 15)
    folds = [(np.arange(0, 10), np.arange(10, 30)), (np.arange(10, 30), np.arange(10))]
    order = selector(cv=folds).fit(X, y).order_
    assert order.tolist() == list(range(30))
    target = np.full(30, 0.5)
    assert selector(random_state=0).fit(X, target).order_.tolist() == list(range(30))


@pytest.mark.parametrize("selector", SELECTORS)
def test_separable_labels_leave_nothing_infinite(selector):
    X, y = make_classification(60, class_sep=20, random_state=0)
    y[3] = 1 - y[3]
    model = RandomForestClassifier(3)
    scores = selector(model, random_state=0).fit(X, y).scores_
    assert np.isfinite(scores).all()
    assert scores.argmin() == 3


def test_prefer_is_checked():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="'prefer' parameter of LossSelector must be"):
        LossSelector(prefer="hardest").fit(X, y)
