"""Linear models: every one of scikit-learn's, whole, and its parts that are left."""

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import (
    BayesianRidge,
    Lasso,
    LinearRegression,
    Ridge,
)
from sklearn.svm import LinearSVC
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
