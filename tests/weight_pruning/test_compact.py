"""The exact predictor of a fitted model."""

import re

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from sklearn_prune import compact
from sklearn_prune.persistence.export import tied
from sklearn_prune.predictors import Compact, CompactModel, stored_bytes
from tests.estimators import sk
from tests.matrix import LABELS, TARGET, X, answers, assert_same, bytes_of, matrix


@pytest.mark.parametrize("name", [name for name, *_ in matrix()])
def test_it_answers_as_the_model(name, models):
    model, rows = models[name]
    predictor = compact(model)
    assert isinstance(predictor, Compact)
    if name.startswith("neighbours"):  # of equally far ones others may vote
        dense = rows.toarray() if issparse(rows) else rows
        rows = rows[~tied(predictor, dense)]
    assert compact(predictor) is predictor
    found, wanted = answers(predictor, rows), answers(model, rows)
    wanted = {key: value for key, value in wanted.items() if key in found}
    assert ("predict",) in wanted
    assert_same(found, wanted, rtol=1e-9, same_dtype=False)


@pytest.mark.parametrize("name", ["LGBMClassifier", "XGBRegressor", "XGBClassifier"])
def test_boosting_of_other_libraries(name):
    library = pytest.importorskip("lightgbm" if name.startswith("LGBM") else "xgboost")
    params = {"verbose": -1} if name.startswith("LGBM") else {}
    model = getattr(library, name)(n_estimators=5, n_jobs=1, **params)
    model.fit(X, TARGET if "Regressor" in name else LABELS)
    predictor = compact(GridSearchCV(model, {"max_depth": [2]}, cv=2).fit(X, LABELS))
    assert predictor.trees_.n_trees == 5 * (1 if "Regressor" in name else 3)
    np.testing.assert_allclose(compact(model).predict(X), model.predict(X), rtol=1e-6)


def test_a_torch_net():
    pytest.importorskip("skorch")
    from tests.persistence.test_modules import Straight, classifier
    from tests.persistence.test_modules import X as rows

    net = classifier(Straight).fit(rows, LABELS)
    np.testing.assert_array_equal(compact(net).predict(rows), net.predict(rows))


def test_a_model_without_a_smaller_form_is_kept_and_named():
    model = sk.NearestCentroid().fit(X, LABELS)
    with pytest.warns(UserWarning, match="NearestCentroid has no smaller form"):
        predictor = compact(model)
    assert type(predictor) is CompactModel
    np.testing.assert_array_equal(predictor.predict(X), model.predict(X))


def test_what_is_no_fitted_model():
    with pytest.raises(NotFittedError):
        compact(sk.SVC())
    for thing in (3, sk.SVC, X):
        with pytest.raises(TypeError, match="compact takes a fitted estimator"):
            compact(thing)
    search = GridSearchCV(sk.Ridge(), {"alpha": [1.0]}, refit=False).fit(X, TARGET)
    with pytest.raises(TypeError, match=re.escape("refit=True")):
        compact(search)


def test_it_is_small():
    forest = FrozenEstimator(sk.RandomForestClassifier(20, random_state=0).fit(X, LABELS))
    assert 20 * stored_bytes(compact(forest)) < len(bytes_of(forest))
