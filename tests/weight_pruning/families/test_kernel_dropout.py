"""Silenced basis vectors: the mean over masks under squared loss, copies under others."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification, make_friedman1
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning.compact._kernel_function import KernelFunction
from sklearn_prune.weight_pruning.families import _kernel_dropout, _kernel_refit
from sklearn_prune.weight_pruning.families._kernel_dropout import (
    SilencedRows,
    silenced_mode,
)
from sklearn_prune.weight_pruning.families._kernel_refit import (
    KernelRows,
    fit_expansion,
    fit_ridge,
    hinge,
)

P = 0.3
KERNEL = KernelFunction("rbf", 0.5)
CLASSIFIERS = [
    SVC(C=5),
    SVC(kernel="linear"),
    NuSVC(nu=0.3),
    GaussianProcessClassifier(RBF(2.0), optimizer=None),
]
REGRESSORS = [
    SVR(C=5),
    NuSVR(C=5),
    KernelRidge(kernel="rbf", gamma=0.1, alpha=0.5),
    GaussianProcessRegressor(RBF(2.0) + WhiteKernel(0.1), normalize_y=True, optimizer=None),
]


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    return X, X[:6], rng


@pytest.mark.parametrize("penalty", [0.0, 0.5, np.array([0.5, 2.0])], ids=str)
def test_ridge_is_the_mean_of_2000_masks(problem, penalty):
    _, _, rng = problem
    X = rng.normal(size=(400, 2))
    basis = X[:6]
    K, own = KERNEL(X, basis), KERNEL(basis, basis)
    Y, weights = X + rng.normal(size=(400, 2)), rng.uniform(0.5, 2, size=400)
    gram, products = np.zeros((6, 6)), np.zeros((6, 2))
    for _ in range(2000):
        masked = K * (rng.random(K.shape) >= P) / (1 - P)
        gram += masked.T @ (masked * weights[:, None]) / 2000
        products += masked.T @ (Y * weights[:, None]) / 2000
    rows = KernelRows(KERNEL, X, basis)
    found = fit_ridge(rows, own, Y, weights, penalty, silenced=P)
    for output in range(2):
        alpha = np.broadcast_to(penalty, 2)[output]
        expected = np.linalg.solve(gram + alpha * own, products[:, output])
        error = np.linalg.norm(found[:, output] - expected) / np.linalg.norm(expected)
        assert error < 0.02


def test_almost_no_dropout_is_the_ridge(problem):
    X, basis, rng = problem
    Y, own = rng.normal(size=(80, 1)), KERNEL(basis, basis)
    rows = KernelRows(KERNEL, X, basis)
    plain = fit_ridge(rows, own, Y, np.ones(80), 0.5)
    found = fit_ridge(rows, own, Y, np.ones(80), 0.5, silenced=1e-12)
    np.testing.assert_allclose(found, plain, rtol=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_copies_of_the_kernel_matrix(problem, sparse, monkeypatch):
    X, basis, _ = problem
    if sparse:
        X, basis = csr_matrix(X), csr_matrix(basis)
    K = KERNEL(X, basis)
    monkeypatch.setattr(_kernel_refit, "_ROWS", 30)
    rows = SilencedRows(KERNEL, X, basis, P, seed=3)
    assert rows.n_copies == 10
    parts = np.concatenate([part for _, part in rows.blocks()])
    np.testing.assert_allclose(np.bincount(rows.source), 10)
    ratio = parts / K[rows.source]
    assert np.allclose(ratio[ratio > 0.1], 1 / (1 - P))
    assert abs(np.mean(ratio == 0) - P) < 0.02
    ends = [(part.start, part.stop) for part, _ in rows.blocks()]
    assert ends[0][0] == 0
    assert ends[-1][1] == 800
    assert all(first[1] == second[0] for first, second in pairwise(ends))
    expected = rows.times(np.eye(6))
    np.testing.assert_allclose(expected, parts)
    monkeypatch.setattr(_kernel_refit, "_STORED", 0)
    again = SilencedRows(KERNEL, X, basis, P, seed=3)
    assert again._blocks is None
    np.testing.assert_array_equal(again.times(np.eye(6)), expected)
    monkeypatch.setattr(_kernel_dropout, "_ENTRIES", 1500)
    assert SilencedRows(KERNEL, X, basis, P, seed=3).n_copies == 3
    monkeypatch.setattr(_kernel_dropout, "_ENTRIES", 1)
    assert SilencedRows(KERNEL, X, basis, P, seed=3).n_copies == 2


def test_copies_leave_the_penalty_as_it_is(problem):
    X, basis, _ = problem
    signs, own = np.sign(X[:, 0]), KERNEL(basis, basis)
    plain = fit_expansion(
        KernelRows(KERNEL, X, basis),
        own,
        signs,
        np.full(80, 2.0),
        hinge(0.5),
        0.5,
        tol=1e-9,
    )
    rows = SilencedRows(KERNEL, X, basis, 1e-9, seed=0)
    costs = np.full(800, 2.0) / 10
    found = fit_expansion(rows, own, signs[rows.source], costs, hinge(0.5), 0.5, tol=1e-9)
    np.testing.assert_allclose(found[0], plain[0], atol=1e-4)


def test_mode_without_much_dropout_is_that_of_the_process(problem):
    X, _, _ = problem
    positive = X[:, 0] + X[:, 1] ** 2 > 0.5
    kernel = 2.0 * RBF(1.0)
    model = GaussianProcessClassifier(kernel, optimizer=None).fit(X, positive)
    binary = model.base_estimator_
    found = silenced_mode(kernel(X), positive, 1e-9, seed=0)
    mode = kernel(X) @ (binary.y_train_ - binary.pi_)
    np.testing.assert_allclose(kernel(X) @ found, mode, atol=0.02)
    strong = silenced_mode(kernel(X), positive, 0.5, seed=0)
    assert (np.sign(strong) == np.where(positive, 1, -1)).all()
    assert np.linalg.norm(kernel(X) @ strong) < np.linalg.norm(kernel(X) @ found)


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS], ids=str)
def test_every_machine(model, keep):
    if is_classifier(model):
        X, y = make_classification(150, 5, n_informative=4, n_redundant=1, random_state=0)
        wrapper = PrunedClassifier
    else:
        X, y = make_friedman1(150, random_state=0)
        wrapper = PrunedRegressor
    options = {"unit": "support_vector", "keep": keep, "random_state": 0}
    plain = wrapper(clone(model), **options).fit(X, y)
    found, again, strong = (
        wrapper(clone(model), dropout=share, **options).fit(X, y)
        for share in (0.001, 0.001, 0.4)
    )
    np.testing.assert_array_equal(scores(found, X), scores(again, X))
    np.testing.assert_array_equal(found.kept_, plain.kept_)
    assert found.score(X, y) > plain.score(X, y) - 0.12
    assert np.std(scores(strong, X)) < np.std(scores(found, X))


def scores(model, X):
    """Continuous predictions."""
    for name in ("decision_function", "predict_proba", "predict"):
        if hasattr(model, name):
            return getattr(model, name)(X)


@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_probabilities_are_those_of_whole_rows(share):
    X, y = make_classification(
        200, 5, n_classes=3, n_informative=4, n_redundant=0, random_state=0
    )
    model = SVC(probability=True, random_state=0)
    small = PrunedClassifier(model, keep=0.4, dropout=share, random_state=0).fit(X, y)
    hits = small.predict_proba(X).argmax(axis=1) == y
    assert hits.mean() > 0.7


def test_a_process_classifier_is_not_restored():
    X, y = make_classification(60, 4, random_state=0)
    model = GaussianProcessClassifier(RBF(1.0), optimizer=None)
    small = PrunedClassifier(model, keep=0.5, dropout=0.2, random_state=0).fit(X, y)
    with pytest.raises(AttributeError, match="knows no dropout"):
        _ = small.estimator_
