"""Faults planted into exports: one threshold, one label, one way of missing values."""

import shutil

import numpy as np
import pytest
from sklearn.datasets import load_iris

from sklearn_prune.persistence import check_export
from tests.estimators import sk
from tests.persistence.planted import FORMATS

X, LABELS = load_iris(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=0.01, size=X.shape)
X[::5, 2] = np.nan
NAMES = np.array(["setosa", "versicolor", "virginica"])[LABELS]
MODELS = {
    "forest": sk.RandomForestClassifier(4, max_depth=4, random_state=0),
    # Leaves of one class have other values by their numbers of rows, so each node matters.
    "boosting": sk.HistGradientBoostingClassifier(
        max_iter=3,
        max_depth=3,
        min_samples_leaf=5,
        l2_regularization=1.0,
        categorical_features=None,
    ),
}


@pytest.fixture(params=FORMATS)
def format_(request):
    """What exports a model in one of the formats."""
    if request.param == "graph":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("skl2onnx")
    if request.param == "source" and not (shutil.which("gcc") or shutil.which("cc")):
        pytest.skip("there is no C compiler")
    return FORMATS[request.param]


@pytest.fixture(params=MODELS)
def exported(request, format_, tmp_path):
    """A fitted model, and what was exported of it."""
    model = MODELS[request.param].fit(X, NAMES)
    return model, format_(model, X, tmp_path)


def found(model, artefact, where):
    """Whether a fault is found, at rows of this kind."""
    report = check_export(model, artefact, on_fail="ignore")
    assert report.n_different > 0 or report.equal
    return not report.equal and any(where in reason for reason in report.reasons)


def test_faults_are_found(exported):
    model, export = exported
    assert check_export(model, export.whole(), X).equal
    finite = np.flatnonzero(np.isfinite(export.thresholds))
    for place, to in ((finite[1], -np.inf), (finite[-2], np.inf)):
        assert found(model, export.moved(place, to), "thresholds")
    assert any(
        found(model, export.missing_elsewhere(place), "thresholds") for place in range(4)
    )
    report = check_export(model, export.labels_swapped(), on_fail="ignore")
    assert report.labels_equal is False
    assert "labels: different" in str(report)


@pytest.mark.slow
def test_each_threshold_that_moves_by_one_unit_is_found(format_, tmp_path):
    """Both sides of each node of these trees have other values."""
    noise = np.random.default_rng(1).normal(size=len(X))
    for model in (
        sk.RandomForestRegressor(3, max_depth=4, random_state=0),
        sk.HistGradientBoostingRegressor(max_iter=2, max_depth=4, min_samples_leaf=5),
    ):
        model.fit(X, LABELS + 0.1 * noise)
        export = format_(model, X, tmp_path)
        finite = np.flatnonzero(np.isfinite(export.thresholds))
        assert len(finite) > 9
        for place in finite:
            for to in (-np.inf, np.inf):
                assert found(model, export.moved(place, to), "thresholds"), (place, to)
