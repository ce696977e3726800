"""Kernel machines of several classes on one basis."""

import pickle

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.sparse import csr_matrix
from sklearn.datasets import load_wine
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC

from sklearn_prune import PrunedClassifier
from sklearn_prune import weight_pruning as wp
from sklearn_prune.models.kernel import scores
from sklearn_prune.models.kernel.refit import KernelRows
from sklearn_prune.persistence import load, save
from sklearn_prune.predictors import CompactKernelClassifier, KernelFunction


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), np.array(["red", "rose", "white"])[y]


def pruned(model, X, y, keep=20, criterion=None, **options):
    options = {"unit": "support_vector", "keep": keep, "random_state": 0} | options
    return PrunedClassifier(model, criterion, **options).fit(X, y)


@pytest.mark.parametrize(
    "model",
    [SVC(), NuSVC(nu=0.2), SVC(kernel="poly"), SVC(kernel="sigmoid", gamma=0.01)],
    ids=str,
)
def test_one_score_for_each_class(model, wine):
    X, y = wine
    small = pruned(model, X[::2], y[::2])
    compact = small.compact_
    assert isinstance(compact, CompactKernelClassifier)
    assert compact.points_.shape == (20, X.shape[1])
    values = small.decision_function(X)
    assert values.shape == (len(X), 3)
    np.testing.assert_array_equal(small.predict(X), small.classes_[values.argmax(axis=1)])
    assert small.score(X[1::2], y[1::2]) >= 0.93
    with pytest.raises(AttributeError, match="one score for each class"):
        _ = small.estimator_
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_allclose(again.decision_function(X), values, rtol=1e-5)


def test_scores_of_pairs_are_differences(wine):
    X, y = wine
    values = pruned(SVC(), X, y).decision_function(X)
    pairs = pruned(SVC(decision_function_shape="ovo"), X, y).decision_function(X)
    expected = np.stack([values[:, a] - values[:, b] for a, b in ((0, 1), (0, 2), (1, 2))])
    np.testing.assert_allclose(pairs, expected.T, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_probabilities_are_a_scaled_softmax(wine):
    X, y = wine
    small = pruned(SVC(probability=True, random_state=0), X[::2], y[::2])
    found = small.predict_proba(X)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(
        found.argmax(axis=1), small.decision_function(X).argmax(1)
    )
    assert log_loss(y[1::2], found[1::2]) <= 0.25
    np.testing.assert_allclose(small.predict_log_proba(X), np.log(found))
    assert not hasattr(pruned(SVC(), X, y), "predict_proba")


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize(
    "options", [{}, {"quantize": "int8"}, {"keep": 0.3, "unit": "auto"}]
)
def test_files_hold_it(options, wine, tmp_path):
    X, y = wine
    small = pruned(SVC(probability=True, random_state=0), X, y, **options)
    save(small, tmp_path / "model.skprune")
    loaded = load(tmp_path / "model.skprune")
    np.testing.assert_array_equal(loaded.predict(X), small.predict(X))
    np.testing.assert_allclose(loaded.predict_proba(X), small.predict_proba(X), rtol=1e-6)


def test_sparse_rows_stay_rows(wine):
    X, y = wine
    X = csr_matrix(np.where(np.abs(X) < 0.5, 0, X))
    model = SVC().fit(X, y)
    small = pruned(SVC(), X, y)
    wanted = model.support_vectors_[small.kept_].toarray()
    np.testing.assert_allclose(small.compact_.points_.toarray(), wanted, rtol=1e-6)
    assert small.score(X, y) >= 0.93


def test_linear_kernels_keep_their_coefficients(wine):
    X, y = wine
    small = pruned(SVC(kernel="linear"), X, y)
    assert small.coef_.shape == (3, X.shape[1])
    assert type(small.estimator_) is SVC


def test_a_float_keep_bounds_the_parameters(wine):
    X, y = wine
    for keep in (0.2, 0.5, 0.9):
        small = PrunedClassifier(SVC(), keep=keep, random_state=0).fit(X, y)
        report = small.report_
        assert report.after["parameters"] <= keep * report.before["parameters"]
        assert 0 <= report.path[0]["churn"] <= 1


def test_class_weights_reach_the_scores(wine):
    X, y = wine
    rng = np.random.default_rng(0)
    X = X + 2.5 * rng.normal(size=X.shape)
    plain = pruned(SVC(), X, y).predict(X)
    heavy = pruned(SVC(class_weight={"rose": 20.0}), X, y).predict(X)
    assert (heavy == "rose").sum() > 1.2 * (plain == "rose").sum()


def test_rows_of_weight_zero_do_not_count(wine):
    X, y = wine
    some = np.arange(len(X)) % 3 > 0
    model = SVC(gamma=0.05)
    options = {"unit": "support_vector", "keep": 15, "random_state": 0}
    weighted = PrunedClassifier(model, **options).fit(X, y, sample_weight=some * 1.0)
    alone = PrunedClassifier(model, **options).fit(X[some], y[some])
    np.testing.assert_allclose(
        weighted.decision_function(X), alone.decision_function(X), atol=1e-4
    )


def test_margins_against_a_general_minimiser():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    kernel = KernelFunction("rbf", 0.5)
    basis, costs = X[:6], rng.uniform(0.5, 2, 60)
    K, own = kernel(X, basis), kernel(basis, basis.copy())
    own_ridge = own + 0.001 * np.trace(own) / 6 * np.eye(6)

    def objective(flat):
        B, b = flat[:18].reshape(6, 3), flat[18:]
        S = K @ B + b
        E = np.maximum(0, 1 - (S[np.arange(60), codes][:, None] - S))
        E[np.arange(60), codes] = 0
        norms = 0.5 * np.trace(B.T @ own_ridge @ B)
        return costs @ (E**2).sum(axis=1) + norms + 5e-5 * b @ b

    rows = KernelRows(kernel, X, basis)
    found, offsets = scores.fit_margins(
        rows, own, codes, costs, np.zeros((6, 3)), n_steps=500
    )
    flat = np.concatenate([found.ravel(), offsets])
    best = minimize(objective, np.zeros(21), method="BFGS").fun
    assert objective(flat) <= best * (1 + 1e-4)
    assert np.abs(approx_fprime(flat, objective)).max() < 0.1


def test_a_schedule_ranks_the_shared_points_again(wine):
    X, y = wine
    small = pruned(
        SVC(), X, y, criterion=wp.SecondOrderCriterion(), schedule=wp.IterativeSchedule(2)
    )
    assert len(small.kept_) == 20
    assert small.score(X, y) >= 0.95


def test_few_rows_of_a_class():
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.repeat([0, 1, 2], [20, 8, 2])
    small = pruned(SVC(C=10), X, y, keep=6)
    assert small.decision_function(X).shape == (30, 3)
