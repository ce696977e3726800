"""How linear predictors are stored, and what they give back."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import softmax

from sklearn_prune.predictors.linear import CompactLinearClassifier, CompactLinearRegressor
from sklearn_prune.weight_pruning import Quantizer


@pytest.mark.parametrize("n_outputs", [None, 1, 5])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 0.97, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_pattern_of_zeros(dtype, density, n_outputs):
    rng = np.random.default_rng(0)
    shape = (300,) if n_outputs is None else (n_outputs, 300)
    coef = rng.normal(size=shape).astype(dtype)
    coef[rng.random(shape) >= density] = 0
    intercept = rng.normal(size=shape[:-1])[()]
    compact = CompactLinearRegressor.of(coef, intercept, 300)
    X = rng.normal(size=(20, 300))
    expected = X @ coef.T + intercept
    assert np.array_equal(compact.coef_, coef)
    assert compact.coef_.dtype == dtype
    for rows in (X, csr_array(X)):
        np.testing.assert_allclose(compact.predict(rows), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(compact.predict(X[:1]), expected[:1], rtol=1e-10, atol=1e-10)
    stored = sum(
        part.nbytes
        for part in (compact.weights_, compact.mask_, compact.columns_)
        if part is not None
    )
    assert stored <= coef.nbytes + 2 * 300
    if density <= 0.3:
        assert compact.n_parameters() == np.count_nonzero(coef) + np.size(intercept)


def test_quantized_coefficients_are_a_quarter_of_single_precision():
    X, y = make_classification(400, 100, n_informative=20, n_classes=4, random_state=0)
    model = LogisticRegression(max_iter=500).fit(X, y)
    compact = CompactLinearClassifier.of(
        model.coef_, model.intercept_, 100, classes_=model.classes_, probability_="softmax"
    )
    for scheme, ratio in (("int8", 3.5), ("float16", 2.0), ("codebook", 1.0)):
        small = pickle.loads(pickle.dumps(compact.quantized(Quantizer(scheme))))
        assert model.coef_.size * 4 >= ratio * small.weights_.nbytes
        assert np.mean(small.predict(X) == model.predict(X)) > 0.98
        scores = X @ small.coef_.T.astype(np.float64) + model.intercept_
        np.testing.assert_allclose(small.predict_proba(X), softmax(scores), rtol=1e-6)


def test_the_refusals_are_those_of_scikit_learn():
    compact = CompactLinearRegressor.of(np.ones(3), 0.0, 3)
    for rows in (np.ones((2, 4)), np.full((2, 3), np.nan), np.ones(3), np.ones((0, 3))):
        with pytest.raises(ValueError, match=r"X|array|features"):
            compact.predict(rows)
