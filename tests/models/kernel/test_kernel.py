"""The compact forms of kernel machines against scikit-learn's own predictions."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from sklearn_prune import PrunedRegressor
from sklearn_prune.models.kernel.family import KernelFamily
from sklearn_prune.predictors.kernel import KernelFunction
from sklearn_prune.weight_pruning._registry import family_of

PROCESS = RBF(2.0) + WhiteKernel(0.1)


@pytest.fixture
def targets():
    return make_friedman1(150, random_state=0)


def compact_of(model):
    family, reason = family_of(model)
    assert isinstance(family, KernelFamily), reason
    return family, family.compact(family.start(model, None))


def assert_same(compact, model, X):
    for method in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
        assert hasattr(compact, method) == hasattr(model, method), method
        if not hasattr(model, method):
            continue
        expected, found = getattr(model, method)(X), getattr(compact, method)(X)
        assert found.shape == expected.shape
        assert found.dtype.kind == expected.dtype.kind
        if method == "predict" and expected.dtype.kind != "f":
            np.testing.assert_array_equal(found, expected)
        else:
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * scale)


CLASSIFIERS = [
    SVC(),
    SVC(kernel="linear"),
    SVC(kernel="poly", degree=2, coef0=1.0),
    SVC(kernel="sigmoid", gamma=0.01),
    SVC(decision_function_shape="ovo"),
    SVC(break_ties=True),
    SVC(class_weight="balanced", gamma="auto"),
    SVC(probability=True, random_state=0),
    SVC(gamma=1e6),
    NuSVC(nu=0.1),
    GaussianProcessClassifier(1.0 * RBF(1.0), optimizer=None),
]


REGRESSORS = [
    SVR(C=10),
    SVR(kernel="linear"),
    NuSVR(),
    KernelRidge(),
    KernelRidge(kernel="rbf", alpha=0.1),
    KernelRidge(kernel="polynomial", degree=2, gamma=0.1),
    KernelRidge(kernel="laplacian"),
    KernelRidge(kernel="chi2", gamma=0.5),
    KernelRidge(kernel="cosine"),
    GaussianProcessRegressor(PROCESS, normalize_y=True, optimizer=None),
]


def test_signs_close_to_zero_are_libsvms():
    """Mirrored data: values on the axis are rounding errors, whose signs count."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(60, 2))
    X = np.concatenate([half, half * [-1, 1]])
    y = np.repeat([0, 1], 60)
    model = SVC(C=5).fit(X, y)
    axis = np.stack([np.zeros(500), np.linspace(-3, 3, 500)], axis=1)
    values = np.abs(model.decision_function(axis))
    assert values.max() < 1e-3  # the solver stops at its tolerance
    model._intercept_ = model.intercept_ = np.zeros(1)
    model._dual_coef_ = np.where(model._dual_coef_ > 0, 1.0, -1.0)
    model.dual_coef_ = -model._dual_coef_
    vectors = half[:40]
    model.support_vectors_ = np.concatenate([vectors, vectors * [-1, 1]])
    model.support_ = np.arange(80, dtype=np.int32)
    model._dual_coef_ = np.repeat([[1.0, -1.0]], 40, axis=1)
    model.dual_coef_ = -model._dual_coef_
    model._n_support = np.array([40, 40], dtype=np.int32)
    values = model.decision_function(axis)
    assert 0 < np.abs(values).max() < 1e-12
    np.testing.assert_array_equal(compact_of(model)[1].predict(axis), model.predict(axis))


def test_far_from_the_origin():
    """Offsets that cost the expanded square its digits."""
    X, y = make_classification(200, random_state=0)
    X = X + 1e5
    model = SVC(gamma=0.05).fit(X, y)
    assert_same(compact_of(model)[1], model, X[:50] + 0.1)


def test_gaussian_kernel_against_its_formula():
    rng = np.random.default_rng(0)
    X, points = rng.normal(size=(300, 4)), rng.normal(size=(700, 4))
    squares = ((X[:, None] - points) ** 2).sum(axis=2)
    for gamma in (0.1, 10.0, 1000.0):
        expected = np.exp(-gamma * squares)
        found = KernelFunction("rbf", gamma)(X, points)
        np.testing.assert_allclose(found, expected, rtol=1e-12 * max(1, gamma), atol=1e-300)
        single = KernelFunction("rbf", gamma)(X.astype("f4"), points.astype("f4"))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, atol=3e-6 * gamma)


@pytest.mark.parametrize("outputs", [1, 2])
def test_spread_of_a_process_is_made_on_request(outputs, targets):
    X, y = targets
    y = y if outputs == 1 else np.stack([y, y**2], axis=1)
    model = GaussianProcessRegressor(PROCESS, normalize_y=True, alpha=0.01).fit(X, y)
    pruned = PrunedRegressor(clone(model), keep=1.0).fit(X, y)
    before = len(pickle.dumps(pruned.compact_))
    assert before < len(pickle.dumps(model)) / 8
    for request in ("return_std", "return_cov"):
        for found, expected in zip(
            pruned.predict(X + 0.1, **{request: True}),
            model.predict(X + 0.1, **{request: True}),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    assert len(pickle.dumps(pruned.compact_)) == before
    smaller = PrunedRegressor(clone(model), keep=0.5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"Write keep=1\.0"):
        smaller.predict(X, return_std=True)


def test_mean_of_a_process_in_a_fiftieth_of_the_bytes():
    X, y = make_friedman1(700, random_state=0)
    model = GaussianProcessRegressor(PROCESS, optimizer=None).fit(X, y)
    _, compact = compact_of(model)
    assert len(pickle.dumps(model)) >= 50 * len(pickle.dumps(compact))
    np.testing.assert_allclose(compact.predict(X), model.predict(X), rtol=1e-10)


@pytest.mark.parametrize(
    "model",
    [SVC(kernel="linear"), SVC(), NuSVC(nu=0.1), SVR(kernel="linear"), KernelRidge()],
    ids=str,
)
def test_coefficients_of_linear_kernels(model, classes):
    X, y = classes
    for target in (y, y % 2):
        model = clone(model).fit(X, target)
        _, compact = compact_of(model)
        if getattr(model, "kernel", "linear") != "linear":
            assert not hasattr(compact, "coef_")
        elif not isinstance(model, KernelRidge):
            np.testing.assert_allclose(compact.coef_, model.coef_, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(compact.intercept_, model.intercept_)


def precomputed(X, Y):
    return X @ Y.T


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (SVC(kernel=precomputed), "a function of the user's"),
        (SVC(kernel="precomputed"), "precomputed"),
        (KernelRidge(kernel=precomputed), "a function of the user's"),
    ],
)
def test_kernels_without_points_are_refused(model, reason):
    family, why = family_of(model)
    assert not isinstance(family, KernelFamily)
    assert reason in why
