"""The compact forms of kernel machines against scikit-learn's own predictions."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1, make_moons
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune import weight_pruning as wp
from sklearn_prune.models.kernel import refit
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
    found, expected = (m.predict(X + 0.1, return_std=True)[1] for m in (smaller, model))
    assert found.shape == expected.shape
    assert np.median(found / expected) >= 0.9  # no surer than the process of all rows
    with pytest.raises(ValueError, match=r"Write keep=1\.0"):
        smaller.predict(X, return_cov=True)
    bare = PrunedRegressor(FrozenEstimator(model), keep=0.5, refit=False).fit(X, y)
    with pytest.raises(ValueError, match=r"Write keep=1\.0"):
        bare.predict(X, return_std=True)


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
def test_coefficients_of_linear_kernels(model, X, y):
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


@pytest.fixture
def moons():
    return make_moons(400, noise=0.2, random_state=0)


def small_problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    basis = X[:8]
    kernel = KernelFunction("rbf", 0.5)
    return X, kernel, refit.KernelRows(kernel, X, basis), kernel(basis, basis), rng


@pytest.mark.parametrize("kind", ["hinge", "tube"])
def test_newton_finds_the_minimum(kind):
    """Against a general minimiser of the same objective, written out here."""
    X, _, rows, basis, rng = small_problem()
    width = 0.3
    costs = rng.uniform(0.5, 2, size=60)
    if kind == "hinge":
        targets, loss = np.sign(X[:, 0] * X[:, 1] + 0.1), refit.hinge(width)
    else:
        targets, loss = X[:, 0] * X[:, 1], refit.tube(0.1, width)
    matrix = rows.times(np.eye(8))

    def objective(found):
        values = matrix @ found[:8] + found[8]
        if kind == "hinge":
            excess = np.maximum(1 - targets * values, 0)
        else:
            excess = np.maximum(np.abs(values - targets) - 0.1, 0)
        losses = np.where(excess < width, excess**2 / (2 * width), excess - width / 2)
        return costs @ losses + found[:8] @ basis @ found[:8] / 2

    found = np.append(
        *refit.fit_expansion(rows, basis, targets, costs, loss, width, tol=1e-10)
    )
    best = minimize(objective, np.zeros(9), method="BFGS", options={"gtol": 1e-6}).fun
    assert objective(found) <= best * (1 + 1e-5)


def test_ridge_on_all_points_is_kernel_ridge():
    X, kernel, _, _, rng = small_problem()
    y, weights = rng.normal(size=(60, 2)), rng.uniform(0.5, 2, size=60)
    found = refit.fit_ridge(refit.KernelRows(kernel, X, X), kernel(X, X), y, weights, 0.3)
    model = KernelRidge(alpha=0.3, kernel="rbf", gamma=0.5).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(kernel(X, X) @ found, model.predict(X), atol=1e-6)


def test_large_matrices_are_made_in_blocks(monkeypatch):
    from sklearn_prune.models.kernel import refit as _kernel_refit

    X, kernel, rows, _, rng = small_problem()
    slope, curvature = rng.normal(size=60), rng.uniform(size=60)
    expected = rows.moments(curvature, slope)
    monkeypatch.setattr(_kernel_refit, "_STORED", 0)
    monkeypatch.setattr(_kernel_refit, "_ROWS", 7)
    again = refit.KernelRows(kernel, X, X[:8])
    assert again._blocks is None
    for found, wanted in zip(again.moments(curvature, slope), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize(
    "criterion",
    [
        None,
        wp.CoverageCriterion("k_center"),
        wp.MagnitudeCriterion(),
        wp.PenaltyCriterion("l1"),
        wp.PenaltyCriterion("l2"),
        wp.SecondOrderCriterion(),
        wp.RandomCriterion(),
    ],
    ids=str,
)
def test_a_fifth_of_the_vectors_is_enough(criterion, moons):
    X, y = moons
    full = SVC(C=10).fit(X[:250], y[:250])
    pruned = PrunedClassifier(
        SVC(C=10), criterion, unit="support_vector", keep=0.2, random_state=0
    ).fit(X[:250], y[:250])
    assert len(pruned.kept_) == round(0.2 * len(full.support_))
    assert pruned.score(X[250:], y[250:]) >= full.score(X[250:], y[250:]) - 0.03
    assert len(pruned.compact_.points_) == len(pruned.kept_)


def test_without_refit_vectors_are_only_removed(moons):
    X, y = moons
    full = SVC(C=10).fit(X, y)
    pruned = PrunedClassifier(
        FrozenEstimator(full), unit="support_vector", keep=0.5, refit=False
    ).fit(X, y)
    kept = pruned.kept_
    kernel = np.exp(
        -full._gamma * ((X[:, None] - full.support_vectors_[kept]) ** 2).sum(axis=2)
    )
    expected = kernel @ full.dual_coef_[0, kept] + full.intercept_
    np.testing.assert_allclose(pruned.decision_function(X), expected, rtol=1e-9, atol=1e-9)
    restored = pruned.estimator_
    assert isinstance(restored, SVC)
    np.testing.assert_array_equal(restored.support_vectors_, full.support_vectors_[kept])
    np.testing.assert_allclose(restored.decision_function(X), expected, atol=1e-9)


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize(
    "model",
    [SVC(), SVC(kernel="linear"), SVC(kernel="poly", degree=2), NuSVC(nu=0.1)],
    ids=str,
)
def test_restored_classifiers(model, keep, X, y):
    for target in (y, y % 2):
        pruned = PrunedClassifier(clone(model), keep=keep, random_state=0).fit(X, target)
        if keep < 1 and target is y and model.kernel != "linear":
            with pytest.raises(AttributeError, match="one score for each class"):
                _ = pruned.estimator_
            continue
        restored = pruned.estimator_
        assert type(restored) is type(model)
        assert restored.get_params() == clone(model).get_params()
        assert np.mean(restored.predict(X) == pruned.predict(X)) >= 0.99
        np.testing.assert_allclose(
            restored.decision_function(X), pruned.decision_function(X), atol=2e-3
        )
        pickle.loads(pickle.dumps(restored)).predict(X)


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "model",
    [
        SVR(C=10),
        NuSVR(),
        SVR(kernel="linear"),
        KernelRidge(kernel="rbf", alpha=0.1),
        KernelRidge(),
        GaussianProcessRegressor(PROCESS, normalize_y=True, optimizer=None),
    ],
    ids=str,
)
def test_restored_regressors(model, keep):
    X, y = make_friedman1(200, random_state=0)
    pruned = PrunedRegressor(clone(model), keep=keep, random_state=0).fit(X, y)
    restored = pruned.estimator_
    assert type(restored) is type(model)
    np.testing.assert_allclose(restored.predict(X), pruned.predict(X), rtol=1e-8)


def test_restored_gaussian_process_classifier(moons):
    X, y = moons[0][:80], moons[1][:80]
    model = GaussianProcessClassifier(1.0 * RBF(1.0), optimizer=None)
    pruned = PrunedClassifier(model, keep=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(
        pruned.estimator_.predict_proba(X), pruned.predict_proba(X), rtol=1e-8
    )
    three = PrunedClassifier(model, keep=0.5, random_state=0).fit(X, np.arange(80) % 3)
    with pytest.raises(AttributeError, match="Use compact_ instead"):
        _ = three.estimator_


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (SVR(C=10, gamma=0.1), 0.01),
        (NuSVR(C=10, gamma=0.1), 0.02),
        (KernelRidge(kernel="rbf", gamma=0.1, alpha=0.1), 0.002),
        (GaussianProcessRegressor(PROCESS, normalize_y=True, optimizer=None), 0.02),
    ],
    ids=str,
)
def test_regression_from_a_quarter_of_the_rows(model, loss):
    X, y = make_friedman1(900, noise=1.0, random_state=0)
    full = clone(model).fit(X[:500], y[:500])
    pruned = PrunedRegressor(clone(model), keep=0.25, random_state=0).fit(X[:500], y[:500])
    assert pruned.score(X[500:], y[500:]) >= full.score(X[500:], y[500:]) - loss


def test_weights_reach_the_refit(moons):
    """Zero weights are the same as leaving rows out; C is split over repeated rows."""
    X, y = moons
    model = FrozenEstimator(SVC().fit(X, y))
    options = {"unit": "support_vector", "keep": 0.3, "random_state": 0}
    some = np.arange(400) % 3 > 0
    weighted = PrunedClassifier(model, **options).fit(
        X, y, sample_weight=some.astype(float)
    )
    alone = PrunedClassifier(model, **options).fit(X[some], y[some])
    np.testing.assert_allclose(
        weighted.decision_function(X), alone.decision_function(X), atol=1e-5
    )
    doubled = PrunedClassifier(model, **options).fit(X, y, sample_weight=np.full(400, 2.0))
    repeated = PrunedClassifier(model, **options).fit(np.tile(X, (2, 1)), np.tile(y, 2))
    np.testing.assert_allclose(
        doubled.decision_function(X), repeated.decision_function(X), atol=1e-3
    )


def test_class_weight_reaches_the_refit():
    X, y = make_classification(600, weights=[0.9], class_sep=0.4, random_state=0)
    plain = PrunedClassifier(SVC(), keep=0.3, random_state=0).fit(X, y)
    heavy = PrunedClassifier(SVC(class_weight={1: 8.0}), keep=0.3, random_state=0).fit(X, y)
    assert heavy.predict(X).sum() > 1.3 * plain.predict(X).sum()


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_probabilities_after_the_refit(X, y):
    from sklearn.metrics import log_loss

    model = SVC(probability=True, random_state=0).fit(X, y)
    pruned = PrunedClassifier(FrozenEstimator(model), keep=0.4, random_state=0).fit(X, y)
    found = pruned.predict_proba(X)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert log_loss(y, found) <= log_loss(y, model.predict_proba(X)) + 0.05


def test_seed_fixes_everything(moons):
    X, y = moons
    found = [
        PrunedClassifier(SVC(), keep="auto", tolerance=0.02, random_state=3, n_jobs=n).fit(
            X, y
        )
        for n in (1, None)
    ]
    np.testing.assert_array_equal(found[0].kept_, found[1].kept_)
    np.testing.assert_array_equal(
        found[0].compact_.coefficients_, found[1].compact_.coefficients_
    )
    assert found[0].sparsity_ > 0.5


@pytest.mark.parametrize("scheme", ["int8", "float16"])
def test_quantized_vectors(scheme, moons):
    X, y = moons
    plain = PrunedClassifier(SVC(), keep=0.4, random_state=0).fit(X, y)
    small = PrunedClassifier(SVC(), keep=0.4, quantize=scheme, random_state=0).fit(X, y)
    assert np.mean(plain.predict(X) == small.predict(X)) >= 0.98
    for name in ("points_", "coefficients_"):
        ratio = getattr(plain.compact_, name).nbytes / getattr(small.compact_, name).nbytes
        assert ratio >= (3 if scheme == "int8" else 1.99)


def test_sparse_rows_are_refitted(X, y):
    X = csr_matrix(np.where(np.abs(X) < 0.5, 0, X))
    pruned = PrunedClassifier(SVC(), keep=0.5, random_state=0).fit(X, y)
    assert pruned.score(X, y) >= SVC().fit(X, y).score(X, y) - 0.03
    two = PrunedClassifier(SVC(), keep=0.5, random_state=0).fit(X, y % 2)
    assert np.mean(two.estimator_.predict(X) == two.predict(X)) >= 0.99
