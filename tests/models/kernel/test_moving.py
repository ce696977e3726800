"""Moved points and forward selection against their objectives, written out."""

import numpy as np
import pytest
from scipy.linalg import solve
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as processes
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVR, NuSVR

from sklearn_prune import PrunedRegressor
from sklearn_prune import weight_pruning as wp
from sklearn_prune.models.kernel import gradients, moving, squares
from sklearn_prune.predictors import KernelFunction

SMOOTH = [
    KernelFunction("rbf", 0.5),
    KernelFunction("laplacian", 0.3),
    KernelFunction("poly", 0.4, 3, 1.0),
    KernelFunction("object", kernel=processes.RBF([0.5, 1.0, 2.0])),
    KernelFunction("object", kernel=2.0 * processes.Matern(1.5, nu=1.5)),
    KernelFunction("object", kernel=processes.Matern(1.5, nu=2.5)),
    KernelFunction("object", kernel=processes.Matern(0.7, nu=np.inf)),
    KernelFunction(
        "object", kernel=processes.RationalQuadratic(1.3, 0.6) + processes.WhiteKernel(0.1)
    ),
    KernelFunction("object", kernel=processes.DotProduct(0.5) * processes.RBF(1.0)),
]


@pytest.mark.parametrize("number", range(len(SMOOTH)))
def test_gradients_are_finite_differences(number):
    kernel = SMOOTH[number]
    assert gradients.has_gradient(kernel)
    rng = np.random.default_rng(0)
    X, points, W = rng.normal(size=(7, 3)), rng.normal(size=(4, 3)), rng.normal(size=(7, 4))
    values, gradient = gradients.with_gradient(kernel, X, points)
    np.testing.assert_allclose(values, kernel(X, points), rtol=1e-12)
    found = gradient(W)
    for place in np.ndindex(points.shape):
        step = np.zeros_like(points)
        step[place] = 1e-6
        ahead, behind = ((W * kernel(X, points + s)).sum() for s in (step, -step))
        assert found[place] == pytest.approx((ahead - behind) / 2e-6, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "kernel",
    [
        KernelFunction("sigmoid", 0.1),
        KernelFunction("poly", 0.1, 2.5, 1.0),
        KernelFunction("poly", 0.1, 3, -1.0),
        KernelFunction("chi2", 1.0),
        KernelFunction("cosine"),
        KernelFunction("object", kernel=processes.Matern(1.0, nu=0.5)),
        KernelFunction("object", kernel=processes.ExpSineSquared()),
    ],
)
def test_other_kernels_have_none(kernel):
    assert not gradients.has_gradient(kernel)


def objective(kernel, X, Y, Z, costs, penalty):
    """The squares with the best coefficients at points Z, and these, by plain algebra."""
    K, own = kernel(X, Z), kernel(Z, Z.copy())
    total = 0.0
    for y, weight in zip(Y.T, np.broadcast_to(penalty, Y.shape[1]), strict=True):
        c = solve(
            K.T @ (costs[:, None] * K) + weight * own + 1e-9 * np.eye(len(Z)),
            K.T @ (costs * y),
        )
        total += costs @ (y - K @ c) ** 2 + weight * c @ own @ c
    return total


@pytest.mark.parametrize("penalty", [0.5, np.array([0.5, 2.0])], ids=["one", "two"])
@pytest.mark.parametrize("single", [False, True])
def test_moved_points_lie_between_the_start_and_the_full_model(penalty, single):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    Y = np.stack([np.sin(2 * X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
    Y += 0.1 * rng.normal(size=Y.shape)
    costs, kernel = rng.uniform(0.5, 2, 150), KernelFunction("rbf", 0.5)
    start = X[:12]
    found = moving.moved(kernel, X, start, Y, costs, penalty, single=single)
    before, after, full = (
        objective(kernel, X, Y, Z, costs, penalty) for Z in (start, found, X)
    )
    assert full <= after * (1 + 1e-6)
    assert after - full <= 0.5 * (before - full)


def test_forward_selection_adds_what_lowers_the_objective_most():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = np.sin(2 * X[:, :1]) + X[:, 1:]
    kernel = KernelFunction("rbf", 0.5)
    K = kernel(X, X.copy())
    matrix, products = K @ K + 0.3 * K, K @ y
    added = squares._forward(matrix, products, 6)
    for size in range(6):
        losses = [
            objective(kernel, X, y, X[[*added[:size], s]], np.ones(40), 0.3)
            for s in range(40)
        ]
        assert losses[added[size]] <= min(losses) * (1 + 1e-6)
    kept = squares._backward(matrix[np.ix_(added, added)], products[added])
    assert sorted(kept) == list(range(6))
    rest = [np.delete(added, i) for i in range(6)]
    losses = [objective(kernel, X, y, X[r], np.ones(40), 0.3) for r in rest]
    assert kept[-1] == np.argmin(losses)


@pytest.fixture(scope="module")
def rows():
    X, y = make_friedman1(700, noise=1.0, random_state=0)
    return (X - 0.5) * 3, y - y.mean()


@pytest.mark.parametrize(
    "model",
    [
        KernelRidge(kernel="rbf", alpha=0.3),
        KernelRidge(kernel="poly", degree=2, gamma=0.1),
        SVR(C=10),
        NuSVR(C=10),
        GaussianProcessRegressor(
            processes.RBF(3.0) + processes.WhiteKernel(0.05),
            normalize_y=True,
            optimizer=None,
        ),
    ],
    ids=["ridge", "ridge of degree 2", "tube", "nu tube", "process"],
)
def test_moved_points_lose_less_than_rows(model, rows):
    X, y = rows
    full = clone(model).fit(X[:400], y[:400])
    lost = {}
    for moves in (True, False):
        criterion = wp.ForwardSelectionCriterion(move_points=moves)
        small = PrunedRegressor(clone(model), criterion, unit="support_vector", keep=20)
        small.fit(X[:400], y[:400])
        points = small.estimator_
        name = "X_fit_" if hasattr(points, "X_fit_") else "support_vectors_"
        points = getattr(points, name, getattr(points, "X_train_", None))
        assert len(small.kept_) == 20
        assert np.isin(points, X).all() is np.bool_(not moves)
        lost[moves] = full.score(X[400:], y[400:]) - small.score(X[400:], y[400:])
    assert lost[True] <= lost[False]
    assert lost[True] <= 0.05


def test_points_move_only_where_they_are_few(rows):
    X, y = rows
    model = KernelRidge(kernel="rbf")
    for keep, moves in ((40, True), (150, False)):
        small = PrunedRegressor(model, unit="support_vector", keep=keep)
        points = small.fit(X[:400], y[:400]).estimator_.X_fit_
        assert (points == X[small.kept_]).all() != moves


def test_several_outputs_and_weights_are_those_of_single_ones(rows):
    X, y = rows[0][:300], rows[1][:300]
    model = KernelRidge(kernel="rbf", alpha=0.3)
    options = {"unit": "support_vector", "keep": 20}
    once = PrunedRegressor(model, **options).fit(X, y)
    twice = PrunedRegressor(model, **options).fit(X, np.stack([y, 2 * y], axis=1))
    np.testing.assert_allclose(
        twice.predict(X)[:, 1], 2 * twice.predict(X)[:, 0], rtol=1e-6
    )
    np.testing.assert_allclose(
        once.score(X, y), twice.score(X, np.stack([y, 2 * y], 1)), atol=0.01
    )
    heavy = PrunedRegressor(model, **options)
    weights = np.where(X[:, 0] > 0, 20.0, 0.05)
    heavy.fit(X, y, sample_weight=weights)
    right = X[:, 0] > 0
    errors = [((m.predict(X) - y)[right] ** 2).mean() for m in (heavy, once)]
    assert errors[0] < errors[1]


def test_auto_takes_the_first_size_that_passes(rows):
    X, y = rows
    model = PrunedRegressor(KernelRidge(kernel="rbf"), keep="auto", tolerance=0.01)
    path = model.fit(X, y).report_.path
    keeps = [entry["keep"] for entry in path]
    assert keeps == sorted(keeps, reverse=True)
    assert [entry["chosen"] for entry in path] == [True] + [False] * (len(path) - 1)
    assert path[0]["loss"] <= 0.01
    assert all(entry["change"] >= 0 for entry in path)
    for entry in path[1:]:
        assert entry["loss"] + entry["error"] > 0.01
        assert entry["loss"] > 0.01 or entry["change"] > 0.02
    assert 30 <= len(model.kept_) <= 200


def test_spread_of_few_points_is_near_that_of_the_process(rows):
    X, y = rows
    kernel = processes.RBF(3.0) + processes.WhiteKernel(0.05)
    model = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=None)
    full = clone(model).fit(X[:300], y[:300])
    small = PrunedRegressor(model, unit="support_vector", keep=75).fit(X[:300], y[:300])
    wanted = full.predict(X[300:], return_std=True)[1]
    ratios = small.predict(X[300:], return_std=True)[1] / wanted
    low, high = np.quantile(ratios, (0.01, 0.99))
    assert 0.85 <= low <= high <= 1.35
    assert abs(np.log(np.median(ratios))) <= 0.1
    far = np.full((1, X.shape[1]), 1e3)
    ratio = small.predict(far, return_std=True)[1] / full.predict(far, return_std=True)[1]
    assert ratio == pytest.approx(1.0, rel=1e-6)
    with pytest.raises(ValueError, match="return_cov needs"):
        small.predict(X, return_cov=True)
    rounded = small.compact_.quantized(wp.Quantizer("float16"))
    with pytest.raises(ValueError, match=r"Write keep=1\.0"):
        rounded.predict(X, return_std=True)


def test_move_points_is_a_bool(rows):
    X, y = rows
    criterion = wp.ForwardSelectionCriterion(move_points="no")
    with pytest.raises(ValueError, match="move_points must be True or False"):
        PrunedRegressor(
            KernelRidge(kernel="rbf"), criterion, unit="support_vector", keep=20
        ).fit(X, y)
