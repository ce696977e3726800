"""Dropout of kept features: the expected fit under squared loss, copies under others."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification

from sklearn_prune.models.linear import dropout as _linear_dropout
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.weight_pruning._context import PruningContext
from tests.estimators import sk

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
P = 0.3


def rows(n_outputs=2, n=300, d=5):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * np.linspace(0.5, 2, d) + np.linspace(0, 2, d)
    return X, X @ rng.normal(size=(d, n_outputs)) + rng.normal(size=(n, n_outputs)) + 3


def refitted(model, X, y, mask=None, dropout=P, seed=0, **fit_params):
    """The coefficients and intercepts of the masked refit with dropout."""
    family = LinearFamily()
    template = clone(model)
    fitted = clone(model).fit(X, y, **fit_params)
    context = PruningContext(template, X, y, fit_params, seed=seed, dropout=dropout)
    work = family.start(fitted, context)
    if mask is not None:
        work = family.apply(work, "coefficient", np.flatnonzero(mask), context)
    before = work.coefficients.copy()
    state = np.random.get_state()[1].copy()
    found = family.refit(work, "coefficient", context)
    assert np.array_equal(np.random.get_state()[1], state)
    assert np.array_equal(work.coefficients, before)
    assert not found.coefficients[~found.mask].any()
    assert np.shape(found.intercepts) == np.shape(fitted.intercept_)
    return found


def mean_of_masks(X, Y, weights, n_masks=2000):
    """Mean normal equations, the column of the intercept last and never dropped."""
    rng = np.random.default_rng(1)
    d = X.shape[1]
    gram, products = np.zeros((d + 1, d + 1)), np.zeros((d + 1, Y.shape[1]))
    for _ in range(n_masks):
        dropped = np.column_stack(
            [X * (rng.random(X.shape) >= P) / (1 - P), np.ones(len(X))]
        )
        gram += dropped.T @ (dropped * weights[:, None]) / n_masks
        products += dropped.T @ (Y * weights[:, None]) / n_masks
    return gram, products


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 30.0])
def test_squared_loss_is_the_mean_of_2000_masks(alpha, with_intercept, weighted):
    X, Y = rows()
    mask = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]], dtype=bool)
    weights = np.linspace(0.2, 3, len(X)) if weighted else np.ones(len(X))
    model = (
        sk.Ridge(alpha, fit_intercept=with_intercept)
        if alpha
        else sk.LinearRegression(fit_intercept=with_intercept)
    )
    given = {"sample_weight": weights} if weighted else {}
    gram, products = mean_of_masks(X, Y, weights)
    for make in (np.asarray, csr_array):
        found = refitted(model, make(X), Y, mask, **given)
        for output in range(2):
            own = np.append(np.flatnonzero(mask[output]), [5] * with_intercept).astype(int)
            penalty = np.diag(alpha * (own < 5))
            expected = np.linalg.solve(
                gram[np.ix_(own, own)] + penalty, products[own, output]
            )
            got = np.append(
                found.coefficients[output], np.broadcast_to(found.intercepts, 2)[output]
            )
            error = np.linalg.norm(got[own] - expected) / np.linalg.norm(expected)
            assert error < 0.02


def objective(model, X, Y, weights, found, total_penalty):
    """Half the expected squared error plus dropout's own penalty plus the model's."""
    residuals = X @ found.coefficients.T + found.intercepts - Y
    squares = (weights[:, None] * X**2).sum(axis=0) * P / (1 - P)
    loss = (weights[:, None] * residuals**2).sum() + (squares * found.coefficients**2).sum()
    return loss / (2 * weights.sum()) + total_penalty(found.coefficients)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("model", "penalty"),
    [
        (sk.Lasso(0.3, tol=1e-9), lambda c: 0.3 * np.abs(c).sum()),
        (
            sk.ElasticNet(0.3, l1_ratio=0.4, tol=1e-9),
            lambda c: 0.3 * (0.4 * np.abs(c).sum() + 0.3 * (c**2).sum()),
        ),
        (sk.MultiTaskLasso(0.5, tol=1e-9), lambda c: 0.5 * np.linalg.norm(c, axis=0).sum()),
        (
            sk.MultiTaskElasticNet(0.5, l1_ratio=0.5, tol=1e-9, fit_intercept=False),
            lambda c: 0.25 * np.linalg.norm(c, axis=0).sum() + 0.125 * (c**2).sum(),
        ),
        (sk.LassoLars(0.3), lambda c: 0.3 * np.abs(c).sum()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_penalties_keep_their_meaning(model, penalty, weighted):
    X, Y = rows()
    weights = np.linspace(0.2, 3, len(X))
    if weighted and type(model).__name__ not in ("Lasso", "ElasticNet"):
        pytest.skip("takes no weights")
    given = {"sample_weight": weights} if weighted else {}
    weights = weights if weighted else np.ones(len(X))
    if type(model).__name__ in ("Lasso", "ElasticNet"):
        Y = Y[:, :1]
        y = Y.ravel()
    else:
        y = Y
    found = refitted(model, X, y, **given)
    best = objective(model, X, Y, weights, found, penalty)
    rng = np.random.default_rng(0)

    for scale in (1e-3, 1e-2, 0.1):
        for _ in range(50):
            move = scale * rng.normal(size=found.coefficients.shape)
            shift = scale * rng.normal(size=np.shape(found.intercepts))
            if not model.fit_intercept:
                shift = shift * 0
            other = replace(
                found,
                coefficients=found.coefficients + move,
                intercepts=found.intercepts + shift,
            )
            assert objective(model, X, Y, weights, other, penalty) >= best - 1e-9


@pytest.mark.parametrize(
    "model",
    [
        sk.LogisticRegression(C=0.1, tol=1e-9, max_iter=2000),
        sk.LinearSVC(C=0.05, tol=1e-7, max_iter=20000, random_state=0),
        sk.HuberRegressor(alpha=1.0, tol=1e-8, max_iter=1000),
        sk.LinearSVR(C=0.02, tol=1e-7, max_iter=20000, random_state=0, epsilon=0.1),
        sk.PoissonRegressor(alpha=0.5, tol=1e-8),
        sk.QuantileRegressor(alpha=0.05),
        sk.SGDRegressor(alpha=0.1, average=True, max_iter=300, tol=None, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_almost_no_dropout_is_the_fit(model, weighted):
    """Copies and their weights leave the strength of the penalty as it is."""
    X, Y = rows(1)
    y = Y.ravel()
    if is_classifier(model):
        y = (y > np.median(y)).astype(int)
    if isinstance(model, sk.PoissonRegressor):
        y = np.exp(y / 10)
    given = {"sample_weight": np.linspace(0.2, 3, len(X))} if weighted else {}
    fitted = clone(model).fit(X, y, **given)
    found = refitted(model, X, y, dropout=1e-9, **given)
    atol = 0.02 if isinstance(model, sk.SGDRegressor) else 2e-3
    np.testing.assert_allclose(found.coefficients.ravel(), fitted.coef_.ravel(), atol=atol)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        sk.LogisticRegression(),
        sk.LogisticRegressionCV(
            Cs=3, cv=2, l1_ratios=(0.0,), use_legacy_attributes=False, scoring="accuracy"
        ),
        sk.LinearSVC(random_state=0),
        sk.RidgeClassifier(class_weight="balanced"),
        sk.SGDClassifier(random_state=0, class_weight="balanced"),
        sk.Perceptron(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_classes_with_masks_of_their_own(model, n_classes):
    X, y = make_classification(
        200, 8, n_informative=6, n_redundant=0, n_classes=n_classes, random_state=0
    )
    rng = np.random.default_rng(2)
    for make in (np.asarray, csr_array):
        mask = rng.random((n_classes if n_classes > 2 else 1, 8)) < 0.7
        mask[:, 0] = True
        first = refitted(model, make(X), y, mask)
        again = refitted(model, make(X), y, mask)
        other = refitted(model, make(X), y, mask, seed=1)
        assert np.array_equal(first.coefficients, again.coefficients)
        differs = not np.array_equal(first.coefficients, other.coefficients)
        assert differs == (not isinstance(model, sk.RidgeClassifier))


@pytest.mark.parametrize(
    "model",
    [
        sk.RidgeCV([0.1, 1.0]),
        sk.Ridge(positive=True),
        sk.LinearRegression(positive=True),
        sk.BayesianRidge(),
        sk.ARDRegression(),
        sk.LassoCV(cv=2),
        sk.ElasticNetCV(cv=2, l1_ratio=[0.3, 0.7]),
        sk.Lars(),
        sk.LarsCV(cv=2),
        sk.LassoLarsIC(),
        sk.OrthogonalMatchingPursuit(n_nonzero_coefs=3),
        sk.OrthogonalMatchingPursuit(tol=10.0),
        sk.TheilSenRegressor(max_subpopulation=200, random_state=0),
        sk.GammaRegressor(),
    ],
    ids=str,
)
def test_every_regressor_shrinks(model):
    """Dropout is a penalty: the coefficients on scaled columns are smaller."""
    X, Y = rows(1)
    y = Y.ravel()
    if isinstance(model, sk.GammaRegressor):
        y = np.exp(y / 10)
    mask = np.array([True, True, True, False, True])
    found = refitted(model, X, y, mask[None])
    again = refitted(model, X, y, mask[None])
    assert np.array_equal(found.coefficients, again.coefficients)
    plain = refitted(model, X, y, mask[None], dropout=0.0)
    size = np.sqrt((X**2).mean(axis=0))
    assert np.linalg.norm(found.coefficients * size) < np.linalg.norm(
        plain.coefficients * size
    )
    assert np.linalg.norm(found.coefficients) > 0


def test_copies_are_fewer_where_rows_are_many(monkeypatch):
    X = np.ones((100, 3), dtype=np.float32)
    context = PruningContext(sk.SGDRegressor(), X, X[:, 0], seed=0, dropout=P)
    work = LinearFamily().start(sk.SGDRegressor().fit(X, X[:, 0]), context)
    sizes = []
    for entries in (2**25, 1500, 1):
        monkeypatch.setattr(_linear_dropout, "_ENTRIES", entries)
        copies = _linear_dropout._with_copies(work, context)
        assert copies.X.dtype == np.float32
        assert set(np.unique(copies.X)) == {0, np.float32(1) / np.float32(1 - P)}
        assert abs(np.mean(copies.X) - 1) < 0.1
        sizes.append(len(copies.X) // 100)
    assert sizes == [10, 5, 2]
    sparse = _linear_dropout.dropped(csr_array(X), P, np.random.default_rng(0))
    assert sparse.nnz < X.size
    assert (sparse.data > 1).all()
    assert csr_array(X).nnz == X.size


@pytest.mark.filterwarnings("error::UserWarning")
def test_outputs_without_columns_keep_their_mean():
    X, Y = rows()
    mask = np.array([[True] * 5, [False] * 5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (sk.Ridge(), sk.Lars()):
            found = refitted(model, X, Y, mask)
            np.testing.assert_allclose(found.intercepts[1], Y[:, 1].mean())
