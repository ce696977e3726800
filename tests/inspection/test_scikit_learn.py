"""scikit-learn's inspection tools on predictors, and on what `load` returns."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.persistence import load, save

CLOSE = 1e-5  # loaded kernel machines sum in single precision
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # nets that stop early
MODELS = {
    "forest": RandomForestClassifier(10, random_state=0),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "gradient": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "hist": HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "logistic": LogisticRegression(),
    "vectors": SVC(),
    "neighbors": KNeighborsClassifier(),
    "bayes": GaussianNB(),
    "net": MLPClassifier((8,), max_iter=30, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "forest for numbers": RandomForestRegressor(10, random_state=0),
    "ridge": Ridge(),
    "vectors for numbers": SVR(),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, tmp_path_factory):
    """Rows, targets, a pruned model, its predictor and what is loaded from its file."""
    numeric = request.param in ("forest for numbers", "ridge", "vectors for numbers")
    if numeric:
        X, y = load_diabetes(return_X_y=True)
        X = X[:, :4] * 20
    else:
        X, y = make_classification(200, 4, random_state=0)
    wrapper = PrunedRegressor if numeric else PrunedClassifier
    model = wrapper(MODELS[request.param], keep=0.8, random_state=0).fit(X, y)
    path = tmp_path_factory.mktemp("files") / "model.skprune"
    save(model, path)
    return X, y, model, [model.compact_, load(path)]


def test_permutation_importance(fitted):
    X, y, model, predictors = fitted
    wanted = permutation_importance(model, X, y, n_repeats=2, random_state=0)
    assert np.abs(wanted.importances).max() > 0
    for predictor in predictors:
        found = permutation_importance(predictor, X, y, n_repeats=2, random_state=0)
        assert np.allclose(found.importances, wanted.importances)


def test_partial_dependence(fitted):
    X, _, model, predictors = fitted
    options = {"features": [0], "kind": "both", "grid_resolution": 5}
    wanted = partial_dependence(model, X, **options)
    for predictor in predictors:
        found = partial_dependence(predictor, X, **options)
        for kind in ("average", "individual"):
            assert np.allclose(found[kind], wanted[kind], atol=CLOSE)


def test_partial_dependence_display(fitted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from sklearn.inspection import PartialDependenceDisplay

    X, _, model, predictors = fitted
    options = {"features": [0, (0, 1)], "grid_resolution": 4}
    wanted = PartialDependenceDisplay.from_estimator(model, X, **options)
    line = wanted.lines_.ravel()[0].get_ydata()
    for predictor in predictors:
        found = PartialDependenceDisplay.from_estimator(predictor, X, **options)
        assert np.allclose(found.lines_.ravel()[0].get_ydata(), line, atol=CLOSE)
    matplotlib.pyplot.close("all")


def test_decision_boundary_display(fitted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from sklearn.inspection import DecisionBoundaryDisplay

    X, y, model, _ = fitted
    plane = X[:, :2]
    small = model.__class__(model.estimator, keep=0.8, random_state=0)
    small.fit(plane, y)
    options = {"grid_resolution": 8, "response_method": "predict"}
    wanted = DecisionBoundaryDisplay.from_estimator(small, plane, **options)
    found = DecisionBoundaryDisplay.from_estimator(small.compact_, plane, **options)
    assert np.array_equal(found.response, wanted.response)
    matplotlib.pyplot.close("all")
