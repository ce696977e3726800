import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes, make_classification
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sklearn_prune.sample_selection import (
    L1PenaltySelector,
    L2PenaltySelector,
    _design,
    _leave_one_out,
)

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def problem(n_features=10, n_classes=3, n_samples=200):
    return make_classification(
        n_samples=n_samples,
        n_features=n_features,
        n_informative=8,
        n_classes=n_classes,
        flip_y=0.1,
        random_state=0,
    )


def refitted(X, targets, make_model, weights=None):
    """Leave-one-out scores by n fits for each column, columns standardised once."""
    Z = StandardScaler().fit(X, sample_weight=weights).transform(X)
    weights = np.ones(len(X)) if weights is None else weights
    scores = np.empty(targets.shape)
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        for k in range(targets.shape[1]):
            model = make_model(k)
            model.fit(Z[others], targets[others, k], sample_weight=weights[others])
            if hasattr(model, "decision_function"):
                scores[i, k] = model.decision_function(Z[[i]])[0]
            else:
                scores[i, k] = model.predict(Z[[i]])[0]
    return scores


def signs(y):
    return np.where(y[:, None] == np.arange(y.max() + 1), 1.0, -1.0)


def margins(scores, y):
    own = scores[np.arange(len(y)), y]
    others = np.where(np.arange(scores.shape[1]) == y[:, None], -np.inf, scores)
    return own - others.max(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_features", [10, 300])
def test_squared_values_are_those_of_n_refits(n_features, n_classes):
    X, y = problem(n_features, n_classes)
    alpha = 1.0 if n_classes == 3 else 30.0
    scores = refitted(X, signs(y), lambda k: Ridge(alpha))
    for wrap in (np.asarray, csr_array):
        values = L2PenaltySelector(alpha).fit(wrap(X), y).scores_
        assert np.abs(values - margins(scores, y)).max() < 1e-8


def test_squared_values_hold_under_a_weak_penalty_on_wide_rows():
    X = np.random.default_rng(0).normal(size=(60, 200))
    y = np.arange(60) % 2
    scores = refitted(X, signs(y), lambda k: Ridge(1e-4, solver="svd"))
    values = L2PenaltySelector(1e-4).fit(X, y).scores_
    assert np.abs(values - margins(scores, y)).max() < 1e-6


def test_squared_values_are_those_of_n_weighted_refits():
    X, y = problem()
    weights = np.random.default_rng(0).uniform(0, 3, 200)
    scores = refitted(X, signs(y), lambda k: Ridge(1.0), weights)
    values = L2PenaltySelector().fit(X, y, sample_weight=weights).scores_
    assert np.abs(values - margins(scores, y)).max() < 1e-8


def test_regression_values_are_residuals_of_n_refits():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:200], y[:200]
    residuals = np.abs(y - refitted(X, y[:, None], lambda k: Ridge(1.0))[:, 0])
    expected = 2.5 - residuals / (1.4826 * np.median(residuals))
    selector = L2PenaltySelector().fit(X, y)
    assert np.abs(selector.scores_ - expected).max() < 1e-8
    assert selector.natural_size_ == np.count_nonzero(expected >= 0)


@quiet
@pytest.mark.parametrize("n_features", [10, 100])
def test_one_newton_step_ranks_like_n_logistic_refits(n_features):
    X, y = problem(n_features)
    scores = refitted(X, signs(y), lambda k: LogisticRegression(C=1.0, max_iter=2000))
    values = L2PenaltySelector(loss="logistic").fit(X, y).scores_
    assert np.corrcoef(values, margins(scores, y))[0, 1] > 0.99
    assert spearmanr(values, margins(scores, y))[0] > 0.99


@quiet
@pytest.mark.parametrize("n_features", [10, 300])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_fixed_active_set_ranks_like_n_lasso_refits(n_features, wrap):
    X, y = problem(n_features)
    Z, targets = StandardScaler().fit_transform(X), signs(y)
    strengths = 0.05 * np.abs(Z.T @ (targets - targets.mean(axis=0))).max(axis=0) / 200
    scores = refitted(X, targets, lambda k: Lasso(strengths[k]))
    values = L1PenaltySelector().fit(wrap(X), y).scores_
    assert spearmanr(values, margins(scores, y))[0] > 0.95


@quiet
def test_lasso_of_regression_ranks_like_n_refits():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:200], y[:200]
    residuals = np.abs(y - refitted(X, y[:, None], lambda k: Lasso(2.0))[:, 0])
    values = L1PenaltySelector(2.0).fit(X, y).scores_
    assert np.corrcoef(values, -residuals)[0, 1] > 0.999


@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_lasso_on_moments_is_the_lasso_on_rows(wrap, monkeypatch):
    X, y = problem(20)
    weights = np.random.default_rng(0).uniform(0, 3, 200)
    coefs = []
    for limit in (5_000, 10):  # through moments, through the rows
        monkeypatch.setattr(_leave_one_out, "MAX_SIDE", limit)
        design = _design.Design.standardized(wrap(X), weights)
        coefs.append(_leave_one_out.lasso_coefs(design, signs(y), weights, "auto"))
        values = L1PenaltySelector().fit(wrap(X), y, sample_weight=weights).scores_
        coefs.append(values[:, None])
    assert np.allclose(coefs[0], coefs[2], atol=1e-3)
    assert np.allclose(coefs[1], coefs[3], atol=1e-2)


def test_beyond_the_limit_regression_is_out_of_fold_too(monkeypatch):
    X, y = load_diabetes(return_X_y=True)
    exact = L2PenaltySelector().fit(X, y).scores_
    monkeypatch.setattr(_leave_one_out, "MAX_SIDE", 5)
    assert spearmanr(L2PenaltySelector().fit(X, y).scores_, exact)[0] > 0.9


@quiet
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
def test_beyond_the_limit_a_class_may_have_one_row(loss, monkeypatch):
    X, y = problem()
    y = np.where(np.arange(200) == 7, 3, y)
    monkeypatch.setattr(_leave_one_out, "MAX_SIDE", 5)
    scores = L2PenaltySelector(loss=loss).fit(X, y).scores_
    assert scores[7] == np.median(np.delete(scores, 7))


@quiet
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("n_features", [40, 300])
def test_beyond_the_limit_values_are_out_of_fold(loss, n_features, n_classes, monkeypatch):
    X, y = problem(n_features, n_classes)
    rows = csr_array(X)
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    exact = L2PenaltySelector(loss=loss).fit(X, y).scores_
    monkeypatch.setattr(_leave_one_out, "MAX_SIDE", 10)
    dense = L2PenaltySelector(loss=loss).fit(X, y).scores_
    assert spearmanr(dense, exact)[0] > 0.9
    sparse = L2PenaltySelector(loss=loss).fit(rows, y).scores_
    assert np.abs(sparse - dense).max() < 0.05 * np.ptp(dense)
    assert L1PenaltySelector().fit(rows, y).scores_.shape == (200,)


@pytest.mark.parametrize("selector", [L1PenaltySelector(0.01), L2PenaltySelector(1e-9)])
def test_a_row_with_a_column_of_its_own_is_no_outlier(selector):
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(150, 3)), np.eye(150)[:, :20]])
    y = X[:, 0] + 0.5 * rng.normal(size=150) + 5
    y[0] += 4
    selector.fit(X, y)
    assert np.abs(selector.scores_).max() < 20
    assert selector.scores_[0] < 0
    assert selector.natural_size_ >= 140


def test_rows_of_no_weight_do_not_widen_the_deviation():
    X, y = load_diabetes(return_X_y=True)
    far = np.vstack([X, X]), np.concatenate([y, 1000 * y])
    weights = np.repeat([1.0, 0.0], len(y))
    values = L2PenaltySelector(task="regression").fit(*far, sample_weight=weights).scores_
    alone = L2PenaltySelector(task="regression").fit(X, y).scores_
    assert np.allclose(values[: len(y)], alone, atol=1e-8)


def test_singular_columns_are_factorised():
    L1PenaltySelector().fit(np.full((97, 3), 123.456), np.arange(97) % 2)
    X, y = problem()
    values = L2PenaltySelector(1e-16).fit(np.hstack([X, X[:, :3]]), y).scores_
    assert np.isfinite(values).all()


def test_an_empty_lasso_predicts_the_mean_of_the_others():
    X, y = load_diabetes(return_X_y=True)
    values = L1PenaltySelector(1e9).fit(X, y).scores_
    others = (y.sum() - y) / (len(y) - 1)
    residuals = np.abs(y - others)
    assert np.allclose(values, 2.5 - residuals / (1.4826 * np.median(residuals)))
    alone = L1PenaltySelector().fit(np.ones((6, 2)), [0, 0, 1, 1, 1, 1])
    assert sorted(alone.order_) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("selector", [L2PenaltySelector(), L1PenaltySelector()])
def test_order_is_kept_rows_first_then_by_value(selector):
    X, y = problem()
    selector.fit(X, y)
    values = selector.scores_[selector.order_]
    kept, deleted = np.split(values, [selector.natural_size_])
    assert (np.diff(kept) <= 1e-9).all()
    assert (np.diff(deleted) <= 1e-9).all()
    assert (deleted < 0).all()


def test_a_row_is_deleted_if_both_models_contradict_it():
    X, y = problem(n_classes=2)
    X, y = X[(y == 0) | (np.arange(200) % 5 == 0)], y[(y == 0) | (np.arange(200) % 5 == 0)]
    share = len(y) / (2 * np.bincount(y))
    plain = margins(refitted(X, signs(y), lambda k: Ridge(1.0)), y)
    Z = StandardScaler().fit_transform(X)
    balanced = np.empty(len(y))
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        model = Ridge(1.0).fit(Z[others], signs(y)[others], sample_weight=share[y[others]])
        balanced[i] = margins(model.predict(Z[[i]]), y[[i]])[0]
    selector = L2PenaltySelector().fit(X, y)
    kept = np.sort(selector.order_[: selector.natural_size_])
    assert np.array_equal(kept, np.flatnonzero((plain >= 0) | (balanced >= 0)))
    assert (plain < 0).sum() > len(y) - len(kept)


def flipped(seed):
    """Half for training with 15 % of its labels flipped, half for testing."""
    X, y = make_classification(
        n_samples=4000,
        n_features=30,
        n_informative=10,
        class_sep=2,
        flip_y=0,
        random_state=seed,
    )
    wrong = np.zeros(2000, dtype=bool)
    wrong[np.random.default_rng(seed).permutation(2000)[:300]] = True
    return X[:2000], y[:2000], wrong, X[2000:], y[2000:]


@pytest.mark.parametrize(
    "selector",
    [L2PenaltySelector(), L2PenaltySelector(loss="logistic"), L1PenaltySelector()],
    ids=repr,
)
def test_values_find_flipped_labels_and_spare_clean_ones(selector):
    areas, clean_kept, gains, rare_kept = [], [], [], []
    for seed in range(10):
        X, y, wrong, X_test, y_test = flipped(seed)
        noisy = np.where(wrong, 1 - y, y)
        selector.fit(X, noisy)
        areas.append(roc_auc_score(wrong, -selector.scores_))
        kept = selector.order_[: selector.natural_size_]
        model = LogisticRegression(max_iter=1000)
        gains.append(
            model.fit(X[kept], noisy[kept]).score(X_test, y_test)
            - model.fit(X, noisy).score(X_test, y_test)
        )
        clean_kept.append(selector.fit(X, y).natural_size_ / 2000)
        X, y = make_classification(
            n_samples=2000,
            n_features=30,
            n_informative=10,
            class_sep=2,
            flip_y=0,
            weights=[0.98],
            random_state=seed,
        )
        selector.fit(X, y)
        rare_kept.append(y[selector.order_[: selector.natural_size_]].sum() / y.sum())
    assert np.mean(areas) >= 0.95
    assert np.mean(clean_kept) >= 0.92
    assert np.mean(gains) > 0
    assert np.count_nonzero(np.array(gains) > 0) >= 8
    assert np.mean(rare_kept) >= 0.8


def test_missing_values_are_read():
    X, y = problem()
    holes = X.copy()
    holes[np.random.default_rng(0).random(X.shape) < 0.05] = np.nan
    for selector in (L1PenaltySelector(), L2PenaltySelector()):
        full = selector.fit(X, y).scores_
        assert spearmanr(full, selector.fit(holes, y).scores_)[0] > 0.8
    with pytest.raises(ValueError, match="infinity"):
        L2PenaltySelector().fit(np.where(np.isnan(holes), np.inf, X), y)


def test_one_class_or_one_row_is_no_contradiction():
    for selector in (L1PenaltySelector(), L2PenaltySelector()):
        assert selector.fit([[1.0], [2.0]], ["a", "a"]).natural_size_ == 2
        assert selector.fit([[1.0]], [0]).order_.tolist() == [0]
        assert selector.fit([[1.0]], [0.5]).order_.tolist() == [0]


def test_a_perfect_fit_contradicts_nothing():
    X = np.random.default_rng(0).normal(size=(50, 3))
    selector = L2PenaltySelector(1e-12).fit(
        X, LinearRegression().fit(X, X[:, 0]).predict(X)
    )
    assert selector.natural_size_ == 50
    for constant in (0.5, 0.7, 123.456):
        y = np.full(50, constant)
        assert L2PenaltySelector(task="regression").fit(X, y).natural_size_ == 50


def test_integral_targets_with_many_values_are_regression():
    X, y = load_diabetes(return_X_y=True)
    as_is = L2PenaltySelector().fit(X, y).scores_
    imposed = L2PenaltySelector(task="regression").fit(X, y).scores_
    assert np.array_equal(as_is, imposed)


def test_logistic_loss_is_for_classes():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match='loss="squared"'):
        L2PenaltySelector(loss="logistic").fit(X, y)


@pytest.mark.parametrize(
    "selector",
    [
        L2PenaltySelector(0),
        L2PenaltySelector(-1.0),
        L2PenaltySelector(loss="hinge"),
        L1PenaltySelector("strong"),
        L1PenaltySelector(task="ranking"),
    ],
    ids=repr,
)
def test_arguments_are_checked(selector):
    with pytest.raises(ValueError, match=r"parameter of L[12]PenaltySelector must be"):
        selector.fit([[1.0], [2.0]], [0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("selector", [L2PenaltySelector(), L1PenaltySelector()], ids=repr)
def test_mnist_ranks_in_bounded_time_and_memory(mnist_path, selector, tmp_path):
    import subprocess
    import sys

    script = (
        "import resource, time, numpy as np\n"
        "from sklearn_prune.sample_selection import *\n"
        f"data = np.load({str(mnist_path)!r})\n"
        "X = data['x_train'].reshape(60000, -1).astype(np.float32)\n"
        "start = time.process_time()\n"
        f"{selector!r}.fit(X, data['y_train'])\n"
        "print(time.process_time() - start)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    seconds, gigabytes = map(float, run.stdout.split())
    assert seconds < 60  # of one core
    assert gigabytes < 2
