"""Linear models: every one of scikit-learn's, whole, and its parts that are left."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils import all_estimators

from sklearn_prune import PrunedRegressor
from sklearn_prune.models.features.family import FeatureFamily
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._registry import family_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning"),
]

METHODS = ("predict", "decision_function", "predict_proba", "predict_log_proba")
CLASSIFIERS = [
    LogisticRegression(),
    LogisticRegression(solver="saga", l1_ratio=1.0, C=0.1, random_state=0),
    LogisticRegression(solver="saga", l1_ratio=0.5, C=0.1, random_state=0),
    LogisticRegression(class_weight="balanced", fit_intercept=False),
    LogisticRegressionCV(
        Cs=3, cv=2, l1_ratios=(0.0,), use_legacy_attributes=False, scoring="accuracy"
    ),
    RidgeClassifier(class_weight="balanced"),
    RidgeClassifierCV(),
    LinearSVC(random_state=0),
    LinearSVC(loss="hinge", class_weight="balanced", random_state=0),
    LinearSVC(penalty="l1", C=0.05, fit_intercept=False, random_state=0),
    *(
        SGDClassifier(loss=loss, random_state=0)
        for loss in (
            "hinge",
            "log_loss",
            "modified_huber",
            "squared_hinge",
            "perceptron",
            "squared_error",
            "huber",
            "epsilon_insensitive",
            "squared_epsilon_insensitive",
        )
    ),
    SGDClassifier(loss="log_loss", penalty="l1", alpha=0.05, fit_intercept=False),
    Perceptron(random_state=0),
]
REGRESSORS = [
    LinearRegression(),
    LinearRegression(positive=True, fit_intercept=False),
    Ridge(),
    RidgeCV(),
    Lasso(alpha=2.0),
    ElasticNet(alpha=0.1),
    OrthogonalMatchingPursuit(),
    BayesianRidge(),
    ARDRegression(),
    HuberRegressor(),
    QuantileRegressor(quantile=0.6, alpha=0.01),
    TheilSenRegressor(random_state=0, max_subpopulation=100),
    LinearSVR(random_state=0, epsilon=0.5),
    *(
        SGDRegressor(loss=loss, random_state=0)
        for loss in (
            "squared_error",
            "huber",
            "epsilon_insensitive",
            "squared_epsilon_insensitive",
        )
    ),
    PoissonRegressor(),
    GammaRegressor(),
    TweedieRegressor(power=1.5),
    TweedieRegressor(power=0),
]


def named(models):
    return [pytest.param(model, id=f"{number}-{model}"[:60]) for number, model in models]


def context_of(model, X, y, **params):
    return PruningContext(model, X, y, fit_params=params, seed=0)


def data_for(model, n_classes=3, n_features=12):
    if is_classifier(model):
        X, y = make_classification(
            n_samples=150,
            n_features=n_features,
            n_informative=6,
            n_classes=n_classes,
            class_sep=1.2,
            flip_y=0.1,
            random_state=1,
        )
        return X, np.array(["b", "c", "a"])[y]
    X, y = make_regression(
        n_samples=120, n_features=n_features, n_informative=5, noise=5.0, random_state=1
    )
    y = y / y.std() + 0.1 * X[:, 0] ** 2
    if hasattr(model, "_get_loss"):
        y = np.exp(0.3 * y)
    return X, y


def assert_same_predictor(compact, model, X, rtol=1e-10):
    for method in METHODS:
        assert hasattr(compact, method) == hasattr(model, method), method
        if hasattr(model, method):
            expected = getattr(model, method)(X)
            found = getattr(compact, method)(X)
            assert found.shape == expected.shape
            assert found.dtype == expected.dtype
            if expected.dtype.kind == "f":
                scale = np.abs(expected[np.isfinite(expected)]).max()
                np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)
            else:
                assert np.array_equal(found, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", named(enumerate(CLASSIFIERS)))
def test_whole_classifiers_predict_as_they_were(model, n_classes):
    X, y = data_for(model, n_classes)
    _check_whole(clone(model).fit(X, y), X, y)


@pytest.mark.parametrize("model", named(enumerate(REGRESSORS)))
def test_whole_regressors_predict_as_they_were(model):
    X, y = data_for(model)
    _check_whole(clone(model).fit(X, y), X, y)


def _check_whole(model, X, y):
    before = pickle.dumps(model)
    family, reason = family_of(model)
    assert reason is None
    context = context_of(model, X, y)
    compact = pickle.loads(pickle.dumps(family.compact(family.start(model, context))))
    assert pickle.dumps(model) == before
    assert len(pickle.dumps(compact)) < 4000
    assert_same_predictor(compact, model, X)
    assert_same_predictor(compact, model, X[:1])
    assert_same_predictor(compact, model, csr_array(X), rtol=1e-9)
    assert np.array_equal(compact.coef_, model.coef_)
    assert np.array_equal(compact.intercept_, model.intercept_)
    restored = family.restore(compact, clone(model))
    assert np.array_equal(restored.predict(X), model.predict(X))


def test_each_linear_model_is_pruned_as_one_or_refused_with_a_reason():
    left = {}
    for name, cls in all_estimators():
        base = {ancestor.__name__ for ancestor in cls.__mro__}
        linear = {"LinearModel", "LinearClassifierMixin", "BaseSGD"} & base
        if not linear and "linear_model" not in cls.__module__:
            continue
        parameters = (
            {"estimator": Ridge()}
            if "estimator" in cls.__init__.__code__.co_varnames
            else {}
        )
        family, reason = family_of(cls(**parameters))
        if not isinstance(family, LinearFamily):
            left[name] = reason
    assert left == {
        "LinearDiscriminantAnalysis": None,  # its features, beside naive Bayes
        "RANSACRegressor": None,
        "SGDOneClassSVM": "it finds outliers and has no targets",
    }
    family, reason = family_of(LinearSVC(multi_class="crammer_singer"))
    assert isinstance(family, FeatureFamily)
    assert "crammer_singer" in reason


def data_of_outputs(n_outputs=3):
    X, y = make_regression(
        n_samples=100,
        n_features=8,
        n_informative=5,
        n_targets=n_outputs,
        noise=5.0,
        random_state=1,
    )
    return X, y / y.std(axis=0)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        Ridge(alpha=np.array([1.0, 2.0, 3.0])),
        RidgeCV(),
        Lasso(alpha=0.1, fit_intercept=False),
        MultiTaskLasso(alpha=0.2),
        MultiTaskElasticNet(alpha=0.2),
        OrthogonalMatchingPursuit(n_nonzero_coefs=3),
    ],
)
def test_whole_models_of_several_outputs(model):
    X, y = data_of_outputs()
    _check_whole(clone(model).fit(X, y), X, y)


def test_models_of_several_labels():
    X, y = data_for(RidgeClassifier())
    labels = np.column_stack([y == "a", X[:, 0] > 0]).astype(int)
    for model in (RidgeClassifier(), RidgeClassifierCV()):
        _check_whole(model.fit(X, labels), X, labels)


def test_single_precision_stays():
    X, y = data_for(Ridge())
    X = X.astype(np.float32)
    for model in (Ridge(), LinearRegression(), Lasso(alpha=0.1)):
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
    X, y = data_for(Lasso())
    model = Lasso(alpha=0.3).fit(X, y)
    used = np.flatnonzero(model.coef_)
    family, _ = family_of(model)
    compact = family.compact(family.start(model, context_of(model, X, y)))
    assert 0 < len(used) < X.shape[1]
    assert np.array_equal(compact.columns_, used)
    assert compact.n_parameters() == len(used) + 1


def test_the_standard_deviation_is_refused_in_one_line():
    X, y = data_for(BayesianRidge())
    pruned = PrunedRegressor(BayesianRidge(), keep=0.5).fit(X, y)
    assert pruned.predict(X, return_std=False).shape == y.shape
    with pytest.raises(ValueError, match="Got return_std=True"):
        pruned.predict(X, return_std=True)
