"""The compact forms of kernel machines against scikit-learn's own predictions."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from sklearn_prune import PrunedClassifier, PrunedRegressor
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


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_classifiers_keep_labels_and_scores(model, n_classes, classes):
    X, y = classes
    names = np.array(["one", "two", "three"])[y % n_classes]
    model = clone(model).fit(X, names)
    _, compact = compact_of(model)
    unseen = np.random.default_rng(0).normal(size=(90, X.shape[1])) * 2
    assert_same(compact, model, unseen)
    assert_same(compact, model, unseen[:1])
    assert_same(pickle.loads(pickle.dumps(compact)), model, unseen[:20])


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


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
@pytest.mark.parametrize("outputs", [1, 2])
def test_regressors_keep_values(model, outputs, targets):
    X, y = targets
    if outputs == 2:
        if isinstance(model, SVR | NuSVR):
            pytest.skip("one output only")
        y = np.stack([y, y**2], axis=1)
    model = clone(model).fit(X, y)
    assert_same(compact_of(model)[1], model, X[::-1] * 0.9)


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
def test_sparse_rows(kernel, classes):
    X, y = classes
    X = np.where(np.abs(X) < 1, 0, X)
    model = SVC(kernel=kernel).fit(csr_matrix(X), y)
    family, compact = compact_of(model)
    for rows in (X, csr_matrix(X)):
        assert_same(compact, model, rows)
    assert_same(family.restore(compact, SVC(kernel=kernel)), model, csr_matrix(X))


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


@pytest.mark.parametrize("multi_class", ["one_vs_rest", "one_vs_one"])
def test_gaussian_process_classes(multi_class, classes):
    X, y = classes[0][:90], classes[1][:90]
    model = GaussianProcessClassifier(
        1.0 * RBF(1.0), multi_class=multi_class, optimizer=None
    ).fit(X, y)
    _, compact = compact_of(model)
    np.testing.assert_array_equal(compact.predict(X), model.predict(X))
    if multi_class == "one_vs_rest":
        np.testing.assert_allclose(compact.predict_proba(X), model.predict_proba(X), 1e-9)
    else:
        with pytest.raises(ValueError, match="one_vs_one"):
            compact.predict_proba(X)


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


@pytest.mark.parametrize("container", ["float32", "list", "frame"])
def test_containers(container, classes):
    X, y = classes
    model = SVC()
    if container == "frame":
        pandas = pytest.importorskip("pandas")
        X = pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    elif container == "float32":
        X = X.astype(np.float32)
    pruned = PrunedClassifier(model, keep=1.0).fit(X, y)
    given = X.tolist() if container == "list" else X
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            pruned.predict(given), clone(model).fit(X, y).predict(X)
        )
    assert hasattr(pruned.compact_, "feature_names_in_") == (container == "frame")


def test_what_is_refused():
    X, y = make_classification(60, random_state=0)
    pruned = PrunedClassifier(SVC(), keep=1.0).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        pruned.predict(np.where(X > 1, np.nan, X))
    with pytest.raises(ValueError, match="features"):
        pruned.predict(X[:, :3])
    ties = PrunedClassifier(SVC(break_ties=True, decision_function_shape="ovo"), keep=1.0)
    with pytest.raises(ValueError, match="break_ties"):
        ties.fit(X, y).predict(X)
