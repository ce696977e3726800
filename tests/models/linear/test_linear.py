"""Linear models: the same predictions, fewer coefficients, refitted as the model would."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_diabetes, load_iris, load_wine, make_regression
from sklearn.linear_model import lasso_path
from sklearn.preprocessing import scale
from sklearn.utils import all_estimators

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune import weight_pruning as wp
from sklearn_prune.models.features.family import FeatureFamily
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.models.linear.losses import derivatives
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._registry import family_of
from tests.estimators import sk

CLASSIFIERS = [
    sk.LogisticRegression(),
    sk.LogisticRegression(C=0.1, class_weight="balanced"),
    sk.LinearSVC(random_state=0),
    sk.RidgeClassifier(),
    sk.SGDClassifier(random_state=0),
    sk.SGDClassifier(loss="log_loss", random_state=0),
    sk.SGDClassifier(loss="modified_huber", random_state=0),
    sk.Perceptron(random_state=0),
    sk.LinearDiscriminantAnalysis(),
]
REGRESSORS = [
    sk.LinearRegression(),
    sk.LinearRegression(positive=True),
    sk.Ridge(fit_intercept=False),
    sk.RidgeCV(),
    sk.ElasticNet(0.01),
    sk.LassoLars(0.01),
    sk.OrthogonalMatchingPursuit(n_nonzero_coefs=4),
    sk.BayesianRidge(),
    sk.ARDRegression(),
    sk.HuberRegressor(max_iter=500),
    sk.QuantileRegressor(alpha=0.001),
    sk.TheilSenRegressor(random_state=0, max_subpopulation=200),
    sk.PoissonRegressor(),
    sk.GammaRegressor(),
    sk.TweedieRegressor(power=1.5),
    sk.SGDRegressor(random_state=0),
    sk.LinearSVR(random_state=0),
]
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def data_for(model):
    if is_classifier(model):
        X, y = load_wine(return_X_y=True)
        return scale(X), np.array(["a", "b", "c"])[y]
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y / 50


def pruned(model, **arguments):
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return wrapper(clone(model), **arguments)


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=repr)
def test_estimator_predicts_what_the_compact_form_does(model):
    X, y = data_for(model)
    unit = "feature" if isinstance(model, sk.LinearDiscriminantAnalysis) else "coefficient"
    small = pruned(model, unit=unit, keep=0.5).fit(X, y)
    again = small.estimator_
    assert type(again[-1] if unit == "feature" else again) is type(model)
    expected = small.predict(X)
    found = again.predict(X)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    else:
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "model", [m for m in REGRESSORS if "positive" not in repr(m)], ids=repr
)
def test_refit_of_one_output_is_the_fit_on_the_columns_left(model):
    X, y = data_for(model)
    small = pruned(model, unit="coefficient", keep=5).fit(X, y)
    bare = clone(model).fit(X[:, small.kept_], y)
    np.testing.assert_allclose(small.coef_[small.kept_], bare.coef_, rtol=1e-12)
    assert not np.delete(small.coef_, small.kept_).any()


@pytest.mark.parametrize(
    "model",
    [sk.LinearSVC(C=0.5, random_state=0), sk.RidgeClassifier(), sk.Perceptron()],
    ids=repr,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_outputs_are_fitted_on_their_own_columns(model, weighted):
    X, y = data_for(model)
    weights = np.random.default_rng(0).random(len(X)) if weighted else None
    small = pruned(model, unit="coefficient", keep=0.4).fit(X, y, sample_weight=weights)
    for output, label in enumerate("abc"):
        columns = np.flatnonzero(small.coef_[output])
        bare = clone(model).fit(X[:, columns], y == label, sample_weight=weights)
        np.testing.assert_allclose(
            small.coef_[output, columns], np.ravel(bare.coef_), rtol=1e-6
        )


def test_second_order_is_backward_elimination_for_squared_loss():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    left, leaving = list(range(10)), []
    while len(left) > 1:
        losses = []
        for column in left:
            rest = [c for c in left if c != column]
            model = sk.LinearRegression().fit(X[:, rest], y)
            losses.append(((y - model.predict(X[:, rest])) ** 2).sum())
        leaving.append(left.pop(int(np.argmin(losses))))
        small = (
            PrunedRegressor(
                sk.LinearRegression(),
                wp.SecondOrderCriterion(),
                unit="feature",
                keep=len(left) or 1,
            )
            if len(left) > 1
            else None
        )
        if small is not None:
            assert list(small.fit(X, y).kept_) == left


def test_several_outputs():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    Y = np.column_stack([y, -y + X[:, 0], X[:, 3]])
    for model in (sk.Ridge(), sk.MultiTaskLasso(0.1)):
        bare = clone(model).fit(X, Y)
        assert np.allclose(pruned(model, keep=1.0).fit(X, Y).predict(X), bare.predict(X))
        small = pruned(model, unit="coefficient", keep=12).fit(X, Y)
        assert np.count_nonzero(small.coef_) <= 12
        assert small.score(X, Y) > 0.4
    small = pruned(sk.Ridge(), unit="coefficient", keep=12).fit(X, Y)
    for output in range(3):
        columns = np.flatnonzero(small.coef_[output])
        bare = sk.Ridge().fit(X[:, columns], Y[:, output])
        np.testing.assert_allclose(small.coef_[output, columns], bare.coef_)


def test_the_penalty_of_the_refit_may_be_another():
    X, y = load_diabetes(return_X_y=True)
    small = PrunedRegressor(
        sk.Ridge(1000.0), unit="coefficient", keep=4, refit={"alpha": 1e-9}
    ).fit(scale(X), y)
    bare = sk.LinearRegression().fit(scale(X)[:, small.kept_], y)
    np.testing.assert_allclose(small.coef_[small.kept_], bare.coef_, rtol=1e-6)


def test_without_refit_the_rest_is_as_it_was():
    X, y = load_diabetes(return_X_y=True)
    full = sk.Ridge().fit(X, y)
    small = PrunedRegressor(sk.Ridge(), unit="coefficient", keep=4, refit=False).fit(X, y)
    assert np.array_equal(small.coef_[small.kept_], full.coef_[small.kept_])
    assert small.intercept_ == full.intercept_


@pytest.mark.parametrize("scheme", ["float16", "int8", "codebook"])
def test_quantized(scheme):
    X, y = load_wine(return_X_y=True)
    X = scale(X)
    plain = PrunedClassifier(sk.LogisticRegression(), keep=1.0).fit(X, y)
    small = PrunedClassifier(sk.LogisticRegression(), keep=1.0, quantize=scheme).fit(X, y)
    assert np.mean(small.predict(X) == plain.predict(X)) > 0.98
    difference = np.abs(small.predict_proba(X) - plain.predict_proba(X)).max()
    assert 0 < difference < 0.02


pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning"),
]


def context_of(model, X, y, **params):
    return PruningContext(model, X, y, fit_params=params, seed=0)


def regression():
    X, y = make_regression(120, 12, n_informative=5, noise=5.0, random_state=1)
    return X, y / y.std() + 0.1 * X[:, 0] ** 2


def test_each_linear_model_is_pruned_as_one_or_refused_with_a_reason():
    left = {}
    for name, cls in all_estimators():
        base = {ancestor.__name__ for ancestor in cls.__mro__}
        linear = {"LinearModel", "LinearClassifierMixin", "BaseSGD"} & base
        if not linear and "linear_model" not in cls.__module__:
            continue
        parameters = (
            {"estimator": sk.Ridge()}
            if "estimator" in cls.__init__.__code__.co_varnames
            else {}
        )
        family, reason = family_of(cls(**parameters))
        if not isinstance(family, LinearFamily):
            left[name] = reason
    assert left == {
        "LinearDiscriminantAnalysis": None,  # its features, beside naive Bayes
        "RANSACRegressor": None,
        "SGDOneClassSVM": "it detects outliers and has no targets",
    }
    family, reason = family_of(sk.LinearSVC(multi_class="crammer_singer"))
    assert isinstance(family, FeatureFamily)
    assert "crammer_singer" in reason


def test_single_precision_stays():
    X, y = regression()
    X = X.astype(np.float32)
    for model in (sk.Ridge(), sk.LinearRegression(), sk.Lasso(alpha=0.1)):
        fitted = model.fit(X, y.astype(np.float32))
        family, _ = family_of(fitted)
        compact = family.compact(family.start(fitted, context_of(model, X, y)))
        assert compact.coef_.dtype == np.float32
        for rows in (X, X.astype(np.float64)):
            assert compact.predict(rows).dtype == fitted.predict(rows).dtype
            np.testing.assert_allclose(
                compact.predict(rows), fitted.predict(rows), rtol=1e-5, atol=1e-5
            )


def test_columns_without_coefficients_are_not_stored():
    X, y = regression()
    model = sk.Lasso(alpha=0.3).fit(X, y)
    used = np.flatnonzero(model.coef_)
    family, _ = family_of(model)
    compact = family.compact(family.start(model, context_of(model, X, y)))
    assert 0 < len(used) < X.shape[1]
    assert np.array_equal(compact.columns_, used)
    assert compact.n_parameters() == len(used) + 1


def test_the_standard_deviation_is_refused_in_one_line():
    X, y = regression()
    pruned = PrunedRegressor(sk.BayesianRidge(), keep=0.5).fit(X, y)
    assert pruned.predict(X, return_std=False).shape == y.shape
    with pytest.raises(ValueError, match="Got return_std=True"):
        pruned.predict(X, return_std=True)


CRITERIA = [
    wp.MagnitudeCriterion("l1"),
    wp.MagnitudeCriterion("l2"),
    wp.PenaltyCriterion("l1"),
    wp.PenaltyCriterion("l2"),
    wp.TaylorCriterion(),
    wp.SecondOrderCriterion(),
]
MODELS = [
    sk.LogisticRegression(C=0.5),
    sk.RidgeClassifier(),
    sk.LinearSVC(random_state=0),
    sk.LinearSVC(loss="hinge", random_state=0, max_iter=5000),
    *(
        sk.SGDClassifier(loss=loss, alpha=0.01, random_state=0)
        for loss in ("hinge", "perceptron", "modified_huber")
    ),
    sk.Ridge(),
    sk.HuberRegressor(),
    sk.QuantileRegressor(alpha=0.001),
    sk.LinearSVR(random_state=0, epsilon=0.1),
    sk.SGDRegressor(loss="squared_epsilon_insensitive", random_state=0),
    sk.PoissonRegressor(),
]


def planted(model, n_useful=3):
    """Targets that the first columns decide, on columns of unequal spread."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 15))
    score = 2 * X[:, :n_useful].sum(axis=1) + 0.3 * rng.normal(size=300)
    X = X * rng.permutation(np.geomspace(0.5, 2, 15))
    if is_classifier(model):
        return X, np.where(score > 0, "yes", "no")
    return X, np.exp(score / 8) if hasattr(model, "_get_loss") else score


@pytest.mark.parametrize("unit", ["coefficient", "feature"])
@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model)[:50])
def test_the_columns_that_decide_are_kept(model, criterion, unit):
    X, y = planted(model)
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    small = wrapper(clone(model), criterion, unit=unit, keep=3, random_state=0).fit(X, y)
    assert list(small.kept_) == [0, 1, 2]
    assert np.array_equal(small.estimator_.predict(X), small.predict(X))
    rows = csr_array(X)
    same = wrapper(clone(model), criterion, unit=unit, keep=3, random_state=0).fit(rows, y)
    assert list(same.kept_) == [0, 1, 2]


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (sk.LogisticRegression(), lambda m, s, t: np.log1p(np.exp(-t * s)).sum()),
        (
            sk.LinearSVC(random_state=0),
            lambda m, s, t: (np.maximum(1 - t * s, 0) ** 2).sum(),
        ),
        (sk.HuberRegressor(), lambda m, s, t: _huber(s - t, m.epsilon * m.scale_)),
        (sk.Ridge(), lambda m, s, t: ((s - t) ** 2).sum() / 2),
        (
            sk.QuantileRegressor(quantile=0.3, alpha=0.01),
            lambda m, s, t: np.where(t > s, 0.3 * (t - s), 0.7 * (s - t)).sum(),
        ),
        (
            sk.LinearSVR(epsilon=0.3, random_state=0, loss="squared_epsilon_insensitive"),
            lambda m, s, t: (np.maximum(np.abs(s - t) - 0.3, 0) ** 2).sum(),
        ),
        (sk.PoissonRegressor(), lambda m, s, t: (np.exp(s) - t * s).sum()),
        (
            sk.SGDClassifier(loss="modified_huber", random_state=0),
            lambda m, s, t: np.where(
                t * s < -1, -4 * t * s, np.maximum(1 - t * s, 0) ** 2
            ).sum(),
        ),
    ],
    ids=lambda part: "" if callable(part) else str(part)[:30],
)
def test_gradients_are_those_of_the_loss(model, loss):
    X, y = planted(model)
    model = clone(model).fit(X, y)
    scores = np.random.default_rng(1).normal(size=(40, 1))
    targets = np.sign(scores[::-1]) if is_classifier(model) else y[:40, None]
    found, _ = derivatives(model, scores, targets)
    for row in range(40):
        step = np.zeros((40, 1))
        step[row] = 1e-6
        slope = loss(model, scores + step, targets) - loss(model, scores - step, targets)
        assert found[row, 0] == pytest.approx(slope / 2e-6, abs=1e-5)


def _huber(residuals, width):
    small = np.abs(residuals) <= width
    return np.where(small, residuals**2 / 2, width * np.abs(residuals) - width**2 / 2).sum()


def test_second_order_losses_are_exact_for_ridge():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), (y - y.mean()) / y.std()
    model = sk.Ridge(alpha=20.0).fit(X, y)

    def optimum(columns):
        part = sk.Ridge(alpha=20.0).fit(X[:, columns], y)
        residuals = y - part.predict(X[:, columns])
        return (residuals @ residuals + 20.0 * part.coef_ @ part.coef_) / 2

    family, context = LinearFamily(), PruningContext(sk.Ridge(alpha=20.0), X, y)
    found = family.removal_losses(family.start(model, context), "coefficient", context)
    left, before, dearest = list(range(10)), optimum(list(range(10))), 0.0
    while len(left) > 1:
        losses = [optimum([c for c in left if c != gone]) - before for gone in left]
        dearest = max(dearest, min(losses))
        gone = left.pop(int(np.argmin(losses)))
        before += min(losses)
        assert found[gone] == pytest.approx(dearest, rel=1e-6)


def test_l1_strengths_are_where_the_lasso_path_lets_columns_in():
    rng = np.random.default_rng(0)
    X = scale(rng.normal(size=(200, 20)) + rng.normal(size=(200, 1)) / 2)
    y = scale(X @ np.geomspace(3, 0.03, 20) + rng.normal(size=200))
    family, context = LinearFamily(), PruningContext(sk.Ridge(), X, y)
    work = family.start(sk.Ridge().fit(X, y), context)
    _, found = family.penalised(work, "coefficient", "l1", context)
    penalties, path, _ = lasso_path(X, y, eps=1e-3, alphas=400)
    first = [np.append(np.flatnonzero(row), len(penalties) - 1)[0] for row in path]
    expected = penalties[first] / penalties[0]
    step = 1e-3 ** (-1 / 20)
    assert np.all(found <= expected * step * 1.05)
    assert np.all(found >= expected / step / 1.05)


def test_effects_are_root_mean_squares_over_rows():
    X, y = load_iris(return_X_y=True)
    model = sk.LogisticRegression(fit_intercept=False, C=0.1).fit(X, y)
    family, context = LinearFamily(), PruningContext(sk.LogisticRegression(), X, y)
    work = family.start(model, context)
    slopes = model.predict_proba(X) - np.eye(3)[y]
    effects = slopes[:, :, None] * X[:, None] * model.coef_
    found = family.gradient_effects(work, "coefficient", context)
    np.testing.assert_allclose(found, np.sqrt((effects**2).mean(axis=0)).ravel())
    found = family.gradient_effects(work, "feature", context)
    np.testing.assert_allclose(found, np.sqrt((effects.sum(axis=1) ** 2).mean(axis=0)))


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_outputs_count_relative_to_their_spread(criterion):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    Y = np.column_stack([X[:, 0] + X[:, 1], 1000 * (X[:, 2] + X[:, 3])])
    Y += np.array([0.1, 100.0]) * rng.normal(size=Y.shape)
    small = PrunedRegressor(sk.Ridge(), criterion, unit="coefficient", keep=4).fit(X, Y)
    assert list(small.kept_) == [0, 1, 8, 9]
